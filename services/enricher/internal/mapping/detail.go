package mapping

import (
	"bytes"
	"cmp"
	"math/big"

	"github.com/sluicelog/sluice/shared/auth0"
)

// detail is what `details` says that has a field of its own. Moved members leave details and are put back by Rebuild;
// the others are read and stay, because rules match on their path.
type detail struct {
	present bool
	kept    []byte // what is left of details when something was moved or cut
	aside   []byte // what cannot be indexed; nil when all of it can

	sessionID, risk, initiated, completed, elapsed, logins []byte // moved

	request, response, body   []byte
	method, path, url, origin []byte
	reason, errorCode         []byte
	reasonRank, codeRank      int
	confidence, assessments   []byte
	refreshSession            []byte
	failed                    bool
	moved                     int
}

// details takes the member details apart: what auth0.Parse has found in it is gone through once.
func (p *picked) details(f *auth0.Field, found *auth0.Details) {
	if f.Value[0] != '{' || p.detail.present {
		p.keep(f)
		return
	}
	d := &p.detail
	d.present = true
	b := f.Value
	run := 0 // where the members that stay, and were not copied yet, begin
	left := p.left[:0]
	left = append(left, '{')
	for i := range found.Members {
		m := &found.Members[i]
		if d.move(m.Key, m.Value) {
			left, run = appendRun(left, b, run, m.At), 0
		} else {
			d.read(m.Key, m.Value)
			run = cmp.Or(run, m.At)
		}
	}
	p.left = append(appendRun(left, b, run, len(b)-1), '}')
	switch {
	case !bearable(&found.Extent):
		d.cut(b)
		if d.aside != nil {
			p.flags |= flagDetailsCut
		}
	case d.moved == 0:
		d.kept = b
	default:
		d.kept = p.left
	}
}

// appendRun adds the members in b[from:to], with what separates the last of them from the next one, to an object; from 0
// is none.
func appendRun(left, b []byte, from, to int) []byte {
	if from == 0 {
		return left
	}
	if len(left) > 1 {
		left = append(left, ',')
	}
	return append(left, bytes.TrimRight(b[from:to], ", \n\r\t")...)
}

// move takes a member that a field of its own carries to the letter, or to the number.
func (d *detail) move(key, value []byte) bool {
	var field *[]byte
	switch string(key) {
	case "session_id":
		if isText(value) {
			field = &d.sessionID
		}
	case "riskAssessment":
		if isRisk(value) {
			field = &d.risk
		}
	case "initiatedAt":
		field, value = &d.initiated, whole(value, 14)
	case "completedAt":
		field, value = &d.completed, whole(value, 14)
	case "elapsedTime":
		field, value = &d.elapsed, whole(value, 12)
	case "stats":
		field, value = &d.logins, loginsCount(value)
	}
	if field == nil || value == nil || *field != nil {
		return false
	}
	*field = value
	d.moved++
	return true
}

// read notes a member that a field is made of.
func (d *detail) read(key, value []byte) { //nolint:funlen // one case per member that Auth0 publishes
	switch string(key) {
	case "request":
		d.request = value
	case "response":
		d.response = value
	case "body":
		d.body = value
	case "method":
		d.method = plainText(value)
	case "path":
		d.path = plainText(value)
	case "originalUrl":
		d.url = plainText(value)
	case "originUrl":
		d.origin = plainText(value)
	case "confidence":
		d.confidence = plainText(value)
	case "assessments":
		d.assessments = value
	case "refresh_token":
		d.refreshSession = plainText(member(value, "session_id"))
	case "error":
		d.failed = d.failed || !empty(value) && string(value) != "false" && string(value) != "0"
		d.because(value, 9)
	case "failure_details":
		d.because(value, 8)
	case "provider_error":
		d.because(value, 7)
	case "action_error":
		d.because(value, 6)
	case "failure_reason":
		d.because(value, 5)
	case "errorMsg":
		d.because(value, 4)
	case "client_authentication_error":
		d.because(value, 3)
	case "client_authentoication_error": // spelt so by Auth0
		d.because(value, 2)
	case "errors":
		for message := range elements(value) {
			d.because(message, 1)
			break
		}
	}
}

// because notes why something failed. The best source wins, whatever their order: each has a rank of its own.
func (d *detail) because(value []byte, rank int) {
	message, code := plainText(value), []byte(nil)
	if value[0] == '{' {
		message = firstText(value, "message", "detail", "reason", "title")
		code = firstText(value, "oauthError", "code", "errorCode")
	}
	if message != nil && (d.reason == nil || rank > d.reasonRank) {
		d.reason, d.reasonRank = message, rank
	}
	if code != nil && (d.errorCode == nil || rank > d.codeRank) {
		d.errorCode, d.codeRank = code, rank
	}
}

// firstText is the first text that an object has under some keys, in the order of the keys.
func firstText(object []byte, keys ...string) []byte {
	for _, key := range keys {
		if value := plainText(member(object, key)); value != nil {
			return value
		}
	}
	return nil
}

// maxCopy is how long a text may be to be repeated in a field of its own: what is longer is not indexed anyway.
const maxCopy = 1024

// plainText is a value that is a text which says something, and is not too long to be repeated; else nil.
func plainText(value []byte) []byte {
	if isText(value) && len(value) <= maxCopy {
		return value
	}
	return nil
}

// whole is a number without fraction and of at most so many digits, written as digits only; nil for any other value.
// Auth0 writes large numbers in scientific notation now and then.
func whole(value []byte, digits int) []byte {
	if c := value[0]; c < '0' || c > '9' || len(value) > 32 {
		return nil
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return expanded(value, digits)
		}
	}
	if len(value) > digits {
		return nil
	}
	return value
}

func expanded(value []byte, digits int) []byte {
	if e := bytes.IndexAny(value, "eE"); e >= 0 && len(value)-e > len("e+99") {
		return nil // it would take for ever to write out
	}
	number, ok := new(big.Rat).SetString(string(value))
	if !ok || !number.IsInt() || len(number.Num().String()) > digits {
		return nil
	}
	return []byte(number.Num().String())
}

// loginsCount is the number in an object that holds nothing else.
func loginsCount(stats []byte) (count []byte) {
	n := 0
	for key, value := range members(stats) {
		if n++; string(key) == "loginsCount" {
			count = whole(value, 12)
		}
	}
	if n != 1 {
		return nil
	}
	return count
}

// isRisk reports whether a value is a risk assessment whose texts can be indexed: confidence and version are texts, and so
// are those of each assessor.
func isRisk(value []byte) bool {
	if value[0] != '{' {
		return false
	}
	for key, inner := range members(value) {
		switch string(key) {
		case "confidence", "version":
			if !isText(inner) {
				return false
			}
		case "assessments":
			if !areAssessments(inner) {
				return false
			}
		default:
			if !plainKey(key) || nested(inner) {
				return false
			}
		}
	}
	return true
}

func areAssessments(value []byte) bool {
	if value[0] != '{' {
		return false
	}
	for name, assessor := range members(value) {
		if assessor[0] != '{' || !isAssessor(name) { // a new one stays in details, where it can be searched
			return false
		}
		for key, inner := range members(assessor) {
			switch string(key) {
			case "confidence", "code":
				if !isText(inner) {
					return false
				}
			case "details":
				if !isFlat(inner) {
					return false
				}
			default:
				if !plainKey(key) || nested(inner) {
					return false
				}
			}
		}
	}
	return true
}

// isAssessor reports whether the index template has fields for an assessor.
func isAssessor(name []byte) bool {
	switch string(name) {
	case "NewDevice", "ImpossibleTravel", "UntrustedIP", "PhoneNumber":
		return true
	}
	return false
}
