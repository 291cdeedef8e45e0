#!/usr/bin/env bash
# Creates what has to log in to Elasticsearch: Kibana's password, and a role and user for Sluice. Can be repeated.
set -euo pipefail
url=http://elasticsearch:9200

# The passwords are written into JSON and into curl's settings, where these characters mean themselves.
for name in ELASTIC_PASSWORD KIBANA_PASSWORD SLUICE_PASSWORD; do
	if ! [[ ${!name} =~ ^[A-Za-z0-9_.~-]{12,}$ ]]; then
		echo "$name in .env: use at least 12 letters, digits or _ . ~ - (openssl rand -hex 24 makes one)" >&2
		exit 1
	fi
done

# put PATH JSON: both come in on standard input, so that no password stands in the list of processes.
put() {
	curl -fsS -o /dev/null --config - <<-END
		url = "$url$1"
		user = "elastic:$ELASTIC_PASSWORD"
		request = "PUT"
		header = "Content-Type: application/json"
		data = "${2//\"/\\\"}"
	END
	echo "done: $1"
}

put /_security/user/kibana_system/_password "{\"password\":\"$KIBANA_PASSWORD\"}"
put /_security/role/sluice '{"cluster":["monitor","manage_index_templates"],"indices":[{"names":["logs-auth0.*"],"privileges":["all"]}]}'
put /_security/user/sluice "{\"password\":\"$SLUICE_PASSWORD\",\"roles\":[\"sluice\"],\"full_name\":\"Sluice\"}"
