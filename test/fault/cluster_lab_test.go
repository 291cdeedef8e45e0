package fault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/elastic/node"
	"github.com/sluicelog/sluice/test/harness"
)

// Numbers of each kind in a cluster.
const (
	natsServers  = 3
	elasticNodes = 3
	receivers    = 3
	enrichers    = 2
	indexers     = 3
)

// Ports of a host's programs.
const (
	elasticPort   = 9200
	transportPort = 9300
	receiverPort  = 8080
	adminPort     = 8081
)

// clusterLab is what all runs against a cluster share: the network, the Elasticsearch nodes and the programs.
type clusterLab struct {
	*lab
	site    *site
	nats    []*host
	elastic []*elasticNode
	crew    map[string]*host // of the services
	lasting *keeper          // of network and Elasticsearch; nil: they stay
}

// elasticNode is one Elasticsearch of the cluster.
type elasticNode struct {
	*host
	options node.Options
	node    *node.Node
}

// crewNames are the services of a cluster in the order in which they start.
func crewNames() []string {
	var names []string
	for _, kind := range []struct {
		name  string
		count int
	}{{"receiver", receivers}, {"enricher", enrichers}, {"indexer", indexers}} {
		for n := range kind.count {
			name := kind.name
			if n > 0 {
				name += "-" + strconv.Itoa(n+1)
			}
			names = append(names, name)
		}
	}
	return names
}

func newClusterLab(t *testing.T) *clusterLab {
	t.Helper()
	l := &clusterLab{lab: &lab{programs: map[string]string{}}, crew: map[string]*host{}}
	var err error
	if l.keeper, err = newKeeper(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.keeper.end)
	l.copyPrograms(t)
	number := os.Getpid()
	if l.lasting = l.keeper; options.stay != "" {
		l.lasting, number = nil, int(salt(options.stay)%1e6)
	}
	if l.site, err = newSite(l.lasting, number); err != nil {
		t.Fatal(err)
	}
	if options.stay == "" {
		t.Cleanup(l.site.end)
	}
	if err := l.addHosts(); err != nil {
		t.Fatal(err)
	}
	if err := l.startElastic(t); errors.Is(err, node.ErrUnavailable) && os.Getenv("CI") == "" {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	l.client, err = elastic.Open(elastic.Config{ElasticsearchURL: config.URL(l.urls())})
	if err != nil {
		t.Fatal(err)
	}
	l.url = l.elastic[0].url()
	return l
}

func (l *clusterLab) addHosts() error {
	var errs []error
	add := func(name string, number int) *host {
		h, err := l.site.add(name, number)
		errs = append(errs, err)
		return h
	}
	for n := range natsServers {
		l.nats = append(l.nats, add(fmt.Sprintf("nats-%d", n+1), n+1))
	}
	for n := range elasticNodes {
		l.elastic = append(l.elastic, &elasticNode{host: add(fmt.Sprintf("elastic-%d", n+1), n+11)})
	}
	for n, name := range crewNames() {
		l.crew[name] = add(name, n+21)
	}
	return errors.Join(errs...)
}

func (n *elasticNode) url() string { return address("http", n.ip, elasticPort) }

func (l *clusterLab) urls() string {
	var all []string
	for _, n := range l.elastic {
		all = append(all, n.url())
	}
	return strings.Join(all, ",")
}

// startElastic starts all nodes at once: none is ready before it has met another one.
func (l *clusterLab) startElastic(t *testing.T) error {
	t.Helper()
	var seeds []string
	for _, n := range l.elastic {
		seeds = append(seeds, fmt.Sprintf("%s:%d", n.inner, transportPort))
	}
	dir, name := options.stay, fmt.Sprintf("fault-%d", salt(options.stay))
	if options.stay == "" {
		dir, name = harness.Dir(t), fmt.Sprintf("fault-%d-%d", os.Getpid(), time.Now().UnixNano())
		t.Cleanup(func() {
			if err := l.stopElastic(); err != nil {
				t.Error(err)
			}
		})
	}
	for _, n := range l.elastic {
		n.options = node.Options{
			Dir: filepath.Join(dir, n.name), Heap: "512m", Prefer: node.KindMaven, Cluster: name, NetNamespace: n.netns, StartLimit: 10 * time.Minute,
			Files: map[string][]byte{elastictest.QuickFile: []byte(elastictest.QuickOptions)},
			Settings: map[string]string{
				"discovery.type": "multi-node", "discovery.seed_hosts": strings.Join(seeds, ","), "cluster.initial_master_nodes": strings.Join(seeds, ","),
				"http.host": n.ip, "http.port": strconv.Itoa(elasticPort), "transport.host": n.inner, "transport.port": strconv.Itoa(transportPort),
				"cluster.fault_detection.follower_check.timeout": "3s", "cluster.fault_detection.leader_check.timeout": "3s",
			},
		}
		l.lasting.tell("+", "elasticsearch", n.options.Dir)
	}
	return l.allUp(t.Context())
}

// allUp starts what does not run, all at once, and waits until every shard has its copies.
func (l *clusterLab) allUp(ctx context.Context) error {
	errs := make([]error, len(l.elastic))
	var group sync.WaitGroup
	for i, n := range l.elastic {
		group.Go(func() { errs[i] = n.start(ctx) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return l.green(ctx, 2*time.Minute)
}

func (n *elasticNode) start(ctx context.Context) error {
	started, err := node.Ensure(ctx, n.options)
	if err == nil {
		n.node = started
	}
	return err
}

func (l *clusterLab) stopElastic() error {
	var errs []error
	for _, n := range l.elastic {
		if n.node == nil {
			continue
		}
		_ = syscall.Kill(n.node.PID(), syscall.SIGCONT) // it may be frozen
		errs = append(errs, n.node.Stop(context.Background()))
		l.lasting.tell("-", "elasticsearch", n.options.Dir)
	}
	return errors.Join(errs...)
}

// green waits until all nodes are one cluster again and every shard has its copies.
func (l *clusterLab) green(ctx context.Context, limit time.Duration) error {
	return within(limit, "a green cluster of all nodes", func() error {
		for _, n := range l.elastic {
			h, err := n.health(ctx)
			if err != nil {
				return err
			}
			if h.Nodes != elasticNodes || h.Status != "green" {
				return fmt.Errorf("%s sees %d nodes and is %s", n.name, h.Nodes, h.Status)
			}
		}
		return nil
	})
}

// health is how a node sees the cluster.
func (n *elasticNode) health(ctx context.Context) (elastic.Health, error) {
	var h elastic.Health
	raw, err := n.ask(ctx, "/_cluster/health")
	if err == nil {
		err = json.Unmarshal(raw, &h)
	}
	return h, err
}

// ask reads a page of one node.
func (n *elasticNode) ask(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return get(ctx, n.url()+path)
}

// anyNode reads a page of whichever node answers.
func (l *clusterLab) anyNode(ctx context.Context, path string) (raw []byte, err error) {
	for _, n := range l.elastic {
		if raw, err = n.ask(ctx, path); err == nil {
			return raw, nil
		}
	}
	return nil, err
}

// mendAll brings network and nodes back, whatever a run that failed left behind.
func (l *clusterLab) mendAll(ctx context.Context) error {
	err := l.site.mend()
	for _, n := range l.elastic {
		if pid := n.node.PID(); pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGCONT) // gone or not, the next line says
		}
	}
	return errors.Join(err, l.allUp(ctx))
}

// get reads a page.
func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := readAll(res)
	if err == nil && res.StatusCode > 299 {
		err = fmt.Errorf("%s: %s: %.200s", url, res.Status, raw)
	}
	return raw, err
}
