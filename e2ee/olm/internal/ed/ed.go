// Package ed is Ed25519 with private keys in the expanded form that libolm
// keeps, whose seed may be unknown, and with strict verification.
//
// A signing key keeps its public key beside it and never takes one from the
// caller: signing with a public key that does not belong to the scalar gives
// the scalar away.
package ed

import (
	"crypto/ed25519"
	"crypto/sha512"
	"crypto/subtle"
	"io"

	"filippo.io/edwards25519"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
)

// Private is a signing key. It is immutable once made and safe for concurrent
// use until Wipe.
type Private struct {
	// Public is the public key that belongs to the scalar.
	Public [32]byte
	// Seed is the seed, if HasSeed; keys from libolm come without one.
	Seed    [32]byte
	HasSeed bool

	expanded [64]byte
	scalar   edwards25519.Scalar
}

// Generate makes a signing key from 32 bytes of r.
func Generate(r io.Reader) (*Private, error) {
	p := new(Private)
	return p, p.Generate(r)
}

// Generate fills in a new key.
func (p *Private) Generate(r io.Reader) error {
	if err := curve.Random(r, p.Seed[:]); err != nil {
		return err
	}
	p.fromSeed()
	return nil
}

// FromSeed makes the signing key of a seed.
func FromSeed(seed *[32]byte) *Private {
	p := &Private{Seed: *seed}
	p.fromSeed()
	return p
}

func (p *Private) fromSeed() {
	p.HasSeed = true
	p.expanded = sha512.Sum512(p.Seed[:])
	clamp(&p.expanded)
	p.setScalar()
	p.Public = p.computePublic()
}

// FromSeedAndPublic is FromSeed for a public key that was stored beside the
// seed under authentication; it skips the multiplication.
func FromSeedAndPublic(seed, public *[32]byte) *Private {
	p := &Private{Seed: *seed, HasSeed: true, Public: *public}
	p.expanded = sha512.Sum512(seed[:])
	clamp(&p.expanded)
	p.setScalar()
	return p
}

// FromExpanded makes a signing key from libolm's 64 bytes: the scalar and the
// prefix. The scalar is clamped, because vodozemac writes it as the hash gave
// it. A public key that does not belong to it is refused with class
// fail.Format.
func FromExpanded(expanded *[64]byte, public *[32]byte) (*Private, error) {
	clamped := *expanded
	defer clear(clamped[:])
	clamp(&clamped)
	p := FromStored(&clamped, public)
	if got := p.computePublic(); subtle.ConstantTimeCompare(got[:], public[:]) != 1 {
		return nil, fail.New(fail.Format, "Ed25519 key pair")
	}
	return p, nil
}

// FromExpandedAlone is FromExpanded where no public key is stored.
func FromExpandedAlone(expanded *[64]byte) *Private {
	clamped := *expanded
	defer clear(clamped[:])
	clamp(&clamped)
	p := FromStored(&clamped, new([32]byte))
	p.Public = p.computePublic()
	return p
}

func clamp(expanded *[64]byte) {
	expanded[0] &= 248
	expanded[31] = expanded[31]&63 | 64
}

// FromStored is FromExpanded for bytes that this library stored under
// authentication; it checks nothing.
func FromStored(expanded *[64]byte, public *[32]byte) *Private {
	p := &Private{Public: *public, expanded: *expanded}
	p.setScalar()
	return p
}

func (p *Private) setScalar() {
	// The length is right, which is all that can fail.
	_, _ = p.scalar.SetBytesWithClamping(p.expanded[:32])
}

func (p *Private) computePublic() (out [32]byte) {
	var a edwards25519.Point
	copy(out[:], a.ScalarBaseMult(&p.scalar).Bytes())
	return out
}

// Expanded is the scalar and the prefix, as libolm stores them.
func (p *Private) Expanded() *[64]byte { return &p.expanded }

// Wipe clears the secrets. The key can not be used after it.
func (p *Private) Wipe() {
	clear(p.Seed[:])
	clear(p.expanded[:])
	p.scalar = *edwards25519.NewScalar()
}

// Sign writes the signature of message to sig.
func (p *Private) Sign(sig *[64]byte, message []byte) {
	var digest [64]byte
	h := sha512.New()
	h.Write(p.expanded[32:])
	h.Write(message)
	h.Sum(digest[:0])
	var r, k, s edwards25519.Scalar
	_, _ = r.SetUniformBytes(digest[:])
	var point edwards25519.Point
	copy(sig[:32], point.ScalarBaseMult(&r).Bytes())

	h.Reset()
	h.Write(sig[:32])
	h.Write(p.Public[:])
	h.Write(message)
	h.Sum(digest[:0])
	_, _ = k.SetUniformBytes(digest[:])
	s.MultiplyAdd(&k, &p.scalar, &r)
	copy(sig[32:], s.Bytes())
}

// torsion are the canonical encodings of the points of small order, without
// the sign bit: 0, 1, −1 and the two of order eight.
var torsion = [5][32]byte{
	{},
	{1},
	{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
	{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
}

// strictPoint tells that the encoding is canonical and not that of a point of
// small order. It looks at public data only.
func strictPoint(p []byte) bool {
	y := [32]byte(p)
	y[31] &= 0x7f
	for i := range torsion {
		if y == torsion[i] {
			return false
		}
	}
	// y ≥ 2^255 − 19 is not canonical.
	if y[31] != 0x7f || y[0] < 0xed {
		return true
	}
	for _, b := range y[1:31] {
		if b != 0xff {
			return true
		}
	}
	return false
}

// StrictKey tells that a public key may be used: its encoding is canonical
// and its point not of small order. Whether it is a point at all shows at the
// first verification.
func StrictKey(public *[32]byte) bool { return strictPoint(public[:]) }

// Verify checks a signature strictly: crypto/ed25519's rules, and neither the
// key nor the signature's point of small order or in a non-canonical
// encoding. The error has the class fail.Signature.
func Verify(public *[32]byte, message, sig []byte) error {
	if len(sig) != ed25519.SignatureSize || !strictPoint(public[:]) || !strictPoint(sig[:32]) ||
		!ed25519.Verify(public[:], message, sig) {
		return fail.New(fail.Signature, "Ed25519")
	}
	return nil
}
