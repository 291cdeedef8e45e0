package receiver

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/services/receiver/internal/certificate"
	"github.com/sluicelog/sluice/shared/telemetry"
)

// openCertificate finds out how the listener shows who it is.
func (s *Service) openCertificate() (err error) {
	c := s.cfg
	switch {
	case (c.TLSCertFile == "") != (c.TLSKeyFile == ""):
		return errors.New("RECEIVER_TLS_CERT_FILE and RECEIVER_TLS_KEY_FILE go together: set both or none")
	case c.TLSCertFile != "" && len(c.ACMEDomains) > 0:
		return errors.New("RECEIVER_TLS_CERT_FILE and RECEIVER_ACME_DOMAINS exclude one another: keep one")
	case c.TLSCertFile != "":
		s.cert, err = certificate.OpenFiles(c.TLSCertFile, c.TLSKeyFile, s.tel.Log, s.tel.Metrics)
	case len(c.ACMEDomains) > 0:
		s.cert, err = certificate.OpenManaged(certificate.Order{
			Domains: c.ACMEDomains, Email: c.ACMEEmail, Directory: c.ACMEDirectoryURL, CAFile: c.ACMEDirectoryCAFile,
			Storage: c.ACMEStorage, Listener: s.listener.Addr(),
		}, s.tel.Log, s.tel.Metrics)
	}
	return err
}

// Scheme is what the listener speaks: http or https.
func (s *Service) Scheme() string {
	if s.cert == nil {
		return "http"
	}
	return "https"
}

// Base is the public address that follows from the certificate, empty where none does: https with its first name. The
// port is the listener's for a certificate from files, and 443 for one that the receiver gets by itself.
func (s *Service) Base() string {
	if s.cert == nil || len(s.cert.Names()) == 0 || strings.HasPrefix(s.cert.Names()[0], "*") {
		return ""
	}
	name := s.cert.Names()[0]
	if at, ok := s.listener.Addr().(*net.TCPAddr); ok && at.Port != 443 && len(s.cfg.ACMEDomains) == 0 {
		name = net.JoinHostPort(name, strconv.Itoa(at.Port))
	}
	return "https://" + name
}

// errorLog is where net/http writes what it cannot tell anybody else, such as handshakes that failed. Strangers cause
// most of it, so equal lines are summed up.
type errorLog struct {
	slog.Handler
	log *telemetry.Throttle
}

func newErrorLog(l *slog.Logger) errorLog {
	return errorLog{l.Handler(), telemetry.NewThrottle(l, time.Minute)}
}

// Handle writes one line, or counts it to one like it.
func (e errorLog) Handle(ctx context.Context, r slog.Record) error {
	kind, level := "other", r.Level
	if strings.Contains(r.Message, "TLS handshake error") {
		kind, level = "handshake", slog.LevelInfo
	}
	e.log.Log(ctx, level, kind, "the http server reports an error", slog.String("error", r.Message))
	return nil
}
