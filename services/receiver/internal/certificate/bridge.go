package certificate

import (
	"context"
	"log/slog"

	"go.uber.org/zap/zapcore"
)

// bridge writes the log lines of the ACME client to ours, one level lower than it thinks: what an operator must know we
// say ourselves.
type bridge struct{ log *slog.Logger }

// Enabled leaves the choice to our own logger.
func (b bridge) Enabled(zapcore.Level) bool { return true }

// With adds fields to all lines that follow.
func (b bridge) With(fields []zapcore.Field) zapcore.Core {
	return bridge{b.log.With(attributes(fields)...)}
}

// Check takes every line.
func (b bridge) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return c.AddCore(e, b)
}

// Write writes one line.
func (b bridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	level := slog.LevelDebug
	if e.Level >= zapcore.WarnLevel {
		level = slog.LevelInfo
	}
	b.log.Log(context.Background(), level, "acme: "+e.Message, attributes(fields)...) //nolint:sloglint // the client has no context, and composes its text
	return nil
}

// Sync has nothing to do.
func (b bridge) Sync() error { return nil }

func attributes(fields []zapcore.Field) []any {
	encoder := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(encoder)
	}
	var all []any
	for key, value := range encoder.Fields {
		all = append(all, slog.Any(key, value))
	}
	return all
}
