package statetree

import (
	"encoding/binary"
	"errors"
	"slices"
)

// Saver writes the bytes of a new node and gives the ID, at least 1, under which
// a Loader finds them.
type Saver func(data []byte) (id int64, err error)

// Store writes all nodes that are not stored yet, children first, and returns
// the root's ID. The IDs are remembered only when keep is called, which the
// caller does once the writes are durable: after a failed transaction the same
// nodes are written again.
func (t Tree) Store(save Saver) (root int64, keep func(), err error) {
	s := storer{save: save}
	root, err = s.node(t.root)
	if err != nil {
		return 0, nil, err
	}
	return root, func() {
		for _, w := range s.written {
			w.ref.id.Store(w.id)
		}
	}, nil
}

type storer struct {
	save    Saver
	written []written
}

type written struct {
	ref *ref
	id  int64
}

func (s *storer) node(r *ref) (int64, error) {
	if id := r.id.Load(); id != 0 {
		return id, nil
	}
	b := r.body.Load() // a node that is not stored is in memory
	kids := make([]int64, len(b.kids))
	for i, kid := range b.kids {
		id, err := s.node(kid)
		if err != nil {
			return 0, err
		}
		kids[i] = id
	}
	id, err := s.save(encode(b, kids))
	if err != nil {
		return 0, err
	}
	s.written = append(s.written, written{r, id})
	return id, nil
}

// The form of a node: one byte for the kind, then varints. Keys and node IDs are
// written as differences, events as they are.
const (
	kindLeaf  = 1
	kindInner = 2
)

var errNode = errors.New("damaged state tree node")

func encode(b *body, kids []int64) []byte {
	if b.leaf() {
		out := make([]byte, 0, 2+6*len(b.entries))
		out = append(out, kindLeaf)
		out = binary.AppendUvarint(out, uint64(len(b.entries)))
		last := int64(0)
		for _, e := range b.entries {
			out = binary.AppendUvarint(out, uint64(e.Key-last))
			out = binary.AppendUvarint(out, uint64(e.Event))
			last = e.Key
		}
		return out
	}
	out := make([]byte, 0, 4+22*len(kids))
	out = append(out, kindInner)
	out = binary.LittleEndian.AppendUint16(out, b.bitmap)
	base := slices.Max(kids)
	out = binary.AppendUvarint(out, uint64(base))
	for i, kid := range b.kids {
		out = binary.AppendUvarint(out, uint64(base-kids[i]))
		out = binary.AppendUvarint(out, uint64(kid.count))
		out = binary.LittleEndian.AppendUint64(out, kid.sum.A)
		out = binary.LittleEndian.AppendUint64(out, kid.sum.B)
	}
	return out
}

// decode reads what encode wrote, and refuses what it could not have written.
func decode(data []byte) (*body, error) {
	d := decoder{data: data}
	var b *body
	switch d.byte() {
	case kindLeaf:
		b = d.leaf()
	case kindInner:
		b = d.inner()
	default:
		d.bad = true
	}
	if d.bad || len(d.data) != 0 {
		return nil, errNode
	}
	return b, nil
}

type decoder struct {
	data []byte
	bad  bool
}

func (d *decoder) leaf() *body {
	n := d.number()
	if d.bad || n < 0 || n > int64(len(d.data)/2) {
		d.bad = true
		return nil
	}
	b := &body{entries: make([]Entry, n)}
	last := int64(0)
	for i := range b.entries {
		last += d.number()
		b.entries[i] = Entry{Key: last, Event: d.number()}
		if b.entries[i].Event < 1 || last < 1 || (i > 0 && last <= b.entries[i-1].Key) {
			d.bad = true
		}
	}
	return b
}

func (d *decoder) inner() *body {
	b := &body{bitmap: uint16(d.fixed(2))}
	base := d.number()
	for range popcount(b.bitmap) {
		r := &ref{}
		id := base - d.number()
		r.id.Store(id)
		r.count = int(d.number())
		r.sum = Sum{A: d.fixed(8), B: d.fixed(8)}
		if id < 1 || r.count < 1 {
			d.bad = true
		}
		b.kids = append(b.kids, r)
	}
	if b.bitmap == 0 {
		d.bad = true
	}
	return b
}

func popcount(b uint16) (n int) {
	for ; b != 0; b &= b - 1 {
		n++
	}
	return n
}

func (d *decoder) byte() byte { return byte(d.fixed(1)) }

func (d *decoder) fixed(n int) (v uint64) {
	if len(d.data) < n {
		d.bad, d.data = true, nil
		return 0
	}
	for i := n - 1; i >= 0; i-- {
		v = v<<8 | uint64(d.data[i])
	}
	d.data = d.data[n:]
	return v
}

func (d *decoder) number() int64 {
	v, n := binary.Uvarint(d.data)
	if n <= 0 || v > 1<<62 {
		d.bad, d.data = true, nil
		return 0
	}
	d.data = d.data[n:]
	return int64(v)
}
