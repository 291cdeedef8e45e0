package cli_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/enricher"
	"github.com/sluicelog/sluice/services/sluice/internal/cli"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/telemetry"
)

// bury sets letters aside: three of the enricher, one of the indexer.
func (b *bench) bury(t *testing.T) {
	t.Helper()
	box := deadletter.Open(b.conn)
	put := func(l deadletter.Letter) {
		l.Attempts, l.Endpoint, l.Namespace, l.Origin, l.Key = 1, "prod", "default", "DELIVERIES:1", "key-"+l.Delivery
		if added, err := box.Put(t.Context(), &l); err != nil || !added {
			t.Fatal(added, err)
		}
	}
	now := time.Now()
	put(deadletter.Letter{Stage: deadletter.StageEnricher, Reason: "not_json", Delivery: "D1", Item: 0, Line: 1, FirstSeen: now.Add(-48 * time.Hour), Body: []byte("nonsense\x1b[2J")})
	put(deadletter.Letter{Stage: deadletter.StageEnricher, Reason: "not_json", Delivery: "D1", Item: 1, Line: 2, FirstSeen: now, Body: []byte{0xff, 0xfe}})
	put(deadletter.Letter{Stage: deadletter.StageEnricher, Reason: "no_log_id", Delivery: "D2", Item: 0, FirstSeen: now, Body: []byte(`{"data":{"type":"s"}}`)})
	put(deadletter.Letter{
		Stage: deadletter.StageIndexer, Reason: "document_parsing_exception", Delivery: "D3", FirstSeen: now,
		Body: []byte(`{"create":{"_index":"i","_id":"x"}}` + "\n" + `{"@timestamp":"2026"}` + "\n"),
	})
}

func (b *bench) listed(t *testing.T, args ...string) []map[string]any {
	t.Helper()
	return decode[[]map[string]any](t, b.must(t, append([]string{"deadletter", "list", "--json"}, args...)...))
}

func TestDeadLettersAreGroupedAndFiltered(t *testing.T) {
	b := newBench(t)
	if out := b.must(t, "deadletter", "list"); !strings.Contains(out, "no dead letter") {
		t.Errorf("an empty box says\n%s", out)
	}
	b.bury(t)
	groups := b.listed(t)
	if len(groups) != 3 || groups[0]["reason"] != "not_json" || groups[0]["count"] != 2.0 {
		t.Fatalf("groups are %v", groups)
	}
	for want, args := range map[int][]string{
		4: {"--all"}, 3: {"--all", "--stage", "enricher"}, 2: {"--all", "--reason", "not_json"}, 1: {"--all", "--reason", "not_json", "--since", "1h"}, 0: {"--all", "--endpoint", "other"},
	} {
		if got := len(b.listed(t, args...)); got != want {
			t.Errorf("%v lists %d letters", args, got)
		}
	}
	if out := b.must(t, "deadletter", "list"); !strings.Contains(out, "not_json") || !strings.Contains(out, "2d ago") {
		t.Errorf("the table is\n%s", out)
	}
	if _, err := b.run(t, "deadletter", "list", "--stage", "receiver"); err == nil {
		t.Error("an unknown stage is accepted")
	}
}

func TestADeadLetterIsShownWhole(t *testing.T) {
	b := newBench(t)
	b.bury(t)
	if out := b.must(t, "deadletter", "show", "1"); strings.Contains(out, "\x1b") || !strings.Contains(out, `nonsense\x1b[2J`) {
		t.Errorf("control characters reach the terminal: %q", out)
	}
	if out := b.must(t, "deadletter", "show", "1", "--raw"); out != "nonsense\x1b[2J" {
		t.Errorf("the raw body is %q", out)
	}
	if out := b.must(t, "deadletter", "show", "4"); !strings.Contains(out, "document_parsing_exception") || !strings.Contains(out, `  "@timestamp": "2026"`) {
		t.Errorf("an indexer's letter is\n%s", out)
	}
	if out := b.object(t, "deadletter", "show", "2"); out["body_base64"] != base64.StdEncoding.EncodeToString([]byte{0xff, 0xfe}) {
		t.Errorf("a body that is no text is %v", out)
	}
	if _, err := b.run(t, "deadletter", "show", "99"); err == nil || !strings.Contains(err.Error(), "no dead letter 99") {
		t.Errorf("a letter that is not there: %v", err)
	}
}

func TestDiscardNeedsAChoiceAndAYes(t *testing.T) {
	b := newBench(t)
	b.bury(t)
	for _, args := range [][]string{{}, {"--stage", "enricher"}, {"1", "--all"}, {"zero"}, {"1"}} {
		if _, err := b.run(t, append([]string{"deadletter", "discard"}, args...)...); err == nil {
			t.Errorf("discard %v is accepted", args)
		}
	}
	if got := len(b.listed(t, "--all")); got != 4 {
		t.Fatalf("%d letters are left", got)
	}
	if out := b.object(t, "deadletter", "discard", "--reason", "not_json", "--yes"); out["discarded"] != 2.0 {
		t.Errorf("discard says %v", out)
	}
	b.must(t, "deadletter", "discard", "3", "--yes")
	if left := b.listed(t, "--all"); len(left) != 1 || left[0]["stage"] != "indexer" {
		t.Errorf("left are %v", left)
	}
}

// replays runs a replay that must end with an exit code, and returns what it says of each letter.
func (b *bench) replays(t *testing.T, code int, args ...string) []map[string]any {
	t.Helper()
	out, err := b.run(t, append([]string{"deadletter", "replay", "--json"}, args...)...)
	if got := cli.ExitCode(err); got != code {
		t.Fatalf("replay %v ends with %d, want %d: %v\n%s", args, got, code, err, out)
	}
	return decode[[]map[string]any](t, out)
}

func TestAReplayThatIsStoppedSaysHowFarItCame(t *testing.T) {
	b := newBench(t)
	b.bury(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { // Ctrl-C when the first one is on its way; the second one waits for its time
		for state, err := b.conn.State(ctx, stream.Deliveries); err == nil && state.Messages == 0; state, err = b.conn.State(ctx, stream.Deliveries) {
			time.Sleep(10 * time.Millisecond)
		}
		stop()
	}()
	var out, screen bytes.Buffer
	cmd := cli.New(strings.NewReader(""), &out, &screen).Command()
	cmd.SetArgs([]string{"--state", string(b.dir), "deadletter", "replay", "--all", "--rate", "0.01", "--json"})
	err := cmd.ExecuteContext(ctx)
	if cli.ExitCode(err) != 2 {
		t.Fatalf("it ended with %v", err)
	}
	count := map[string]int{}
	for _, item := range decode[[]map[string]any](t, out.String()) {
		count[fmt.Sprint(item["outcome"])]++
	}
	if count["waiting"] != 1 || count["not sent"] != 3 {
		t.Fatalf("it says %v", count)
	}
	if left := b.listed(t, "--all"); len(left) != 4 {
		t.Errorf("%d letters are left", len(left))
	}
	b.startEnricher(t)
	again := b.replays(t, 1, "--stage", "enricher", "--all", "--wait", "5s") // the same command goes on
	for _, item := range again {
		// The first one died again by its first sending; without Elasticsearch nobody can tell that it is not searchable.
		if first := item["sequence"] == 1.0; item["outcome"] != "dead again" && !first {
			t.Errorf("%v", item)
		}
	}
	bodies := map[string]bool{}
	for l, err := range deadletter.Open(b.conn).All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		bodies[string(l.Body)] = true
	}
	if len(bodies) != 4 {
		t.Errorf("of four events %d are left", len(bodies))
	}
}

func TestReplayKeepsLettersUntilTheirEventsAreSafe(t *testing.T) {
	b := newBench(t)
	b.bury(t)
	plan := decode[[]map[string]any](t, b.must(t, "deadletter", "replay", "--all", "--dry-run", "--json"))
	if len(plan) != 4 || plan[0]["outcome"] != "would be sent" || len(b.listed(t, "--all")) != 4 {
		t.Fatalf("a dry run says %v", plan)
	}
	done := b.replays(t, 1, "--all", "--wait", "1s", "--rate", "50")
	for _, item := range done {
		if item["outcome"] != "waiting" {
			t.Errorf("without enricher and indexer: %v", item)
		}
	}
	if left := b.listed(t, "--all"); len(left) != 4 {
		t.Errorf("left are %v; a letter must stay until its event is searchable", left)
	}
	bodies := map[string]bool{}
	for m, err := range b.conn.Scan(t.Context(), stream.Deliveries, stream.Range{}) {
		if err != nil {
			t.Fatal(err)
		}
		all, err := delivery.Decode(m.Header, m.Data)
		if err != nil || len(all) != 1 || !all[0].Replay || all[0].Endpoint != "prod" || all[0].Namespace != "default" {
			t.Fatalf("%+v %v", all, err)
		}
		bodies[string(all[0].Body)] = true
	}
	if len(bodies) != 3 || !bodies[`{"data":{"type":"s"}}`] {
		t.Errorf("the stream holds %v", bodies)
	}
	document, err := b.conn.Get(t.Context(), stream.Documents, 1)
	if document.Header["Sluice-Endpoints"] != "prod=1" || document.Header["Sluice-Replay"] != "true" {
		t.Errorf("the ledger cannot tell whose it is: %v", document.Header)
	}
	if err != nil || !strings.HasPrefix(string(document.Data), `{"create"`) || document.Header["Sluice-Schema"] != "1" || document.Subject != stream.BulkSubject(stream.SubjectDocuments("default")) {
		t.Errorf("%+v %v", document, err)
	}
}

func TestAReplayThatDiesAgainLeavesOneLetter(t *testing.T) {
	b := newBench(t)
	b.bury(t)
	b.startEnricher(t)
	items := b.replays(t, 1, "3", "--wait", "10s")
	if len(items) != 1 || items[0]["outcome"] != "dead again" || !strings.Contains(fmt.Sprint(items[0]["why"]), "no_log_id") {
		t.Errorf("replay says %v", items)
	}
	left := b.listed(t, "--all", "--reason", "no_log_id")
	if len(left) != 1 || left[0]["delivery"] != items[0]["delivery"] {
		t.Fatalf("left are %v", left)
	}
	// The new letter stands for a delivery of this one event, so that the next one would have its very place.
	number := fmt.Sprint(left[0]["sequence"])
	b.replays(t, 1, number, "--wait", "2s")
	if again := b.listed(t, "--all", "--reason", "no_log_id"); len(again) != 1 {
		t.Errorf("after a second replay %d letters are left", len(again))
	}
}

// startEnricher runs the real enricher.
func (b *bench) startEnricher(t *testing.T) {
	t.Helper()
	b.must(t, "namespace", "create", "default") // an enricher guesses at none
	admin := telemetry.Config{AdminListen: "127.0.0.1:0", LogLevel: "error", LogFormat: "json"}
	tel, err := telemetry.Open(t.Context(), "enricher", admin)
	if err != nil {
		t.Fatal(err)
	}
	var cfg enricher.Config
	if err := config.Load("enricher", &cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Stream, cfg.Telemetry = b.nats.Config(), admin
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- enricher.Run(ctx, cfg, tel) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("enricher: %v", err)
		}
	})
}

func TestWhatCannotBeReplayedIsKept(t *testing.T) {
	b := newBench(t)
	box := deadletter.Open(b.conn)
	for i, l := range []deadletter.Letter{
		{Reason: "bad_envelope", Delivery: "seq-1"},
		{Reason: "bad_compression", Delivery: "D", Namespace: "default"},
		{Reason: "too_large", Delivery: "E", Namespace: "default", Piece: 2},
	} {
		l.Stage, l.FirstSeen, l.Origin, l.Key, l.Body = "enricher", time.Now(), "t", "key-"+l.Delivery, []byte("x")
		if _, err := box.Put(t.Context(), &l); err != nil {
			t.Fatal(i, err)
		}
	}
	for _, item := range b.replays(t, 1, "--all", "--wait", "1s") {
		if item["outcome"] != "kept" || item["why"] == nil {
			t.Errorf("%v", item)
		}
	}
	if got := len(b.listed(t, "--all")); got != 3 {
		t.Errorf("%d letters are left", got)
	}
}
