package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sluicelog/sluice/shared/telemetry"
)

// denials remembers what the server denied to our user. It says so beside the request, as an error of its own; the request
// itself only gets no answer.
type denials struct {
	log  *telemetry.Throttle
	mu   sync.Mutex
	last denial
}

// denial is one thing that our user may not do.
type denial struct {
	at   time.Time
	what string // such as: publish to sluice.deliveries
}

const (
	// denialsPeriod is how often the same denial is written to the log.
	denialsPeriod = 10 * time.Second
	// denialsFresh is how long an unanswered request may be the denied one.
	denialsFresh = 10 * time.Second
	// denialsAdvice is what to do about one.
	denialsAdvice = "give this service the key that `sluice nats-users` made for it, and let the server read that command's file anew; users made by hand need what the file allows"
)

func newDenials(log *slog.Logger) *denials {
	return &denials{log: telemetry.NewThrottle(log, denialsPeriod)}
}

// deniedPattern takes the server's sentence apart: Permissions Violation for Publish to "subject".
var deniedPattern = regexp.MustCompile(`(?i)permissions violation for (publish|subscription) to "([^"]*)"`)

// note writes an error that the server sent on its own account to the log, and remembers a denial.
func (d *denials) note(ctx context.Context, err error) {
	found := deniedPattern.FindStringSubmatch(err.Error())
	if !errors.Is(err, nats.ErrPermissionViolation) || found == nil {
		d.log.Log(ctx, slog.LevelWarn, err.Error(), "nats reported an error", slog.Any("error", err))
		return
	}
	what := "publish to " + found[2]
	if strings.EqualFold(found[1], "subscription") {
		what = "subscribe to " + found[2]
	}
	d.mu.Lock()
	d.last = denial{at: time.Now(), what: what}
	d.mu.Unlock()
	d.log.Log(ctx, slog.LevelError, what, "NATS denies something to our user", slog.String("denied", what), slog.String("what_to_do", denialsAdvice))
}

// explain adds to an error of a request without an answer that the server has just denied something. Requests run side by
// side, so it may have been another one; hence it says which.
func (d *denials) explain(err error) error {
	if !errors.Is(err, ErrAway) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrTimeout) {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last.what == "" || time.Since(d.last.at) > denialsFresh {
		return err
	}
	return fmt.Errorf("%w: %w (%s); %s", err, ErrDenied, d.last.what, denialsAdvice)
}
