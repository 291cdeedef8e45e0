package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
)

// eventSource yields events until there are no more.
type eventSource = func() (simulator.Event, bool)

// source makes the tenant and puts everyday events, attacks and replay together.
func (f *simulateFlags) source() (source eventSource, start time.Time, err error) {
	if f.count < 0 {
		return nil, start, fmt.Errorf("--count %d: give the number of events, or 0 to go on until Ctrl-C", f.count)
	}
	if f.pause.after < 0 || f.pause.lasts < 0 {
		return nil, start, errors.New("--pause-after and --pause-for cannot be negative")
	}
	if f.step < 0 {
		return nil, start, fmt.Errorf("--step %s: time goes forward only", f.step)
	}
	if start, err = f.startTime(); err != nil {
		return nil, start, err
	}
	step := f.step
	if step == 0 && !start.IsZero() {
		step = time.Second
	}
	codes, err := f.chosenCodes()
	if err != nil {
		return nil, start, err
	}
	privacy, err := simulator.ParsePrivacy(f.privacy)
	if err != nil {
		return nil, start, fmt.Errorf("--pii %q: choose mask or hash", f.privacy)
	}
	tenant := simulator.NewTenant(simulator.TenantOptions{Seed: f.seed, Name: f.tenant, Start: start, Step: step, Codes: codes, Invent: f.invent, Privacy: privacy})
	if source, err = weave(tenant, f.count, f.scenarios); err == nil && f.replay != "" {
		source, err = f.replayed(source, start)
	}
	return source, start, err
}

// everyCode stands for every code in --codes.
const everyCode = "all"

// chosenCodes are the event codes that --codes names; none means the everyday mix, or what --invent makes up.
func (f *simulateFlags) chosenCodes() ([]string, error) {
	if f.invent < 0 {
		return nil, fmt.Errorf("--invent %d: give the number of codes to make up, or 0 for none", f.invent)
	}
	known := simulator.Codes()
	if slices.Contains(f.codes, everyCode) {
		return known, nil
	}
	for _, code := range f.codes {
		if !slices.Contains(known, code) {
			return nil, fmt.Errorf("--codes %s: Auth0 has published no such code; see `sluice codes`, or use --invent for codes nobody knows", code)
		}
	}
	return f.codes, nil
}

func (f *simulateFlags) startTime() (time.Time, error) {
	if f.start == "" {
		return time.Time{}, nil
	}
	start, err := time.Parse(time.RFC3339, f.start)
	if err != nil {
		return start, fmt.Errorf("--start %q: give a time such as 2026-01-01T00:00:00Z", f.start)
	}
	return start.UTC(), nil
}

// replayed sends the events of a source again from a cursor on.
func (f *simulateFlags) replayed(source eventSource, start time.Time) (eventSource, error) {
	if start.IsZero() || f.count == 0 {
		return nil, errors.New("--replay repeats a known run: give the --seed, --start and --count of that run")
	}
	cursor := start
	if f.replay != "start" {
		var err error
		if cursor, err = time.Parse(time.RFC3339, f.replay); err != nil {
			return nil, fmt.Errorf("--replay=%q: give a time such as 2026-01-01T00:00:00Z, or --replay alone for all", f.replay)
		}
	}
	var all []simulator.Event
	for event, ok := source(); ok; event, ok = source() {
		all = append(all, event)
	}
	return simulator.Replay(all, cursor), nil
}

// weaver yields everyday events with attacks spread among them.
type weaver struct {
	tenant    *simulator.Tenant
	left      int // everyday events still to come; negative for no end
	gap       int // everyday events before each attack
	since     int
	scenarios []string
	attack    []simulator.Event
}

// weave yields count everyday events (endless for 0) with the attacks spread among them.
func weave(tenant *simulator.Tenant, count int, scenarios []string) (eventSource, error) {
	for _, name := range scenarios {
		if !slices.Contains(simulator.Scenarios(), name) {
			return nil, fmt.Errorf("--scenario %q: there is no such attack; choose one of %s", name, strings.Join(simulator.Scenarios(), ", "))
		}
	}
	w := &weaver{tenant: tenant, left: count, gap: count / (len(scenarios) + 1), scenarios: scenarios}
	if count == 0 {
		w.left, w.gap = -1, 100
	}
	return w.next, nil
}

func (w *weaver) next() (simulator.Event, bool) {
	if len(w.attack) == 0 && len(w.scenarios) > 0 && (w.since >= w.gap || w.left == 0) {
		w.attack, _ = w.tenant.Scenario(w.scenarios[0]) // weave checked the name
		w.scenarios, w.since = w.scenarios[1:], 0
	}
	if len(w.attack) > 0 {
		event := w.attack[0]
		w.attack = w.attack[1:]
		return event, true
	}
	if w.left == 0 {
		return simulator.Event{}, false
	}
	w.left--
	w.since++
	return w.tenant.Next(), true
}
