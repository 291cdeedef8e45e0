// Package elastictest gives tests a real Elasticsearch.
//
// All tests of all packages of one user share one node, which is started by the first and left running for the next;
// every test works in a namespace of its own. `go run ./elastic/elastictest/cmd/stop` ends it.
package elastictest

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/elastic/node"
)

// urlVariable names an Elasticsearch to use instead of starting one. Tests write to it and delete what they wrote.
const urlVariable = "SLUICE_TEST_ELASTICSEARCH_URL"

// Cluster is a ready Elasticsearch. Username, Password and CAFile (the path of a PEM file) are empty unless it came from
// StartSecured.
type Cluster struct {
	URL      string
	Username string
	Password string
	CAFile   string
}

// Start returns the shared node, starting it when it does not run. A machine that has nothing to run it with skips the
// test, or fails it where CI is set.
func Start(tb testing.TB) *Cluster {
	tb.Helper()
	if url := os.Getenv(urlVariable); url != "" {
		c := &Cluster{URL: strings.TrimRight(url, "/")}
		if _, err := c.call(http.MethodGet, "/_cluster/health?wait_for_status=yellow&timeout=30s"); err != nil {
			tb.Fatalf("using %s: %v", urlVariable, err)
		}
		return c
	}
	dir, err := sharedDir()
	if err != nil {
		tb.Fatal(err)
	}
	return &Cluster{URL: ensure(tb, node.Options{Dir: dir}).URL()}
}

// Stop ends the shared node if it runs, and tells whether it did.
func Stop(ctx context.Context) (bool, error) {
	dir, err := sharedDir()
	if err != nil {
		return false, err
	}
	n, running := node.Running(dir) //nolint:contextcheck // it bounds itself
	if !running {
		return false, nil
	}
	return true, n.Stop(ctx)
}

func ensure(tb testing.TB, opts node.Options) *node.Node {
	tb.Helper()
	opts.Progress = func(step string) { tb.Log(step) }
	n, err := node.Ensure(tb.Context(), opts)
	switch {
	case errors.Is(err, node.ErrUnavailable) && os.Getenv("CI") == "":
		tb.Skip(err)
	case err != nil:
		tb.Fatal(err)
	}
	return n
}

// sharedDir is the state folder of the shared node. Its place can be foreseen, so it is used only if nobody else could
// have prepared it.
func sharedDir() (string, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("sluice-elastictest-%d", os.Getuid()))
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("making the folder of the shared elasticsearch: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("looking at the folder of the shared elasticsearch: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(owner.Uid) != os.Getuid() || info.Mode().Perm()&0o022 != 0 {
		return "", fmt.Errorf("%s, the folder of the shared elasticsearch, is not a folder that only this user can write to: "+
			"remove it or set TMPDIR", dir)
	}
	return dir, nil
}

// Namespace returns a namespace that no other test has, of at most 40 characters of [a-z0-9_]. When the test ends, its
// indices (logs-auth0.*-<namespace>-*) and its templates (sluice-*<namespace>*) are deleted.
func (c *Cluster) Namespace(tb testing.TB) string {
	tb.Helper()
	var suffix [5]byte
	_, _ = rand.Read(suffix[:]) // never fails: crypto/rand ends the program instead
	name := strings.Map(func(r rune) rune {
		if (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9') {
			return r
		}
		return -1
	}, strings.ToLower(tb.Name()))
	ns := "t_" + name[:min(len(name), 24)] + "_" + hex.EncodeToString(suffix[:])
	tb.Cleanup(func() {
		if err := c.remove(ns); err != nil {
			tb.Logf("cleaning up namespace %s: %v", ns, err)
		}
	})
	return ns
}

func (c *Cluster) remove(ns string) error {
	// Deleting by pattern is forbidden by default, so the names are asked for first.
	answer, err := c.call(http.MethodGet, "/_resolve/index/logs-auth0.*-"+ns+"-*?expand_wildcards=all")
	if err != nil {
		return err
	}
	var found struct {
		Indices []struct {
			Name string `json:"name"`
		} `json:"indices"`
	}
	if err := json.Unmarshal(answer, &found); err != nil {
		return fmt.Errorf("reading the names of indices: %w", err)
	}
	var problems []error
	for _, index := range found.Indices {
		_, err := c.call(http.MethodDelete, "/"+index.Name)
		problems = append(problems, err)
	}
	_, err = c.call(http.MethodDelete, "/_index_template/sluice-*"+ns+"*")
	return errors.Join(append(problems, err)...)
}

// call returns the answer's body. What was to be deleted and is not there counts as deleted.
func (c *Cluster) call(method, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking elasticsearch: %w", err)
	}
	if c.Username != "" {
		req.SetBasicAuth(c.Username, c.Password)
	}
	client, err := c.Client()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking elasticsearch: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("reading the answer to %s %s: %w", method, path, err)
	}
	absent := method == http.MethodDelete && resp.StatusCode == http.StatusNotFound
	if resp.StatusCode >= http.StatusMultipleChoices && !absent {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, body)
	}
	return body, nil
}

// Client returns an HTTP client that trusts the cluster's certificate and knows no proxies. It adds no credentials.
func (c *Cluster) Client() (*http.Client, error) {
	transport := &http.Transport{}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the CA file: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading the CA file %s: no PEM certificate in it", c.CAFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport}, nil
}
