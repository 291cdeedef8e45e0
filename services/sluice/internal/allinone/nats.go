package allinone

import (
	"context"
	"fmt"
	"os"

	"github.com/sluicelog/sluice/services/receiver"
	"github.com/sluicelog/sluice/services/sluice/internal/state"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/program"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/embedded"
)

func (p *plant) startNATS(ctx context.Context) (err error) {
	if err := os.MkdirAll(p.Dir.NATS(), 0o700); err != nil {
		return fmt.Errorf("making the folder of the embedded NATS server: %w", err)
	}
	reserved, err := p.sizeStreams()
	if err != nil {
		return err
	}
	p.nats, err = embedded.Start(ctx, embedded.Options{
		Dir: p.Dir.NATS(), User: "sluice", Password: p.secret.NATSPassword, MaxStore: reserved + 1<<30, Log: p.Telemetry.Log,
	})
	if err != nil {
		return err
	}
	in := stream.Config{
		NATSURL: config.URL(p.nats.URL()), InProcess: p.nats, SyncAlways: p.nats.SyncAlways(), Healthz: p.nats.Healthz, Cache: p.boundCache(),
	}
	p.settings.Receiver.Stream, p.settings.Enricher.Stream, p.settings.Indexer.Stream, p.settings.Retention.Stream = in, in, in, in
	return nil
}

// memoryLeast is what the all-in-one needs for everything to have its least, in bytes.
const memoryLeast = 192 << 20

// boundCache keeps what the server has in memory of the last messages within what this process may take; nil where nobody
// limits that.
func (p *plant) boundCache() *stream.CacheBound {
	if p.memory == 0 {
		return nil
	}
	if p.memory < memoryLeast {
		p.Telemetry.Log.Warn("the memory limit of this process is less than it needs, so it may be slow, or be killed; give its container 256MiB, or set GOMEMLIMIT to 192MiB, at least",
			"limit", config.Bytes(p.memory).String())
	}
	bound := stream.NewCacheBound(p.memory, program.InUse)
	p.Telemetry.Metrics.MustRegister(bound)
	return bound
}

// bodies is how many bytes of bodies the receiver may hold: as the settings say, or a quarter of the memory where that is
// less, since bodies wait where the cache is bounded. It is never less than what the receiver needs for the largest one.
func (p *plant) bodies(cfg receiver.Own) config.Bytes {
	if p.memory == 0 {
		return cfg.MaxInflight
	}
	return min(cfg.MaxInflight, max(config.Bytes(p.memory/4), cfg.LeastInflight(embedded.MaxPayload)))
}

func (p *plant) stopNATS(ctx context.Context) error {
	if p.nats == nil {
		return nil
	}
	return p.nats.Stop(ctx)
}

// leastStream is the least room that a stream is made with.
const leastStream config.Bytes = 64 << 20

// sizeStreams decides how large the streams are: as the settings say, or less where the disk is small, so that a stream
// is full before the disk is. That is decided once, and again only when the settings change: a disk that fills up later
// must not make streams smaller than what they hold. The result is the room that the server has to set aside.
func (p *plant) sizeStreams() (reserved int64, err error) {
	wanted, before := p.settings.Topology, p.secret.Streams
	if before.Wanted == wanted {
		p.settings.Topology = before.Given
		return before.Given.Total(), nil
	}
	given := wanted
	if free, ok := diskFree(p.Dir.NATS()); ok {
		given, err = fit(wanted, free+sizeOf(p.Dir.NATS()))
	}
	if err != nil {
		return 0, err
	}
	if given != wanted {
		p.Telemetry.Log.Warn("the disk is too small for the streams as set; they get less room",
			"deliveries", given.DeliveriesMaxBytes.String(), "documents", given.DocumentsMaxBytes.String(), "dead_letters", given.DeadLettersMaxBytes.String())
	}
	p.settings.Topology = given
	p.secret.Streams = state.Streams{Wanted: wanted, Given: given}
	return max(given.Total(), before.Given.Total()), p.Dir.SaveCredentials(p.secret)
}

// fit shrinks the streams to seven tenths of room bytes.
func fit(t stream.Topology, room int64) (stream.Topology, error) {
	most := room / 10 * 7
	if t.Total() <= most {
		return t, nil
	}
	share := float64(most) / float64(t.Total())
	for _, size := range []*config.Bytes{&t.DeliveriesMaxBytes, &t.DocumentsMaxBytes, &t.DeadLettersMaxBytes} {
		least := min(leastStream, *size)
		*size = max(config.Bytes(float64(*size)*share)&^(1<<20-1), least)
	}
	if t.Total() > room {
		return t, fmt.Errorf("the disk of the state folder has room for %s, and the streams need %s at least: free some, or name a folder on another disk with --state",
			config.Bytes(room), config.Bytes(t.Total()))
	}
	return t, nil
}
