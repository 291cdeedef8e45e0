package fault_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sluicelog/sluice/shared/period"
)

// elasticFaults are what Elasticsearch refuses, and why.
func elasticFaults() []*fault {
	return []*fault{
		{name: "elasticsearch-rejects", does: "a write queue of four places is filled by others: 429", own: true, strike: rejects},
		{name: "index-read-only", does: "index.blocks.write on the index: 403 for each document", hold: 5 * time.Second, strike: indexReadOnly},
		{name: "cluster-read-only", does: "the cluster is set read-only: 403", own: true, hold: 6 * time.Second, strike: clusterReadOnly},
		{name: "disk-watermark", does: "the flood stage of the disk is reached, so that Elasticsearch blocks writes by itself: 429", own: true, strike: floodStage},
		{name: "index-closed", does: "the index is closed: 400", hold: 5 * time.Second, strike: indexClosed},
		{name: "index-red", does: "the index's primary shard is assigned to no node: red; 503 or no answer at all", own: true, hold: 5 * time.Second, strike: indexRed},
		{name: "credentials-revoked", does: "the indexer's user is removed and comes back: 401", own: true, strike: credentialsRevoked},
		{name: "privileges-revoked", does: "the indexer's role may only read for a while: 403", own: true, strike: privilegesRevoked},
		{name: "mapping-conflict", does: "the index was made by hand with user.email as a number: documents with an address are refused for ever", once: true, deadly: noNumber, prepare: conflictingIndex, strike: mappingConflict},
		{name: "template-foreign", does: "somebody else's template has the name of ours: the indexer must not write without mapping", once: true, prepare: foreignTemplate, strike: templateForeign},
	}
}

// index is a pattern of the indices of the run.
func (x *trial) index() string { return period.Alias(x.namespace) + "-*" }

// retried waits until an indexer counted retries for a reason, and notes it.
func (x *trial) retried(reason string, before float64, limit time.Duration) error {
	series := `sluice_indexer_retries_total{reason="` + reason + `"}`
	return within(limit, "retries of the indexer for "+reason, func() error {
		n := x.counted(series) - before
		if n < 1 {
			return errors.New("none so far")
		}
		x.saw("indexer retries for %s: %.0f", reason, n)
		return nil
	})
}

func (x *trial) counted(series string) (sum float64) {
	for _, s := range x.members("indexer") {
		sum += x.metric(s.name, series)
	}
	return sum
}

func retriesFor(reason string) string { return `sluice_indexer_retries_total{reason="` + reason + `"}` }

// rejects fills the write queue from outside until an indexer was rejected a few times.
func rejects(x *trial) (func() error, error) {
	var group sync.WaitGroup
	stop, before := make(chan struct{}), x.counted(retriesFor("rejected"))
	body := strings.Repeat(`{"index":{}}`+"\n"+`{"noise":"`+strings.Repeat("x", 200)+`"}`+"\n", 2000)
	var mu sync.Mutex
	refused := 0
	for range 24 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				status, answer, err := x.call(x.ctx, x.admin, http.MethodPost, "/sluice-fault-noise/_bulk?filter_path=items.*.status", body)
				if err == nil && (status == http.StatusTooManyRequests || strings.Contains(answer, `"status":429`)) {
					mu.Lock()
					refused++
					mu.Unlock()
				}
			}
		})
	}
	err := x.retried("rejected", before, 45*time.Second)
	if err == nil {
		x.pause(x.about(2 * time.Second))
	}
	close(stop)
	group.Wait()
	x.saw("429 for others: %d", refused)
	_, delErr := x.do(x.ctx, http.MethodDelete, "/sluice-fault-noise", "")
	return nil, errors.Join(err, delErr)
}

// setting puts index settings and says what Elasticsearch has then.
func (x *trial) setting(name string, value string) error {
	_, err := x.do(x.ctx, http.MethodPut, "/"+x.index()+"/_settings", fmt.Sprintf(`{%q:%s}`, name, value))
	return err
}

func indexReadOnly(x *trial) (func() error, error) {
	before := x.counted(retriesFor("forbidden"))
	if err := x.setting("index.blocks.write", "true"); err != nil {
		return nil, err
	}
	return func() error { return x.setting("index.blocks.write", "null") }, x.retried("forbidden", before, 20*time.Second)
}

func clusterReadOnly(x *trial) (func() error, error) {
	before := x.counted(retriesFor("forbidden"))
	set := func(value string) error {
		_, err := x.do(x.ctx, http.MethodPut, "/_cluster/settings", `{"persistent":{"cluster.blocks.read_only":`+value+`}}`)
		return err
	}
	if err := set("true"); err != nil {
		return nil, err
	}
	return func() error { return set("null") }, x.retried("forbidden", before, 20*time.Second)
}

func floodStage(x *trial) (func() error, error) {
	before := x.counted(retriesFor("rejected"))
	set := func(value string) error {
		var all []string
		for _, name := range []string{"low", "high", "flood_stage"} {
			all = append(all, `"cluster.routing.allocation.disk.watermark.`+name+`":`+value)
		}
		_, err := x.do(x.ctx, http.MethodPut, "/_cluster/settings", `{"persistent":{`+strings.Join(all, ",")+`}}`)
		return err
	}
	if err := set(`"1000tb"`); err != nil {
		return nil, err
	}
	return func() error { return set("null") }, x.retried("rejected", before, 60*time.Second)
}

// names are the indices of the load, separated by commas: wildcards may not be closed by default.
func (x *trial) names() (string, error) {
	answer, err := x.do(x.ctx, http.MethodGet, "/_cat/indices/"+x.index()+"?h=index&expand_wildcards=all", "")
	names := strings.Join(strings.Fields(answer), ",")
	if err == nil && names == "" {
		err = fmt.Errorf("there is no index %s yet", x.index())
	}
	return names, err
}

func indexClosed(x *trial) (func() error, error) {
	before := x.counted(retriesFor("bad_request"))
	names, err := x.names()
	if err != nil {
		return nil, err
	}
	if _, err := x.do(x.ctx, http.MethodPost, "/"+names+"/_close", ""); err != nil {
		return nil, err
	}
	return func() error {
		_, err := x.do(x.ctx, http.MethodPost, "/"+names+"/_open", "")
		return err
	}, x.retried("bad_request", before, 20*time.Second)
}

// indexRed closes the index and opens it again while no shard may be assigned.
func indexRed(x *trial) (func() error, error) {
	names, err := x.names()
	if err != nil {
		return nil, err
	}
	allow := func(value string) error {
		_, err := x.do(x.ctx, http.MethodPut, "/_cluster/settings", `{"persistent":{"cluster.routing.allocation.enable":`+value+`}}`)
		return err
	}
	before := x.counted("sluice_indexer_retries_total")
	heal := func() error { return allow("null") }
	if err := allow(`"none"`); err != nil {
		return nil, err
	}
	for _, call := range []string{"/_close?wait_for_active_shards=0", "/_open?wait_for_active_shards=0"} {
		if _, err := x.do(x.ctx, http.MethodPost, "/"+names+call, ""); err != nil {
			return heal, err
		}
	}
	health, err := x.do(x.ctx, http.MethodGet, "/_cat/indices/"+names+"?h=health", "")
	if err != nil {
		return heal, err
	}
	if !strings.Contains(health, "red") {
		return heal, fmt.Errorf("the index is %s and not red", strings.TrimSpace(health))
	}
	x.saw("the index is red")
	// Elasticsearch waits for the shard; the indexer may be the first to lose patience.
	return heal, within(100*time.Second, "retries of the indexer", func() error {
		if x.counted("sluice_indexer_retries_total") <= before {
			return errors.New("none so far")
		}
		return nil
	})
}

// revoked rewrites users and roles and waits until the indexer feels it.
func (x *trial) revoked(withWriter bool, role, reason string) (func() error, error) {
	before := x.counted(retriesFor(reason))
	if err := x.rewriteRealm(withWriter, role); err != nil {
		return nil, err
	}
	return func() error { return x.rewriteRealm(true, writerRole) }, x.retried(reason, before, 30*time.Second)
}

func credentialsRevoked(x *trial) (func() error, error) {
	return x.revoked(false, writerRole, "unauthorized")
}

func privilegesRevoked(x *trial) (func() error, error) {
	return x.revoked(true, readerRole, "forbidden")
}

// conflictingIndex makes the indices of the days that the load's events are of, with one field of another type.
func conflictingIndex(x *trial) error {
	for _, at := range []time.Time{time.Now().Add(-time.Hour), time.Now()} {
		index := period.Index(x.namespace, period.Daily().Name(at.UTC()))
		status, answer, err := x.call(x.ctx, x.admin, http.MethodPut, "/"+index, `{"mappings":{"properties":{"user":{"properties":{"email":{"type":"long"}}}}}}`)
		if err != nil || status > 299 && !strings.Contains(answer, "resource_already_exists") {
			return fmt.Errorf("making %s: %d %s %w", index, status, answer, err)
		}
	}
	return nil
}

func mappingConflict(x *trial) (func() error, error) {
	return nil, within(20*time.Second, "documents that Elasticsearch refuses for ever", func() error {
		n := x.counted("sluice_indexer_dead_lettered_total")
		if n < 1 {
			return errors.New("none so far")
		}
		x.saw("documents refused for ever so far: %.0f", n)
		return nil
	})
}

// foreignTemplate replaces the namespace's template by one that is not ours.
func foreignTemplate(x *trial) error {
	_, err := x.do(x.ctx, http.MethodPut, "/_index_template/sluice-"+period.Alias(x.namespace), `{"index_patterns":["`+x.index()+`"],"priority":500}`)
	return err
}

func templateForeign(x *trial) (func() error, error) {
	lies := func() error {
		n, err := x.client.Count(x.ctx, x.index(), nil)
		if err == nil && n > 0 {
			err = fmt.Errorf("%d documents were written without our mapping", n)
		}
		return err
	}
	x.pause(x.about(3 * time.Second))
	if err := lies(); err != nil {
		return nil, err
	}
	p, err := x.conn.Overall(x.ctx, "DOCUMENTS", "indexer-"+x.namespace)
	if err != nil {
		return nil, err
	}
	if p.Waiting+uint64(p.InFlight) == 0 {
		return nil, errors.New("nothing waits for the template")
	}
	x.saw("0 documents written, %d messages wait", p.Waiting+uint64(p.InFlight))
	_, err = x.do(x.ctx, http.MethodDelete, "/_index_template/sluice-"+period.Alias(x.namespace), "")
	return nil, err
}
