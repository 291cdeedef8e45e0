// Package period says which index an event belongs to.
//
// The index follows from the event alone and never from the clock of the moment, so the same event always meets itself
// in the same index, whenever and by whomever it is written.
package period

import (
	"fmt"
	"strings"
	"time"
)

// Dataset is the data set of Auth0 tenant logs.
const Dataset = "auth0.logs"

// Unit is the span of time that one index holds.
type Unit string

// The units.
const (
	Hour  Unit = "hour"
	Day   Unit = "day"
	Week  Unit = "week"
	Month Unit = "month"
)

// Undated is the period of events that carry no time at all.
const Undated = "undated"

// ParseUnit explains which units there are when s is none.
func ParseUnit(s string) (Unit, error) {
	switch u := Unit(s); u {
	case Hour, Day, Week, Month:
		return u, nil
	}
	return "", fmt.Errorf("period %q: use hour, day, week or month", s)
}

// Rule is a unit and the moment from which events belong to it.
type Rule struct {
	From time.Time `json:"from"`
	Unit Unit      `json:"unit"`
}

// Alias is the name through which a namespace is read.
func Alias(namespace string) string { return "logs-" + Dataset + "-" + namespace }

// Index is the name of a namespace's index for a period.
func Index(namespace, name string) string { return Alias(namespace) + "-" + name }

// Names names the indices of many events. It keeps the last name, since the next event mostly goes to the same index and to
// format its time costs more than to look. It is not safe for concurrent use; the zero value is ready.
type Names struct {
	namespace string
	unit      Unit
	hour      int64 // since 1970: no period begins or ends within one
	index     string
}

// Index is the index of a namespace with this calendar that takes an event of time t.
func (n *Names) Index(namespace string, c Calendar, t time.Time) string {
	if t.IsZero() {
		return Index(namespace, Undated)
	}
	unit, hour := c.Unit(t), floorDiv(t.Unix(), 3600)
	if n.index == "" || n.hour != hour || n.unit != unit || n.namespace != namespace {
		*n = Names{namespace, unit, hour, Index(namespace, c.Name(t))}
	}
	return n.index
}

func floorDiv(a, b int64) int64 {
	if a < 0 {
		return (a+1)/b - 1
	}
	return a / b
}

// Split takes an index name apart; ok is false when it is none of ours.
func Split(index string) (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(index, "logs-"+Dataset+"-")
	if !ok {
		return "", "", false
	}
	namespace, name, ok = strings.Cut(rest, "-")
	return namespace, name, ok && namespace != "" && name != ""
}
