package enrich

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/sluicelog/sluice/shared/endpoint"
)

// hear sees to it that the directory knows a namespace, as long as the registry cannot be asked; false when there is none of
// that name. To guess its calendar would give the same event two indices. The error says that ctx ended, or is
// endpoint.ErrUnreadable: that may take until an upgrade, and other namespaces are not to wait for it.
func (w *work) hear(ctx context.Context, namespace string) (known bool, err error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 100*time.Millisecond, 5*time.Second
	for {
		if _, known := w.p.Directory.Namespace(namespace); known {
			return true, nil
		}
		err := w.learn(ctx, namespace)
		if errors.Is(err, endpoint.ErrNoNamespace) {
			return false, nil
		}
		if err == nil {
			continue
		}
		if errors.Is(err, endpoint.ErrUnreadable) {
			return false, err
		}
		w.alarm.Log(ctx, slog.LevelWarn, "registry", "a delivery waits: its namespace cannot be looked up", slog.String("namespace", namespace), slog.String("error", err.Error()))
		select {
		case <-time.After(wait.NextBackOff()):
		case <-ctx.Done():
			return false, fmt.Errorf("looking up namespace %s: %w", namespace, err)
		}
	}
}

func (w *work) learn(ctx context.Context, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, w.p.Patience)
	defer cancel()
	return w.p.Directory.Learn(ctx, namespace)
}

// givenBack says that a message goes back to the stream because a namespace's record cannot be read.
func (w *work) givenBack(ctx context.Context, err error) {
	w.p.Metrics.unread.Inc()
	w.alarm.Log(ctx, slog.LevelError, "unread", "a delivery waits: the record of its namespace cannot be read; where a later version wrote it, start that version again, or another one beside this",
		slog.Uint64("sequence", w.message.Sequence), slog.String("error", err.Error()))
}
