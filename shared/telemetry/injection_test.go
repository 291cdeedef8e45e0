package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/telemetry"
)

// forgeries are texts that somebody outside may bring into a log line: each tries to end it and begin one of its own, or
// to command the terminal.
func forgeries() []string {
	return []string{
		"x\n{\"time\":\"2026-01-01T00:00:00Z\",\"level\":\"ERROR\",\"msg\":\"forged\"}", "x\r\n12:00:00 ERR forged", "x\rforged", "\x1b[2J\x1b[31mforged\x1b]0;title\x07",
		"x\x00forged", "x\u2028forged\u2029forged\u0085forged", "\xff\xfe\x9b31mforged", `x" level=ERROR msg="forged`, "x\vforged\fforged", "\u202eforged", strings.Repeat("forged\n", 1000),
	}
}

// logged writes one line with a text in every place that a text can have.
func logged(t *testing.T, format, text string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := telemetry.NewLogger(file, telemetry.Config{LogLevel: "debug", LogFormat: format})
	if err != nil {
		t.Fatal(err)
	}
	//nolint:sloglint // foreign text as the message is the point
	log.LogAttrs(t.Context(), slog.LevelWarn, text, slog.String("path", text), slog.Any("error", errors.New(text)), slog.String(text, "key"),
		slog.Any("list", []string{text}), slog.Group("group", slog.String("agent", text)))
	slog.NewLogLogger(log.Handler(), slog.LevelWarn).Print(text) // as the HTTP server writes
	_ = file.Close()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestNoTextFromOutsideForgesALogLine(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		for _, text := range forgeries() {
			raw := logged(t, format, text)
			if n := bytes.Count(raw, []byte("\n")); n != 2 {
				t.Errorf("%s: %.40q makes %d lines of 2: %.400q", format, text, n, raw)
			}
			if at := bytes.IndexFunc(raw, func(r rune) bool {
				return r < 0x20 && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0x202e && format == "text"
			}); at >= 0 {
				t.Errorf("%s: %.40q brings %q into the log: %.200q", format, text, raw[at:min(len(raw), at+6)], raw[max(0, at-60):])
			}
			for line := range bytes.Lines(raw) {
				var say struct{ Time, Level, Msg string }
				if format == "json" && (json.Unmarshal(line, &say) != nil || say.Level != "WARN" || say.Time == "") {
					t.Errorf("%.40q makes the line %.300q", text, line)
				}
			}
		}
	}
}
