package geo

import (
	_ "embed" // for countries.tsv
	"strings"
)

// countryTable has a line per code of ISO 3166-1 (and XK): code, continent, name. Small databases hold the code alone.
//
//go:embed countries.tsv
var countryTable string

// country is what a code implies.
type country struct{ continent, name string }

// countries is never changed.
var countries = readCountries()

func readCountries() map[string]country {
	all := map[string]country{}
	for line := range strings.Lines(countryTable) {
		if cells := strings.Split(strings.TrimSpace(line), "\t"); len(cells) == 3 {
			all[cells[0]] = country{continent: cells[1], name: cells[2]}
		}
	}
	return all
}
