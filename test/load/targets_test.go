package load_test

import (
	_ "embed"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

//go:embed targets.tsv
var targetTable string

var updateTargets = flag.Bool("targets", false, "rewrite TARGETS.md from RESULTS.md")

// goal is a line of RESULTS.md that has a target, or stands beside one that has.
type goal struct {
	kind, line, benchmark, bounds string
	section                       *regexp.Regexp // what the heading of its sections says behind the commit
}

// goals reads targets.tsv: kind, section, line, benchmark, and what bounds the figure.
func goals(t *testing.T) (all []goal) {
	t.Helper()
	for text := range strings.Lines(targetTable) {
		f := strings.Split(strings.TrimSuffix(text, "\n"), "\t")
		if len(f) != 5 {
			t.Fatalf("targets.tsv: %q: want 5 columns", text)
		}
		all = append(all, goal{kind: f[0], line: f[2], benchmark: f[3], bounds: f[4], section: regexp.MustCompile(f[1])})
	}
	return all
}

// measured is one section of RESULTS.md.
type measured struct {
	date, commit, about, yardstick string              // commit is empty where git did not know it
	disturbed                      bool                // by profiles that were written, or by others on the machine
	lines                          map[string][]string // min, median, max and target by name
}

var (
	sectionHead = regexp.MustCompile(`(?m)^### (\S+), (?:commit (\S+)|an unknown commit): (.*)$`)
	sectionLine = regexp.MustCompile(`(?m)^\| (.+?) \| (\S+) \| \*\*(\S+)\*\* \| (\S+) \| (.*?) ?\|$`)
	sectionYard = regexp.MustCompile(`the yardstick took (\d+) ns`)
)

// sections reads RESULTS.md, the oldest first.
func sections(text string) (all []measured) {
	heads := sectionHead.FindAllStringSubmatchIndex(text, -1)
	for i, h := range heads {
		end := len(text)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		body := text[h[1]:end]
		m := measured{date: text[h[2]:h[3]], about: text[h[6]:h[7]], lines: map[string][]string{}}
		if h[4] >= 0 {
			m.commit = text[h[4]:h[5]]
		}
		m.disturbed = strings.Contains(body, "\n"+profilesNote) || strings.Contains(body, "| µs an event: ") || strings.Contains(body, "\n"+busyNote)
		for _, l := range sectionLine.FindAllStringSubmatch(body, -1) {
			m.lines[l[1]] = l[2:]
		}
		if y := sectionYard.FindStringSubmatch(body); y != nil {
			m.yardstick = y[1]
		}
		all = append(all, m)
	}
	return all
}

// newest is the last section that has the goal's line, is of a commit, and was measured undisturbed.
func (g *goal) newest(all []measured) (m measured, values []string, found bool) {
	for _, m := range slices.Backward(all) {
		if m.disturbed || m.commit == "" || strings.HasSuffix(m.commit, "-dirty") {
			continue
		}
		if values, found = m.lines[g.line]; found && g.section.MatchString(m.about) {
			return m, values, true
		}
	}
	return measured{}, nil, false
}

// met says whether the median is as wanted; empty where nothing is.
func met(median, wanted string) string {
	if goal, ok := strings.CutPrefix(wanted, "(goal "); ok {
		if met(median, "≥ "+strings.TrimSuffix(goal, ")")) == "yes" {
			return "goal reached"
		}
		return "goal not reached"
	}
	sign, number, _ := strings.Cut(wanted, " ")
	bound, err := strconv.ParseFloat(number, 64)
	value, err2 := strconv.ParseFloat(median, 64)
	switch {
	case err != nil || err2 != nil || sign != "≤" && sign != "≥":
		return ""
	case sign == "≤" && value <= bound, sign == "≥" && value >= bound:
		return "yes"
	}
	return "**no**"
}

const targetsHead = `# Targets: what is met, and what bounds the rest

Written by ` + "`make bench-page`" + ` from the newest section of each kind in [RESULTS.md](RESULTS.md), which has the other figures and says how
to read them; sections with profiles, of a busy machine or of a changed tree are left out. One line again: ` + "`make geoip`, then `go test -run '^$' -bench '^BenchmarkNAME$' -benchtime 1x -timeout 1h ./test/load`" + `.
All of them: ` + "`make bench`" + `. *Yardstick* is how long this machine took for the same piece of work meanwhile, in µs: it is between 6 and 13
from hour to hour, and what takes seconds differs by up to as much. [PROFILE.md](PROFILE.md) has the account by stages.

| | figure | wanted | min | median | max | met | NAME | commit | yardstick |
|---|---|--:|--:|--:|--:|---|---|---|--:|
`

// targetsPage is TARGETS.md.
func targetsPage(t *testing.T, results string) string {
	t.Helper()
	all, kind := sections(results), ""
	var table, bounds strings.Builder
	for _, g := range goals(t) {
		m, v, found := g.newest(all)
		if !found {
			t.Errorf("targets.tsv: RESULTS.md has no section like %q with a line %q", g.section, g.line)
			continue
		}
		label := g.kind
		if label == kind {
			label = ""
		}
		kind = g.kind
		yard := ""
		if ns, err := strconv.Atoi(m.yardstick); err == nil {
			yard = fmt.Sprintf("%.1f", float64(ns)/1000)
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s | **%s** | %s | %s | %s | %s, %s | %s |\n", label, g.line, v[3], v[0], v[1], v[2], met(v[1], v[3]), g.benchmark, m.commit, m.date, yard)
		if g.bounds != "" {
			fmt.Fprintf(&bounds, "| %s | %s | %s |\n", g.benchmark, g.line, g.bounds)
		}
	}
	return targetsHead + table.String() + "\n## What bounds each figure\n\n| | figure | what bounds it |\n|---|---|---|\n" + bounds.String()
}

func TestTheTargetsArePagedFromTheResults(t *testing.T) {
	results, err := os.ReadFile("RESULTS.md")
	if err != nil {
		t.Fatal(err)
	}
	want := targetsPage(t, string(results))
	if *updateTargets {
		if err := os.WriteFile("TARGETS.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile("TARGETS.md"); err != nil || string(have) != want {
		t.Errorf("TARGETS.md is not what RESULTS.md says (%v); run: make bench-page", err)
	}
}

func TestAGoalIsMeasuredByItsNewestUndisturbedSection(t *testing.T) {
	t.Parallel()
	section := func(head, value, after string) string {
		return "\n### 2026-11-26, " + head + ": memory, 2 rounds\n\n| | min | median | max | target |\n|---|--:|--:|--:|--:|\n| MiB | 1 | **" + value + "** | 3 | ≤ 250 |\n\n" + after
	}
	text := section("commit aaaaaaa", "100", "a machine; the yardstick took 6543 ns (1 to 2)\n") + section("commit bbbbbbb", "200", "a machine; the yardstick took 7000 ns (1 to 2)\n") +
		section("commit ccccccc", "300", busyNote+"others used 11 %.\n") + section("commit ddddddd", "400", profilesNote+"\n") + section("commit eeeeeee-dirty", "500", "") + section("an unknown commit", "600", "") +
		strings.Replace(section("commit fffffff", "700", ""), "memory", "another", 1)
	g := goal{line: "MiB", section: regexp.MustCompile("^memory")}
	m, values, found := g.newest(sections(text))
	if !found || m.commit != "bbbbbbb" || m.yardstick != "7000" || !slices.Equal(values, []string{"1", "200", "3", "≤ 250"}) {
		t.Errorf("found %v: %s, %s, %v", found, m.commit, m.yardstick, values)
	}
}

func TestATargetIsMetByItsMedian(t *testing.T) {
	t.Parallel()
	for wanted, cases := range map[string]map[string]string{
		"≤ 25":         {"24.9": "yes", "25": "yes", "25.1": "**no**"},
		"≥ 0.70":       {"0.7": "yes", "0.69": "**no**"},
		"(goal 20000)": {"30000": "goal reached", "19999": "goal not reached"},
		"":             {"1": ""},
	} {
		for median, want := range cases {
			if got := met(median, wanted); got != want {
				t.Errorf("%s where %q is wanted: %q", median, wanted, got)
			}
		}
	}
}
