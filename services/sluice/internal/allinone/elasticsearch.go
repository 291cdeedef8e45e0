package allinone

import (
	"context"
	"net"
	"net/url"
	"time"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic/node"
)

// findElasticsearch uses the one that was named, else the folder's own, which it starts when it does not run yet. One
// that was named and is the folder's own stays the folder's own.
func (p *plant) findElasticsearch(ctx context.Context) error {
	cfg := &p.settings.Indexer.Elasticsearch
	if p.Elasticsearch != "" {
		cfg.ElasticsearchURL = config.URL(p.Elasticsearch)
		if own, ok := node.Running(p.Dir.Elasticsearch()); ok && sameServer(own.URL(), p.Elasticsearch) { //nolint:contextcheck // it bounds itself
			p.node = own
		}
		return nil
	}
	own, err := p.ensureNode(ctx)
	if err != nil {
		return err
	}
	p.node = own
	cfg.ElasticsearchURL = config.URL(own.URL())
	return nil
}

func (p *plant) ensureNode(ctx context.Context) (*node.Node, error) {
	return node.Ensure(ctx, node.Options{Dir: p.Dir.Elasticsearch(), Log: p.Telemetry.Log, Progress: p.Progress})
}

// sameServer reports whether two addresses name the same server, however loopback is spelled.
func sameServer(a, b string) bool {
	canonical := func(address string) string {
		u, err := url.Parse(address)
		if err != nil {
			return address
		}
		host := u.Hostname()
		if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
			host = "loopback"
		}
		return u.Scheme + "://" + host + ":" + u.Port()
	}
	return canonical(a) == canonical(b)
}

// watchPeriod is how often the folder's own Elasticsearch is looked at.
const watchPeriod = 3 * time.Second

// watchNode starts the folder's own Elasticsearch again when it died. Deliveries are accepted all the while.
func (p *plant) watchNode(ctx context.Context) error {
	tick := time.NewTicker(watchPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if p.node == nil {
			continue
		}
		if _, running := node.Running(p.Dir.Elasticsearch()); running { //nolint:contextcheck // it bounds itself
			continue
		}
		p.Telemetry.Log.ErrorContext(ctx, "elasticsearch is gone; starting it again", "dir", p.Dir.Elasticsearch())
		again, err := p.ensureNode(ctx)
		if err != nil {
			if ctx.Err() == nil {
				p.Telemetry.Log.ErrorContext(ctx, "starting elasticsearch again", "error", err)
			}
			continue
		}
		if again.URL() != p.node.URL() {
			p.Telemetry.Log.ErrorContext(ctx, "elasticsearch came back at another address, because another program took its port; deliveries are accepted, and indexed after sluice was started again",
				"was", p.node.URL(), "is", again.URL())
			p.setNode(again)
			<-ctx.Done()
			return nil
		}
		p.setNode(again)
	}
}

// setNode replaces the node that a stop will end.
func (p *plant) setNode(n *node.Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.node = n
}

func (p *plant) stopNode(ctx context.Context) error {
	p.mu.Lock()
	own := p.node
	p.mu.Unlock()
	if own == nil {
		return nil
	}
	return own.Stop(ctx)
}
