package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// timeSpan is from when to when events are searched; zero times are open ends.
type timeSpan struct{ since, until time.Time }

func parseSpan(since, until string, now time.Time) (timeSpan, error) {
	var s timeSpan
	var err error
	if s.since, err = parseWhen("--since", since, now); err != nil {
		return s, err
	}
	if s.until, err = parseWhen("--until", until, now); err != nil {
		return s, err
	}
	if !s.until.IsZero() && !s.since.Before(s.until) {
		return s, fmt.Errorf("--since %s is not before --until %s", s.since.Format(time.RFC3339), s.until.Format(time.RFC3339))
	}
	return s, nil
}

// String says the span in words.
func (s timeSpan) String() string {
	var parts []string
	if !s.since.IsZero() {
		parts = append(parts, "since "+moment(s.since))
	}
	if !s.until.IsZero() {
		parts = append(parts, "before "+moment(s.until))
	}
	return strings.Join(parts, " and ")
}

// within narrows a query to the span.
func (s timeSpan) within(query any) any {
	span := map[string]any{}
	if !s.since.IsZero() {
		span["gte"] = s.since.UnixMilli()
	}
	if !s.until.IsZero() {
		span["lt"] = s.until.UnixMilli()
	}
	if len(span) == 0 {
		return query
	}
	span["format"] = "epoch_millis"
	return map[string]any{"bool": map[string]any{"filter": []any{query, map[string]any{"range": map[string]any{"@timestamp": span}}}}}
}

// eventHistogram is what --histogram prints.
type eventHistogram struct {
	Total   int64         `json:"total"`
	Seconds float64       `json:"interval_seconds"`
	Buckets []eventBucket `json:"buckets"`
}

type eventBucket struct {
	From  time.Time `json:"from"`
	Count int64     `json:"count"`
}

func (s *eventSearch) printHistogram(ctx context.Context) (bool, error) {
	edge := func(kind string) any { return map[string]any{kind: map[string]any{"field": "@timestamp"}} }
	page, err := s.client.Page(ctx, s.indices, map[string]any{"size": 0, "query": s.query, "aggs": map[string]any{"first": edge("min"), "last": edge("max")}})
	if err != nil {
		return false, err
	}
	out := eventHistogram{Total: page.Total, Buckets: []eventBucket{}}
	if page.Total > 0 {
		var ends struct {
			First, Last struct {
				Value float64 `json:"value"` // milliseconds since 1970
			}
		}
		if err := json.Unmarshal(page.Aggregations, &ends); err != nil {
			return false, fmt.Errorf("reading elasticsearch's answer: %w", err)
		}
		if err := s.fill(ctx, &out, int64(ends.First.Value), int64(ends.Last.Value)); err != nil {
			return false, err
		}
	} else if s.output == "" && !s.json {
		s.sayNothing(page)
		return false, incomplete(page)
	}
	if err := s.printAs(out, out.write); err != nil {
		return false, err
	}
	return page.Total > 0, incomplete(page)
}

// fill asks for the counts between the first and the last event, or the ends that the flags set.
func (s *eventSearch) fill(ctx context.Context, out *eventHistogram, first, last int64) error {
	if !s.span.since.IsZero() {
		first = s.span.since.UnixMilli()
	}
	if s.span.until.IsZero() {
		if now := time.Now().UnixMilli(); !s.span.since.IsZero() && last < now {
			last = now // `--since 1h` is about the hour until now, also when nothing came for a while
		}
	} else {
		last = s.span.until.UnixMilli() - 1
	}
	width := screenWidth(s.Out)
	if width == 0 {
		width = 100
	}
	step := interval(last-first, int64(max(10, width-12)))
	page, err := s.client.Page(ctx, s.indices, map[string]any{"size": 0, "query": s.query, "aggs": map[string]any{"times": map[string]any{"date_histogram": map[string]any{
		"field": "@timestamp", "fixed_interval": fmt.Sprintf("%dms", step), "min_doc_count": 0,
		"extended_bounds": map[string]any{"min": first, "max": last},
	}}}})
	if err != nil {
		return err
	}
	var doc struct {
		Times struct {
			Buckets []struct {
				Key   float64 `json:"key"`
				Count int64   `json:"doc_count"`
			} `json:"buckets"`
		} `json:"times"`
	}
	if err := json.Unmarshal(page.Aggregations, &doc); err != nil {
		return fmt.Errorf("reading elasticsearch's answer: %w", err)
	}
	out.Total, out.Seconds = page.Total, float64(step)/1000
	for _, b := range doc.Times.Buckets {
		out.Buckets = append(out.Buckets, eventBucket{From: time.UnixMilli(int64(b.Key)).UTC(), Count: b.Count})
	}
	return nil
}

// interval is the shortest usual time, in milliseconds, of which at most so many cover the span; beyond a year it is one
// in days.
func interval(span, most int64) int64 {
	const second, day = int64(1000), int64(24 * 60 * 60 * 1000)
	for _, step := range []int64{
		second, 2 * second, 5 * second, 10 * second, 15 * second, 30 * second, 60 * second, 120 * second, 300 * second, 600 * second, 900 * second, 1800 * second,
		day / 24, day / 12, day / 8, day / 4, day / 2, day, 2 * day, 7 * day, 14 * day, 30 * day, 90 * day, 180 * day, 365 * day,
	} {
		if span/step+1 < most { // the first one begins before the span
			return step
		}
	}
	return (span/most/day + 1) * day * 2
}

// chartHeight is how many lines of bars a chart over time has.
const chartHeight = 5

// write draws the chart for people.
func (h eventHistogram) write(w io.Writer) {
	most := int64(1)
	for _, b := range h.Buckets {
		most = max(most, b.Count)
	}
	for row := chartHeight - 1; row >= 0; row-- {
		label := ""
		if row == chartHeight-1 {
			label = thousands(most)
		}
		var line strings.Builder
		for _, b := range h.Buckets {
			line.WriteString(level(b.Count, most, row))
		}
		fmt.Fprintf(w, "%9s ┤%s\n", label, strings.TrimRight(line.String(), " "))
	}
	fmt.Fprintf(w, "%9s └%s\n", "", strings.Repeat("─", len(h.Buckets)))
	step := time.Duration(h.Seconds * float64(time.Second))
	last := h.Buckets[len(h.Buckets)-1].From.Add(step)
	fmt.Fprintf(w, "\n%s from %s to %s, %s each; at most %s in one, from %s\n",
		events(h.Total), moment(h.Buckets[0].From), moment(last), stepName(step), thousands(most), moment(h.peak(most)))
}

// peak is when the fullest bucket begins.
func (h eventHistogram) peak(most int64) time.Time {
	at := slices.IndexFunc(h.Buckets, func(b eventBucket) bool { return b.Count == most })
	return h.Buckets[max(at, 0)].From
}

// stepName writes the width of a bucket shortly.
func stepName(step time.Duration) string {
	day := 24 * time.Hour
	if step >= day {
		return counted(int64(step/day), "day")
	}
	text := step.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// level is the part of a bar that lies in one row of the chart. Whatever is not nothing shows.
func level(count, most int64, row int) string {
	eighths := int(count * chartHeight * 8 / most)
	if count > 0 && eighths == 0 {
		eighths = 1
	}
	return string([]rune(" ▁▂▃▄▅▆▇█")[max(0, min(8, eighths-8*row))])
}

// bars is a horizontal bar of up to width cells.
func bars(count, most int64, width int) string {
	eighths := int(count * int64(width) * 8 / most)
	if count > 0 && eighths == 0 {
		eighths = 1
	}
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return text
}
