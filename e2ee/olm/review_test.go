package olm

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// secretName matches names of values that no comparison may tell about.
var secretName = regexp.MustCompile(`(?i)mac|secret|seed|shared|sum|prk|digest`)

// TestConstantTimeComparisons reads the library's own sources: MACs and
// secrets are compared by crypto/subtle or crypto/hmac alone. A comparison of
// lengths, of nil or of another constant is none of a secret.
func TestConstantTimeComparisons(t *testing.T) {
	t.Parallel()
	files, constantTime := 0, 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if (n.Op == token.EQL || n.Op == token.NEQ) && !constant(n.X) && !constant(n.Y) &&
					(secretName.MatchString(name(n.X)) || secretName.MatchString(name(n.Y))) {
					t.Errorf("%s: a secret is compared with %s", set.Position(n.Pos()), n.Op)
				}
			case *ast.CallExpr:
				switch name(n.Fun) {
				case "bytes.Equal", "bytes.Compare", "reflect.DeepEqual", "slices.Equal", "strings.EqualFold":
					t.Errorf("%s: %s", set.Position(n.Pos()), name(n.Fun))
				case "subtle.ConstantTimeCompare", "hmac.Equal":
					constantTime++
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 30 || constantTime < 12 {
		t.Errorf("only %d files and %d comparisons were looked at", files, constantTime)
	}
}

// constant tells that an operand is a literal, nil, a boolean, a length, or a
// composite of literals.
func constant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit, *ast.CompositeLit:
		return true
	case *ast.Ident:
		return e.Name == "nil" || e.Name == "true" || e.Name == "false" || e.Name == "HKDFHMACv2"
	case *ast.CallExpr:
		return name(e.Fun) == "len" || name(e.Fun) == "cap"
	}
	return false
}

// name is the dotted name of an expression, as far as it has one.
func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return name(e.X) + "." + e.Sel.Name
	case *ast.IndexExpr:
		return name(e.X)
	case *ast.SliceExpr:
		return name(e.X)
	case *ast.StarExpr:
		return name(e.X)
	case *ast.CallExpr:
		return name(e.Fun)
	}
	return ""
}
