package stream

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluicelog/sluice/shared/config"
)

// Names of the streams and of the subjects they hold.
const (
	Deliveries  = "DELIVERIES"
	Documents   = "DOCUMENTS"
	DeadLetters = "DEAD_LETTERS"

	// SubjectDeliveries takes deliveries, of the bulk class BulkSubject of it; which endpoint one came to is in its envelope.
	SubjectDeliveries = "sluice.deliveries"
	subjectDocuments  = "sluice.documents."
	// SubjectDeadLetters is followed by stage, delivery and the event's number in it.
	SubjectDeadLetters = "sluice.deadletters."

	// Enricher is the durable consumer of Deliveries, for the bulk class BulkConsumer of it.
	Enricher      = "enricher"
	indexerPrefix = "indexer-"
)

// metaMade marks what Setup made; nothing without it is ever changed.
const metaMade = "sluice_topology"

// topologyVersion is written into the metadata of every stream.
const topologyVersion = "1"

// AckWait is how long a message may stay without a sign of life before another worker gets it.
const AckWait = 20 * time.Second

// Topology sets the sizes of the streams.
type Topology struct {
	DeliveriesMaxBytes  config.Bytes  `split_words:"true" default:"2GiB" desc:"room for deliveries that wait or are kept for replay; when it is full Auth0 is answered 503"`
	DocumentsMaxBytes   config.Bytes  `split_words:"true" default:"4GiB" desc:"room for documents that wait for Elasticsearch"`
	DeadLettersMaxBytes config.Bytes  `split_words:"true" default:"512MiB" desc:"room for dead letters"`
	Replicas            int           `split_words:"true" default:"1" desc:"copies of every stream: 1, or 3 or 5 in a cluster"`
	DuplicateWindow     time.Duration `split_words:"true" default:"2m" desc:"how long the server recognises a message sent twice; saves work only"`
}

// Total is the room that all streams and buckets together may take.
func (t Topology) Total() int64 {
	return int64(t.DeliveriesMaxBytes+t.DocumentsMaxBytes+t.DeadLettersMaxBytes) + int64(len(buckets()))*bucketMaxBytes
}

// SubjectDocuments is where the documents of a namespace go, those of the bulk class to BulkSubject of it.
func SubjectDocuments(namespace string) string { return subjectDocuments + namespace }

// Indexer is the name of a namespace's durable consumer of Documents, for the bulk class BulkConsumer of it.
func Indexer(namespace string) string { return indexerPrefix + namespace }

// namespacePattern is what fits an index name, a subject and a consumer name alike.
var namespacePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_]{0,49}$`)

// CheckNamespace explains what is wrong with a namespace's name.
func CheckNamespace(namespace string) error {
	if !namespacePattern.MatchString(namespace) {
		return fmt.Errorf("namespace %q: use 1 to 50 of a-z, 0-9 and _, not beginning with _", namespace)
	}
	return nil
}

// Change is one thing that Setup looked at and what it did with it: "created", "updated" or "unchanged".
type Change struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Action string `json:"action"`
	Detail string `json:"detail,omitempty"`
}

// Setup creates the streams, buckets and the enricher's consumers, or brings them to t. It can be repeated. What would
// lose data (less room than is in use, other storage or retention, a stream we did not make) is refused with a reason.
func (c *Conn) Setup(ctx context.Context, t Topology) ([]Change, error) {
	var changes []Change
	for _, want := range streams(t) {
		change, err := c.ensureStream(ctx, want)
		if err != nil {
			return changes, err
		}
		changes = append(changes, change)
	}
	for _, bucket := range buckets() {
		change, err := c.ensureBucket(ctx, bucket, t.Replicas)
		if err != nil {
			return changes, err
		}
		changes = append(changes, change)
	}
	consumers, err := c.ensureConsumers(ctx, Deliveries, Enricher)
	return append(changes, consumers...), err
}

// BeginCounting begins to count verdicts, if nobody did so yet. Where messages were finished already that may take a look
// at the stream, for which the services' own users have no permission.
func (c *Conn) BeginCounting(ctx context.Context) error {
	for _, name := range []string{Deliveries, Documents} {
		state, err := c.State(ctx, name)
		if err != nil {
			return err
		}
		if _, err := c.openBook(ctx, name, state); err != nil {
			return err
		}
	}
	return nil
}

// SetupNamespace creates the indexer's consumers for one namespace; the namespace's documents are kept from then on.
func (c *Conn) SetupNamespace(ctx context.Context, namespace string) ([]Change, error) {
	if err := CheckNamespace(namespace); err != nil {
		return nil, err
	}
	return c.ensureConsumers(ctx, Documents, Indexer(namespace))
}

// streams is the whole topology as data.
func streams(t Topology) []jetstream.StreamConfig {
	one := func(name string, subjects []string, about string, size config.Bytes) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name: name, Subjects: subjects, Description: about,
			Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, Storage: jetstream.FileStorage,
			MaxBytes: int64(size), Replicas: t.Replicas, Duplicates: t.DuplicateWindow,
			Metadata: map[string]string{metaMade: topologyVersion},
		}
	}
	deliveries := one(Deliveries, classSubjects(SubjectDeliveries), "webhook posts as received, until enriched", t.DeliveriesMaxBytes)
	documents := one(Documents, classSubjects(SubjectDocuments("*")), "documents ready for _bulk, until indexed", t.DocumentsMaxBytes)
	letters := one(DeadLetters, []string{SubjectDeadLetters + ">"}, "what could not be mapped or indexed, with the reason", t.DeadLettersMaxBytes)
	deliveries.DenyDelete, documents.DenyDelete = true, true
	return []jetstream.StreamConfig{documents, letters, deliveries} // who gets bulk must be able to hand it on
}

// classSubjects are the subjects of both classes.
func classSubjects(subject string) []string { return []string{subject, BulkSubject(subject)} }

func (c *Conn) ensureStream(ctx context.Context, want jetstream.StreamConfig) (Change, error) {
	change := Change{Kind: "stream", Name: want.Name, Action: "created"}
	have, err := c.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = c.js.CreateStream(ctx, want)
		if err != nil {
			return change, fmt.Errorf("creating stream %s (is the server's jetstream max_file at least %s?): %w", want.Name, config.Bytes(want.MaxBytes), classify(err))
		}
		return change, nil
	}
	if err != nil {
		return change, fmt.Errorf("looking at stream %s: %w", want.Name, c.denied.explain(classify(err)))
	}
	info := have.CachedInfo()
	if err := mayChange(info, want); err != nil {
		return change, err
	}
	change.Action = "unchanged"
	if differs(info.Config, want) {
		change.Action = "updated"
		if _, err := c.js.UpdateStream(ctx, want); err != nil {
			return change, fmt.Errorf("updating stream %s: %w", want.Name, classify(err))
		}
	}
	return change, nil
}

// mayChange refuses every change that could lose stored messages.
func mayChange(have *jetstream.StreamInfo, want jetstream.StreamConfig) error {
	name := want.Name
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("stream %s: refusing to change it: %s", name, fmt.Sprintf(format, args...))
	}
	switch {
	case have.Config.Metadata[metaMade] == "":
		return refuse("it was not made by sluice; rename or remove it, or use another NATS account")
	case have.Config.Storage != jetstream.FileStorage:
		return refuse("it keeps its messages in memory; move its data and remove it first")
	case have.Config.Retention != want.Retention:
		return refuse("its retention is %s and cannot become %s without losing messages", have.Config.Retention, want.Retention)
	case have.Config.PersistMode == jetstream.AsyncPersistMode:
		return refuse("its persist_mode is async, which acknowledges before the disk has the message; move its data and remove it first")
	case want.MaxBytes > 0 && have.State.Bytes > uint64(want.MaxBytes):
		return refuse("it holds %d bytes, more than the new limit of %s", have.State.Bytes, config.Bytes(want.MaxBytes))
	}
	return nil
}

// differs compares what Setup decides; everything else the server adds by itself.
func differs(have, want jetstream.StreamConfig) bool {
	return have.MaxBytes != want.MaxBytes || have.Replicas != want.Replicas || have.Duplicates != want.Duplicates ||
		have.Discard != want.Discard || have.MaxAge != want.MaxAge || have.DenyDelete != want.DenyDelete ||
		have.MaxMsgs > 0 || have.MaxMsgsPerSubject > 0 || have.Description != want.Description ||
		have.Metadata[metaMade] != want.Metadata[metaMade] || !slices.Equal(have.Subjects, want.Subjects)
}

// ensureConsumers makes the consumers of both classes.
func (c *Conn) ensureConsumers(ctx context.Context, stream, consumer string) ([]Change, error) {
	var changes []Change
	for _, name := range Classes(consumer) {
		change, err := c.ensureConsumer(ctx, stream, name, subjectOf(name))
		if err != nil {
			return changes, err
		}
		changes = append(changes, change)
	}
	return changes, nil
}

func (c *Conn) ensureConsumer(ctx context.Context, stream, name, subject string) (Change, error) {
	change := Change{Kind: "consumer", Name: stream + "/" + name, Action: "unchanged"}
	want := jetstream.ConsumerConfig{
		Durable: name, FilterSubject: subject, DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: AckWait, MaxDeliver: -1, MaxAckPending: MaxUnanswered,
		Metadata: map[string]string{metaMade: topologyVersion},
	}
	have, err := c.js.Consumer(ctx, stream, name)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		change.Action = "created"
	case err != nil:
		return change, fmt.Errorf("looking at consumer %s: %w", change.Name, classify(err))
	default:
		cfg := have.CachedInfo().Config
		if cfg.FilterSubject != subject || cfg.AckPolicy != jetstream.AckExplicitPolicy {
			return change, fmt.Errorf("consumer %s: refusing to change it: it reads %q with ack policy %s; remove it if it is not sluice's", change.Name, cfg.FilterSubject, cfg.AckPolicy)
		}
		if cfg.MaxDeliver == want.MaxDeliver && cfg.AckWait == want.AckWait && cfg.MaxAckPending == want.MaxAckPending {
			return change, nil
		}
		change.Action = "updated"
	}
	if _, err := c.js.CreateOrUpdateConsumer(ctx, stream, want); err != nil {
		return change, fmt.Errorf("setting up consumer %s: %w", change.Name, classify(err))
	}
	return change, nil
}
