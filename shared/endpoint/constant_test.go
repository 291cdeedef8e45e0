package endpoint_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"
)

// TestEveryTokenIsComparedWhicheverMatches reads the source: the time that a comparison takes shows too little on a busy
// machine. The loop over the tokens must have no way out, and nothing may decide whether a token is compared.
func TestEveryTokenIsComparedWhicheverMatches(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "endpoint.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var match *ast.FuncDecl
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "Match" {
			match = f
		}
	}
	if match == nil {
		t.Fatal("endpoint.go has no function Match")
	}
	var loop *ast.RangeStmt
	for i, statement := range match.Body.List {
		switch s := statement.(type) {
		case *ast.RangeStmt:
			loop = s
		case *ast.ReturnStmt:
			if i != len(match.Body.List)-1 {
				t.Error("Match may return before it has looked at every token")
			}
		case *ast.IfStmt, *ast.SwitchStmt:
			t.Error("Match decides something beside its loop")
		}
	}
	if loop == nil {
		t.Fatal("Match has no loop over the tokens")
	}
	if over, ok := loop.X.(*ast.SelectorExpr); !ok || over.Sel.Name != "Tokens" {
		t.Error("the loop is not over all tokens")
	}
	ast.Inspect(loop.Body, func(n ast.Node) bool {
		switch n.(type) {
		case *ast.ReturnStmt, *ast.BranchStmt:
			t.Error("the loop over the tokens has a way out")
		}
		return true
	})
	compared := 0
	for _, statement := range loop.Body.List { // at the top of the loop, and not behind a condition
		assign, ok := statement.(*ast.AssignStmt)
		if !ok || len(assign.Rhs) != 1 {
			continue
		}
		equal, ok := assign.Rhs[0].(*ast.BinaryExpr)
		if !ok || equal.Op != token.EQL {
			continue
		}
		if call, ok := equal.X.(*ast.CallExpr); ok && name(call.Fun) == "subtle.ConstantTimeCompare" {
			compared++
		}
	}
	if compared != 1 {
		t.Errorf("%d comparisons in constant time at the top of the loop, want 1", compared)
	}
}

func name(e ast.Expr) string {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := s.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return x.Name + "." + s.Sel.Name
}
