package hostile_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/test/harness"
)

// messages lie in the streams and were written by none of us.
func messages() []attempt {
	publish := func(subject func(v *visit) string, header stream.Header, data string) func(*visit) {
		return func(v *visit) {
			filled := stream.Header{}
			for name, value := range header {
				filled[name] = v.fill(value)
			}
			receipt, err := v.conn.Publish(v.t.Context(), stream.Outgoing{Subject: subject(v), Header: filled, Data: []byte(v.fill(data))})
			if err != nil {
				v.err = err
				return
			}
			v.ids[fmt.Sprintf("%s:%d", receipt.Stream, receipt.Sequence)] = true
			v.saw("stored")
		}
	}
	deliveries := func(*visit) string { return stream.SubjectDeliveries }
	documents := func(v *visit) string { return stream.SubjectDocuments(v.namespace) }
	received := time.Now().UTC().Format(time.RFC3339)
	facts := func(more ...string) stream.Header {
		h := stream.Header{"Sluice-Schema": "1", delivery.HeaderID: "MARK", "Sluice-Namespace": "default", "Sluice-Endpoint": "nobody", "Sluice-Received-At": received}
		for i := 0; i+1 < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	line := func(index, id string) string {
		return fmt.Sprintf(`{"create":{"_index":%q,"_id":%q}}`+"\n{}\n", index, id)
	}
	of := func(count string) stream.Header { return stream.Header{"Sluice-Schema": "1", "Sluice-Count": count} }
	return []attempt{
		{name: "in `DELIVERIES`: no headers", do: publish(deliveries, nil, oneEvent), answer: "stored", becomes: "1 bad_envelope"},
		{name: "in `DELIVERIES`: no headers and no bytes", do: publish(deliveries, nil, ""), answer: "stored", becomes: "1 bad_envelope"},
		{name: "in `DELIVERIES`: a version that never was", do: publish(deliveries, stream.Header{"Sluice-Schema": "0"}, oneEvent+"3000"), answer: "stored", becomes: "1 bad_envelope"},
		{name: "in `DELIVERIES`: a time of receipt that is none", do: publish(deliveries, facts("Sluice-Received-At", "yesterday"), "yesterday"), answer: "stored", becomes: "1 bad_envelope"},
		{name: "in `DELIVERIES`: a million deliveries in three bytes", do: publish(deliveries, stream.Header{"Sluice-Schema": "1", "Sluice-Count": "1000000"}, "\xff\xff\x01"), answer: "stored", becomes: "1 bad_envelope"},
		{name: "in `DELIVERIES`: a frame that is longer than its message", do: publish(deliveries, stream.Header{"Sluice-Schema": "1", "Sluice-Count": "2"}, "\xff\xff\xff\xff\xff\xff\xff\xff\x7f{}"), answer: "stored", becomes: "1 bad_envelope"},
		{name: "in `DELIVERIES`: part −1 of 0", do: publish(deliveries, facts("Sluice-Part", "-1/0/-5"), "part"), answer: "stored", becomes: "1 bad_envelope"},
		{name: "in `DELIVERIES`: a namespace with a wildcard and a path", do: publish(deliveries, facts("Sluice-Namespace", "../*.>"), "space"), answer: "stored", becomes: "1 bad_envelope"},
		{name: "in `DELIVERIES`: compression that does not exist", do: publish(deliveries, facts("Content-Encoding", "br"), "br"), answer: "stored", becomes: "1 bad_compression"},
		{name: "in `DELIVERIES`: gzip that is none", do: publish(deliveries, facts("Content-Encoding", "gzip"), "no gzip"), answer: "stored", becomes: "1 bad_compression"},
		{name: "in `DOCUMENTS`: no headers", do: publish(documents, nil, "MARK"), answer: "stored", becomes: "1 bad_message"},
		{name: "in `DOCUMENTS`: no headers and no bytes", do: publish(documents, nil, ""), answer: "stored", becomes: "1 bad_message"},
		{name: "in `DOCUMENTS`: a version that never was", do: publish(documents, stream.Header{"Sluice-Schema": "0", "Sluice-Count": "1"}, "MARK 3000"), answer: "stored", becomes: "1 bad_message"},
		{name: "in `DOCUMENTS`: a `delete` action", do: publish(documents, of("1"), "{\"delete\":{\"_index\":\"MARK\",\"_id\":\"1\"}}\n"), answer: "stored", becomes: "1 bad_message"},
		{name: "in `DOCUMENTS`: an index of somebody else", do: publish(documents, of("1"), line(".security-7", "1")), answer: "stored", becomes: "1 bad_message"},
		{name: "in `DOCUMENTS`: an index of another namespace", do: publish(documents, of("1"), line("logs-auth0.logs-default-2026.01.01", "1")), answer: "stored", becomes: "1 bad_message"},
		{name: "in `DOCUMENTS`: fewer documents than announced", do: func(v *visit) {
			publish(documents, of("2"), line("logs-auth0.logs-"+v.namespace+"-2026.01.01", "1"))(v)
		}, answer: "stored", becomes: "1 bad_message"},
		{name: "in `DOCUMENTS`: a document that is no JSON, beside a good one", do: func(v *visit) {
			index := "logs-auth0.logs-" + v.namespace + "-2026.01.01"
			publish(documents, of("2"), strings.Replace(line(index, v.mark+"1"), "{}", "MARK no JSON", 1)+
				strings.Replace(line(index, v.mark+"2"), "{}", `{"@timestamp":"2026-01-01T00:00:00Z","event":{"id":"ID1"}}`, 1))(v)
		}, answer: "stored", becomes: "1 document, 1 document_parsing_exception"},
	}
}

// settings are those with which a service must not start.
func settings() []attempt {
	with := func(program string, env ...string) func(*visit) {
		return func(v *visit) {
			all := append([]string{"NATS_URL=" + v.NATSURL, "ELASTICSEARCH_URL=" + v.ElasticsearchURL, "ADMIN_LISTEN=127.0.0.1:0", "RECEIVER_LISTEN=127.0.0.1:0"}, env...)
			out, errs, code := harness.Run(v.t, all, harness.Binary(v.t, program))
			if name, _, _ := strings.Cut(env[0], "="); !strings.Contains(errs, name) && !strings.Contains(out+errs, "NATS_MONITOR_URLS") {
				v.err = fmt.Errorf("the error does not name %s: %s%s", name, out, errs)
			}
			if strings.Contains(out+errs, "panic") {
				v.err = fmt.Errorf("%s", errs)
			}
			v.saw(fmt.Sprint("exit ", code))
		}
	}
	return []attempt{
		{name: "`RECEIVER_MAX_BODY=-1`", do: with("receiver", "RECEIVER_MAX_BODY=-1"), answer: "exit 1"},
		{name: "`RECEIVER_MAX_BODY=0`", do: with("receiver", "RECEIVER_MAX_BODY=0", "NATS_ACCEPT_LOSING_ACKNOWLEDGED_EVENTS=true"), answer: "exit 1"},
		{name: "`RECEIVER_MAX_BODY=9223372036854775807GiB`", do: with("receiver", "RECEIVER_MAX_BODY=9223372036854775807GiB"), answer: "exit 1"},
		{name: "`RECEIVER_MAX_INFLIGHT=1MiB`", do: with("receiver", "RECEIVER_MAX_INFLIGHT=1MiB", "NATS_ACCEPT_LOSING_ACKNOWLEDGED_EVENTS=true"), answer: "exit 1"},
		{name: "`RECEIVER_READ_TIMEOUT=-5s`", do: with("receiver", "RECEIVER_READ_TIMEOUT=-5s", "NATS_ACCEPT_LOSING_ACKNOWLEDGED_EVENTS=true"), answer: "exit 1"},
		{name: "`RECEIVER_MAX_CONNECTIONS=0`", do: with("receiver", "RECEIVER_MAX_CONNECTIONS=0", "NATS_ACCEPT_LOSING_ACKNOWLEDGED_EVENTS=true"), answer: "exit 1"},
		{name: "`RECEIVER_MAX_BODDY=1MiB`, a setting that does not exist", do: with("receiver", "RECEIVER_MAX_BODDY=1MiB"), answer: "exit 1"},
		{name: "`LOG_FORMAT=xml`", do: with("enricher", "LOG_FORMAT=xml"), answer: "exit 1"},
		{name: "`ENRICHER_HELD=-1MiB`", do: with("enricher", "ENRICHER_HELD=-1MiB"), answer: "exit 1"},
		{name: "`INDEXER_WORKERS=0`", do: with("indexer", "INDEXER_WORKERS=0"), answer: "exit 1"},
		{name: "`INDEXER_BULK_TIMEOUT=1ms`", do: with("indexer", "INDEXER_BULK_TIMEOUT=1ms"), answer: "exit 1"},
		{name: "a NATS server of which nobody knows whether it syncs", do: with("receiver", "NATS_MONITOR_URLS="), answer: "exit 1"},
	}
}
