package embedded_test

import (
	"context"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/sluicelog/sluice/shared/stream/embedded"
)

func TestMain(m *testing.M) { // idle connections of HTTP clients end some time later
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

func TestAServerThatStopsLeavesNothingBehindAndStartsAgain(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		s, err := embedded.Start(t.Context(), embedded.Options{Dir: dir, MaxStore: 64 << 20, Password: "only for this test", Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if !s.SyncAlways() {
			t.Error("it does not sync always")
		}
		if err := s.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}
