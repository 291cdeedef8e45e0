package load_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/node"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/test/harness"
)

// rig is an all-in-one with its Elasticsearch, and what is needed to watch both.
type rig struct {
	up      *harness.Instance
	elastic *elastic.Client
	machine machine
	node    int // process id of Elasticsearch; 0: none
	runs    int
	client  *http.Client
}

func startRig(b *testing.B, env ...string) *rig {
	b.Helper()
	o := upOptions(b)
	o.Env = append(o.Env, env...)
	i := harness.Up(b, o)
	n, running := node.Running(filepath.Join(i.State, "elasticsearch"))
	if !running || n.PID() == 0 {
		b.Skip("the processor time of an Elasticsearch in a container cannot be read")
	}
	return newRig(b, i, n.PID())
}

// startRigOn starts an all-in-one on what is at url: an Elasticsearch with this process id, or, with 0, a fake sink.
func startRigOn(b *testing.B, url string, pid int, env ...string) *rig {
	b.Helper()
	o := upOptions(b)
	o.Args, o.Env = []string{"--elasticsearch", url}, append(o.Env, env...)
	return newRig(b, harness.Up(b, o), pid)
}

func newRig(b *testing.B, i *harness.Instance, pid int) *rig {
	b.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	return &rig{up: i, elastic: harness.Elastic(b, i.ElasticsearchURL), machine: openMachine(b), node: pid, client: &http.Client{Transport: transport}}
}

// upOptions are those of every all-in-one that is measured.
func upOptions(b *testing.B) (o harness.Options) {
	b.Helper()
	if profiled() != "" {
		o.Env = append(o.Env, "ADMIN_PROFILES=true")
	}
	if dir := places(b); dir != "" {
		o.Env = append(o.Env, "ENRICHER_GEOIP="+dir)
	}
	return o
}

// within is the memory limit of a container with so many MiB, as the all-in-one takes it: by GOMEMLIMIT. No cgroup limits
// it: one cannot be made by a benchmark.
func within(mebibytes int) string {
	return fmt.Sprintf("GOMEMLIMIT=%dMiB", mebibytes-max(mebibytes/10, 40))
}

// places is the folder with the database of places that `make geoip` gets, empty where it is not there.
func places(b *testing.B) string {
	b.Helper()
	dir := filepath.Join(harness.Root(b), ".sluice", "geoip")
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

// scale is the rig's Elasticsearch by itself.
func (r *rig) scale() *scale {
	return &scale{url: r.up.ElasticsearchURL, pid: r.node, client: *r.client}
}

func (r *rig) now(b *testing.B) spent {
	b.Helper()
	return r.machine.now(b, r.up.PID, r.node)
}

// endpoint makes an endpoint with a namespace, and so an index, of its own.
func (r *rig) endpoint(b *testing.B) (url, token, namespace string) {
	b.Helper()
	r.runs++
	namespace = fmt.Sprintf("load%d", r.runs)
	out, errs, code := r.up.Command("endpoint", "create", "--json", "--name", namespace, "--namespace", namespace)
	var made struct {
		Form struct {
			URL   string `json:"payload_url"`
			Token string `json:"authorization_token"`
		} `json:"form"`
	}
	if err := json.Unmarshal([]byte(out), &made); code != 0 || err != nil {
		b.Fatalf("endpoint create: %d %v %s", code, err, errs)
	}
	return made.Form.URL, made.Form.Token, namespace
}

// deliveries are bodies ready to be sent: making events is not what is measured.
func (r *rig) deliveries(n, batch int) [][]byte {
	r.runs++
	return deliveriesOf(r.runs, n, batch)
}

// deliveriesOf are those of a tenant of this number.
func deliveriesOf(number, n, batch int) [][]byte {
	seed := uint64(time.Now().UnixNano())
	tenant := simulator.NewTenant(simulator.TenantOptions{
		Seed: seed, Name: fmt.Sprintf("load-%d", number), Start: time.Now().Add(-time.Hour), Step: time.Millisecond,
	})
	all := make([][]byte, 0, n/batch+1)
	for made := 0; made < n; {
		var body bytes.Buffer
		for range min(batch, n-made) {
			body.Write(tenant.Next().JSON)
			body.WriteByte('\n')
			made++
		}
		all = append(all, body.Bytes())
	}
	return all
}

// pipeline sends n fresh events and waits until all are searchable. While it waits it asks Sluice, not Elasticsearch, and
// refreshes once at the end, as the direct load does.
func (r *rig) pipeline(b *testing.B, n, batch, inFlight int) stretch {
	b.Helper()
	url, token, namespace := r.endpoint(b)
	bodies := r.deliveries(n, batch)
	before := r.indexed(b)
	peak, start, begin := r.machine.watchMemory(b, r.up.PID), r.now(b), time.Now()
	profiles := r.profile(b)
	latencies, err := postAll(url, token, bodies, inFlight)
	if err != nil {
		b.Fatal(err)
	}
	s := stretch{events: n, acked: time.Since(begin), p99: part(latencies, 0.99)}
	r.awaitIndexed(b, before, n)
	if err := r.elastic.Refresh(b.Context(), period.Alias(namespace)); err != nil {
		b.Fatal(err)
	}
	s.took = time.Since(begin)
	s.spent, s.memory = r.now(b).minus(start), peak()
	s.shares = profiles()
	if found, err := r.elastic.Count(b.Context(), period.Alias(namespace), nil); err != nil || int(found) != n {
		b.Fatalf("%d events were acknowledged and %d are searchable: %v", n, found, err)
	}
	r.drop(b, namespace)
	return s
}

// awaitIndexed waits for n documents more than before. It looks seldom until the last tenth: to be asked takes processor time
// that would count as Sluice's.
func (r *rig) awaitIndexed(b *testing.B, before, n int) {
	b.Helper()
	wait, end := time.Second, time.Now().Add(10*time.Minute)
	for done := r.indexed(b) - before; done < n; done = r.indexed(b) - before {
		if time.Now().After(end) {
			b.Fatalf("%d of %d events were indexed within ten minutes", done, n)
		}
		if done > n*9/10 {
			wait = 200 * time.Millisecond
		}
		<-time.After(wait)
	}
}

// indexed is how many documents the indexer says are in Elasticsearch.
func (r *rig) indexed(b *testing.B) int {
	b.Helper()
	return int(r.metric(b, `sluice_indexer_documents_total{verdict="indexed"}`))
}

// metric is a figure of Sluice's own; one that is not there yet is zero.
func (r *rig) metric(b *testing.B, name string) float64 {
	b.Helper()
	return scrape(b, r.client, r.up.AdminURL, name)
}

// scrape reads a figure from an admin address; one that is not there yet is zero.
func scrape(b *testing.B, client *http.Client, admin, name string) float64 {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, admin+"/metrics", nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "identity") // to compress the page would count as Sluice's work
	res, err := client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	_, rest, found := bytes.Cut(raw, []byte("\n"+name+" "))
	if !found {
		return 0
	}
	var value float64
	if _, err := fmt.Sscan(string(rest[:min(len(rest), 40)]), &value); err != nil {
		b.Fatalf("%s: %v", name, err)
	}
	return value
}

// drop deletes what a round has made, so that rounds do not weigh on one another.
func (r *rig) drop(b *testing.B, namespace string) {
	b.Helper()
	indices, err := r.elastic.Indices(b.Context(), namespace)
	if err != nil {
		b.Fatal(err)
	}
	for _, index := range indices {
		if err := r.elastic.DeleteIndex(b.Context(), index); err != nil {
			b.Fatal(err)
		}
	}
}
