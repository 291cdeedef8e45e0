package fault_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
)

// fate is what the sender knows of one event.
type fate struct {
	acked   bool
	refused int // answers that say the receiver did not keep it: 4xx
	unsure  int // no answer, or one after which it may be stored or not
	broken  bool
	event   []byte // as sent; nil where the book is brief
}

// book is the ledger of a run. It is safe for concurrent use.
type book struct {
	mu      sync.Mutex
	events  map[string]*fate
	answers map[int]int // attempts by status, 0 for none
	brief   bool        // bodies are not kept: there are too many
	sent    []simulator.Event
	waits   []time.Duration // of acknowledged attempts since somebody took them; only where brief
}

func newBook() *book { return &book{events: map[string]*fate{}, answers: map[int]int{}} }

// offered notes an event before it is sent.
func (b *book) offered(e simulator.Event, broken bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := &fate{broken: broken}
	b.events[e.LogID] = f
	if !b.brief {
		f.event = e.JSON
	}
	if !broken && !b.brief {
		b.sent = append(b.sent, e)
	}
}

// forget takes back an event that was offered and not sent.
func (b *book) forget(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.events, id)
	b.sent = slices.DeleteFunc(b.sent, func(e simulator.Event) bool { return e.LogID == id })
}

// note takes the result of one attempt.
func (b *book) note(r simulator.Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers[r.Status]++
	if b.brief && r.Acked {
		b.waits = append(b.waits, r.Latency)
	}
	for _, id := range r.Events {
		f := b.events[id]
		switch {
		case f == nil: // an event that the book does not follow
		case r.Acked:
			f.acked = true
		case r.Status >= 400 && r.Status < 500:
			f.refused++
		default:
			f.unsure++
		}
	}
}

// attempts is how many answers had another status than 2xx, by status.
func (b *book) attempts() map[int]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := maps.Clone(b.answers)
	maps.DeleteFunc(all, func(status, _ int) bool { return status >= 200 && status < 300 })
	return all
}

// failures renders what attempts counts, less what was there before.
func (b *book) failures(before map[int]int) string {
	text, all := "", b.attempts()
	for _, status := range slices.Sorted(maps.Keys(all)) {
		n, name := all[status]-before[status], strconv.Itoa(status)
		if status == 0 {
			name = "no answer"
		}
		if n > 0 {
			text += fmt.Sprintf(" %s×%d", name, n)
		}
	}
	return text
}

// load sends events in four manners at once until stop.
type load struct {
	book *book
	stop chan struct{}
	done chan error
}

// flow is one manner of sending.
type flow struct {
	share  float64 // of the rate
	broken int     // every so many events one that is no event; 0: none
	stream simulator.StreamOptions
}

// flows are the manners: single events, lines with rubbish among them, large compressed arrays with repeats and
// disorder, and a sender that gives up after one attempt.
func flows() []flow {
	return []flow{
		{0.1, 0, simulator.StreamOptions{Shape: simulator.Single, Concurrency: 8}},
		{0.3, 40, simulator.StreamOptions{Shape: simulator.Lines, Batch: 20, Concurrency: 4}},
		{0.4, 0, simulator.StreamOptions{Shape: simulator.Array, Encoding: "gzip", Batch: 100, Concurrency: 2, DuplicateShare: 0.1, DisorderShare: 0.05}},
		{0.2, 0, simulator.StreamOptions{Shape: simulator.Object, Encoding: "zstd", Batch: 50, Concurrency: 2, Attempts: 1, MaxCycles: 1, Timeout: 3 * time.Second}},
	}
}

// client is an HTTP client with connections of its own.
func client() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
}

// startLoad begins to send in all manners at a rate in events per second.
func startLoad(ctx context.Context, b *book, url, token string, rate float64, dice *rand.Rand) (*load, error) {
	return startFlows(ctx, b, url, token, rate, dice, flows())
}

// startFlows begins to send in the given manners.
func startFlows(ctx context.Context, b *book, url, token string, rate float64, dice *rand.Rand, all []flow) (*load, error) {
	l := &load{book: b, stop: make(chan struct{}), done: make(chan error, 1)}
	runs := make([]func() error, len(all))
	for i, f := range all {
		o := f.stream
		o.URL, o.Authorization, o.OnResult, o.Client, o.Seed = url, token, b.note, client(), dice.Uint64()
		o.Rate, o.RetryWait, o.CycleWait = max(rate*f.share, 1), 200*time.Millisecond, time.Second
		s, err := simulator.NewStream(o)
		if err != nil {
			return nil, err
		}
		source := l.source(f, dice.Uint64())
		runs[i] = func() error {
			_, err := s.Run(ctx, source)
			if o.MaxCycles > 0 && ctx.Err() == nil {
				return nil // it may give up
			}
			return err
		}
	}
	go func() {
		var group sync.WaitGroup
		errs := make(chan error, len(runs))
		for _, run := range runs {
			group.Go(func() { errs <- run() })
		}
		group.Wait()
		close(errs)
		var first error
		for err := range errs {
			if err != nil && first == nil {
				first = err
			}
		}
		l.done <- first
	}()
	return l, nil
}

// source makes events until the load is stopped.
func (l *load) source(f flow, seed uint64) func() (simulator.Event, bool) {
	tenant := simulator.NewTenant(simulator.TenantOptions{
		Seed: seed, Name: fmt.Sprintf("fault-%x", seed), Start: time.Now().Add(-time.Hour), Step: 10 * time.Millisecond, Users: 100,
	})
	n := 0
	return func() (simulator.Event, bool) {
		select {
		case <-l.stop:
			return simulator.Event{}, false
		default:
		}
		n++
		if f.broken > 0 && n%f.broken == 0 {
			e := rubbish(seed, n)
			l.book.offered(e, true)
			return e, true
		}
		e := tenant.Next()
		l.book.offered(e, false)
		return e, true
	}
}

// rubbish is an element that can never become a document. Its mark stands for its id.
func rubbish(seed uint64, n int) simulator.Event {
	mark := fmt.Sprintf("rubbish-%x-%d", seed, n)
	forms := []string{`{"log_id":"%s`, `no json %s`, `{"data":{"type":"s","mark":"%s"}}`, `["%s"]`}
	return simulator.Event{LogID: mark, JSON: fmt.Appendf(nil, forms[n%len(forms)], mark)}
}

var markPattern = regexp.MustCompile(`rubbish-[0-9a-f]+-[0-9]+`)

// finish lets the load send what it has and waits for its last answers.
func (l *load) finish(limit time.Duration) error {
	close(l.stop)
	select {
	case err := <-l.done:
		return err
	case <-time.After(limit):
		return fmt.Errorf("the sender did not get rid of its events within %s:%s", limit, l.book.failures(nil))
	}
}
