package stream

import (
	"math/rand/v2"
	"time"
)

// SchemaHeader is the version of a message's form, in DELIVERIES and in DOCUMENTS.
const SchemaHeader = "Sluice-Schema"

// DocumentsSchema is the version of the messages of documents that this build writes and reads.
const DocumentsSchema = 1

// MaxUnanswered is how many messages of a durable consumer may be without a verdict before the server hands out no more.
const MaxUnanswered = 8192

// How long a message of a later version stays away: at first no longer than an upgrade may leave two versions side by
// side, later as long as a person may be waited for. Thousands of them must not be sent again and again in vain.
const (
	minUpgradeWait = 30 * time.Second
	maxUpgradeWait = 5 * time.Minute
)

// UpgradeWait is for how long to give a message of a later version back that was handed out so many times. A quarter is
// left to chance, lest all come back at once.
func UpgradeWait(delivered int) time.Duration {
	wait := min(minUpgradeWait<<min(max(delivered-1, 0), 10), maxUpgradeWait*4/5)
	return wait + time.Duration(rand.Int64N(int64(wait/4)))
}
