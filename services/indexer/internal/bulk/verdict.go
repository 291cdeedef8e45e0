package bulk

import (
	"net/http"

	"github.com/sluicelog/sluice/shared/elastic"
)

// verdict is what an answer means for a document.
type verdict int

const (
	retry verdict = iota // not now: the message stays
	indexed
	duplicate
	dead
)

// judge reads the answer to one document. Dead is only what Elasticsearch will refuse for ever because of the document
// itself; every other failure is somebody's to mend, and the document waits for that.
func judge(item elastic.Item) verdict {
	switch {
	case item.Status >= 200 && item.Status < 300:
		return indexed
	case item.Status == http.StatusConflict:
		return duplicate
	case item.Status == http.StatusBadRequest && item.Cause != nil && documentFault(item.Cause.Type):
		return dead
	}
	return retry
}

// documentFault reports whether an error type blames the document.
func documentFault(kind string) bool {
	switch kind {
	case "document_parsing_exception", "mapper_parsing_exception", "parsing_exception", "x_content_parse_exception":
		return true
	}
	return false
}

// holdsAlone reports whether a document that waits is held up by its own index or content, so that others can be written
// meanwhile. A rejection for load is nobody's own; the 429 of an index on a full disk is.
func holdsAlone(item elastic.Item) bool {
	if item.Status == http.StatusTooManyRequests {
		return item.Cause != nil && item.Cause.Type == "cluster_block_exception"
	}
	return item.Status >= http.StatusBadRequest && item.Status != http.StatusUnauthorized
}

// indexFault reports whether the refusal to make an index speaks of that index; every other one is the cluster's.
func indexFault(status int) bool {
	return status >= http.StatusBadRequest && status < http.StatusInternalServerError &&
		status != http.StatusUnauthorized && status != http.StatusTooManyRequests
}

// reasonNewer is why a message waits that a later version wrote.
const reasonNewer = "newer_version"

// reasons lists why something waits, for metrics that begin at zero.
func reasons() []string {
	return []string{"no_answer", "rejected", "unauthorized", "forbidden", "index_missing", "request_too_large", "server_error", "bad_request", reasonNewer}
}

// reason is the closed list of why a bulk, or a document in it, has to wait: a metric label.
func reason(status int) string {
	switch {
	case status == 0:
		return "no_answer"
	case status == http.StatusTooManyRequests:
		return "rejected"
	case status == http.StatusUnauthorized:
		return "unauthorized"
	case status == http.StatusForbidden:
		return "forbidden"
	case status == http.StatusNotFound:
		return "index_missing"
	case status == http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case status >= 500:
		return "server_error"
	}
	return "bad_request"
}

// needsPerson reports whether waiting alone will not help.
func needsPerson(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return true
	}
	return false
}
