// Package auth0 knows what Auth0 sends: the shapes of a body, the elements in it, log ids and their times.
//
// Its promise: one broken element never costs another. Every byte of a body that is not white space belongs to exactly
// one Element, good or broken, and nothing here panics on any input.
package auth0

import (
	"bytes"
	"errors"
	"iter"
)

// Why an element cannot become a document. The texts are metric labels and dead-letter reasons.
var (
	ErrNotJSON     = errors.New("not_json")
	ErrNotObject   = errors.New("not_an_object")
	ErrInvalidUTF8 = errors.New("invalid_utf8")
	ErrTooDeep     = errors.New("too_deep")
	ErrNoLogID     = errors.New("no_log_id")
)

// Element is one event of a body as it came, or a piece that is none.
type Element struct {
	Index int    // its number in the body, from 0
	Line  int    // the line on which it begins, from 1
	At    int    // where it begins in the body, in bytes
	Raw   []byte // without surrounding white space; shares memory with the body
	// Broken is set where not even the borders of the element are sure; Raw is then all that may belong to it.
	Broken error
}

// MaxBroken is how many broken pieces of one body are told apart; the rest stays together in one, so that rubbish does
// not become a million messages.
const MaxBroken = 1000

// effort bounds the bytes that are looked at, in all, to find good elements behind broken ones: without it a body of
// elements that never close would be read to its end again for each of them.
func effort(body []byte) int { return max(256<<20, 8*len(body)) }

// Split takes a body apart, whatever its shape: JSON lines, an array, an object with a `logs` array, a single event, or
// several values one after another. A body without a line that begins like one of these is one broken element.
func Split(body []byte) iter.Seq[Element] {
	return func(yield func(Element) bool) {
		s := splitter{body: body, line: 1, yield: yield, budget: effort(body)}
		s.run()
	}
}

// splitter walks a body once.
type splitter struct {
	body    []byte
	index   int
	line    int // the line that byte counted is on
	counted int
	broken  int
	budget  int
	looked  int // bytes looked at for elements that do not close: what broken ones cost beyond one pass
	stopped bool
	yield   func(Element) bool
}

func (s *splitter) spend(looked int) {
	s.looked += looked
	s.budget -= looked
}

var byteOrderMark = []byte("\xef\xbb\xbf")

func (s *splitter) run() {
	at := 0
	if bytes.HasPrefix(s.body, byteOrderMark) {
		at = len(byteOrderMark)
	}
	at = skipSpace(s.body, at)
	if at == len(s.body) {
		return
	}
	switch s.body[at] {
	case '[':
		s.arrays(at)
	case '{':
		s.objects(at)
	default:
		if !holdsElements(s.body[at:]) {
			s.emit(at, len(s.body), ErrNotJSON)
			return
		}
		s.lines(at)
	}
}

// holdsElements reports whether a body that begins like no JSON has a line that does: then only its first lines are broken.
func holdsElements(body []byte) bool {
	for len(body) > 0 {
		end := indexOrEnd(body, '\n')
		if at := skipSpace(body[:end], 0); at < end && (body[at] == '{' || body[at] == '[') {
			return true
		}
		body = body[min(end+1, len(body)):]
	}
	return false
}

// arrays handles a body that begins with an array: that one alone, or one after another.
func (s *splitter) arrays(at int) {
	end, ok := skipValue(s.body, at)
	if next := skipSpace(s.body, end); ok && next < len(s.body) && (s.body[next] == '[' || s.body[next] == '{') {
		s.values(at)
		return
	}
	s.value(at, len(s.body))
}

// objects handles a body that begins with an object: one value alone, or lines.
func (s *splitter) objects(at int) {
	end, ok := skipValue(s.body, at)
	alone := ok && skipSpace(s.body, end) == len(s.body)
	if logs, wrapped := logsArray(s.body[at:]); wrapped && (alone || !ok) {
		s.array(at+logs, len(s.body))
		return
	}
	oneLine := bytes.IndexByte(s.body[at:end], '\n') < 0
	switch {
	case alone && (oneLine || valid(s.body[at:end]) == nil):
		s.value(at, end)
	case ok && (!oneLine || bytes.IndexByte(s.body[at:], '\n') < 0):
		s.values(at)
	default:
		s.rest(at)
	}
}

// rest handles what is no whole value: lines, or one value over many lines that is broken somewhere.
func (s *splitter) rest(at int) {
	first := bytes.TrimSpace(s.body[at : at+indexOrEnd(s.body[at:], '\n')])
	if len(first) == 1 {
		s.emit(at, len(bytes.TrimRight(s.body, " \r\n\t")), ErrNotJSON)
		return
	}
	s.lines(at)
}

// lines handles JSON lines: each line stands for itself, so a broken one ends at its own end.
func (s *splitter) lines(at int) {
	for at < len(s.body) && !s.stopped {
		end := at + indexOrEnd(s.body[at:], '\n')
		from, to := skipSpace(s.body[:end], at), end
		for to > from && isSpace(s.body[to-1]) {
			to--
		}
		if from < to {
			s.value(from, to)
		}
		at = end + 1
	}
}

// values handles objects one after another that span lines.
func (s *splitter) values(at int) {
	for at < len(s.body) && !s.stopped {
		end, ok := skipValue(s.body, at)
		if !ok || s.body[at] != '{' && s.body[at] != '[' || s.crossesLines(at, end) {
			s.rest(at)
			return
		}
		s.value(at, end)
		at = skipSpace(s.body, end)
	}
}

// crossesLines reports whether brackets match over several lines by chance only: what lies between is no object.
func (s *splitter) crossesLines(at, end int) bool {
	return s.body[at] == '{' && bytes.IndexByte(s.body[at:end], '\n') >= 0 && valid(s.body[at:end]) != nil
}

// value emits what lies in [from,to): an event, or the elements of an array or of a `logs` array.
func (s *splitter) value(from, to int) {
	switch s.body[from] {
	case '[':
		s.array(from+1, to)
	case '{':
		if logs, ok := logsArray(s.body[from:to]); ok {
			s.array(from+logs, to)
			return
		}
		s.emit(from, to, nil)
	default:
		s.emit(from, to, ErrNotJSON)
	}
}

// array emits the elements that follow an opening bracket; at is behind it.
func (s *splitter) array(at, to int) {
	body := s.body[:to]
	for !s.stopped {
		at = skipSpace(body, at)
		for at < to && body[at] == ',' {
			at = skipSpace(body, at+1)
		}
		if at >= to {
			return
		}
		if body[at] == ']' {
			s.afterArray(at+1, to)
			return
		}
		end, ok := s.element(body, at)
		if after := skipSpace(body, end); ok && (after == to || body[after] == ',' || body[after] == ']') {
			s.emit(at, end, nil)
			at = end
			continue
		}
		next := s.resync(at, to)
		s.emit(at, trimTail(body, at, next), ErrNotJSON)
		at = next
	}
}

// window is how far an element may reach before the next one is looked for, in a body known to be broken.
const window = 1 << 20

// element returns the place behind the array's element at at. An element that never closes reaches to the end of the
// body; once there was one, the next ones are not followed that far when another element begins close by.
func (s *splitter) element(body []byte, at int) (end int, ok bool) {
	if s.broken > 0 && len(body)-at > window {
		if end, ok = skipValue(body[:at+window], at); ok {
			return end, true
		}
		s.looked += end - at
		if s.resync(at, at+window) < at+window {
			return at, false
		}
	}
	end, ok = skipValue(body, at)
	if !ok {
		s.spend(end - at)
	}
	return end, ok
}

// afterArray looks at what follows the closing bracket: at most the end of the wrapping object.
func (s *splitter) afterArray(at, to int) {
	at = skipSpace(s.body[:to], at)
	if at >= to || s.body[at] == '}' && skipSpace(s.body[:to], at+1) == to {
		return
	}
	if s.body[at] == ',' && s.body[to-1] == '}' { // further members of the wrapper, behind its logs
		return
	}
	s.emit(at, to, ErrNotJSON)
}

// resync finds where the next element begins after a broken one at at; to when there is none.
func (s *splitter) resync(at, to int) int {
	if s.broken >= MaxBroken {
		return to
	}
	for from := at + 1; from < to && s.budget > 0; {
		next := bytes.IndexByte(s.body[from:to], '{')
		if next < 0 {
			return to
		}
		next += from
		s.spend(next - from + 1)
		from = next + 1
		if !looksLikeElement(s.body[next:to]) {
			continue
		}
		end, ok := skipValue(s.body[:to], next)
		s.spend(end - next)
		if ok && valid(s.body[next:end]) == nil {
			return next
		}
	}
	return to
}

// looksLikeElement reports whether b, which begins with a brace, begins as Auth0's elements do.
func looksLikeElement(b []byte) bool {
	at := skipSpace(b, 1)
	for _, key := range [...]string{`"log_id"`, `"_id"`, `"data"`, `"date"`} {
		if bytes.HasPrefix(b[at:], []byte(key)) {
			return true
		}
	}
	return false
}

// trimTail cuts the separator between a broken element and the next good one.
func trimTail(b []byte, from, to int) int {
	for to > from && (isSpace(b[to-1]) || b[to-1] == ',') {
		to--
	}
	return max(to, from+1)
}

func (s *splitter) emit(from, to int, broken error) {
	if broken != nil {
		s.broken++
	}
	s.line += bytes.Count(s.body[s.counted:from], []byte{'\n'})
	s.counted = from
	if !s.yield(Element{Index: s.index, Line: s.line, At: from, Raw: s.body[from:to:to], Broken: broken}) {
		s.stopped = true
	}
	s.index++
}

// logsArray returns the place behind the bracket of a top-level `logs` array, when the object is Auth0's wrapper and no
// event itself.
func logsArray(object []byte) (int, bool) {
	at := skipSpace(object, 1)
	for at < len(object) && object[at] == '"' {
		keyEnd, ok := skipString(object, at)
		if !ok {
			return 0, false
		}
		key := object[at:keyEnd]
		at = skipSpace(object, keyEnd)
		if at >= len(object) || object[at] != ':' {
			return 0, false
		}
		at = skipSpace(object, at+1)
		switch string(key) {
		case `"logs"`:
			if at < len(object) && object[at] == '[' {
				return at + 1, true
			}
			return 0, false
		case `"log_id"`, `"data"`, `"_id"`, `"type"`:
			return 0, false
		}
		end, ok := skipValue(object, at)
		if !ok {
			return 0, false
		}
		if at = skipSpace(object, end); at >= len(object) || object[at] != ',' {
			return 0, false
		}
		at = skipSpace(object, at+1)
	}
	return 0, false
}
