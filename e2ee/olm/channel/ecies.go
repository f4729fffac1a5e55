package channel

import (
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/binary"
	"io"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/hanse-im/hanse/e2ee/olm"
	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/b64"
	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
)

// ECIES is an ephemeral key that becomes one ECIES channel.
type ECIES struct {
	pair curve.Private
	info string
	used bool
}

// NewECIES makes a key for QR code login. r nil is crypto/rand. The error has
// the class fail.Random.
func NewECIES(r io.Reader) (*ECIES, error) { return NewECIESFor(r, loginInfo) }

// NewECIESFor makes a key for a use of its own, which info names. The error
// has the class fail.Random.
func NewECIESFor(r io.Reader, info string) (*ECIES, error) {
	pair, err := curve.Generate(r)
	if err != nil {
		return nil, err
	}
	return &ECIES{pair: pair, info: info}, nil
}

// Public is the public key.
func (e *ECIES) Public() olm.Curve25519Key { return olm.Curve25519Key(e.pair.Public) }

// String does not show the secret.
func (e *ECIES) String() string { return "channel.ECIES(" + e.Public().String() + ")" }

// GoString does not show the secret.
func (e *ECIES) GoString() string { return e.String() }

// ECIESChannel is an established channel.
type ECIESChannel struct {
	send, receive  [chacha20poly1305.KeySize]byte
	sent, received uint64
	code           CheckCode
}

// Outbound makes the channel of device S, which scanned the key of device G,
// and encrypts the first message into message. Errors: fail.Key, fail.State if
// the key was used, fail.Mismatch if the key is our own, fail.Size.
func (e *ECIES) Outbound(to olm.Curve25519Key, plaintext []byte) (c *ECIESChannel, message string, err error) {
	public := e.pair.Public
	c, err = e.establish(curve.Public(to), curve.Public(to), public)
	if err != nil {
		return nil, "", err
	}
	first, err := c.Encrypt(plaintext)
	if err != nil {
		return nil, "", err
	}
	return c, first + "|" + b64.Encode(public[:]), nil
}

// Inbound makes the channel of device G from the first message and decrypts
// it. Errors: fail.Format, fail.Encoding, fail.Size, fail.Key, fail.Mismatch,
// fail.MAC, fail.State if the key was used. A message that fails does not use
// up the key.
func (e *ECIES) Inbound(message string) (c *ECIESChannel, plaintext []byte, err error) {
	text, key, ok := strings.Cut(message, "|")
	if !ok {
		return nil, nil, fail.New(fail.Format, "first message of a channel")
	}
	from, err := olm.ParseCurve25519Key(key)
	if err != nil {
		return nil, nil, err
	}
	saved := *e
	c, err = e.establish(curve.Public(from), e.pair.Public, curve.Public(from))
	if err != nil {
		return nil, nil, err
	}
	c.send, c.receive = c.receive, c.send
	if plaintext, err = c.Decrypt(text); err != nil {
		c.Wipe()
		*e = saved
		return nil, nil, err
	}
	return c, plaintext, nil
}

// establish derives the keys as device S sees them and wipes the secret.
func (e *ECIES) establish(peer, g, s curve.Public) (*ECIESChannel, error) {
	switch {
	case e.used:
		return nil, fail.New(fail.State, "channel key used before")
	case peer == e.pair.Public:
		return nil, fail.New(fail.Mismatch, "channel key of the peer is ours")
	}
	var shared [32]byte
	defer clear(shared[:])
	if err := curve.Exchange(&shared, &e.pair.Secret, &peer); err != nil {
		return nil, err
	}
	keys := "|" + b64.Encode(g[:]) + "|" + b64.Encode(s[:])
	derive := func(out []byte, label string) {
		b, err := hkdf.Key(sha512.New, shared[:], nil, e.info+label+keys, len(out))
		if err != nil {
			panic("channel: HKDF gives up to 16,320 bytes: " + err.Error())
		}
		copy(out, b)
		clear(b)
	}
	c := new(ECIESChannel)
	derive(c.send[:], "_ENCKEY_S")
	derive(c.receive[:], "_ENCKEY_G")
	derive(c.code.bytes[:], "_CHECKCODE")
	e.pair.Wipe()
	e.used = true
	return c, nil
}

// CheckCode is the code of the channel.
func (c *ECIESChannel) CheckCode() CheckCode { return c.code }

// Encrypt encrypts the next message, as unpadded base64. The error has the
// class fail.Size.
func (c *ECIESChannel) Encrypt(plaintext []byte) (string, error) {
	if len(plaintext) > maxMessage/2 {
		return "", fail.New(fail.Size, "channel plaintext")
	}
	out := seal(&c.send, littleNonce(c.sent), nil, plaintext, nil)
	c.sent++
	return b64.Encode(out), nil
}

// Decrypt decrypts the next message. Errors: fail.Encoding, fail.Size,
// fail.MAC; the message may be tried again then.
func (c *ECIESChannel) Decrypt(message string) ([]byte, error) {
	data, err := decode(message)
	if err != nil {
		return nil, err
	}
	plain, err := open(&c.receive, littleNonce(c.received), data, nil)
	if err != nil {
		return nil, err
	}
	c.received++
	return plain, nil
}

// Wipe clears the keys.
func (c *ECIESChannel) Wipe() {
	clear(c.send[:])
	clear(c.receive[:])
}

// String does not show the keys.
func (c *ECIESChannel) String() string { return "channel.ECIESChannel" }

// GoString does not show the keys.
func (c *ECIESChannel) GoString() string { return c.String() }

// littleNonce counts messages, little-endian.
func littleNonce(n uint64) (nonce [chacha20poly1305.NonceSize]byte) {
	binary.LittleEndian.PutUint64(nonce[:], n)
	return nonce
}

func decode(message string) ([]byte, error) {
	if len(message) > maxMessage {
		return nil, fail.New(fail.Size, "channel message")
	}
	return b64.Decode("channel message", message)
}

func seal(key *[32]byte, nonce [12]byte, dst, plain, aad []byte) []byte {
	aead, err := chacha20poly1305.New(key[:])
	if err != nil {
		panic("channel: the key has 32 bytes: " + err.Error())
	}
	return aead.Seal(dst, nonce[:], plain, aad)
}

func open(key *[32]byte, nonce [12]byte, data, aad []byte) ([]byte, error) {
	aead, err := chacha20poly1305.New(key[:])
	if err != nil {
		panic("channel: the key has 32 bytes: " + err.Error())
	}
	plain, err := aead.Open(nil, nonce[:], data, aad)
	if err != nil {
		return nil, fail.New(fail.MAC, "channel message")
	}
	return plain, nil
}
