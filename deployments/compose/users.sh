#!/usr/bin/env bash
# Creates what has to log in to Elasticsearch: Kibana's password, and Sluice's roles and users. Can be repeated.
set -euo pipefail
url=http://elasticsearch:9200

# The passwords are written into JSON and into curl's settings, where these characters mean themselves.
for name in ELASTIC_PASSWORD KIBANA_PASSWORD SLUICE_SETUP_PASSWORD SLUICE_INDEXER_PASSWORD SLUICE_OPERATOR_PASSWORD SLUICE_RETENTION_PASSWORD; do
	if ! [[ ${!name} =~ ^[A-Za-z0-9_.~-]{12,}$ ]]; then
		echo "$name in .env: use at least 12 letters, digits or _ . ~ - (openssl rand -hex 24 makes one)" >&2
		exit 1
	fi
done

# put PATH JSON: both come in on standard input, so that no password stands in the list of processes. @FILE is its content.
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

# user NAME PASSWORD ROLES
user() {
	put "/_security/user/$1" "{\"password\":\"$2\",\"roles\":[$3],\"full_name\":\"Sluice: $1\"}"
}

put /_security/user/kibana_system/_password "{\"password\":\"$KIBANA_PASSWORD\"}"
for role in setup indexer reader operator retention; do
	put "/_security/role/sluice_$role" "@/roles/sluice_$role.json"
done
user sluice_setup "$SLUICE_SETUP_PASSWORD" '"sluice_setup"'
user sluice_indexer "$SLUICE_INDEXER_PASSWORD" '"sluice_indexer"'
user sluice_retention "$SLUICE_RETENTION_PASSWORD" '"sluice_retention"'
user sluice_operator "$SLUICE_OPERATOR_PASSWORD" '"sluice_setup","sluice_operator"'
