package indexer_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/shared/config"
)

// Nobody listens on Elasticsearch's port any more while documents come in: the log tells it in summaries, not per try.
func TestALostElasticsearchFillsNoLog(t *testing.T) {
	r := hostile(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(w, created(documentsIn(t, req)...))
	})
	gone := newProxy(t, r.cluster.URL)
	const workers = 8
	s := r.run(func(c *indexer.Config) {
		c.ElasticsearchURL, c.Workers, c.BulkMessages = config.URL(gone.server.URL), workers, 1
	})
	r.publish(r.document("first"))
	r.awaitFinished()
	gone.server.CloseClientConnections()
	gone.server.Close()
	before := strings.Count(s.logs.String(), "\n")
	const failures, perLine = 40, 5
	tries := func() float64 { return s.value(t, "sluice_indexer_retries_total", "no_answer") }
	for i := range 5 * workers {
		r.publish(r.document(fmt.Sprintf("later%d", i)))
	}
	r.await("it has been tried often", func() bool { return tries() >= failures })
	text := s.logs.String()
	lines := strings.Count(text, "\n") - before
	t.Logf("%d lines for %v failed tries", lines, tries())
	if lines == 0 || lines > failures/perLine {
		t.Errorf("%d lines for %d failed tries, want one for %d at most:\n%.4000s", lines, failures, perLine, text)
	}
	if !s.says("documents wait for elasticsearch", "no_answer") {
		t.Error("the log does not say what is wrong")
	}
}
