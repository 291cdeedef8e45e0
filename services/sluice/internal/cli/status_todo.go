package cli

import (
	"fmt"
	"time"
)

// task is something that a person must do.
type task struct {
	About string `json:"about"`
	What  string `json:"what"`
	Do    string `json:"do"`
}

// From when on something is a person's business.
const (
	soonFull     = 6 * time.Hour
	longWait     = 5 * time.Minute
	janitorAway  = time.Minute
	lettersFull  = 0.8
	lossesRecent = 7 * 24 * time.Hour
)

func (o *overview) must(about, what, do string) {
	o.Todo = append(o.Todo, task{About: about, What: what, Do: do})
}

// decide lists what a person must do.
func (o *overview) decide(now time.Time) {
	for i := range o.Endpoints {
		e := &o.Endpoints[i]
		if what, do := e.advice(now); what != "" {
			o.must("endpoint "+e.Name, what, do)
		}
	}
	for _, s := range o.Streams {
		o.decideStream(s, now)
	}
	o.decideLetters()
	for _, l := range o.Losses {
		if now.Sub(l.Noticed) < lossesRecent {
			o.must("losses", fmt.Sprintf("%s of %s are lost, noticed %s", counted(l.Messages, "message"), l.Stream, moment(l.Noticed)),
				"make a new log stream in Auth0 whose Starting Cursor lies before "+moment(l.First)+"; what comes twice is stored once. Then look at the disk of the NATS server")
		}
	}
}

func (o *overview) decideStream(s streamLine, now time.Time) {
	about := "stream " + s.Name
	if s.Blocked != "" {
		o.must(about, s.Blocked, "run `sluice setup`")
	}
	if s.Swept.IsZero() || now.Sub(s.Swept) > janitorAway {
		o.must(about, "nobody makes room in it", "see that "+workerOf(s.Name)+" runs")
	}
	if s.FullIn != nil {
		if left := time.Duration(*s.FullIn * float64(time.Second)); left < soonFull {
			o.must(about, "it is full in "+inOneUnit(left)+" at the present rate; then Auth0 is answered 503 and keeps the events, for as long as its plan says",
				"see below what waits for what, and mend that; more room: STREAM_"+s.Name+"_MAX_BYTES and `sluice setup`")
		}
	}
	for _, c := range s.Waits {
		if wait := now.Sub(c.Oldest); !c.Oldest.IsZero() && wait > longWait {
			o.must(about, fmt.Sprintf("%s has %s to do, the oldest has waited for %s", c.Name, counted(c.Open, "message"), inOneUnit(wait)),
				"see that "+workerOf(s.Name)+" runs, and its log; `sluice doctor` looks at what it needs")
		}
	}
}

// workerOf is the service that empties a stream.
func workerOf(name string) string {
	if name == "DELIVERIES" {
		return "the enricher"
	}
	return "the indexer"
}

func (o *overview) decideLetters() {
	d := o.DeadLetters
	if d.Letters > 0 {
		o.must("dead letters", counted(d.Letters, "event")+" could not be made searchable, the oldest since "+moment(d.Oldest),
			"`sluice deadletter list` and `sluice deadletter show` say why; then replay or discard them")
	}
	if d.MaxBytes > 0 && float64(d.Bytes) > lettersFull*float64(d.MaxBytes) {
		o.must("dead letters", fmt.Sprintf("they take %s of %s; when that is full, what belongs there holds its stream up", readable(int64(d.Bytes)), readable(d.MaxBytes)),
			"replay or discard some, or raise STREAM_DEAD_LETTERS_MAX_BYTES and run `sluice setup`")
	}
}
