package geo

import (
	"math"
	"strconv"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"
)

// facts are what records say, in whichever shape they say it; zero values are unknown.
type facts struct {
	country, countryName, continent string
	region, regionName              string
	city, postal, timezone          string
	lat, lon                        float64
	located                         bool
	number                          uint32 // of the autonomous system
	organization                    string
}

// read decodes a record and hands it to one of the two readers below. A record of another shape tells nothing.
func (f *facts) read(r maxminddb.Result, into func(*facts, map[string]any)) error {
	var record any
	if err := r.Decode(&record); err != nil {
		return err
	}
	if m, ok := record.(map[string]any); ok {
		into(f, m)
	}
	return nil
}

// readPlace understands these shapes, and mixtures of them:
//
//	MaxMind  {"country":{"iso_code":"US","names":{"en":"United States"}},"location":{"latitude":37.4,…},…}
//	DB-IP    the same with fewer names
//	flat     {"country_code":"US","state1":"California","city":"…","latitude":37.4,"longitude":-122.1}
//	IPinfo   {"country":"United States","country_code":"US","continent_code":"NA",…}
func (f *facts) readPlace(m map[string]any) {
	country, continent := object(m["country"]), object(m["continent"])
	f.country = first(code(country["iso_code"]), code(m["country_code"]), code(m["country"]))
	if name := first(english(m["country"]), text(m["country_name"])); len(name) > 2 {
		f.countryName = name
	}
	f.continent = first(code(continent["code"]), code(m["continent_code"]), code(m["continent"]))
	if known, ok := countries[f.country]; ok {
		f.continent = first(f.continent, known.continent)
		f.countryName = first(f.countryName, known.name)
	}
	f.readRegion(m)
	f.city = first(english(m["city"]), text(m["city_name"]))
	f.postal = first(text(object(m["postal"])["code"]), text(m["postal_code"]), text(m["postcode"]), text(m["postal"]))
	location := object(m["location"])
	f.timezone = first(text(location["time_zone"]), text(m["timezone"]), text(m["time_zone"]))
	if !f.locate(location["latitude"], location["longitude"]) && !f.locate(m["latitude"], m["longitude"]) {
		f.locate(m["lat"], first[any](m["lng"], m["lon"]))
	}
}

// readRegion takes the largest subdivision. Its code is that of ISO 3166-2, with the country in front.
func (f *facts) readRegion(m map[string]any) {
	var largest map[string]any
	if all, ok := m["subdivisions"].([]any); ok && len(all) > 0 {
		largest = object(all[0])
	}
	f.regionName = first(english(largest), text(m["region"]), text(m["region_name"]), text(m["state1"]))
	f.region = first(text(largest["iso_code"]), text(m["region_code"]), text(m["region_iso_code"]))
	if f.region != "" && f.country != "" && !strings.HasPrefix(f.region, f.country+"-") {
		f.region = f.country + "-" + f.region
	}
}

// locate takes a position that Elasticsearch would take; 0,0 lies in the sea and means that somebody did not know.
func (f *facts) locate(lat, lon any) bool {
	y, okY := degrees(lat)
	x, okX := degrees(lon)
	if !okY || !okX || math.Abs(y) > 90 || math.Abs(x) > 180 || (x == 0 && y == 0) {
		return false
	}
	f.lat, f.lon, f.located = y, x, true
	return true
}

// readNetwork understands autonomous_system_number with autonomous_system_organization, also below "traits", and asn
// with as_name or name.
func (f *facts) readNetwork(m map[string]any) {
	traits := object(m["traits"])
	f.number = first(number(m["autonomous_system_number"]), number(m["asn"]), number(m["as_number"]), number(traits["autonomous_system_number"]))
	if f.number != 0 {
		f.organization = first(text(m["autonomous_system_organization"]), text(m["as_name"]), text(m["as_organization"]),
			text(traits["autonomous_system_organization"]), text(m["name"]))
	}
}

// first is the first value that is known.
func first[T comparable](all ...T) T {
	var unknown T
	for _, v := range all {
		if v != unknown {
			return v
		}
	}
	return unknown
}

// object is nil, which can be read like an empty one, for all else.
func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// english is a plain text, or the English one of an object's names.
func english(v any) string {
	if m := object(v); m != nil {
		return text(object(m["names"])["en"])
	}
	return text(v)
}

// maxText bounds one name, in bytes.
const maxText = 256

// text is a clean text, "" for none or for a placeholder.
func text(v any) string {
	s, _ := v.(string)
	s = s[:min(len(s), maxText)] // half a character at the end is dropped with other bytes that are no text
	s = strings.TrimSpace(strings.ToValidUTF8(s, ""))
	if s == "-" || s == "None" {
		return ""
	}
	return s
}

// code is a code of two capital letters; ZZ and XX stand for "unknown".
func code(v any) string {
	s, _ := v.(string)
	if len(s) != 2 || s[0] < 'A' || s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z' || s == "ZZ" || s == "XX" {
		return ""
	}
	return s
}

// number is that of an autonomous system, as a number or as text with or without AS in front; 0 for none.
func number(v any) uint32 {
	var n uint64
	switch v := v.(type) {
	case string:
		n, _ = strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(v), "AS"), 10, 32)
	case uint64:
		n = v
	case uint32:
		n = uint64(v)
	case uint16:
		n = uint64(v)
	case int32:
		n = uint64(max(0, v))
	case int:
		n = uint64(max(0, v))
	}
	if n > math.MaxUint32 {
		return 0
	}
	return uint32(n)
}

// degrees is a finite coordinate, to about ten metres: no database knows better, and a float32 would end in noise.
func degrees(v any) (float64, bool) {
	var x float64
	switch v := v.(type) {
	case float64:
		x = v
	case float32:
		x = float64(v)
	case string:
		var err error
		if x, err = strconv.ParseFloat(v, 64); err != nil {
			return 0, false
		}
	default:
		return 0, false
	}
	return math.Round(x*1e4) / 1e4, !math.IsNaN(x) && !math.IsInf(x, 0)
}
