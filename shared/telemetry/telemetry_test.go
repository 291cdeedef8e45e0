package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicelog/sluice/shared/telemetry"
)

func open(t *testing.T) *telemetry.Telemetry {
	t.Helper()
	return openWith(t, telemetry.Config{AdminListen: "127.0.0.1:0", LogLevel: "info"})
}

func openWith(t *testing.T, cfg telemetry.Config) *telemetry.Telemetry {
	t.Helper()
	tel, err := telemetry.Open(t.Context(), "demo", cfg)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = tel.Serve(context.WithoutCancel(t.Context())) }()
	t.Cleanup(func() { _ = tel.Shutdown(context.Background()) })
	return tel
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestReadinessFollowsTheChecksAndLivenessDoesNot(t *testing.T) {
	tel := open(t)
	var failure error
	tel.Check("stream", func(context.Context) error { return failure })
	if status, body := get(t, tel.AdminURL()+"/readyz"); status != 200 || !strings.Contains(body, "[+]stream ok") {
		t.Fatalf("ready: %d %s", status, body)
	}
	failure = errors.New("away")
	if status, body := get(t, tel.AdminURL()+"/readyz"); status != 503 || !strings.Contains(body, "[-]stream away") {
		t.Fatalf("not ready: %d %s", status, body)
	}
	if status, _ := get(t, tel.AdminURL()+"/livez"); status != 200 {
		t.Fatalf("live: %d", status)
	}
}

func TestStoppingIsNotReady(t *testing.T) {
	tel := open(t)
	tel.Stopping()
	if status, _ := get(t, tel.AdminURL()+"/readyz"); status != 503 {
		t.Fatalf("got %d", status)
	}
}

func TestProfilesAreServedOnlyWhenTheyAreAskedFor(t *testing.T) {
	for asked, want := range map[bool]int{false: 404, true: 200} {
		tel := openWith(t, telemetry.Config{AdminListen: "127.0.0.1:0", LogLevel: "info", Profiles: asked})
		for _, page := range []string{"/debug/pprof/", "/debug/pprof/allocs"} {
			if status, _ := get(t, tel.AdminURL()+page); status != want {
				t.Errorf("%s with profiles=%t: %d, want %d", page, asked, status, want)
			}
		}
	}
}

func TestMetricsCarryTheBuild(t *testing.T) {
	tel := open(t)
	if status, body := get(t, tel.AdminURL()+"/metrics"); status != 200 || !strings.Contains(body, "sluice_build_info{") {
		t.Fatalf("got %d", status)
	}
}

func TestALogStormBecomesOneLineWithACount(t *testing.T) {
	var out bytes.Buffer
	th := telemetry.NewThrottle(slog.New(slog.NewTextHandler(&out, nil)), 50*time.Millisecond)
	deadline := time.Now().Add(5 * time.Second)
	for strings.Count(out.String(), "refused") < 2 && time.Now().Before(deadline) {
		th.Log(t.Context(), slog.LevelWarn, "a", "refused")
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[1], "held_back=") {
		t.Fatalf("got %q", lines)
	}
}

func TestAStormIsALineAPeriodAndOneWhenItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		th := telemetry.NewThrottle(slog.New(slog.NewTextHandler(&out, nil)), 10*time.Second)
		for range 600 { // ten minutes
			th.Log(t.Context(), slog.LevelWarn, "away", "it is away")
			time.Sleep(time.Second)
		}
		th.Log(t.Context(), slog.LevelWarn, "other", "happened once")
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 62 {
			t.Fatalf("%d lines:\n%s", len(lines), out.String())
		}
		if !strings.Contains(lines[1], "held_back=9 times=11 since=") {
			t.Errorf("the second line: %s", lines[1])
		}
		if last := lines[61]; !strings.Contains(last, "has not happened again") || !strings.Contains(last, "times=600") || !strings.Contains(last, "it is away") {
			t.Errorf("the last line: %s", last)
		}
	})
}
