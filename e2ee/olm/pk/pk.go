// Package pk encrypts to a public key, as the server-side backup of room keys
// does, and signs with a key made from a seed, as cross-signing keys do.
//
// What Encrypt makes is not authenticated: anybody who has the public key can
// make it, and the "mac" covers nothing (it is the MAC of the empty string,
// by an old mistake that all implementations keep). Whatever Decrypt returns
// was chosen by whoever wrote to the backup; treat it so.
//
// Decryption and Signing are safe for concurrent use and print as their public
// key alone.
//
//	dec, _ := pk.NewDecryption(nil)
//	m, _ := pk.Encrypt(nil, dec.Public(), []byte("…"))
//	plain, _ := dec.Decrypt(m)
package pk

import (
	"crypto/subtle"
	"io"

	"github.com/hanse-im/hanse/e2ee/olm"
	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/b64"
	"github.com/hanse-im/hanse/e2ee/olm/internal/cbc"
	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
	"github.com/hanse-im/hanse/e2ee/olm/internal/ed"
	"github.com/hanse-im/hanse/e2ee/olm/internal/kdf"
	"github.com/hanse-im/hanse/e2ee/olm/internal/pickle"
)

const (
	macLen = 8
	// MaxSize is the size in bytes over which nothing is decrypted.
	MaxSize = 4 << 20

	libolmDecryption = 1
)

// Message is the "session_data" of a backed-up room key; all three are base64.
//
// Spec: client-server-api/modules/end_to_end_encryption#backup-algorithm-mmegolm_backupv1curve25519-aes-sha2
type Message struct {
	Ciphertext string `json:"ciphertext"`
	MAC        string `json:"mac"`
	Ephemeral  string `json:"ephemeral"`
}

// Encrypt encrypts plaintext to a public key. r nil is crypto/rand. Errors:
// fail.Key for a key of small order, fail.Random, fail.Size. About 50 µs.
func Encrypt(r io.Reader, to olm.Curve25519Key, plaintext []byte) (Message, error) {
	if len(plaintext) > MaxSize/2 {
		return Message{}, fail.New(fail.Size, "plaintext")
	}
	ephemeral, err := curve.Generate(r)
	if err != nil {
		return Message{}, err
	}
	defer ephemeral.Wipe()
	var keys cbc.Keys
	defer keys.Wipe()
	mac, err := derive(&keys, &ephemeral.Secret, (*curve.Public)(&to))
	if err != nil {
		return Message{}, err
	}
	return Message{
		Ciphertext: b64.Encode(cbc.Append(nil, &keys, plaintext)),
		MAC:        b64.Encode(mac[:macLen]),
		Ephemeral:  b64.Encode(ephemeral.Public[:]),
	}, nil
}

// derive makes the keys, and the MAC of nothing under them.
func derive(keys *cbc.Keys, ours *[32]byte, theirs *curve.Public) (mac [32]byte, err error) {
	var secret [32]byte
	defer clear(secret[:])
	if err := curve.Exchange(&secret, ours, theirs); err != nil {
		return mac, err
	}
	var d kdf.Deriver
	d.HKDF(keys[:], nil, secret[:], "")
	d.MAC(&mac, keys.HMAC(), nil)
	d.Wipe()
	return mac, nil
}

// Decryption is the private key of a backup.
type Decryption struct{ pair curve.Private }

// NewDecryption makes a key. r nil is crypto/rand. The error has the class
// fail.Random.
func NewDecryption(r io.Reader) (*Decryption, error) {
	pair, err := curve.Generate(r)
	if err != nil {
		return nil, err
	}
	return &Decryption{pair: pair}, nil
}

// DecryptionFromSecret takes a private key of 32 bytes, as a recovery key or
// m.megolm_backup.v1 in secret storage holds it. Errors: fail.Format for
// another length. Compare Public with the backup's before it is used.
func DecryptionFromSecret(secret []byte) (*Decryption, error) {
	if len(secret) != 32 {
		return nil, fail.New(fail.Format, "backup key length")
	}
	return &Decryption{pair: curve.FromSecret((*[32]byte)(secret))}, nil
}

// Public is the public key.
func (d *Decryption) Public() olm.Curve25519Key { return olm.Curve25519Key(d.pair.Public) }

// Secret is a copy of the private key.
func (d *Decryption) Secret() [32]byte { return d.pair.Secret }

// Wipe clears the private key.
func (d *Decryption) Wipe() { d.pair.Wipe() }

// String does not show the private key.
func (d *Decryption) String() string { return "pk.Decryption(" + d.Public().String() + ")" }

// GoString does not show the private key.
func (d *Decryption) GoString() string { return d.String() }

// Decrypt decrypts a message. The MAC shows only that the sender used the same
// shared secret. Errors: fail.Encoding, fail.Format, fail.Size, fail.Key,
// fail.MAC. About 35 µs.
func (d *Decryption) Decrypt(m Message) ([]byte, error) {
	if len(m.Ciphertext) > MaxSize {
		return nil, fail.New(fail.Size, "ciphertext")
	}
	var ephemeral curve.Public
	if err := b64.DecodeFixed("ephemeral key", ephemeral[:], m.Ephemeral); err != nil {
		return nil, err
	}
	var got [macLen]byte
	if err := b64.DecodeFixed("MAC", got[:], m.MAC); err != nil {
		return nil, err
	}
	data, err := b64.Decode("ciphertext", m.Ciphertext)
	if err != nil {
		return nil, err
	}
	var keys cbc.Keys
	defer keys.Wipe()
	mac, err := derive(&keys, &d.pair.Secret, &ephemeral)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(mac[:macLen], got[:]) != 1 {
		return nil, fail.New(fail.MAC, "message to a public key")
	}
	return cbc.Decrypt(&keys, data)
}

// Pickle encrypts the key for storage. r nil is crypto/rand. The error has the
// class fail.Random.
func (d *Decryption) Pickle(r io.Reader, key *olm.PickleKey) ([]byte, error) {
	b := pickle.Begin(pickle.KindPk, 64)
	b = append(b, d.pair.Secret[:]...)
	b = append(b, d.pair.Public[:]...)
	return pickle.Seal(r, key.Secret(), b)
}

// UnpickleDecryption reads what Pickle wrote. Errors: fail.Version,
// fail.Format, fail.Size, fail.MAC.
func UnpickleDecryption(key *olm.PickleKey, data []byte) (*Decryption, error) {
	plain, err := pickle.Open(pickle.KindPk, key.Secret(), data)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	r := pickle.NewReader("backup key pickle", plain)
	d := new(Decryption)
	r.Bytes(d.pair.Secret[:])
	r.Bytes(d.pair.Public[:])
	if err := r.Done(); err != nil {
		return nil, err
	}
	return d, nil
}

// ToLibolm encrypts the key as libolm and vodozemac read it.
func (d *Decryption) ToLibolm(key []byte) string {
	b := pickle.AppendU32(nil, libolmDecryption)
	b = append(b, d.pair.Public[:]...)
	b = append(b, d.pair.Secret[:]...)
	defer clear(b)
	return pickle.SealLibolm(key, b)
}

// DecryptionFromLibolm reads a key that libolm or vodozemac wrote. Errors:
// fail.Encoding, fail.Format, fail.Size, fail.MAC, fail.Version.
func DecryptionFromLibolm(key []byte, text string) (*Decryption, error) {
	plain, err := pickle.OpenLibolm(key, text)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	r := pickle.NewReader("libolm backup key", plain)
	if r.U32() != libolmDecryption {
		return nil, fail.New(fail.Version, "libolm backup key")
	}
	var public, secret [32]byte
	defer clear(secret[:])
	r.Bytes(public[:])
	r.Bytes(secret[:])
	if err := r.Done(); err != nil {
		return nil, err
	}
	d := &Decryption{pair: curve.FromSecret(&secret)}
	if d.pair.Public != public {
		return nil, fail.New(fail.Format, "libolm backup key pair")
	}
	return d, nil
}

// Signing is a signing key made from a seed, such as a cross-signing key.
type Signing struct{ key *ed.Private }

// NewSigning makes a key. r nil is crypto/rand. The error has the class
// fail.Random.
func NewSigning(r io.Reader) (*Signing, error) {
	key, err := ed.Generate(r)
	if err != nil {
		return nil, err
	}
	return &Signing{key}, nil
}

// SigningFromSeed takes a seed of 32 bytes. Errors: fail.Format for another
// length. Compare Public with the published key before it is used.
func SigningFromSeed(seed []byte) (*Signing, error) {
	if len(seed) != 32 {
		return nil, fail.New(fail.Format, "signing seed length")
	}
	return &Signing{ed.FromSeed((*[32]byte)(seed))}, nil
}

// Public is the public key.
func (s *Signing) Public() olm.Ed25519Key { return olm.Ed25519Key(s.key.Public) }

// Seed is a copy of the seed.
func (s *Signing) Seed() [32]byte { return s.key.Seed }

// Sign signs a message; for JSON, the canonical form without "signatures" and
// "unsigned".
//
// Spec: client-server-api/modules/end_to_end_encryption#cross-signing
func (s *Signing) Sign(message []byte) (sig olm.Signature) {
	s.key.Sign((*[64]byte)(&sig), message)
	return sig
}

// Wipe clears the key, which can not be used after it.
func (s *Signing) Wipe() { s.key.Wipe() }

// String does not show the seed.
func (s *Signing) String() string { return "pk.Signing(" + s.Public().String() + ")" }

// GoString does not show the seed.
func (s *Signing) GoString() string { return s.String() }
