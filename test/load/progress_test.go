package load_test

import (
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"testing"
	"time"
)

// tell says at once how far a benchmark is, on go test's standard output. What a benchmark logs is shown when it is over, ten
// minutes later perhaps, and cut after ten lines.
func tell(b *testing.B, format string, args ...any) {
	b.Helper()
	tellTo(os.Stderr, time.Now(), b.Name(), format, args...)
}

func tellTo(w io.Writer, at time.Time, name, format string, args ...any) {
	_, _ = fmt.Fprintf(w, "%s %s: %s\n", at.Format(time.TimeOnly), strings.TrimPrefix(name, "Benchmark"), fmt.Sprintf(format, args...))
}

// inRounds yields 0 to n-1 and tells before each how long the rest of these rounds takes, if it takes as long as what is done.
func inRounds(b *testing.B, n int, of ...string) iter.Seq[int] {
	b.Helper()
	source() // as it is now, not when the rounds are over
	return func(yield func(int) bool) {
		begin := time.Now()
		for i := range n {
			tell(b, "%sround %d of %d%s", strings.Join(append(of, ""), ", "), i+1, n, left(time.Since(begin), i, n))
			if !yield(i) {
				return
			}
		}
	}
}

// left is how much is to be done where some of n equal parts took so long; empty before the first is done.
func left(took time.Duration, done, n int) string {
	if done == 0 {
		return ""
	}
	rest := took / time.Duration(done) * time.Duration(n-done)
	return ", about " + rest.Round(time.Second).String() + " left"
}

func TestProgressSaysHowMuchIsLeft(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	tellTo(&out, time.Date(2026, 11, 26, 15, 4, 5, 0, time.UTC), "BenchmarkAcks", "round %d of %d%s", 3, 5, left(50*time.Second, 2, 5))
	if got, want := out.String(), "15:04:05 Acks: round 3 of 5, about 1m15s left\n"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	if got := left(time.Second, 0, 5); got != "" {
		t.Errorf("before anything is done it says %q", got)
	}
}
