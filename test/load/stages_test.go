package load_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

// stageRule says by a function on the stack which stage a sample belongs to.
type stageRule struct {
	stage string
	stack *regexp.Regexp
}

// stageRules are in the order in which they are tried: what packs is part of what publishes.
func stageRules() []stageRule {
	var all []stageRule
	for _, rule := range [][2]string{
		{"garbage collection", `^runtime\.(gcBgMarkWorker|bgsweep|bgscavenge|gcStart|gcAssistAlloc)`},
		{"packing with S2", `shared/stream\.\(\*packer\)`},
		{"unpacking", `shared/stream\.unpack$`},
		{"JetStream stores: hash, write, sync", `nats-server/v2/server\.\(\*stream\)\.internalLoop`},
		{"JetStream's consumers", `nats-server/v2/server\.\(\*consumer\)`},
		{"the NATS server's connections and the rest of it", `nats-server/v2/server\.`},
		{"enricher publishes", `enrich\.\(\*work\)\.publish`},
		{"enricher maps", `enrich\.\(\*Enricher\)\.Handle`},
		{"indexer", `indexer/internal/bulk\.`},
		{"receiver, with HTTP", `receiver/internal/intake\.|net/http\.\(\*conn\)\.serve`},
		{"HTTP to Elasticsearch", `net/http\.\(\*(Transport|persistConn)\)`},
		{"NATS clients and what is counted", `nats-io/nats\.go|shared/stream\.`},
		{"metrics", `prometheus/`},
		{"scheduler", `^runtime\.(mcall|schedule|findRunnable|park_m|sysmon|mstart)`},
		{"the rest", ``},
	} {
		all = append(all, stageRule{rule[0], regexp.MustCompile(rule[1])})
	}
	return all
}

// shares is where a program's processor time went, in parts of all of it.
type shares struct {
	stages    map[string]float64
	functions map[string]float64 // by themselves, without what they call
}

// readShares reads a profile of processor time.
func readShares(file string) (shares, error) {
	raw, err := os.Open(file)
	if err != nil {
		return shares{}, err
	}
	defer func() { _ = raw.Close() }()
	p, err := profile.Parse(raw)
	if err != nil {
		return shares{}, fmt.Errorf("reading %s: %w", file, err)
	}
	rules, all := stageRules(), shares{map[string]float64{}, map[string]float64{}}
	total := 0.0
	for _, s := range p.Sample {
		used := float64(s.Value[len(s.Value)-1]) // nanoseconds; the value before counts samples
		stack := functions(s)
		total += used
		all.stages[stageOf(rules, stack)] += used
		if len(stack) > 0 {
			all.functions[stack[0]] += used
		}
	}
	for _, part := range []map[string]float64{all.stages, all.functions} {
		for name := range part {
			part[name] /= max(total, 1)
		}
	}
	return all, nil
}

// functions are those of a sample's stack, the innermost first, the ones that were inlined among them.
func functions(s *profile.Sample) (names []string) {
	for _, at := range s.Location {
		for _, line := range at.Line {
			names = append(names, line.Function.Name)
		}
	}
	return names
}

func stageOf(rules []stageRule, stack []string) string {
	for _, rule := range rules {
		if slices.ContainsFunc(stack, rule.stack.MatchString) {
			return rule.stage
		}
	}
	return rules[len(rules)-1].stage // a stack that could not be read
}

// account adds a line for each stage: what it costs an event, when all of it together costs micros microseconds.
func (s *sheet) account(found shares, micros float64) {
	if found.stages == nil {
		return
	}
	for _, rule := range stageRules() {
		s.add("µs an event: "+rule.stage, "", found.stages[rule.stage]*micros)
	}
	s.tops = append(s.tops, found.functions)
}

// topTen is a line with the functions that take the most by themselves, over all rounds.
func (s *sheet) topTen() string {
	if len(s.tops) == 0 {
		return ""
	}
	sum := map[string]float64{}
	for _, functions := range s.tops {
		for name, part := range functions {
			sum[name] += part / float64(len(s.tops))
		}
	}
	names := slices.SortedFunc(maps.Keys(sum), func(a, b string) int { return cmp.Or(cmp.Compare(sum[b], sum[a]), cmp.Compare(a, b)) })
	var ten []string
	for _, name := range names[:min(10, len(names))] {
		ten = append(ten, fmt.Sprintf("`%s` %.1f %%", path.Base(name), 100*sum[name]))
	}
	return "\nThe top ten: " + strings.Join(ten, ", ") + ".\n"
}
