package megolm

import "github.com/hanse-im/hanse/e2ee/olm/internal/kdf"

// A session is read forwards as messages come, backwards as a user scrolls, and
// in several places at once by several goroutines. Each of these windows
// remembers two states in one block of indices: one at or near its start, for
// messages out of order, and the furthest that was needed, for the next one.
// Without them each step backwards would begin at the first known index.

const (
	blockLen = 16
	windows  = 4
)

// window is what is remembered of one block.
type window struct {
	base, furthest ratchet
	used           uint64
}

// cache remembers the blocks used last. The zero value is empty.
type cache struct {
	w    [windows]window
	n    int
	tick uint64
}

// place is a state that was computed, with one before it in the same block.
type place struct{ base, at ratchet }

func (p *place) wipe() {
	p.base.wipe()
	p.at.wipe()
}

// compute makes the state at index from the nearest one that is known, first
// or a remembered one.
func (c *cache) compute(d *kdf.Deriver, first *ratchet, index uint32) (p place) {
	near := first
	for i := range c.w[:c.n] {
		for _, r := range []*ratchet{&c.w[i].base, &c.w[i].furthest} {
			if r.index <= index && r.index > near.index {
				near = r
			}
		}
	}
	p.base = *near
	if start := index &^ (blockLen - 1); p.base.index < start {
		p.base.advanceTo(d, start)
	}
	p.at = p.base
	p.at.advanceTo(d, index)
	return p
}

// remember keeps a place, in the window of its block or in that which was not
// used for the longest time.
func (c *cache) remember(p *place) {
	c.tick++
	for i := range c.w[:c.n] {
		w := &c.w[i]
		if w.base.index/blockLen != p.at.index/blockLen {
			continue
		}
		if p.base.index < w.base.index {
			w.base = p.base
		}
		if p.at.index > w.furthest.index {
			w.furthest = p.at
		}
		w.used = c.tick
		return
	}
	if c.n < windows {
		c.w[c.n] = window{p.base, p.at, c.tick}
		c.n++
		return
	}
	oldest := &c.w[0]
	for i := range c.w {
		if c.w[i].used < oldest.used {
			oldest = &c.w[i]
		}
	}
	*oldest = window{p.base, p.at, c.tick}
}

// latest is the furthest state that is known.
func (c *cache) latest(first *ratchet) *ratchet {
	latest := first
	for i := range c.w[:c.n] {
		if r := &c.w[i].furthest; r.index > latest.index {
			latest = r
		}
	}
	return latest
}

// wipe forgets everything.
func (c *cache) wipe() {
	for i := range c.w {
		c.w[i].base.wipe()
		c.w[i].furthest.wipe()
	}
	c.n = 0
}
