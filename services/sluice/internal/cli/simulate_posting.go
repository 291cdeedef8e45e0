package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
)

// grace is how long deliveries that are under way may take after Ctrl-C.
const grace = 5 * time.Second

// errRefused ends a run against an endpoint that will never say yes.
var errRefused = errors.New("the endpoint refuses every delivery")

// posting is one log stream with what simulate and send watch in it: progress, refusals, and what was acknowledged.
type posting struct {
	opts   simulator.StreamOptions
	bar    *progress
	acked  map[string]struct{} // log_ids; nil when nobody asks for them
	ackAny bool
	cancel context.CancelCauseFunc
	pause  pause
	silent error // why the last attempt got no answer
}

// pause lets a log stream stand still for a while, as one that was paused in Auth0's dashboard; zero for none.
type pause struct {
	after int // events
	lasts time.Duration
}

// around stops the stream when source has yielded enough, and lets it go on later.
func (p pause) around(source eventSource, stream *simulator.Stream) eventSource {
	if p.lasts == 0 {
		return source
	}
	yielded := 0
	return func() (simulator.Event, bool) {
		if yielded == p.after {
			stream.Pause()
			time.AfterFunc(p.lasts, stream.Resume)
		}
		yielded++
		return source()
	}
}

// run posts what source yields. The end of ctx ends the source; what is under way may still be answered.
func (p *posting) run(ctx context.Context, source eventSource) (simulator.Report, error) {
	patient, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(grace, func() { cancel(context.Canceled) })
	})()
	p.cancel = cancel
	opts := p.opts
	opts.OnResult = p.saw
	stream, err := simulator.NewStream(opts)
	if err != nil {
		return simulator.Report{}, plain(err)
	}
	source = p.pause.around(source, stream)
	report, err := stream.Run(patient, func() (simulator.Event, bool) {
		if patient.Err() != nil || ctx.Err() != nil {
			return simulator.Event{}, false
		}
		return source()
	})
	if report.Unacked == 0 {
		return report, nil // stopped between two deliveries
	}
	if errors.Is(err, simulator.ErrUndelivered) && p.silent != nil {
		err = fmt.Errorf("%w; the last attempt got no answer: %w", err, p.silent)
	}
	return report, err
}

// saw takes notice of one attempt.
func (p *posting) saw(r simulator.Result) {
	if r.Acked {
		p.ackAny = true
		p.bar.add(len(r.Events))
		p.remember(r.Events)
		return
	}
	p.silent = r.Err
	p.bar.describe(refusal(r.Status))
	if hint(r.Status) != "" && !p.ackAny && r.Attempt >= maxAttempts {
		p.cancel(fmt.Errorf("%w: %s", errRefused, refusal(r.Status)))
	}
}

func (p *posting) remember(ids []string) {
	if p.acked == nil {
		return
	}
	for _, id := range ids {
		if id != "" {
			p.acked[id] = struct{}{}
		}
	}
}

// maxAttempts is how often Auth0 tries a delivery before it pauses.
const maxAttempts = 3

// refusal describes an answer other than 2xx.
func refusal(status int) string {
	if status == 0 {
		return "no answer"
	}
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	if h := hint(status); h != "" {
		text += ": " + h
	}
	return text
}

// hint says what is wrong where trying again cannot help; empty where it can.
func hint(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "the token is not (or no longer) one of this endpoint"
	case http.StatusNotFound:
		return "there is no such endpoint; compare the Payload URL with `sluice endpoint list`"
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return "the address redirects, and Auth0 follows no redirect; give the final one"
	case http.StatusMethodNotAllowed:
		return "this address takes no deliveries; compare the Payload URL with `sluice endpoint list`"
	case http.StatusRequestEntityTooLarge:
		return "a delivery is larger than the receiver takes; give a smaller --batch"
	case http.StatusUnsupportedMediaType:
		return "the receiver does not know this --encoding"
	default:
		return ""
	}
}

// plain takes the steps of our own code off an error about a flag.
func plain(err error) error {
	return usageError(strings.TrimPrefix(err.Error(), "making the log stream: "))
}

// problem says in a person's words why a run did not get everything acknowledged; empty when it did.
func problem(err error, r simulator.Report) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errRefused):
		return fmt.Sprintf("gave up, since %s", strings.TrimPrefix(err.Error(), "running the log stream: "))
	case errors.Is(err, context.Canceled):
		return fmt.Sprintf("%d events were not acknowledged when it was stopped", r.Unacked)
	default:
		return strings.TrimPrefix(err.Error(), "running the log stream: ")
	}
}
