package stream

import "strings"

// Deliveries and documents come in two classes, each with a subject and a consumer of its own, so that what is much does not
// stand before what is little. Which one a message is in depends on its subject alone. Namespaces hold neither '.' nor '-',
// so no name of one class is also one of the other.
const (
	bulkSubject  = ".bulk"
	bulkConsumer = "-bulk"
)

// BulkSubject is the subject of the bulk class beside a plain one.
func BulkSubject(subject string) string { return subject + bulkSubject }

// BulkConsumer is the consumer of the bulk class beside a plain one.
func BulkConsumer(consumer string) string { return consumer + bulkConsumer }

// Classes are the consumers of both classes, the plain one first.
func Classes(consumer string) []string { return []string{consumer, BulkConsumer(consumer)} }

// IsBulkConsumer reports whether a required consumer is one of the bulk class.
func IsBulkConsumer(consumer string) bool { return isBulk(subjectOf(consumer)) }

// SplitDocuments says whose documents lie on a subject; ok is false for a subject that is none of documents.
func SplitDocuments(subject string) (namespace string, bulk, ok bool) {
	rest, ok := strings.CutPrefix(subject, subjectDocuments)
	namespace, bulk = strings.CutSuffix(rest, bulkSubject) // a namespace may have the name "bulk"
	return namespace, bulk, ok && namespace != ""
}

// Bulk reports whether a message is in the bulk class.
func (m *Message) Bulk() bool { return isBulk(m.Subject) }

func isBulk(subject string) bool {
	_, bulk, documents := SplitDocuments(subject)
	return documents && bulk || subject == BulkSubject(SubjectDeliveries)
}

// subjectOf is what a required consumer reads.
func subjectOf(consumer string) string {
	namespace, documents := strings.CutPrefix(consumer, indexerPrefix)
	if !documents {
		if consumer == BulkConsumer(Enricher) {
			return BulkSubject(SubjectDeliveries)
		}
		return SubjectDeliveries
	}
	namespace, bulk := strings.CutSuffix(namespace, bulkConsumer) // a namespace may have the name "bulk"
	if bulk {
		return BulkSubject(SubjectDocuments(namespace))
	}
	return SubjectDocuments(namespace)
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
