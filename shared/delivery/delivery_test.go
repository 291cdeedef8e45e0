package delivery_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicelog/sluice/shared/delivery"
)

func sample(n int) delivery.Delivery {
	return delivery.Delivery{
		ID: fmt.Sprintf("01J%023d", n), Endpoint: "ep1", Namespace: "default", Received: time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC),
		ContentType: "application/json", Encoding: "gzip", Part: 1, Parts: 2, First: 7, Fragment: "too_large", Replay: n%3 == 0,
		Body: fmt.Appendf(nil, `{"log_id":"%d"}`, n),
	}
}

func TestEnvelopesRoundTrip(t *testing.T) {
	for count := 1; count <= 5; count++ {
		var in []delivery.Delivery
		for i := range count {
			in = append(in, sample(i))
		}
		header, payload, err := delivery.Encode(in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := delivery.Decode(header, payload)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(in, out); diff != "" {
			t.Errorf("%d deliveries: %s", count, diff)
		}
		if got := strings.Split(header[delivery.HeaderID], ","); len(got) != count {
			t.Errorf("%d deliveries: ids %v", count, got)
		}
	}
}

func TestAnotherVersionIsRefusedByName(t *testing.T) {
	header, payload, err := delivery.Encode([]delivery.Delivery{sample(1)})
	if err != nil {
		t.Fatal(err)
	}
	for version, newer := range map[string]bool{"99": true, "2": true, "0": false, "-1": false, "1.5": false, "99999999999999999999": false, "2 2": false} {
		header[delivery.HeaderSchema] = version
		if _, err := delivery.Decode(header, payload); !errors.Is(err, delivery.ErrSchema) || errors.Is(err, delivery.ErrNewer) != newer {
			t.Errorf("version %q: got %v", version, err)
		}
	}
	if _, err := delivery.Decode(nil, payload); !errors.Is(err, delivery.ErrSchema) {
		t.Fatalf("without headers: %v", err)
	}
}

func TestATruncatedMessageIsAnError(t *testing.T) {
	header, payload, err := delivery.Encode([]delivery.Delivery{sample(1), sample(2)})
	if err != nil {
		t.Fatal(err)
	}
	for n := range payload {
		if _, err := delivery.Decode(header, payload[:n]); err == nil {
			t.Fatalf("%d of %d bytes were accepted", n, len(payload))
		}
	}
}

func FuzzDecode(f *testing.F) {
	_, payload, err := delivery.Encode([]delivery.Delivery{sample(1), sample(2)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("2", payload)
	f.Add("", []byte("x"))
	f.Fuzz(func(t *testing.T, count string, payload []byte) {
		h := map[string]string{delivery.HeaderSchema: "1", "Sluice-Count": count, delivery.HeaderID: "a", "Sluice-Namespace": "n", "Sluice-Received-At": "2026-01-02T03:04:05Z"}
		all, err := delivery.Decode(h, payload)
		if err == nil && len(all) == 0 {
			t.Fatal("neither a delivery nor an error")
		}
	})
}
