package statetree

import "iter"

// Change is a place at which two trees differ; 0 stands for no event.
type Change struct {
	Key      int64
	Old, New int64
}

// Diff goes through the places at which t differs from old, in no order that
// callers may rely on. It walks only nodes that differ: O(d log n) for d
// changes. The walk ends after the first error, which comes with a zero Change.
func (t Tree) Diff(old Tree) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		d := differ{old: old, new: t, yield: yield}
		d.nodes(old.root, t.root, 0)
	}
}

type differ struct {
	old, new Tree
	yield    func(Change, error) bool
}

// nodes compares two nodes at the same place; either may be nil. It reports
// whether to go on.
func (d *differ) nodes(a, b *ref, depth int) bool {
	if a == b {
		return true
	}
	if a != nil && b != nil && a.count == b.count && a.sum == b.sum {
		return true
	}
	x, err := d.old.readOr(a)
	if err != nil {
		return d.fail(err)
	}
	y, err := d.new.readOr(b)
	if err != nil {
		return d.fail(err)
	}
	if x.leaf() && y.leaf() {
		return d.leaves(x.entries, y.entries)
	}
	if x, err = d.old.split(x, depth); err != nil {
		return d.fail(err)
	}
	if y, err = d.new.split(y, depth); err != nil {
		return d.fail(err)
	}
	for s := range uint(fan) {
		i, inX := x.child(s)
		j, inY := y.child(s)
		var l, r *ref
		if inX {
			l = x.kids[i]
		}
		if inY {
			r = y.kids[j]
		}
		if (inX || inY) && !d.nodes(l, r, depth+1) {
			return false
		}
	}
	return true
}

// leaves merges two ordered lists.
func (d *differ) leaves(a, b []Entry) bool {
	for len(a) > 0 || len(b) > 0 {
		var c Change
		switch {
		case len(b) == 0 || (len(a) > 0 && a[0].Key < b[0].Key):
			c = Change{Key: a[0].Key, Old: a[0].Event}
			a = a[1:]
		case len(a) == 0 || b[0].Key < a[0].Key:
			c = Change{Key: b[0].Key, New: b[0].Event}
			b = b[1:]
		default:
			c = Change{Key: a[0].Key, Old: a[0].Event, New: b[0].Event}
			a, b = a[1:], b[1:]
		}
		if c.Old != c.New && !d.yield(c, nil) {
			return false
		}
	}
	return true
}

func (d *differ) fail(err error) bool {
	d.yield(Change{}, err)
	return false
}

func (t Tree) readOr(r *ref) (*body, error) {
	if r == nil {
		return &body{}, nil
	}
	return t.read(r)
}

// split is b as a node with children: a leaf that stands against a larger node
// is taken apart as it would have been had it grown.
func (t Tree) split(b *body, depth int) (*body, error) {
	if !b.leaf() {
		return b, nil
	}
	var parts [fan][]Entry
	for _, e := range b.entries {
		s := slot(e.Key, depth)
		parts[s] = append(parts[s], e)
	}
	out := &body{}
	for s, part := range parts {
		if len(part) > 0 {
			out.bitmap |= 1 << s
			out.kids = append(out.kids, newLeaf(part))
		}
	}
	return out, nil
}
