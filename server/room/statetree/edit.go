package statetree

import "slices"

// Set is the tree with event at key, whatever stood there before. The old tree
// stays as it is. O(log n), about one node new at each level.
func (t Tree) Set(key, event int64) (Tree, error) {
	root, err := t.set(t.root, 0, Entry{key, event})
	if err != nil {
		return Tree{}, err
	}
	return Tree{root: root, load: t.load}, nil
}

// Delete is the tree without an entry at key.
func (t Tree) Delete(key int64) (Tree, error) {
	root, err := t.delete(t.root, 0, key)
	if err != nil {
		return Tree{}, err
	}
	return Tree{root: root, load: t.load}, nil
}

func slot(key int64, depth int) uint {
	return uint(mix(uint64(key)) >> (depth * fanBits) % fan)
}

func (t Tree) set(r *ref, depth int, e Entry) (*ref, error) {
	b, err := t.read(r)
	if err != nil {
		return nil, err
	}
	if b.leaf() {
		i, ok := find(b.entries, e.Key)
		if ok && b.entries[i] == e {
			return r, nil
		}
		entries := make([]Entry, len(b.entries), len(b.entries)+1)
		copy(entries, b.entries)
		if ok {
			entries[i] = e
		} else {
			entries = slices.Insert(entries, i, e)
		}
		return build(entries, depth), nil
	}
	s := slot(e.Key, depth)
	i, ok := b.child(s)
	if !ok {
		kids := slices.Insert(slices.Clone(b.kids), i, newLeaf([]Entry{e}))
		return newInner(b.bitmap|1<<s, kids), nil
	}
	kid, err := t.set(b.kids[i], depth+1, e)
	if err != nil || kid == b.kids[i] {
		return r, err
	}
	kids := slices.Clone(b.kids)
	kids[i] = kid
	return newInner(b.bitmap, kids), nil
}

func (t Tree) delete(r *ref, depth int, key int64) (*ref, error) {
	b, err := t.read(r)
	if err != nil {
		return nil, err
	}
	if b.leaf() {
		i, ok := find(b.entries, key)
		if !ok {
			return r, nil
		}
		return newLeaf(slices.Delete(slices.Clone(b.entries), i, i+1)), nil
	}
	s := slot(key, depth)
	i, ok := b.child(s)
	if !ok {
		return r, nil
	}
	kid, err := t.delete(b.kids[i], depth+1, key)
	if err != nil || kid == b.kids[i] {
		return r, err
	}
	// The shape depends on the content alone: what fits into a leaf is a leaf.
	if r.count-1 <= leafMax {
		entries := make([]Entry, 0, leafMax)
		for j, other := range b.kids {
			if j == i {
				other = kid
			}
			t.each(other, func(e Entry, failed error) bool {
				err = failed
				entries = append(entries, e)
				return failed == nil
			})
			if err != nil {
				return nil, err
			}
		}
		slices.SortFunc(entries, byKey)
		return newLeaf(entries), nil
	}
	kids := slices.Clone(b.kids)
	if kid.count == 0 {
		return newInner(b.bitmap&^(1<<s), slices.Delete(kids, i, i+1)), nil
	}
	kids[i] = kid
	return newInner(b.bitmap, kids), nil
}

func byKey(a, b Entry) int {
	switch {
	case a.Key < b.Key:
		return -1
	case a.Key > b.Key:
		return 1
	}
	return 0
}

// Build is the tree of the given entries, whose keys must differ. It takes over
// the slice and is many times faster than setting one after the other.
func Build(entries []Entry) Tree {
	slices.SortFunc(entries, byKey)
	return Tree{root: build(entries, 0)}
}

// build makes the node for entries, which are in order of their keys.
func build(entries []Entry, depth int) *ref {
	if len(entries) <= leafMax || depth == maxDepth {
		return newLeaf(entries)
	}
	var parts [fan][]Entry
	for _, e := range entries {
		s := slot(e.Key, depth)
		parts[s] = append(parts[s], e)
	}
	var bitmap uint16
	kids := make([]*ref, 0, fan)
	for s, part := range parts {
		if len(part) > 0 {
			bitmap |= 1 << s
			kids = append(kids, build(part, depth+1))
		}
	}
	return newInner(bitmap, kids)
}
