package hanse_test

import (
	"bytes"
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/hanse-im/hanse/"

// floors lists for each folder what its packages may import, with the reason for
// what is not ours. The longest matching folder decides. "std" is the standard
// library, "pure" what of it does no I/O, reads no clock and logs nothing. A
// folder that is not listed may hold no package.
var floors = map[string][]string{
	// The protocol: JSON with strict decoding, which the standard library lacks.
	"matrix": {"pure", "matrix", "github.com/go-json-experiment/json"},
	// Encryption: group arithmetic that the standard library has and does not
	// export; ciphers and key derivations of its extension.
	"e2ee": {"pure", "matrix", "e2ee", "filippo.io/edwards25519", "golang.org/x/crypto"},
	// Machinery: drivers of databases, metrics.
	"infra": {"std", "infra", "modernc.org/sqlite", "github.com/jackc/pgx/v5", "github.com/prometheus"},
	// Domains: a bounded cache.
	"server":   {"std", "matrix", "infra", "server", "github.com/go-json-experiment/json", "golang.org/x/crypto", "github.com/hashicorp/golang-lru/v2"},
	"edge":     {"std", "matrix", "infra", "server", "edge", "github.com/go-json-experiment/json"},
	"cmd":      {"std", "matrix", "e2ee", "infra", "server", "edge"},
	"internal": {"std", "internal"},
	"test":     {"std", "matrix", "e2ee", "infra", "server", "edge", "test", "github.com/go-json-experiment/json"},
}

// impure are the standard packages that do I/O, read the clock or log.
var impure = []string{"net", "os", "database/sql", "log", "time/tzdata", "syscall", "io/ioutil"}

// pureAfterAll are below an impure name and pure.
var pureAfterAll = []string{"net/netip", "net/url"}

// vague names say nothing at the place where they are used.
var vague = map[string]bool{"util": true, "utils": true, "common": true, "helper": true, "helpers": true, "types": true, "api": true, "misc": true, "base": true}

func packages(t *testing.T, visit func(dir string, pkg *build.Package)) {
	t.Helper()
	err := filepath.WalkDir(".", func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); name == "testdata" || name == "node_modules" || (strings.HasPrefix(name, ".") && dir != ".") {
			return filepath.SkipDir
		}
		pkg, err := build.ImportDir(dir, 0)
		if _, none := err.(*build.NoGoError); none {
			return nil
		} else if err != nil {
			return err
		}
		visit(filepath.ToSlash(dir), pkg)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImportsPointDown(t *testing.T) {
	packages(t, func(dir string, pkg *build.Package) {
		if dir == "." {
			return
		}
		top, _, _ := strings.Cut(dir, "/")
		rules, ok := floors[top]
		if !ok {
			t.Errorf("%s: no floor of this name, see docs/ARCHITECTURE.md", dir)
		}
		for _, imp := range pkg.Imports {
			if !allowed(rules, imp) {
				t.Errorf("%s imports %s, which %s/ may not", dir, imp, top)
			}
			if strings.HasPrefix(dir, "edge/") && strings.HasPrefix(imp, module+"edge/") && !strings.HasPrefix(imp, module+"edge/reply") {
				t.Errorf("%s imports another way in, %s", dir, imp)
			}
		}
	})
}

func TestPackagesAreNamedAndDescribed(t *testing.T) {
	packages(t, func(dir string, pkg *build.Package) {
		if len(pkg.GoFiles) > 0 && !strings.HasPrefix(pkg.Doc, "Package "+pkg.Name+" ") && !strings.HasPrefix(pkg.Doc, "Command ") {
			t.Errorf("%s: no comment that begins with Package %s or Command", dir, pkg.Name)
		}
		if vague[pkg.Name] {
			t.Errorf("%s: the name %s says nothing", dir, pkg.Name)
		}
	})
}

// No file is too long to be read in one go.
func TestFilesAreShort(t *testing.T) {
	const longest = 1000
	packages(t, func(dir string, pkg *build.Package) {
		for _, list := range [][]string{pkg.GoFiles, pkg.TestGoFiles, pkg.XTestGoFiles, pkg.IgnoredGoFiles} {
			for _, name := range list {
				data, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Error(err)
				}
				if n := bytes.Count(data, []byte("\n")); n > longest {
					t.Errorf("%s/%s has %d lines, at most %d are allowed", dir, name, n, longest)
				}
			}
		}
	})
}

func allowed(rules []string, imp string) bool {
	rel, ours := strings.CutPrefix(imp, module)
	std := !ours && !strings.Contains(strings.SplitN(imp, "/", 2)[0], ".")
	for _, r := range rules {
		switch {
		case r == "std" && std, r == "pure" && std && pure(imp):
			return true
		case ours && under(rel, r), !ours && !std && under(imp, r):
			return true
		}
	}
	return false
}

func pure(imp string) bool {
	for _, p := range pureAfterAll {
		if imp == p {
			return true
		}
	}
	for _, p := range impure {
		if under(imp, p) {
			return false
		}
	}
	return true
}

func under(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// The test itself is only worth something if it refuses.
func TestAllowed(t *testing.T) {
	for _, c := range []struct {
		floor, imp string
		want       bool
	}{
		{"matrix", "strings", true}, {"matrix", "net/url", true}, {"matrix", "net/netip", true}, {"matrix", "net/http", false}, {"matrix", "os", false}, {"matrix", "log/slog", false},
		{"matrix", module + "matrix/id", true}, {"matrix", module + "server/room", false}, {"matrix", "github.com/jackc/pgx/v5", false}, {"e2ee", module + "infra/db", false},
		{"infra", module + "matrix/id", false}, {"infra", "github.com/jackc/pgx/v5/pgxpool", true}, {"server", module + "edge/client", false}, {"server", "modernc.org/sqlite", false},
	} {
		if got := allowed(floors[c.floor], c.imp); got != c.want {
			t.Errorf("%s imports %s: %v", c.floor, c.imp, got)
		}
	}
}
