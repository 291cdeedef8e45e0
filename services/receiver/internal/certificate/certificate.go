// Package certificate is how the receiver shows who it is: with a certificate from two files, which may be replaced while
// it runs, or with one that it gets and renews by itself (ACME).
//
// Its promise: a new certificate that cannot be used changes nothing but the log; the one before stays in force.
package certificate

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/shared/telemetry"
)

// Source gives the public listener its certificates.
type Source interface {
	// TLS is the listener's side of every connection.
	TLS() *tls.Config
	// Run keeps the certificates up to date until ctx ends.
	Run(ctx context.Context) error
	// Names are the hosts that the certificates are for.
	Names() []string
}

// settings is what every listener of ours speaks. HTTP/2 is left out: a webhook gains nothing by it.
func settings(get func(*tls.ClientHelloInfo) (*tls.Certificate, error), protocols ...string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: get, NextProtos: append([]string{"http/1.1"}, protocols...)}
}

// When the end of a certificate is worth a warning, and how often.
const (
	soon  = 14 * 24 * time.Hour
	again = 12 * time.Hour
)

// watch warns of an end that comes near.
type watch struct{ log *telemetry.Throttle }

func newWatch(log *slog.Logger) watch { return watch{telemetry.NewThrottle(log, again)} }

func (w watch) look(ctx context.Context, names []string, end, now time.Time) {
	left := end.Sub(now)
	switch {
	case left <= 0:
		w.log.Log(ctx, slog.LevelError, "expired", "the certificate of the public listener has expired: Auth0 refuses it and keeps its events for seven days at most", slog.Any("names", names), slog.Time("expired", end))
	case left < soon:
		w.log.Log(ctx, slog.LevelWarn, "expires", "the certificate of the public listener expires soon: replace its files, or see why it is not renewed", slog.Any("names", names), slog.Time("expires", end))
	}
}

// series are the metrics of a source; end says when the certificate in force expires, zero while there is none.
func series(reg prometheus.Registerer, end func() time.Time) *prometheus.CounterVec {
	reads := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_receiver_certificate_changes_total", Help: "New certificates for the public listener, by result."}, []string{"result"})
	for _, result := range []string{"ok", "failed"} {
		reads.WithLabelValues(result)
	}
	reg.MustRegister(reads, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sluice_receiver_certificate_expiry_timestamp_seconds", Help: "When the certificate of the public listener expires; 0 while there is none.",
	}, func() float64 {
		if at := end(); !at.IsZero() {
			return float64(at.Unix())
		}
		return 0
	}))
	return reads
}
