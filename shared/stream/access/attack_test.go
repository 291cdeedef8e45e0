package access_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/access"
)

// raw is a connection with a role's key and no manners.
func (s *site) raw(role string) *nats.Conn {
	s.t.Helper()
	option, err := nats.NkeyOptionFromSeed(access.SeedFile(s.dir, role))
	must(s.t, "reading a seed", err)
	nc, err := nats.Connect(s.URL(), option, nats.CustomInboxPrefix(stream.InboxPrefix(role)), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	must(s.t, "connecting", err)
	s.t.Cleanup(nc.Close)
	return nc
}

// denies checks that the server denied something on a subject to the connection's user.
func (s *site) denies(nc *nats.Conn, verb, subject string) {
	s.t.Helper()
	before := len(s.Denied())
	switch verb {
	case "publish":
		must(s.t, "publishing", nc.PublishRequest(subject, nc.NewInbox(), []byte("{}")))
	case "subscribe":
		_, err := nc.SubscribeSync(subject)
		must(s.t, "subscribing", err)
	}
	must(s.t, "flushing", nc.Flush())
	s.await(verb+" "+subject+" is denied", func() bool {
		now := s.Denied()
		return len(now) > before && strings.Contains(strings.Join(now[before:], "\n"), subject)
	})
}

func TestAStolenKeyOpensNothingElse(t *testing.T) {
	s := open(t)
	s.put(stream.Deliveries)
	s.put(stream.Documents)
	registry, err := endpoint.Open(t.Context(), s.connect(access.Operator, "cli"))
	must(t, "opening the registry", err)
	_, err = registry.Create(t.Context(), endpoint.Endpoint{ID: "first", Name: "first", Namespace: "default"}, endpoint.NewToken())
	must(t, "making an endpoint", err)
	everybody := map[string][]string{
		"publish": {
			"$JS.API.STREAM.DELETE.DELIVERIES", "$JS.API.STREAM.DELETE.DEAD_LETTERS", "$JS.API.STREAM.DELETE.KV_ENDPOINTS", "$JS.API.STREAM.UPDATE.DELIVERIES",
			"$JS.API.STREAM.CREATE.MINE", "$JS.API.STREAM.PURGE.DEAD_LETTERS", "$JS.API.STREAM.PURGE.KV_ENDPOINTS", "$JS.API.STREAM.MSG.DELETE.DEAD_LETTERS",
			"$JS.API.STREAM.MSG.DELETE.DELIVERIES", "$JS.API.STREAM.MSG.GET.DEAD_LETTERS", "$JS.API.STREAM.SNAPSHOT.DELIVERIES", "$JS.API.STREAM.RESTORE.DELIVERIES",
			"$JS.API.CONSUMER.CREATE.DELIVERIES.mine", "$JS.API.CONSUMER.DURABLE.CREATE.DELIVERIES.mine", "$JS.API.CONSUMER.CREATE.DEAD_LETTERS.mine",
			"$JS.API.CONSUMER.CREATE.KV_ENDPOINTS", "$JS.API.CONSUMER.DELETE.DELIVERIES.enricher", "$JS.API.CONSUMER.DELETE.DOCUMENTS.indexer-default",
			"$JS.API.CONSUMER.PAUSE.DELIVERIES.enricher", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.META.LEADER.STEPDOWN",
			"$JS.API.ACCOUNT.PURGE.$G", "$KV.ENDPOINTS.endpoint.first", "$KV.ENDPOINTS.namespace.mine", "sluice.other", "sluice.deadletters.receiver.x.0", "$JS.API.CONSUMER.DELETE.DELIVERIES.bulk-enricher", "sluice.deliveries.other", "sluice.documents.default.other",
			"$SYS.REQ.SERVER.PING", "_INBOX_cli.somebody.else", "_INBOX.x",
		},
		"subscribe": {">", "sluice.>", "sluice.deliveries", "$KV.>", "$JS.API.>", "$JS.ACK.>", "_INBOX.>", "_INBOX_cli.>", "_INBOX_*.>", "$SYS.>"},
	}
	for role, more := range map[string]map[string][]string{
		access.Receiver: {
			"publish": {
				"$JS.API.STREAM.PURGE.DELIVERIES", "$JS.API.STREAM.MSG.GET.DELIVERIES", "$JS.API.DIRECT.GET.DELIVERIES", "$JS.API.STREAM.INFO.DELIVERIES",
				"$JS.API.CONSUMER.MSG.NEXT.DELIVERIES.enricher", "$JS.API.CONSUMER.MSG.NEXT.DELIVERIES.bulk-enricher", "sluice.documents.default.bulk", "$JS.API.CONSUMER.INFO.DELIVERIES.enricher", "$JS.ACK.DELIVERIES.enricher.1.1.1.1.0",
				"$JS.API.STREAM.MSG.GET.DOCUMENTS", "$JS.API.STREAM.PURGE.KV_ENDPOINT_STATUS", "$JS.API.CONSUMER.CREATE.KV_ENDPOINT_STATUS.mine.$KV.ENDPOINT_STATUS.>",
				"$KV.VERDICTS.DELIVERIES.x", "$KV.LOSSES.DELIVERIES.x.1", "sluice.documents.default", "sluice.deadletters.enricher.x.0",
			},
			"subscribe": {"_INBOX_enricher.>", "_INBOX_indexer.>"},
		},
		access.Enricher: {
			"publish": {
				"sluice.deliveries", "sluice.deliveries.bulk", "$JS.API.STREAM.PURGE.DOCUMENTS", "$JS.API.STREAM.MSG.GET.DOCUMENTS", "$JS.API.CONSUMER.MSG.NEXT.DOCUMENTS.indexer-default",
				"$KV.ENDPOINT_STATUS.first.rig", "$KV.VERDICTS.DOCUMENTS.x", "sluice.deadletters.indexer.x.0",
			},
			"subscribe": {"_INBOX_receiver.>", "_INBOX_indexer.>"},
		},
		access.Indexer: {
			"publish": {
				"sluice.deliveries", "sluice.deliveries.bulk", "sluice.documents.default", "sluice.documents.default.bulk", "$JS.API.STREAM.PURGE.DELIVERIES", "$JS.API.STREAM.MSG.GET.DELIVERIES",
				"$JS.API.CONSUMER.MSG.NEXT.DELIVERIES.enricher", "$KV.ENDPOINT_STATUS.first.rig", "$KV.VERDICTS.DELIVERIES.x", "sluice.deadletters.enricher.x.0",
			},
			"subscribe": {"_INBOX_receiver.>", "_INBOX_enricher.>"},
		},
		access.Retention: {
			"publish": {
				"sluice.deliveries", "sluice.deliveries.bulk", "sluice.documents.default", "sluice.documents.default.bulk", "$JS.API.STREAM.PURGE.DELIVERIES", "$JS.API.STREAM.MSG.GET.DOCUMENTS", "$JS.API.STREAM.INFO.DELIVERIES",
				"$JS.API.CONSUMER.MSG.NEXT.DOCUMENTS.indexer-default", "$KV.VERDICTS.DELIVERIES.x", "$JS.API.DIRECT.GET.KV_ENDPOINTS.$KV.ENDPOINTS.endpoint.first",
			},
			"subscribe": {"_INBOX_receiver.>", "_INBOX_enricher.>", "_INBOX_indexer.>"},
		},
		access.Operator: {"publish": {"$SYS.REQ.SERVER.PING", "$JS.API.ACCOUNT.PURGE.$G"}, "subscribe": {">", "_INBOX_receiver.>", "sluice.>"}},
	} {
		nc := s.raw(role)
		for _, verb := range []string{"publish", "subscribe"} {
			for _, subject := range more[verb] {
				s.denies(nc, verb, subject)
			}
			if role == access.Operator {
				continue
			}
			for _, subject := range everybody[verb] {
				s.denies(nc, verb, subject)
			}
		}
	}
	s.intact()
}

// intact checks that nothing was taken away.
func (s *site) intact() {
	s.t.Helper()
	conn := s.connect(access.Operator, "cli")
	for _, name := range []string{stream.Deliveries, stream.Documents} {
		state, err := conn.State(s.t.Context(), name)
		if err != nil || state.First != 1 || state.Messages < 2 {
			s.t.Errorf("%s: %+v, %v", name, state, err)
		}
	}
	registry, err := endpoint.Open(s.t.Context(), conn)
	must(s.t, "opening the registry", err)
	if _, err := registry.Get(s.t.Context(), "first"); err != nil {
		s.t.Error(err)
	}
}

// The server answers a request wherever the request says, and a consumer delivers wherever its maker says, without asking
// what the user may publish. So a stolen key can make the server write its own words to any subject; what the API does
// must not be reachable by that way.
func TestTheServerDoesNotObeyItsOwnAnswers(t *testing.T) {
	s := open(t)
	s.put(stream.Deliveries)
	s.put(stream.Documents)
	registry, err := endpoint.Open(t.Context(), s.connect(access.Operator, "cli"))
	must(t, "opening the registry", err)
	_, err = registry.Create(t.Context(), endpoint.Endpoint{ID: "first", Name: "first", Namespace: "default"}, endpoint.NewToken())
	must(t, "making an endpoint", err)
	nc := s.raw(access.Receiver)
	for _, target := range []string{"$JS.API.STREAM.PURGE.DELIVERIES", "$JS.API.STREAM.DELETE.DOCUMENTS", "$JS.API.STREAM.DELETE.KV_ENDPOINTS"} {
		must(t, "publishing", nc.PublishRequest(stream.SubjectDeliveries, target, []byte("{}")))
		must(t, "publishing", nc.PublishRequest("$JS.API.INFO", target, nil))
		request, err := json.Marshal(map[string]any{"stream_name": "KV_ENDPOINTS", "config": map[string]any{
			"name": "mine", "deliver_subject": target, "headers_only": true, "deliver_policy": "all", "ack_policy": "none", "filter_subject": "$KV.ENDPOINTS.>",
		}})
		must(t, "writing a request", err)
		answer, err := nc.Request("$JS.API.CONSUMER.CREATE.KV_ENDPOINTS.mine.$KV.ENDPOINTS.>", request, 10*time.Second)
		must(t, "making a consumer", err)
		t.Logf("a consumer that delivers to %s: %.120s", target, answer.Data)
		_, err = nc.Request("$JS.API.CONSUMER.DELETE.KV_ENDPOINTS.mine", nil, 10*time.Second)
		must(t, "removing the consumer", err)
	}
	must(t, "flushing", nc.Flush())
	s.intact()
}

// receiverWithout is a receiver's connection, and what it logs, where the users' file does not let it publish to a subject.
func receiverWithout(t *testing.T, s *site, subject string) (*stream.Conn, *lines) {
	t.Helper()
	path := s.dir + "/" + access.ConfigFile
	raw, err := os.ReadFile(path)
	must(t, "reading the configuration", err)
	must(t, "writing the configuration", os.WriteFile(path, bytes.Replace(raw, []byte(strconv.Quote(subject)+"\n"), []byte("\n"), 1), 0o600))
	s.Reload(t)
	logs := &lines{}
	conn, err := stream.Open(t.Context(), "receiver", s.config(access.Receiver), slog.New(slog.NewJSONHandler(logs, nil)))
	must(t, "connecting", err)
	t.Cleanup(conn.Close)
	return conn, logs
}

func TestADenialIsNamedInTheLogAndInTheError(t *testing.T) {
	s := open(t)
	conn, logs := receiverWithout(t, s, stream.SubjectDeliveries)
	_, err := conn.Publish(t.Context(), stream.Outgoing{Subject: stream.SubjectDeliveries, Data: []byte("{}")})
	if !errors.Is(err, stream.ErrDenied) || !errors.Is(err, stream.ErrAway) || !strings.Contains(err.Error(), "publish to sluice.deliveries") {
		t.Errorf("got %v", err)
	}
	if text := logs.String(); !strings.Contains(text, `"level":"ERROR"`) || !strings.Contains(text, `"denied":"publish to sluice.deliveries"`) || !strings.Contains(text, "sluice nats-users") {
		t.Errorf("the log says %s", text)
	}
}

// The users' file is from before there was a bulk class. A burst is stored all the same, once.
func TestWhoMayNotPublishBulkPublishesPlain(t *testing.T) {
	s := open(t)
	conn, logs := receiverWithout(t, s, stream.BulkSubject(stream.SubjectDeliveries))
	for _, id := range []string{"one", "two"} {
		receipt, err := conn.Publish(t.Context(), stream.Outgoing{Subject: stream.SubjectDeliveries, ID: id, Data: []byte("{}"), Bulk: true})
		must(t, "publishing", err)
		kept, err := s.connect(access.Operator, "cli").Get(t.Context(), stream.Deliveries, receipt.Sequence)
		must(t, "reading", err)
		if receipt.Duplicate || kept.Subject != stream.SubjectDeliveries {
			t.Errorf("%+v lies on %s", receipt, kept.Subject)
		}
	}
	if text := logs.String(); !strings.Contains(text, "the bulk class takes nothing") || !strings.Contains(text, `"denied":"publish to sluice.deliveries.bulk"`) {
		t.Errorf("the log says %s", text)
	}
}
