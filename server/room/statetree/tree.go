// Package statetree is the persistent map that room state lives in: from an
// interned (type, state key) to the number of the event that stands there.
//
// A Tree is an immutable value. Set and Delete give a new tree that shares all
// but a few nodes with the old one, so keeping the state before every event
// costs what changed and not what is there. The shape of a tree depends on its
// content alone, and every node carries a multiset hash of the entries below it:
// two trees are compared in one step, and a diff walks only what differs, also
// between trees that were built apart.
//
// Nodes are written to storage one by one with Store and are read back when they
// are first walked through, so a tree of a large room is opened without loading
// it. The package knows no Matrix rule and no SQL.
//
// All methods are safe for concurrent use. An error always comes from the
// Loader; trees that were never stored give none.
//
//	t := statetree.Empty()
//	t, _ = t.Set(key, event)
//	event, ok, err := t.Get(key)
package statetree

import (
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"sync/atomic"
)

const (
	// fanBits of the key's hash choose a child at each level.
	fanBits = 4
	fan     = 1 << fanBits
	// leafMax entries fit into a leaf; a node with more is split.
	leafMax = 32
	// maxDepth levels use up a hash of 64 bits. Hashes of different keys differ.
	maxDepth = 64 / fanBits
)

// Entry is one place in the state.
type Entry struct {
	// Key is the interned (type, state key), at least 1.
	Key int64
	// Event is the number of the event that stands there, at least 1.
	Event int64
}

// Loader gives the bytes that Store wrote as node id. It is called without locks
// and may be called twice for one node.
type Loader func(id int64) ([]byte, error)

// Sum is the multiset hash of entries: equal for equal content whatever the
// order in which it came about.
type Sum struct{ A, B uint64 }

// Tree is an immutable map. The zero Tree is not usable: start with Empty or Open.
type Tree struct {
	root *ref
	load Loader
}

// ref is a node: what is known of it without loading it, and its content once
// that is in memory.
type ref struct {
	count int
	sum   Sum
	id    atomic.Int64 // 0: not stored
	body  atomic.Pointer[body]
}

// body is the immutable content of a node: entries in order of their keys for a
// leaf, or else children by the next bits of their keys' hash.
type body struct {
	entries []Entry
	bitmap  uint16
	kids    []*ref
}

func (b *body) leaf() bool { return b.bitmap == 0 }

// child is the position among kids for slot i, and whether it is there.
func (b *body) child(i uint) (int, bool) {
	bit := uint16(1) << i
	return bits.OnesCount16(b.bitmap & (bit - 1)), b.bitmap&bit != 0
}

// Empty is the tree without entries.
func Empty() Tree {
	return Tree{root: newLeaf(nil)}
}

// Open is the tree whose root was stored as node root. Nothing is read before it
// is needed, but the root itself.
func Open(root int64, load Loader) (Tree, error) {
	r := &ref{}
	r.id.Store(root)
	t := Tree{root: r, load: load}
	b, err := t.read(r)
	if err != nil {
		return Tree{}, err
	}
	r.count, r.sum = measure(b)
	return t, nil
}

// Len is the number of entries.
func (t Tree) Len() int { return t.root.count }

// Sum is the multiset hash of the content.
func (t Tree) Sum() Sum { return t.root.sum }

// Equal reports whether both trees hold the same entries. O(1).
func (t Tree) Equal(o Tree) bool {
	return t.root == o.root || (t.root.count == o.root.count && t.root.sum == o.root.sum)
}

// Get is the event that stands at key; ok is false if none does. O(log n).
func (t Tree) Get(key int64) (event int64, ok bool, err error) {
	h := mix(uint64(key))
	for r := t.root; ; h >>= fanBits {
		b, err := t.read(r)
		if err != nil {
			return 0, false, err
		}
		if b.leaf() {
			i, ok := find(b.entries, key)
			if !ok {
				return 0, false, nil
			}
			return b.entries[i].Event, true, nil
		}
		i, ok := b.child(uint(h % fan))
		if !ok {
			return 0, false, nil
		}
		r = b.kids[i]
	}
}

// All goes through the entries in an order that depends on the content alone.
// The walk ends after the first error, which comes with a zero Entry.
func (t Tree) All() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		t.each(t.root, yield)
	}
}

func (t Tree) each(r *ref, yield func(Entry, error) bool) bool {
	b, err := t.read(r)
	if err != nil {
		yield(Entry{}, err)
		return false
	}
	for _, e := range b.entries {
		if !yield(e, nil) {
			return false
		}
	}
	for _, kid := range b.kids {
		if !t.each(kid, yield) {
			return false
		}
	}
	return true
}

// read is the content of a node, from memory or from storage.
func (t Tree) read(r *ref) (*body, error) {
	if b := r.body.Load(); b != nil {
		return b, nil
	}
	id := r.id.Load()
	if t.load == nil {
		return nil, fmt.Errorf("state tree node %d: no loader", id)
	}
	data, err := t.load(id)
	if err != nil {
		return nil, fmt.Errorf("load state tree node %d: %w", id, err)
	}
	b, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("state tree node %d: %w", id, err)
	}
	r.body.Store(b)
	return b, nil
}

func newLeaf(entries []Entry) *ref {
	r := &ref{count: len(entries)}
	for _, e := range entries {
		r.sum = r.sum.add(entrySum(e))
	}
	r.body.Store(&body{entries: entries})
	return r
}

func newInner(bitmap uint16, kids []*ref) *ref {
	b := &body{bitmap: bitmap, kids: kids}
	r := &ref{}
	r.count, r.sum = measure(b)
	r.body.Store(b)
	return r
}

func measure(b *body) (count int, sum Sum) {
	count = len(b.entries)
	for _, e := range b.entries {
		sum = sum.add(entrySum(e))
	}
	for _, k := range b.kids {
		count += k.count
		sum = sum.add(k.sum)
	}
	return count, sum
}

func find(entries []Entry, key int64) (int, bool) {
	return slices.BinarySearchFunc(entries, key, func(e Entry, k int64) int {
		switch {
		case e.Key < k:
			return -1
		case e.Key > k:
			return 1
		}
		return 0
	})
}

// mix spreads keys over 64 bits; it is a bijection, so two keys never collide.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

func entrySum(e Entry) Sum {
	k, v := mix(uint64(e.Key)+0x9e3779b97f4a7c15), mix(uint64(e.Event)+0xd1b54a32d192ed03)
	return Sum{mix(k ^ bits.RotateLeft64(v, 23)), mix(v ^ bits.RotateLeft64(k, 41))}
}

func (s Sum) add(o Sum) Sum {
	lo, carry := bits.Add64(s.A, o.A, 0)
	hi, _ := bits.Add64(s.B, o.B, carry)
	return Sum{lo, hi}
}
