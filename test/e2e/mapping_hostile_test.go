package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/enricher"
	"github.com/sluicelog/sluice/shared/auth0/auth0test"
)

// nasty is one event that somebody might send to break the mapping.
type nasty struct {
	name string
	data string // members of data, beside date and type
	form string // of the whole event; empty: as Auth0 writes it. ID and DATA stand for the log id and for data
	lost bool   // it cannot be rebuilt, because it has a member twice
	dead string // why it is a dead letter; empty: it is searchable
}

// TestNoEventBreaksTheMapping sends what no sane tenant does, among good events. Each becomes a document that the event
// can be rebuilt from, or a dead letter with a reason, and costs no neighbour.
func TestNoEventBreaksTheMapping(t *testing.T) {
	t.Parallel() // it mostly waits
	d := ownNamespace(t, "RECEIVER_MAX_BODY=16MiB")
	all := slices.Concat(misfits(), frames(), monsters())
	sent, events := map[string]nasty{}, map[string]string{} // by log id
	places := map[string]string{}                           // delivery and number: log id
	ids, good := map[string]string{}, 0                     // by event
	for chunk := range slices.Chunk(all, 50) {
		var body []string
		for _, n := range chunk {
			for _, one := range []nasty{{name: "a good neighbour", data: `"description":"good"`}, n} {
				id := fmt.Sprintf("900%s%042d", time.Now().UTC().Format("20060102150405")[:11], len(events))
				sent[id], events[id] = one, one.event(id)
				ids[events[id]], body = id, append(body, events[id])
			}
			good++
		}
		status, answer, _ := d.Post([]byte(strings.Join(body, "\n")), nil)
		var say struct{ Delivery string }
		if err := json.Unmarshal([]byte(answer), &say); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s %v", status, answer, err)
		}
		for i, line := range body {
			places[fmt.Sprint(say.Delivery, i)] = ids[line]
		}
	}
	d.awaitVerdicts(t, len(events), 2*time.Minute)
	dead := map[string]letter{}
	for _, l := range d.letters(t) {
		dead[places[fmt.Sprint(l.Delivery, l.Item)]] = l
	}
	documents := d.documents(t)
	t.Logf("%d events, %d of them good: %d documents, %d dead letters", len(events), good, len(documents), len(dead))
	for id, n := range sent {
		judge(t, n, events[id], documents[id], dead[id])
	}
}

// event writes the whole event.
func (n nasty) event(id string) string {
	form := n.form
	if form == "" {
		form = `{"log_id":"ID","data":{"date":"` + time.Now().UTC().Format(time.RFC3339) + `","type":"s",DATA}}`
	}
	return strings.NewReplacer("ID", id, "DATA", n.data).Replace(form)
}

// judge checks what became of one event.
func judge(t *testing.T, n nasty, event string, document json.RawMessage, l letter) {
	t.Helper()
	switch {
	case n.dead != "":
		if l.Reason != n.dead || document != nil {
			t.Errorf("%s: dead letter %q, want %q; document %.200s", n.name, l.Reason, n.dead, document)
		}
		return
	case document == nil:
		t.Errorf("%s: no document; dead letter %q of the %s: %s\n%.600s", n.name, l.Reason, l.Stage, l.Detail, event)
		return
	}
	back, err := enricher.Rebuild(document)
	if err != nil {
		t.Errorf("%s: %v", n.name, err)
		return
	}
	if n.lost {
		return
	}
	if got, want := canonical(t, back), canonical(t, []byte(event)); got != want {
		t.Errorf("%s:\nrebuilt %.700s\nsent    %.700s", n.name, got, want)
	}
}

// values are of every JSON type, and some that fields have limits for.
func values() map[string]string {
	return map[string]string{
		"an object": `{"a":{"b.c":[1,{"d":null}]},"":{}}`, "an array": `["x",["y",{"z":1}],null,7]`, "texts": `["x","y"]`,
		"a number": `1.5e300`, "a boolean": `true`, "null": `null`, "an empty text": `""`, "an empty object": `{}`, "an empty array": `[]`,
		"40 KB": `"` + strings.Repeat("Long text. ", 4000) + `"`, "40 KB of one word": `"` + strings.Repeat("ж", 20000) + `"`,
		"NUL": `"a\u0000b"`, "half a character": `"\ud800 \udc00"`, "control characters": `"\u0001\b\f\n\r\t\u007f\u2028"`,
	}
}

// misfits put every value into the place of every member that Auth0 publishes, at the top and within details.
func misfits() (all []nasty) {
	kinds := slices.Sorted(maps.Keys(values()))
	seen := map[string]bool{}
	for _, path := range append(auth0test.Paths(), ours()...) {
		deep := strings.ContainsAny(path.Name, ".[")
		if seen[path.Name] || strings.HasSuffix(path.Name, "*") {
			continue
		}
		seen[path.Name] = true
		form := ""
		if path.Name == "date" || path.Name == "type" {
			form = `{"log_id":"ID","data":{DATA}}`
		}
		for i, kind := range kinds {
			if deep && strings.HasPrefix(kind, "40 KB") && i%2 == 0 || deep && strings.HasPrefix(kind, "an empty") {
				continue // as good as the others, and there are many paths
			}
			all = append(all, nasty{name: path.Name + " is " + kind, data: placed(path.Name, values()[kind]), form: form})
		}
	}
	for _, kind := range kinds {
		var every []string
		for name := range seen {
			if !strings.ContainsAny(name, ".[") && name != "log_id" && name != "date" && name != "type" {
				every = append(every, placed(name, values()[kind]))
			}
		}
		all = append(all, nasty{name: "every member is " + kind, data: strings.Join(every, ",")})
	}
	return all
}

// ours are names that our documents and indices give to something else.
func ours() (paths []auth0test.Path) {
	for name := range strings.FieldsSeq(`type_id classification login odd shape envelope log data logs auth0 details.details details.login details.stats
		details.session_id details.riskAssessment details.riskAssessment.assessments.NewDevice details.initiatedAt details.completedAt details.elapsedTime
		_id _source @timestamp event user source related isMobile date_time login.stats.loginsCount details.request.auth.user details.error`) {
		paths = append(paths, auth0test.Path{Name: name})
	}
	return paths
}

// placed writes a member with a value at a path as auth0test has them.
func placed(path, value string) string {
	steps := strings.Split(path, ".")
	text := value
	for i, step := range slices.Backward(steps) {
		name, list := strings.CutSuffix(step, "[]")
		if list {
			text = "[" + text + "]"
		}
		if name == "*" {
			name = "any"
		}
		text = fmt.Sprintf("%q:%s", name, text)
		if i > 0 {
			text = "{" + text + "}"
		}
	}
	return text
}
