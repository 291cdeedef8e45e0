package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ErrNoDocument says that what should be rebuilt is no document of ours.
var ErrNoDocument = errors.New("this is no document of an Auth0 event: it has no event.id")

// object is a JSON object with its numbers as written.
type object = map[string]any

// Rebuild makes the event again out of its document. The members are those that Auth0 sent, with the same values, in
// alphabetical order; where event.original was kept, the result is that, byte for byte.
func Rebuild(document []byte) ([]byte, error) {
	doc, err := decode(document)
	if err != nil {
		return nil, fmt.Errorf("rebuilding an event: %w", err)
	}
	if original, ok := at(doc, "event", "original").(string); ok && json.Valid([]byte(original)) {
		return []byte(original), nil
	}
	id, ok := at(doc, "event", "id").(string)
	if !ok {
		return nil, ErrNoDocument
	}
	r := rebuilder{doc: doc, data: object{}, shape: at(doc, "auth0", "logs", "shape")}
	r.members()
	r.details()
	r.aside()
	return r.event(id)
}

// decode reads one JSON object.
func decode(text []byte) (object, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var doc object
	if err := decoder.Decode(&doc); err != nil {
		return nil, fmt.Errorf("decoding a document: %w", err)
	}
	return doc, nil
}

// at walks down keys; nil when there is nothing.
func at(doc object, path ...string) any {
	var value any = doc
	for _, key := range path {
		inner, _ := value.(object)
		value = inner[key]
	}
	return value
}

// rebuilder puts an event together.
type rebuilder struct {
	doc, data object
	shape     any
}

// had reports whether the shape of the event has a note.
func (r *rebuilder) had(note string) bool {
	notes, _ := r.shape.([]any)
	return slices.Contains(notes, any(note))
}

// set gives a member a value from a field, if the field is there.
func (r *rebuilder) set(target object, key string, path ...string) {
	if value := at(r.doc, path...); value != nil {
		target[key] = value
	}
}

// members puts back what has a field of its own.
func (r *rebuilder) members() {
	if plain, ok := at(r.doc, "auth0", "logs", "data").(object); ok {
		maps.Copy(r.data, plain)
	}
	delete(r.data, "classification")
	delete(r.data, "login")
	flags, _ := at(r.doc, "sluice", "flags").([]any)
	guessed := slices.Contains(flags, any("time_from_log_id")) || slices.Contains(flags, any("time_from_receipt"))
	if _, beside := r.data["date"]; !beside && !guessed {
		r.set(r.data, "date", "@timestamp")
	}
	r.set(r.data, "type", "event", "code")
	r.set(r.data, "description", "message")
	r.set(r.data, "ip", "source", "ip")
	r.set(r.data, "user_agent", "user_agent", "original")
	r.set(r.data, "organization_id", "organization", "id")
	r.set(r.data, "organization_name", "organization", "name")
	r.user()
	r.pair("references", "trace_id", []string{"trace", "id"}, "correlation_id", []string{"transaction", "id"})
	r.pair("security_context", "ja3", []string{"tls", "client", "ja3"}, "ja4", []string{"tls", "client", "ja4"})
}

func (r *rebuilder) user() {
	if r.had(shapeActor) {
		return
	}
	r.set(r.data, "user_id", "user", "id")
	if _, hidden := r.data["user_name"]; hidden || r.had(shapeNamed) {
		return
	}
	r.set(r.data, "user_name", "user", "name")
	r.set(r.data, "user_name", "user", "email")
}

func (r *rebuilder) pair(key, first string, firstPath []string, second string, secondPath []string) {
	inner := object{}
	r.set(inner, first, firstPath...)
	r.set(inner, second, secondPath...)
	if len(inner) > 0 {
		r.data[key] = inner
	}
}

// details puts back what was moved out of details.
func (r *rebuilder) details() {
	details, ok := r.data["details"].(object)
	if !ok {
		return
	}
	login := []string{"auth0", "logs", "data", "login"}
	for _, key := range []string{"initiatedAt", "completedAt", "elapsedTime"} {
		r.set(details, key, append(login, key)...)
	}
	if count := at(r.doc, append(login, "stats")...); count != nil {
		details["stats"] = count
	}
	if !r.had(shapeSession) {
		r.set(details, "session_id", "auth0", "session", "id")
	}
	if !r.had(shapeRisk) {
		r.set(details, "riskAssessment", "auth0", "risk_assessment")
	}
}

// aside puts back what was kept and not indexed.
func (r *rebuilder) aside() {
	odd, _ := at(r.doc, "auth0", "logs", "odd").(object)
	for key, value := range odd {
		kept, cut := r.data[key].(object)
		rest, ok := value.(object)
		if cut && ok { // a part of it has fields of its own
			merge(kept, rest)
			continue
		}
		r.data[key] = value
	}
}

// merge adds to an object what was cut out of it.
func merge(kept, rest object) {
	for key, value := range rest {
		inner, cut := kept[key].(object)
		more, ok := value.(object)
		if cut && ok {
			merge(inner, more)
			continue
		}
		kept[key] = value
	}
}

// event writes the result.
func (r *rebuilder) event(id string) ([]byte, error) {
	outer := object{}
	if envelope, ok := at(r.doc, "auth0", "logs", "envelope").(object); ok {
		maps.Copy(outer, envelope)
	}
	if _, other := r.data["log_id"]; !other && !r.had(shapeNoInner) {
		r.data["log_id"] = id
	}
	if r.had(shapeFlat) {
		outer = r.data
	} else {
		outer["data"] = r.data
		if !r.had(shapeNoOuter) {
			outer["log_id"] = id
		}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(outer); err != nil {
		return nil, fmt.Errorf("rebuilding an event: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
