package fault_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
)

// Files that mutants change.
const (
	fileTopology = "shared/stream/topology.go"
	fileJanitor  = "shared/stream/janitor.go"
	fileGap      = "shared/stream/gap.go"
	fileID       = "shared/auth0/document.go"
	fileEnrich   = "services/enricher/internal/enrich/enrich.go"
	fileCommit   = "services/receiver/internal/intake/commit.go"
	fileBatch    = "services/indexer/internal/bulk/batch.go"
	fileVerdict  = "services/indexer/internal/bulk/verdict.go"
	fileWriter   = "services/indexer/internal/bulk/writer.go"
)

// mutants is the list of all.
func mutants() []*mutant {
	missing, doubled, stuck := []string{saidMissing}, []string{saidDoubled}, []string{saidStuck}
	return []*mutant{
		{
			name: "answer-before-disk", breaks: "the receiver answers before the stream has the delivery", fault: "nats-partition", because: missing,
			patches: []patch{{fileCommit, "	err := c.publish(ctx, all, bulk)\n", "	var err error\n	go func() { _ = c.publish(ctx, all, bulk) }()\n"}},
		},
		{
			name: "ack-before-answer", breaks: "the indexer acknowledges before Elasticsearch has answered", fault: "indexer-kill-holding", because: missing,
			patches: []patch{{fileWriter, "		docs = append(docs, parsed...)\n", "		m.Done()\n		docs = append(docs, parsed...)\n"}},
		},
		{
			name: "limited-max-deliver", breaks: "a consumer gives a message up after two deliveries, and nobody looks a second time", fault: "index-read-only", because: missing,
			patches: []patch{{fileTopology, "MaxDeliver: -1", "MaxDeliver: 2"}, {fileGap, "	if in == nil || !in.recheck", "	if true || in == nil || !in.recheck"}},
			adjust:  func(f *fault) { f.hold = 40 * time.Second },
		},
		{
			name: "interest-retention", breaks: "streams keep only what a consumer asks for", fault: "consumers-deleted", because: missing,
			patches: []patch{{
				fileTopology, "	deliveries.DenyDelete, documents.DenyDelete = true, true\n",
				"	deliveries.DenyDelete, documents.DenyDelete = true, true\n	deliveries.Retention, documents.Retention = jetstream.InterestPolicy, jetstream.InterestPolicy\n",
			}},
		},
		{
			name: "discard-old", breaks: "a full stream drops its oldest messages instead of refusing new ones", fault: "streams-full", because: missing,
			patches: []patch{{fileTopology, "Discard: jetstream.DiscardNew", "Discard: jetstream.DiscardOld"}},
			adjust:  func(f *fault) { f.strike, f.hold = overflow, 0 },
		},
		{
			name: "purge-unfinished", breaks: "the janitor purges whatever is older than the margin, finished or not", fault: "indexer-kill-holding", because: missing,
			patches: []patch{{fileJanitor, "j.target(r.now, min(r.floors.lowest, r.account.Covered), r.state)", "j.target(r.now, r.state.Last, r.state)"}},
			env:     []string{"INDEXER_REPLAY_MARGIN=0s"},
			adjust:  func(f *fault) { f.strike, f.hold = holdThenKill(20*time.Second), time.Second },
		},
		{
			name: "raw-ids", breaks: "a document's id is the event's own, however long", fault: "long-ids", because: stuck, limit: 90 * time.Second,
			patches: []patch{
				{fileID, "	sum := sha256.Sum256(text)\n	return base64.RawURLEncoding.EncodeToString(sum[:16])\n", "	_, _ = sha256.Sum256(text), base64.RawURLEncoding\n	return tenant + \"-\" + logID\n"},
				{fileBatch, "const maxName = 200", "const maxName = 4000"},
			},
		},
		{
			name: "retry-of-400s", breaks: "a document that Elasticsearch refuses for ever is tried for ever", fault: "mapping-conflict", because: stuck, limit: 90 * time.Second,
			patches: []patch{{fileVerdict, "documentFault(item.Cause.Type):\n		return dead\n", "documentFault(item.Cause.Type):\n		return retry\n"}},
			adjust:  func(f *fault) { f.strike, f.hold = refusedOrDead, 0 },
			saw:     func(r *row) bool { return strings.Contains(r.Evidence, "refused with 400 again and again") },
		},
		{
			name: "period-of-the-moment", breaks: "the index is that of the day of writing (days of ten seconds, so that a run has some)", fault: "replay-all", because: doubled,
			patches: []patch{{fileEnrich, "w.space.Calendar, at)\n", "w.space.Calendar, time.Now().AddDate(0, 0, -int(time.Now().Unix()/10%100)))\n"}},
		},
		{
			name: "new-ids", breaks: "a document gets another id whenever its event is mapped", fault: "enricher-kill", because: doubled,
			patches: []patch{
				{fileID, "	\"encoding/base64\"\n", "	\"encoding/base64\"\n	\"strconv\"\n	\"time\"\n"},
				{fileID, "	text = append(text, logID...)\n", "	text = strconv.AppendInt(append(text, logID...), time.Now().UnixNano(), 10)\n"},
			},
		},
		{
			name: "default-sync", breaks: "NATS syncs every two minutes, as it does by default", fault: "nats-power-cut", because: []string{saidMissing, saidGone},
			nats: []string{"SLUICE_FAULT_LAZY=1"}, env: []string{"NATS_ACCEPT_LOSING_ACKNOWLEDGED_EVENTS=true"}, limit: time.Minute,
		},
		{
			name: "async-translog", breaks: "Elasticsearch answers before its disk has the documents", fault: "elasticsearch-power-cut", because: missing,
			adjust: func(f *fault) {
				cut := f.strike
				f.strike = func(x *trial) (func() error, error) {
					if strings.HasPrefix(x.build, "mutant ") {
						if err := x.setting("index.translog", `{"durability":"async","sync_interval":"100s"}`); err != nil {
							return nil, err
						}
						x.pause(3 * time.Second)
					}
					return cut(x)
				}
			},
		},
	}
}

// overflow lets the streams take less than what comes while Elasticsearch is away, whether that is refused or not.
func overflow(x *trial) (func() error, error) {
	for _, s := range x.members("indexer") {
		s.es.set(shut, 1, 0)
	}
	heal := func() error {
		for _, s := range x.members("indexer") {
			s.es.open()
		}
		return x.setup(x.ctx, nil)
	}
	sizes := map[string]int64{stream.Deliveries: 9 << 20, stream.Documents: 9 << 20}
	if err := x.setup(x.ctx, sizes); err != nil {
		return heal, err
	}
	before, unseen := x.book.attempts()[503], uint64(0)
	err := within(2*time.Minute, "more than the streams take", func() error {
		state, err := x.conn.State(x.ctx, stream.Documents)
		if err != nil {
			return err
		}
		p, err := x.conn.Overall(x.ctx, stream.Documents, stream.Indexer(x.namespace))
		if err != nil {
			return err
		}
		refused := x.book.attempts()[503] - before
		// What an indexer holds it may still index. Once the stream has only what no indexer was given, what it drops is lost.
		if unseen == 0 && p.Waiting >= state.Messages {
			unseen = state.First
		}
		said := fmt.Sprintf("documents from %d on, %d of %d given to nobody, 503×%d", state.First, p.Waiting, state.Messages, refused)
		if refused < 5 && (unseen == 0 || state.First < unseen+10) {
			return errors.New(said)
		}
		x.saw("%s", said)
		return nil
	})
	return heal, err
}

// refusedOrDead waits until documents were refused for themselves, whatever became of them.
func refusedOrDead(x *trial) (func() error, error) {
	before := x.counted(retriesFor("bad_request"))
	return nil, within(40*time.Second, "documents that Elasticsearch refuses for ever", func() error {
		if n := x.counted("sluice_indexer_dead_lettered_total"); n > 0 {
			x.saw("documents refused for ever so far: %.0f", n)
			return nil
		}
		if n := x.counted(retriesFor("bad_request")) - before; n > 3 {
			x.saw("refused with 400 again and again: %.0f", n)
			return nil
		}
		return errors.New("none so far")
	})
}
