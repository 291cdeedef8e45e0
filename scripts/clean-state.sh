#!/usr/bin/env bash
# Deletes a state folder, after making sure that it is one and that nothing runs on it: scripts/clean-state.sh .sluice
set -euo pipefail
state=${1:?usage: scripts/clean-state.sh FOLDER}

[ -e "$state" ] || { echo "$state does not exist: nothing to delete"; exit 0; }
case "$(basename "$(realpath "$state")")" in
.sluice*) ;;
*)
	echo "clean-state deletes folders named .sluice…, not $state: delete it yourself if that is what you mean" >&2
	exit 1
	;;
esac

alive() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }
pid=$(sed -nE 's/.*"pid": *([0-9]+).*/\1/p' "$state/ready.json" 2>/dev/null || true)
if alive "$pid" && { [ ! -r "/proc/$pid/cmdline" ] || grep -qa sluice "/proc/$pid/cmdline"; }; then
	echo "sluice still runs on $state (process $pid): stop it first, with Ctrl-C in its terminal or kill -INT $pid" >&2
	exit 1
fi

# An Elasticsearch that was started for this folder and has outlived its sluice. Its processes, or its container, carry
# the cluster's random name, so nothing else can be meant.
while IFS= read -r record; do
	cluster=$(sed -nE 's/.*"cluster": *"([A-Za-z0-9_-]+)".*/\1/p' "$record")
	[ -n "$cluster" ] || continue
	for cmdline in $(grep -lsaF -- "sluice.cluster=$cluster" /proc/[0-9]*/cmdline || true); do
		node=${cmdline#/proc/} node=${node%/cmdline}
		alive "$node" || continue
		echo "stopping Elasticsearch (process $node)"
		kill -TERM "$node"
		for _ in {1..100}; do alive "$node" && sleep 0.2 || break; done
		! alive "$node" || kill -KILL "$node"
	done
	if containers=$(docker ps --all --quiet --filter "label=sluice.cluster=$cluster" 2>/dev/null) && [ -n "$containers" ]; then
		# shellcheck disable=SC2086 # one id per line, and all of them are meant
		docker rm --force $containers
	fi
done < <(find "$state" -maxdepth 3 -name node.json)

rm -rf -- "$state"
echo "deleted $state"
