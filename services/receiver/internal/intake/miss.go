package intake

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/endpoint"
)

// miss describes a request that found no endpoint.
func miss(v *visit, now time.Time) endpoint.Miss {
	r := v.request
	return endpoint.Miss{
		Time: now, Request: bounded(r.Method) + " " + shownPath(r), Address: v.client.String(),
		Delivery: r.Method == http.MethodPost && r.Header.Get("Authorization") != "",
	}
}

// Bounds of a path that is shown.
const (
	maxSegment  = 24 // characters; a token is longer, the ids that we make are shorter
	maxSegments = 8
)

// shownPath is a request's path, without its query and without what might be a token that somebody put into it.
func shownPath(r *http.Request) string {
	token := endpoint.Bare(r.Header.Get("Authorization"))
	segments := strings.Split(r.URL.EscapedPath(), "/")
	if len(segments) > maxSegments {
		segments = append(segments[:maxSegments:maxSegments], "…")
	}
	for i, segment := range segments {
		if len(segment) > maxSegment || token != "" && strings.Contains(segment, token) {
			segments[i] = fmt.Sprintf("…(%d characters)", len(segment))
		} else if segment != "…" {
			segments[i] = bounded(segment)
		}
	}
	return strings.Join(segments, "/")
}
