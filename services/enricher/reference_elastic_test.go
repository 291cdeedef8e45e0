package enricher_test

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// tally counts what the comparison with Elastic's integration comes to.
type tally struct {
	same, differ, values     int
	theirs, ours, everywhere map[string]int // codes by outcome: theirs, ours of the same codes, ours of all
	new                      []string       // codes that the integration does not know
}

func (r *reference) tally() tally {
	t := tally{theirs: map[string]int{}, ours: map[string]int{}, everywhere: map[string]int{}}
	for _, c := range r.codes {
		t.everywhere[c.Outcome]++
		e, ok := r.comparison.Elastic(c.ID)
		if !ok {
			t.new = append(t.new, code(c.ID))
			continue
		}
		t.theirs[e.Outcome]++
		t.ours[c.Outcome]++
		if n := len(r.comparison.Differences(c)); n > 0 {
			t.differ++
			t.values += n
		} else {
			t.same++
		}
	}
	return t
}

func (r *reference) writeDifferences(w io.Writer) {
	t := r.tally()
	fmt.Fprintf(w, `
## 3. Differences from Elastic's integration

Elastic Agent has an integration for Auth0, with %d of these codes. Sluice has its action for each of them, to the
letter, and for %d of them its category, type and outcome too. %d differ, in %d values: each stands below with its
reason. No outcome is turned round: where the integration says success or failure, Sluice says the same.

Facts about the integration: %s.

What this means for searches, rules and dashboards that were made for the integration:

- `+"`event.action`"+` finds the same events.
- `+"`event.category : authentication`"+` still finds every login, logout, silent login, token exchange, second factor and
  block. The integration has it on every event, also on a changed phone number or an update of the platform, so that
  a count of failed authentications also counts failed imports. Here it means what ECS says it means. To find
  everything, as it does there, search `+"`data_stream.dataset : auth0.logs`"+` instead.
- `+"`event.outcome`"+` is known for sign-ups, second factors, blocks and breached passwords, where the integration says
  unknown. A rule that looks for unknown finds less.
- No event is filed as a threat indicator, here or there (since version 1.21.2).

`, r.comparison.Len(), t.same, t.differ, t.values, r.comparison.Source)
	row(w, "outcome", "integration", "Sluice, same codes", "Sluice, all codes")
	row(w, "---", "---:", "---:", "---:")
	for _, outcome := range []string{"success", "failure", "unknown"} {
		row(w, outcome, strconv.Itoa(t.theirs[outcome]), strconv.Itoa(t.ours[outcome]), strconv.Itoa(t.everywhere[outcome]))
	}
	fmt.Fprint(w, "\nIn the table, − is a value of the integration that Sluice leaves out, + one that it adds.\n\n")
	row(w, "field", "difference", "codes", "reason")
	row(w, "---", "---", "---", "---")
	for _, reason := range r.comparison.Reasons {
		change := strings.Replace(reason.Value, "-", "− ", 1)
		row(w, code(reason.Field), strings.Replace(change, "+", "+ ", 1), "`"+strings.Join(reason.Codes, "` `")+"`", reason.Text)
	}
	fmt.Fprintf(w, `
These %d codes are unknown to the integration. It writes `+"`unknown-CODE`"+` as their action, category authentication, type info
and no outcome:
%s.
`, len(t.new), strings.Join(t.new, ", "))
}
