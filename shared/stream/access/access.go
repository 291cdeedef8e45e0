// Package access says what each service may do in NATS, makes a key for each, and writes the users as a file that the
// server includes.
//
// Its promise: a service's user may do what the service does and nothing else, and nobody else reads what the server
// answers it. Seeds leave this package only as files that their owner alone can read.
package access

import (
	"slices"

	"github.com/sluicelog/sluice/shared/stream"
)

// Names of the users, one per service, and one for the commands.
const (
	Receiver  = "receiver"
	Enricher  = "enricher"
	Indexer   = "indexer"
	Retention = "retention"
	Operator  = "operator"
)

// Role is what one user may do. Everything else is denied.
type Role struct {
	Name      string
	About     string
	Publish   []string
	Deny      []string // taken away from Publish
	Subscribe []string
}

// Roles lists the users.
func Roles() []Role {
	return []Role{
		{
			Name: Receiver, About: "publishes deliveries, follows the registry, writes what it saw of the endpoints",
			Publish: slices.Concat(
				[]string{"$JS.API.INFO", stream.SubjectDeliveries, stream.BulkSubject(stream.SubjectDeliveries)},
				follow(stream.BucketEndpoints),
				write(stream.BucketStatus, ">"),
			),
			Subscribe: inboxes("receiver"),
		},
		{
			Name: Enricher, About: "reads deliveries, publishes documents and dead letters, makes room in DELIVERIES, watches the endpoints",
			Publish: slices.Concat(
				[]string{"$JS.API.INFO", stream.SubjectDocuments("*"), stream.BulkSubject(stream.SubjectDocuments("*")), stream.SubjectDeadLetters + "enricher.>"},
				follow(stream.BucketEndpoints),
				namespaces(),
				consume(stream.Deliveries, stream.Enricher),
				consume(stream.Deliveries, stream.BulkConsumer(stream.Enricher)),
				tend(stream.Deliveries),
				watch(),
			),
			Subscribe: inboxes("enricher"),
		},
		{
			Name: Indexer, About: "reads documents, publishes dead letters, makes room in DOCUMENTS",
			Publish: slices.Concat(
				[]string{"$JS.API.INFO", stream.SubjectDeadLetters + "indexer.>", "$JS.API.CONSUMER.NAMES." + stream.Documents},
				follow(stream.BucketEndpoints),
				namespaces(),
				consume(stream.Documents, "*"),
				tend(stream.Documents),
			),
			Subscribe: inboxes("indexer"),
		},
		{
			Name: Retention, About: "reads how long the events of a namespace are kept",
			Publish:   slices.Concat([]string{"$JS.API.INFO"}, follow(stream.BucketEndpoints), namespaces()),
			Subscribe: inboxes("retention"),
		},
		{
			Name: Operator, About: "setup and the other commands of `sluice`: makes streams, reads and changes everything in them",
			Publish:   []string{"$JS.API.>", "$JS.ACK.>", "$JS.FC.>", "$KV.>", "sluice.>"},
			Deny:      []string{"$JS.API.ACCOUNT.>", "$JS.API.META.>", "$JS.API.SERVER.>"},
			Subscribe: inboxes("cli", "doctor"),
		},
	}
}

// inboxes are where the server answers connections of these names. Each service has a prefix of its own: whoever may
// listen to a common one reads everybody's answers.
func inboxes(names ...string) (subjects []string) {
	for _, name := range names {
		subjects = append(subjects, stream.InboxPrefix(name)+".>")
	}
	return subjects
}

// follow is what reading a bucket and its changes takes.
func follow(bucket string) []string {
	return []string{
		"$JS.API.STREAM.INFO.KV_" + bucket,
		"$JS.API.CONSUMER.CREATE.KV_" + bucket + ".*.$KV." + bucket + ".>", // a watch is a consumer with a name of its own
		"$JS.API.CONSUMER.DELETE.KV_" + bucket + ".*",
		"$JS.FC.KV_" + bucket + ".*.*", // it tells the server to go on where there is much to read
	}
}

// namespaces is what reading the present record of a namespace takes, where the copy that one follows is not enough.
func namespaces() []string {
	return []string{"$JS.API.DIRECT.GET.KV_" + stream.BucketEndpoints + ".$KV." + stream.BucketEndpoints + ".namespace.*"}
}

// write is what reading and writing single keys of a bucket takes.
func write(bucket, keys string) []string {
	key := "$KV." + bucket + "." + keys
	return []string{"$JS.API.STREAM.INFO.KV_" + bucket, "$JS.API.DIRECT.GET.KV_" + bucket + "." + key, key}
}

// consume is what working for a durable consumer takes.
func consume(name, consumer string) []string {
	return []string{
		"$JS.API.CONSUMER.INFO." + name + "." + consumer,
		"$JS.API.CONSUMER.MSG.NEXT." + name + "." + consumer,
		"$JS.ACK." + name + "." + consumer + ".>",
	}
}

// watch is what looking after endpoints, dead letters and the ledger takes: it reads what the receivers saw and both
// streams' accounts, and writes the usual traffic of the endpoints and whose turn it is.
func watch() []string {
	const verdicts = stream.BucketVerdicts
	return slices.Concat(
		[]string{"$JS.API.STREAM.INFO." + stream.DeadLetters, "$JS.API.STREAM.INFO." + stream.Documents},
		follow(stream.BucketStatus),
		[]string{"$KV." + stream.BucketStatus + ".*.traffic.usual"},
		write(verdicts, "turn.watch")[1:],
		[]string{"$JS.API.DIRECT.GET.KV_" + verdicts + ".$KV." + verdicts + "." + stream.Documents + ".*.account"},
	)
}

// tend is what the janitor of a stream takes: it looks at messages, counts verdicts, notes losses and purges.
func tend(name string) []string {
	return slices.Concat(
		[]string{"$JS.API.STREAM.INFO." + name, "$JS.API.STREAM.MSG.GET." + name, "$JS.API.STREAM.PURGE." + name},
		follow(stream.BucketVerdicts),
		write(stream.BucketVerdicts, name+".>")[1:],
		[]string{"$JS.API.STREAM.PURGE.KV_" + stream.BucketVerdicts},
		follow(stream.BucketLosses),
		[]string{"$KV." + stream.BucketLosses + "." + name + ".>"},
	)
}
