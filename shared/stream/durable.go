package stream

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ErrNotDurable says that the server may lose what it acknowledged.
var ErrNotDurable = errors.New("the NATS server does not sync every write to disk")

// remedy is what an operator can do about ErrNotDurable.
const remedy = "set `jetstream { sync_interval: always }` on every server and name their monitoring addresses in NATS_MONITOR_URLS; NATS_ACCEPT_LOSING_ACKNOWLEDGED_EVENTS=true starts anyway"

// proveDurable refuses servers that acknowledge before their disks have the message. One server of several may be away,
// as long as most have answered; silent are those that are to be asked later.
func proveDurable(ctx context.Context, cfg Config) (silent []string, err error) {
	if cfg.SyncAlways || cfg.NATSUnsafe {
		return nil, nil
	}
	urls := cfg.NATSMonitorURLs
	if len(urls) == 0 {
		return nil, fmt.Errorf("%w, as far as we can tell: NATS_MONITOR_URLS is empty: %s", ErrNotDurable, remedy)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := cfg.askAll(ctx, urls)
	silent = slices.Clone(urls)
	var errs []error
	var enough <-chan time.Time // from the moment when most have answered
	for len(errs) < len(silent) {
		select {
		case a := <-answers:
			switch {
			case a.err != nil:
				errs = append(errs, a.err)
				continue
			case !a.always:
				return nil, notDurable(a.url)
			}
			silent = slices.DeleteFunc(silent, func(url string) bool { return url == a.url })
			if enough == nil && len(silent) < len(urls)-len(urls)/2 {
				enough = time.After(patienceForRest)
			}
		case <-enough:
			return silent, nil
		}
	}
	if len(silent) >= len(urls)-len(urls)/2 {
		return nil, fmt.Errorf("asking %d NATS servers for their sync setting, %d answered and more than half must: %w", len(urls), len(urls)-len(silent), errors.Join(errs...))
	}
	return silent, nil
}

// patienceForRest is how long the other servers may take when most have answered.
const patienceForRest = time.Second

func notDurable(url string) error {
	return fmt.Errorf("%w: %s says so: %s", ErrNotDurable, url, remedy)
}

// answer is what one server's monitoring page says.
type answer struct {
	url    string
	always bool
	err    error
}

func (cfg Config) askAll(ctx context.Context, urls []string) <-chan answer {
	answers := make(chan answer, len(urls))
	for _, url := range urls {
		go func() {
			always, err := cfg.Syncs(ctx, url)
			answers <- answer{url, always, err}
		}()
	}
	return answers
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
