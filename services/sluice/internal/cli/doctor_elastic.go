package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/sluicelog/sluice/shared/elastic"
)

// checkElastic looks at the cluster: reachable, version, colour.
func (d *doctor) checkElastic(ctx context.Context) []finding {
	const name = "elasticsearch"
	if d.elastic == nil {
		_, err := elastic.Open(d.settings.Elastic)
		return []finding{fail(name, orError(err, errors.New("the settings could not be read")), "correct the settings named above")}
	}
	health, err := d.elastic.Health(ctx)
	if err != nil {
		return []finding{fail(name, err, elasticAdvice(err))}
	}
	found := make([]finding, 0, 2)
	if version, err := d.elastic.Version(ctx); err != nil {
		found = append(found, warn(name, fmt.Sprintf("%s answers, but not with its version: %v", d.elastic.URL(), err), "give the user the cluster privilege monitor"))
	} else {
		found = append(found, ok(name, "%s runs version %s, cluster %s of %s", d.elastic.URL(), version, health.Cluster, counted(health.Nodes, "node")))
	}
	return append(found, colour(health))
}

func colour(h elastic.Health) finding {
	const name = "elasticsearch health"
	switch h.Status {
	case "green":
		return ok(name, "green")
	case "yellow":
		return warn(name, "yellow: a copy of a shard has no node", "with one node set INDEXER_REPLICAS=0, else look at _cluster/allocation/explain")
	default:
		return fail(name, fmt.Errorf("%s: at least one primary shard is missing", h.Status), "look at _cluster/allocation/explain; events wait on the stream meanwhile")
	}
}

// elasticAdvice tells apart who must act.
func elasticAdvice(err error) string {
	switch elastic.Status(err) {
	case http.StatusUnauthorized:
		return "check ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD"
	case http.StatusForbidden:
		return "give the user the cluster privilege monitor"
	case 0:
		return "check ELASTICSEARCH_URL (and ELASTICSEARCH_CA_FILE for https) and that it runs; deliveries are taken meanwhile and wait on the stream"
	default:
		return "look at Elasticsearch's log"
	}
}

func orError(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// checkSecurity asks without credentials, to see whether anybody may read the events.
func (d *doctor) checkSecurity(ctx context.Context) []finding {
	const name = "elasticsearch security"
	address, err := withoutLogin(d.settings.Elastic.ElasticsearchURL.Reveal())
	if err != nil {
		return []finding{skip(name, "ELASTICSEARCH_URL cannot be read")}
	}
	client, err := trusting(d.settings.Elastic.ElasticsearchCAFile)
	if err != nil {
		return []finding{fail(name, err, "correct ELASTICSEARCH_CA_FILE")}
	}
	defer client.CloseIdleConnections()
	status, _, err := get(ctx, client, address.JoinPath("_cluster/health").String())
	switch {
	case err != nil:
		return []finding{skip(name, "Elasticsearch does not answer")}
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return []finding{ok(name, "on: it answers nobody without a login, over %s", address.Scheme)}
	case status == http.StatusOK && onLoopback(address.Hostname()):
		return []finding{ok(name, "off: whoever reaches %s reads and writes everything; it is on loopback", address.Host)}
	case status == http.StatusOK:
		return []finding{warn(name, fmt.Sprintf("off: whoever reaches %s reads and writes everything", address.Host), "turn xpack.security on and give Sluice an API key")}
	default:
		return []finding{warn(name, fmt.Sprintf("it answers %d without a login", status), "look at Elasticsearch's log")}
	}
}

// withoutLogin is the first address, without its user and password.
func withoutLogin(addresses string) (*url.URL, error) {
	first, _, _ := strings.Cut(addresses, ",")
	u, err := url.Parse(strings.TrimSpace(first))
	if err != nil || u.Host == "" {
		return nil, errors.New("no address")
	}
	u.User = nil
	return u, nil
}

// trusting is an HTTP client that knows a further certificate authority; without one it is a plain client.
func trusting(caFile string) (*http.Client, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if caFile == "" {
		return client, nil
	}
	pem, err := os.ReadFile(caFile) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", caFile)
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return client, nil
}
