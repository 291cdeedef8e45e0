#!/usr/bin/env bash
# Starts `sluice up`, sends it demo events once it is ready, and stops it at Ctrl-C. `make run` calls it; arguments are
# passed to `sluice up`. STATE is the folder of all data, COUNT the number of demo events (0 for none).
#
# Who is told to stop, and how often: `sluice up` takes a second signal as "at once", so it must get exactly one. It
# therefore runs in a process group of its own, where a terminal's Ctrl-C does not reach it, and gets its one signal
# from here: after Ctrl-C, after SIGTERM, and when make (which does not pass SIGINT on) was told to end or is gone.
set -euo pipefail
cd "$(dirname "$0")/.."

state=${STATE:-.sluice}
count=${COUNT:-500}
sluice=${SLUICE:-bin/sluice}
ready=$state/ready.json
patience=${READY_SECONDS:-600} # a first start may download Elasticsearch

# in_foreground: do we own the terminal? (fields 5 and 8 of stat, after the name in brackets)
in_foreground() {
	local stat
	[ -t 2 ] && stat=$(cat "/proc/$$/stat" 2>/dev/null) || return 1
	set -- ${stat##*) }
	[ "$3" = "$6" ]
}

# make dies of Ctrl-C and calls that an error. On a terminal the work is therefore done in a process group of its own,
# which the shell makes the foreground one: Ctrl-C reaches it alone, and make sees a command that ended well.
if [ -z "${RUN_PARENT:-}" ]; then
	export RUN_PARENT=$PPID
	if in_foreground; then
		trap : TERM HUP # wait for the end; the inner call notices by itself
		set -m
		code=0
		scripts/run.sh "$@" || code=$?
		exit "$code"
	fi
fi

stopping=
trap 'stopping=yes' INT TERM HUP
trap '' TSTP # half of a pipeline that stands still would only look broken

# parent_caught prints make's mask of caught signals, or nothing where only Linux could tell; a dead one has none.
parent_caught() { sed -n '/^State:.*Z/q; s/^SigCgt:[[:space:]]*//p' "/proc/$RUN_PARENT/status" 2>/dev/null || true; }

# catches_both: bit 1 of the mask is SIGINT, bit 14 is SIGTERM.
catches_both() { [ -n "$1" ] && (((16#${1: -8} & 0x4002) == 0x4002)); }

# Only a parent that catches both to begin with can be read this way (make does; a shell may not).
parent_catches=no
if catches_both "$(parent_caught)"; then parent_catches=yes; fi

# parent_ends: make is gone, or it has caught a signal and waits for us; then that signal has left its mask.
parent_ends() {
	kill -0 "$RUN_PARENT" 2>/dev/null || return 0
	[ "$parent_catches" = yes ] && ! catches_both "$(parent_caught)"
}

must_stop() {
	if [ -z "$stopping" ] && parent_ends; then stopping=yes; fi
	[ -n "$stopping" ]
}

# pause: a Ctrl-C also ends the sleep, which must not end the script.
pause() { sleep 0.2 || true; }

# spawn starts a command in a process group of its own and leaves its process id in $spawned.
spawn() {
	set -m
	"$@" </dev/null &
	spawned=$!
	set +m
}

# finish waits for process $1 and leaves its exit code in $code; wait returns early when a signal comes, hence the loop.
finish() {
	code=0
	while kill -0 "$1" 2>/dev/null; do wait "$1" || true; done
	wait "$1" || code=$?
}

# follow waits for process $1 and leaves its exit code in $code; when we are told to stop, it is sent one SIGINT.
follow() {
	until ! kill -0 "$1" 2>/dev/null; do
		if must_stop; then
			kill -INT "$1" 2>/dev/null || true
			break
		fi
		pause
	done
	finish "$1"
}

# is_ready: the file of this very start, not one that a killed process has left.
is_ready() { grep -qsE "\"pid\": *$up\b" "$ready"; }

await_ready() {
	local end=$((SECONDS + patience))
	until is_ready; do
		if must_stop || ! kill -0 "$up" 2>/dev/null; then return 1; fi
		if ((SECONDS > end)); then
			echo "run: not ready after $patience seconds; stopping (READY_SECONDS=… waits longer)" >&2
			stopping=yes give_up=yes
			return 1
		fi
		pause
	done
}

demo() {
	local seed=${SEED:-$(date +%s)} before
	before=$(searchable)
	printf '\nSending %s demo events (seed %s) …\n' "$count" "$seed"
	spawn "$sluice" simulate --state "$state" --count "$count" --seed "$seed"
	follow "$spawned"
	if [ "$code" -ne 0 ] && ! must_stop; then
		echo "run: the demo events were not all sent (exit $code); everything else goes on" >&2
	fi
	report "$before" "$([ "$code" -eq 0 ] && echo "$count" || echo 1)"
}

searchable() { scripts/searchable.sh "$state" 2>/dev/null || echo 0; }

# report waits, for a minute at most, until $2 events more than $1 are searchable and their number has been the same for
# two seconds. A cold Elasticsearch may take longer than that between two deliveries: standing still is not yet the end.
report() {
	local now=$1 wanted=$(($1 + $2)) last=-1 since=$SECONDS end=$((SECONDS + 60))
	while ((SECONDS < end)) && ! { ((now >= wanted)) && ((SECONDS - since >= 2)); }; do
		if must_stop || ! kill -0 "$up" 2>/dev/null; then return; fi
		now=$(searchable)
		if [ "$now" != "$last" ]; then last=$now since=$SECONDS; fi
		pause
	done
	echo "$now events are searchable, $((now - $1)) of them new."
}

give_up=
spawn "$sluice" up --state "$state" "$@"
up=$spawned
if await_ready; then
	[ "$count" = 0 ] || demo
	must_stop || printf '\nRunning. Ctrl-C stops it; the data stays in %s, and `make run` continues with it.\n' "$state"
fi
follow "$up"
[ -z "$give_up" ] || exit 1
exit "$code"
