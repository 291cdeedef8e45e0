package program_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/program"
	"github.com/sluicelog/sluice/shared/telemetry"
)

// Pages stands for the telemetry settings under the name they have in a service's own.
type Pages = telemetry.Config

type settings struct {
	Pages
	Word config.Secret `split_words:"true" desc:"a secret"`
}

// demo is a service that runs until its context ends.
func demo(run func(context.Context, settings, *telemetry.Telemetry) error) program.Service[settings] {
	return program.Service[settings]{Name: "demo", About: "shows how", Telemetry: func(s *settings) telemetry.Config { return s.Pages }, Run: run}
}

func execute(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := program.Execute(t.Context(), demo(nil), args, &out)
	return out.String(), err
}

func TestHelpListsTheSettings(t *testing.T) {
	out, err := execute(t, "-help")
	if !errors.Is(err, flag.ErrHelp) || !strings.Contains(out, "ADMIN_LISTEN") || !strings.Contains(out, "DEMO_WORD (or DEMO_WORD_FILE)") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestConfigMasksSecrets(t *testing.T) {
	t.Setenv("DEMO_WORD", "canary")
	out, err := execute(t, "config")
	if err != nil || strings.Contains(out, "canary") || !strings.Contains(out, "DEMO_WORD=****") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestWrongWordsAndSettingsAreErrors(t *testing.T) {
	if _, err := execute(t, "nonsense"); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a wrong word: %v", err)
	}
	if _, err := execute(t, "-nonsense"); err == nil {
		t.Error("a wrong flag was accepted")
	}
	t.Setenv("DEMO_WORDS", "x")
	if _, err := execute(t, "config"); err == nil || !strings.Contains(err.Error(), "DEMO_WORDS: did you mean DEMO_WORD?") {
		t.Errorf("an unknown setting: %v", err)
	}
}

func TestHealthFollowsTheRunningService(t *testing.T) {
	address := make(chan string, 1)
	ctx, stop := context.WithCancel(t.Context())
	ready := errors.New("not yet")
	ended := make(chan error, 1)
	go func() {
		ended <- program.Run(ctx, demo(func(ctx context.Context, _ settings, tel *telemetry.Telemetry) error {
			tel.Check("thing", func(context.Context) error { return ready })
			address <- strings.TrimPrefix(tel.AdminURL(), "http://")
			<-ctx.Done()
			return nil
		}), settings{Pages: telemetry.Config{AdminListen: "127.0.0.1:0", LogLevel: "error"}})
	}()
	at := <-address
	if err := program.Health(ctx, at); err == nil || !strings.Contains(err.Error(), "[-]thing not yet") {
		t.Errorf("not ready: %v", err)
	}
	ready = nil
	if err := program.Health(ctx, at); err != nil {
		t.Errorf("ready: %v", err)
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the program did not end")
	}
	if err := program.Health(t.Context(), at); err == nil {
		t.Error("a stopped service is healthy")
	}
}
