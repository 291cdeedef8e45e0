package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/leaktest"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream/embedded"
	"github.com/sluicelog/sluice/test/harness"
)

// TestWithSecurityOn shares one Elasticsearch with TLS, users and the roles as `sluice setup --print-roles` prints them.
func TestWithSecurityOn(t *testing.T) {
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	file, errs, code := harness.Run(t, nil, harness.Binary(t, "sluice"), "setup", "--print-roles")
	if code != 0 {
		t.Fatalf("setup --print-roles: %d %s", code, errs)
	}
	s := &secured{passwords: map[string]string{}}
	var accounts []elastictest.Account
	account := func(name, own string, roles ...string) {
		s.passwords[name] = leaktest.Secret()
		accounts = append(accounts, elastictest.Account{Name: name, Password: s.passwords[name], Role: own, Roles: roles})
	}
	for _, role := range elastic.Roles() {
		account(user(role.Name), "", role.Name)
		for lacking, body := range lesser(t, role.Body) {
			account(user(role.Name)+"-without-"+lacking, body)
		}
	}
	s.Cluster = elastictest.StartSecuredWith(t, []byte(file), accounts...)
	t.Run("the all-in-one works as superuser", func(t *testing.T) { upAsSuperuser(t, s.Cluster) })
	t.Run("every service works with its own role", s.pipeline)
	t.Run("each role may do its work and nothing else", s.attempts)
	t.Run("no privilege can be spared", s.spare)
	t.Run("roles that cannot be stored are explained", s.notStored)
}

// secured is a node with a user for each role.
type secured struct {
	*elastictest.Cluster
	passwords map[string]string
}

// user is the user of a role.
func user(role string) string { return strings.TrimPrefix(role, "sluice_") }

// lesser is a role without one of its privileges, for each of them.
func lesser(t *testing.T, body []byte) map[string]string {
	t.Helper()
	type grant struct {
		Names      []string `json:"names"`
		Privileges []string `json:"privileges"`
	}
	type role struct {
		Cluster []string `json:"cluster"`
		Indices []grant  `json:"indices"`
	}
	read := func() (r role) {
		if err := json.Unmarshal(body, &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	all := map[string]string{}
	put := func(name string, r role) {
		raw, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(raw)
	}
	for i, name := range read().Cluster {
		r := read()
		r.Cluster = slices.Delete(r.Cluster, i, i+1)
		put("cluster-"+name, r)
	}
	for i, g := range read().Indices {
		for k, name := range g.Privileges {
			r := read()
			if r.Indices[i].Privileges = slices.Delete(r.Indices[i].Privileges, k, k+1); len(r.Indices[i].Privileges) == 0 {
				r.Indices = slices.Delete(r.Indices, i, i+1)
			}
			put(name, r)
		}
	}
	return all
}

// env is how a program logs in as a user.
func (s *secured) env(t *testing.T, name string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(s.passwords[name]), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"ELASTICSEARCH_URL=" + s.URL, "ELASTICSEARCH_CA_FILE=" + s.CAFile, "ELASTICSEARCH_USERNAME=" + name, "ELASTICSEARCH_PASSWORD_FILE=" + file}
}

// open is the client of a user; the superuser's for an empty name.
func (s *secured) open(t *testing.T, name string) *elastic.Client {
	t.Helper()
	password := s.passwords[name]
	if name == "" {
		name, password = s.Username, s.Password
	}
	c, err := elastic.Open(elastic.Config{
		ElasticsearchURL: config.URL(s.URL), ElasticsearchUsername: name, ElasticsearchPassword: config.Secret(password), ElasticsearchCAFile: s.CAFile,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// pipeline runs everything as processes, each as the user of its role.
func (s *secured) pipeline(t *testing.T) {
	ns := s.Namespace(t)
	nats, err := embedded.Start(t.Context(), embedded.Options{Dir: harness.Dir(t), MaxStore: 16 << 30, Monitor: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nats.Stop(context.Background()) })
	common := []string{"NATS_URL=" + nats.URL(), "NATS_MONITOR_URLS=" + nats.MonitorURL(), "ADMIN_LISTEN=127.0.0.1:0", "RECEIVER_LISTEN=127.0.0.1:0", "LOG_FORMAT=json", "LOG_LEVEL=info"}
	sluice := harness.Binary(t, "sluice")
	as := func(name string) []string { return slices.Concat(common, s.env(t, name)) }
	must := func(who string, args ...string) string {
		t.Helper()
		out, errs, code := harness.Run(t, as(who), sluice, args...)
		if code != 0 {
			t.Errorf("%s as %s: exit %d\n%s%s", strings.Join(args, " "), who, code, out, errs)
		}
		return out
	}
	first := must("setup", "setup", "--namespace", ns)
	if !strings.Contains(first, "created") {
		t.Errorf("setup printed\n%s", first)
	}
	tokenFile := filepath.Join(harness.Dir(t), "token")
	token := endpoint.NewToken()
	if err := os.WriteFile(tokenFile, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	id := strings.ReplaceAll(ns, "_", "-")
	must("setup", "endpoint", "create", "--id", id, "--name", "secured", "--namespace", ns, "--token-file", tokenFile)
	// Without its template the indexer waits and says what is missing.
	if _, err := s.open(t, "").RemoveTemplate(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	receiver := start(t, common, harness.Binary(t, "receiver"))
	start(t, common, harness.Binary(t, "enricher"))
	indexer := start(t, as("indexer"), harness.Binary(t, "indexer"))
	harness.Await(t, 30*time.Second, "a receiver that listens", func() bool { return receiver.address() != "" })
	send := func(events []simulator.Event) {
		log, err := simulator.NewStream(simulator.StreamOptions{URL: "http://" + receiver.address() + "/v1/endpoints/" + id, Authorization: token, Batch: 50, Concurrency: 2})
		if err != nil {
			t.Fatal(err)
		}
		if report, err := log.Run(t.Context(), simulator.FromSlice(events)); err != nil || report.Acked != len(events) {
			t.Fatalf("%v %+v", err, report)
		}
	}
	source := tenant(t)
	events := take(source, 500)
	send(events)
	harness.Await(t, time.Minute, "an alarm for the missing template", func() bool {
		text := harness.Tail(indexer.log, 1<<20)
		return strings.Contains(text, `"level":"ERROR"`) && strings.Contains(text, "the index template is missing") && strings.Contains(text, "sluice setup")
	})
	must("setup", "setup")
	harness.Await(t, time.Minute, "all events", func() bool {
		n, err := s.open(t, "reader").Count(t.Context(), period.Alias(ns), nil)
		return err == nil && n == int64(len(events))
	})
	for _, args := range [][]string{
		{"search", "--namespace", ns, "--json"},
		{"search", "--namespace", ns, "--by", "event.code"},
		{"search", "--namespace", "all", "--histogram"},
		{"explain", "--namespace", ns, "--log-id", events[0].LogID},
		{"endpoint", "verify", id},
	} {
		must("reader", args...)
	}
	must("operator", "doctor")
	if out := must("reader", "ledger", "--json"); !strings.Contains(out, fmt.Sprintf(`"searchable": %d`, len(events))) {
		t.Errorf("the ledger says\n%s", out)
	}
	tailed := make(chan string)
	go func() { tailed <- must("reader", "tail", "--namespace", ns, "-n", "0", "--until-count", "1", "--json") }()
	harness.Await(t, time.Minute, "tail shows a new event", func() bool {
		send(take(source, 1)) // one that comes before tail has begun is an old one
		select {
		case out := <-tailed:
			return strings.Contains(out, "event")
		default:
			return false
		}
	})
	if text := harness.Tail(indexer.log, 1<<20); strings.Contains(text, "is not as this indexer would write it") {
		t.Error("a template that setup wrote with the same settings is called different")
	}
}

// caller asks Elasticsearch as one user.
type caller struct {
	*secured
	t         *testing.T
	client    *http.Client
	name      string
	namespace string
	number    int // of this caller: what it makes or deletes is its own
}

// do returns the status of an answer; of a bulk, the one of its item.
func (c *caller) do(method, path, body string) int {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.URL+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.name == "" {
		req.SetBasicAuth(c.Username, c.Password)
	} else {
		req.SetBasicAuth(c.name, c.passwords[c.name])
	}
	res, err := c.client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Items []map[string]struct {
			Status int `json:"status"`
		} `json:"items"`
	}
	_ = json.NewDecoder(res.Body).Decode(&answer) // an answer without items has none
	for _, item := range answer.Items {
		for _, one := range item {
			return one.Status
		}
	}
	return res.StatusCode
}

// attempt is one thing to try; who may do it is listed, everybody else must be refused.
type attempt struct {
	what, may, method, path, body string
}

// attemptsOn are the attempts of a caller: INDEX holds document "there", MINE is an index of the caller's own.
func attemptsOn() []attempt {
	create := func(index string) string { return `{"create":{"_index":"` + index + `","_id":"NUMBER"}}` + "\n{}\n" }
	return []attempt{
		{"see the cluster's health", "setup indexer operator retention", "GET", "/_cluster/health", ""},
		{"read an index template", "setup indexer operator retention", "GET", "/_index_template/sluice-ALIAS", ""},
		{"write an index template", "setup", "PUT", "/_index_template/sluice-ALIAS_NUMBER", `{"index_patterns":["ALIAS_NUMBER-*"]}`},
		{"remove an index template", "setup", "DELETE", "/_index_template/sluice-ALIAS_NUMBER", ""},
		{"see which names are taken", "setup reader operator retention", "GET", "/_resolve/index/ALIAS", ""},
		{"see the alias of an index", "setup retention", "GET", "/INDEX/_alias", ""},
		{"make the index of a period", "indexer", "PUT", "/ALIAS-1999.01.0NUMBER", ""},
		{"make an index under the alias' name", "", "PUT", "/ALIAS_NUMBER", ""},
		{"make an index with another alias", "", "PUT", "/ALIAS-1998.01.0NUMBER", `{"aliases":{"foreign":{}}}`},
		{"make an index of somebody else's name", "", "PUT", "/logs-other-NUMBER", ""},
		{"give an index an alias", "", "POST", "/_aliases", `{"actions":[{"add":{"index":"INDEX","alias":"foreign"}}]}`},
		{"add a document", "indexer", "POST", "/_bulk", create("INDEX")},
		{"add a document to somebody else's index", "", "POST", "/_bulk", create("FOREIGN")},
		{"overwrite a document", "", "POST", "/_bulk", `{"index":{"_index":"INDEX","_id":"there"}}` + "\n{}\n"},
		{"change a document", "", "POST", "/_bulk", `{"update":{"_index":"INDEX","_id":"there"}}` + "\n" + `{"doc":{"a":1}}` + "\n"},
		{"delete a document", "", "POST", "/_bulk", `{"delete":{"_index":"INDEX","_id":"there"}}` + "\n"},
		{"read a document", "reader operator", "GET", "/INDEX/_doc/there", ""},
		{"search through the alias", "reader operator", "POST", "/ALIAS/_search", "{}"},
		{"ask for fields", "setup reader operator retention", "GET", "/ALIAS/_field_caps?fields=*", ""},
		{"search somebody else's index", "", "POST", "/FOREIGN/_search", "{}"},
		{"refresh", "operator", "POST", "/INDEX/_refresh", ""},
		{"change settings of an index", "", "PUT", "/INDEX/_settings", `{"index":{"refresh_interval":"9s"}}`},
		{"close an index", "", "POST", "/INDEX/_close", ""},
		// Elasticsearch lets everyone who may add documents to an index also add fields; none can be changed.
		{"add a field to the mapping", "indexer", "PUT", "/INDEX/_mapping", `{"properties":{"added_NUMBER":{"type":"keyword"}}}`},
		{"delete an index", "retention", "DELETE", "/MINE", ""},
		{"delete what the alias stands for", "", "DELETE", "/ALIAS", ""},
		{"delete somebody else's index", "", "DELETE", "/FOREIGN", ""},
		{"change settings of the cluster", "", "PUT", "/_cluster/settings", `{"transient":{"action.destructive_requires_name":true}}`},
		{"read roles", "", "GET", "/_security/role", ""},
		{"write a role", "", "PUT", "/_security/role/mine", `{"cluster":["all"]}`},
		{"make a user", "", "PUT", "/_security/user/mine", `{"password":"abcdefgh","roles":["superuser"]}`},
		{"make a repository for snapshots", "", "PUT", "/_snapshot/mine", `{"type":"fs","settings":{"location":"/tmp"}}`},
	}
}

func (s *secured) attempts(t *testing.T) {
	ns := s.Namespace(t)
	client, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	admin := &caller{secured: s, t: t, client: client, namespace: ns}
	if _, err := s.open(t, "setup").SetupNamespace(t.Context(), ns, elastic.Index{}); err != nil {
		t.Fatal(err)
	}
	foreign := "foreign-" + strings.ToLower(rand.Text()[:8])
	t.Cleanup(func() {
		for _, name := range []string{foreign, "logs-other-1", "logs-other-2", "logs-other-3", "logs-other-4", "logs-other-5"} {
			if err := s.open(t, "").DeleteIndex(context.Background(), name); err != nil {
				t.Error(err)
			}
		}
	})
	must := func(method, path, body string) {
		t.Helper()
		if status := admin.do(method, path, body); status > 299 {
			t.Fatalf("%s %s: %d", method, path, status)
		}
	}
	index := period.Index(ns, "2026.11.23")
	must("PUT", "/"+index, "")
	must("PUT", "/"+index+"/_doc/there?refresh=true", "{}")
	must("PUT", "/"+foreign, "")
	tried := 0
	for number, role := range elastic.Roles() {
		c := &caller{secured: s, t: t, client: client, namespace: ns, name: user(role.Name), number: number + 1}
		mine := period.Index(ns, fmt.Sprintf("2026.10.0%d", c.number))
		must("PUT", "/"+mine, "")
		names := strings.NewReplacer("INDEX", index, "ALIAS", period.Alias(ns), "MINE", mine, "FOREIGN", foreign, "NUMBER", strconv.Itoa(c.number))
		for _, a := range attemptsOn() {
			tried++
			status := c.do(a.method, names.Replace(a.path), names.Replace(a.body))
			may := slices.Contains(strings.Fields(a.may), c.name)
			if may && status > 299 || !may && status != http.StatusForbidden {
				t.Errorf("%s tries to %s: %d, allowed is %v", c.name, a.what, status, may)
			}
		}
	}
	t.Logf("%d attempts", tried)
}

// spare shows that no privilege can be left out: without each of them the product's own requests are refused.
func (s *secured) spare(t *testing.T) {
	ns := s.Namespace(t)
	if _, err := s.open(t, "setup").SetupNamespace(t.Context(), ns, elastic.Index{}); err != nil {
		t.Fatal(err)
	}
	number := 0
	work := map[string]func(c *elastic.Client) error{
		"setup": func(c *elastic.Client) error {
			if err := c.Ready(t.Context()); err != nil {
				return err
			}
			number++
			_, err := c.SetupNamespace(t.Context(), ns, elastic.Index{Refresh: fmt.Sprintf("%ds", number)})
			return err
		},
		"indexer": func(c *elastic.Client) error {
			if err := c.Ready(t.Context()); err != nil {
				return err
			}
			if _, err := c.Template(t.Context(), ns, elastic.Index{}); err != nil {
				return err
			}
			number++
			index := period.Index(ns, fmt.Sprintf("2026.10.%02d", number))
			if _, err := c.EnsureIndex(t.Context(), index); err != nil {
				return err
			}
			items, err := c.Bulk(t.Context(), fmt.Appendf(nil, `{"create":{"_index":%q,"_id":"a"}}`+"\n{}\n", index), 1)
			if err == nil && items[0].Status != http.StatusCreated {
				err = &elastic.Error{Status: items[0].Status}
			}
			return err
		},
		"reader": func(c *elastic.Client) error {
			_, err := c.Search(t.Context(), period.Alias(ns), map[string]any{"size": 1})
			return err
		},
		"operator": func(c *elastic.Client) error {
			if err := c.Ready(t.Context()); err != nil {
				return err
			}
			if err := c.Refresh(t.Context(), period.Alias(ns)); err != nil {
				return err
			}
			_, err := c.Search(t.Context(), period.Alias(ns), map[string]any{"size": 1})
			return err
		},
		"retention": func(c *elastic.Client) error {
			if err := c.Ready(t.Context()); err != nil {
				return err
			}
			if _, err := c.Sizes(t.Context(), ns); err != nil {
				return err
			}
			names, err := c.Indices(t.Context(), ns)
			if err != nil {
				return err
			}
			for _, name := range names {
				if err := c.DeleteIndex(t.Context(), name); err != nil {
					return err
				}
			}
			number++
			_, err = s.open(t, "indexer").EnsureIndex(t.Context(), period.Index(ns, fmt.Sprintf("2026.10.%02d", number)))
			return err
		},
	}
	for _, name := range slices.Sorted(maps.Keys(s.passwords)) {
		whose, lacking, less := strings.Cut(name, "-without-")
		err := work[whose](s.open(t, name))
		switch {
		case !less && err != nil:
			t.Errorf("%s cannot do its work: %v", name, err)
		case less && elastic.Status(err) != http.StatusForbidden:
			t.Errorf("%s can spare %s: %v", whose, lacking, err)
		}
	}
}

// notStored shows what setup --roles says where roles come from files only; this build of Elasticsearch cannot store any.
func (s *secured) notStored(t *testing.T) {
	nats, err := embedded.Start(t.Context(), embedded.Options{Dir: harness.Dir(t), MaxStore: 16 << 30, Monitor: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nats.Stop(context.Background()) })
	env := append(s.env(t, "setup"), "NATS_URL="+nats.URL(), "NATS_MONITOR_URLS="+nats.MonitorURL())
	_, errs, code := harness.Run(t, env, harness.Binary(t, "sluice"), "setup", "--roles")
	if code == 0 || !strings.Contains(errs, "manage_security") || !strings.Contains(errs, "roles.yml") {
		t.Errorf("as the user of setup: exit %d, %s", code, errs)
	}
	s.passwords[s.Username] = s.Password
	env = append(s.env(t, s.Username), "NATS_URL="+nats.URL(), "NATS_MONITOR_URLS="+nats.MonitorURL())
	_, errs, code = harness.Run(t, env, harness.Binary(t, "sluice"), "setup", "--roles")
	if code == 0 || !strings.Contains(errs, "roles.yml") || !strings.Contains(errs, "roles are not stored") {
		t.Errorf("as superuser: exit %d, %s", code, errs)
	}
}
