#!/usr/bin/env bash
# Prints how many events are searchable in the installation that runs on a state folder: scripts/searchable.sh .sluice
# It asks Elasticsearch itself, with curl, or without it (and then without TLS and log-in) by bash's own means.
set -euo pipefail
ready=${1:?usage: scripts/searchable.sh FOLDER}/ready.json

field() { sed -nE "s/.*\"$1\": *\"([^\"]*)\".*/\1/p" "$ready"; }
url=$(field elasticsearch_url) path=/$(field index)/_count

# credentials are curl's settings, given on standard input so that they do not stand in the list of processes.
credentials() {
	local password=${ELASTICSEARCH_PASSWORD:-}
	if [ -n "${ELASTICSEARCH_PASSWORD_FILE:-}" ]; then password=$(<"$ELASTICSEARCH_PASSWORD_FILE"); fi
	local key=${ELASTICSEARCH_API_KEY:-}
	if [ -n "${ELASTICSEARCH_API_KEY_FILE:-}" ]; then key=$(<"$ELASTICSEARCH_API_KEY_FILE"); fi
	if [ -n "$key" ]; then printf 'header = "Authorization: ApiKey %s"\n' "$key"; fi
	if [ -n "${ELASTICSEARCH_USERNAME:-}" ]; then
		password=${password//\\/\\\\}
		printf 'user = "%s:%s"\n' "$ELASTICSEARCH_USERNAME" "${password//\"/\\\"}"
	fi
	if [ -n "${ELASTICSEARCH_CA_FILE:-}" ]; then printf 'cacert = "%s"\n' "$ELASTICSEARCH_CA_FILE"; fi
}

ask() {
	if command -v curl >/dev/null 2>&1; then
		credentials | curl -fsS --max-time 5 --config - "$url$path"
		return
	fi
	local address=${url#http://}
	exec 3<>"/dev/tcp/${address%:*}/${address##*:}"
	printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$path" "$address" >&3
	timeout 5 cat <&3
}

ask | grep -oE '"count":[0-9]+' | cut -d: -f2
