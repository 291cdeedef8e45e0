// Package capacity computes what a rate of events needs from what events were measured to cost. New figures in inputs.tsv
// change deployments/CAPACITY.md:
//
//	go test ./test/capacity -update
package capacity

import (
	_ "embed"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
)

//go:embed inputs.tsv
var table string

// Input is one figure that everything is computed from.
type Input struct {
	Name  string
	Value float64
	Unit  string
	Where string // it was measured, or that it is assumed
}

// Inputs are all figures by name, and in the order of their file.
type Inputs struct {
	All    []Input
	values map[string]float64
}

// needed are the names that the formulas use.
func needed() []string {
	return strings.Fields(`receiver nats_deliveries enricher nats_documents indexer nats_indexing elasticsearch event delivery document
		request index batch sync stream follower replicas copies processors busy link disk days hours`)
}

// Load reads the inputs that are part of the program.
func Load() (Inputs, error) {
	in := Inputs{values: map[string]float64{}}
	for line := range strings.Lines(table) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 4 {
			return in, fmt.Errorf("inputs.tsv: %q: want name, value, unit and where it is from", line)
		}
		value, err := strconv.ParseFloat(fields[1], 64)
		if err != nil || value <= 0 {
			return in, fmt.Errorf("inputs.tsv: %s: %q is no number above 0", fields[0], fields[1])
		}
		in.All = append(in.All, Input{fields[0], value, fields[2], fields[3]})
		in.values[fields[0]] = value
	}
	for _, name := range needed() {
		if _, ok := in.values[name]; !ok {
			return in, fmt.Errorf("inputs.tsv: %s is missing", name)
		}
	}
	return in, nil
}

// v is an input's value.
func (in Inputs) v(name string) float64 { return in.values[name] }

// seconds are the processor seconds that an event costs by sum of inputs in CPU-seconds a million.
func (in Inputs) seconds(names ...string) (sum float64) {
	for _, name := range names {
		sum += in.v(name) / 1e6
	}
	return sum
}

// With returns the inputs with one of them changed.
func (in Inputs) With(name string, value float64) Inputs {
	changed := Inputs{All: in.All, values: maps.Clone(in.values)}
	changed.values[name] = value
	return changed
}

// Limit is something that there is once in a Sluice with one stream of each kind, and the most events a second it bears.
type Limit struct {
	What string
	Rate float64
	Lift string // what lifts it
}

// traffic is what the leader of a stream sends, in bytes an event: one copy to its consumer, and one to each follower.
func (in Inputs) traffic(size string) float64 { return in.v(size) * in.v("replicas") }

// Limits are those of a single DELIVERIES and a single DOCUMENTS, each led by a machine of its own.
func (in Inputs) Limits() []Limit {
	machine := in.v("processors") * in.v("busy")
	reading := in.seconds("nats_documents") - in.storing()
	return []Limit{
		{"DELIVERIES: one stream stores", in.v("stream") * in.v("busy"), "partitions"},
		{"DOCUMENTS: one stream stores", in.v("stream") * in.v("busy") * in.v("delivery") / in.v("document"), "partitions"},
		{"DELIVERIES: one sync after the other", in.v("batch") / in.v("sync") * in.v("busy"), "larger deliveries, partitions"},
		{"DOCUMENTS: one sync after the other", in.v("batch") / in.v("sync") * in.v("busy"), "larger deliveries, fewer namespaces, partitions"},
		{"DELIVERIES: processors of its leader", machine / (in.seconds("nats_deliveries") + max(0, reading)), "partitions"},
		{"DOCUMENTS: processors of its leader", machine / (in.storing() + in.seconds("nats_indexing")), "partitions"},
		{"DELIVERIES: network of its leader", in.v("link") * 1e6 * in.v("busy") / in.traffic("delivery"), "partitions, compression"},
		{"DOCUMENTS: network of its leader", in.v("link") * 1e6 * in.v("busy") / in.traffic("document"), "partitions, compression"},
	}
}

// storing is what it costs a server to store an event's document, in seconds: as much a byte as for a delivery.
func (in Inputs) storing() float64 {
	return min(in.seconds("nats_documents"), in.seconds("nats_deliveries")*in.v("document")/in.v("delivery"))
}

// First is the limit that is met first.
func (in Inputs) First() Limit {
	first := in.Limits()[0]
	for _, l := range in.Limits() {
		if l.Rate < first.Rate {
			first = l
		}
	}
	return first
}

// Partitions is into how many streams of each kind a rate has to be parted.
func (in Inputs) Partitions(rate float64) int { return up(rate / in.First().Rate) }

// Need is one line of what a rate needs.
type Need struct {
	What string
	Of   func(rate float64) string
}

// machines is how many machines bear so many processor seconds a second, two at least, so that one may fail.
func (in Inputs) machines(seconds float64) int {
	return max(2, up(seconds/(in.v("processors")*in.v("busy"))))
}

// stage is how many machines a stage takes at a rate, for its processors and for what it gets or sends, the larger of the two, in
// bytes an event.
func (in Inputs) stage(name string, rate, bytes float64) int {
	return max(in.machines(rate*in.seconds(name)), in.linked(rate*bytes))
}

// linked is how many machines bear so many bytes a second on their network.
func (in Inputs) linked(bytes float64) int { return up(bytes / (in.v("link") * 1e6 * in.v("busy"))) }

// servers is how many NATS servers a rate takes: no fewer than copies, and enough for processors, network and disks. One may
// lead several streams.
func (in Inputs) servers(rate float64) int {
	sent := rate * (in.v("delivery") + in.v("document")) * in.v("replicas")
	return max(int(in.v("replicas")), up(in.natsSeconds(rate)/(in.v("processors")*in.v("busy"))), in.linked(sent), in.disks(rate))
}

// disks is how many servers the copies of all streams take: each lies whole on one disk, where all are stored and synced one
// after the other.
func (in Inputs) disks(rate float64) int {
	parts := in.Partitions(rate)
	copies, part := float64(parts)*in.v("replicas"), rate/float64(parts)
	syncing := part / in.v("batch") * in.v("sync")
	delivery := max(part/in.v("stream"), syncing)
	document := max(part/in.v("stream")*in.v("document")/in.v("delivery"), syncing)
	if both := in.fitting(delivery + document); both > 0 {
		return up(copies / both)
	}
	return up(copies/max(1, in.fitting(delivery))) + up(copies/max(1, in.fitting(document)))
}

// fitting is how many copies that each use so much of a disk fit on one.
func (in Inputs) fitting(share float64) float64 { return math.Floor(in.v("busy")/share + 1e-9) }

// syncs is how many syncs a second the servers make, all copies together.
func (in Inputs) syncs(rate float64) float64 { return 2 * rate / in.v("batch") * in.v("replicas") }

// held is how many bytes the streams hold while Elasticsearch is away, one copy.
func (in Inputs) held(rate float64) float64 { return rate * in.v("document") * in.v("hours") * 3600 }

// cached is how many bytes of the streams all NATS servers together keep in memory, whoever has read them.
func (in Inputs) cached(rate float64) float64 {
	return rate * (in.v("delivery") + in.v("document")) * in.v("replicas") * in.v("kept")
}

// natsSeconds is what all NATS servers take together, copies included.
func (in Inputs) natsSeconds(rate float64) float64 {
	leaders := in.seconds("nats_deliveries", "nats_documents", "nats_indexing")
	followers := (in.v("replicas") - 1) * in.v("follower") * (in.seconds("nats_deliveries") + in.storing())
	return rate * (leaders + followers)
}

// nodes is how many Elasticsearch nodes a rate takes, for processors or for disks.
func (in Inputs) nodes(rate float64) (processors, disks int) {
	seconds := rate * in.seconds("elasticsearch") * in.v("copies")
	stored := rate * in.v("index") * in.v("copies") * 86400 * in.v("days") / 1e9
	return in.machines(seconds), max(2, up(stored/(in.v("disk")*diskShare)))
}

// diskShare is the part of a node's disk that a plan fills: Elasticsearch puts no more shards on one that is 85 % full.
const diskShare = 0.8

func up(x float64) int { return int(math.Ceil(x - 1e-9)) }
