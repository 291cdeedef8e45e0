package hostile_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/test/harness"
)

var (
	update = flag.Bool("update", false, "rewrite the page of hostile inputs")                         //nolint:gochecknoglobals // flags are
	table  = flag.Bool("table", false, "print every input with its answer, not only what went wrong") //nolint:gochecknoglobals // flags are
)

// page is where the table stands for people, from the repository's top folder.
const page = "services/receiver/HOSTILE.md"

// group is a part of the table.
type group struct {
	title    string
	attempts []attempt
}

func groups() []group {
	return []group{
		{"Who is let in", tokens()},
		{"Paths and methods", paths()},
		{"The head of a request", heads()},
		{"Where a body ends", framings()},
		{"How much comes, and how it is packed", sizes()},
		{"The text of a body", forms()},
		{"What an event says", members()},
		{"Messages in the streams that are none of ours", messages()},
		{"Settings with which a service must not start", settings()},
	}
}

// ceiling is what the whole all-in-one (receiver, enricher, indexer and NATS server) may take of the machine's memory
// while all this comes in, with the limits that it has when nobody sets any.
const ceiling = 1 << 30

func TestEveryHostileInputHasItsAnswer(t *testing.T) {
	r := newRig(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var all []*attempt
	visits := map[*attempt]*visit{}
	for _, g := range groups() {
		for _, a := range g.attempts {
			from := &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+len(all)))}
			visits[&a] = &visit{rig: r, from: from, mark: fmt.Sprintf("m%xq%03dz", seed, len(all)), ids: map[string]bool{}, events: map[string]bool{}}
			all = append(all, &a)
		}
	}
	goods := r.send(all, visits)
	r.settle(time.Minute)
	fates := r.judge(all, visits, goods)
	for i, a := range all {
		v := visits[a]
		answer, becomes := strings.Join(v.answers, ", "), fates[a].String()
		if *table {
			t.Logf("%3d  %-60s  %-28s  %s", i+1, short(a.name), answer, becomes)
		}
		switch want := a.becomesOrNothing(); {
		case v.err != nil:
			t.Errorf("%s: %v", a.name, v.err)
		case answer != a.answer:
			t.Errorf("%s: answered %s, want %s", a.name, answer, a.answer)
		case becomes != want:
			t.Errorf("%s: %s, want %s", a.name, becomes, want)
		}
	}
	r.checkLog(visits)
	r.checkMemory()
}

func (a *attempt) becomesOrNothing() string {
	if a.becomes == "" {
		return nothing
	}
	return a.becomes
}

// short cuts a name to what a terminal's line takes.
func short(name string) string {
	if all := []rune(name); len(all) > 60 {
		return string(all[:59]) + "…"
	}
	return name
}

// send makes every attempt and a good delivery right after it; the slow ones go on beside the others.
func (r *rig) send(all []*attempt, visits map[*attempt]*visit) (goods map[string]string) {
	r.t.Helper()
	goods = map[string]string{}
	var slow sync.WaitGroup
	for _, a := range all {
		if a.slow {
			slow.Go(func() { a.do(visits[a]) })
		}
	}
	for _, a := range all {
		if !a.slow {
			a.do(visits[a])
		}
		id, err := r.good()
		if err != nil {
			r.t.Errorf("after %s: %v", a.name, err)
			continue
		}
		goods[id] = a.name
	}
	slow.Wait()
	return goods
}

// judge finds out what became of every attempt, and checks that nothing else is there and every good delivery is.
func (r *rig) judge(all []*attempt, visits map[*attempt]*visit, goods map[string]string) map[*attempt]*fate {
	r.t.Helper()
	fates, byID, byEvent := map[*attempt]*fate{}, map[string]*attempt{}, map[string]*attempt{}
	for _, a := range all {
		fates[a] = &fate{letters: map[string]int{}}
		for id := range visits[a].ids {
			byID[id] = a
		}
		for id := range visits[a].events {
			byEvent[id] = a
		}
	}
	found := map[string]int{}
	for _, d := range r.documents() {
		a := byID[d.Sluice.Delivery]
		if a == nil {
			a = byEvent[d.Event.ID]
		}
		switch {
		case a != nil:
			fates[a].documents++
		case goods[d.Event.ID] != "":
			found[d.Event.ID]++
		default:
			r.t.Errorf("event %.100s of delivery %s came from nowhere", d.Event.ID, d.Sluice.Delivery)
		}
	}
	for id, after := range goods {
		if found[id] != 1 {
			r.t.Errorf("the good delivery after %s is searchable %d times", after, found[id])
		}
	}
	for _, l := range r.letters() {
		a := byID[l.Delivery]
		if a == nil {
			a = byID[l.Origin]
		}
		if a == nil {
			r.t.Errorf("a letter %s of delivery %s (%s) came from nowhere: %.100q", l.Reason, l.Delivery, l.Origin, l.Body)
			continue
		}
		fates[a].letters[l.Reason]++
	}
	r.t.Logf("%d hostile inputs; each of the %d good deliveries sent after them is searchable once", len(all), len(goods))
	return fates
}

// checkLog fails when anything panicked, when a line is no line of ours, or when what was sent stands in it.
func (r *rig) checkLog(visits map[*attempt]*visit) {
	r.t.Helper()
	raw := []byte(r.Tail(1 << 30))
	raw = raw[:bytes.LastIndexByte(raw, '\n')+1] // the last line may be half written
	_, lines, announced := bytes.Cut(raw, []byte("Ctrl-C stops it; the data stays.\n"))
	if !announced {
		r.t.Fatalf("the log has no announcement: %.2000s", raw)
	}
	for line := range bytes.Lines(lines) {
		var say struct{ Time, Level, Msg string }
		if json.Unmarshal(line, &say) != nil || say.Time == "" || say.Level == "" || say.Msg == "" || say.Msg == "forged" {
			r.t.Errorf("no log line of ours: %.300q", line)
		}
	}
	for _, word := range []string{"panic", "goroutine ", "runtime error", "\x1b", r.token, r.old, r.gone} {
		if at := bytes.Index(lines, []byte(word)); at >= 0 {
			r.t.Errorf("the log says %.20q: %.500q", word, lines[at:])
		}
	}
	for a, v := range visits {
		if at := bytes.Index(lines, []byte(v.mark)); at >= 0 {
			r.t.Errorf("%s: what was sent is in the log: %.300q", a.name, lines[max(0, at-200):])
		}
	}
}

// checkMemory reads how much the process ever had.
func (r *rig) checkMemory() {
	r.t.Helper()
	peak := memory(r.t, r.PID, "VmHWM")
	r.t.Logf("memory: %d MiB at most, %d MiB now; the ceiling is %d MiB", peak>>20, memory(r.t, r.PID, "VmRSS")>>20, ceiling>>20)
	if peak > ceiling {
		r.t.Errorf("the process took %d MiB", peak>>20)
	}
}

// memory reads a line of /proc/PID/status, in bytes.
func memory(t *testing.T, pid int, line string) (bytes int64) {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), line+":")
	if _, err := fmt.Sscan(rest, &bytes); err != nil {
		t.Fatalf("%s of process %d: %v", line, pid, err)
	}
	return bytes << 10
}

func TestThePageIsTheTable(t *testing.T) {
	path := filepath.Join(harness.Root(t), page)
	want := render()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("%s is not what this test shows (%v): run `go test ./test/hostile -update`", page, err)
	}
}

// render writes the page.
func render() []byte {
	var out bytes.Buffer
	out.WriteString(pageHead)
	number := 0
	answers := map[string]int{}
	for _, g := range groups() {
		fmt.Fprintf(&out, "\n## %s\n\n| # | what comes | answer | what becomes of it |\n|---|---|---|---|\n", g.title)
		for _, a := range g.attempts {
			number++
			answers[a.answer]++
			fmt.Fprintf(&out, "| %d | %s | %s | %s |\n", number, strings.ReplaceAll(a.name, "|", "\\|"), a.answer, a.becomesOrNothing())
		}
	}
	fmt.Fprintf(&out, "\n## Together\n\n%d inputs. Answers:", number)
	for i, answer := range slices.Sorted(maps.Keys(answers)) {
		if i > 0 {
			out.WriteString(";")
		}
		fmt.Fprintf(&out, " %d × %s", answers[answer], answer)
	}
	out.WriteString(".\n")
	return out.Bytes()
}

const pageHead = `# Hostile input

What a running Sluice answers to what nobody should send, and what becomes of it. The table is written and checked by
` + "`test/hostile`" + `, which sends every line of it to an all-in-one with a real NATS server and a real Elasticsearch, a good
delivery after each, and fails unless every good one is searchable exactly once, nothing else is there, nothing panicked,
no log line is forged, and no token and nothing of what was sent is in the log. All of it together, and then hundreds of
connections at once, may take the all-in-one (receiver, enricher, indexer and NATS server) no more than 1 GiB of memory.
` + "`make hostile`" + ` runs it and prints what it saw.

A number alone is the answer of the HTTP server itself, before any of our code sees a request; "closed" is a connection
that ends without an answer. A body that arrived whole from an authenticated sender is answered 200 however broken its
content: what is broken becomes a dead letter with the reason shown. ` + "`nothing`" + ` means that neither a document nor a dead letter
came of it.
`
