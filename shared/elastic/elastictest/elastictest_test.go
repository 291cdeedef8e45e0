package elastictest_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/elastic/elastictest"
)

func TestTestsShareOneNodeInNamespacesOfTheirOwn(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Elasticsearch: not with -short")
	}
	first, second := elastictest.Start(t), elastictest.Start(t)
	if first.URL != second.URL {
		t.Errorf("two starts gave %s and %s", first.URL, second.URL)
	}
	var index, template, ns string
	t.Run("Inner", func(t *testing.T) {
		ns = first.Namespace(t)
		if !regexp.MustCompile(`^[a-z0-9_]{3,40}$`).MatchString(ns) || ns == first.Namespace(t) {
			t.Errorf("namespace %q is not what index names allow, or not fresh", ns)
		}
		index, template = "/logs-auth0.logs-"+ns+"-2026.01.31", "/_index_template/sluice-logs-"+ns
		want(t, first, http.MethodPut, index, "", http.StatusOK)
		want(t, first, http.MethodPut, template, `{"index_patterns":["logs-auth0.logs-`+ns+`-*"]}`, http.StatusOK)
	})
	want(t, first, http.MethodHead, index, "", http.StatusNotFound)
	want(t, first, http.MethodGet, template, "", http.StatusNotFound)
}

func TestSecuredNodeWantsTLSPasswordAndPrivilege(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Elasticsearch: not with -short")
	}
	c := elastictest.StartSecured(t, elastictest.Account{
		Name: "reader", Password: "reader's own password",
		Role: `{"cluster":["monitor"],"indices":[{"names":["logs-*"],"privileges":["read"]}]}`,
	})
	if !strings.HasPrefix(c.URL, "https://127.0.0.1:") {
		t.Errorf("URL %s is not https on loopback", c.URL)
	}
	want(t, c, http.MethodPut, "/logs-x", "", http.StatusOK)
	ns := c.Namespace(t)
	want(t, c, http.MethodPut, "/logs-auth0.logs-"+ns+"-2026.01.31", "", http.StatusOK)

	wrong := *c
	wrong.Password += "x"
	want(t, &wrong, http.MethodGet, "/_cluster/health", "", http.StatusUnauthorized)
	wrong.Username = ""
	want(t, &wrong, http.MethodGet, "/_cluster/health", "", http.StatusUnauthorized)

	reader := *c
	reader.Username, reader.Password = "reader", "reader's own password"
	want(t, &reader, http.MethodGet, "/_cluster/health", "", http.StatusOK)
	want(t, &reader, http.MethodGet, "/logs-x/_search", "", http.StatusOK)
	want(t, &reader, http.MethodPut, "/logs-y", "", http.StatusForbidden)

	if resp, err := http.Get(c.URL + "/_cluster/health"); err == nil {
		resp.Body.Close()
		t.Error("a client that does not know the authority trusts the certificate")
	}
}

func want(t *testing.T, c *elastictest.Cluster, method, path, body string, status int) {
	t.Helper()
	req, err := http.NewRequest(method, c.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.Username != "" {
		req.SetBasicAuth(c.Username, c.Password)
	}
	client, err := c.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != status {
		t.Errorf("%s %s as %q: %s; want %d", method, path, c.Username, resp.Status, status)
	}
}
