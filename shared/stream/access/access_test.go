package access_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/access"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

// site is a server that was started with the file that Make wrote.
type site struct {
	t   *testing.T
	dir string
	*streamtest.Outside
}

// open makes keys, starts a server with them and sets everything up as the operator.
func open(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	if _, err := access.Make(s.dir, access.Options{}); err != nil {
		t.Fatal(err)
	}
	s.Outside = streamtest.StartOutside(t, include(s.dir))
	conn := s.connect(access.Operator, "cli")
	if _, err := conn.Setup(t.Context(), streamtest.Topology()); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.SetupNamespace(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	must(t, "beginning to count", conn.BeginCounting(t.Context()))
	registry, err := endpoint.Open(t.Context(), conn)
	must(t, "opening the registry", err)
	must(t, "recording the namespace", registry.EnsureNamespace(t.Context(), "default"))
	return s
}

// include is the line of the server's configuration; it names the file from the folder of that.
func include(dir string) string {
	return "include " + strconv.Quote(strings.Repeat("../", 20)+dir+"/"+access.ConfigFile)
}

func (s *site) config(role string) stream.Config {
	return stream.Config{NATSURL: config.URL(s.URL()), NATSNkey: access.SeedFile(s.dir, role), SyncAlways: true}
}

// connect opens a connection as a role's user.
func (s *site) connect(role, name string) *stream.Conn {
	s.t.Helper()
	conn, err := stream.Open(s.t.Context(), name, s.config(role), slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(conn.Close)
	return conn
}

// must fails the test at once.
func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// epoch is how the bucket VERDICTS names the present stream.
func (s *site) epoch(name string) string {
	state, err := s.connect(access.Operator, "cli").State(s.t.Context(), name)
	must(s.t, "looking at a stream", err)
	return strconv.FormatInt(state.Created.UnixNano(), 36)
}

// fill puts so much under a key that reading it takes flow control.
func (s *site) fill(name, prefix string) {
	s.t.Helper()
	bucket, err := s.connect(access.Operator, "cli").Bucket(s.t.Context(), name)
	must(s.t, "opening a bucket", err)
	for i := range 4 {
		key := prefix + strconv.Itoa(1000+i)
		value := append([]byte(`{"name":"`+strings.TrimPrefix(key, "namespace.")+`"}`), bytes.Repeat([]byte(" "), 1<<20)...)
		must(s.t, "filling a bucket", bucket.Put(s.t.Context(), key, value))
	}
}

// asReceiver does what the receiver does.
func (s *site) asReceiver() {
	ctx := s.t.Context()
	conn := s.connect(access.Receiver, "receiver")
	must(s.t, "readiness", conn.Ready(ctx))
	s.readRegistry(conn)
	board, err := endpoint.OpenBoard(ctx, conn)
	must(s.t, "opening the board", err)
	_, err = board.Own(ctx, "first", "rig")
	must(s.t, "reading the own status", err)
	must(s.t, "writing the status", board.Write(ctx, "first", "rig", endpoint.Status{Deliveries: 1}))
	for _, bulk := range []bool{false, true} {
		_, err = conn.Publish(ctx, stream.Outgoing{Subject: stream.SubjectDeliveries, Data: []byte("{}"), Bulk: bulk})
		must(s.t, "publishing a delivery", err)
	}
}

func (s *site) readRegistry(conn *stream.Conn) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	registry, err := endpoint.Open(ctx, conn)
	must(s.t, "opening the registry", err)
	directory := registry.Follow(slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- directory.Run(ctx) }()
	filled, release := context.WithTimeout(ctx, time.Minute)
	defer release()
	must(s.t, "reading the registry", directory.AwaitFilled(filled))
	cancel()
	must(s.t, "following the registry", <-done)
}

// asWorker does what enricher and indexer do with a stream: handle messages, count verdicts, purge, and notice losses.
func (s *site) asWorker(conn *stream.Conn, name, durable string) {
	ctx, cancel := context.WithCancel(s.t.Context())
	must(s.t, "readiness", conn.Ready(ctx))
	s.readRegistry(conn)
	janitor := conn.NewJanitor(name, time.Second)
	inbox, err := conn.Pair(ctx, name, durable, 24<<20, janitor.Attach)
	must(s.t, "opening the inboxes", err)
	pool := stream.NewPool(inbox, 1, stream.Want{Count: 1, Bytes: 1}, func(_ context.Context, batch []*stream.Message) {
		for _, m := range batch {
			if m.Delivered == 1 {
				m.Retry(0)
				continue
			}
			m.Done()
		}
	})
	ended := make(chan error, 1)
	go func() { ended <- pool.Run(ctx) }()
	now := time.Now()
	s.await(name+" is purged", func() bool {
		now = now.Add(5 * time.Second)
		must(s.t, "making room", janitor.Sweep(ctx, now))
		state, err := conn.State(ctx, name)
		must(s.t, "looking at the stream", err)
		return state.Messages == 0
	})
	s.await("old verdicts are dropped", func() bool {
		now = now.Add(time.Minute)
		must(s.t, "making room", janitor.Sweep(ctx, now))
		return slices.Contains(s.Asked(s.name(durable)), "PUB $JS.API.STREAM.PURGE.KV_VERDICTS")
	})
	must(s.t, "stopping", pool.Stop(ctx))
	must(s.t, "working", <-ended)
	s.lose(janitor, name, now)
	_, err = conn.OldestOverall(ctx, name, durable)
	must(s.t, "asking for the oldest message", err)
	cancel()
}

// lose takes messages away behind the janitor's back, which writes them down as lost.
func (s *site) lose(janitor *stream.Janitor, name string, now time.Time) {
	ctx := s.t.Context()
	s.put(name)
	s.purge(name)
	before, err := s.connect(access.Operator, "cli").Losses(ctx)
	must(s.t, "reading losses", err)
	s.await("the loss is written down", func() bool {
		now = now.Add(time.Minute)
		must(s.t, "making room", janitor.Sweep(ctx, now))
		after, err := s.connect(access.Operator, "cli").Losses(ctx) //nolint:contextcheck // it takes the test's
		must(s.t, "reading losses", err)
		return len(after) > len(before)
	})
}

// name is what the client of a consumer's service is called.
func (s *site) name(durable string) string {
	name, _, _ := strings.Cut(durable, "-")
	return name
}

// put stores two messages of each class in a stream.
func (s *site) put(name string) {
	s.t.Helper()
	conn := s.connect(access.Operator, "cli")
	subject := map[string]string{stream.Deliveries: stream.SubjectDeliveries, stream.Documents: stream.SubjectDocuments("default")}[name]
	for i := range 4 {
		_, err := conn.Publish(s.t.Context(), stream.Outgoing{Subject: subject, Data: []byte("{}"), Bulk: i%2 == 1})
		must(s.t, "publishing", err)
	}
}

func (s *site) await(what string, condition func() bool) {
	s.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !condition(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("waited in vain until %s; denied: %v", what, s.Denied())
		}
	}
}

// watches does what looking after endpoints, dead letters and the ledger takes.
func (s *site) watches(conn *stream.Conn) {
	ctx := s.t.Context()
	turn, err := conn.Turn(ctx, "watch")
	must(s.t, "claiming the watch", err)
	_, err = turn.Take(ctx, time.Now())
	must(s.t, "taking the turn", err)
	board, err := endpoint.OpenBoard(ctx, conn)
	must(s.t, "opening the board", err)
	s.fill(stream.BucketStatus, "shop.receiver-")
	_, err = board.ReadAll(ctx)
	must(s.t, "reading what the receivers saw", err)
	must(s.t, "writing the usual traffic", board.WriteUsual(ctx, "shop", &endpoint.Usual{}))
	_, err = deadletter.Open(conn).Heap(ctx)
	must(s.t, "looking at the dead letters", err)
	_, err = conn.Ledger(ctx)
	must(s.t, "reading the ledger", err)
	turn.Release(ctx)
}

// asEnricher does what the enricher does.
func (s *site) asEnricher() {
	conn := s.connect(access.Enricher, "enricher")
	for _, bulk := range []bool{false, true} {
		_, err := conn.Publish(s.t.Context(), stream.Outgoing{Subject: stream.SubjectDocuments("default"), Data: []byte("{}"), Bulk: bulk})
		must(s.t, "publishing documents", err)
	}
	_, err := deadletter.Open(conn).Put(s.t.Context(), &deadletter.Letter{Stage: deadletter.StageEnricher, Key: "test", Piece: 1})
	must(s.t, "setting aside", err)
	s.readNamespace(conn)
	s.asWorker(conn, stream.Deliveries, stream.Enricher)
	s.watches(conn)
}

// asIndexer does what the indexer does.
func (s *site) asIndexer() {
	conn := s.connect(access.Indexer, "indexer")
	_, err := deadletter.Open(conn).Put(s.t.Context(), &deadletter.Letter{Stage: deadletter.StageIndexer, Key: "test"})
	must(s.t, "setting aside", err)
	s.readNamespace(conn)
	s.asWorker(conn, stream.Documents, stream.Indexer("default"))
}

// asRetention does what retention does.
func (s *site) asRetention() {
	conn := s.connect(access.Retention, "retention")
	must(s.t, "readiness", conn.Ready(s.t.Context()))
	s.readRegistry(conn)
	s.readNamespace(conn)
	registry, err := endpoint.Open(s.t.Context(), conn)
	must(s.t, "opening the registry", err)
	_, err = registry.Namespaces(s.t.Context())
	must(s.t, "listing the namespaces", err)
}

// readNamespace reads a record and the time from the server, as one does before something is given up or deleted.
func (s *site) readNamespace(conn *stream.Conn) {
	s.t.Helper()
	registry, err := endpoint.Open(s.t.Context(), conn)
	must(s.t, "opening the registry", err)
	if _, err = registry.Namespace(s.t.Context(), "default"); !errors.Is(err, endpoint.ErrNoNamespace) {
		must(s.t, "reading a namespace", err)
	}
	_, err = registry.Clock(s.t.Context())
	must(s.t, "asking for the time", err)
}

// matches reports whether a subject falls under a pattern of NATS.
func matches(pattern, subject string) bool {
	want, have := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, part := range want {
		switch {
		case part == ">":
			return len(have) > i
		case i >= len(have), part != "*" && part != have[i]:
			return false
		}
	}
	return len(want) == len(have)
}

// TestEachUserMayDoWhatItsServiceDoesAndNothingMore runs everything that the services do in NATS, as their users. Nothing
// is denied, and every permission is used: with one less, something that was done here would be denied.
func TestEachUserMayDoWhatItsServiceDoesAndNothingMore(t *testing.T) {
	s := open(t)
	s.fill(stream.BucketEndpoints, "namespace.filling")
	for _, name := range []string{stream.Deliveries, stream.Documents} {
		s.fill(stream.BucketVerdicts, name+".before.somebody.else.")
		s.fill(stream.BucketLosses, name+"."+s.epoch(name)+".")
	}
	s.asReceiver()
	s.asEnricher()
	s.asIndexer()
	s.asRetention()
	if denied := s.Denied(); len(denied) > 0 {
		t.Errorf("denied to the services' users:\n%s", strings.Join(denied, "\n"))
	}
	for _, role := range access.Roles() {
		if role.Name == access.Operator {
			continue
		}
		asked := s.Asked(role.Name)
		for verb, allowed := range map[string][]string{"PUB ": role.Publish, "SUB ": role.Subscribe} {
			for _, pattern := range allowed {
				if !slices.ContainsFunc(asked, func(ask string) bool { return strings.HasPrefix(ask, verb) && matches(pattern, ask[len(verb):]) }) {
					t.Errorf("the %s may %s%s, and does not need to; it asked for\n%s", role.Name, verb, pattern, strings.Join(asked, "\n"))
				}
			}
		}
	}
}

// TestAServiceMayBeginToCountByItself takes away what was counted: each service begins again as its own user, and its
// janitor's first round, the account and the ledger work.
func TestAServiceMayBeginToCountByItself(t *testing.T) {
	s := open(t)
	operator := s.connect(access.Operator, "cli")
	for role, of := range map[string][2]string{
		access.Enricher: {stream.Deliveries, stream.Enricher}, access.Indexer: {stream.Documents, stream.Indexer("default")},
	} {
		s.forgetCounts()
		conn := s.connect(role, role)
		janitor := conn.NewJanitor(of[0], time.Hour)
		inbox, err := conn.Pair(t.Context(), of[0], of[1], 24<<20, janitor.Attach)
		must(t, "beginning to count as the "+role, err)
		must(t, "the first round of the "+role, janitor.Sweep(t.Context(), time.Now()))
		s.put(of[0])
		pool := stream.NewPool(inbox, 1, stream.Want{Count: 1, Bytes: 1}, func(_ context.Context, batch []*stream.Message) {
			for _, m := range batch {
				m.Count(stream.Part{}, []stream.Count{{Endpoint: "shop", Became: stream.BecameExpired, Events: 3}})
				m.Done()
			}
		})
		ended := make(chan error, 1)
		go func() { ended <- pool.Run(context.WithoutCancel(t.Context())) }()
		s.await("what the "+role+" counted is in the ledger", func() bool {
			must(t, "a round of the "+role, janitor.Sweep(t.Context(), time.Now()))
			l, err := operator.Ledger(t.Context())
			must(t, "reading the ledger", err)
			return len(l.Entries) == 1 && l.Entries[0].Expired == 12 && l.Uncounted == 0
		})
		must(t, "stopping", pool.Stop(t.Context()))
		must(t, "working", <-ended)
	}
	if denied := s.Denied(); len(denied) > 0 {
		t.Errorf("denied to the services' users:\n%s", strings.Join(denied, "\n"))
	}
}

// forgetCounts empties the bucket of verdicts.
func (s *site) forgetCounts() {
	s.t.Helper()
	s.purge("KV_" + stream.BucketVerdicts)
}

// purge empties a stream as the operator, without a word to anybody.
func (s *site) purge(name string) {
	s.t.Helper()
	option, err := nats.NkeyOptionFromSeed(access.SeedFile(s.dir, access.Operator))
	must(s.t, "reading a seed", err)
	nc, err := nats.Connect(s.URL(), option, nats.CustomInboxPrefix(stream.InboxPrefix("cli")), nats.Name("sluice-test"))
	must(s.t, "connecting", err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	must(s.t, "connecting", err)
	st, err := js.Stream(s.t.Context(), name)
	must(s.t, "opening a stream", err)
	must(s.t, "purging", st.Purge(s.t.Context()))
}
