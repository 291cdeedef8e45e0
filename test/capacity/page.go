package capacity

import (
	"fmt"
	"strconv"
	"strings"
)

// Rates are those of the page, in events a second.
func Rates() []float64 { return []float64{10_000, 100_000, 1_000_000} }

// Needs are the lines of the page's table.
func (in Inputs) Needs() []Need {
	processors := func(names ...string) func(float64) string {
		return func(rate float64) string { return short(rate * in.seconds(names...)) }
	}
	megabytes := func(bytes float64) func(float64) string {
		return func(rate float64) string { return short(rate * bytes / 1e6) }
	}
	whole := func(of func(float64) int) func(float64) string {
		return func(rate float64) string { return grouped(float64(of(rate))) }
	}
	machines := func(name string, bytes float64) func(float64) string {
		return whole(func(rate float64) int { return in.stage(name, rate, bytes) })
	}
	delivery, document, request := in.v("delivery"), in.v("document"), in.v("request")
	stored := delivery + document
	return []Need{
		{"receivers: processors", processors("receiver")},
		{"receivers: machines", machines("receiver", max(in.v("event"), delivery))},
		{"enrichers: processors", processors("enricher")},
		{"enrichers: machines", machines("enricher", max(delivery, document))},
		{"indexers: processors", processors("indexer")},
		{"indexers: machines", machines("indexer", max(document, request))},
		{"streams of each kind, with a leader each", whole(in.Partitions)},
		{"NATS: processors, all copies", func(rate float64) string { return short(in.natsSeconds(rate)) }},
		{"NATS: servers", whole(in.servers)},
		{"NATS: MB a second to the disks of all servers", megabytes(stored * in.v("replicas"))},
		{"NATS: syncs a second, all copies", func(rate float64) string { return short(in.syncs(rate)) }},
		{"NATS: GB that the streams hold while Elasticsearch is away, one copy", func(rate float64) string { return short(in.held(rate) / 1e9) }},
		{"NATS: GB of that on each server, copies included", func(rate float64) string {
			return short(in.held(rate) * in.v("replicas") / float64(in.servers(rate)) / 1e9)
		}},
		{"NATS: MB of memory on each server, for what it stored in the last seconds", func(rate float64) string {
			return short(in.cached(rate) / float64(in.servers(rate)) / 1e6)
		}},
		{"network: Mbit/s from Auth0", func(rate float64) string { return short(rate * in.v("event") * 8 / 1e6) }},
		{"network: MB a second between all machines", megabytes(stored*(in.v("replicas")+1) + request*in.v("copies"))},
		{"Elasticsearch: processors, all copies", func(rate float64) string { return short(rate * in.seconds("elasticsearch") * in.v("copies")) }},
		{"Elasticsearch: nodes for the processors", whole(func(rate float64) int { n, _ := in.nodes(rate); return n })},
		{"Elasticsearch: nodes for the disks", whole(func(rate float64) int { _, n := in.nodes(rate); return n })},
		{"Elasticsearch: TB, all copies", func(rate float64) string {
			return short(rate * in.v("index") * in.v("copies") * 86400 * in.v("days") / 1e12)
		}},
	}
}

// Sections are the computed parts of the page, by the names of their markers.
func (in Inputs) Sections() map[string]string {
	return map[string]string{"inputs": in.inputs(), "needs": in.needs(), "limits": in.limits(), "first": in.firsts()}
}

func (in Inputs) inputs() string {
	var out strings.Builder
	out.WriteString("| input | | | from |\n|---|--:|---|---|\n")
	for _, i := range in.All {
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", i.Name, grouped(i.Value), i.Unit, i.Where)
	}
	return out.String()
}

func (in Inputs) needs() string {
	var out strings.Builder
	out.WriteString("| events a second |")
	for _, rate := range Rates() {
		fmt.Fprintf(&out, " %s |", grouped(rate))
	}
	out.WriteString("\n|---|" + strings.Repeat("--:|", len(Rates())) + "\n")
	for _, n := range in.Needs() {
		fmt.Fprintf(&out, "| %s |", n.What)
		for _, rate := range Rates() {
			fmt.Fprintf(&out, " %s |", n.Of(rate))
		}
		out.WriteString("\n")
	}
	return out.String()
}

func (in Inputs) limits() string {
	var out strings.Builder
	out.WriteString("| what there is once | events a second | what lifts it |\n|---|--:|---|\n")
	for _, l := range in.Limits() {
		fmt.Fprintf(&out, "| %s | %s | %s |\n", l.What, short(l.Rate), l.Lift)
	}
	return out.String()
}

// firsts says for each rate what is met first.
func (in Inputs) firsts() string {
	var out strings.Builder
	first := in.First()
	for _, rate := range Rates() {
		fmt.Fprintf(&out, "- **%s a second**: ", grouped(rate))
		processors, disks := in.nodes(rate)
		elastic := fmt.Sprintf("%s nodes for the processors, %s for the disks", grouped(float64(processors)), grouped(float64(disks)))
		if rate <= first.Rate {
			fmt.Fprintf(&out, "one stream of each kind is enough, at %.0f %% of what it bears. The first limit is Elasticsearch: it takes %s, where two of these machines would bear %s a second.\n",
				100*rate/first.Rate, elastic, short(in.two()))
			continue
		}
		fmt.Fprintf(&out, "the first limit is \"%s\", at %s: %d of each kind lift it, on the disks of %d servers. Elasticsearch takes %s.\n",
			first.What, short(first.Rate), in.Partitions(rate), in.servers(rate), elastic)
	}
	return out.String()
}

// two is the most events a second that two Elasticsearch nodes bear.
func (in Inputs) two() float64 {
	processors := 2 * in.v("processors") * in.v("busy") / (in.seconds("elasticsearch") * in.v("copies"))
	disks := 2 * in.v("disk") * diskShare * 1e9 / (in.v("index") * in.v("copies") * 86400 * in.v("days"))
	return min(processors, disks)
}

// short prints two digits, in full.
func short(v float64) string {
	if v < 10 {
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
	for unit := 1.0; ; unit *= 10 {
		if v/unit < 100 {
			return grouped(float64(int(v/unit+0.5)) * unit)
		}
	}
}

// grouped prints a number with commas between thousands.
func grouped(v float64) string {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	whole, rest, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		whole += "." + rest
	}
	return whole
}
