package deadletter_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

func sample(item int) *deadletter.Letter {
	return &deadletter.Letter{
		Stage: deadletter.StageEnricher, Reason: "not_json", Detail: "line 3: unexpected x\r\nForged: yes", Attempts: 1,
		FirstSeen: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Endpoint: "ep", Namespace: "default",
		Delivery: "01J.*>x", Key: "a.*>b", Item: item, Line: 3, Origin: "DELIVERIES:7", Body: []byte(`{"broken`),
	}
}

func TestTheSameLetterTwiceLiesThereOnce(t *testing.T) {
	box := deadletter.Open(streamtest.Start(t).Open(t, "default"))
	for i, want := range []bool{true, false, false} {
		added, err := box.Put(t.Context(), sample(1))
		if err != nil || added != want {
			t.Fatalf("try %d: %v, %v", i, added, err)
		}
	}
	if added, err := box.Put(t.Context(), sample(2)); err != nil || !added {
		t.Fatalf("another item: %v, %v", added, err)
	}
	var all []*deadletter.Letter
	for l, err := range box.OfKey(t.Context(), sample(1).Key) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	if len(all) != 2 {
		t.Fatalf("%d letters", len(all))
	}
	want := sample(1)
	want.Schema = deadletter.Schema
	want.Detail, want.Sequence = "line 3: unexpected x  Forged: yes", all[0].Sequence
	if diff := cmp.Diff(want, all[0]); diff != "" {
		t.Error(diff)
	}
}

func TestADiscardedLetterIsGone(t *testing.T) {
	box := deadletter.Open(streamtest.Start(t).Open(t, "default"))
	if _, err := box.Put(t.Context(), sample(1)); err != nil {
		t.Fatal(err)
	}
	if err := box.Discard(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := box.Get(t.Context(), 1); !errors.Is(err, stream.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
}
