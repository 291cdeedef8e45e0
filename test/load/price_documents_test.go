package load_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/sluicelog/sluice/test/harness"
)

// stored is a document with its id, as one line of PRICE_DOCUMENTS holds it.
type stored struct {
	ID     string          `json:"_id"`
	Source json.RawMessage `json:"_source"`
}

// documents are what the pipeline made, and the requests that were built of them so far.
type documents struct {
	all  []stored
	sets map[string]requests // by the name of the change
}

// requests are the documents of one shape.
type requests struct {
	bodies [][]byte
	size   int64 // bytes of all documents
}

// number is a setting of the environment.
func number(b *testing.B, name string, usual int) int {
	b.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("%s=%q: want a number", name, text)
	}
	return n
}

// storedDocuments sends n different events through the real pipeline and reads back what it stored.
func storedDocuments(b *testing.B, n int) *documents {
	b.Helper()
	d := &documents{sets: map[string]requests{}}
	path := os.Getenv("PRICE_DOCUMENTS")
	if path != "" {
		if err := d.read(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			b.Fatal(err)
		}
		if len(d.all) >= n {
			d.all = d.all[:n]
			b.Logf("%d documents of %s", n, path)
			return d
		}
	}
	d.all = pipelineDocuments(b, n)
	if path != "" {
		if err := d.write(path); err != nil {
			b.Fatal(err)
		}
	}
	return d
}

// pipelineDocuments runs an all-in-one just long enough.
func pipelineDocuments(b *testing.B, n int) []stored {
	b.Helper()
	i := harness.Up(b, harness.Options{Env: []string{"ENRICHER_KEEP_ORIGINAL=true"}})
	r := &rig{up: i, elastic: harness.Elastic(b, i.ElasticsearchURL), client: http.DefaultClient}
	if _, err := postAll(i.LocalURL, i.Authorization, r.deliveries(n, loadBatch), loadInFlight); err != nil {
		b.Fatal(err)
	}
	i.AwaitCount(n, 10*time.Minute)
	var all []stored
	search := object{"size": 5000, "sort": []any{object{"event.id": "asc"}}}
	for len(all) < n {
		page, err := r.elastic.Search(b.Context(), i.Index, search)
		if err != nil || len(page.Hits) == 0 {
			b.Fatalf("reading documents back after %d: %v", len(all), err)
		}
		for _, hit := range page.Hits {
			all = append(all, stored{hit.ID, hit.Source})
		}
		search["search_after"] = page.Hits[len(page.Hits)-1].Sort
	}
	if code, _ := i.Stop(); code != 0 {
		b.Fatalf("up ended with %d\n%s", code, i.Tail(2000))
	}
	return all
}

func (d *documents) read(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	for decoder := json.NewDecoder(bufio.NewReaderSize(file, 1<<20)); decoder.More(); {
		var one stored
		if err := decoder.Decode(&one); err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		d.all = append(d.all, one)
	}
	return nil
}

func (d *documents) write(path string) error {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	for _, one := range d.all {
		if err := encoder.Encode(one); err != nil {
			return err
		}
	}
	return os.WriteFile(path, out.Bytes(), 0o600)
}

// bodies are the requests of a variant and the bytes of its documents. Variants with the same change share them.
func (d *documents) bodies(b *testing.B, v variant) (bodies [][]byte, size int64) {
	b.Helper()
	key := v.shape()
	set, ok := d.sets[key]
	if !ok {
		for i := range d.all {
			set = d.add(b, set, i, v)
		}
		d.sets[key] = set
	}
	return set.bodies, set.size
}

// add appends one document. All variants decode and encode, so that the order of members is the same everywhere.
func (d *documents) add(b *testing.B, set requests, i int, v variant) requests {
	b.Helper()
	decoder := json.NewDecoder(bytes.NewReader(d.all[i].Source))
	decoder.UseNumber()
	var doc object
	if err := decoder.Decode(&doc); err != nil {
		b.Fatal(err)
	}
	for _, c := range v.changes {
		if c.document != nil {
			c.document(doc, i)
		}
	}
	line := &bytes.Buffer{}
	encoder := json.NewEncoder(line) // ends with a newline
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(doc); err != nil {
		b.Fatal(err)
	}
	last := len(set.bodies) - 1
	if last < 0 || len(set.bodies[last]) > priceBody {
		set.bodies = append(set.bodies, make([]byte, 0, priceBody+1<<16))
		last++
	}
	action := `{"create":{"_id":"` + d.all[i].ID + `"}}` + "\n"
	if v.noID {
		action = `{"create":{}}` + "\n"
	}
	set.bodies[last] = append(append(set.bodies[last], action...), line.Bytes()...)
	set.size += int64(line.Len() - 1)
	return set
}
