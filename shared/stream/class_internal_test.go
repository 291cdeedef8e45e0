package stream

import "testing"

func TestSubjectsAndConsumersOfBothClassesFitEachOther(t *testing.T) {
	for subject, want := range map[string]struct {
		consumer, namespace string
		bulk                bool
	}{
		"sluice.deliveries":           {"enricher", "", false},
		"sluice.deliveries.bulk":      {"bulk-enricher", "", true},
		"sluice.documents.shop":       {"indexer-shop", "shop", false},
		"sluice.documents.shop.bulk":  {"bulk-indexer-shop", "shop", true},
		"sluice.documents.bulk":       {"indexer-bulk", "bulk", false}, // a namespace may have that name
		"sluice.documents.bulk.bulk":  {"bulk-indexer-bulk", "bulk", true},
		"sluice.documents.enricher":   {"indexer-enricher", "enricher", false},
		"sluice.documents.deliveries": {"indexer-deliveries", "deliveries", false},
	} {
		consumer := consumerOf(subject)
		namespace, _, _ := SplitDocuments(subject)
		if consumer != want.consumer || subjectOf(consumer) != subject || namespace != want.namespace || isBulk(subject) != want.bulk || IsBulkConsumer(consumer) != want.bulk {
			t.Errorf("%s is read by %s, which reads %s; namespace %q, bulk %t and %t", subject, consumer, subjectOf(consumer), namespace, isBulk(subject), IsBulkConsumer(consumer))
		}
		for _, stream := range []string{Deliveries, Documents} {
			if isRequired(stream, consumer) != (stream == Documents == (namespace != "")) {
				t.Errorf("%s in %s: required %t", consumer, stream, isRequired(stream, consumer))
			}
		}
	}
}
