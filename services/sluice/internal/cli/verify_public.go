package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/endpoint"
)

// checkDNS looks up the public name.
func (v *verifier) checkDNS(ctx context.Context) (string, error) {
	u, err := url.Parse(v.at.URL)
	if err != nil {
		return "", fmt.Errorf("reading the Payload URL: %w", err)
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, u.Hostname())
	if err != nil {
		return "", fmt.Errorf("%s has no address: %w", u.Hostname(), err)
	}
	saw := u.Hostname() + " is " + strings.Join(addresses, ", ")
	if private(addresses[0]) {
		saw += ": a private address as seen from here; make sure that the internet sees another one"
	}
	return saw, nil
}

// checkCertificate makes the TLS handshake that Auth0 will make.
func (v *verifier) checkCertificate(ctx context.Context) (string, error) {
	u, err := url.Parse(v.at.URL)
	if err != nil {
		return "", fmt.Errorf("reading the Payload URL: %w", err)
	}
	if u.Scheme != "https" {
		return "", errors.New("the address is http: Auth0 posts to https only; give the reverse proxy or tunnel a certificate")
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12}}
	conn, err := dialer.DialContext(ctx, "tcp", hostPort(u))
	if err != nil {
		return "", certificateProblem(u.Hostname(), err)
	}
	defer func() { _ = conn.Close() }()
	secure, ok := conn.(*tls.Conn)
	if !ok || len(secure.ConnectionState().PeerCertificates) == 0 {
		return "", errors.New("the server shows no certificate")
	}
	leaf := secure.ConnectionState().PeerCertificates[0]
	return fmt.Sprintf("valid for %s until %s, issued by %s", u.Hostname(), moment(leaf.NotAfter), leaf.Issuer), nil
}

// certificateProblem names what is wrong with a certificate and what to do.
func certificateProblem(host string, err error) error {
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("the certificate is expired or not valid yet (%s to %s): renew it; check this machine's clock", moment(invalid.Cert.NotBefore), moment(invalid.Cert.NotAfter))
	case errors.As(err, &name):
		return fmt.Errorf("the certificate is for another host: it names %v, not %s", name.Certificate.DNSNames, host)
	case errors.As(err, &unknown) && unknown.Cert != nil && bytes.Equal(unknown.Cert.RawIssuer, unknown.Cert.RawSubject):
		return errors.New("the certificate is self-signed: Auth0 refuses those; get one from a public authority such as Let's Encrypt")
	case errors.As(err, &unknown):
		return errors.New("the certificate's issuer is unknown: the server must send the whole chain, up to a public authority")
	}
	return fmt.Errorf("the TLS handshake with %s fails: %w", host, err)
}

// noToken says why a check that has to send the token was left out.
const noToken = "needs the endpoint's token: --token-file FILE or --token-stdin"

// checkAuthorization sends a token that must be refused, looks that our own receivers saw it, and sends the right one.
func (v *verifier) checkAuthorization(ctx context.Context) (string, error) {
	if v.token == "" {
		return noToken, errSkipped
	}
	begin := time.Now().Add(-2 * time.Second) // the clocks of two machines
	wrong, err := v.request(ctx, http.MethodPost, endpoint.NewToken(), strings.NewReader("\n"))
	if err != nil {
		return "", fmt.Errorf("sending a wrong token: %w", err)
	}
	throttled := wrong.status == http.StatusTooManyRequests && wrong.name == "throttled" // many wrong ones came from our address
	if wrong.status != http.StatusUnauthorized && !throttled {
		return "", fmt.Errorf("a wrong token is answered %d instead of 401: something in front of the receiver answers for it", wrong.status)
	}
	refused, err := v.refusedSince(ctx, begin)
	if err != nil {
		return "", err
	}
	right, err := v.request(ctx, http.MethodPost, v.token, strings.NewReader("\n"))
	if err != nil {
		return "", fmt.Errorf("sending the right token: %w", err)
	}
	if right.status != http.StatusOK {
		return "", fmt.Errorf("the right token is answered %d %s (a wrong one was refused because: %s)", right.status, right.name, refused.Hint)
	}
	return "the header arrives: a wrong token is refused, the right one accepted", nil
}

// boardPatience is how long receivers may take to tell what they saw.
const boardPatience = 15 * time.Second

// refusedSince waits until the board shows a refusal and returns it; without one, the request met another server.
func (v *verifier) refusedSince(ctx context.Context, begin time.Time) (endpoint.Refusal, error) {
	limited, cancel := context.WithTimeout(ctx, boardPatience)
	defer cancel()
	var newest endpoint.Refusal
	found, err := poll(limited, func() (bool, error) {
		status, err := v.session.Board.Read(limited, v.endpoint.ID)
		if err != nil {
			return false, err
		}
		newest = lastRefusal(status)
		return newest.Time.After(begin), nil
	})
	if err != nil {
		return newest, err
	}
	if !found {
		return newest, errors.New("401 came, but our receivers saw no such request: the address leads to another Sluice, or a proxy answers for it")
	}
	return newest, nil
}

// lastRefusal is the newest refusal; zero when there is none.
func lastRefusal(s endpoint.Status) endpoint.Refusal {
	if len(s.Refusals) == 0 {
		return endpoint.Refusal{}
	}
	return s.Refusals[len(s.Refusals)-1]
}

// bodySize is how large a delivery from Auth0 may well become, in bytes.
const bodySize = 10 << 20

// checkBody sends a large delivery without a single event.
func (v *verifier) checkBody(ctx context.Context) (string, error) {
	if v.token == "" {
		return noToken, errSkipped
	}
	line := strings.Repeat(" ", 1023) + "\n"
	got, err := v.request(ctx, http.MethodPost, v.token, strings.NewReader(strings.Repeat(line, bodySize/len(line))))
	if err != nil {
		return "", fmt.Errorf("a body of 10 MiB does not get through: %w", err)
	}
	switch got.status {
	case http.StatusOK:
		return "a body of 10 MiB gets through", nil
	case http.StatusRequestEntityTooLarge:
		return "", errors.New("a body of 10 MiB is answered 413: raise the proxy's limit (nginx: client_max_body_size) to 32 MiB, and RECEIVER_MAX_BODY if it is lower")
	}
	return "", fmt.Errorf("a body of 10 MiB is answered %d %s", got.status, got.name)
}
