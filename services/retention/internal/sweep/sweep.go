// Package sweep looks through the indices once and deletes those whose whole period lies before their namespace's
// retention.
//
// Its promise: nothing is deleted that holds an event inside the retention. An index goes only when it has our name and
// our alias, its period is over for the retention and a margin more, the retention is the present one and has been so for
// a while, and this machine's clock agrees with those of NATS and of Elasticsearch.
package sweep

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/telemetry"
)

// registry knows the namespaces and the time at the NATS server.
type registry interface {
	Namespaces(ctx context.Context) ([]endpoint.Namespace, error)
	Namespace(ctx context.Context, name string) (endpoint.Namespace, error)
	Clock(ctx context.Context) (time.Time, error)
}

// cluster is what a sweep needs of Elasticsearch.
type cluster interface {
	Clocks(ctx context.Context) ([]time.Time, error)
	Members(ctx context.Context, namespace string) ([]string, error)
	Sizes(ctx context.Context, namespace string) (map[string]elastic.Size, error)
	DropIndex(ctx context.Context, index string) (dropped bool, err error)
}

// Parts are what a Sweeper works with.
type Parts struct {
	Registry registry
	Cluster  cluster
	Metrics  *Metrics
	Log      *slog.Logger
	Now      func() time.Time
	Timeout  time.Duration // of one request
}

// Sweeper deletes what is due.
type Sweeper struct {
	p     Parts
	alarm *telemetry.Throttle
}

// New returns a sweeper.
func New(p Parts) *Sweeper {
	return &Sweeper{p: p, alarm: telemetry.NewThrottle(p.Log, 10*time.Second)}
}

// Sweep deletes what is due now. What cannot be deleted is said in the log, counted, and tried again by the next sweep.
func (s *Sweeper) Sweep(ctx context.Context) {
	if err := s.clocks(ctx); err != nil {
		why := "clock"
		if !errors.Is(err, endpoint.ErrClocks) {
			why = "no_clock"
		}
		s.failed(ctx, why, "nothing is deleted", err)
		return
	}
	all, err := s.namespaces(ctx)
	if err != nil {
		s.failed(ctx, "registry", "nothing is deleted: the namespaces cannot be read", err)
		return
	}
	whole := true
	for _, n := range all {
		whole = s.namespace(ctx, n) && whole
	}
	if whole && ctx.Err() == nil {
		s.p.Metrics.finished(s.p.Now())
	}
}

func (s *Sweeper) namespaces(ctx context.Context) ([]endpoint.Namespace, error) {
	ctx, cancel := context.WithTimeout(ctx, s.p.Timeout)
	defer cancel()
	return s.p.Registry.Namespaces(ctx)
}

// clocks compares this machine's clock with all others: a clock that runs ahead would delete what is inside the retention.
func (s *Sweeper) clocks(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.p.Timeout)
	defer cancel()
	begin := s.p.Now()
	nats, err := s.p.Registry.Clock(ctx)
	if err != nil {
		return err
	}
	nodes, err := s.p.Cluster.Clocks(ctx)
	if err != nil {
		return err
	}
	end := s.p.Now()
	err = endpoint.CompareClocks("the NATS server", nats, begin, end)
	for _, at := range nodes {
		err = errors.Join(err, endpoint.CompareClocks("Elasticsearch", at, begin, end))
	}
	return err
}

// namespace deletes what is due in one namespace; false when something has to wait for the next sweep.
func (s *Sweeper) namespace(ctx context.Context, n endpoint.Namespace) bool {
	if n.Retention == 0 || ctx.Err() != nil {
		return true
	}
	limit, cancel := context.WithTimeout(ctx, s.p.Timeout)
	defer cancel()
	members, err := s.p.Cluster.Members(limit, n.Name)
	if err != nil {
		s.failed(ctx, reason(err), "the indices of namespace "+n.Name+" cannot be listed", err)
		return false
	}
	var due []string
	for _, index := range members {
		if s.due(&n, index) {
			due = append(due, index)
		}
	}
	left := len(due)
	if left > 0 {
		sizes, _ := s.p.Cluster.Sizes(limit, n.Name) // only for the log; it takes one privilege more
		for _, index := range due {
			if s.remove(ctx, n.Name, index, sizes[index]) {
				left--
			}
		}
	}
	s.p.Metrics.overdue.WithLabelValues(n.Name).Set(float64(left))
	return left == 0
}

func (s *Sweeper) due(n *endpoint.Namespace, index string) bool {
	_, name, _ := period.Split(index)
	at, ok := n.Due(name)
	return ok && !s.p.Now().Before(at)
}

// remove deletes one index, after one more look at the retention: it may have been made longer a moment ago. False when
// the index is still there and due.
func (s *Sweeper) remove(ctx context.Context, namespace, index string, size elastic.Size) bool {
	ctx, cancel := context.WithTimeout(ctx, s.p.Timeout)
	defer cancel()
	n, err := s.p.Registry.Namespace(ctx, namespace)
	if err != nil {
		s.failed(ctx, "registry", "index "+index+" is not deleted: its namespace cannot be read", err)
		return false
	}
	if !s.due(&n, index) {
		return true
	}
	dropped, err := s.p.Cluster.DropIndex(ctx, index)
	if err != nil {
		s.failed(ctx, reason(err), "index "+index+" cannot be deleted", err)
		return false
	}
	if dropped { // else another instance was faster
		_, name, _ := period.Split(index)
		_, end, _ := period.Span(name)
		s.p.Metrics.deleted.WithLabelValues(namespace).Inc()
		s.p.Log.LogAttrs(ctx, slog.LevelInfo, "index deleted", slog.String("index", index), slog.String("namespace", namespace),
			slog.Time("period_end", end), slog.String("retention", n.Retention.String()), slog.Int64("documents", size.Documents), slog.Int64("bytes", size.Bytes))
	}
	return true
}

// reason is the closed list of why something could not be deleted: a metric label.
func reason(err error) string {
	switch status := elastic.Status(err); {
	case status == 401 || status == 403:
		return "forbidden"
	case status != 0:
		return "refused"
	}
	return "no_answer"
}

func (s *Sweeper) failed(ctx context.Context, why, what string, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	s.p.Metrics.failures.WithLabelValues(why).Inc()
	s.alarm.Log(ctx, slog.LevelError, why, what, slog.String("reason", why), slog.String("error", err.Error()))
}
