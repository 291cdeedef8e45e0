package elastic_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
)

// An answer of the real server is of the form that is read plainly, whatever became of the documents.
func TestAnAnswerOfARealServerIsReadPlainly(t *testing.T) {
	cluster := elastictest.Start(t)
	index := "logs-auth0.logs-" + cluster.Namespace(t) + "-2026.01.01"
	client := open(t, cluster.URL)
	if _, err := client.EnsureIndex(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	line := func(id, document string) string {
		return fmt.Sprintf(`{"create":{"_index":%q,"_id":%q}}`+"\n%s\n", index, id, document)
	}
	good := `{"@timestamp":"2026-01-01T00:00:00Z"}`
	bulk := line("a", good) + line("a", good) + line("b", `{"@timestamp":"a { and a \" and a \\"}`) + line("c", `broken`) + line("d_-9", good)
	body, err := elastic.RawBulk(t.Context(), client, []byte(bulk))
	if err != nil {
		t.Fatal(err)
	}
	items, plain := elastic.PlainAnswers(string(body), 5)
	if !plain {
		t.Fatalf("not plain: %s", body)
	}
	var have []string
	for _, item := range items {
		have = append(have, fmt.Sprint(item.ID, " ", item.Status, " ", item.Cause != nil))
	}
	if got, want := strings.Join(have, ", "), "a 201 false, a 409 false, b 400 true, c 400 true, d_-9 201 false"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !strings.Contains(items[2].Cause.Text(), `a { and a " and a \`) {
		t.Errorf("the cause says %s", items[2].Cause.Text())
	}
}

// answerTo is what Elasticsearch says to n documents, every so-many-th of which was there already; 0: none.
func answerTo(n, every int) []byte {
	var out strings.Builder
	out.WriteString(`{"items":[`)
	for i := range n {
		if i > 0 {
			out.WriteByte(',')
		}
		id := fmt.Sprintf("%022d", i)
		if every > 0 && i%every == 0 {
			fmt.Fprintf(&out, `{"create":{"_id":%q,"status":409,"error":{"type":"version_conflict_engine_exception","reason":"[%s]: version conflict, document already exists (current version [1])"}}}`, id, id)
			continue
		}
		fmt.Fprintf(&out, `{"create":{"_id":%q,"status":201}}`, id)
	}
	out.WriteString(`]}`)
	return []byte(out.String())
}

// BenchmarkAnswers is per document.
func BenchmarkAnswers(b *testing.B) {
	const n = 2000
	for name, every := range map[string]int{"all indexed": 0, "all there already": 1} {
		body := answerTo(n, every)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; i < b.N; i += n {
				if items, err := elastic.Answers(body, n); err != nil || len(items) != n {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+", decoded", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; i < b.N; i += n {
				if items, err := elastic.DecodedAnswers(body); err != nil || len(items) != n {
					b.Fatal(err)
				}
			}
		})
	}
}
