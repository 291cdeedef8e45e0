package arch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// Both ends of the stream of documents, and what the enricher writes and the indexer reads there. Each service declares
// its end itself, as services never link each other.
const (
	writes     = "enricher/internal/parts/parts.go"
	reads      = "indexer/internal/bulk/batch.go"
	readsLater = "indexer/internal/bulk/metrics.go"
)

func TestEnricherAndIndexerAgreeOnTheHeadersOfAMessage(t *testing.T) {
	written := constants(t, writes)
	pairs := []struct{ file, read, written string }{
		{reads, "countHeader", "HeaderCount"},
		{reads, "partHeader", "HeaderPart"},
		{reads, "ownersHeader", "HeaderOwners"},
		{readsLater, "receivedHeader", "HeaderReceived"},
	}
	for _, p := range pairs {
		want, have := written[p.written], constants(t, p.file)[p.read]
		if want == "" || want != have {
			t.Errorf("%s: %s is %q, but %s of %s is %q", p.file, p.read, have, p.written, writes, want)
		}
	}
}

func TestEnricherAndIndexerAgreeOnTheActionLine(t *testing.T) {
	read := constants(t, reads)
	want := []string{read["actionHead"], read["actionMiddle"], read["actionTail"]}
	if slices.Contains(want, "") {
		t.Fatalf("%s: a piece of the action line is missing: %q", reads, want)
	}
	if have := appended(source(t, writes)); !slices.Equal(have, want) {
		t.Errorf("%s appends %q, but %s reads %q", writes, have, reads, want)
	}
}

// source parses a file of a service.
func source(t *testing.T, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../../services", path), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// constants are the constants that a file declares at its top, texts and whole numbers, by name.
func constants(t *testing.T, path string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, decl := range source(t, path).Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			values, ok := spec.(*ast.ValueSpec)
			if !ok {
				continue
			}
			for i, value := range values.Values {
				if s, ok := text(value); ok {
					found[values.Names[i].Name] = s
				} else if n, ok := value.(*ast.BasicLit); ok && n.Kind == token.INT {
					found[values.Names[i].Name] = n.Value
				}
			}
		}
	}
	return found
}

// appended are the texts that a file appends to bytes, in order: append(x, "..."...).
func appended(file *ast.File) (found []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !call.Ellipsis.IsValid() || len(call.Args) != 2 {
			return true
		}
		if name, ok := call.Fun.(*ast.Ident); ok && name.Name == "append" {
			if s, ok := text(call.Args[1]); ok {
				found = append(found, s)
			}
		}
		return true
	})
	return found
}

// text is the value of a literal.
func text(e ast.Expr) (string, bool) {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(literal.Value)
	return s, err == nil
}
