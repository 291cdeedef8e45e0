package simulator_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
)

func play(t *testing.T, name string) (all []simulator.Event, codes map[string]int) {
	t.Helper()
	tenant := newTenant(7)
	tenant.Next()
	all, err := tenant.Scenario(name)
	if err != nil {
		t.Fatal(err)
	}
	codes = map[string]int{}
	for i, e := range all {
		codes[e.Code]++
		if parse(t, e); i > 0 && e.Time.Before(all[i-1].Time) {
			t.Fatalf("%s goes back in time at event %d", name, i)
		}
	}
	if after := tenant.Next(); after.Time.Before(all[len(all)-1].Time) {
		t.Fatalf("after %s the tenant went back to %s", name, after.Time)
	}
	return all, codes
}

func TestCredentialStuffingTriesManyNamesFromFewAddressesAndGetsIn(t *testing.T) {
	all, codes := play(t, "credential-stuffing")
	if codes["fu"] < 40 || codes["fp"] < 15 || codes["pwd_leak"] == 0 || codes["limit_mu"] == 0 || codes["s"] != 1 {
		t.Errorf("types %v", codes)
	}
	addresses := map[string]bool{}
	for _, e := range all {
		addresses[parse(t, e).Data.IP] = true
	}
	if len(addresses) != 3 {
		t.Errorf("%d addresses, want 3", len(addresses))
	}
}

func TestMFAFatigueAsksOnePersonAgainAndAgain(t *testing.T) {
	all, codes := play(t, "mfa-fatigue")
	if codes["gd_send_pn"] != 13 || codes["gd_auth_rejected"] != 12 || codes["gd_auth_succeed"] != 1 || codes["s"] != 1 {
		t.Errorf("types %v", codes)
	}
	for _, e := range all {
		if got := parse(t, e).Data.UserID; got != parse(t, all[0]).Data.UserID {
			t.Errorf("%s is of another person: %s", e.Code, got)
		}
	}
}

func TestRefreshTokenReuseUsesAnOldCounterOfOneFamily(t *testing.T) {
	all, codes := play(t, "refresh-token-reuse")
	if codes["ferrt"] != 2 || codes["sertft"] != 4 || codes["fertft"] != 2 {
		t.Errorf("types %v", codes)
	}
	families := map[string]bool{}
	for _, e := range all {
		var details struct {
			FamilyID      string
			LatestCounter int
			TokenCounter  int
		}
		if err := json.Unmarshal(parse(t, e).Data.Details, &details); err != nil {
			t.Fatal(err)
		}
		if e.Code != "fertft" {
			families[details.FamilyID] = true
		}
		if e.Code == "ferrt" && details.TokenCounter >= details.LatestCounter {
			t.Errorf("counter %d is not older than %d", details.TokenCounter, details.LatestCounter)
		}
	}
	if len(families) != 1 {
		t.Errorf("%d families, want 1", len(families))
	}
}

func TestSettingsWeakenedAreManagementCallsWithTheirNestedDetails(t *testing.T) {
	all, codes := play(t, "tenant-settings-weakened")
	if codes["mgmt_api_read"] != 1 || codes["sapi"] < 8 {
		t.Errorf("types %v", codes)
	}
	var paths []string
	for _, e := range all {
		var details struct {
			Request struct {
				Method, Path, Channel string
				Auth                  struct {
					User        struct{ Email string }
					Strategy    string
					Credentials struct{ Scopes []string }
				}
			}
			Response struct{ StatusCode int }
		}
		if err := json.Unmarshal(parse(t, e).Data.Details, &details); err != nil {
			t.Fatal(err)
		}
		asked := details.Request
		if asked.Method == "" || asked.Channel == "" || asked.Auth.User.Email == "" || len(asked.Auth.Credentials.Scopes) == 0 || details.Response.StatusCode == 0 {
			t.Errorf("%s lacks nested details: %s", e.Code, e.JSON)
		}
		paths = append(paths, asked.Path)
	}
	for _, want := range []string{"brute-force-protection", "breached-password-detection", "guardian/policies", "log-streams/"} {
		if !strings.Contains(strings.Join(paths, " "), want) {
			t.Errorf("nothing weakened %s", want)
		}
	}
}

func TestAnUnknownScenarioIsRefusedWithTheChoice(t *testing.T) {
	_, err := newTenant(1).Scenario("meteor")
	if err == nil || !strings.Contains(err.Error(), "mfa-fatigue") {
		t.Fatalf("error %v", err)
	}
}

func TestWithoutAStepAScenarioEndsNow(t *testing.T) {
	all, err := simulator.NewTenant(simulator.TenantOptions{Seed: 1}).Scenario("mfa-fatigue")
	if err != nil {
		t.Fatal(err)
	}
	if last := all[len(all)-1].Time; last.After(time.Now()) || time.Since(last) > time.Minute {
		t.Fatalf("the scenario ended at %s", last)
	}
}
