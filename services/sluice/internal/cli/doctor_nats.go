package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
)

// oldestNATS is the first server version whose streams keep what they acknowledge.
var oldestNATS = [3]int{2, 14, 6}

// natsAdvice is what to do when no server answers.
const natsAdvice = "start one with `sluice up`, or check NATS_URL and that the server runs"

// checkNATS looks at the server, and through it at streams, consumers and namespaces.
func (d *doctor) checkNATS(ctx context.Context, a *App) []finding {
	if d.missing != nil {
		return []finding{fail("nats", d.missing, natsAdvice)}
	}
	found := []finding{d.greetNATS(ctx)}
	if found[0].Result == checkFail {
		return append(found, skip("streams", "NATS does not answer"), skip("consumers", "NATS does not answer"))
	}
	conn, err := stream.Open(ctx, "doctor", d.natsConfig(), a.logger())
	if err != nil {
		return append(found, fail("nats login", err, "check the credentials in NATS_URL, NATS_CREDENTIALS_FILE or NATS_NKEY_FILE"))
	}
	defer conn.Close()
	if err := conn.Ready(ctx); err != nil {
		return append(found, fail("jetstream", err, "turn JetStream on in the server's configuration"))
	}
	found = append(found, checkStreams(ctx, conn)...)
	found = append(found, checkConsumers(ctx, conn)...)
	found = append(found, checkMisses(ctx, conn))
	return append(found, d.checkTemplates(ctx, conn)...)
}

// greetNATS reads the line with which every NATS server begins.
func (d *doctor) greetNATS(ctx context.Context) finding {
	address := natsAddress(d.settings.NATSURL)
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return fail("nats", err, natsAdvice)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	line, _ := bufio.NewReaderSize(conn, 64<<10).ReadString('\n')
	var hello struct {
		Version string `json:"version"`
	}
	greeting, isNATS := strings.CutPrefix(line, "INFO ")
	if !isNATS || json.Unmarshal([]byte(greeting), &hello) != nil || hello.Version == "" {
		return ok("nats", "%s takes connections; its version is not shown before TLS", address)
	}
	if older(hello.Version, oldestNATS) {
		return warn("nats", fmt.Sprintf("%s runs version %s", address, hello.Version), "use nats-server 2.14.6 or newer")
	}
	return ok("nats", "%s runs version %s", address, hello.Version)
}

// natsAddress is host and port of the first server.
func natsAddress(servers config.URL) string {
	first, _, _ := strings.Cut(servers.Reveal(), ",")
	first = strings.TrimSpace(first)
	if !strings.Contains(first, "://") {
		first = "nats://" + first
	}
	u, err := url.Parse(first)
	if err != nil || u.Hostname() == "" {
		return "127.0.0.1:4222"
	}
	port := u.Port()
	if port == "" {
		port = "4222"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// older compares a version such as 2.15.2 or 2.15.0-RC.1; one that cannot be read is not older.
func older(version string, floor [3]int) bool {
	var have [3]int
	if n, _ := fmt.Sscanf(version, "%d.%d.%d", &have[0], &have[1], &have[2]); n < 3 {
		return false
	}
	for i := range have {
		if have[i] != floor[i] {
			return have[i] < floor[i]
		}
	}
	return false
}

// checkSync asks whether acknowledged means on disk.
func (d *doctor) checkSync(ctx context.Context) []finding {
	const name = "sync always"
	switch {
	case d.ready != nil:
		return []finding{ok(name, "the all-in-one's own NATS syncs every write before it acknowledges")}
	case d.missing != nil:
		return []finding{skip(name, "no NATS server is known")}
	case len(d.settings.NATSMonitorURLs) == 0:
		return []finding{warn(name, "NATS_MONITOR_URLS is empty, so nobody knows whether acknowledged means on disk",
			"set `jetstream { sync_interval: always }` on every server and name their monitoring addresses in NATS_MONITOR_URLS")}
	}
	var found []finding
	for _, address := range d.settings.NATSMonitorURLs {
		always, err := d.natsConfig().Syncs(ctx, address)
		switch {
		case err != nil:
			found = append(found, fail(name, err, "check NATS_MONITOR_URLS and that the server's monitoring port is on"))
		case !always:
			found = append(found, fail(name, fmt.Errorf("%s: %w", config.URL(address), stream.ErrNotDurable), "set `jetstream { sync_interval: always }` on this server"))
		default:
			found = append(found, ok(name, "%s syncs every write before it acknowledges", config.URL(address)))
		}
	}
	return found
}

// How full a stream may be before somebody should act, in per cent.
const (
	fullWarn = 70
	fullFail = 95
)

func checkStreams(ctx context.Context, conn *stream.Conn) []finding {
	var found []finding
	for _, name := range []string{stream.Deliveries, stream.Documents, stream.DeadLetters} {
		s, err := conn.State(ctx, name)
		if err != nil {
			found = append(found, fail("stream "+name, err, "run `sluice setup`"))
			continue
		}
		found = append(found, fullness("stream "+name, s))
		if s.Holes > 0 && name != stream.DeadLetters { // letters are discarded one by one
			found = append(found, fail("stream "+name, fmt.Errorf("%d messages are missing that nobody deleted", s.Holes),
				"the server lost data: check its disk and log, and let Auth0 send the time in question again (a new log stream with a starting cursor)"))
		}
	}
	return found
}

func fullness(check string, s stream.State) finding {
	detail := fmt.Sprintf("%d messages, %s of %s", s.Messages, readable(int64(s.Bytes)), readable(s.MaxBytes))
	if s.MaxBytes <= 0 {
		return warn(check, fmt.Sprintf("%d messages, %s without a limit", s.Messages, readable(int64(s.Bytes))), "run `sluice setup`, which sets one")
	}
	advice := "see which consumer lags below; or raise the limit with SLUICE_…_MAX_BYTES and `sluice setup`"
	switch percent := s.Bytes * 100 / uint64(s.MaxBytes); {
	case percent >= fullFail:
		return fail(check, errors.New(detail), advice)
	case percent >= fullWarn:
		return warn(check, detail, advice)
	default:
		return ok(check, "%s", detail)
	}
}

// lagWarn is the age of the oldest unfinished message from which on a consumer lags.
const lagWarn = time.Minute

func checkConsumers(ctx context.Context, conn *stream.Conn) []finding {
	var found []finding
	for _, name := range []string{stream.Deliveries, stream.Documents} {
		consumers, err := conn.Consumers(ctx, name)
		if err != nil {
			continue // the check of the streams told it
		}
		consumers = slices.DeleteFunc(consumers, passing)
		if len(consumers) == 0 {
			found = append(found, fail("consumers of "+name, errors.New("there are none"), "run `sluice setup`"))
		}
		for _, consumer := range unclassed(consumers) {
			found = append(found, warn("consumer "+consumer, "it is missing, so one endpoint's burst holds up the others", "run `sluice setup`"))
		}
		for _, consumer := range consumers {
			found = append(found, lag(ctx, conn, name, consumer))
		}
	}
	return found
}

// unclassed lists the consumers of the bulk class that are missing beside those of the plain one.
func unclassed(consumers []string) (missing []string) {
	for _, name := range consumers {
		if bulk := stream.BulkConsumer(name); !stream.IsBulkConsumer(name) && !slices.Contains(consumers, bulk) {
			missing = append(missing, bulk)
		}
	}
	return missing
}

// passing reports whether a consumer is not one of Sluice's own, but of somebody who looks into the stream.
func passing(name string) bool {
	plain := stream.PlainConsumer(name)
	return plain != stream.Enricher && !strings.HasPrefix(plain, stream.Indexer(""))
}

// lag says how far a consumer is behind, in messages and in the age of the oldest.
func lag(ctx context.Context, conn *stream.Conn, name, consumer string) finding {
	check := "consumer " + consumer
	p, err := conn.Progress(ctx, name, consumer)
	if err != nil {
		return fail(check, err, "run `sluice setup`")
	}
	open := p.Waiting + uint64(max(p.InFlight, 0))
	if open == 0 {
		return ok(check, "nothing waits")
	}
	detail := counted(open, "message") + " to do"
	oldest, err := conn.First(ctx, name, consumer)
	if err != nil || oldest.Sequence == 0 {
		return info(check, "%s", detail) // purged meanwhile
	}
	if ofLaterVersion(name, oldest) {
		return upgrade(check, name, p)
	}
	if p.InFlight >= p.Limit {
		return fail(check, fmt.Errorf("%s, and %d have been handed out and have no verdict: no more are handed out", detail, p.InFlight),
			"see in the log of the service of this name what they wait for")
	}
	age := time.Since(oldest.Time).Round(time.Second)
	detail += fmt.Sprintf(", the oldest waits for %s", age)
	if age < lagWarn {
		return ok(check, "%s", detail)
	}
	return warn(check, detail, "see that the service of this name runs, its log, and its metrics; more instances share the work")
}

// ofLaterVersion reports whether a message is of a form that this build cannot read.
func ofLaterVersion(name string, m stream.Stored) bool {
	known := uint64(delivery.Schema)
	if name == stream.Documents {
		known = stream.DocumentsSchema
	}
	version, err := strconv.ParseUint(m.Header[stream.SchemaHeader], 10, 16)
	return err == nil && version > known
}

// upgrade says that messages wait for a service that can read them. They are held by the server, which hands out no others
// beside too many of them.
func upgrade(check, name string, p stream.Progress) finding {
	service := "enricher"
	if name == stream.Documents {
		service = "indexer"
	}
	err := fmt.Errorf("messages of a later version are waiting (of %d without a verdict)", p.InFlight)
	if p.InFlight >= p.Limit {
		err = fmt.Errorf("messages of a later version are waiting, and they are so many (%d) that nothing else is handed out", p.InFlight)
	}
	return fail(check, err, "upgrade the "+service+": start one of the later version again, or beside this one; nothing is lost")
}

// checkTemplates looks for the index template of every namespace.
func (d *doctor) checkTemplates(ctx context.Context, conn *stream.Conn) []finding {
	registry, err := endpoint.Open(ctx, conn)
	if err != nil {
		return []finding{fail("registry", err, "run `sluice setup`")}
	}
	namespaces, err := registry.Namespaces(ctx)
	if err != nil {
		return []finding{fail("registry", err, "run `sluice setup`")}
	}
	found := []finding{ok("registry", "%s", counted(len(namespaces), "namespace"))}
	for _, n := range namespaces {
		if d.elastic == nil || ctx.Err() != nil {
			break
		}
		name := "template " + elastic.TemplateName(n.Name)
		switch exists, err := d.elastic.HasNamespace(ctx, n.Name); {
		case err != nil && elastic.Status(err) == 0:
			return append(found, skip("templates", "Elasticsearch does not answer"))
		case err != nil:
			found = append(found, fail(name, err, "give the user the privilege manage_index_templates, or another namespace"))
		case !exists:
			found = append(found, fail(name, errors.New("it is missing"), "run `sluice setup`"))
		default:
			found = append(found, ok(name, "present"))
		}
	}
	return found
}

// checkMisses looks for deliveries that found no endpoint.
func checkMisses(ctx context.Context, conn *stream.Conn) finding {
	const name = "payload urls"
	board, err := endpoint.OpenBoard(ctx, conn)
	if err != nil {
		return fail(name, err, "run `sluice setup`")
	}
	misses, err := board.Misses(ctx)
	if err != nil {
		return fail(name, err, "see the checks of NATS above")
	}
	late := recent(misses, time.Now())
	if len(late) == 0 {
		return ok(name, "no delivery of the last day asked for an endpoint that is not there")
	}
	last := late[len(late)-1]
	return warn(name, fmt.Sprintf("%s asked for what is not there, last %s from %s", counted(len(late), "delivery"), last.Request, last.Address),
		"`sluice endpoint unknown` shows them and what they may have meant: correct the Payload URL in Auth0")
}
