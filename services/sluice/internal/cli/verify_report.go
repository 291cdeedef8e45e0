package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// verifyReport is what `sluice endpoint verify` found out.
type verifyReport struct {
	Endpoint string `json:"endpoint"`
	Name     string `json:"name"`
	address
	Logging  bool           `json:"logging"`
	Failed   string         `json:"failed_step,omitempty"`
	Steps    []verifyResult `json:"steps"`
	Delivery *seen          `json:"delivery,omitempty"`
	Human    []string       `json:"your_own_steps"`
}

// verifyResult is what became of one step.
type verifyResult struct {
	Step   string `json:"step"`
	Result string `json:"result"` // ok, skipped or failed
	Saw    string `json:"saw"`
}

// seen is what is known of the delivery that was followed.
type seen struct {
	ID          string    `json:"id"`
	Received    time.Time `json:"received,omitzero"`
	Events      int       `json:"events"`
	Broken      int       `json:"broken,omitempty"`
	Shape       string    `json:"shape,omitempty"`
	Tenants     []string  `json:"tenants,omitempty"`
	FirstLogID  string    `json:"first_log_id,omitempty"`
	LastLogID   string    `json:"last_log_id,omitempty"`
	Searchable  int64     `json:"searchable"`
	DeadLetters int       `json:"dead_letters,omitempty"`
	FirstEvent  time.Time `json:"first_event,omitzero"` // @timestamp
	LastEvent   time.Time `json:"last_event,omitzero"`
	LagSeconds  float64   `json:"lag_seconds,omitempty"` // from received to searchable, where verify saw it happen
}

// tenants names the tenants of the events.
func (s *seen) tenants() string {
	if len(s.Tenants) == 0 {
		return "not named"
	}
	return strings.Join(s.Tenants, ", ")
}

// humanSteps are what only a person can see.
func humanSteps(name string) []string {
	return []string{
		"in Auth0's dashboard, Monitoring > Streams > " + name + ": Status says Active and the Health view shows no error",
		"do something that is logged, such as logging in to an application of the tenant",
		"find it in Monitoring > Logs and compare its log_id with the one in Elasticsearch (field event.id)",
	}
}

// verifyScreen shows the steps while they happen: on a terminal with a running clock, elsewhere as plain lines.
type verifyScreen struct {
	out  io.Writer
	live bool // a terminal: what is waited for may be overwritten
	mu   sync.Mutex
}

func (a *App) newVerifyScreen() *verifyScreen {
	if a.json {
		return &verifyScreen{out: io.Discard}
	}
	return &verifyScreen{out: a.Out, live: terminal(a.Out)}
}

func (s *verifyScreen) begin(r *verifyReport) {
	fmt.Fprintf(s.out, "Endpoint %s (%s): %s\n", r.Endpoint, r.Name, r.URL)
	if r.Hint != "" {
		paragraph(s.out, r.Hint)
	}
	fmt.Fprint(s.out, "\nMeanwhile, your own steps:\n")
	for _, step := range r.Human {
		fmt.Fprintf(s.out, "  - %s\n", step)
	}
	fmt.Fprintln(s.out)
}

// patience is how long a step may take before a line without a terminal says what is waited for.
const patience = 2 * time.Second

// wait shows what is waited for until the returned function is called.
func (s *verifyScreen) wait(what string) (stop func()) {
	quit := make(chan struct{})
	var shown sync.WaitGroup
	shown.Go(func() {
		if s.live {
			s.clock(what, quit)
			return
		}
		select {
		case <-quit:
		case <-time.After(patience):
			s.refresh("   ...   %s\n", what)
		}
	})
	return func() { close(quit); shown.Wait() }
}

// clock rewrites one line every second and clears it in the end.
func (s *verifyScreen) clock(what string, quit <-chan struct{}) {
	begin := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		s.refresh("\r   ...   %s (%d s)", what, int(time.Since(begin).Seconds()))
		select {
		case <-quit:
			s.refresh("\r\x1b[K")
			return
		case <-tick.C:
		}
	}
}

func (s *verifyScreen) step(r verifyResult) {
	fmt.Fprintf(s.out, "%-8s %-14s %s\n", r.Result, r.Step, folded(r.Saw, stepMargin, textWidth-len(stepMargin)))
}

// stepMargin is where what was seen begins.
const stepMargin = "                        "

// tell says something that is worth knowing while a step still waits.
func (s *verifyScreen) tell(what string) {
	begin := "   ...   "
	if s.live {
		begin = "\r\x1b[K" + begin
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "%s%s\n", begin, folded(what, "         ", textWidth-9))
}

// refresh writes the line of the running clock.
func (s *verifyScreen) refresh(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format, args...)
}

// writeEnd prints what follows the steps.
func (r *verifyReport) writeEnd(w io.Writer) {
	if !r.Logging {
		fmt.Fprintf(w, "\nAuth0 is not logging yet: step %q failed, as said above.\n", r.Failed)
		return
	}
	if d := r.Delivery; d != nil {
		fmt.Fprintf(w, "\nDelivery\t%s, received %s\n", d.ID, moment(d.Received))
		if d.Events > 0 { // else it is not in the stream any more
			fmt.Fprintf(w, "Events\t%d (%s)\nTenant\t%s\n", d.Events, d.Shape, d.tenants())
		}
		fmt.Fprintf(w, "First event\t%s\t%s\nLast event\t%s\t%s\n", moment(d.FirstEvent), d.FirstLogID, moment(d.LastEvent), d.LastLogID)
	}
	fmt.Fprintln(w, "\nAuth0 is logging")
}
