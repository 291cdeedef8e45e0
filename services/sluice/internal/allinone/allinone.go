// Package allinone runs the receiver, the enricher, the indexer and retention in one process, with a NATS server of their own on
// disk and, unless told of another, an Elasticsearch that belongs to the state folder.
package allinone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/sluicelog/sluice/services/enricher"
	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/services/receiver"
	"github.com/sluicelog/sluice/services/retention"
	"github.com/sluicelog/sluice/services/sluice/internal/state"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/node"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/lifecycle"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/program"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/embedded"
	"github.com/sluicelog/sluice/shared/telemetry"
)

// Namespace is where the first endpoint writes.
const Namespace = "default"

// Options say what `sluice up` was told.
type Options struct {
	Dir           state.Dir
	Listen        string // empty: the address of the last start, else a usual one, else a free one
	AdminListen   string
	Elasticsearch string // empty: the folder's own
	PublicURL     string
	Progress      func(step string)    // for people who wait
	Ready         func(state.Ready)    // called once, when everything answers
	NoElastic     func(reason string)  // called while Elasticsearch is awaited
	Telemetry     *telemetry.Telemetry // opened by the caller
}

// grace is the time for a clean stop, Elasticsearch included.
const grace = 9 * time.Second

// receiverGrace is the receiver's share of it: a slow upload must not cost the others theirs.
const receiverGrace = 3 * time.Second

// plant is the running whole.
type plant struct {
	Options
	secret   state.Credentials
	settings Settings
	memory   int64 // bytes that this process may take; 0: nobody limits it
	nats     *embedded.Server
	mu       sync.Mutex // guards node while it is watched
	node     *node.Node // nil when Elasticsearch is not the folder's own
	conn     *stream.Conn
	cluster  *elastic.Client
	receiver *receiver.Service
	group    lifecycle.Group
}

// Settings are those of all services and of the topology, from the environment.
type Settings struct {
	Receiver  receiver.Config
	Enricher  enricher.Config
	Indexer   indexer.Config
	Retention retention.Config
	Topology  stream.Topology
}

// LoadSettings reads the environment.
func LoadSettings() (Settings, error) {
	var s Settings
	err := errors.Join(
		config.Load("receiver", &s.Receiver), config.Load("enricher", &s.Enricher),
		config.Load("indexer", &s.Indexer), config.Load("retention", &s.Retention), config.Load("stream", &s.Topology),
	)
	return s, err
}

// Run starts everything, announces it, and runs until ctx ends; a clean stop takes less than ten seconds.
//
//	ctx ─▶ stop: announcement ─▶ receiver ─▶ enricher ─▶ indexer ─▶ retention ─▶ Elasticsearch (own) ─▶ NATS
func Run(ctx context.Context, o Options, settings Settings) (err error) {
	if settings.Enricher.Geoip == "" {
		settings.Enricher.Geoip = o.Dir.GeoIP()
	}
	p := &plant{Options: o, settings: settings, memory: program.KeepMemory(ctx, o.Telemetry.Log)}
	if err := o.Dir.Make(); err != nil {
		return err
	}
	release, err := o.Dir.Lock()
	if err != nil {
		return err
	}
	defer release()
	if err := o.Dir.RemoveReady(); err != nil { // left by a start that was killed
		return err
	}
	for _, step := range []func(context.Context) error{p.checkAddress, p.credentials, p.startStores, p.setUp, p.openServices} {
		if err := step(ctx); err != nil {
			return errors.Join(lifecycle.UnlessStopped(ctx, err), p.abandon(ctx))
		}
	}
	return p.group.Run(ctx, grace)
}

// abandon stops what a failed start left running.
func (p *plant) abandon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if p.conn != nil {
		p.conn.Close()
	}
	return errors.Join(p.stopNode(ctx), p.stopNATS(ctx))
}

func (p *plant) credentials(context.Context) (err error) {
	p.secret, err = p.Dir.LoadCredentials()
	return err
}

// startStores starts NATS and Elasticsearch side by side.
func (p *plant) startStores(ctx context.Context) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	found := make(chan error, 1)
	go func() { found <- p.findElasticsearch(ctx) }()
	err := p.startNATS(ctx)
	if err != nil {
		giveUp(err) // nobody needs an Elasticsearch now
	}
	if searched := <-found; err == nil {
		err = searched
	}
	return err
}

// setUp makes streams, buckets, the default namespace and the first endpoint; all of it may be there already.
func (p *plant) setUp(ctx context.Context) (err error) {
	if p.conn, err = stream.Open(ctx, "up", p.settings.Receiver.Stream, p.Telemetry.Log); err != nil {
		return err
	}
	if _, err := p.conn.Setup(ctx, p.settings.Topology); err != nil {
		return err
	}
	if _, err := p.conn.SetupNamespace(ctx, Namespace); err != nil {
		return err
	}
	registry, err := endpoint.Open(ctx, p.conn)
	if err != nil {
		return err
	}
	if err := p.firstEndpoint(ctx, registry); err != nil {
		return err
	}
	if err := p.setUpNamespaces(ctx, registry); err != nil {
		return err
	}
	p.cluster, err = elastic.Open(p.settings.Indexer.Elasticsearch)
	return err
}

// setUpNamespaces brings what an earlier build made for the known namespaces to this one. A record that cannot be read holds
// up nothing.
func (p *plant) setUpNamespaces(ctx context.Context, registry *endpoint.Registry) error {
	known, err := registry.Namespaces(ctx)
	if err != nil {
		p.Telemetry.Log.WarnContext(ctx, "the namespaces cannot be read, so it is not known whether their consumers are there", "error", err)
	}
	for _, n := range known {
		if _, err := p.conn.SetupNamespace(ctx, n.Name); err != nil {
			return err
		}
	}
	return nil
}

func (p *plant) firstEndpoint(ctx context.Context, registry *endpoint.Registry) error {
	known, err := registry.Get(ctx, p.secret.Endpoint)
	if errors.Is(err, endpoint.ErrUnknown) {
		_, err = registry.Create(ctx, endpoint.Endpoint{ID: p.secret.Endpoint, Name: "first", Namespace: Namespace}, p.secret.Token)
		return err
	}
	if err != nil {
		return err
	}
	if _, ok := known.Match(p.secret.Token, time.Now()); !ok {
		p.Telemetry.Log.WarnContext(ctx, "the first endpoint's token was rotated or revoked; the one in the state folder is no longer accepted", "endpoint", known.ID)
	}
	return nil
}

// openServices binds the public address and queues everything for the common start, in the order in which it stops
// backwards.
func (p *plant) openServices(ctx context.Context) (err error) {
	cfg := p.settings.Receiver
	cfg.Listen = p.address(ctx, cfg.Listen)
	cfg.Instance = "up"
	cfg.MaxInflight = p.bodies(cfg.Own)
	cfg.Grace, cfg.Linger = min(cfg.Grace, receiverGrace), 0 // the stores stop after it, in the same ten seconds
	if p.receiver, err = receiver.Open(ctx, cfg, p.Telemetry.For("receiver")); err != nil {
		return err
	}
	if err := p.rememberAddress(); err != nil {
		return err
	}
	p.group.Add("nats", nil, p.stopNATS)
	p.add("nats watch", p.watchNATS)
	p.group.Add("elasticsearch", nil, p.stopNode)
	p.add("elasticsearch watch", p.watchNode)
	p.group.Add("setup connection", nil, p.conn.Drain)
	p.group.Add("telemetry", p.Telemetry.Serve, p.Telemetry.Shutdown)
	p.add("retention", func(ctx context.Context) error {
		cfg := p.settings.Retention
		cfg.Elasticsearch = p.settings.Indexer.Elasticsearch
		return retention.Run(ctx, cfg, p.Telemetry.For("retention"))
	})
	p.add("indexer", func(ctx context.Context) error {
		return indexer.Run(ctx, p.settings.Indexer, p.Telemetry.For("indexer"))
	})
	p.add("enricher", func(ctx context.Context) error {
		return enricher.Run(ctx, p.settings.Enricher, p.Telemetry.For("enricher"))
	})
	p.add("receiver", p.receiver.Run)
	p.add("announcement", p.announce)
	return nil
}

// add queues a part that ends with its context.
func (p *plant) add(name string, run func(context.Context) error) {
	quit := make(chan struct{})
	p.group.Add(name, func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			select {
			case <-quit:
				cancel()
			case <-ctx.Done():
			}
		}()
		return run(ctx)
	}, func(context.Context) error { close(quit); return nil })
}

// announce writes ready.json once everything answers, and takes it back at the end.
func (p *plant) announce(ctx context.Context) error {
	if !p.await(ctx) {
		return nil
	}
	ready := p.ready()
	if err := p.Dir.WriteReady(ready); err != nil {
		return err
	}
	if p.Ready != nil {
		p.Ready(ready)
	}
	<-ctx.Done()
	return p.Dir.RemoveReady()
}

// await polls until all services are ready and the default namespace can be written; false when ctx ended first.
func (p *plant) await(ctx context.Context) bool {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for begin, said := time.Now(), time.Now(); ; {
		err := p.Telemetry.Ready(ctx)
		if err == nil {
			err = p.writable(ctx)
		}
		if err == nil {
			return true
		}
		if p.NoElastic != nil && time.Since(begin) > 3*time.Second && time.Since(said) > 5*time.Second {
			said = time.Now()
			p.NoElastic(err.Error())
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// writable reports whether the indexer has made the default namespace's template.
func (p *plant) writable(ctx context.Context) error {
	there, err := p.cluster.HasNamespace(ctx, Namespace)
	if err == nil && !there {
		err = errors.New("the index template is not written yet")
	}
	return err
}

func (p *plant) ready() state.Ready {
	local := cmp.Or(p.receiver.Base(), p.receiver.Scheme()+"://"+reachable(p.receiver.Addr())) // a certificate is for its name only
	base := cmp.Or(p.PublicURL, local)
	return state.Ready{
		PayloadURL: payloadURL(base, p.secret.Endpoint), Authorization: p.secret.Token, AdminURL: p.Telemetry.AdminURL(),
		NATSURL: p.nats.URL(), ElasticsearchURL: p.settings.Indexer.ElasticsearchURL.Reveal(), Index: period.Alias(Namespace),
		PID: os.Getpid(), Endpoint: p.secret.Endpoint, PublicURL: p.PublicURL, LocalURL: payloadURL(local, p.secret.Endpoint),
		Version: telemetry.Version(),
	}
}

func payloadURL(base, id string) string { return fmt.Sprintf("%s/v1/endpoints/%s", base, id) }
