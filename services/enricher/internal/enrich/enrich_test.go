package enrich_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/sluicelog/sluice/services/enricher/internal/enrich"
	"github.com/sluicelog/sluice/services/enricher/internal/mapping"
	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

func TestMain(m *testing.M) { // idle connections of HTTP clients end some time later
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// namespaces is a registry that never changes by itself.
type namespaces map[string]endpoint.Namespace

func (n namespaces) Namespace(name string) (endpoint.Namespace, bool) {
	ns, ok := n[name]
	return ns, ok
}

func (n namespaces) Learn(_ context.Context, name string) error {
	return fmt.Errorf("%w: %s", endpoint.ErrNoNamespace, name)
}

// rig is an enricher on a real server.
type rig struct {
	t        *testing.T
	conn     *stream.Conn
	letters  *deadletter.Box
	enricher *enrich.Enricher
	registry *prometheus.Registry
	spaces   namespaces
	parts    enrich.Parts
	sequence uint64
}

func start(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, conn: streamtest.Start(t).Open(t, "default", "other"), registry: prometheus.NewRegistry(), spaces: namespaces{}}
	for _, name := range []string{"default", "other"} {
		r.spaces[name] = endpoint.Namespace{Name: name, Calendar: period.Daily()}
	}
	mapper, err := mapping.New(mapping.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.letters = deadletter.Open(r.conn)
	r.parts = enrich.Parts{
		Stream: r.conn, Letters: r.letters, Directory: r.spaces, Mapper: mapper, Metrics: enrich.NewMetrics(r.registry),
		Log: slog.New(slog.DiscardHandler), Created: time.Unix(1795000000, 0), MaxBody: 16 << 20, PartBytes: 4 << 20, Patience: 10 * time.Second,
	}
	r.enricher = enrich.New(r.parts)
	return r
}

// give handles a message as the stream would hand it out; each call is another message.
func (r *rig) give(header map[string]string, data []byte) *stream.Message {
	r.t.Helper()
	r.sequence++
	m := &stream.Message{Subject: stream.SubjectDeliveries, Header: header, Data: data, Sequence: r.sequence, Delivered: 1, Stored: time.Now()}
	r.handle(m)
	return m
}

func (r *rig) handle(m *stream.Message) {
	r.t.Helper()
	if err := r.enricher.Handle(r.t.Context(), m); err != nil {
		r.t.Fatal(err)
	}
}

// post handles one message with deliveries.
func (r *rig) post(all ...delivery.Delivery) *stream.Message {
	r.t.Helper()
	header, data, err := delivery.Encode(all)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.give(header, data)
}

func of(body string) delivery.Delivery {
	return delivery.Delivery{ID: "01JAAA", Endpoint: "e1", Namespace: "default", Received: time.Now(), Body: []byte(body)}
}

// indexed returns the index of every stored document by its event's id; a document that is stored twice fails the test.
func (r *rig) indexed() map[string]string {
	r.t.Helper()
	found := map[string]string{}
	for message, err := range r.conn.Scan(r.t.Context(), stream.Documents, stream.Range{}) {
		if err != nil {
			r.t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(message.Data), "\n"), "\n")
		for i := 0; i < len(lines); i += 2 {
			var action struct {
				Create struct {
					Index string `json:"_index"`
					ID    string `json:"_id"`
				} `json:"create"`
			}
			var doc struct {
				Event struct {
					ID string `json:"id"`
				} `json:"event"`
			}
			if err := errors.Join(json.Unmarshal([]byte(lines[i]), &action), json.Unmarshal([]byte(lines[i+1]), &doc)); err != nil {
				r.t.Fatal(err)
			}
			if found[doc.Event.ID] != "" {
				r.t.Errorf("event %s is there twice", doc.Event.ID)
			}
			if message.Subject != "sluice.documents."+strings.Split(action.Create.Index, "-")[2] {
				r.t.Errorf("%s came on %s", action.Create.Index, message.Subject)
			}
			found[doc.Event.ID] = action.Create.Index
		}
	}
	return found
}

// dead returns all letters.
func (r *rig) dead() (all []*deadletter.Letter) {
	r.t.Helper()
	for l, err := range r.letters.All(r.t.Context()) {
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

// summary is what matters of a letter.
func summary(all []*deadletter.Letter) (lines []string) {
	for _, l := range all {
		lines = append(lines, fmt.Sprintf("%s item %d line %d: %.40s", l.Reason, l.Item, l.Line, l.Body))
	}
	return lines
}

// events is JSON lines of n events of today.
func events(from, n int) (lines []string) {
	now := time.Now().UTC()
	for i := from; i < from+n; i++ {
		id := "900" + now.Format("20060102150405") + fmt.Sprintf("%039d", i)
		lines = append(lines, fmt.Sprintf(`{"log_id":%q,"data":{"type":"s","date":%q,"user_name":"u%d@example.com"}}`, id, now.Format("2006-01-02T15:04:05.000Z"), i))
	}
	return lines
}

func TestBrokenElementsBecomeLettersAndCostNoOther(t *testing.T) {
	r := start(t)
	lines := events(0, 100)
	lines[10], lines[50], lines[99] = `{"log_id":"x",`, `{"data":{"type":"s"}}`, `[1]`+"\x00"
	first := r.post(of(strings.Join(lines, "\n")))
	if got := len(r.indexed()); got != 97 {
		t.Errorf("%d documents", got)
	}
	want := []string{`not_json item 10 line 11: {"log_id":"x",`, `no_log_id item 50 line 51: {"data":{"type":"s"}}`}
	letters := r.dead()
	if diff := cmp.Diff(want, summary(letters)[:2]); diff != "" || len(letters) < 3 {
		t.Errorf("%d letters: %s", len(letters), diff)
	}
	for _, l := range letters {
		if l.Stage != "enricher" || l.Delivery != "01JAAA" || l.Endpoint != "e1" || l.Namespace != "default" || l.Key != deadletter.KeyOf("e1", first.Data) || l.Detail == "" {
			t.Errorf("%+v", l)
		}
	}
	again := of(strings.Join(lines, "\n"))
	again.ID = "01JBBB"
	r.post(again)
	if diff := cmp.Diff(summary(letters), summary(r.dead())); diff != "" {
		t.Errorf("the same delivery again: %s", diff)
	}
}

func TestAMessageHandledTwiceIsStoredOnce(t *testing.T) {
	r := start(t)
	m := r.post(of(strings.Join(append(events(0, 20), "broken"), "\n")))
	m.Delivered = 2
	r.handle(m) // as after a crash between storing and acknowledging
	if got := len(r.indexed()); got != 20 {
		t.Errorf("%d documents", got)
	}
	if got := r.dead(); len(got) != 1 || got[0].Attempts != 1 {
		t.Errorf("%v", summary(got))
	}
}

func TestCompressedBodiesOpen(t *testing.T) {
	r := start(t)
	var zipped bytes.Buffer
	gz := gzip.NewWriter(&zipped)
	if _, err := gz.Write([]byte(strings.Join(events(0, 5), "\n"))); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	one, two, three, four := of(zipped.String()), of(string(z.EncodeAll([]byte(`{"logs":[`+strings.Join(events(5, 5), ",")+`]}`), nil))), of("no gzip at all"), of("x")
	bomb := of(string(z.EncodeAll(make([]byte, 17<<20), nil)))
	one.Encoding, two.Encoding, three.Encoding, four.Encoding, bomb.Encoding = "gzip", "zstd", "gzip", "br", "zstd"
	r.post(one, two, three)
	r.post(four)
	r.post(bomb)
	if got := len(r.indexed()); got != 10 {
		t.Errorf("%d documents", got)
	}
	var reasons []string
	for _, l := range r.dead() {
		reasons = append(reasons, l.Reason)
	}
	if diff := cmp.Diff([]string{"bad_compression", "bad_compression", "too_large"}, reasons); diff != "" {
		t.Error(diff)
	}
}

func TestDeliveriesThatShareAMessageKeepTheirOwnFacts(t *testing.T) {
	r := start(t)
	one, two := of(events(0, 1)[0]), of("["+events(1, 1)[0]+`,{"x":1}]`)
	two.ID, two.Endpoint, two.Namespace = "01JBBB", "e2", "other"
	r.post(one, two)
	day := period.Daily().Name(time.Now())
	var indices []string
	for _, index := range r.indexed() {
		indices = append(indices, index)
	}
	if diff := cmp.Diff(map[string]bool{"logs-auth0.logs-default-" + day: true, "logs-auth0.logs-other-" + day: true}, set(indices)); diff != "" {
		t.Error(diff)
	}
	letters := r.dead()
	if len(letters) != 1 || letters[0].Endpoint != "e2" || letters[0].Delivery != "01JBBB" || letters[0].Item != 1 || letters[0].Key != deadletter.KeyOf("e2", two.Body) {
		t.Errorf("%+v", letters)
	}
}

func set(all []string) map[string]bool {
	s := map[string]bool{}
	for _, one := range all {
		s[one] = true
	}
	return s
}

func TestPartsOfADeliveryCountOnAndFragmentsAreSetAside(t *testing.T) {
	r := start(t)
	one, two, three := of("["+events(0, 2)[0]+"]"), of("a piece of"), of(" one event")
	one.Part, one.Parts, one.First = 1, 3, 4
	two.Part, two.Parts, two.First, two.Fragment = 2, 3, 5, "too_large"
	three.Part, three.Parts, three.First, three.Fragment = 3, 3, 5, "too_large"
	m := r.post(one, two, three)
	r.handle(m)
	letters := r.dead()
	if diff := cmp.Diff([]string{"too_large item 5 line 0: a piece of", "too_large item 5 line 0:  one event"}, summary(letters)); diff != "" {
		t.Fatal(diff)
	}
	if letters[0].Piece != 2 || letters[1].Piece != 3 {
		t.Errorf("pieces %d and %d", letters[0].Piece, letters[1].Piece)
	}
}

func TestMessagesOfOthersAreSetAsideWhole(t *testing.T) {
	r := start(t)
	header, data, err := delivery.Encode([]delivery.Delivery{of(events(0, 1)[0])})
	if err != nil {
		t.Fatal(err)
	}
	with := func(changes ...string) map[string]string {
		h := map[string]string{}
		maps.Copy(h, header)
		for i := 0; i < len(changes); i += 2 {
			h[changes[i]] = changes[i+1]
		}
		return h
	}
	cases := []struct {
		header map[string]string
		body   string
	}{
		{nil, "no headers"},
		{nil, ""},
		{with("Sluice-Schema", "0"), "of no version"},
		{with("Sluice-Schema", "two"), "of an odd version"},
		{with("Sluice-Received-At", "yesterday"), "without a time"},
		{with("Sluice-Namespace", "a.b"), "a namespace with a dot"},
		{with("Sluice-Namespace", `x","_id":"1"}}`), "a namespace that injects"},
		{with("Sluice-Namespace", "a b"), "a namespace that is no subject"},
		{with("Sluice-Endpoint", "E\xff"), "an endpoint that is no label"},
		{with("Sluice-Fragment", "\xff\xfe"), "a reason that is no label"},
		{with("Sluice-Delivery", strings.Repeat("x", 5000)), "a long id"},
		{with("Sluice-Count", "7"), "fewer than it says"},
		{with("Sluice-Part", "one"), "an odd part"},
	}
	for _, c := range cases {
		r.give(c.header, []byte(c.body))
	}
	r.give(header, data) // and a good one still passes
	letters := r.dead()
	for i, l := range letters {
		if l.Reason != "bad_envelope" || string(l.Body) != cases[i].body || l.Origin != fmt.Sprintf("DELIVERIES:%d", i+1) || l.Detail == "" {
			t.Errorf("%s: %+v", cases[i].body, l)
		}
	}
	if len(letters) != len(cases) || len(r.indexed()) != 1 {
		t.Errorf("%d letters of %d, %d documents", len(letters), len(cases), len(r.indexed()))
	}
}

func TestALetterThatNoMessageCanHoldLiesInPieces(t *testing.T) {
	r := start(t)
	giant := `{"no_id":"` + strings.Repeat("x", 11<<20) + `"}`
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	d := of(string(z.EncodeAll([]byte(giant+"\n"+events(0, 1)[0]), nil)))
	d.Encoding = "zstd"
	r.handle(r.post(d))
	var whole []byte
	for i, l := range r.dead() {
		if l.Piece != i+1 || l.Reason != "no_log_id" || l.Item != 0 {
			t.Errorf("%s of item %d, piece %d", l.Reason, l.Item, l.Piece)
		}
		whole = append(whole, l.Body...)
	}
	if string(whole) != giant || len(r.indexed()) != 1 {
		t.Errorf("%d bytes of %d are kept, %d documents", len(whole), len(giant), len(r.indexed()))
	}
	r.give(nil, bytes.Repeat([]byte("y"), r.conn.MaxPayload()-10))
	if got := len(r.dead()); got != 4 {
		t.Errorf("%d letters", got)
	}
}

func TestMoreThanAThousandBrokenLinesShareTheirLastLetter(t *testing.T) {
	r := start(t)
	lines := make([]string, 1500)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"n":%d}`, i)
	}
	r.post(of(strings.Join(lines, "\n")))
	letters := r.dead()
	if len(letters) != 1001 || string(letters[1000].Body) != strings.Join(lines[1000:], "\n") {
		t.Errorf("%d letters, the last one %.40s", len(letters), letters[len(letters)-1].Body)
	}
}

func TestTheTimeOfAnEventDecidesWhereItGoes(t *testing.T) {
	r := start(t)
	now := time.Now().UTC()
	r.spaces["default"] = endpoint.Namespace{Name: "default", Calendar: period.Daily(), Retention: 48 * time.Hour}
	long := func(at string, n int) string { return "900" + at + fmt.Sprintf("%039d", n) }
	stamp := now.Format("20060102150405")
	lines := []string{
		fmt.Sprintf(`{"log_id":%q,"data":{}}`, long(stamp, 1)),
		fmt.Sprintf(`{"log_id":%q,"data":{"date":"1999-01-01T00:00:00Z"}}`, long(stamp, 2)), // the log id decides
		fmt.Sprintf(`{"log_id":%q,"data":{}}`, long(now.Add(-72*time.Hour).Format("20060102150405"), 3)),
		`{"log_id":"dated","data":{"date":"` + now.Format(time.RFC3339) + `"}}`,
		`{"log_id":"expired","data":{"date":"` + now.Add(-49*time.Hour).Format(time.RFC3339) + `"}}`,
		`{"log_id":"undated","data":{"date":"yesterday"}}`,
		`{"log_id":"bogus","data":{"date":"0001-01-01T00:00:00Z"}}`,
		fmt.Sprintf(`{"log_id":%q,"data":{}}`, long("19690101000000", 4)),
		`{"log_id":"ahead","data":{"date":"` + now.Add(49*time.Hour).Format(time.RFC3339) + `"}}`,
	}
	r.post(of(strings.Join(lines, "\n")))
	day := "logs-auth0.logs-default-" + now.Format("2006.01.02")
	want := map[string]string{
		long(stamp, 1): day, long(stamp, 2): day, "dated": day, "undated": "logs-auth0.logs-default-undated",
		"bogus": "logs-auth0.logs-default-undated", long("19690101000000", 4): "logs-auth0.logs-default-undated",
	}
	if diff := cmp.Diff(want, r.indexed()); diff != "" {
		t.Error(diff)
	}
	if letters := r.dead(); len(letters) != 1 || letters[0].Reason != "time_in_future" || letters[0].Item != 8 {
		t.Errorf("%v", summary(letters))
	}
	if got := r.value("sluice_enricher_events_total", "expired"); got != 2 {
		t.Errorf("%v expired", got)
	}
}

// value reads a counter.
func (r *rig) value(name, label string) float64 {
	r.t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			labels := append(m.GetLabel(), nil) // one without a label has the empty one
			if family.GetName() == name && labels[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestThreeShapesGiveTheSameDocuments(t *testing.T) {
	r := start(t)
	lines := events(0, 30)
	for i, body := range []string{
		"\ufeff" + strings.Join(lines, "\r\n") + "\r\n\r\n", "[" + strings.Join(lines, ",\n") + "]", `{"logs":[` + strings.Join(lines, ",") + `]}`,
	} {
		r.post(of(body))
		ids := map[string]int{}
		for message, err := range r.conn.Scan(t.Context(), stream.Documents, stream.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(message.Data)) {
				if strings.HasPrefix(line, `{"create"`) {
					ids[line]++
				}
			}
		}
		for action, times := range ids {
			if times != i+1 {
				t.Fatalf("%s is there %d times after %d deliveries", action, times, i+1)
			}
		}
		if len(ids) != 30 {
			t.Fatalf("%d documents", len(ids))
		}
	}
	tenant := auth0.DocumentID("e1", "x") // an event that names no tenant belongs to its endpoint's
	r.post(of(`{"log_id":"x"}`))
	for message, err := range r.conn.Scan(t.Context(), stream.Documents, stream.Range{From: 4}) {
		if err != nil || !bytes.Contains(message.Data, []byte(tenant)) {
			t.Errorf("%v: %.200s", err, message.Data)
		}
	}
}

func TestNothingIsAcknowledgedWhileTheStreamIsAway(t *testing.T) {
	r := start(t)
	r.conn.Close()
	header, data, err := delivery.Encode([]delivery.Delivery{of("broken\n" + events(0, 1)[0])})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err = r.enricher.Handle(ctx, &stream.Message{Header: header, Data: data, Sequence: 1, Delivered: 1})
	if !errors.Is(err, stream.ErrAway) {
		t.Errorf("got %v", err)
	}
}
