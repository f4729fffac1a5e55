package olm

import (
	"encoding/binary"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/b64"
	"github.com/hanse-im/hanse/e2ee/olm/internal/ed"
)

// Curve25519Key is a public key for key exchange. It is comparable.
type Curve25519Key [32]byte

// ParseCurve25519Key reads a key from base64, padded or not. Errors:
// fail.Encoding, fail.Format for a wrong length.
func ParseCurve25519Key(text string) (k Curve25519Key, err error) {
	err = b64.DecodeFixed("Curve25519 key", k[:], text)
	return k, err
}

// String is the unpadded base64 of the key.
//
// Spec: client-server-api/modules/end_to_end_encryption#key-algorithms
func (k Curve25519Key) String() string { return b64.Encode(k[:]) }

// PeerIdentityKey is another device's identity key, as its signed device keys
// name it.
type PeerIdentityKey Curve25519Key

// PeerPreKey is a one-time or fallback key of another device, claimed for one
// session, whose signature the caller checked.
type PeerPreKey Curve25519Key

// Ed25519Key is a public key that verifies signatures. It is comparable.
type Ed25519Key [32]byte

// ParseEd25519Key reads a key from base64, padded or not. Errors:
// fail.Encoding, fail.Format for a wrong length, fail.Key for a key that no
// strict verification would accept.
func ParseEd25519Key(text string) (k Ed25519Key, err error) {
	if err = b64.DecodeFixed("Ed25519 key", k[:], text); err != nil {
		return Ed25519Key{}, err
	}
	if !ed.StrictKey((*[32]byte)(&k)) {
		return Ed25519Key{}, fail.New(fail.Key, "Ed25519 key")
	}
	return k, nil
}

// String is the unpadded base64 of the key.
func (k Ed25519Key) String() string { return b64.Encode(k[:]) }

// Verify checks that sig is this key's signature of message. It is stricter
// than crypto/ed25519: keys and signature points of small order and
// non-canonical encodings are refused. The error has the class
// fail.Signature. About 40 µs; safe for concurrent use.
//
// Spec: appendices#signing-details
func (k Ed25519Key) Verify(message []byte, sig Signature) error {
	return ed.Verify((*[32]byte)(&k), message, sig[:])
}

// Signature is an Ed25519 signature.
type Signature [64]byte

// ParseSignature reads a signature from base64, padded or not. Errors:
// fail.Encoding, fail.Format for a wrong length.
func ParseSignature(text string) (s Signature, err error) {
	err = b64.DecodeFixed("signature", s[:], text)
	return s, err
}

// String is the unpadded base64 of the signature.
func (s Signature) String() string { return b64.Encode(s[:]) }

// IdentityKeys are the two keys that identify a device.
type IdentityKeys struct {
	Curve25519 Curve25519Key
	Ed25519    Ed25519Key
}

// KeyID numbers an account's one-time keys, and apart from them its fallback
// keys. It never repeats within an account.
type KeyID uint64

// String is the ID as it stands behind "signed_curve25519:" on the server:
// the unpadded base64 of eight bytes.
func (id KeyID) String() string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(id))
	return b64.Encode(b[:])
}

// OneTimeKey is the public half of one of our one-time keys.
type OneTimeKey struct {
	ID  KeyID
	Key Curve25519Key
}

// FallbackKey is the public half of one of our fallback keys. It is a type of
// its own because what is uploaded about it says "fallback": true.
type FallbackKey struct {
	ID  KeyID
	Key Curve25519Key
}

// PickleKey encrypts stored state in the library's own format. Make one with
// NewPickleKey; it prints as its name alone.
type PickleKey struct{ k [32]byte }

// NewPickleKey takes a key of 32 random bytes. A passphrase is not a key:
// derive one first. Errors: fail.Format for another length.
func NewPickleKey(key []byte) (*PickleKey, error) {
	p := new(PickleKey)
	if len(key) != len(p.k) {
		return nil, fail.New(fail.Format, "pickle key length")
	}
	copy(p.k[:], key)
	return p, nil
}

// Secret is the key itself, for the sibling packages.
func (p *PickleKey) Secret() *[32]byte { return &p.k }

// Wipe clears the key.
func (p *PickleKey) Wipe() { clear(p.k[:]) }

// String does not show the key.
func (PickleKey) String() string { return "olm.PickleKey" }

// GoString does not show the key.
func (PickleKey) GoString() string { return "olm.PickleKey" }
