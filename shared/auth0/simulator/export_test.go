package simulator

import "time"

// LatencyOf lets tests compare the histogram with exact percentiles.
func LatencyOf(durations []time.Duration) Latency {
	sums := newTally(nil)
	for _, d := range durations {
		sums.result(Result{Acked: true, Latency: d})
	}
	return sums.report(time.Second).Latency
}
