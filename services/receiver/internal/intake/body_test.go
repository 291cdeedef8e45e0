package intake_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/sluicelog/sluice/services/receiver/internal/intake"
)

// drip is a body that comes in pieces, and looks before each what room is taken for it.
type drip struct {
	rest  []byte
	piece int
	sent  int
	look  func(sent int)
}

func (d *drip) Read(p []byte) (int, error) {
	d.look(d.sent)
	if len(d.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, d.rest[:min(d.piece, len(d.rest))])
	d.rest, d.sent = d.rest[n:], d.sent+n
	return n, nil
}

func (d *drip) Close() error { return nil }

// What is announced costs nothing; what comes does, at most twice.
func TestABodyTakesRoomAsItComes(t *testing.T) {
	const first, limit = 256 << 10, 8 << 20
	for name, c := range map[string]struct {
		size      int
		announced bool
	}{
		"nothing": {0, true}, "small": {1000, true}, "just the first buffer": {first - 1, true}, "a byte more": {first, true},
		"large": {5_000_000, true}, "the largest": {limit, true}, "unannounced": {3_000_000, false}, "the largest, unannounced": {limit, false},
	} {
		t.Run(name, func(t *testing.T) {
			taken := prometheus.NewGauge(prometheus.GaugeOpts{Name: "taken"})
			want := bytes.Repeat([]byte("0123456789abcde\n"), c.size/16+1)[:c.size]
			body := &drip{rest: want, piece: 10_000, look: func(sent int) {
				if most := max(first, 2*sent) + 64<<10 + 1; valueOf(t, taken) > float64(most) {
					t.Fatalf("%v bytes are taken after %d have come", valueOf(t, taken), sent)
				}
			}}
			r := &http.Request{Body: body, ContentLength: -1}
			if c.announced {
				r.ContentLength = int64(c.size)
			}
			got, err := intake.ReadBody(r.WithContext(t.Context()), limit, 2*limit, taken)
			if err != nil || !bytes.Equal(got, want) || valueOf(t, taken) != 0 {
				t.Errorf("read %d of %d bytes, %v still taken: %v", len(got), c.size, valueOf(t, taken), err)
			}
		})
	}
}

func valueOf(t *testing.T, g prometheus.Gauge) float64 {
	t.Helper()
	var m dto.Metric
	if err := g.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetGauge().GetValue()
}
