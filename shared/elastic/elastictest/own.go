package elastictest

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/sluicelog/sluice/shared/elastic/node"
)

// Own is a node of the test's own.
type Own struct {
	Cluster
	dir  string
	node *node.Node
}

// StartOwn starts a node of the test's own with these settings, and stops it when the test ends. It skips or fails as
// Start does.
func StartOwn(tb testing.TB, settings map[string]string) *Own {
	tb.Helper()
	o := &Own{dir: filepath.Join(openDir(tb), "state")}
	o.start(tb, settings)
	tb.Cleanup(func() {
		if err := o.node.Stop(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return o
}

// Restart starts the node anew with other settings; it keeps its data and its address.
func (o *Own) Restart(tb testing.TB, settings map[string]string) {
	tb.Helper()
	if err := o.node.Stop(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	before := o.URL
	if o.start(tb, settings); o.URL != before {
		tb.Fatalf("the node is at %s now, not at %s", o.URL, before)
	}
}

func (o *Own) start(tb testing.TB, settings map[string]string) {
	tb.Helper()
	o.node = ensure(tb, node.Options{
		Dir: o.dir, Heap: "512m", Settings: settings, Files: map[string][]byte{QuickFile: []byte(QuickOptions)},
	})
	o.URL = o.node.URL()
}
