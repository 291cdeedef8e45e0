package geo

import (
	"bytes"
	"encoding/json"
	"slices"
)

// The members of an ECS object such as source. The continent's name is left out: its code says it.
type (
	members struct {
		Geo *geoFields `json:"geo,omitempty"`
		AS  *asFields  `json:"as,omitempty"`
	}
	geoFields struct {
		Continent   string    `json:"continent_code,omitempty"`
		Country     string    `json:"country_iso_code,omitempty"`
		CountryName string    `json:"country_name,omitempty"`
		Region      string    `json:"region_iso_code,omitempty"`
		RegionName  string    `json:"region_name,omitempty"`
		City        string    `json:"city_name,omitempty"`
		Postal      string    `json:"postal_code,omitempty"`
		Timezone    string    `json:"timezone,omitempty"`
		Location    *position `json:"location,omitempty"`
	}
	position struct {
		Lat float64 `json:"lat"`
		Lon float64 `json:"lon"`
	}
	asFields struct {
		Number       uint32        `json:"number"`
		Organization *organization `json:"organization,omitempty"`
	}
	organization struct {
		Name string `json:"name"`
	}
)

// fragment writes what is known, empty when nothing is.
func (f *facts) fragment() []byte {
	var m members
	g := geoFields{
		Continent: f.continent, Country: f.country, CountryName: f.countryName, Region: f.region, RegionName: f.regionName,
		City: f.city, Postal: f.postal, Timezone: f.timezone,
	}
	if f.located {
		g.Location = &position{f.lat, f.lon}
	}
	if g != (geoFields{}) {
		m.Geo = &g
	}
	if f.number != 0 {
		m.AS = &asFields{Number: f.number}
		if f.organization != "" {
			m.AS.Organization = &organization{f.organization}
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(m); err != nil {
		return nil // cannot be: coordinates are finite
	}
	inner := bytes.TrimSpace(b.Bytes())
	return slices.Clip(inner[1 : len(inner)-1]) // an append must not write behind it
}
