package indexer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sluicelog/sluice/services/indexer/internal/bulk"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/telemetry"
)

// gear is what a crew works with.
type gear struct {
	cfg       Config
	conn      *stream.Conn
	target    target
	directory *endpoint.Directory
	writer    *bulk.Writer
	janitor   *stream.Janitor
	tel       *telemetry.Telemetry
}

// crew keeps a pool of workers for each class of each namespace, and starts them when a namespace appears.
type crew struct {
	gear
	alarm *telemetry.Throttle

	quit  chan struct{}
	once  sync.Once
	wg    sync.WaitGroup
	mu    sync.Mutex
	pools map[string]*stream.Pool  // by consumer
	boxes map[string]*stream.Inbox // the same
	stuck map[string]error         // namespaces that could not be taken up, and why
}

func newCrew(g gear) *crew {
	return &crew{
		gear: g, alarm: telemetry.NewThrottle(g.tel.Log, 10*time.Second), quit: make(chan struct{}),
		pools: map[string]*stream.Pool{}, boxes: map[string]*stream.Inbox{}, stuck: map[string]error{},
	}
}

// again is how soon a namespace that could not be taken up is tried again.
const again = time.Second

// run takes up namespaces until stop.
func (c *crew) run(ctx context.Context) error {
	defer c.wg.Wait()
	setup, cancel := context.WithCancel(ctx) // ends with quit; the pools have a stop of their own
	defer cancel()
	go func() {
		select {
		case <-c.quit:
			cancel()
		case <-setup.Done():
		}
	}()
	for {
		names, changed := c.directory.Namespaces()
		retry := c.takeUp(ctx, setup, names)
		select {
		case <-changed:
		case <-retry:
		case <-setup.Done():
			return nil
		}
	}
}

// takeUp starts what is not running yet; the channel fires when something has to be tried again.
func (c *crew) takeUp(ctx, setup context.Context, names []string) <-chan time.Time {
	var retry <-chan time.Time
	for _, name := range names {
		for _, consumer := range stream.Classes(stream.Indexer(name)) {
			if setup.Err() != nil || c.runs(consumer) {
				continue
			}
			inbox, err := c.open(setup, name, consumer)
			if err == nil {
				c.start(ctx, name, consumer, inbox)
				continue
			}
			c.refused(setup, name, consumer, err)
			retry = time.After(again)
			break // the bulk class comes after the plain one
		}
	}
	return retry
}

// runs reports whether a consumer has its pool.
func (c *crew) runs(consumer string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pools[consumer] != nil
}

// open prepares a class of a namespace. No document is sent before the namespace's template is there, which the plain class
// sees to.
func (c *crew) open(ctx context.Context, name, consumer string) (*stream.Inbox, error) {
	inbox, err := c.conn.Inbox(ctx, stream.Documents, consumer, int(c.cfg.Held)/2)
	if err != nil || stream.IsBulkConsumer(consumer) {
		return inbox, err
	}
	limit, cancel := context.WithTimeout(ctx, c.cfg.BulkTimeout)
	defer cancel()
	return inbox, c.target.ensureTemplate(limit, name)
}

// start sets workers to a class of a namespace, unless the crew is stopping.
func (c *crew) start(ctx context.Context, name, consumer string, inbox *stream.Inbox) {
	want := stream.Want{Bytes: int(c.cfg.BulkBytes), Count: c.cfg.BulkMessages, Age: c.cfg.BulkAge}
	pool := stream.NewPool(inbox, c.cfg.Workers, want, c.writer.Write)
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.quit:
		return
	default:
	}
	c.pools[consumer], c.boxes[consumer] = pool, inbox
	c.janitor.Attach(inbox)
	c.wg.Go(func() { _ = pool.Run(ctx) }) // never fails
	if stream.IsBulkConsumer(consumer) {
		return
	}
	delete(c.stuck, name)
	c.tel.Log.LogAttrs(ctx, slog.LevelInfo, "indexing", slog.String("namespace", name))
}

// refused notes that a namespace cannot be indexed yet; waiting helps only where Elasticsearch or NATS is away. Its bulk class
// may have no consumer, as before `sluice setup` has made it; the plain one goes on.
func (c *crew) refused(ctx context.Context, name, consumer string, err error) {
	if ctx.Err() != nil {
		return
	}
	if stream.IsBulkConsumer(consumer) {
		c.alarm.Log(ctx, slog.LevelWarn, consumer, "the bulk class of a namespace is not read yet", slog.String("namespace", name), slog.String("error", err.Error()))
		return
	}
	c.mu.Lock()
	c.stuck[name] = err
	c.mu.Unlock()
	level := slog.LevelWarn
	if elastic.Status(err) != 0 || errors.Is(err, elastic.ErrForeign) || errors.Is(err, stream.ErrNotFound) {
		level = slog.LevelError
	}
	c.alarm.Log(ctx, level, name, "a namespace cannot be indexed yet", slog.String("namespace", name), slog.String("error", err.Error()))
}

// ready is the readiness probe: every namespace has been taken up and its consumer answers.
func (c *crew) ready(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for name, err := range c.stuck {
		errs = append(errs, fmt.Errorf("namespace %s: %w", name, err))
	}
	for _, inbox := range c.boxes {
		errs = append(errs, inbox.Failure())
	}
	return errors.Join(errs...)
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

// held is when the oldest message that waits in this process was stored, zero when there is none.
func (c *crew) held() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	var oldest time.Time
	for _, inbox := range c.boxes {
		oldest = earlier(oldest, inbox.Oldest())
	}
	return oldest
}
