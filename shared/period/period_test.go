package period_test

import (
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/period"
)

func TestThePeriodFollowsTheEventAndTheCalendar(t *testing.T) {
	at := func(s string) time.Time {
		parsed, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	changed := period.Calendar{{Unit: period.Day}, {From: at("2026-06-01T00:00:00Z"), Unit: period.Month}}
	for _, c := range []struct {
		calendar period.Calendar
		time     time.Time
		want     string
	}{
		{period.Daily(), at("2026-11-23T23:59:59Z"), "2026.11.23"},
		{period.Daily(), at("2026-11-23T23:59:59-02:00"), "2026.11.24"},
		{period.Calendar{{Unit: period.Hour}}, at("2026-11-23T07:00:00Z"), "2026.11.23.07"},
		{period.Calendar{{Unit: period.Week}}, at("2027-01-01T00:00:00Z"), "2026.w53"},
		{period.Calendar{{Unit: period.Month}}, at("2026-02-28T00:00:00Z"), "2026.02"},
		{changed, at("2026-05-31T23:59:59Z"), "2026.05.31"},
		{changed, at("2026-06-01T00:00:00Z"), "2026.06"},
		{nil, at("2026-06-01T00:00:00Z"), "2026.06.01"},
		{period.Daily(), time.Time{}, period.Undated},
	} {
		if got := c.calendar.Name(c.time); got != c.want {
			t.Errorf("%v: got %s, want %s", c.time, got, c.want)
		}
	}
}

func TestNamesAreThoseOfTheCalendarWhateverCameBefore(t *testing.T) {
	calendars := []period.Calendar{
		nil, period.Daily(),
		{{Unit: period.Hour}},
		{{Unit: period.Week}},
		{{Unit: period.Day}, {From: time.Date(2026, 6, 1, 12, 34, 56, 0, time.UTC), Unit: period.Hour}},
	}
	base := time.Date(2026, 6, 1, 12, 30, 0, 0, time.UTC)
	var names period.Names
	for range 3 {
		for _, step := range []time.Duration{0, time.Second, 5 * time.Minute, 29 * time.Minute, 30 * time.Minute, -time.Nanosecond, 12 * time.Hour, -60 * 365 * 24 * time.Hour, -60*365*24*time.Hour - time.Second} {
			for _, c := range calendars {
				for _, namespace := range []string{"default", "shop"} {
					for _, at := range []time.Time{base.Add(step), {}, time.Unix(0, 0).Add(step), base.Add(step).In(time.FixedZone("", 5400))} {
						if got, want := names.Index(namespace, c, at), period.Index(namespace, c.Name(at)); got != want {
							t.Fatalf("%s %v %v: %s, not %s", namespace, c, at, got, want)
						}
					}
				}
			}
		}
	}
}

func TestIndexNamesComeApartAgain(t *testing.T) {
	index := period.Index("prod_eu", "2026.11.23")
	if index != "logs-auth0.logs-prod_eu-2026.11.23" {
		t.Fatal(index)
	}
	if ns, name, ok := period.Split(index); !ok || ns != "prod_eu" || name != "2026.11.23" {
		t.Fatal(ns, name, ok)
	}
	for _, other := range []string{"logs-auth0.logs-default", "logs-other-default-2026.11.23", ""} {
		if _, _, ok := period.Split(other); ok {
			t.Errorf("%q was taken for ours", other)
		}
	}
}
