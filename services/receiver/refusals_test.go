package receiver_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/receiver"
	"github.com/sluicelog/sluice/services/receiver/internal/intake"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
)

// from makes a request come from an address behind our proxy.
func from(address, token string) func(*http.Request) {
	return func(q *http.Request) {
		q.Header.Set("X-Forwarded-For", address)
		q.Header.Set("Authorization", token)
	}
}

func TestWrongTokensAreSlowedDownAndTheRightOneBehindTheSameAddressIsNot(t *testing.T) {
	const most = 5
	r := start(t, func(cfg *receiver.Config, _ *stream.Topology) {
		cfg.WrongTokens, cfg.TrustedProxies = most, []string{"127.0.0.0/8"}
	})
	begin, throttled := time.Now(), 0
	for range 40 {
		got := r.post(strings.NewReader(oneEvent), from("203.0.113.9", endpoint.NewToken()))
		if got.status == http.StatusTooManyRequests {
			r.expect(got, intake.Throttled)
			if throttled++; !got.closes {
				t.Error("who guesses keeps the connection")
			}
		} else {
			r.expect(got, intake.Unauthorized)
		}
		r.expect(r.post(strings.NewReader(oneEvent), from("203.0.113.9", r.token)), intake.Accepted)
	}
	allowed := most + int(time.Since(begin).Minutes()*most) + 1
	if 40-throttled > allowed || throttled == 0 {
		t.Errorf("%d of 40 wrong tokens were slowed down", throttled)
	}
	r.expect(r.post(strings.NewReader(oneEvent), from("203.0.113.10", endpoint.NewToken())), intake.Unauthorized) // another address
	if all, _ := r.stored(); len(all) != 40 {
		t.Errorf("%d deliveries with the right token are stored", len(all))
	}
	if r.value("sluice_receiver_requests_total", "throttled") != float64(throttled) {
		t.Error("they are not counted")
	}
	if lines := strings.Count(r.logs.String(), `"answer":"throttled"`); lines != 1 {
		t.Errorf("%d lines in the log, want one that sums up", lines)
	}
	r.await("the refusals are on the board", func() bool {
		seen, err := r.board.Read(t.Context(), r.endpoint.ID)
		if err != nil {
			t.Fatal(err)
		}
		var times uint64
		for _, one := range seen.Refusals {
			if one.Reason == "throttled" && one.Address == "203.0.113.9" {
				times = one.Times
			}
		}
		return times == uint64(throttled) && len(seen.Refusals) == 3
	})
}

func TestRequestsThatFindNoEndpointAreShown(t *testing.T) {
	r := start(t, nil)
	path := func(path string) func(*http.Request) {
		return func(q *http.Request) { q.URL.Path, q.URL.RawQuery = path, "token="+r.token }
	}
	for range 3 {
		r.expect(r.post(strings.NewReader(oneEvent), path("/v1/endpoints/mistyped")), intake.UnknownEndpoint)
	}
	r.expect(r.post(strings.NewReader(oneEvent), path("/v1/endpoint/"+r.endpoint.ID)), intake.NotFound)
	r.expect(r.post(strings.NewReader(oneEvent), path("/v1/endpoints/"+r.token)), intake.UnknownEndpoint)
	for i := range 50 { // strangers hide nothing
		r.expect(r.post(nil, func(q *http.Request) {
			q.Header.Del("Authorization")
			path("/door" + string(rune('a'+i%26)) + string(rune('a'+i/26)))(q)
		}), intake.NotFound)
	}
	var seen endpoint.Misses
	r.await("the misses are on the board", func() bool {
		var err error
		if seen, err = r.board.Misses(t.Context()); err != nil {
			t.Fatal(err)
		}
		return len(seen) == 13
	})
	times := map[string]uint64{}
	for _, m := range seen {
		times[m.Request] = m.Times
		if m.Address != "127.0.0.1" || strings.Contains(m.Request, r.token) {
			t.Errorf("shown: %+v", m)
		}
	}
	if times["POST /v1/endpoints/mistyped"] != 3 || times["POST /v1/endpoint/"+r.endpoint.ID] != 1 {
		t.Errorf("shown: %v", times)
	}
}
