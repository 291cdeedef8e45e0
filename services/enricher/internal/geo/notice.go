package geo

import (
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"
)

// StockType is the database type of the file that `make geoip` builds; its description is its attribution.
const StockType = "Sluice-Country-ASN"

// StockLicence is the licence of that file.
const StockLicence = "CC BY 4.0"

// notice is what a database's maker wants to be shown, and the licence, as far as its names tell.
func notice(name string, m maxminddb.Metadata) (attribution, licence string) {
	about := m.Description["en"]
	known := strings.ToLower(name + " " + m.DatabaseType + " " + about)
	has := func(word string) bool { return strings.Contains(known, word) }
	switch {
	case m.DatabaseType == StockType:
		return about, StockLicence
	case has("geolite"):
		return "This product includes GeoLite data created by MaxMind, available from https://www.maxmind.com", "MaxMind GeoLite End User License Agreement"
	case has("geoip2"):
		return "GeoIP data by MaxMind, https://www.maxmind.com", "MaxMind's commercial terms"
	case has("dbip"), has("db-ip"):
		return "IP Geolocation by DB-IP, https://db-ip.com", "CC BY 4.0 (Lite editions)"
	case has("ipinfo"):
		return "IP address data powered by IPinfo, https://ipinfo.io", "CC BY-SA 4.0 (Lite edition)"
	}
	return about, ""
}
