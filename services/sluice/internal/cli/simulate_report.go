package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
)

// writeReport writes the figures of a run as rows of a table.
func writeReport(w io.Writer, r simulator.Report) {
	row := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	if r.Deliveries == 0 {
		row("events", "none was sent")
		return
	}
	row("events", "%d", r.Events)
	if r.Duplicates > 0 || r.Disordered > 0 {
		row("on purpose", "%d sent twice, %d held back", r.Duplicates, r.Disordered)
	}
	row("acked", "%d", r.Acked)
	row("unacked", "%d", r.Unacked)
	row("refused attempts", "%s", refusals(r.Refused))
	row("deliveries", "%d acknowledged, %s, %s", r.AckedDeliveries, counted(r.Deliveries, "attempt"), readable(r.Bytes))
	if r.AckedDeliveries > 0 {
		l := r.Latency
		row("latency", "p50 %s, p95 %s, p99 %s, max %s", short(l.P50), short(l.P95), short(l.P99), short(l.Max))
		row("rate", "%.0f events/s over %s", r.EventsPerSecond(), short(r.Elapsed))
	}
}

// refusals lists answers other than 2xx with their numbers and what they mean.
func refusals(counts map[string]int) string {
	if len(counts) == 0 {
		return "none"
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		status, _ := strconv.Atoi(key) // "error" is 0: no answer
		parts = append(parts, fmt.Sprintf("%d × %s", counts[key], refusal(status)))
	}
	return strings.Join(parts, "; ")
}

// short rounds a duration to what people read.
func short(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	default:
		return d.Round(100 * time.Microsecond)
	}
}

// readable writes a size with one decimal in the unit that fits.
func readable(size int64) string {
	const unit = 1024
	value, name := float64(size), "B"
	for _, larger := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < unit {
			break
		}
		value, name = value/unit, larger
	}
	if name == "B" {
		return fmt.Sprintf("%d B", size)
	}
	return fmt.Sprintf("%.1f %s", value, name)
}
