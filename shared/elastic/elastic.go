// Package elastic is the only door to Elasticsearch's client.
//
// It sends requests once and says what the answer means; whether to try again is the caller's decision, because only
// the caller still holds the message. No type of the client leaves this package.
package elastic

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8"
	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/sluicelog/sluice/shared/config"
)

// Config says where Elasticsearch is and how to log in.
type Config struct {
	ElasticsearchURL      config.URL    `envconfig:"ELASTICSEARCH_URL" default:"http://127.0.0.1:9200" desc:"Elasticsearch nodes, separated by commas"`
	ElasticsearchAPIKey   config.Secret `envconfig:"ELASTICSEARCH_API_KEY" desc:"API key in its base64 form; instead of user and password"`
	ElasticsearchUsername string        `envconfig:"ELASTICSEARCH_USERNAME" desc:"user name"`
	ElasticsearchPassword config.Secret `envconfig:"ELASTICSEARCH_PASSWORD" desc:"password"`
	ElasticsearchCAFile   string        `envconfig:"ELASTICSEARCH_CA_FILE" desc:"PEM file of the authority that signed Elasticsearch's certificate"`
}

// Client talks to one cluster. It is safe for concurrent use.
type Client struct {
	es  *elasticsearch.Client
	url config.URL
}

// Open prepares a client; it does not connect yet.
func Open(cfg Config) (*Client, error) {
	trust, err := trusted(cfg.ElasticsearchCAFile)
	if err != nil {
		return nil, err
	}
	if cfg.ElasticsearchAPIKey != "" && cfg.ElasticsearchUsername != "" {
		return nil, errors.New("settings ELASTICSEARCH_API_KEY and ELASTICSEARCH_USERNAME: keep one of the two")
	}
	es, err := elasticsearch.NewClient(elasticsearch.Config{
		Addresses: addresses(cfg.ElasticsearchURL), APIKey: cfg.ElasticsearchAPIKey.Reveal(),
		Username: cfg.ElasticsearchUsername, Password: cfg.ElasticsearchPassword.Reveal(),
		DisableRetry: true, EnableDebugLogger: false,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 16, IdleConnTimeout: 90 * time.Second,
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:       &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: 2 * time.Minute, WriteBufferSize: 64 << 10,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the Elasticsearch client for %s: %w", cfg.ElasticsearchURL, err)
	}
	return &Client{es: es, url: cfg.ElasticsearchURL}, nil
}

// trusted reads the authorities that may sign Elasticsearch's certificate; nil means the system's.
func trusted(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // nil is how crypto/tls says: the system's
	}
	raw, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("setting ELASTICSEARCH_CA_FILE: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("setting ELASTICSEARCH_CA_FILE: %s holds no certificate in PEM form", path)
	}
	return pool, nil
}

func addresses(u config.URL) []string {
	var all []string
	for part := range strings.SplitSeq(u.Reveal(), ",") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, strings.TrimSuffix(part, "/"))
		}
	}
	return all
}

// URL is the configured address, for messages; passwords in it are hidden when printed.
func (c *Client) URL() config.URL { return c.url }

// Error is an answer of Elasticsearch that is no success.
type Error struct {
	Status int    // HTTP status
	Type   string // such as resource_already_exists_exception; empty when the body did not say
	Reason string
}

// Error describes the answer in one line.
func (e *Error) Error() string {
	text := fmt.Sprintf("elasticsearch answers %d", e.Status)
	if e.Type != "" {
		text += " " + e.Type
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// Status returns the HTTP status of an Error inside err, 0 when there was no answer.
func Status(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	return 0
}

// IsType reports whether err is an answer of the given error type.
func IsType(err error, name string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Type == name
}

// maxAnswer bounds what is read of one answer.
const maxAnswer = 64 << 20

// do sends a request and returns the body of a 2xx answer; what names the action for errors.
func (c *Client) do(ctx context.Context, what string, req esapi.Request) ([]byte, error) {
	res, err := req.Do(ctx, c.es)
	if err != nil {
		return nil, fmt.Errorf("%s at %s: %w", what, c.url, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("%s at %s: reading the answer: %w", what, c.url, err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("%s at %s: the answer is longer than %d MiB; is it an Elasticsearch?", what, c.url, maxAnswer>>20)
	}
	if res.StatusCode > 299 {
		return nil, fmt.Errorf("%s at %s: %w", what, c.url, answerError(res.StatusCode, body))
	}
	return body, nil
}

// answerError reads Elasticsearch's error document.
func answerError(status int, body []byte) *Error {
	e := &Error{Status: status}
	var doc struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &doc) != nil || len(doc.Error) == 0 {
		return e
	}
	var cause Cause
	if json.Unmarshal(doc.Error, &cause) == nil {
		e.Type, e.Reason = cause.Type, cause.Text()
		return e
	}
	_ = json.Unmarshal(doc.Error, &e.Reason) // some errors are plain text
	return e
}

// Cause is Elasticsearch's own description of a failure.
type Cause struct {
	Type     string `json:"type"`
	Reason   string `json:"reason"`
	CausedBy *Cause `json:"caused_by,omitempty"`
}

// Text is the reason with its root cause.
func (c *Cause) Text() string {
	reasons := []string{c.Reason}
	for inner := c.CausedBy; inner != nil; inner = inner.CausedBy {
		reasons = append(reasons, inner.Reason)
	}
	return strings.Join(reasons, ": ")
}

// Health is the cluster's name and colour.
type Health struct {
	Cluster string `json:"cluster_name"`
	Status  string `json:"status"`
	Nodes   int    `json:"number_of_nodes"`
}

// Health asks for the cluster's health without waiting.
func (c *Client) Health(ctx context.Context) (Health, error) {
	var h Health
	body, err := c.do(ctx, "asking for the cluster's health", esapi.ClusterHealthRequest{})
	if err != nil {
		return h, err
	}
	return h, decode(body, &h)
}

// Version returns the version of the first node.
func (c *Client) Version(ctx context.Context) (string, error) {
	body, err := c.do(ctx, "asking for the nodes", esapi.NodesInfoRequest{FilterPath: []string{"nodes.*.version"}})
	if err != nil {
		return "", err
	}
	var doc struct {
		Nodes map[string]struct {
			Version string `json:"version"`
		} `json:"nodes"`
	}
	if err := decode(body, &doc); err != nil {
		return "", err
	}
	for _, n := range doc.Nodes {
		return n.Version, nil
	}
	return "", errors.New("asking for the nodes: the answer names none")
}

// Ready is the readiness probe of services that need Elasticsearch.
func (c *Client) Ready(ctx context.Context) error {
	h, err := c.Health(ctx)
	if err != nil {
		return err
	}
	if h.Status == "red" {
		return errors.New("elasticsearch is red: at least one primary shard is missing")
	}
	return nil
}

func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("reading elasticsearch's answer %.100q: %w", body, err)
	}
	return nil
}

// Refresh makes everything indexed so far searchable now.
func (c *Client) Refresh(ctx context.Context, index string) error {
	yes := true
	_, err := c.do(ctx, "refreshing "+index, esapi.IndicesRefreshRequest{Index: []string{index}, IgnoreUnavailable: &yes})
	return err
}

// Count returns how many documents of index (or alias, or pattern) match a query; a nil query is all. An index that does
// not exist holds none.
func (c *Client) Count(ctx context.Context, index string, query any) (int64, error) {
	yes := true
	req := esapi.CountRequest{Index: []string{index}, IgnoreUnavailable: &yes, AllowNoIndices: &yes}
	if query != nil {
		raw, err := json.Marshal(map[string]any{"query": query})
		if err != nil {
			return 0, fmt.Errorf("counting in %s: %w", index, err)
		}
		req.Body = bytes.NewReader(raw)
	}
	body, err := c.do(ctx, "counting in "+index, req)
	if err != nil {
		return 0, err
	}
	var doc struct {
		Count int64 `json:"count"`
	}
	return doc.Count, decode(body, &doc)
}

// Hit is one found document.
type Hit struct {
	Index  string          `json:"_index"`
	ID     string          `json:"_id"`
	Source json.RawMessage `json:"_source"`
	Sort   []any           `json:"sort,omitempty"`
}

// Result is the answer to a search.
type Result struct {
	Total        int64
	Hits         []Hit
	Aggregations json.RawMessage
}

// Search runs a search body (query, size, sort, aggs …) on an index, alias or pattern. One that does not exist has no
// hits.
func (c *Client) Search(ctx context.Context, index string, search any) (Result, error) {
	raw, err := json.Marshal(search)
	if err != nil {
		return Result{}, fmt.Errorf("searching %s: %w", index, err)
	}
	yes := true
	body, err := c.do(ctx, "searching "+index, esapi.SearchRequest{
		Index: []string{index}, IgnoreUnavailable: &yes, AllowNoIndices: &yes, Body: bytes.NewReader(raw), TrackTotalHits: true,
	})
	if err != nil {
		return Result{}, err
	}
	var doc struct {
		Hits struct {
			Total struct {
				Value int64 `json:"value"`
			} `json:"total"`
			Hits []Hit `json:"hits"`
		} `json:"hits"`
		Aggregations json.RawMessage `json:"aggregations"`
	}
	if err := decode(body, &doc); err != nil {
		return Result{}, err
	}
	return Result{Total: doc.Hits.Total.Value, Hits: doc.Hits.Hits, Aggregations: doc.Aggregations}, nil
}
