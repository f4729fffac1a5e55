// Package pickle has the containers of stored state: the byte layout that
// libolm and vodozemac write, libolm's encryption of it, and the library's own
// authenticated format.
//
// The own format of an object is
//
//	version (1) ‖ kind (1) ‖ salt (24) ‖ ciphertext ‖ tag (16)
//
// The cipher is AES-256-GCM under a key that HMAC-SHA-256 derives from the
// pickle key and everything in front of the ciphertext, with an all-zero
// nonce: no two objects share a key, so the number of objects under one pickle
// key is not limited by GCM's nonce. Version and kind are in the derivation,
// so that an object can not be passed off as one of another kind.
package pickle

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"io"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
	"github.com/hanse-im/hanse/e2ee/olm/internal/kdf"
)

// Kind tells what an own pickle holds.
type Kind byte

// The kinds.
const (
	KindAccount  Kind = 'A'
	KindSession  Kind = 'S'
	KindOutbound Kind = 'O'
	KindInbound  Kind = 'I'
	KindPk       Kind = 'P'
)

const (
	version  = 1
	saltLen  = 24
	headLen  = 2 + saltLen
	tagLen   = 16
	zeroSize = 12
)

// MaxSize is the size over which no pickle is read: an account with all the
// one-time keys that it may hold is a fifth of it.
const MaxSize = 2 << 20

// Begin returns a buffer for a plaintext of about size bytes, with room for
// the head and the tag. Append the plaintext to it and give it to Seal.
func Begin(kind Kind, size int) []byte {
	b := make([]byte, headLen, headLen+size+tagLen)
	b[0], b[1] = version, byte(kind)
	return b
}

// Seal encrypts what was appended to the buffer of Begin, in place.
func Seal(r io.Reader, key *[32]byte, b []byte) ([]byte, error) {
	if err := curve.Random(r, b[2:headLen]); err != nil {
		clear(b)
		return nil, err
	}
	gcm := aead(key, b[:headLen])
	var nonce [zeroSize]byte
	return gcm.Seal(b[:headLen], nonce[:], b[headLen:], nil), nil
}

// Open decrypts a pickle of the kind. The result is newly allocated; the
// caller wipes it. Errors: fail.Version, fail.Format, fail.Size, fail.MAC.
func Open(kind Kind, key *[32]byte, b []byte) ([]byte, error) {
	switch {
	case len(b) > MaxSize:
		return nil, fail.New(fail.Size, "pickle")
	case len(b) < headLen+tagLen:
		return nil, fail.New(fail.Format, "pickle length")
	case b[0] != version:
		return nil, fail.New(fail.Version, "pickle")
	case b[1] != byte(kind):
		return nil, fail.New(fail.Format, "pickle of another kind")
	}
	var nonce [zeroSize]byte
	plain, err := aead(key, b[:headLen]).Open(nil, nonce[:], b[headLen:], nil)
	if err != nil {
		return nil, fail.New(fail.MAC, "pickle")
	}
	return plain, nil
}

func aead(key *[32]byte, head []byte) cipher.AEAD {
	var d kdf.Deriver
	var sub [32]byte
	d.MAC(&sub, key, append([]byte("hanse pickle "), head...))
	d.Wipe()
	block, err := aes.NewCipher(sub[:])
	clear(sub[:])
	if err != nil {
		panic("pickle: the key has 32 bytes: " + err.Error())
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic("pickle: AES has blocks of 16 bytes: " + err.Error())
	}
	return gcm
}

// Reader reads fixed-size values from the front of a plaintext. After a
// failure every call gives zeros; Done tells of it.
type Reader struct {
	b    []byte
	what string
	bad  bool
}

// NewReader reads b; what names the object in errors.
func NewReader(what string, b []byte) *Reader { return &Reader{b: b, what: what} }

// Take returns the next n bytes, a part of the plaintext, or nil.
func (r *Reader) Take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

// Bytes fills out.
func (r *Reader) Bytes(out []byte) { copy(out, r.Take(len(out))) }

// U8 reads a byte.
func (r *Reader) U8() byte {
	if b := r.Take(1); b != nil {
		return b[0]
	}
	return 0
}

// Bool reads a byte that must be 0 or 1.
func (r *Reader) Bool() bool {
	b := r.U8()
	if b > 1 {
		r.bad = true
	}
	return b == 1
}

// U32 reads a big-endian 32-bit number.
func (r *Reader) U32() uint32 {
	if b := r.Take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// U64 reads a big-endian 64-bit number.
func (r *Reader) U64() uint64 {
	if b := r.Take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Count reads a 32-bit number of items of at least size bytes each, and fails
// if it is over limit or the rest could not hold so many.
func (r *Reader) Count(limit, size int) int {
	n := r.U32()
	if uint64(n) > uint64(limit) || uint64(n)*uint64(size) > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

// Fail marks the input as malformed.
func (r *Reader) Fail() { r.bad, r.b = true, nil }

// Failed tells whether a read failed so far.
func (r *Reader) Failed() bool { return r.bad }

// Done is nil if everything was read without failure and nothing is left.
// The error has the class fail.Format.
func (r *Reader) Done() error {
	if r.bad || len(r.b) != 0 {
		return fail.New(fail.Format, r.what)
	}
	return nil
}

// AppendU32 and AppendU64 append big-endian numbers, AppendBool a byte.
func AppendU32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }

// AppendU64 appends a big-endian 64-bit number.
func AppendU64(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }

// AppendBool appends 0 or 1.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}
