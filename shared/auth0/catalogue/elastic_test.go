package catalogue_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/auth0/catalogue"
)

func compare(t *testing.T) *catalogue.Comparison {
	t.Helper()
	c, err := catalogue.LoadComparison()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestElasticsTableIsWhole(t *testing.T) {
	c := compare(t)
	if !strings.Contains(c.Source, "elastic/integrations") || !strings.Contains(c.Source, "1.21.2") {
		t.Errorf("source is %q", c.Source)
	}
	outcomes, known := map[string]int{}, 0
	for _, code := range load(t).Codes() {
		if e, ok := c.Elastic(code.ID); ok {
			known++
			outcomes[e.Outcome]++
			if !slices.Contains(e.Category, "authentication") {
				t.Errorf("%s: the integration files every event under authentication, not %v", code.ID, e.Category)
			}
		}
	}
	if known != 105 || c.Len() != 105 {
		t.Errorf("%d of %d codes are in the catalogue, want all 105", known, c.Len())
	}
	if outcomes["success"] != 25 || outcomes["failure"] != 33 || outcomes["unknown"] != 47 {
		t.Errorf("outcomes of the integration: %v", outcomes)
	}
}

func TestActionsAreElasticsOwn(t *testing.T) {
	c := compare(t)
	for _, code := range load(t).Codes() {
		if e, ok := c.Elastic(code.ID); ok && e.Action != code.Action {
			t.Errorf("%s: action %q, Elastic's is %q", code.ID, code.Action, e.Action)
		}
	}
}

// key names one change of one code.
func key(id string, change catalogue.Change) string {
	return id + " " + change.Field + " " + change.Value
}

func TestEveryDifferenceHasOneReasonAndEveryReasonADifference(t *testing.T) {
	c := compare(t)
	reasons := map[string]int{}
	for _, r := range c.Reasons {
		if !slices.IsSorted(r.Codes) {
			t.Errorf("%s: codes are not sorted: %v", r.Change, r.Codes)
		}
		for _, id := range r.Codes {
			reasons[key(id, r.Change)]++
		}
	}
	codes, all := 0, 0
	for _, code := range load(t).Codes() {
		differences := c.Differences(code)
		if len(differences) > 0 {
			codes++
		}
		for _, d := range differences {
			all++
			if n := reasons[key(code.ID, d.Change)]; n != 1 || d.Reason == "" {
				t.Errorf("%s: %s has %d reasons in differences.tsv, want 1", code.ID, d.Change, n)
			}
			delete(reasons, key(code.ID, d.Change))
		}
	}
	for left := range reasons {
		t.Errorf("differences.tsv gives a reason for %s, which is no difference", left)
	}
	t.Logf("%d codes differ, in %d values, for %d reasons", codes, all, len(c.Reasons))
}

func TestWhatElasticSaysOfAnOutcomeIsNeverTurnedRound(t *testing.T) {
	c := compare(t)
	for _, code := range load(t).Codes() {
		if e, ok := c.Elastic(code.ID); ok && e.Outcome != "unknown" && e.Outcome != code.Outcome {
			t.Errorf("%s: Elastic says %s, we say %s", code.ID, e.Outcome, code.Outcome)
		}
	}
}

func TestAChangeIsSaidInWords(t *testing.T) {
	for want, change := range map[string]catalogue.Change{
		"event.category: web dropped":    {Field: "event.category", Value: "-web"},
		"event.type: user added":         {Field: "event.type", Value: "+user"},
		"event.outcome: failure instead": {Field: "event.outcome", Value: "failure"},
	} {
		if got := change.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
