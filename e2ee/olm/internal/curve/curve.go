// Package curve is X25519 for ratchets that live for one message: private
// keys whose public key is made by a fixed-base multiplication on the Edwards
// form of the curve, alone or many at once, and a variable-base Montgomery
// ladder.
//
// crypto/ecdh computes the public key of every private key by a ladder as soon
// as it is given one, which doubles the cost of a key that is used once or
// twice. This package computes the same values (its tests compare the two) on
// the same field arithmetic, in constant time, and refuses what crypto/ecdh
// refuses: exchanges to which the peer's key contributes nothing.
package curve

import (
	"crypto/rand"
	"io"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

// Public is a Curve25519 public key, the u coordinate.
type Public = [32]byte

// Private is a private key with its public key. Copying it copies the secret.
type Private struct {
	Secret [32]byte
	Public Public
}

// Wipe clears the secret.
func (p *Private) Wipe() { clear(p.Secret[:]) }

// Random fills b from r, or from crypto/rand if r is nil.
func Random(r io.Reader, b []byte) error {
	if r == nil {
		r = rand.Reader
	}
	if _, err := io.ReadFull(r, b); err != nil {
		return fail.New(fail.Random, "read randomness")
	}
	return nil
}

// Generate makes a key pair.
func Generate(r io.Reader) (Private, error) {
	var p [1]Private
	err := GenerateMany(r, p[:])
	return p[0], err
}

// GenerateMany fills keys with new key pairs. They share one field inversion,
// which makes them a fifth cheaper than one by one.
func GenerateMany(r io.Reader, keys []Private) error {
	var secrets [64][32]byte
	for len(keys) > 0 {
		n := min(len(keys), len(secrets))
		for i := range n {
			if err := Random(r, secrets[i][:]); err != nil {
				return err
			}
			keys[i].Secret = secrets[i]
		}
		PublicMany(keys[:n])
		keys = keys[n:]
	}
	clear(secrets[:])
	return nil
}

// FromSecret makes the key pair of a secret.
func FromSecret(secret *[32]byte) Private {
	p := [1]Private{{Secret: *secret}}
	PublicMany(p[:])
	return p[0]
}

// PublicMany computes the public keys of keys from their secrets.
func PublicMany(keys []Private) {
	if len(keys) == 0 {
		return
	}
	// u = (Z + Y) / (Z − Y); the products of the denominators before each
	// allow one inversion for all.
	num := make([]field.Element, len(keys))
	den := make([]field.Element, len(keys))
	acc := make([]field.Element, len(keys))
	var product field.Element
	product.One()
	s := edwards25519.NewScalar()
	var point edwards25519.Point
	for i := range keys {
		// Clamped scalars are multiples of eight below 2^255; reduction modulo
		// the group order changes nothing for the base point.
		_, _ = s.SetBytesWithClamping(keys[i].Secret[:])
		point.ScalarBaseMult(s)
		_, y, z, _ := point.ExtendedCoordinates()
		num[i].Add(z, y)
		den[i].Subtract(z, y)
		acc[i] = product
		product.Multiply(&product, &den[i])
	}
	var inv, u field.Element
	inv.Invert(&product)
	for i := len(keys) - 1; i >= 0; i-- {
		u.Multiply(&inv, &acc[i])
		u.Multiply(&u, &num[i])
		copy(keys[i].Public[:], u.Bytes())
		inv.Multiply(&inv, &den[i])
	}
}

// Exchange sets out to X25519(secret, peer). A peer's key of small order, for
// which the result would be zero whatever the secret, is an error of class
// fail.Key; out is zero then.
func Exchange(out *[32]byte, secret *[32]byte, peer *Public) error {
	ladder(out, secret, peer)
	var any byte
	for _, b := range out {
		any |= b
	}
	if any == 0 {
		return fail.New(fail.Key, "key exchange")
	}
	return nil
}

// ladder is the Montgomery ladder of RFC 7748 section 5.
func ladder(out *[32]byte, secret *[32]byte, peer *Public) {
	k := *secret
	k[0] &= 248
	k[31] = k[31]&127 | 64
	var x1, x2, z2, x3, z3 field.Element
	// SetBytes ignores the top bit and takes non-canonical values, as the RFC
	// demands; it fails for wrong lengths only.
	_, _ = x1.SetBytes(peer[:])
	x2.One()
	x3.Set(&x1)
	z3.One()
	var a, aa, b, bb, e, c, d field.Element
	swap := 0
	for t := 254; t >= 0; t-- {
		bit := int(k[t/8]>>(t%8)) & 1
		swap ^= bit
		x2.Swap(&x3, swap)
		z2.Swap(&z3, swap)
		swap = bit

		a.Add(&x2, &z2)
		b.Subtract(&x2, &z2)
		c.Add(&x3, &z3)
		d.Subtract(&x3, &z3)
		aa.Square(&a)
		bb.Square(&b)
		d.Multiply(&d, &a)
		c.Multiply(&c, &b)
		x3.Add(&d, &c)
		x3.Square(&x3)
		z3.Subtract(&d, &c)
		z3.Square(&z3)
		z3.Multiply(&x1, &z3)
		x2.Multiply(&aa, &bb)
		e.Subtract(&aa, &bb)
		z2.Mult32(&e, 121665)
		z2.Add(&aa, &z2)
		z2.Multiply(&e, &z2)
	}
	x2.Swap(&x3, swap)
	z2.Swap(&z3, swap)
	z2.Invert(&z2)
	x2.Multiply(&x2, &z2)
	copy(out[:], x2.Bytes())
	clear(k[:])
}
