package stream

import "strings"

// Deliveries and documents come in two classes, each with a subject and a consumer of its own, so that what is much does not
// stand before what is little. Which one a message is in depends on its subject alone. Namespaces hold neither '.' nor '-',
// so no name of one class is also one of the other. To a build from before, a consumer that begins so is none of Sluice's: its
// janitor goes on during an upgrade, and stops only where messages lie that it knows no reader of.
const (
	bulkSubject  = ".bulk"
	bulkConsumer = "bulk-"
)

// BulkSubject is the subject of the bulk class beside a plain one.
func BulkSubject(subject string) string { return subject + bulkSubject }

// BulkConsumer is the consumer of the bulk class beside a plain one.
func BulkConsumer(consumer string) string { return bulkConsumer + consumer }

// Classes are the consumers of both classes, the plain one first.
func Classes(consumer string) []string { return []string{consumer, BulkConsumer(consumer)} }

// IsBulkConsumer reports whether a required consumer is one of the bulk class.
func IsBulkConsumer(consumer string) bool { return strings.HasPrefix(consumer, bulkConsumer) }

// PlainConsumer is the consumer of the plain class beside one of either class.
func PlainConsumer(consumer string) string { return strings.TrimPrefix(consumer, bulkConsumer) }

// SplitDocuments says whose documents lie on a subject; ok is false for a subject that is none of documents.
func SplitDocuments(subject string) (namespace string, bulk, ok bool) {
	rest, ok := strings.CutPrefix(subject, subjectDocuments)
	if !ok {
		return "", false, false
	}
	namespace, bulk = strings.CutSuffix(rest, bulkSubject) // a namespace may have the name "bulk"
	return namespace, bulk, namespace != ""
}

// Bulk reports whether a message is in the bulk class.
func (m *Message) Bulk() bool { return isBulk(m.Subject) }

func isBulk(subject string) bool {
	_, bulk, documents := SplitDocuments(subject)
	return documents && bulk || subject == BulkSubject(SubjectDeliveries)
}

// subjectOf is what a required consumer reads.
func subjectOf(consumer string) string {
	subject := SubjectDeliveries
	if namespace, ok := strings.CutPrefix(PlainConsumer(consumer), indexerPrefix); ok {
		subject = SubjectDocuments(namespace)
	}
	if IsBulkConsumer(consumer) {
		return BulkSubject(subject)
	}
	return subject
}

// consumerOf is who must finish what lies on a subject.
func consumerOf(subject string) string {
	consumer := Enricher
	if namespace, _, ok := SplitDocuments(subject); ok {
		consumer = Indexer(namespace)
	}
	if isBulk(subject) {
		return BulkConsumer(consumer)
	}
	return consumer
}
