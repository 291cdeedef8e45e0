// Package state is the folder of the all-in-one: what it keeps there and who may read it.
//
// Everything secret in it is readable by its owner only. The first endpoint's token is the one token that is stored
// anywhere, and only here.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
)

// Default is the folder that commands use when none is named.
const Default = ".sluice"

// Dir is a state folder.
type Dir string

// Ready is what ready.json tells other programs about a running all-in-one.
type Ready struct {
	PayloadURL       string `json:"payload_url"`
	Authorization    string `json:"authorization"`
	AdminURL         string `json:"admin_url"`
	NATSURL          string `json:"nats_url"`
	ElasticsearchURL string `json:"elasticsearch_url"`
	Index            string `json:"index"` // the alias to search
	PID              int    `json:"pid"`
	Endpoint         string `json:"endpoint"`
	PublicURL        string `json:"public_url,omitempty"`
	LocalURL         string `json:"local_url"` // the Payload URL as this machine reaches it
	Version          string `json:"version"`
}

// Credentials are what the folder keeps secret: the first endpoint's token and the embedded NATS server's password.
type Credentials struct {
	Endpoint     string `json:"endpoint"`
	Token        string `json:"token"`
	NATSPassword string `json:"nats_password"`
	Listen       string `json:"listen,omitempty"` // the address of the last start, so that the Payload URL stays
	// Streams is how large the streams were made.
	Streams Streams `json:"streams,omitzero"`
}

// Streams remembers what sizes the settings asked for and what the disk allowed.
type Streams struct {
	Wanted stream.Topology `json:"wanted"`
	Given  stream.Topology `json:"given"`
}

// Names of what lies in the folder.
func (d Dir) path(name string) string { return filepath.Join(string(d), name) }

// NATS is where the embedded server keeps its streams.
func (d Dir) NATS() string { return d.path("nats") }

// Elasticsearch is where an Elasticsearch of this folder keeps everything.
func (d Dir) Elasticsearch() string { return d.path("elasticsearch") }

// GeoIP is the folder where `make geoip` puts databases; empty while there is none.
func (d Dir) GeoIP() string {
	if files, err := filepath.Glob(d.path("geoip/*.mmdb")); err != nil || len(files) == 0 {
		return ""
	}
	return d.path("geoip")
}

// ReadyFile is the path of ready.json.
func (d Dir) ReadyFile() string { return d.path("ready.json") }

// Make creates the folder for its owner. An existing one keeps its permissions.
func (d Dir) Make() error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("making the state folder: %w", err)
	}
	return nil
}

// LoadCredentials reads the folder's credentials, making them at the first start.
func (d Dir) LoadCredentials() (Credentials, error) {
	var c Credentials
	err := read(d.path("credentials.json"), &c)
	if err == nil {
		return c, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	c = Credentials{Endpoint: endpoint.NewID(), Token: endpoint.NewToken(), NATSPassword: endpoint.NewToken()}
	return c, d.SaveCredentials(c)
}

// SaveCredentials replaces the folder's credentials.
func (d Dir) SaveCredentials(c Credentials) error { return write(d.path("credentials.json"), c) }

// WriteReady replaces ready.json.
func (d Dir) WriteReady(r Ready) error { return write(d.ReadyFile(), r) }

// ReadReady reads ready.json; the error is fs.ErrNotExist when no all-in-one announced itself.
func (d Dir) ReadReady() (Ready, error) {
	var r Ready
	return r, read(d.ReadyFile(), &r)
}

// RemoveReady takes the announcement back.
func (d Dir) RemoveReady() error {
	if err := os.Remove(d.ReadyFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing ready.json: %w", err)
	}
	return nil
}

func read(path string, into any) error {
	raw, err := os.ReadFile(path) //nolint:gosec // the operator names the folder
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("reading %s (it was made by sluice; remove it only if you know what is in it): %w", path, err)
	}
	return nil
}

// write replaces a file in one step, so that no reader sees half of it and no crash leaves none.
func write(path string, value any) error {
	raw, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = f.Write(append(raw, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
