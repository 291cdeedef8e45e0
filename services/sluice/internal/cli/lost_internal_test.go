package cli

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

func TestWithNothingRunningErrorsSayHowToStart(t *testing.T) {
	refused := fmt.Errorf("searching: %w", &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")})
	t.Setenv("NATS_URL", "")
	for set, want := range map[string]bool{"": true, "http://127.0.0.1:1": false} {
		t.Setenv("ELASTICSEARCH_URL", set)
		a := New(strings.NewReader(""), io.Discard, io.Discard)
		a.state = t.TempDir()
		if _, err := a.openElastic(); err != nil {
			t.Fatal(err)
		}
		got := a.orLost(refused)
		if hinted := strings.Contains(got.Error(), "start one with `") && strings.Contains(got.Error(), a.state); hinted != want || !errors.Is(got, refused) {
			t.Errorf("ELASTICSEARCH_URL=%q: %v", set, got)
		}
		if other := errors.New("no such field"); a.orLost(other) != other { //nolint:errorlint // the very same
			t.Errorf("ELASTICSEARCH_URL=%q: another error is changed", set)
		}
	}
}

// The address is one where nothing listens for certain: at the default one there may be somebody's Elasticsearch.
func TestCommandsWithNothingRunningSayHowToStart(t *testing.T) {
	t.Setenv("NATS_URL", "")
	t.Setenv("ELASTICSEARCH_URL", "http://127.0.0.1:1")
	for _, args := range [][]string{{"search"}, {"tail"}, {"explain", "--log-id", "90020260101000000000000000000000000000000000000000000001"}} {
		a := New(strings.NewReader(""), io.Discard, io.Discard)
		a.lost = errors.New("how to start")
		cmd := a.Command()
		cmd.SetArgs(append(args, "--state", t.TempDir()))
		if err := cmd.ExecuteContext(t.Context()); ExitCode(err) == 0 || !strings.Contains(err.Error(), "127.0.0.1:1") || !errors.Is(err, a.lost) {
			t.Errorf("%s: exit code %d, %v", args[0], ExitCode(err), err)
		}
	}
}
