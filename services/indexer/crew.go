package indexer

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/services/indexer/internal/bulk"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/telemetry"
)

// crew keeps one pool of workers per namespace, and starts one when a namespace appears.
type crew struct {
	cfg       Config
	conn      *stream.Conn
	cluster   *elastic.Client
	directory *endpoint.Directory
	writer    *bulk.Writer
	tel       *telemetry.Telemetry
	alarm     *telemetry.Throttle

	quit  chan struct{}
	once  sync.Once
	wg    sync.WaitGroup
	mu    sync.Mutex
	pools map[string]*stream.Pool
	boxes map[string]*stream.Inbox
}

func newCrew(cfg Config, conn *stream.Conn, cluster *elastic.Client, d *endpoint.Directory, w *bulk.Writer, tel *telemetry.Telemetry) *crew {
	return &crew{
		cfg: cfg, conn: conn, cluster: cluster, directory: d, writer: w, tel: tel, alarm: telemetry.NewThrottle(tel.Log, 10*time.Second),
		quit: make(chan struct{}), pools: map[string]*stream.Pool{}, boxes: map[string]*stream.Inbox{},
	}
}

// again is how soon a namespace that could not be taken up is tried again.
const again = time.Second

// run takes up namespaces until stop.
func (c *crew) run(ctx context.Context) error {
	for {
		names, changed := c.directory.Namespaces()
		retry := c.takeUp(ctx, names)
		select {
		case <-changed:
		case <-retry:
		case <-c.quit:
			c.wg.Wait()
			return nil
		case <-ctx.Done():
			c.wg.Wait()
			return nil
		}
	}
}

// takeUp starts what is not running yet; the channel fires when something has to be tried again.
func (c *crew) takeUp(ctx context.Context, names []string) <-chan time.Time {
	failed := false
	for _, name := range names {
		c.mu.Lock()
		running := c.pools[name] != nil
		c.mu.Unlock()
		if running {
			continue
		}
		if err := c.open(ctx, name); err != nil {
			failed = true
			c.alarm.Log(ctx, slog.LevelWarn, name, "a namespace cannot be indexed yet", slog.String("namespace", name), slog.String("error", err.Error()))
		}
	}
	if failed {
		return time.After(again)
	}
	return nil
}

// open prepares a namespace and starts its workers. No document is sent before its template is there.
func (c *crew) open(ctx context.Context, name string) error {
	inbox, err := c.conn.Inbox(ctx, stream.Documents, stream.Indexer(name), int(c.cfg.Held))
	if err != nil {
		return err
	}
	if err := c.ensureTemplate(ctx, name); err != nil {
		return err
	}
	want := stream.Want{Bytes: int(c.cfg.BulkBytes), Count: c.cfg.BulkMessages, Age: c.cfg.BulkAge}
	pool := stream.NewPool(inbox, c.cfg.Workers, want, c.writer.Write)
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.quit:
		return nil
	default:
	}
	c.pools[name], c.boxes[name] = pool, inbox
	c.wg.Go(func() { _ = pool.Run(ctx) })
	c.tel.Log.LogAttrs(ctx, slog.LevelInfo, "indexing", slog.String("namespace", name))
	return nil
}

// ensureTemplate writes the namespace's index template, or finds it there where we may not write it.
func (c *crew) ensureTemplate(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.BulkTimeout)
	defer cancel()
	_, err := c.cluster.SetupNamespace(ctx, name, c.cfg.Index)
	if err == nil || errors.Is(err, elastic.ErrForeign) {
		return err
	}
	if status := elastic.Status(err); status == 401 || status == 403 {
		if there, lookErr := c.cluster.HasNamespace(ctx, name); lookErr == nil && there {
			return nil
		}
	}
	return err
}

// stop ends all pools at once.
func (c *crew) stop(ctx context.Context) error {
	c.once.Do(func() { close(c.quit) })
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, pool := range c.pools {
		_ = pool.Stop(ctx) // never fails
	}
	return nil
}

// oldest reports the age of the oldest message that waits in this process.
func (c *crew) oldest() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sluice_indexer_oldest_unprocessed_age_seconds", Help: "Age of the oldest message of documents that this indexer holds without a verdict; 0 when it holds none.",
	}, func() float64 {
		c.mu.Lock()
		defer c.mu.Unlock()
		age := 0.0
		for _, inbox := range c.boxes {
			if at := inbox.Oldest(); !at.IsZero() {
				age = max(age, time.Since(at).Seconds())
			}
		}
		return age
	})
}
