package node

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const recordName = "node.json"

// record is node.json: what the next process must know to adopt the node of a folder. It is written before the server
// is started, so that there is no moment in which a running node is unknown.
type record struct {
	Dir     string    `json:"dir"`
	Cluster string    `json:"cluster"`          // random: the processes carry it, and it is the cluster's name
	Joined  string    `json:"joined,omitempty"` // the cluster's name where several nodes share one
	Kind    string    `json:"kind"`
	Version string    `json:"version"`
	Scheme  string    `json:"scheme"`
	PID     int       `json:"pid"`
	URL     string    `json:"url"`
	Started time.Time `json:"started"`
}

// readRecord reads node.json of dir. A record that was copied here together with another folder counts as absent: its
// node belongs to the folder it was copied from.
func readRecord(dir string) (record, error) {
	var rec record
	path := filepath.Join(dir, recordName)
	data, err := os.ReadFile(path) //nolint:gosec // the state folder is the caller's
	if err != nil {
		return rec, fmt.Errorf("reading the record of elasticsearch: %w", err)
	}
	if err := json.Unmarshal(data, &rec); err != nil {
		return rec, fmt.Errorf("reading the record of elasticsearch %s: %w (if no elasticsearch runs for this folder, "+
			"remove the file)", path, err)
	}
	if rec.Dir != dir || rec.Cluster == "" {
		return record{}, fmt.Errorf("record %s is of %s: %w", path, rec.Dir, fs.ErrNotExist)
	}
	return rec, nil
}

// write replaces node.json as a whole, so that a reader never sees half of it.
func (r record) write() error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the record of elasticsearch: %w", err)
	}
	path := filepath.Join(r.Dir, recordName)
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the record of elasticsearch: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("writing the record of elasticsearch: %w", err)
	}
	return nil
}

// newRecord prepares the record of a node about to start. The cluster keeps its name over restarts.
func newRecord(opts Options, before record, kind string) record {
	rec := record{
		Dir: opts.Dir, Cluster: before.Cluster, Joined: opts.Cluster, Kind: kind, Version: Version,
		Scheme: opts.scheme(), Started: time.Now().UTC(),
	}
	if rec.Cluster == "" {
		var suffix [8]byte
		_, _ = rand.Read(suffix[:]) // never fails: crypto/rand ends the program instead
		rec.Cluster = "sluice-" + hex.EncodeToString(suffix[:])
	}
	return rec
}

// clusterName is what the node's cluster calls itself.
func (r record) clusterName() string { return cmp.Or(r.Joined, r.Cluster) }

// previous is the record of the node that ran here before, or an empty one.
func previous(dir string) (record, error) {
	rec, err := readRecord(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, nil
	}
	return rec, err
}

func (r record) process() process {
	if r.Kind == KindDocker {
		return container{name: containerName(r.Dir), cluster: r.Cluster, logs: filepath.Join(r.Dir, "logs")}
	}
	return server{cluster: r.Cluster, ports: filepath.Join(r.Dir, "logs", "http.ports")}
}
