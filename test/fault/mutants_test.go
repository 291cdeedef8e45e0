package fault_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/sluicelog/sluice/test/harness"
)

// mutant is Sluice with one thing broken on purpose. The fault it is run under must bring that to light.
type mutant struct {
	name    string
	breaks  string            // for people: what is wrong with it
	fault   string            // under which it must fail
	because []string          // one of these must be what the checker says
	patches []patch           // of the source
	env     []string          // settings of the services
	nats    []string          // variables of the NATS server
	adjust  func(f *fault)    // changes the fault; may be nil
	limit   time.Duration     // until the checker calls it stuck; 0: as for a sound Sluice
	saw     func(r *row) bool // what else the row must show; may be nil
}

// patch is a replacement in a source file. What it replaces must be there exactly once.
type patch struct{ file, old, new string }

// What the checker may say of a row.
const (
	saidMissing = "missing"
	saidDoubled = "doubled"
	saidStuck   = "never quiet"
	saidGone    = "stream gone"
)

// said is what the checker found wrong, by kind.
func (r *row) said() []string {
	var all []string
	if r.missing > 0 {
		all = append(all, saidMissing)
	}
	if r.doubled > 0 {
		all = append(all, saidDoubled)
	}
	text := ""
	if r.err != nil {
		text = r.err.Error()
	}
	switch {
	case strings.Contains(text, "stream not found"):
		all = append(all, saidGone)
	case strings.Contains(text, "quiet: not within"), strings.Contains(text, "before the fault ended: not within"):
		all = append(all, saidStuck)
	case r.err != nil && len(all) == 0:
		all = append(all, "something else: "+flat(text))
	}
	return all
}

// apply writes the changed source files below dir and returns the overlay that puts them in place of the real ones.
func (m *mutant) apply(root, dir string) (overlay string, err error) {
	changed := map[string]string{}
	for _, p := range m.patches {
		path := filepath.Join(root, filepath.FromSlash(p.file))
		text, ok := changed[path]
		if !ok {
			raw, err := os.ReadFile(path)
			if err != nil {
				return "", err
			}
			text = string(raw)
		}
		if n := strings.Count(text, p.old); n != 1 {
			return "", fmt.Errorf("mutant %s: %s holds what it replaces %d times, not once: %q", m.name, p.file, n, p.old)
		}
		changed[path] = strings.Replace(text, p.old, p.new, 1)
	}
	replace := map[string]string{}
	for i, path := range slices.Sorted(maps.Keys(changed)) {
		replace[path] = filepath.Join(dir, fmt.Sprintf("%d-%s", i, filepath.Base(path)))
		if err := os.WriteFile(replace[path], []byte(changed[path]), 0o600); err != nil {
			return "", err
		}
	}
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, raw, 0o600)
}

// build makes the mutant's programs and a lab that uses them. The source stays as it is.
func (m *mutant) build(t *testing.T, l *lab) *lab {
	t.Helper()
	dir, root := harness.Dir(t), harness.Root(t)
	other := *l
	other.tuning, other.natsEnv, other.build = m.env, m.nats, "mutant "+m.name
	if len(m.patches) == 0 {
		return &other
	}
	overlay, err := m.apply(root, dir)
	if err != nil {
		t.Fatal(err)
	}
	other.programs = map[string]string{}
	for name := range l.programs {
		other.programs[name] = filepath.Join(dir, name)
		cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", other.programs[name], "./services/"+name+"/cmd/"+name)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("building %s of mutant %s: %v\n%s", name, m.name, err, out)
		}
	}
	return &other
}

// trouble is the fault that a mutant is run under; nil when this build of the tests has none of that name.
func (m *mutant) trouble() *fault {
	for _, f := range faults() {
		if f.name == m.fault {
			if m.adjust != nil {
				m.adjust(f)
			}
			f.limit = m.limit
			return f
		}
	}
	return nil
}

// TestEveryMutantFitsTheSource is quick: what the mutants replace is there, once each.
func TestEveryMutantFitsTheSource(t *testing.T) {
	for _, m := range mutants() {
		if _, err := m.apply(harness.Root(t), t.TempDir()); err != nil {
			t.Error(err)
		}
	}
}

// TestSettingsOfAMutantReachItsServices: a mutant that is one only by its settings would otherwise be none.
func TestSettingsOfAMutantReachItsServices(t *testing.T) {
	r := &rig{lab: &lab{tuning: []string{"LOG_LEVEL=debug"}}, monitor: &valve{}, extra: []string{"STREAM_REPLICAS=3"}}
	env := r.environment(&service{nats: &valve{}}, "")
	for name, want := range map[string]string{"LOG_LEVEL=": "LOG_LEVEL=debug", "STREAM_REPLICAS=": "STREAM_REPLICAS=3"} {
		last := ""
		for _, one := range env {
			if strings.HasPrefix(one, name) {
				last = one
			}
		}
		if last != want {
			t.Errorf("services get %q, want %q", last, want)
		}
	}
}

// TestMutants tests the tests: it runs the driver against what -mutant names, each under a fault that must bring it to
// light, for the reason that is given. Where the fault is not exactly one of the list, the sound programs must stand it.
func TestMutants(t *testing.T) {
	if options.mutant == "" {
		t.Skip("name mutants with -mutant, or run `make mutants`")
	}
	chosen := slices.DeleteFunc(mutants(), func(m *mutant) bool {
		return options.mutant != "all" && !slices.Contains(strings.Split(options.mutant, ","), m.name)
	})
	if len(chosen) == 0 {
		var names []string
		for _, m := range mutants() {
			names = append(names, m.name)
		}
		t.Fatalf("there is no mutant %q; choose all or some of: %s", options.mutant, strings.Join(names, ", "))
	}
	own := slices.ContainsFunc(chosen, func(m *mutant) bool { f := m.trouble(); return f != nil && f.own })
	l := newLab(t, own)
	table := &mutantTable{}
	defer table.print()
	for _, m := range chosen {
		t.Run(m.name, func(t *testing.T) { oneMutant(t, l, m, table) })
	}
}

func oneMutant(t *testing.T, l *lab, m *mutant, table *mutantTable) {
	t.Helper()
	f := m.trouble()
	why := "there is no such fault in this build of the tests"
	if f != nil {
		why = skips(l, f)
	}
	if why != "" {
		table.add(m, "-", "SKIPPED: "+why, "")
		t.Skipf("%s under %s: %s", m.name, m.fault, why)
	}
	control := "see make fault"
	if m.adjust != nil {
		r := attempt(t, faultLab(t, l, f), f, options.seed, options.rate, harness.Dir(t))
		if control = "ok"; r.err != nil {
			control = "FAILED"
			t.Errorf("the sound programs do not stand it either: %v", r.err)
		}
	}
	dir := harness.Dir(t)
	r := attempt(t, m.build(t, faultLab(t, l, m.trouble())), m.trouble(), options.seed, options.rate, dir)
	fmt.Fprintln(os.Stdout, r.line())
	said := r.said()
	caught := slices.ContainsFunc(said, func(kind string) bool { return slices.Contains(m.because, kind) }) && (m.saw == nil || m.saw(&r))
	verdict := "caught"
	if !caught {
		verdict = "NOT CAUGHT"
		t.Errorf("mutant %s (%s) under %s must be %v; the checker said %v: %v\nlogs and data: %s", m.name, m.breaks, m.fault, m.because, said, r.err, dir)
	}
	table.add(m, control, verdict, fmt.Sprintf("%s (acknowledged %d, searchable %d, missing %d, doubled %d)", strings.Join(said, ", "), r.acked, r.searchable, r.missing, r.doubled))
}

// mutantTable is what TestMutants prints.
type mutantTable struct{ lines []string }

func (w *mutantTable) add(m *mutant, control, verdict, said string) {
	w.lines = append(w.lines, strings.Join([]string{m.name, m.breaks, m.fault, control, strings.Join(m.because, " or "), verdict, said}, "\t"))
}

func (w *mutantTable) print() {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "MUTANT\tWHAT IS BROKEN\tFAULT\tSOUND PROGRAMS\tMUST BE\tRESULT\tTHE CHECKER SAID")
	for _, line := range w.lines {
		fmt.Fprintln(out, line)
	}
	_ = out.Flush() // it is for people
}

// faultLab is the lab that a fault needs.
func faultLab(t *testing.T, l *lab, f *fault) *lab {
	t.Helper()
	if f.ownDisk {
		return l.onPowered(t)
	}
	return l
}
