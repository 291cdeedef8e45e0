// Package intake takes webhook POSTs in: authenticate, read within limits, put on disk, answer.
//
// Its promise: 200 is said only when the stream has acknowledged the whole delivery from disk. It looks inside a body
// only where one is too large for a single message; whatever is broken in it is the enricher's to set aside.
package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"
	"github.com/oklog/ulid/v2"

	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/telemetry"
)

// directory knows the endpoints.
type directory interface {
	Endpoint(id string) (*endpoint.Endpoint, bool)
	Vouches(id string) bool // an endpoint that it does not know does not exist
}

// Limits bound what one body and all bodies together may take.
type Limits struct {
	Body     int64 // bytes of one body, also after decompression
	Inflight int64 // bytes of all bodies held at once
	Wrong    int   // wrong tokens that one address may send in a minute; 0: as many as it likes
	Fair     int64 // bytes a second of one endpoint, after decompression, beyond which its deliveries are bulk; 0: none is
	Burst    int64 // bytes of one endpoint at once that are not bulk
}

// Desk answers the public listener.
type Desk struct {
	directory directory
	committer *Committer
	sightings *Sightings
	limits    Limits
	budget    *budget
	decoders  chan struct{} // decompression is work for a processor, and each takes megabytes for its window
	metrics   *Metrics
	log       *slog.Logger
	refusals  *telemetry.Throttle
	guesses   *telemetry.Throttle
	proxies   Proxies
	guard     *guard
	fair      *fair
	stopping  atomic.Bool
}

// Parts are what a Desk works with.
type Parts struct {
	Directory directory
	Committer *Committer
	Sightings *Sightings
	Metrics   *Metrics
	Log       *slog.Logger
	Proxies   Proxies
}

// New returns a desk.
func New(p Parts, limits Limits) *Desk {
	return &Desk{
		directory: p.Directory, committer: p.Committer, sightings: p.Sightings, limits: limits,
		budget: newBudget(limits.Inflight, p.Metrics.inflight), decoders: make(chan struct{}, runtime.GOMAXPROCS(0)),
		metrics: p.Metrics, log: p.Log, refusals: telemetry.NewThrottle(p.Log, time.Second),
		guesses: telemetry.NewThrottle(p.Log, time.Minute), proxies: p.Proxies, guard: newGuard(limits.Wrong), fair: newFair(limits.Fair, limits.Burst),
	}
}

// Path is the path of a Payload URL; {id} stands for the endpoint.
const Path = "/v1/endpoints/{id}"

// Routes is the public surface: one path, exactly as written, no redirects.
func (d *Desk) Routes() http.Handler {
	router := mux.NewRouter().SkipClean(true).UseEncodedPath()
	router.HandleFunc(Path, d.deliver)
	router.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.refuse(r.Context(), w, d.visit(r), refuse(NotFound, "", nil))
	})
	return router
}

// Stop makes every further request come back later.
func (d *Desk) Stop() { d.stopping.Store(true) }

// visit is one request as it goes through the desk.
type visit struct {
	request  *http.Request
	begin    time.Time
	client   netip.Addr
	endpoint *endpoint.Endpoint
	token    string
	encoding string
	id       string
	bytes    int
}

func (d *Desk) visit(r *http.Request) *visit {
	return &visit{request: r, begin: time.Now(), client: d.proxies.client(r)}
}

func (d *Desk) deliver(w http.ResponseWriter, r *http.Request) {
	v := d.visit(r)
	if err := d.admit(v); err != nil {
		d.refuse(r.Context(), w, v, err)
		return
	}
	share := &lease{budget: d.budget, shelf: d.committer.shelf}
	defer share.release()
	if err := d.store(r.Context(), w, v, share); err != nil {
		d.refuse(r.Context(), w, v, err)
		return
	}
	share.reuse() // what is on disk is nowhere on its way
	d.accept(r.Context(), w, v)
}

// admit decides from the head of the request alone.
func (d *Desk) admit(v *visit) error {
	r := v.request
	known, ok := d.directory.Endpoint(mux.Vars(r)["id"])
	switch {
	case d.stopping.Load():
		return refuse(Stopping, "", nil)
	case r.Method != http.MethodPost:
		return refuse(MethodNotAllowed, "", nil)
	case !ok && !d.directory.Vouches(mux.Vars(r)["id"]): // a lost registry must not look like a wrong address: Auth0 gives that up after a week
		return refuse(NoRegistry, "the registry holds no endpoint, or cannot be followed: after a loss of NATS run `sluice endpoint import`, else `sluice endpoint create`", nil)
	case !ok:
		return refuse(UnknownEndpoint, "", nil)
	}
	v.endpoint = known
	if err := d.authenticate(v); err != nil {
		return d.slowDown(v, err)
	}
	if v.encoding, ok = encodingOf(r.Header); !ok {
		return refuse(UnsupportedEncoding, fmt.Sprintf("Content-Encoding %q", bounded(r.Header.Get("Content-Encoding"))), nil)
	}
	return nil
}

// slowDown turns a refusal into another one where its sender has had too many. The token was looked at before: the right
// one is let in at any time, whoever else sends wrong ones from its address. Nothing is held back on our side, since a
// held connection may be one that the right one needs.
func (d *Desk) slowDown(v *visit, refused error) error {
	if d.guard.wrong(v.client, v.begin) {
		return refuse(Throttled, "too many wrong tokens from this address: more than RECEIVER_WRONG_TOKENS in a minute", nil)
	}
	return refused
}

func (d *Desk) authenticate(v *visit) error {
	values := v.request.Header.Values("Authorization")
	if len(values) != 1 || values[0] == "" {
		hint := "no Authorization header: a proxy may strip it, or the Authorization Token is empty in Auth0's form"
		if len(values) > 1 {
			hint = "more than one Authorization header"
		}
		return refuse(Unauthorized, hint, nil)
	}
	token, ok := v.endpoint.Match(values[0], v.begin)
	if !ok {
		return refuse(Unauthorized, "the token is none of the live ones of this endpoint", nil)
	}
	v.token = token
	return nil
}

// store reads the body and puts it on disk. A sender that leaves meanwhile does not undo it.
func (d *Desk) store(ctx context.Context, w http.ResponseWriter, v *visit, share *lease) error {
	r := v.request
	body, err := readBody(w, r, d.limits.Body, share)
	if err != nil {
		return err
	}
	v.bytes = len(body)
	if v.bytes == 0 {
		v.encoding = delivery.Identity // there is nothing to undo
	}
	plain, err := d.plainSize(ctx, body, v.encoding)
	if err != nil {
		return err
	}
	v.id = ulid.MustNew(ulid.Timestamp(v.begin), ulid.DefaultEntropy()).String()
	bulk := d.fair.bulk(v.endpoint.ID, plain, v.begin)
	err = d.committer.Store(context.WithoutCancel(ctx), delivery.Delivery{
		ID: v.id, Endpoint: v.endpoint.ID, Namespace: v.endpoint.Namespace, Received: v.begin.UTC(),
		ContentType: bounded(r.Header.Get("Content-Type")), Encoding: v.encoding, Body: body,
	}, extent{plain: plain, bulk: bulk, share: share})
	if bulk && err == nil {
		d.metrics.bulk.WithLabelValues(v.endpoint.ID).Inc()
	}
	return err
}

// plainSize is how many bytes a body has after decompression; the refusal says that it is broken or too large.
func (d *Desk) plainSize(ctx context.Context, body []byte, encoding string) (int64, error) {
	if encoding == delivery.Identity {
		return int64(len(body)), nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case d.decoders <- struct{}{}:
		defer func() { <-d.decoders }()
		return checkCompression(body, encoding, d.limits.Body)
	case <-ctx.Done():
		return 0, refuse(Busy, "too many compressed bodies at once", nil)
	}
}

// bounded keeps a foreign header short and printable.
func bounded(s string) string {
	const most = 64
	clean := make([]byte, 0, min(len(s), most))
	for i := 0; i < len(s) && len(clean) < most; i++ {
		if s[i] >= 0x20 && s[i] < 0x7f {
			clean = append(clean, s[i])
		}
	}
	return string(clean)
}

func (d *Desk) accept(ctx context.Context, w http.ResponseWriter, v *visit) {
	now := time.Now()
	d.sightings.accepted(v.endpoint.ID, v.token, v.id, now.UTC())
	d.metrics.accepted.WithLabelValues(v.endpoint.ID).Inc()
	d.metrics.bytes.WithLabelValues(v.endpoint.ID).Add(float64(v.bytes))
	d.metrics.last.WithLabelValues(v.endpoint.ID).Set(float64(now.UnixMilli()) / 1000)
	d.answer(ctx, w, v, Accepted, nil)
}

func (d *Desk) refuse(ctx context.Context, w http.ResponseWriter, v *visit, err error) {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		r = refuse(StreamAway, "", err)
	}
	now := time.Now().UTC()
	switch {
	case v.endpoint != nil:
		d.sightings.refused(v.endpoint.ID, endpoint.Refusal{Time: now, Reason: r.answer.Name, Hint: r.hint, Address: v.client.String()})
	case r.answer == NotFound, r.answer == UnknownEndpoint:
		d.sightings.missed(miss(v, now))
	}
	d.answer(ctx, w, v, r.answer, err)
}
