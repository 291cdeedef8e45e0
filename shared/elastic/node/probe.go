package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// errFinal marks an answer that waiting will not change.
var errFinal = errors.New("giving up")

// probe asks a node whether it is ready. GET / is of no use: the trimmed build answers 405 there.
type probe struct {
	client             *http.Client
	username, password string
}

func newProbe(opts Options) (*probe, error) {
	transport := &http.Transport{
		Proxy:             nil, // the node is on this machine, whatever the environment says about proxies
		DisableKeepAlives: true,
	}
	if opts.CAFile != "" {
		pem, err := os.ReadFile(opts.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the CA file of elasticsearch: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading the CA file of elasticsearch %s: no PEM certificate in it", opts.CAFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &probe{
		client:   &http.Client{Transport: transport, Timeout: 15 * time.Second},
		username: opts.Username, password: opts.Password,
	}, nil
}

// check returns nil when the node at url is the one of the named cluster and its health is at least yellow.
func (p *probe) check(ctx context.Context, url, cluster string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		url+"/_cluster/health?wait_for_status=yellow&timeout=5s", http.NoBody)
	if err != nil {
		return fmt.Errorf("asking %s: %w: %w", url, errFinal, err)
	}
	if p.username != "" {
		req.SetBasicAuth(p.username, p.password)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
			return fmt.Errorf("%w: %w (is it the right CA file?)", errFinal, err)
		}
		return fmt.Errorf("asking for health: %w", err)
	}
	defer resp.Body.Close()
	var health struct {
		Cluster string `json:"cluster_name"`
		Status  string `json:"status"`
	}
	decodeErr := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&health)
	switch {
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w: %s answers %s, check the user name and password", errFinal, url, resp.Status)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s answers %s, health %q", url, resp.Status, health.Status)
	case decodeErr != nil:
		return fmt.Errorf("reading the health of %s: %w", url, decodeErr)
	case health.Cluster != cluster:
		return fmt.Errorf("%w: %s is cluster %q and not %q", errFinal, url, health.Cluster, cluster)
	}
	return nil
}
