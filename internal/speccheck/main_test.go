package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "spec", "rooms")
	if err := os.MkdirAll(page, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		filepath.Join(page, "v1.md"):     "# Room Version 1\n### Event IDs\ntext\n#### With `code` {#own-anchor}\n",
		filepath.Join(page, "_index.md"): "## Feature matrix\n",
		filepath.Join(dir, "x.go"):       "package x\n// Spec: rooms/v1#event-ids, rooms/v1#own-anchor, rooms#feature-matrix\n// Spec: rooms/v1#none, other#event-ids rule 5\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	anchors, err := read(filepath.Join(dir, "spec"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, a := range anchors {
		known[a] = true
	}
	good, bad, err := check(dir, known)
	if err != nil || good != 3 || len(bad) != 2 {
		t.Errorf("%d good, bad %q, %v", good, bad, err)
	}
}
