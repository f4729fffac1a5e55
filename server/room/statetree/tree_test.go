package statetree_test

import (
	"errors"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/hanse-im/hanse/server/room/statetree"
)

// shelf is storage in memory that can be told to fail.
type shelf struct {
	nodes map[int64][]byte
	reads int
	fail  error
}

func newShelf() *shelf { return &shelf{nodes: map[int64][]byte{}} }

func (s *shelf) save(data []byte) (int64, error) {
	if s.fail != nil {
		return 0, s.fail
	}
	id := int64(len(s.nodes) + 1)
	s.nodes[id] = data
	return id, nil
}

func (s *shelf) load(id int64) ([]byte, error) {
	s.reads++
	if s.fail != nil {
		return nil, s.fail
	}
	data, ok := s.nodes[id]
	if !ok {
		return nil, errors.New("no such node")
	}
	return data, nil
}

func content(t testing.TB, tree statetree.Tree) map[int64]int64 {
	t.Helper()
	m := map[int64]int64{}
	for e, err := range tree.All() {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := m[e.Key]; twice {
			t.Fatalf("key %d twice", e.Key)
		}
		m[e.Key] = e.Event
	}
	return m
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestAgainstMap edits trees and maps alike, keeps old versions, and stores and
// reopens now and then: nothing may differ from the maps.
func TestAgainstMap(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		span := int64(1 + rnd.IntN(400))
		disk := newShelf()
		tree, want := statetree.Empty(), map[int64]int64{}
		type version struct {
			tree statetree.Tree
			want map[int64]int64
		}
		var old []version
		for step := range 600 {
			key := 1 + rnd.Int64N(span)
			if rnd.IntN(3) == 0 {
				tree = must[statetree.Tree](t)(tree.Delete(key))
				delete(want, key)
			} else {
				event := 1 + rnd.Int64N(50)
				tree = must[statetree.Tree](t)(tree.Set(key, event))
				want[key] = event
			}
			if step%150 == 149 {
				root, keep, err := tree.Store(disk.save)
				if err != nil {
					t.Fatal(err)
				}
				keep()
				tree = must[statetree.Tree](t)(statetree.Open(root, disk.load))
			}
			if step%50 == 0 {
				old = append(old, version{tree, maps.Clone(want)})
			}
		}
		old = append(old, version{tree, want})
		for i, v := range old {
			if got := content(t, v.tree); !maps.Equal(got, v.want) || v.tree.Len() != len(v.want) {
				t.Fatalf("seed %d: version %d is %v, want %v", seed, i, got, v.want)
			}
			checkDiff(t, v.tree, old[rnd.IntN(len(old))].tree)
		}
	}
}

func checkDiff(t *testing.T, a, b statetree.Tree) {
	t.Helper()
	got := content(t, b)
	changes := 0
	for c, err := range a.Diff(b) {
		if err != nil {
			t.Fatal(err)
		}
		if got[c.Key] != c.Old || c.Old == c.New {
			t.Fatalf("change %+v, but %d stood there", c, got[c.Key])
		}
		changes++
		if c.New == 0 {
			delete(got, c.Key)
		} else {
			got[c.Key] = c.New
		}
	}
	if want := content(t, a); !maps.Equal(got, want) {
		t.Fatalf("old with the diff is %v, want %v", got, want)
	}
	if a.Equal(b) != (changes == 0) {
		t.Fatalf("Equal is %v with %d changes", a.Equal(b), changes)
	}
}

// TestShapeFromContentAlone: whatever the order of edits, the same content has
// the same sum and is stored in the same nodes.
func TestShapeFromContentAlone(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(7, 7))
	var entries []statetree.Entry
	for i := range int64(500) {
		entries = append(entries, statetree.Entry{Key: i + 1, Event: rnd.Int64N(1000) + 1})
	}
	bytesOf := func(tree statetree.Tree) int {
		disk := newShelf()
		if _, _, err := tree.Store(disk.save); err != nil {
			t.Fatal(err)
		}
		return len(disk.nodes)
	}
	built := statetree.Build(append([]statetree.Entry(nil), entries...))
	for range 20 {
		rnd.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		tree := statetree.Empty()
		for _, e := range entries {
			tree = must[statetree.Tree](t)(tree.Set(e.Key, e.Event))
		}
		for key := int64(501); key < 600; key++ {
			tree = must[statetree.Tree](t)(tree.Set(key, 1))
		}
		for key := int64(501); key < 600; key++ {
			tree = must[statetree.Tree](t)(tree.Delete(key))
		}
		if !tree.Equal(built) || bytesOf(tree) != bytesOf(built) {
			t.Fatalf("another order gave another tree: %v and %v", tree.Sum(), built.Sum())
		}
	}
}

// TestSharing: a change of a stored tree writes a path and not the room.
func TestSharing(t *testing.T) {
	t.Parallel()
	var entries []statetree.Entry
	for i := range int64(100_000) {
		entries = append(entries, statetree.Entry{Key: i + 1, Event: i + 10})
	}
	disk := newShelf()
	root, keep, err := statetree.Build(entries).Store(disk.save)
	if err != nil {
		t.Fatal(err)
	}
	keep()
	all := len(disk.nodes)
	opened := must[statetree.Tree](t)(statetree.Open(root, disk.load))
	changed := must[statetree.Tree](t)(opened.Set(4711, 99))
	if disk.reads > 8 {
		t.Errorf("one change read %d nodes of %d", disk.reads, all)
	}
	if _, _, err := changed.Store(disk.save); err != nil {
		t.Fatal(err)
	}
	if n := len(disk.nodes) - all; n > 8 {
		t.Errorf("one change wrote %d nodes of %d", n, all)
	}
	before := disk.reads
	for c, err := range changed.Diff(opened) {
		if err != nil || c != (statetree.Change{Key: 4711, Old: 4720, New: 99}) {
			t.Errorf("diff gave %+v, %v", c, err)
		}
	}
	if n := disk.reads - before; n > 0 {
		t.Errorf("the diff read %d nodes that were in memory", n)
	}
}

func TestStorageFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	var entries []statetree.Entry
	for i := range int64(300) {
		entries = append(entries, statetree.Entry{Key: i + 1, Event: 1})
	}
	disk := newShelf()
	tree := statetree.Build(entries)
	disk.fail = broken
	if _, _, err := tree.Store(disk.save); !errors.Is(err, broken) {
		t.Errorf("Store: %v", err)
	}
	disk.fail = nil
	root, _, err := tree.Store(disk.save) // not kept: as if the transaction failed
	if err != nil {
		t.Fatal(err)
	}
	again, keep, err := tree.Store(disk.save)
	if err != nil || again == root {
		t.Errorf("after a lost transaction the root is %d and was %d, %v", again, root, err)
	}
	keep()
	opened := must[statetree.Tree](t)(statetree.Open(again, disk.load))
	disk.fail = broken
	if _, _, err := opened.Get(1); !errors.Is(err, broken) {
		t.Errorf("Get: %v", err)
	}
	if _, err := opened.Set(1, 2); !errors.Is(err, broken) {
		t.Errorf("Set: %v", err)
	}
	if _, err := opened.Delete(1); !errors.Is(err, broken) {
		t.Errorf("Delete: %v", err)
	}
	seen := false
	for _, err := range opened.Diff(statetree.Empty()) {
		seen = seen || errors.Is(err, broken)
	}
	if !seen {
		t.Error("Diff hid the error")
	}
	disk.fail = nil
	if v, ok, err := opened.Get(1); v != 1 || !ok || err != nil {
		t.Errorf("after the disk recovered: %d, %v, %v", v, ok, err)
	}
}

func FuzzOpen(f *testing.F) {
	disk := newShelf()
	if _, _, err := statetree.Build([]statetree.Entry{{Key: 1, Event: 2}, {Key: 9, Event: 300}}).Store(disk.save); err != nil {
		f.Fatal(err)
	}
	f.Add(disk.nodes[1])
	f.Add([]byte{2, 1, 0, 5, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, err := statetree.Open(1, func(id int64) ([]byte, error) {
			if id != 1 {
				return nil, errors.New("no such node")
			}
			return data, nil
		})
		if err != nil {
			return
		}
		if _, err := tree.Set(1, 1); err != nil && len(data) == 0 {
			t.Fatal(err)
		}
	})
}

func BenchmarkSet(b *testing.B) {
	var entries []statetree.Entry
	for i := range int64(100_000) {
		entries = append(entries, statetree.Entry{Key: i + 1, Event: i + 10})
	}
	tree := statetree.Build(entries)
	b.ReportAllocs()
	i := int64(0)
	for b.Loop() {
		i++
		tree, _ = tree.Set(i*7919%100_000+1, i)
	}
}

func BenchmarkDiff100(b *testing.B) {
	var entries []statetree.Entry
	for i := range int64(100_000) {
		entries = append(entries, statetree.Entry{Key: i + 1, Event: i + 10})
	}
	old := statetree.Build(entries)
	tree := old
	for i := range int64(100) {
		tree, _ = tree.Set(i*997+1, 5)
	}
	b.ReportAllocs()
	for b.Loop() {
		for range tree.Diff(old) {
		}
	}
}

func BenchmarkStore64(b *testing.B) {
	var entries []statetree.Entry
	for i := range int64(100_000) {
		entries = append(entries, statetree.Entry{Key: i + 1, Event: i + 10})
	}
	disk := newShelf()
	tree := statetree.Build(entries)
	_, keep, _ := tree.Store(disk.save)
	keep()
	written := 0
	for b.Loop() {
		for range 64 {
			tree, _ = tree.Set(rand.Int64N(100_000)+1, rand.Int64N(1<<30)+1)
		}
		_, keep, _ := tree.Store(func(data []byte) (int64, error) {
			written += len(data)
			return rand.Int64N(1<<40) + 1, nil
		})
		keep()
	}
	b.ReportMetric(float64(written)/float64(b.N)/64, "B/change")
}
