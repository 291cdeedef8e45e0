package simulator_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/auth0/auth0test"
	"github.com/sluicelog/sluice/shared/auth0/catalogue"
	"github.com/sluicelog/sluice/shared/auth0/simulator"
)

func published(t *testing.T) []string {
	t.Helper()
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, code := range c.Codes() {
		codes = append(codes, code.ID)
	}
	return codes
}

// conform fails the test at the first event that Auth0 could not have sent.
func conform(t *testing.T, seed uint64, e simulator.Event) {
	t.Helper()
	if problems, _ := auth0test.Check(e.JSON); len(problems) > 0 {
		t.Fatalf("seed %d, %s: %s\n%s", seed, e.Code, strings.Join(problems, "; "), e.JSON)
	}
	var parsed auth0.Event
	if err := auth0.Parse(e.JSON, &parsed); err != nil {
		t.Fatalf("seed %d, %s: %v\n%s", seed, e.Code, err, e.JSON)
	}
	at, ok := parsed.Time()
	received, named := auth0.LogIDTime(e.LogID)
	lag := received.Sub(at.Truncate(time.Second))
	if parsed.LogID != e.LogID || !ok || !named || !at.Equal(e.Time) || lag < 0 || lag > 6*time.Second {
		t.Fatalf("seed %d, %s: log_id %s and date %s do not belong together: %s", seed, e.Code, e.LogID, at, e.JSON)
	}
	if rest := bytes.ReplaceAll(e.JSON, []byte(`"$event_schema"`), nil); bytes.ContainsRune(rest, '$') {
		t.Fatalf("seed %d, %s: a place of its form was not filled: %s", seed, e.Code, e.JSON)
	}
}

func TestEveryEventConformsToWhatAuth0Publishes(t *testing.T) {
	for seed := range uint64(5) {
		seen := map[string]bool{}
		tenant := newTenant(seed)
		for _, e := range events(tenant, 10_000) {
			conform(t, seed, e)
			if seen[e.LogID] {
				t.Fatalf("seed %d: log_id %s came twice", seed, e.LogID)
			}
			seen[e.LogID] = true
		}
		for _, name := range simulator.Scenarios() {
			attack, err := tenant.Scenario(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range attack {
				conform(t, seed, e)
			}
		}
	}
}

func TestEveryPublishedCodeOccursWithin20000Events(t *testing.T) {
	want := published(t)
	if got := simulator.Codes(); !slices.Equal(got, want) {
		t.Fatalf("the simulator knows %v\nthe catalogue %v", got, want)
	}
	for seed := uint64(10); seed < 18; seed++ {
		counts := map[string]int{}
		for _, e := range events(newTenant(seed), 20_000) {
			counts[e.Code]++
		}
		for _, code := range want {
			if counts[code] == 0 {
				t.Errorf("seed %d: no %s", seed, code)
			}
		}
		if counts["sys_update_start"] > 100 || counts["sertft"] < 2_000 {
			t.Errorf("seed %d: %d sys_update_start and %d sertft; the mix is no longer a tenant's", seed, counts["sys_update_start"], counts["sertft"])
		}
	}
}

func evenTenant(seed uint64, codes []string, invent int) *simulator.Tenant {
	return simulator.NewTenant(simulator.TenantOptions{Seed: seed, Start: start(), Step: time.Second, Codes: codes, Invent: invent})
}

func TestChosenCodesComeEquallyOften(t *testing.T) {
	for _, codes := range [][]string{simulator.Codes(), {"s", "fp", "sapi"}} {
		tenant, counts := evenTenant(20, codes, 0), map[string]int{}
		for _, e := range events(tenant, 40*len(codes)) {
			conform(t, 20, e)
			counts[e.Code]++
		}
		for _, code := range codes {
			if counts[code] != 40 {
				t.Errorf("%d of %d are %s, want 40", counts[code], 40*len(codes), code)
			}
		}
	}
}

func TestInventedCodesArePublishedNowhereAndComeEquallyOften(t *testing.T) {
	known, invented := published(t), simulator.Invented(100)
	for i, code := range invented {
		if slices.Contains(known, code) || slices.Contains(invented[:i], code) {
			t.Errorf("%s is published or comes twice", code)
		}
	}
	counts := map[string]int{}
	for _, e := range events(evenTenant(21, nil, 10), 1_000) {
		conform(t, 21, e)
		counts[e.Code]++
		if e.Code != parse(t, e).Data.Type {
			t.Fatalf("%s disagrees with its JSON: %s", e.Code, e.JSON)
		}
	}
	for _, code := range invented[:10] {
		if counts[code] != 100 {
			t.Errorf("%d of 1,000 are %s, want 100", counts[code], code)
		}
	}
	both := map[string]bool{}
	for _, e := range events(evenTenant(22, []string{"s"}, 2), 30) {
		both[e.Code] = true
	}
	if len(both) != 3 {
		t.Errorf("one code and two invented ones made %v", both)
	}
}

func TestTheWorldHasBothFormsOfAddressesAndUserAgents(t *testing.T) {
	forms := map[string]bool{}
	for _, e := range events(newTenant(23), 3_000) {
		var got struct {
			Data struct {
				IP        string `json:"ip"`
				UserAgent string `json:"user_agent"`
			} `json:"data"`
		}
		if err := json.Unmarshal(e.JSON, &got); err != nil {
			t.Fatal(err)
		}
		if address, err := netip.ParseAddr(got.Data.IP); err == nil {
			forms[map[bool]string{true: "IPv6", false: "IPv4"}[address.Is6()]] = true
		}
		forms["raw"] = forms["raw"] || strings.HasPrefix(got.Data.UserAgent, "Mozilla/5.0")
		forms["short"] = forms["short"] || strings.HasPrefix(got.Data.UserAgent, "Chrome 142.0.0 / ")
	}
	if !forms["IPv4"] || !forms["IPv6"] || !forms["raw"] || !forms["short"] {
		t.Errorf("only %v", forms)
	}
}

func TestPrivacyHidesPeopleAndKeepsIDs(t *testing.T) {
	plain := events(simulator.NewTenant(simulator.TenantOptions{Seed: 24, Start: start(), Step: time.Second}), 5_000)
	for _, privacy := range []simulator.Privacy{simulator.Mask, simulator.Hash} {
		tenant := simulator.NewTenant(simulator.TenantOptions{Seed: 24, Start: start(), Step: time.Second, Privacy: privacy})
		for i, e := range events(tenant, 5_000) {
			conform(t, 24, e)
			if e.LogID != plain[i].LogID || parse(t, e).Data.UserID != parse(t, plain[i]).Data.UserID {
				t.Fatalf("%s: event %d is another one than without", privacy, i)
			}
			for _, domain := range []string{"@mail.example", "@post.example", "@acme-customers.example", "@acme.example"} {
				if bytes.Contains(e.JSON, []byte(domain)) {
					t.Fatalf("%s shows an address at %s: %s", privacy, domain, e.JSON)
				}
			}
		}
	}
	_, err := simulator.ParsePrivacy("blur")
	if err == nil || !strings.Contains(err.Error(), "mask") {
		t.Error(errors.Join(errors.New("blur was taken for a privacy"), err))
	}
}
