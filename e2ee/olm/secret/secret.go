// Package secret has the primitives of secret storage: the keys that secrets
// are encrypted under, the texts and passphrases that users know them by, and
// the files that room keys are exported to.
//
// What it never does: read or write account data, or decide which key is the
// default. A Key whose check is absent is accepted by Check, as the
// specification demands; the caller should then compare what it decrypts with
// something public.
//
// The encryption does not authenticate the IV (the formats are as they are);
// do not tell a sender what became of what was decrypted. Keys print as their
// name alone and are safe for concurrent use until Wipe.
//
//	key, _ := secret.NewKey(nil)
//	show(key.RecoveryKey())
//	enc, _ := key.Encrypt(nil, "m.cross_signing.master", seed)
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"io"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/b64"
	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
)

// Key is a secret storage key.
type Key struct{ k [32]byte }

// NewKey makes a random key. r nil is crypto/rand. The error has the class
// fail.Random.
func NewKey(r io.Reader) (*Key, error) {
	k := new(Key)
	return k, curve.Random(r, k.k[:])
}

// KeyFromBytes takes a key of 32 bytes. Errors: fail.Format for another length.
func KeyFromBytes(b []byte) (*Key, error) {
	k := new(Key)
	if len(b) != len(k.k) {
		return nil, fail.New(fail.Format, "secret storage key length")
	}
	copy(k.k[:], b)
	return k, nil
}

// Bytes is a copy of the key.
func (k *Key) Bytes() [32]byte { return k.k }

// Wipe clears the key.
func (k *Key) Wipe() { clear(k.k[:]) }

// String does not show the key.
func (Key) String() string { return "secret.Key" }

// GoString does not show the key.
func (Key) GoString() string { return "secret.Key" }

// The limits on PBKDF2. What a server stored says how long a client computes.
const (
	// MaxIterations is over what any client uses; it is a few seconds of time.
	MaxIterations = 10_000_000
	// DefaultIterations is what new passphrases are derived with.
	DefaultIterations = 500_000
)

// Passphrase is the "passphrase" of a key description: how the key comes from
// a passphrase.
//
// Spec: client-server-api/modules/secrets#deriving-keys-from-passphrases
type Passphrase struct {
	Algorithm  string `json:"algorithm"`
	Salt       string `json:"salt"`
	Iterations int    `json:"iterations"`
	// Bits is 256 if it is 0.
	Bits int `json:"bits,omitempty"`
}

const pbkdf2Name = "m.pbkdf2"

// NewPassphrase chooses a salt for a new passphrase. The error has the class
// fail.Random.
func NewPassphrase(r io.Reader) (Passphrase, error) {
	var salt [24]byte
	err := curve.Random(r, salt[:])
	return Passphrase{Algorithm: pbkdf2Name, Salt: b64.Encode(salt[:]), Iterations: DefaultIterations}, err
}

// Derive makes the key of a passphrase. Errors: fail.Version for another
// algorithm, fail.Size for iterations out of range, fail.Format for another
// number of bits than 256. About 0.2 s for DefaultIterations.
func (p Passphrase) Derive(passphrase string) (*Key, error) {
	switch {
	case p.Algorithm != pbkdf2Name:
		return nil, fail.New(fail.Version, "passphrase algorithm")
	case p.Iterations < 1 || p.Iterations > MaxIterations:
		return nil, fail.New(fail.Size, "passphrase iterations")
	case p.Bits != 0 && p.Bits != 256:
		return nil, fail.New(fail.Format, "passphrase bits")
	}
	b, err := pbkdf2.Key(sha512.New, passphrase, []byte(p.Salt), p.Iterations, 32)
	if err != nil {
		return nil, fail.New(fail.Format, "passphrase")
	}
	defer clear(b)
	return KeyFromBytes(b)
}

// Check is the "iv" and "mac" of a key description, by which a key that was
// typed in is recognised.
//
// Spec: client-server-api/modules/secrets#msecret_storagev1aes-hmac-sha2
type Check struct {
	IV  string `json:"iv,omitempty"`
	MAC string `json:"mac,omitempty"`
}

// NewCheck makes the check of the key. The error has the class fail.Random.
func (k *Key) NewCheck(r io.Reader) (Check, error) {
	e, err := k.Encrypt(r, "", make([]byte, 32))
	return Check{IV: e.IV, MAC: e.MAC}, err
}

// Check tells whether this is the key that the check was made with. A check
// that is absent accepts every key; checked is false then. Errors: fail.MAC
// for another key, fail.Encoding, fail.Format.
func (k *Key) Check(c Check) (checked bool, err error) {
	if c.IV == "" && c.MAC == "" {
		return false, nil
	}
	var iv [16]byte
	if err := b64.DecodeFixed("key check IV", iv[:], c.IV); err != nil {
		return false, err
	}
	var got [32]byte
	if err := b64.DecodeFixed("key check MAC", got[:], c.MAC); err != nil {
		return false, err
	}
	var data [32]byte
	mac := k.seal("", &iv, data[:])
	if subtle.ConstantTimeCompare(mac[:], got[:]) != 1 {
		return false, fail.New(fail.MAC, "secret storage key")
	}
	return true, nil
}

// Encrypted is a secret under one key: AesHmacSha2EncryptedData.
type Encrypted struct {
	IV         string `json:"iv"`
	Ciphertext string `json:"ciphertext"`
	MAC        string `json:"mac"`
}

// Encrypt encrypts a secret under its name, which is its account data type.
// The error has the class fail.Random.
//
// Spec: client-server-api/modules/secrets#msecret_storagev1aes-hmac-sha2
func (k *Key) Encrypt(r io.Reader, name string, secret []byte) (Encrypted, error) {
	var iv [16]byte
	if err := newIV(r, &iv); err != nil {
		return Encrypted{}, err
	}
	data := append([]byte(nil), secret...)
	mac := k.seal(name, &iv, data)
	return Encrypted{IV: b64.Encode(iv[:]), Ciphertext: b64.Encode(data), MAC: b64.Encode(mac[:])}, nil
}

// newIV is random but for bit 63, in which implementations of CTR differ.
func newIV(r io.Reader, iv *[16]byte) error {
	err := curve.Random(r, iv[:])
	iv[8] &= 0x7f
	return err
}

// Decrypt decrypts a secret under its name. Errors: fail.MAC for another key
// or name, fail.Encoding, fail.Format.
func (k *Key) Decrypt(name string, e Encrypted) ([]byte, error) {
	var iv [16]byte
	if err := b64.DecodeFixed("secret IV", iv[:], e.IV); err != nil {
		return nil, err
	}
	var got [32]byte
	if err := b64.DecodeFixed("secret MAC", got[:], e.MAC); err != nil {
		return nil, err
	}
	data, err := b64.Decode("secret", e.Ciphertext)
	if err != nil {
		return nil, err
	}
	keys := k.derive(name)
	defer clear(keys[:])
	mac := macOf(&keys, data)
	if subtle.ConstantTimeCompare(mac[:], got[:]) != 1 {
		return nil, fail.New(fail.MAC, "secret")
	}
	ctr(keys[:32], &iv, data)
	return data, nil
}

// seal encrypts data in place under the keys of the name and returns the MAC of
// the ciphertext.
func (k *Key) seal(name string, iv *[16]byte, data []byte) [32]byte {
	keys := k.derive(name)
	defer clear(keys[:])
	ctr(keys[:32], iv, data)
	return macOf(&keys, data)
}

// derive makes the AES and the MAC key of a secret's name.
func (k *Key) derive(name string) (keys [64]byte) {
	b, err := hkdf.Key(sha256.New, k.k[:], make([]byte, 32), name, len(keys))
	if err != nil {
		panic("secret: HKDF gives up to 8,160 bytes: " + err.Error())
	}
	copy(keys[:], b)
	clear(b)
	return keys
}

func macOf(keys *[64]byte, ciphertext []byte) (mac [32]byte) {
	h := hmac.New(sha256.New, keys[32:])
	h.Write(ciphertext)
	h.Sum(mac[:0])
	return mac
}

func ctr(key []byte, iv *[16]byte, data []byte) {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("secret: the key has 32 bytes: " + err.Error())
	}
	cipher.NewCTR(block, iv[:]).XORKeyStream(data, data)
}
