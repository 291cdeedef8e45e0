package enrich_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/sluicelog/sluice/services/enricher/internal/enrich"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
)

// directory calls each for every delivery and for every event, as long as that is being mapped.
type directory struct {
	each func(event int)
	seen int
}

func (d *directory) Namespace(name string) (endpoint.Namespace, bool) {
	d.seen++
	d.each(d.seen)
	return endpoint.Namespace{Name: name, Calendar: period.Daily()}, true
}

func (d *directory) Learn(context.Context, string) error { return nil }

// stubborn stores on the real stream, but refuses each part and each letter on the first tries that refuse says.
type stubborn struct {
	*stream.Conn
	letters *deadletter.Box
	refuse  func(name string, try int) bool

	mu    sync.Mutex
	tries map[string]int
}

func (s *stubborn) refused(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries[name]++
	return s.refuse(name, s.tries[name])
}

func (s *stubborn) Publish(ctx context.Context, out stream.Outgoing) (stream.Receipt, error) {
	if s.refused("part " + strings.Split(out.ID, "-")[2]) {
		return stream.Receipt{}, stream.ErrFull
	}
	return s.Conn.Publish(ctx, out)
}

func (s *stubborn) Put(ctx context.Context, l *deadletter.Letter) (bool, error) {
	if s.refused(fmt.Sprintf("letter %d", l.Item)) {
		return false, stream.ErrAway
	}
	return s.letters.Put(ctx, l)
}

func message(t *testing.T, all ...delivery.Delivery) *stream.Message {
	t.Helper()
	header, data, err := delivery.Encode(all)
	if err != nil {
		t.Fatal(err)
	}
	return &stream.Message{Header: header, Data: data, Sequence: 1, Delivered: 1, Stored: time.Now()}
}

func TestADeliveryThatTakesLongerThanOneStoringIsFinished(t *testing.T) {
	r := start(t)
	r.parts.Patience = 500 * time.Millisecond
	r.parts.Directory = &directory{each: func(int) { time.Sleep(r.parts.Patience / 10) }}
	r.enricher = enrich.New(r.parts)
	r.handle(message(t, of(strings.Join(events(0, 20), "\n"))))
	if got := len(r.indexed()); got != 20 {
		t.Errorf("%d documents", got)
	}
}

func TestWhatIsStoredIsNeitherMappedNorOfferedAgain(t *testing.T) {
	r := start(t)
	s := &stubborn{Conn: r.conn, letters: r.letters, tries: map[string]int{}, refuse: func(name string, try int) bool {
		return name == "part 1" && try <= 3 || name == "letter 21" && try <= 2
	}}
	d := &directory{each: func(int) {}}
	r.parts.Stream, r.parts.Letters, r.parts.Directory, r.parts.PartBytes = s, s, d, 5_000
	r.enricher = enrich.New(r.parts)
	r.handle(message(t, of(strings.Join(append(events(0, 20), "broken", "as well"), "\n"))))
	if got := len(r.indexed()); got != 20 || len(r.dead()) != 2 || d.seen != 23 { // one look for the delivery, one for each of its elements
		t.Errorf("%d documents, %d letters, %d looks", got, len(r.dead()), d.seen)
	}
	want := map[string]int{"letter 20": 1, "letter 21": 3, "part 0": 1, "part 1": 4, "part 2": 1}
	for name := range s.tries {
		if _, named := want[name]; !named && strings.HasPrefix(name, "part ") {
			want[name] = 1
		}
	}
	if diff := cmp.Diff(want, s.tries); diff != "" {
		t.Error(diff)
	}
}

func TestAStopIsNotHeldUpByALargeDelivery(t *testing.T) {
	r := start(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	d := &directory{each: func(event int) {
		if event == 10 {
			stop()
		}
	}}
	r.parts.Directory = d
	err := enrich.New(r.parts).Handle(ctx, message(t, of(strings.Join(events(0, 1000), "\n"))))
	if !errors.Is(err, context.Canceled) || d.seen > 10 {
		t.Errorf("%d events were mapped: %v", d.seen, err)
	}
}

// scale weighs what is alive while parts are stored, and keeps none of them.
type scale struct {
	*stream.Conn
	mu        sync.Mutex
	heaviest  uint64
	largest   int
	documents int
}

func (s *scale) weigh(documents, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heaviest, s.largest = max(s.heaviest, live()), max(s.largest, size)
	s.documents += documents
}

func (s *scale) Publish(_ context.Context, out stream.Outgoing) (stream.Receipt, error) {
	s.weigh(strings.Count(string(out.Data), "\n")/2, len(out.Data))
	return stream.Receipt{}, nil
}

func (s *scale) Put(context.Context, *deadletter.Letter) (bool, error) {
	s.weigh(0, 0)
	return true, nil
}

func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestAMessageOfManyBodiesThatInflateTakesBoundedMemory(t *testing.T) {
	r := start(t)
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	const bodies, each = 12, 1000
	var all []delivery.Delivery
	for i := range bodies {
		lines := events(i*each, each)
		for j := range lines { // 8 MiB of them
			lines[j] = strings.Replace(lines[j], `"type"`, `"description":"`+strings.Repeat("x", 8<<10)+`","type"`, 1)
		}
		d := of(string(z.EncodeAll([]byte(strings.Join(append(lines, "broken"), "\n")), nil)))
		d.Encoding = delivery.Zstd
		all = append(all, d)
	}
	m := message(t, all...)
	s := &scale{Conn: r.conn}
	r.parts.Stream, r.parts.Letters = s, s
	before := live()
	r.enricher = enrich.New(r.parts)
	r.handle(m)
	runtime.KeepAlive(m)
	t.Logf("at most %d MiB, largest part %d bytes", (s.heaviest-before)>>20, s.largest)
	if s.documents != bodies*each || s.heaviest-before > 64<<20 {
		t.Errorf("%d documents took %d bytes of memory", s.documents, s.heaviest-before)
	}
}
