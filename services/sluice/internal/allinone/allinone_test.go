package allinone_test

import (
	"testing"

	"github.com/sluicelog/sluice/services/sluice/internal/allinone"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/stream"
)

func TestStreamsFitTheDisk(t *testing.T) {
	wanted := stream.Topology{DeliveriesMaxBytes: 2 << 30, DocumentsMaxBytes: 4 << 30, DeadLettersMaxBytes: 512 << 20, Replicas: 1}
	for _, room := range []int64{100 << 30, 9 << 30, 5 << 30, 1 << 30} {
		given, err := allinone.Fit(wanted, room)
		if err != nil {
			t.Fatalf("%d GiB: %v", room>>30, err)
		}
		if given.Total() > room || given.DeadLettersMaxBytes < 64<<20 || given.Replicas != 1 {
			t.Errorf("%d GiB: %+v", room>>30, given)
		}
		if room > 10<<30 && given != wanted {
			t.Errorf("a large disk changes the streams: %+v", given)
		}
	}
	if _, err := allinone.Fit(wanted, 100<<20); err == nil {
		t.Error("a disk of 100 MiB is enough")
	}
	small := stream.Topology{DeliveriesMaxBytes: 8 << 20, DocumentsMaxBytes: 8 << 20, DeadLettersMaxBytes: 8 << 20}
	if given, err := allinone.Fit(small, 1<<30); err != nil || given != small {
		t.Errorf("small streams as set: %+v, %v", given, err)
	}
}

func TestBodiesTakeAQuarterOfTheMemoryAtMost(t *testing.T) {
	for _, c := range []struct{ memory, wanted, largest, want config.Bytes }{ // MiB
		{0, 128, 32, 128}, {4096, 128, 32, 128}, {400, 128, 32, 100}, {216, 128, 32, 80}, {216, 128, 8, 54}, {216, 40, 8, 40},
	} {
		if got := allinone.Bodies(int64(c.memory<<20), c.wanted<<20, c.largest<<20) >> 20; got != c.want {
			t.Errorf("%+v: %d MiB", c, got)
		}
	}
}

func TestLoopbackHasManyNames(t *testing.T) {
	for _, other := range []string{"http://127.0.0.1:9200", "http://127.0.0.1:9200/", "http://localhost:9200", "http://[::1]:9200"} {
		if !allinone.SameServer("http://127.0.0.1:9200", other) {
			t.Errorf("%s is taken for another server", other)
		}
	}
	for _, other := range []string{"http://127.0.0.1:9201", "https://127.0.0.1:9200", "http://es.example.com:9200"} {
		if allinone.SameServer("http://127.0.0.1:9200", other) {
			t.Errorf("%s is taken for the same server", other)
		}
	}
}
