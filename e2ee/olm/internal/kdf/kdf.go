// Package kdf has the key derivations of Olm and Megolm: HMAC-SHA-256 with
// short messages, HKDF-SHA-256 with the few shapes that are needed, and a
// keyed HMAC over whole messages. It does the same as crypto/hmac and
// crypto/hkdf with no allocation per call, because a ratchet step is nothing
// but these.
//
// A Deriver holds working memory, and with it copies of the keys it saw last;
// Wipe clears what it can. A Deriver is not safe for concurrent use.
package kdf

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
)

const block = sha256.BlockSize

// Deriver computes HMACs and HKDFs. The zero value is ready for use.
type Deriver struct {
	h     hash.Hash
	save  encoding.BinaryAppender
	load  encoding.BinaryUnmarshaler
	fast  bool
	buf   [2 * block]byte
	inner [stateLen]byte
	outer [stateLen]byte
	state [stateLen]byte
}

// The marshaled state of a SHA-256 digest: a magic word, eight state words,
// the unfinished block, the length.
const (
	stateLen  = 4 + 32 + block + 8
	stateHead = 4
)

// statesReadable tells that a marshaled state has the layout above, which the
// fast path relies on to read a digest of whole blocks without the copy and
// padding that Sum makes. If a later Go changes the layout, the slow path
// computes the same values.
var statesReadable = checkStates()

func checkStates() bool {
	h := sha256.New()
	save, ok := h.(encoding.BinaryAppender)
	if _, ok2 := h.(encoding.BinaryUnmarshaler); !ok || !ok2 {
		return false
	}
	var in [block]byte
	copy(in[:], "abc\x80")
	in[block-1] = 24
	h.Write(in[:])
	state, err := save.AppendBinary(nil)
	if err != nil || len(state) != stateLen {
		return false
	}
	want := sha256.Sum256([]byte("abc"))
	return string(state[stateHead:stateHead+32]) == string(want[:])
}

func (d *Deriver) init() {
	if d.h != nil {
		return
	}
	d.h = sha256.New()
	if statesReadable {
		d.save = d.h.(encoding.BinaryAppender)
		d.load = d.h.(encoding.BinaryUnmarshaler)
		d.fast = true
	}
}

// Wipe clears the working memory. The digest inside the standard library is
// reset, which leaves parts of the last block behind; Go gives no way to it.
func (d *Deriver) Wipe() {
	clear(d.buf[:])
	clear(d.inner[:])
	clear(d.outer[:])
	clear(d.state[:])
	if d.h != nil {
		d.h.Reset()
		d.h.Write(d.buf[:])
		d.h.Reset()
	}
}

// setKey absorbs a key of at most 32 bytes and keeps the two HMAC states.
func (d *Deriver) setKey(key []byte) {
	d.init()
	d.pad(key, 0x36)
	if d.fast {
		d.h.Reset()
		d.h.Write(d.buf[:block])
		d.save.AppendBinary(d.inner[:0])
		d.pad(key, 0x5c)
		d.h.Reset()
		d.h.Write(d.buf[:block])
		d.save.AppendBinary(d.outer[:0])
		return
	}
	copy(d.inner[:], d.buf[:block])
	d.pad(key, 0x5c)
	copy(d.outer[:], d.buf[:block])
}

func (d *Deriver) pad(key []byte, with byte) {
	for i := range d.buf[:block] {
		d.buf[i] = with
	}
	for i, k := range key {
		d.buf[i] ^= k
	}
}

// begin starts a keyed computation; more data may follow through d.h.Write.
func (d *Deriver) begin() { d.restore(&d.inner) }

func (d *Deriver) restore(s *[stateLen]byte) {
	if d.fast {
		// An own state cannot be refused.
		_ = d.load.UnmarshalBinary(s[:])
		return
	}
	d.h.Reset()
	d.h.Write(s[:block])
}

// finish writes the HMAC of what followed begin.
func (d *Deriver) finish(out *[32]byte) {
	d.h.Sum(d.buf[:0])
	if !d.fast {
		copy(d.state[:], d.buf[:32])
		d.restore(&d.outer)
		d.h.Write(d.state[:32])
		d.h.Sum(d.buf[:0])
		copy(out[:], d.buf[:32])
		return
	}
	d.outerBlock(out)
}

// outerBlock finishes an HMAC whose inner hash is in d.buf[:32].
func (d *Deriver) outerBlock(out *[32]byte) {
	clear(d.buf[32:block])
	d.buf[32] = 0x80
	binary.BigEndian.PutUint64(d.buf[block-8:], (block+32)*8)
	d.restore(&d.outer)
	d.h.Write(d.buf[:block])
	d.readState(out[:])
}

func (d *Deriver) readState(out []byte) {
	d.save.AppendBinary(d.state[:0])
	copy(out, d.state[stateHead:stateHead+32])
}

// short computes the HMAC of m1 and m2, together at most 55 bytes, which with
// their padding are one block.
func (d *Deriver) short(m1, m2 []byte) (out [32]byte) {
	n := copy(d.buf[:block-9], m1)
	n += copy(d.buf[n:block-9], m2)
	if !d.fast {
		copy(d.buf[block:], d.buf[:n])
		d.begin()
		d.h.Write(d.buf[block : block+n])
		d.finish(&out)
		return out
	}
	clear(d.buf[n:block])
	d.buf[n] = 0x80
	binary.BigEndian.PutUint64(d.buf[block-8:], uint64(block+n)*8)
	d.restore(&d.inner)
	d.h.Write(d.buf[:block])
	d.readState(d.buf[:32])
	d.outerBlock(&out)
	return out
}

// Step sets out to HMAC-SHA-256(key, b). out may be key.
//
// Spec: olm-megolm/olm#advancing-the-chain-key, olm-megolm/megolm#advancing-the-ratchet
func (d *Deriver) Step(out, key *[32]byte, b byte) {
	d.init()
	if !d.fast {
		d.setKey(key[:])
		*out = d.short([]byte{b}, nil)
		return
	}
	d.stepInner(key, b)
	d.h.Reset()
	d.h.Write(d.buf[:])
	d.readState(d.buf[:32])
	for i, k := range key {
		d.buf[block+i] = d.buf[i]
		d.buf[i] = k ^ 0x5c
	}
	for i := 32; i < block; i++ {
		d.buf[i] = 0x5c
	}
	clear(d.buf[block+32:])
	d.buf[block+32] = 0x80
	binary.BigEndian.PutUint64(d.buf[2*block-8:], (block+32)*8)
	d.h.Reset()
	d.h.Write(d.buf[:])
	d.readState(out[:])
}

// stepInner lays out the two blocks of the inner hash.
func (d *Deriver) stepInner(key *[32]byte, b byte) {
	d.pad(key[:], 0x36)
	clear(d.buf[block:])
	d.buf[block] = b
	d.buf[block+1] = 0x80
	binary.BigEndian.PutUint64(d.buf[2*block-8:], (block+1)*8)
}

// Steps sets a to HMAC(key, ba) and then b to HMAC(key, bb), sharing the work
// that depends on the key. a and b may be key.
func (d *Deriver) Steps(a *[32]byte, ba byte, b *[32]byte, bb byte, key *[32]byte) {
	d.setKey(key[:])
	*a = d.short([]byte{ba}, nil)
	*b = d.short([]byte{bb}, nil)
}

// HKDF fills out with HKDF-SHA-256. salt has at most 32 bytes (nil is the
// default of zeros), info at most 22.
func (d *Deriver) HKDF(out, salt, ikm []byte, info string) {
	var zero, prk, t [32]byte
	if salt == nil {
		salt = zero[:]
	}
	d.setKey(salt)
	d.begin()
	for len(ikm) > 0 {
		n := copy(d.buf[:], ikm)
		d.h.Write(d.buf[:n])
		ikm = ikm[n:]
	}
	d.finish(&prk)
	d.setKey(prk[:])
	clear(prk[:])
	var label [24]byte
	n := copy(label[:], info)
	prev := t[:0]
	for i := byte(1); len(out) > 0; i++ {
		label[n] = i
		t = d.short(prev, label[:n+1])
		prev = t[:]
		out = out[copy(out, t[:]):]
	}
	clear(t[:])
}

// MAC sets out to HMAC-SHA-256 of the parts under a 32-byte key.
func (d *Deriver) MAC(out *[32]byte, key *[32]byte, parts ...[]byte) {
	d.setKey(key[:])
	d.begin()
	for _, p := range parts {
		d.h.Write(p)
	}
	d.finish(out)
}
