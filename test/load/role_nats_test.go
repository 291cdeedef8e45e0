package load_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/sluicelog/sluice/shared/stream/embedded"
)

// addresses is what the NATS server says when it is ready.
type addresses struct{ URL, Monitor string }

// playNATS is a NATS server with the settings of the all-in-one's, for services that run apart. It ends with its input,
// and so with whoever started it.
func playNATS(ctx context.Context, dir string, t talk) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := embedded.Start(ctx, embedded.Options{Dir: dir, MaxStore: 16 << 30, Monitor: true, Log: log})
	if err != nil {
		return err
	}
	if err := t.out.Encode(addresses{s.URL(), s.MonitorURL()}); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return s.Stop(limit)
}
