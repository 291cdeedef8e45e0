package stock

import (
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/sluicelog/sluice/services/enricher/internal/geo"
)

// label is what the new file says of itself.
type label struct {
	built       time.Time
	attribution string
}

// The members of a record.
const (
	countryKey      = "country_code"
	numberKey       = "autonomous_system_number"
	organizationKey = "autonomous_system_organization"
)

// combine makes one file of a country database and a table of networks: one look-up then finds both.
func combine(countries, networks, to string, l label) error {
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType: geo.StockType, Description: map[string]string{"en": l.attribution}, Languages: []string{"en"},
		BuildEpoch: l.built.Unix(), RecordSize: 24, KeyGenerator: short{},
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"asn-ipv4.csv", "asn-ipv6.csv"} {
		if err := read(networks, name, func(r io.Reader) error { return insertNetworks(tree, r) }); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	const name = "geo-whois-asn-country.mmdb"
	if err := read(countries, name, func(r io.Reader) error { return insertCountries(tree, r) }); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return write(to, func(w io.Writer) error {
		_, err := tree.WriteTo(w)
		return err
	})
}

// insertNetworks reads rows of first address, last address, number, name.
func insertNetworks(tree *mmdbwriter.Tree, r io.Reader) error {
	rows := csv.NewReader(r)
	rows.FieldsPerRecord, rows.ReuseRecord = 4, true
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		number, err := strconv.ParseUint(row[2], 10, 32)
		if err != nil {
			return fmt.Errorf("network number %q: %w", row[2], err)
		}
		record := mmdbtype.Map{numberKey: mmdbtype.Uint32(number)}
		if row[3] != "" {
			record[organizationKey] = mmdbtype.String(row[3])
		}
		if err := skipSpecial(tree.InsertRange(net.ParseIP(row[0]), net.ParseIP(row[1]), record)); err != nil {
			return fmt.Errorf("network %s to %s: %w", row[0], row[1], err)
		}
	}
}

// insertCountries adds the country to every network of another database.
func insertCountries(tree *mmdbwriter.Tree, r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	db, err := maxminddb.OpenBytes(raw)
	if err != nil {
		return err
	}
	for result := range db.Networks() {
		var record struct {
			Code string `maxminddb:"country_code"`
		}
		if err := result.Decode(&record); err != nil {
			return err
		}
		if record.Code == "" {
			continue
		}
		if err := skipSpecial(tree.InsertFunc(ipNet(result.Prefix()), withCountry(record.Code))); err != nil {
			return fmt.Errorf("network %s: %w", result.Prefix(), err)
		}
	}
	return nil
}

// withCountry adds a country to a record, which may be shared and is therefore copied.
func withCountry(code string) func(mmdbtype.DataType) (mmdbtype.DataType, error) {
	return func(old mmdbtype.DataType) (mmdbtype.DataType, error) {
		record := mmdbtype.Map{countryKey: mmdbtype.String(code)}
		known, _ := old.(mmdbtype.Map)
		for key, value := range known {
			if key != countryKey {
				record[key] = value
			}
		}
		return record, nil
	}
}

// skipSpecial forgives what the writer does not take: reserved networks, which are never looked up, and 2002::/16 and
// 2001::/32, which it keeps for IPv4.
func skipSpecial(err error) error {
	var aliased *mmdbwriter.AliasedNetworkError
	var reserved *mmdbwriter.ReservedNetworkError
	if errors.As(err, &aliased) || errors.As(err, &reserved) {
		return nil
	}
	return err
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// short names a record by its country and number, because a number has one name. Hashing whole records takes far longer.
type short struct{}

// Key implements mmdbwriter.KeyGenerator.
func (short) Key(v mmdbtype.DataType) ([]byte, error) {
	record, ok := v.(mmdbtype.Map)
	if !ok {
		return nil, fmt.Errorf("a record is no map but %T", v)
	}
	country, _ := record[countryKey].(mmdbtype.String)
	number, _ := record[numberKey].(mmdbtype.Uint32)
	return binary.BigEndian.AppendUint32([]byte(country), uint32(number)), nil
}
