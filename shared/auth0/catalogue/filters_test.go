package catalogue_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/auth0/catalogue"
)

func TestThereAreTwentyFiltersAndEachIsDescribed(t *testing.T) {
	filters := catalogue.Filters()
	if len(filters) != 20 {
		t.Errorf("%d filters, want 20", len(filters))
	}
	volumes := []catalogue.Volume{catalogue.VolumeLow, catalogue.VolumeMedium, catalogue.VolumeHigh}
	for i, f := range filters {
		if f.Carries == "" || f.Blind == "" || strings.Contains(f.Carries+f.Blind, "\n") || !slices.Contains(volumes, f.Volume) {
			t.Errorf("%s is not described in one line each: %+v", f.Name, f)
		}
		if i > 0 && filters[i-1].Name >= f.Name {
			t.Errorf("%s stands after %s", f.Name, filters[i-1].Name)
		}
	}
}

func TestEveryCodeIsCarriedByAFilterAndEveryFilterCarriesACode(t *testing.T) {
	carried := map[string]int{}
	for _, code := range load(t).Codes() {
		carried[code.Filter]++
	}
	if carried[""] != 5 {
		t.Errorf("%d codes without a category, want the 5 for which Auth0 states none", carried[""])
	}
	delete(carried, "")
	for _, f := range catalogue.Filters() {
		if carried[f.Name] == 0 {
			t.Errorf("%s carries no code", f.Name)
		}
		delete(carried, f.Name)
	}
	if len(carried) != 0 {
		t.Errorf("codes name filters that do not exist: %v", carried)
	}
}

func TestRecommendedFiltersCarryEveryHighSeverity(t *testing.T) {
	recommended := map[string]bool{}
	for _, f := range catalogue.Filters() {
		recommended[f.Name] = f.Recommended
	}
	for _, code := range load(t).Codes() {
		if code.Severity >= catalogue.SeverityWarning && code.Filter != "" && !recommended[code.Filter] {
			t.Errorf("%s has severity %d and is in %s, which is not recommended", code.ID, code.Severity, code.Filter)
		}
	}
}
