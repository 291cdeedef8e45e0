package geo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

// maxFile bounds a file, in bytes: the largest database known to us has half of that.
const maxFile = 2 << 30

// Info describes a file in use.
type Info struct {
	Name        string    // of the file
	Type        string    // as the file calls itself, such as GeoLite2-City
	Built       time.Time // when its maker built it
	Bytes       int64
	Uses        []string // "place" and "network", empty when another file is better at both
	Attribution string   // what its licence wants to be shown, empty when unknown
	Licence     string   // empty when unknown
}

// family of addresses.
type family int

const (
	v4 family = iota
	v6
)

// offer is how much a file knows for a family; 0 is nothing, more is better.
type offer struct{ place, as int }

// file is one database in memory.
type file struct {
	Info
	from   entryInfo
	reader *maxminddb.Reader
	offers [2]offer
}

// errUseless says that a file is sound and holds nothing for us.
var errUseless = errors.New("it holds neither places nor networks: a country, city or ASN database is needed")

// readFile loads a database. It is read into memory as a whole, and not mapped: a mapped file that somebody truncates or
// writes into kills the process, or gives it half of one version and half of another.
func readFile(from entryInfo) (*file, error) {
	b, err := readWhole(from)
	if err != nil {
		return nil, fmt.Errorf("reading the GeoIP database: %w", err)
	}
	f, err := parse(filepath.Base(from.path), b)
	if err != nil {
		return nil, fmt.Errorf("the GeoIP database %s cannot be used: %w", from.path, err)
	}
	f.from = from
	return f, nil
}

func readWhole(from entryInfo) ([]byte, error) {
	size := from.info.Size()
	if size > maxFile {
		return nil, fmt.Errorf("%s: %d bytes are more than the %d that are read into memory", from.path, size, maxFile)
	}
	r, err := os.Open(from.path)
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // only read
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("%s: it became shorter while it was read: %w", from.path, err)
	}
	now, err := os.Stat(from.path)
	if err != nil {
		return nil, err
	}
	if !from.same(entryInfo{from.path, now}) {
		return nil, fmt.Errorf("%s: it changed while it was read; write a new file and rename it", from.path)
	}
	return b, nil
}

// parse opens a database and looks at a sample of it.
func parse(name string, b []byte) (*file, error) {
	reader, err := maxminddb.OpenBytes(b)
	if err != nil {
		return nil, fmt.Errorf("it is damaged or no MMDB file; fetch it again: %w", err)
	}
	f := &file{reader: reader}
	f.Info = Info{Name: strings.ToValidUTF8(name, "_"), Type: reader.Metadata.DatabaseType, Built: reader.Metadata.BuildTime().UTC(), Bytes: int64(len(b))}
	f.Attribution, f.Licence = notice(name, reader.Metadata)
	if err := f.sample(); err != nil {
		return nil, fmt.Errorf("it is damaged; fetch it again: %w", err)
	}
	if f.offers == [2]offer{} {
		return nil, errUseless
	}
	return f, nil
}

// note raises an offer to what a record holds.
func (o *offer) note(x *facts) {
	switch {
	case x.city != "" || x.located:
		o.place = max(o.place, 2)
	case x.country != "":
		o.place = max(o.place, 1)
	}
	switch {
	case x.organization != "":
		o.as = max(o.as, 2)
	case x.number != 0:
		o.as = max(o.as, 1)
	}
}
