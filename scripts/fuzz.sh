#!/usr/bin/env bash
# Runs every fuzz target of the workspace for the given time each: scripts/fuzz.sh 30s
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${1:?usage: scripts/fuzz.sh TIME}

found=0 failed=0
while IFS=: read -r file line; do
	name=${line#func } name=${name%%(*}
	found=$((found + 1))
	echo "== $name in ${file%/*}"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "$fuzztime" "./${file%/*}" || failed=$((failed + 1))
done < <(grep -rE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*\(' services shared test)

echo "$found fuzz targets, $failed failed"
[ "$found" -gt 0 ] && [ "$failed" -eq 0 ]
