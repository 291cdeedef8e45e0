package arch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatStartsGoroutinesChecksThatTheyEnd: a package whose code starts a goroutine has tests that fail when one is left.
func TestWhatStartsGoroutinesChecksThatTheyEnd(t *testing.T) {
	starters := 0
	for _, top := range []string{"../../services", "../../shared"} {
		for dir, files := range folders(t, top) {
			starts, checked := "", false
			for _, path := range files {
				if strings.HasSuffix(path, "_test.go") {
					checked = checked || checksForLeaks(t, path)
				} else if at := goroutine(t, path); at != "" {
					starts = at
				}
			}
			if starts == "" || strings.HasSuffix(dir, "test") { // what serves tests ends with them
				continue
			}
			starters++
			if !checked {
				t.Errorf("%s starts a goroutine at %s: its tests need `func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }`", dir, starts)
			}
		}
	}
	if starters < 10 {
		t.Errorf("only %d packages start goroutines: does this test still see them?", starters)
	}
}

// folders lists the Go files below top by folder.
func folders(t *testing.T, top string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	err := filepath.WalkDir(top, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".go") {
			all[filepath.Dir(path)] = append(all[filepath.Dir(path)], path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// goroutine is where a file starts a goroutine, by a go statement or a call such as WaitGroup.Go; empty when it does not.
func goroutine(t *testing.T, path string) (at string) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			at = set.Position(n.Pos()).String()
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Go" {
				at = set.Position(n.Pos()).String()
			}
		}
		return true
	})
	return at
}

func checksForLeaks(t *testing.T, path string) bool {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(raw), "goleak.VerifyTestMain(") || strings.Contains(string(raw), "goleak.VerifyNone(") || strings.Contains(string(raw), "goleak.Find(")
}
