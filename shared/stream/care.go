package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// care looks after a connection to a cluster: it asks the servers that were silent at the start whether they sync, and
// leaves a server that is alive but cut off from the others, which no ping would notice.
type care struct {
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu   sync.Mutex
	fail error // a server turned out to lose what it acknowledges
}

// How a server that is cut off is noticed: it or its cluster gives no answer about JetStream for so long. The election of
// a new leader is over sooner.
const (
	probePeriod = 2 * time.Second
	probeLimit  = 2 * time.Second
	deafTime    = 10 * time.Second
)

// startCare begins; silent are monitoring addresses that are still to be asked. Beside a server in this process there is
// no other one to go to.
func (c *Conn) startCare(ctx context.Context, cfg Config, silent []string) *care {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx)) // it ends with the connection
	k := &care{stop: stop}
	for _, url := range silent {
		c.log.WarnContext(ctx, "a NATS server does not say whether it syncs every write; most do, so we start and go on asking", "monitor", url)
		k.wg.Go(func() { c.askLater(ctx, cfg, k, url) })
	}
	if cfg.InProcess == nil {
		k.wg.Go(func() { c.leaveDeaf(ctx) })
	}
	return k
}

func (k *care) end() {
	if k != nil {
		k.stop()
		k.wg.Wait()
	}
}

// refuted is why nothing may be published any more, nil when all is well.
func (k *care) refuted() error {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fail
}

// askLater asks one server until it says whether it syncs.
func (c *Conn) askLater(ctx context.Context, cfg Config, k *care, url string) {
	for ctx.Err() == nil {
		always, err := cfg.Syncs(ctx, url)
		switch {
		case err != nil:
			continue // it has waited
		case always:
			c.log.InfoContext(ctx, "the NATS server that was silent syncs every write", "monitor", url)
			return
		}
		err = notDurable(url)
		k.mu.Lock()
		k.fail = err
		k.mu.Unlock()
		c.log.ErrorContext(ctx, "nothing is published any more", "error", err)
		return
	}
}

// leaveDeaf goes to another server when ours gives no answer about JetStream.
func (c *Conn) leaveDeaf(ctx context.Context) {
	tick := time.NewTicker(probePeriod)
	defer tick.Stop()
	var since time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !c.nc.IsConnected() || len(c.nc.Servers()) < 2 {
			since = time.Time{}
			continue
		}
		begin := time.Now()
		err := c.probe(ctx)
		switch {
		case err == nil:
			since = time.Time{}
		case since.IsZero():
			since = begin
		case time.Since(since) >= deafTime && ctx.Err() == nil:
			since = time.Time{}
			c.log.WarnContext(ctx, "the NATS server gives no answer about JetStream; trying another one", "server", c.nc.ConnectedAddr(), "error", err)
			_ = c.nc.ForceReconnect() // else it is reconnecting already, or closed
		}
	}
}

func (c *Conn) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	if _, err := c.js.AccountInfo(ctx); err != nil {
		return fmt.Errorf("asking jetstream: %w", errors.Join(err, ctx.Err()))
	}
	return nil
}
