package access

import (
	"fmt"
	"strconv"
	"strings"
)

// head explains the file to whoever opens it.
const head = `# Users of NATS for Sluice, one per service: what each may do, and nothing else. Made by "sluice nats-users", which
# writes it anew; public keys only. In the server's configuration:
#
#   include "nats-users.conf"
#
# After a change: nats-server --signal reload

authorization {
  users: [
`

// render writes the users as a file for nats-server. keys are the public keys of each role; the newest is first.
func render(keys map[string][]string) string {
	var b strings.Builder
	b.WriteString(head)
	for _, role := range Roles() {
		for i, key := range keys[role.Name] {
			fmt.Fprintf(&b, "    # %s: %s\n", role.Name, role.About)
			if i > 0 {
				b.WriteString("    # (the key before the last rotation; --retire removes it)\n")
			}
			fmt.Fprintf(&b, "    {\n      nkey: %s\n      permissions: {\n        publish: {\n          allow: %s\n", key, list(role.Publish))
			if len(role.Deny) > 0 {
				fmt.Fprintf(&b, "          deny: %s\n", list(role.Deny))
			}
			fmt.Fprintf(&b, "        }\n        subscribe: { allow: %s }\n      }\n    }\n", list(role.Subscribe))
		}
	}
	b.WriteString("  ]\n}\n")
	return b.String()
}

func list(subjects []string) string {
	quoted := make([]string, len(subjects))
	for i, s := range subjects {
		quoted[i] = "\n            " + strconv.Quote(s)
	}
	return "[" + strings.Join(quoted, "") + "\n          ]"
}
