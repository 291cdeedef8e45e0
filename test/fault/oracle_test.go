package fault_test

import (
	"testing"

	"github.com/nats-io/nats.go"
)

// TestAMessageThatCameBackUnaskedIsNoticed tells handings out that a service gave back from those it finished silently.
func TestAMessageThatCameBackUnaskedIsNoticed(t *testing.T) {
	said := func(number, data string) *nats.Msg {
		return &nats.Msg{Subject: "$JS.ACK.DOCUMENTS.indexer." + number + ".7.9.1700000000000000000.0", Data: []byte(data)}
	}
	for _, c := range []struct {
		name  string
		heard []*nats.Msg
		again int
	}{
		{"once", []*nats.Msg{said("1", "+WPI"), said("1", "+ACK")}, 0},
		{"given back", []*nats.Msg{said("1", "-NAK"), said("2", "-NAK {\"delay\":1}"), said("3", "")}, 0},
		{"finished silently", []*nats.Msg{said("1", "+WPI"), said("2", "+ACK")}, 1},
		{"given back once of two times", []*nats.Msg{said("1", "-NAK"), said("3", "+ACK")}, 1},
		{"acknowledged twice", []*nats.Msg{said("1", "+ACK"), said("1", "+ACK")}, 1},
	} {
		v := &verdicts{done: map[string]bool{}, back: map[string]bool{}}
		for _, m := range c.heard {
			v.hear(m)
		}
		if len(v.again) != c.again {
			t.Errorf("%s: %v", c.name, v.again)
		}
	}
}

// TestTheCheckJudgesByTheEvent shows the check what Sluice must not do.
func TestTheCheckJudgesByTheEvent(t *testing.T) {
	const anna = `{"log_id":"1","data":{"type":"s","date":"2026-01-02T03:04:05.678Z","user_name":"anna@example.com"}}`
	const nobody = `{"log_id":"1","data":{"type":"s","date":"2026-01-02T03:04:05.678Z"}}`
	right := documentClaims([]byte(`{"@timestamp":"2026-01-02T03:04:05.678Z","event":{"code":"s"}}`))
	late := documentClaims([]byte(`{"@timestamp":"2026-01-02T03:04:05.679Z","event":{"code":"s"}}`))
	other := documentClaims([]byte(`{"@timestamp":"2026-01-02T03:04:05.678Z","event":{"code":"f"}}`))
	for _, c := range []struct {
		name, event                   string
		became                        outcome
		altered, problems, deadWanted int
	}{
		{"a document", nobody, outcome{found: []claims{right}}, 0, 0, 0},
		{"of another time", nobody, outcome{found: []claims{late}}, 1, 0, 0},
		{"of another code", nobody, outcome{found: []claims{other}}, 1, 0, 0},
		{"a letter of an address", anna, outcome{dead: 1}, 0, 0, 1},
		{"a document of an address", anna, outcome{found: []claims{right}}, 0, 1, 1},
		{"a letter without an address", nobody, outcome{dead: 1}, 0, 1, 0},
	} {
		v := &verdict{}
		v.judge("1", &fate{acked: true, event: []byte(c.event)}, c.became, noNumber)
		if len(v.altered) != c.altered || len(v.problems) != c.problems || v.deadWanted != c.deadWanted {
			t.Errorf("%s: altered %v, problems %v, %d letters wanted", c.name, v.altered, v.problems, v.deadWanted)
		}
	}
}
