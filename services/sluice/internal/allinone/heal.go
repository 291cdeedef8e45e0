package allinone

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
)

const (
	// healLook is the time between two looks at the embedded server's health.
	healLook = 2 * time.Second
	// healLeast and healMost bound the time between two restarts of the server: each that did not help doubles it.
	healLeast = 5 * time.Second
	healMost  = 5 * time.Minute
	// healCalm is how long the server must have been well for the next trouble to count as the first.
	healCalm = 10 * time.Minute
	// healStop is the time that the server has for its stop and its start.
	healStop = 90 * time.Second
	// healSays is the time between two lines in the log that say the same.
	healSays = time.Minute
)

// healer restarts the embedded NATS server when that helps.
type healer struct {
	server natsServer
	cfg    stream.Config
	log    *slog.Logger
	now    func() time.Time

	wait  time.Duration // before the next restart
	last  time.Time     // when the last restart ended
	since time.Time     // when the present trouble was seen first
	said  time.Time
}

// natsServer is what a healer needs of the embedded server.
type natsServer interface {
	TryDisk() error
	Restart(ctx context.Context) error
}

// watchNATS heals the embedded server: after an error of its disk, a stream takes nothing more until the server has
// started again. Meanwhile the receiver answers 503, and what was acknowledged is on disk.
func (p *plant) watchNATS(ctx context.Context) error {
	h := &healer{server: p.nats, cfg: p.settings.Receiver.Stream, log: p.Telemetry.Log, now: time.Now}
	tick := time.NewTicker(healLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			h.look(ctx)
		}
	}
}

// look does one round: is there trouble, would a restart help, is it time for one.
func (h *healer) look(ctx context.Context) {
	trouble := h.trouble(ctx)
	now := h.now()
	if trouble == "" {
		if !h.since.IsZero() {
			h.log.InfoContext(ctx, "all streams of the embedded NATS server take messages again", "after", now.Sub(h.since).Round(time.Second).String())
		}
		h.since, h.said = time.Time{}, time.Time{}
		if now.Sub(h.last) >= healCalm {
			h.wait = 0
		}
		return
	}
	if h.since.IsZero() {
		h.since = now
	}
	if left := h.wait - now.Sub(h.last); left > 0 {
		if h.due() {
			h.log.ErrorContext(ctx, "streams take no messages; the embedded NATS server was restarted a moment ago and will be again", "reason", trouble, "in", left.Round(time.Second).String())
		}
		return
	}
	if err := h.server.TryDisk(); err != nil {
		if h.due() {
			h.log.ErrorContext(ctx, "streams take no messages, and their disk cannot be written: make room or replace it; deliveries are answered 503 until then", "reason", trouble, "disk", err)
		}
		return
	}
	h.restart(ctx, trouble)
}

// trouble is what is wrong with the server's streams, empty when nothing is.
func (h *healer) trouble(ctx context.Context) string {
	dead, err := stream.AskWriteDead(ctx, h.cfg)
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, d := range dead {
		all = append(all, fmt.Sprintf("%s: %s", d.Stream, d.Reason))
	}
	return strings.Join(all, "; ")
}

func (h *healer) restart(ctx context.Context, trouble string) {
	h.log.ErrorContext(ctx, "streams take no messages although their disk can be written: restarting the embedded NATS server", "reason", trouble)
	limit, cancel := context.WithTimeout(ctx, healStop)
	defer cancel()
	err := h.server.Restart(limit)
	h.last, h.wait = h.now(), min(max(2*h.wait, healLeast), healMost)
	if err != nil && ctx.Err() == nil {
		h.log.ErrorContext(ctx, "restarting the embedded NATS server; it is tried again", "error", err, "in", h.wait.String())
	}
}

// due reports whether the present trouble may be written to the log again.
func (h *healer) due() bool {
	now := h.now()
	if now.Sub(h.said) < healSays {
		return false
	}
	h.said = now
	return true
}
