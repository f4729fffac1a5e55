package canonjson

import (
	"crypto/ed25519"
	"errors"
)

// The ways in which an Ed25519 signature is refused.
var (
	// ErrKey: the public key has the wrong length, is not the canonical encoding
	// of a point, or is one of the few points for which anybody can sign.
	ErrKey = errors.New("unacceptable Ed25519 public key")
	// ErrSignature: the signature has the wrong length or is wrong.
	ErrSignature = errors.New("wrong signature")
)

// CheckPublicKey returns ErrKey unless pub can be the key of somebody who signs:
// 32 bytes, canonical, not of small order.
func CheckPublicKey(pub ed25519.PublicKey) error {
	if len(pub) != ed25519.PublicKeySize || !goodPoint([32]byte(pub)) {
		return ErrKey
	}
	return nil
}

// VerifyEd25519 checks a signature more strictly than crypto/ed25519 does: key
// and commitment must be canonical encodings of points that are not of small
// order, so that no two signatures or keys stand for the same thing and none is
// good for every message. It returns ErrKey or ErrSignature.
//
// Deviates: the specification leaves the treatment of such values open; no
// honest signer makes them.
func VerifyEd25519(pub ed25519.PublicKey, msg, sig []byte) error {
	if err := CheckPublicKey(pub); err != nil {
		return err
	}
	if len(sig) != ed25519.SignatureSize || !goodPoint([32]byte(sig[:32])) || !ed25519.Verify(pub, msg, sig) {
		return ErrSignature
	}
	return nil
}

// smallOrder are the y coordinates, little-endian, of the eight points whose
// order divides 8.
var smallOrder = [...][32]byte{
	{0: 0},
	{0: 1},
	{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
	{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
}

// goodPoint reports whether an encoding is below the field's prime and not of
// small order. All of it is public data: nothing here needs constant time.
func goodPoint(p [32]byte) bool {
	p[31] &= 0x7f // the sign of x
	for _, y := range smallOrder {
		if p == y {
			return false
		}
	}
	// Not below 2^255 − 19: only values whose upper 31 bytes are all ones.
	if p[31] != 0x7f || p[0] < 0xed {
		return true
	}
	for _, c := range p[1:31] {
		if c != 0xff {
			return true
		}
	}
	return false
}
