package simulator_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
)

func start() time.Time { return time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC) }

func newTenant(seed uint64) *simulator.Tenant {
	return simulator.NewTenant(simulator.TenantOptions{Seed: seed, Name: "acme-dev", Start: start(), Step: 40 * time.Millisecond})
}

func events(t *simulator.Tenant, n int) []simulator.Event {
	all := make([]simulator.Event, n)
	for i := range all {
		all[i] = t.Next()
	}
	return all
}

// element is what every event must have.
type element struct {
	LogID string `json:"log_id"`
	Data  struct {
		LogID       string          `json:"log_id"`
		Type        string          `json:"type"`
		Date        time.Time       `json:"date"`
		Description *string         `json:"description"`
		Tenant      string          `json:"tenant_name"`
		Environment string          `json:"environment_name"`
		UserID      string          `json:"user_id"`
		IP          string          `json:"ip"`
		Details     json.RawMessage `json:"details"`
	} `json:"data"`
}

func parse(t *testing.T, e simulator.Event) element {
	t.Helper()
	var parsed element
	if err := json.Unmarshal(e.JSON, &parsed); err != nil {
		t.Fatalf("event %s (%s) is not JSON: %v\n%s", e.LogID, e.Code, err, e.JSON)
	}
	return parsed
}

func TestEveryEventIsOneLineOfJSONThatAgreesWithItself(t *testing.T) {
	for _, e := range events(newTenant(1), 20_000) {
		got := parse(t, e)
		if got.LogID != e.LogID || got.Data.LogID != e.LogID || got.Data.Type != e.Code || !got.Data.Date.Equal(e.Time) {
			t.Fatalf("event %s %s %s disagrees with its JSON: %s", e.LogID, e.Code, e.Time, e.JSON)
		}
		if got.Data.Tenant != "acme-dev" || got.Data.Environment == "" || got.Data.Description == nil {
			t.Fatalf("event %s lacks what every event has: %s", e.Code, e.JSON)
		}
		if bytes.ContainsAny(e.JSON, "\r\n") {
			t.Fatalf("event %s holds a line break: %s", e.Code, e.JSON)
		}
	}
}

func TestLogIDsAreUniqueAndHoldTheReceiveTime(t *testing.T) {
	tenant, seen := newTenant(2), map[string]bool{}
	all := events(tenant, 20_000)
	for _, name := range simulator.Scenarios() {
		attack, err := tenant.Scenario(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, attack...)
	}
	for _, e := range all {
		if len(e.LogID) != 56 || !strings.HasPrefix(e.LogID, "900") || strings.Trim(e.LogID, "0123456789") != "" {
			t.Fatalf("log_id %q is not 900 and 53 more digits", e.LogID)
		}
		if seen[e.LogID] {
			t.Fatalf("log_id %s came twice", e.LogID)
		}
		seen[e.LogID] = true
		received, err := time.Parse("20060102150405", e.LogID[3:17])
		if err != nil {
			t.Fatal(err)
		}
		if lag := received.Sub(e.Time.Truncate(time.Second)); lag < 0 || lag > 6*time.Second {
			t.Fatalf("event of %s was received at %s", e.Time, received)
		}
	}
}

func TestTheSameSeedMakesTheSameEvents(t *testing.T) {
	a, b, other := newTenant(3), newTenant(3), newTenant(4)
	differs := 0
	for range 5_000 {
		one, two, three := a.Next(), b.Next(), other.Next()
		if !bytes.Equal(one.JSON, two.JSON) || one.LogID != two.LogID {
			t.Fatalf("seed 3 made two events:\n%s\n%s", one.JSON, two.JSON)
		}
		if one.LogID != three.LogID {
			differs++
		}
	}
	if differs != 5_000 {
		t.Fatalf("seeds 3 and 4 share %d log_ids of 5,000", 5_000-differs)
	}
	for _, name := range simulator.Scenarios() {
		one, _ := a.Scenario(name)
		two, _ := b.Scenario(name)
		if !bytes.Equal(simulator.Body(simulator.Lines, one), simulator.Body(simulator.Lines, two)) {
			t.Fatalf("seed 3 played %s in two ways", name)
		}
	}
}

func TestTrafficHasManyTypesAndARealSize(t *testing.T) {
	for seed := range uint64(4) {
		codes, size := map[string]int{}, 0
		for _, e := range events(newTenant(seed), 20_000) {
			codes[e.Code]++
			size += len(e.JSON)
		}
		if mean := size / 20_000; mean < 1_200 || mean > 1_800 {
			t.Errorf("seed %d: the mean event has %d bytes, want 1,200 to 1,800", seed, mean)
		}
		for _, code := range []string{"s", "f", "fp", "fu", "seacft", "feacft", "sertft", "ssa", "fsa", "slo", "ss", "sapi", "mgmt_api_read", "pla", "sscim"} {
			if codes[code] == 0 {
				t.Errorf("seed %d: no %s in 20,000 events", seed, code)
			}
		}
	}
}

func TestAUserKeepsOneNameAndOneConnection(t *testing.T) {
	type identity struct{ Name, Connection string }
	known := map[string]identity{}
	for _, e := range events(newTenant(5), 10_000) {
		if e.Code != "s" {
			continue
		}
		var got struct {
			Data struct {
				UserID       string `json:"user_id"`
				UserName     string `json:"user_name"`
				ConnectionID string `json:"connection_id"`
			} `json:"data"`
		}
		if err := json.Unmarshal(e.JSON, &got); err != nil {
			t.Fatal(err)
		}
		is := identity{got.Data.UserName, got.Data.ConnectionID}
		if was, met := known[got.Data.UserID]; met && was != is || got.Data.UserID == "" {
			t.Fatalf("user %q was %v and is %v", got.Data.UserID, was, is)
		}
		known[got.Data.UserID] = is
	}
	if len(known) < 100 {
		t.Fatalf("only %d people logged in", len(known))
	}
}

func TestWithoutAStepEventsFollowTheClockAndRunsShareNoLogID(t *testing.T) {
	before := time.Now().Truncate(time.Millisecond)
	one := simulator.NewTenant(simulator.TenantOptions{Seed: 6})
	two := simulator.NewTenant(simulator.TenantOptions{Seed: 6})
	seen := map[string]bool{}
	for _, e := range append(events(one, 500), events(two, 500)...) {
		if e.Time.Before(before) || e.Time.After(time.Now()) {
			t.Fatalf("event of %s, but the test began at %s", e.Time, before)
		}
		if seen[e.LogID] {
			t.Fatalf("two runs made log_id %s", e.LogID)
		}
		seen[e.LogID] = true
	}
}

func TestFirstEventIsAtStartAndAnOddNameIsMadeATenantName(t *testing.T) {
	tenant := simulator.NewTenant(simulator.TenantOptions{Name: "Äcme \"Dev\"\n", Start: start(), Step: time.Second})
	first := tenant.Next()
	if !first.Time.Equal(start()) {
		t.Errorf("the first event is of %s, want %s", first.Time, start())
	}
	if got := parse(t, first).Data.Tenant; got != "-cme--dev--" {
		t.Errorf("tenant_name %q", got)
	}
}

func BenchmarkNext(b *testing.B) {
	tenant := newTenant(1)
	b.ReportAllocs()
	for b.Loop() {
		tenant.Next()
	}
}
