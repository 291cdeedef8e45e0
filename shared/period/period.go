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

// Calendar is the list of rules of a namespace, oldest first; the first one holds for all earlier events too.
type Calendar []Rule

// Daily is the calendar of a namespace that was never told otherwise.
func Daily() Calendar { return Calendar{{Unit: Day}} }

// Name returns the period of an event of time t; a zero time is undated.
func (c Calendar) Name(t time.Time) string {
	if t.IsZero() {
		return Undated
	}
	t = t.UTC()
	unit := Day
	for i, rule := range c {
		if i == 0 || !t.Before(rule.From) {
			unit = rule.Unit
		}
	}
	switch unit {
	case Hour:
		return t.Format("2006.01.02.15")
	case Week:
		year, week := t.ISOWeek()
		return fmt.Sprintf("%04d.w%02d", year, week)
	case Month:
		return t.Format("2006.01")
	case Day:
	}
	return t.Format("2006.01.02")
}

// Alias is the name through which a namespace is read.
func Alias(namespace string) string { return "logs-" + Dataset + "-" + namespace }

// Index is the name of a namespace's index for a period.
func Index(namespace, name string) string { return Alias(namespace) + "-" + name }

// Split takes an index name apart; ok is false when it is none of ours.
func Split(index string) (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(index, "logs-"+Dataset+"-")
	if !ok {
		return "", "", false
	}
	namespace, name, ok = strings.Cut(rest, "-")
	return namespace, name, ok && namespace != "" && name != ""
}

// End returns the first moment after a period, so that an index can be deleted when its whole period is past; ok is
// false for the undated one and for names that are no period.
func End(name string) (end time.Time, ok bool) {
	if t, err := time.Parse("2006.01.02.15", name); err == nil {
		return t.Add(time.Hour), true
	}
	if t, err := time.Parse("2006.01.02", name); err == nil {
		return t.AddDate(0, 0, 1), true
	}
	if t, err := time.Parse("2006.01", name); err == nil {
		return t.AddDate(0, 1, 0), true
	}
	var year, week int
	if n, err := fmt.Sscanf(name, "%04d.w%02d", &year, &week); n == 2 && err == nil {
		fourth := time.Date(year, 1, 4, 0, 0, 0, 0, time.UTC) // always in week 1
		monday := fourth.AddDate(0, 0, -(int(fourth.Weekday())+6)%7)
		return monday.AddDate(0, 0, 7*week), true
	}
	return time.Time{}, false
}
