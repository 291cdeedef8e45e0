package endpoint_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

func open(t testing.TB) *endpoint.Registry {
	t.Helper()
	return openWith(t, "default")
}

// openWith opens an empty registry, where the streams have consumers for namespaces.
func openWith(t testing.TB, namespaces ...string) *endpoint.Registry {
	t.Helper()
	r, err := endpoint.Open(t.Context(), streamtest.Start(t).Open(t, namespaces...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func create(t testing.TB, r *endpoint.Registry, token string) *endpoint.Endpoint {
	t.Helper()
	e, err := r.Create(t.Context(), endpoint.Endpoint{Name: "prod", Namespace: "default"}, token)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestATokenMatchesWithAndWithoutBearerOnEitherSide(t *testing.T) {
	r := open(t)
	token := endpoint.NewToken()
	for _, stored := range []string{token, "Bearer " + token} {
		e := create(t, r, stored)
		for _, sent := range []string{token, "Bearer " + token, "bearer " + token} {
			if _, ok := e.Match(sent, time.Now()); !ok {
				t.Errorf("stored %.8s…, sent %.8s…: refused", stored, sent)
			}
		}
		for _, wrong := range []string{"", "Bearer ", token + " ", " " + token, token[:len(token)-1], "Basic " + token, "Bearer Bearer " + token, strings.ToUpper(token)} {
			if _, ok := e.Match(wrong, time.Now()); ok {
				t.Errorf("a wrong token of %d characters was accepted", len(wrong))
			}
		}
	}
}

func TestRotationKeepsTheOldTokenForTheGracePeriod(t *testing.T) {
	r := open(t)
	first, second, third := endpoint.NewToken(), endpoint.NewToken(), endpoint.NewToken()
	e := create(t, r, first)
	e, err := r.Rotate(t.Context(), e.ID, second, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	check := func(token string, at time.Time, want bool) {
		t.Helper()
		if _, ok := e.Match(token, at); ok != want {
			t.Errorf("accepted %v, want %v", ok, want)
		}
	}
	check(first, now, true)
	check(second, now, true)
	check(first, now.Add(61*time.Minute), false)
	check(second, now.Add(24*365*time.Hour), true)
	if e, err = r.Rotate(t.Context(), e.ID, third, time.Hour); err != nil || len(e.Tokens) != 2 {
		t.Fatalf("%d tokens, %v", len(e.Tokens), err)
	}
	check(first, now, false)
	check(second, now, true)
	check(third, now, true)
	if e, err = r.Revoke(t.Context(), e.ID, e.Tokens[0].ID); err != nil {
		t.Fatal(err)
	}
	check(second, now, false)
	check(third, now, true)
	if e, err = r.Revoke(t.Context(), e.ID, ""); err != nil {
		t.Fatal(err)
	}
	check(third, now, false)
}

func TestNoTokenIsStored(t *testing.T) {
	r := open(t)
	token := endpoint.NewToken()
	create(t, r, token)
	backup, err := r.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(backup)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), token) || strings.Contains(string(raw), token[4:]) {
		t.Fatal("the token is in the backup")
	}
}

func TestARestoredRegistryAcceptsTheSameTokens(t *testing.T) {
	token := endpoint.NewToken()
	before := open(t)
	e := create(t, before, token)
	backup, err := before.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	after := open(t)
	done, err := after.Import(t.Context(), backup, false)
	if err != nil || len(done.Endpoints) != 1 {
		t.Fatalf("%v, %v", done, err)
	}
	got, err := after.Get(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := got.Match(token, time.Now()); !ok {
		t.Fatal("refused after the restore")
	}
	if done, err = after.Import(t.Context(), backup, false); err != nil || len(done.Endpoints) != 0 {
		t.Fatalf("again: %v, %v", done, err)
	}
}

func TestABackupMovesNoEndpointToAnotherNamespace(t *testing.T) {
	r := open(t)
	e := create(t, r, endpoint.NewToken())
	backup, err := r.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	backup.Endpoints[0].Namespace = "elsewhere"
	if _, err := r.Import(t.Context(), backup, true); !errors.Is(err, endpoint.ErrNamespace) {
		t.Errorf("an endpoint was moved: %v", err)
	}
	if got, err := r.Get(t.Context(), e.ID); err != nil || got.Namespace != e.Namespace {
		t.Errorf("the endpoint is %+v, %v", got, err)
	}
}

func TestADirectoryFollowsChanges(t *testing.T) {
	r := open(t)
	d := r.Follow(slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(ctx) }()
	defer func() { cancel(); <-done }()
	if err := d.AwaitFilled(ctx); err != nil {
		t.Fatal(err)
	}
	token := endpoint.NewToken()
	e := create(t, r, token)
	await(t, func() bool { got, ok := d.Endpoint(e.ID); return ok && len(got.Tokens) == 1 })
	if _, err := r.Revoke(t.Context(), e.ID, ""); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { got, _ := d.Endpoint(e.ID); _, ok := got.Match(token, time.Now()); return !ok })
	if _, ok := d.Namespace("default"); !ok {
		t.Fatal("the namespace is unknown")
	}
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatal("did not happen within 10 s")
		}
	}
}

func TestBadRecordsAreRefusedWithAReason(t *testing.T) {
	r := open(t)
	good := endpoint.NewToken()
	for _, c := range []struct {
		e     endpoint.Endpoint
		token string
	}{
		{endpoint.Endpoint{ID: "UPPER", Namespace: "default"}, good},
		{endpoint.Endpoint{ID: "a.b", Namespace: "default"}, good},
		{endpoint.Endpoint{Namespace: "with-hyphen"}, good},
		{endpoint.Endpoint{}, good},
		{endpoint.Endpoint{Namespace: "default"}, ""},
		{endpoint.Endpoint{Namespace: "default"}, "short"},
		{endpoint.Endpoint{Namespace: "default"}, "Bearer x"},
		{endpoint.Endpoint{Namespace: "default"}, good + "\n"},
	} {
		if _, err := r.Create(t.Context(), c.e, c.token); err == nil {
			t.Errorf("%+v was accepted", c.e)
		} else if c.token != "" && len(c.token) > 5 && strings.Contains(err.Error(), c.token) {
			t.Error("the error shows the token")
		}
	}
	if _, err := r.Get(t.Context(), "nobody"); !errors.Is(err, endpoint.ErrUnknown) {
		t.Fatalf("got %v", err)
	}
}

func TestReceiversAddUpOnTheBoard(t *testing.T) {
	board, err := endpoint.OpenBoard(t.Context(), streamtest.Start(t).Open(t, "default"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	var a, b endpoint.Status
	a.Deliveries, a.LastDelivery, a.TokenUsed = 3, now, map[string]time.Time{"t1": now}
	b.Deliveries, b.LastDelivery, b.TokenUsed = 4, now.Add(time.Second), map[string]time.Time{"t1": now.Add(-time.Hour), "t2": now}
	for i := range 15 {
		b.AddRefusal(endpoint.Refusal{Time: now.Add(time.Duration(i)), Reason: "unauthorized", Address: strconv.Itoa(i)})
	}
	for name, s := range map[string]endpoint.Status{"r1": a, "r2": b} {
		if err := board.Write(t.Context(), "ep", name, s); err != nil {
			t.Fatal(err)
		}
	}
	got, err := board.Read(t.Context(), "ep")
	if err != nil || got.Deliveries != 7 || !got.LastDelivery.Equal(b.LastDelivery) || !got.TokenUsed["t1"].Equal(now) || len(got.Refusals) != 10 {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestADirectoryVouchesForNoEndpointThatALostRegistryMayHaveHeld(t *testing.T) {
	server := streamtest.Start(t)
	r, err := endpoint.Open(t.Context(), server.Open(t, "default"))
	if err != nil {
		t.Fatal(err)
	}
	d := r.Follow(slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(ctx) }()
	defer func() { cancel(); <-done }()
	if err := d.AwaitFilled(ctx); err != nil {
		t.Fatal(err)
	}
	if d.Vouches("nobody") {
		t.Error("an empty registry vouches")
	}
	create(t, r, endpoint.NewToken())
	await(t, func() bool { return d.Vouches("nobody") })
	conn := server.Open(t)
	later, err := conn.Bucket(t.Context(), stream.BucketEndpoints)
	if err != nil {
		t.Fatal(err)
	}
	if err := later.Put(t.Context(), "endpoint.later", []byte(`{"schema":99,"id":"later"}`)); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return !d.Vouches("later") })
	if _, ok := d.Endpoint("later"); ok || !d.Vouches("nobody") {
		t.Error("a record of a later version was read, or is held against others")
	}
	if _, err := r.Rotate(t.Context(), "later", endpoint.NewToken(), 0); !errors.Is(err, endpoint.ErrNewer) {
		t.Errorf("a record of a later version would be written anew: %v", err)
	}
}
