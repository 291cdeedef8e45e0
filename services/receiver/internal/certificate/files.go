package certificate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Files is a certificate in two files. It is safe for concurrent use.
type Files struct {
	cert, key string
	log       *slog.Logger
	watch     watch
	changes   *prometheus.CounterVec
	current   atomic.Pointer[tls.Certificate]
	seen      []byte // hash of what was read and decided on last; only Look uses it
	doubtful  []byte // hash of what did not fit together at the last look
}

// period is how often the files are looked at.
const period = 5 * time.Second

// OpenFiles reads a certificate with its chain, and its key.
func OpenFiles(cert, key string, log *slog.Logger, reg prometheus.Registerer) (*Files, error) {
	f := &Files{cert: cert, key: key, log: log, watch: newWatch(log)}
	pair, sum, err := f.read()
	if err != nil {
		return nil, fmt.Errorf("reading RECEIVER_TLS_CERT_FILE and RECEIVER_TLS_KEY_FILE: %w", err)
	}
	f.seen = sum
	f.current.Store(pair)
	f.changes = series(reg, func() time.Time { return f.current.Load().Leaf.NotAfter })
	return f, nil
}

// read returns the pair in the files and a hash of them; an error does not show what is in them.
func (f *Files) read() (pair *tls.Certificate, sum []byte, err error) {
	cert, err := os.ReadFile(f.cert)
	if err != nil {
		return nil, nil, err
	}
	key, err := os.ReadFile(f.key)
	if err != nil {
		return nil, nil, err
	}
	defer clear(key)
	h := sha256.New()
	_, _ = h.Write(cert)
	_, _ = h.Write(key)
	sum = h.Sum(nil)
	one, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, sum, fmt.Errorf("%s and %s: %w", f.cert, f.key, err)
	}
	return &one, sum, nil
}

// TLS is the listener's side of every connection; each handshake takes the certificate of its moment.
func (f *Files) TLS() *tls.Config {
	return settings(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.current.Load(), nil })
}

// Names are the hosts that the certificate is for.
func (f *Files) Names() []string { return f.current.Load().Leaf.DNSNames }

// Run looks at the files now and then until ctx ends.
func (f *Files) Run(ctx context.Context) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for now := time.Now(); ; {
		f.Look(ctx, now)
		select {
		case now = <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Look takes what is new in the files, as of now. Two files cannot be replaced at once: a pair that does not fit together
// is looked at again, and the one before stays in force.
func (f *Files) Look(ctx context.Context, now time.Time) {
	pair, sum, err := f.read()
	switch {
	case err == nil && bytes.Equal(sum, f.seen):
	case err == nil && now.After(pair.Leaf.NotAfter) && now.Before(f.current.Load().Leaf.NotAfter):
		f.refuse(ctx, sum, fmt.Errorf("it expired at %s", pair.Leaf.NotAfter))
	case err == nil:
		f.seen = sum
		f.current.Store(pair)
		f.changes.WithLabelValues("ok").Inc()
		f.log.InfoContext(ctx, "the certificate of the public listener was replaced", "names", pair.Leaf.DNSNames, "expires", pair.Leaf.NotAfter)
	default:
		f.refuse(ctx, sum, err)
	}
	leaf := f.current.Load().Leaf
	f.watch.look(ctx, leaf.DNSNames, leaf.NotAfter, now)
}

// refuse says once for every content of the files why it is not taken, if it is still there at the second look.
func (f *Files) refuse(ctx context.Context, sum []byte, err error) {
	still := bytes.Equal(sum, f.doubtful)
	f.doubtful = sum
	if bytes.Equal(sum, f.seen) || !still {
		return
	}
	f.seen = sum
	f.changes.WithLabelValues("failed").Inc()
	f.log.ErrorContext(ctx, "the new certificate of the public listener cannot be used; the one before stays in force", "error", err, "expires", f.current.Load().Leaf.NotAfter)
}
