// Command speccheck verifies the references to the specification in Go comments.
//
// A reference is written as the style guide says, a page and an anchor on it:
//
//	// Spec: rooms/v12#authorisation-rules, appendices#canonical-json
//
// A page is a file of the pinned copy without ".md", or a folder with an
// _index.md. Where the copy is not at hand, the list of anchors that was taken
// from it is used; -write takes it anew.
//
//	go run ./internal/speccheck            # check this tree
//	go run ./internal/speccheck -write     # renew anchors.txt from ../shared/spec
package main

import (
	"bufio"
	_ "embed"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

//go:embed anchors.txt
var list string

var (
	line    = regexp.MustCompile(`Spec: (.+)`)
	ref     = regexp.MustCompile(`^([a-z0-9/_-]+)#([A-Za-z0-9_.-]+)`)
	heading = regexp.MustCompile(`^#{1,6} +(.*?)(?: *\{[^}]*id="?([A-Za-z0-9_-]+)"?[^}]*\}| *\{#([^}]+)\})?\s*$`)
	dropped = regexp.MustCompile(`[^a-z0-9 _-]`)
)

func main() {
	spec := flag.String("spec", "../shared/spec", "folder of the pinned specification")
	write := flag.Bool("write", false, "write internal/speccheck/anchors.txt from it")
	flag.Parse()
	if *write {
		anchors, err := read(*spec)
		if err == nil {
			err = os.WriteFile("internal/speccheck/anchors.txt", []byte(strings.Join(anchors, "\n")+"\n"), 0o644)
		}
		exit(err)
		return
	}
	known := map[string]bool{}
	for _, a := range strings.Fields(list) {
		known[a] = true
	}
	if anchors, err := read(*spec); err == nil {
		known = map[string]bool{}
		for _, a := range anchors {
			known[a] = true
		}
	}
	good, bad, err := check(".", known)
	exit(err)
	for _, b := range bad {
		fmt.Println(b)
	}
	fmt.Printf("%d references to the specification, %d of them bad\n", good+len(bad), len(bad))
	if len(bad) > 0 {
		os.Exit(1)
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "speccheck:", err)
		os.Exit(2)
	}
}

// read lists the anchors of all pages, page#anchor.
func read(spec string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(spec, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".md") {
			return err
		}
		rel, err := filepath.Rel(spec, path)
		if err != nil {
			return err
		}
		page := strings.TrimSuffix(strings.TrimSuffix(filepath.ToSlash(rel), ".md"), "/_index")
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			m := heading.FindStringSubmatch(lines.Text())
			if m == nil {
				continue
			}
			for _, anchor := range []string{slug(m[1]), m[2], m[3]} {
				if anchor != "" {
					out = append(out, page+"#"+anchor)
				}
			}
		}
		return lines.Err()
	})
	slices.Sort(out)
	return slices.Compact(out), err
}

// slug is the anchor that a heading gets.
func slug(s string) string {
	s = dropped.ReplaceAllString(strings.ToLower(s), "")
	return strings.ReplaceAll(strings.TrimSpace(s), " ", "-")
}

// check looks at the references in all Go files below root.
func check(root string, known map[string]bool) (good int, bad []string, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == "node_modules" || name == "speccheck" || (strings.HasPrefix(name, ".") && path != root) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for n, text := range strings.Split(string(data), "\n") {
			m := line.FindStringSubmatch(text)
			if m == nil || !strings.Contains(text, "//") {
				continue
			}
			for _, part := range strings.Split(m[1], ",") {
				r := ref.FindStringSubmatch(strings.TrimSpace(part))
				if r == nil {
					continue
				}
				if known[r[1]+"#"+r[2]] {
					good++
				} else {
					bad = append(bad, fmt.Sprintf("%s:%d: the specification has no %s#%s", path, n+1, r[1], r[2]))
				}
			}
		}
		return nil
	})
	return good, bad, err
}
