package stream

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// ErrNotDurable says that the server may lose what it acknowledged.
var ErrNotDurable = errors.New("the NATS server does not sync every write to disk")

// remedy is what an operator can do about ErrNotDurable.
const remedy = "set `jetstream { sync_interval: always }` on every server and name their monitoring addresses in NATS_MONITOR_URLS; NATS_ACCEPT_LOSING_ACKNOWLEDGED_EVENTS=true starts anyway"

// proveDurable refuses a server that acknowledges before its disk has the message.
func proveDurable(ctx context.Context, cfg Config) error {
	if cfg.SyncAlways || cfg.NATSUnsafe {
		return nil
	}
	if len(cfg.NATSMonitorURLs) == 0 {
		return fmt.Errorf("%w, as far as we can tell: NATS_MONITOR_URLS is empty: %s", ErrNotDurable, remedy)
	}
	for _, url := range cfg.NATSMonitorURLs {
		always, err := cfg.Syncs(ctx, url)
		if err != nil {
			return err
		}
		if !always {
			return fmt.Errorf("%w: %s says so: %s", ErrNotDurable, url, remedy)
		}
	}
	return nil
}

// Syncs asks the server's monitoring page at base whether JetStream runs with sync_interval always. It waits up to
// 20 seconds for a server that is just starting. A page over https is known by NATS_CA_FILE, too.
func (cfg Config) Syncs(ctx context.Context, base string) (bool, error) {
	roots, err := cfg.roots()
	if err != nil {
		return false, err
	}
	client := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		always, err := askSync(ctx, client, strings.TrimSuffix(strings.TrimSpace(base), "/")+"/jsz")
		if err == nil {
			return always, nil
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("asking %s for the server's sync setting: %w", base, err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func askSync(ctx context.Context, client *http.Client, url string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err
	}
	res, err := client.Do(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = res.Body.Close() }()
	var page struct {
		Disabled bool `json:"disabled"`
		Config   struct {
			SyncAlways bool `json:"sync_always"`
		} `json:"config"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&page); err != nil {
		return false, fmt.Errorf("reading %s: %w", url, err)
	}
	if page.Disabled {
		return false, fmt.Errorf("reading %s: JetStream is off on this server", url)
	}
	return page.Config.SyncAlways, nil
}
