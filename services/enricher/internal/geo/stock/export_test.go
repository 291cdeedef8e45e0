package stock

import "time"

// Combine makes one file of a country archive and a network archive.
func Combine(countries, networks, to string, built time.Time, attribution string) error {
	return combine(countries, networks, to, label{built, attribution})
}
