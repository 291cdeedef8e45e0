package period

import (
	"fmt"
	"time"
)

// Margin is how long an index is kept beyond its retention: longer than any clock is wrong, and than any document may take
// from the moment somebody decided that its index may still be made.
const Margin = 24 * time.Hour

// name is the name of the period that t, in UTC, lies in.
func (u Unit) name(t time.Time) string {
	switch u {
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

// Span returns the first moment of a period and the first one after it; ok is false for the undated one and for every name
// that Calendar.Name never gives.
func Span(name string) (start, end time.Time, ok bool) {
	for _, unit := range []Unit{Day, Hour, Month, Week} {
		if start, end, ok = unit.span(name); ok && start.Year() > 0 && unit.name(start) == name {
			return start, end, true
		}
	}
	return time.Time{}, time.Time{}, false
}

func (u Unit) span(name string) (start, end time.Time, ok bool) {
	var err error
	switch u {
	case Hour:
		start, err = time.Parse("2006.01.02.15", name)
		return start, start.Add(time.Hour), err == nil
	case Month:
		start, err = time.Parse("2006.01", name)
		return start, start.AddDate(0, 1, 0), err == nil
	case Week:
		var year, week int
		n, err := fmt.Sscanf(name, "%04d.w%02d", &year, &week)
		fourth := time.Date(year, 1, 4, 0, 0, 0, 0, time.UTC) // always in week 1
		start = fourth.AddDate(0, 0, -(int(fourth.Weekday())+6)%7+7*(week-1))
		return start, start.AddDate(0, 0, 7), n == 2 && err == nil
	case Day:
	}
	start, err = time.Parse("2006.01.02", name)
	return start, start.AddDate(0, 0, 1), err == nil
}

// Expired reports whether every event of a period is from before the retention, so that no index may be made for it.
// There is no such period where the retention is 0, which means for ever, and the undated one never expires.
func Expired(name string, retention time.Duration, now time.Time) bool {
	_, end, ok := Span(name)
	return ok && retention > 0 && !now.Before(end.Add(retention))
}

// Due returns when the index of a period is to be deleted: a margin after everything in it expired. ok is false for what
// is never deleted.
func Due(name string, retention time.Duration) (at time.Time, ok bool) {
	_, end, ok := Span(name)
	return end.Add(retention + Margin), ok && retention > 0
}
