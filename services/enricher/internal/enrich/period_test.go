package enrich_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/enricher/internal/enrich"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
)

// at makes the rig's enricher, or another one, whose clock is off.
func (r *rig) at(off time.Duration) *enrich.Enricher {
	parts := r.parts
	parts.Now = func() time.Time { return time.Now().Add(off) }
	return enrich.New(parts)
}

// actions are the action lines of all documents, with how often each is there.
func (r *rig) actions() map[string]int {
	r.t.Helper()
	found := map[string]int{}
	for message, err := range r.conn.Scan(r.t.Context(), stream.Documents, stream.Range{}) {
		if err != nil {
			r.t.Fatal(err)
		}
		for line := range strings.Lines(string(message.Data)) {
			if strings.HasPrefix(line, `{"create"`) {
				found[line]++
			}
		}
	}
	return found
}

func TestClocksThatDifferByMinutesNameTheSameIndexAndID(t *testing.T) {
	r := start(t)
	r.spaces["default"] = endpoint.Namespace{Name: "default", Calendar: period.Calendar{{Unit: period.Hour}}, Retention: 48 * time.Hour}
	now := time.Now().UTC()
	lines := events(0, 3)
	for i, ago := range []time.Duration{time.Minute, 47*time.Hour + 30*time.Minute, -23 * time.Hour} {
		at := now.Add(-ago)
		lines = append(lines, fmt.Sprintf(`{"log_id":"900%s%039d","data":{"tenant_name":"acme"}}`, at.Format("20060102150405"), 100+i),
			fmt.Sprintf(`{"log_id":"dated-%d","data":{"date":%q}}`, i, at.Format(time.RFC3339)))
	}
	m := r.post(of(strings.Join(lines, "\n")))
	for i, off := range []time.Duration{-20 * time.Minute, -time.Minute, 3 * time.Minute, 25 * time.Minute} {
		m.Sequence++ // else the stream knows the parts again
		if err := r.at(off).Handle(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		found := r.actions()
		for line, times := range found {
			if times != i+2 {
				t.Fatalf("after %d enrichers, the last with a clock off by %s: %d times %s", i+2, off, times, line)
			}
		}
		if len(found) != len(lines) {
			t.Fatalf("%d documents of %d events", len(found), len(lines))
		}
	}
}

// A starting cursor brings old events again: days later, in another delivery, in another order and shape.
func TestOldEventsThatComeAgainDaysLaterNameTheSameIndexAndID(t *testing.T) {
	r := start(t)
	var lines []string
	for i := range 30 {
		at := time.Now().UTC().AddDate(0, 0, -i)
		lines = append(lines, fmt.Sprintf(`{"log_id":"900%s%039d","data":{"date":%q,"tenant_name":"acme"}}`, at.Format("20060102150405"), i, at.Format("2006-01-02T15:04:05.000Z")))
	}
	r.post(of(strings.Join(lines, "\n")))
	before := r.actions()
	for i, days := range []int{1, 9, 40} {
		again := of("[" + strings.Join(lines[i:], ",") + "," + strings.Join(lines[:i+1], ",") + "]")
		again.ID, again.Received = fmt.Sprintf("01JB%d", i), time.Now().AddDate(0, 0, days)
		m := message(t, again)
		m.Sequence, m.Stored = uint64(100+i), again.Received
		if err := r.at(time.Duration(days)*24*time.Hour).Handle(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	after := r.actions()
	if len(before) != 30 || len(after) != 30 {
		t.Errorf("%d documents became %d", len(before), len(after))
	}
}

func TestEndpointsOfOneNamespaceShareTheirTenantsEvents(t *testing.T) {
	r := start(t)
	one, same, other := of(`{"log_id":"x","data":{"tenant_name":"acme"}}`), of(`[{"data":{"log_id":"x","tenant_name":"acme"}}]`), of(`{"log_id":"x","data":{"tenant_name":"other"}}`)
	same.Endpoint = "e2"
	r.post(one, same)
	if found := r.actions(); len(found) != 1 {
		t.Errorf("two endpoints of one tenant: %v", found)
	}
	moved := one // the endpoint writes to another namespace from now on: there it is a copy of its own
	moved.Namespace = "other"
	r.post(other, moved)
	if found := r.actions(); len(found) != 3 {
		t.Errorf("another tenant, another namespace: %v", found)
	}
}

func TestALogIDOfAnyFormIsOneEvent(t *testing.T) {
	r := start(t)
	ids := []string{
		`"a"`, `"` + strings.Repeat("9", 55) + `"`, `"` + strings.Repeat("9", 57) + `"`, `"` + strings.Repeat("x", 513) + `"`, `"` + strings.Repeat("l", 100_000) + `"`,
		`"900ABCDEFGHIJKLMNO"`, `"\u0000\u0001"`, `"😀"`, `"../*>"`, `" "`, `"a b\nc"`, `"\"},{\""`, `"90020261332256199` + strings.Repeat("0", 39) + `"`,
	}
	var lines []string
	for _, id := range ids {
		lines = append(lines, `{"log_id":`+id+`,"data":{"tenant_name":"acme"}}`)
	}
	broken := []string{`{"log_id":7}`, `{"log_id":null}`, `{"log_id":{"a":1}}`, `{"log_id":""}`, `{"log_id":["x"]}`}
	for range 2 {
		r.post(of(strings.Join(append(lines, broken...), "\n")))
	}
	found := r.actions()
	for line := range found {
		if len(line) > 150 {
			t.Errorf("a raw id: %.200s", line)
		}
	}
	if len(found) != len(ids) || len(r.dead()) != len(broken) {
		t.Errorf("%d documents of %d, %d letters of %d", len(found), len(ids), len(r.dead()), len(broken))
	}
}

func TestAnEventExpiresByTheMomentItWasStoredHoweverLateItIsHandled(t *testing.T) {
	r := start(t)
	r.spaces["default"] = endpoint.Namespace{Name: "default", Calendar: period.Daily(), Retention: 48 * time.Hour}
	at := time.Now().UTC().Add(-47 * time.Hour)
	inside := of(fmt.Sprintf(`{"log_id":"inside","data":{"date":%q}}`, at.Format(time.RFC3339)))
	m := message(t, inside) // it waited in the stream for a week
	if err := r.at(7*24*time.Hour).Handle(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if len(r.actions()) != 1 {
		t.Error("an event that was inside the retention when it was acknowledged is gone")
	}
	late := message(t, of(fmt.Sprintf(`{"log_id":"outside","data":{"date":%q}}`, at.Add(-2*time.Hour).Format(time.RFC3339))))
	late.Stored = time.Now().AddDate(1, 0, 0) // the server's clock is a year ahead
	r.sequence = 5
	r.handle(late)
	if got := r.value("sluice_enricher_events_total", "expired"); got != 1 || len(r.actions()) != 1 {
		t.Errorf("%v expired", got)
	}
}

// registry is a directory that has not heard of a namespace yet.
type registry struct {
	namespaces
	answers []error // of Learn, one after another; then it knows
	asked   int
}

func (g *registry) Learn(_ context.Context, name string) error {
	g.asked++
	if g.asked <= len(g.answers) {
		return g.answers[g.asked-1]
	}
	g.namespaces[name] = endpoint.Namespace{Name: name, Calendar: period.Calendar{{Unit: period.Month}}}
	return nil
}

func TestANamespaceThatWasNotHeardOfIsLookedUpAndNeverGuessed(t *testing.T) {
	r := start(t)
	g := &registry{namespaces: namespaces{}, answers: []error{stream.ErrAway, stream.ErrAway}}
	r.parts.Directory = g
	r.enricher = enrich.New(r.parts)
	r.post(of(events(0, 1)[0]))
	for _, index := range r.indexed() {
		if want := "logs-auth0.logs-default-" + time.Now().UTC().Format("2006.01"); index != want || g.asked != 3 {
			t.Errorf("%s after %d questions", index, g.asked)
		}
	}
	gone := &registry{namespaces: namespaces{}, answers: []error{fmt.Errorf("%w: default", endpoint.ErrNoNamespace)}}
	r.parts.Directory, r.parts.Log = gone, slog.New(slog.DiscardHandler)
	r.enricher = enrich.New(r.parts)
	body := strings.Join(events(1, 3), "\n")
	r.post(of(body))
	letters := r.dead()
	if len(letters) != 1 || letters[0].Reason != "unknown_namespace" || string(letters[0].Body) != body || len(r.indexed()) != 1 {
		t.Errorf("%v, %d documents", summary(letters), len(r.indexed()))
	}
}

// fading is a directory that can read a record a number of times, and then not any more.
type fading struct {
	namespaces
	reads int
}

func (f *fading) Namespace(name string) (endpoint.Namespace, bool) {
	if f.reads == 0 {
		return endpoint.Namespace{}, false
	}
	f.reads--
	return f.namespaces.Namespace(name)
}

func (f *fading) Learn(context.Context, string) error { return endpoint.ErrUnreadable }

func TestEventsOfANamespaceWhoseRecordCannotBeReadAreGivenBackWhole(t *testing.T) {
	r := start(t)
	m := message(t, of(strings.Join(events(0, 6), "\n")))
	for _, reads := range []int{0, 1, 4} { // not at all, and until events of the delivery are mapped
		parts := r.parts
		parts.Directory = &fading{namespaces: r.spaces, reads: reads}
		if err := enrich.New(parts).Handle(t.Context(), m); !errors.Is(err, endpoint.ErrUnreadable) {
			t.Errorf("after %d looks: %v", reads, err)
		}
	}
	if letters := r.dead(); len(r.indexed()) != 0 || len(letters) != 0 {
		t.Errorf("%d documents, %v", len(r.indexed()), summary(letters))
	}
	if got := r.value("sluice_enricher_unreadable_namespace_total", ""); got != 3 {
		t.Errorf("%v times given back", got)
	}
	r.handle(m) // the record can be read again
	if len(r.indexed()) != 6 {
		t.Errorf("%d documents", len(r.indexed()))
	}
}
