package cli

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// whenForms are the ways to write a moment; without a zone it is in UTC, as everything that is printed.
func whenForms() []string {
	return []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05Z", "2006-01-02 15:04:05", "2006-01-02 15:04"}
}

// parseWhen reads a moment, or how long before now it was, such as 90m, 2d or 1w.
func parseWhen(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if text == "now" {
		return now, nil
	}
	if ago, ok := parseAgo(text); ok {
		return now.Add(-ago), nil
	}
	for _, form := range whenForms() {
		if at, err := time.Parse(form, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s %q: give a time span such as 90m, 24h, 2d or 1w, a day such as 2026-11-23, or a moment such as 2026-11-23T10:00:00Z", flag, text)
}

// parseAgo reads a time span of Go's, and days and weeks.
func parseAgo(text string) (time.Duration, bool) {
	match := regexp.MustCompile(`^(?:(\d{1,4})w)?(?:(\d{1,5})d)?((?:\d+(?:h|m|s|ms))*)$`).FindStringSubmatch(text)
	if match == nil || text == "" {
		return 0, false
	}
	weeks, _ := strconv.Atoi("0" + match[1])
	days, _ := strconv.Atoi("0" + match[2])
	rest, err := time.ParseDuration("0s" + match[3])
	return time.Duration(7*weeks+days)*24*time.Hour + rest, err == nil
}
