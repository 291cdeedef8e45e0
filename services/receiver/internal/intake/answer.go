package intake

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// Answer is one of the receiver's possible answers: the status, the word in the body and the metric label in one.
type Answer struct {
	Name   string
	Status int
	Say    string // what a person reads; the same for everybody, so it tells an intruder nothing
	Retry  bool   // the sender should come again: Retry-After is set
}

// The closed list of answers. Nothing else in this service writes a status.
var (
	Accepted            = Answer{"accepted", http.StatusOK, "on disk", false}
	Truncated           = Answer{"truncated", http.StatusBadRequest, "the body ended before its announced length, or came too slowly", false}
	BadCompression      = Answer{"bad_compression", http.StatusBadRequest, "the body cannot be decompressed as its Content-Encoding says", false}
	Unauthorized        = Answer{"unauthorized", http.StatusUnauthorized, "unauthorized", false}
	Throttled           = Answer{"throttled", http.StatusTooManyRequests, "too many wrong tokens from this address; come again", true}
	NotFound            = Answer{"not_found", http.StatusNotFound, "no such path", false}
	UnknownEndpoint     = Answer{"unknown_endpoint", http.StatusNotFound, "no such endpoint", false}
	MethodNotAllowed    = Answer{"method_not_allowed", http.StatusMethodNotAllowed, "only POST", false}
	TooLarge            = Answer{"too_large", http.StatusRequestEntityTooLarge, "the body is larger than this receiver takes", false}
	UnsupportedEncoding = Answer{"unsupported_encoding", http.StatusUnsupportedMediaType, "Content-Encoding must be absent, identity, gzip or zstd", false}
	Busy                = Answer{"busy", http.StatusTooManyRequests, "too much is under way; come again", true}
	StreamFull          = Answer{"stream_full", http.StatusServiceUnavailable, "no room to store the delivery; come again", true}
	StreamAway          = Answer{"stream_away", http.StatusServiceUnavailable, "the delivery could not be stored; come again", true}
	NoRegistry          = Answer{"no_registry", http.StatusServiceUnavailable, "which endpoints there are is not known yet; come again", true}
	Stopping            = Answer{"stopping", http.StatusServiceUnavailable, "this receiver is stopping; come again", true}
)

// Answers lists all of them, for documentation and for metrics that begin at zero.
func Answers() []Answer {
	return []Answer{
		Accepted, Truncated, BadCompression, Unauthorized, Throttled, NotFound, UnknownEndpoint, MethodNotAllowed, TooLarge,
		UnsupportedEncoding, Busy, StreamFull, StreamAway, NoRegistry, Stopping,
	}
}

// refusal is an error that is answered with answer; hint is for our own people and never leaves the house.
type refusal struct {
	answer Answer
	hint   string
	cause  error
}

func (r *refusal) Error() string {
	text := r.answer.Name
	if r.hint != "" {
		text += ": " + r.hint
	}
	if r.cause != nil {
		text += ": " + r.cause.Error()
	}
	return text
}

func (r *refusal) Unwrap() error { return r.cause }

func refuse(a Answer, hint string, cause error) *refusal { return &refusal{a, hint, cause} }

// headers are those of every answer. Their values are shared: nobody changes one.
var headers = http.Header{ //nolint:gochecknoglobals // constant
	"Content-Type": {"application/json"}, "X-Content-Type-Options": {"nosniff"}, "Cache-Control": {"no-store"},
}

// retryAfter is how many seconds a sender should wait before it comes again.
const retryAfter = 5

// body is what an answer says, in JSON. None of its texts needs an escape.
func (a Answer) body(delivery string, size int) []byte {
	raw := make([]byte, 0, 192)
	raw = append(append(append(append(raw, `{"status":"`...), a.Name...), `","message":"`...), a.Say...)
	if a != Accepted {
		return append(raw, "\"}\n"...)
	}
	raw = append(append(append(raw, `","delivery":"`...), delivery...), `","bytes":`...)
	return append(strconv.AppendInt(raw, int64(size), 10), "}\n"...)
}

// answer is the only place that writes a status.
func (d *Desk) answer(ctx context.Context, w http.ResponseWriter, v *visit, a Answer, err error) {
	h := w.Header()
	maps.Copy(h, headers)
	if a.Retry {
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	if a.Status == http.StatusMethodNotAllowed {
		h.Set("Allow", http.MethodPost)
	}
	if a.Status == http.StatusBadRequest || a.Status == http.StatusRequestEntityTooLarge || a == Throttled {
		h.Set("Connection", "close") // what follows is not known to be a request; whoever guesses shall shake hands anew
	}
	if len(v.request.TransferEncoding) > 0 {
		h.Set("Connection", "close") // beside the chunks a Content-Length may have stood, by which a proxy would end the body elsewhere
	}
	raw := a.body(v.id, v.bytes)
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	w.WriteHeader(a.Status)
	_, _ = w.Write(raw) //nolint:gosec // JSON, of our own words, our own id and a number
	d.note(ctx, v, a, err)
}

// note writes the one line and the metrics of a request. Refusals of one kind are written once a second with their
// number, so that neither an intruder nor an outage can fill the log.
func (d *Desk) note(ctx context.Context, v *visit, a Answer, err error) {
	took := time.Since(v.begin)
	d.metrics.requests.WithLabelValues(a.Name).Inc()
	d.metrics.duration.WithLabelValues(a.Name).Observe(took.Seconds())
	level := a.level(v.endpoint != nil)
	if !d.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("answer", a.Name), slog.Int("bytes", v.bytes), slog.Float64("duration_ms", float64(took.Microseconds())/1000),
		slog.String("client", v.client.String()),
	}
	if p := peer(v.request); p != v.client {
		attrs = append(attrs, slog.String("proxy", p.String()))
	}
	kind := a.Name
	if v.endpoint != nil {
		attrs = append(attrs, slog.String("endpoint", v.endpoint.ID))
		kind += " " + v.endpoint.ID
	}
	if v.id != "" {
		attrs = append(attrs, slog.String("delivery", v.id), slog.String("encoding", v.encoding))
	}
	if a == Accepted {
		d.log.LogAttrs(ctx, level, "delivery", attrs...)
		return
	}
	summary := d.refusals
	if a == Throttled {
		summary = d.guesses
	}
	summary.Log(ctx, level, kind, "delivery", append(attrs, slog.Any("error", err))...)
}

// level is how much an answer matters to an operator: 413 and 503 are alarms, and a refusal at a known endpoint is
// somebody's mistake.
func (a Answer) level(known bool) slog.Level {
	switch {
	case a == TooLarge, a == StreamFull, a == StreamAway, a == NoRegistry:
		return slog.LevelError
	case a.Status >= http.StatusBadRequest && known:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}
