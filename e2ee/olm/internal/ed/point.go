package ed

import (
	"math/bits"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"
)

// This file has the group arithmetic of fast verification. It works on public
// data only and takes time that depends on it; nothing secret may come here.

// extended is a point as X/Z, Y/Z with T = XY/Z.
type extended struct{ x, y, z, t field.Element }

// completed is a point in the form that additions and doublings give:
// x = X/Z, y = Y/T.
type completed struct{ x, y, z, t field.Element }

// cached is an affine point prepared for addition: y+x, y−x, 2dxy.
type cached struct{ plus, minus, t2d field.Element }

// d2 is twice the curve's constant d = −121665/121666.
var d2 = func() (d field.Element) {
	var num, den, k field.Element
	one := new(field.Element).One()
	num.Mult32(one, 121665)
	num.Negate(&num)
	den.Mult32(one, 121666)
	k.Invert(&den)
	d.Multiply(&num, &k)
	d.Add(&d, &d)
	return d
}()

func (p *extended) identity() {
	p.x.Zero()
	p.y.One()
	p.z.One()
	p.t.Zero()
}

func fromPoint(p *edwards25519.Point) (e extended) {
	x, y, z, t := p.ExtendedCoordinates()
	e.x, e.y, e.z, e.t = *x, *y, *z, *t
	return e
}

// double sets c to 2p, of which T is not read.
func (c *completed) double(p *extended) {
	var xx, yy, zz, s field.Element
	xx.Square(&p.x)
	yy.Square(&p.y)
	zz.Square(&p.z)
	zz.Add(&zz, &zz)
	s.Add(&p.x, &p.y)
	s.Square(&s)
	c.y.Add(&yy, &xx)
	c.z.Subtract(&yy, &xx)
	c.x.Subtract(&s, &c.y)
	c.t.Subtract(&zz, &c.z)
}

// add sets c to p + q, or to p − q.
func (c *completed) add(p *extended, q *cached, negative bool) {
	var a, b, t, z field.Element
	a.Add(&p.y, &p.x)
	b.Subtract(&p.y, &p.x)
	if negative {
		a.Multiply(&a, &q.minus)
		b.Multiply(&b, &q.plus)
	} else {
		a.Multiply(&a, &q.plus)
		b.Multiply(&b, &q.minus)
	}
	t.Multiply(&p.t, &q.t2d)
	z.Add(&p.z, &p.z)
	c.x.Subtract(&a, &b)
	c.y.Add(&a, &b)
	if negative {
		c.z.Subtract(&z, &t)
		c.t.Add(&z, &t)
	} else {
		c.z.Add(&z, &t)
		c.t.Subtract(&z, &t)
	}
}

// setProjective sets p without T, which is enough to double it.
func (p *extended) setProjective(c *completed) {
	p.x.Multiply(&c.x, &c.t)
	p.y.Multiply(&c.y, &c.z)
	p.z.Multiply(&c.z, &c.t)
}

func (p *extended) set(c *completed) {
	p.setProjective(c)
	p.t.Multiply(&c.x, &c.y)
}

// bytes is the encoding of p.
func (p *extended) bytes() (out [32]byte) {
	var inv, x, y field.Element
	inv.Invert(&p.z)
	x.Multiply(&p.x, &inv)
	y.Multiply(&p.y, &inv)
	copy(out[:], y.Bytes())
	out[31] |= byte(x.IsNegative() << 7)
	return out
}

// parts is the number of parts that a scalar is split into, of 64 bits each.
const parts = 4

// multiples are the odd multiples 1P, 3P, … of 2^(64j)·P for each part j.
type multiples [parts][]cached

// newMultiples makes n odd multiples of each. The points are brought to affine
// form together, with one inversion.
func newMultiples(p extended, n int) (m multiples) {
	all := make([]extended, 0, parts*n)
	var c completed
	for j := range parts {
		all = append(all, p)
		var twice [1]cached
		var d extended
		c.double(&p)
		d.set(&c)
		toCached(twice[:], []extended{d})
		for range n - 1 {
			c.add(&all[len(all)-1], &twice[0], false)
			var next extended
			next.set(&c)
			all = append(all, next)
		}
		if j == parts-1 {
			break
		}
		for range 64 {
			c.double(&p)
			p.set(&c)
		}
	}
	flat := make([]cached, len(all))
	toCached(flat, all)
	for j := range m {
		m[j] = flat[j*n : (j+1)*n]
	}
	return m
}

// toCached prepares points, sharing one inversion.
func toCached(out []cached, in []extended) {
	acc := make([]field.Element, len(in))
	var product, inv, z, x, y field.Element
	product.One()
	for i := range in {
		acc[i] = product
		product.Multiply(&product, &in[i].z)
	}
	inv.Invert(&product)
	for i := len(in) - 1; i >= 0; i-- {
		z.Multiply(&inv, &acc[i])
		inv.Multiply(&inv, &in[i].z)
		x.Multiply(&in[i].x, &z)
		y.Multiply(&in[i].y, &z)
		out[i].plus.Add(&y, &x)
		out[i].minus.Subtract(&y, &x)
		out[i].t2d.Multiply(&x, &y)
		out[i].t2d.Multiply(&out[i].t2d, &d2)
	}
}

// digits is a part of a scalar as signed odd digits with zeros between them.
type digits [65]int8

// set recodes x with digits below 2^(w−1) in absolute value, and returns the
// place of the highest.
func (d *digits) set(x uint64, w uint) (top int) {
	clear(d[:])
	top = -1
	var high uint64 // bit 64
	for pos := 0; x|high != 0; {
		skip := bits.TrailingZeros64(x)
		if x == 0 {
			// What is left is bit 64 of the original.
			d[64] = 1
			return 64
		}
		pos += skip
		x = x>>skip | high<<(64-skip)
		if skip > 0 {
			high = 0
		}
		v := int64(x & (1<<w - 1))
		if v >= 1<<(w-1) {
			v -= 1 << w
		}
		d[pos] = int8(v)
		top = pos
		var borrow uint64
		if v > 0 {
			x -= uint64(v)
		} else {
			x, borrow = bits.Add64(x, uint64(-v), 0)
			high += borrow
		}
	}
	return top
}
