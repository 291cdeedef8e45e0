package load_test

import "testing"

// singleEvents is how many events a round of single deliveries has.
const singleEvents = 100_000

// BenchmarkSingles is BenchmarkSearchable with deliveries of one event, 32 at a time.
func BenchmarkSingles(b *testing.B) {
	r := startRig(b)
	c := comparison{batch: ones().batch, inFlight: ones().inFlight, targets: map[string]string{lineSearchable: "≥ 10000", lineMemory: "≤ 250"}}
	r.compare(b, &c, events(b, singleEvents))
	c.publish(b, r)
}
