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

// The pads of HMAC, eight bytes of each.
const (
	innerPad = 0x3636363636363636
	outerPad = 0x5c5c5c5c5c5c5c5c
)

// pad sets the first block of buf to the key XOR a pad.
func (d *Deriver) pad(key *[32]byte, with uint64) {
	for i := 0; i < 32; i += 8 {
		binary.LittleEndian.PutUint64(d.buf[i:], binary.LittleEndian.Uint64(key[i:])^with)
		binary.LittleEndian.PutUint64(d.buf[i+32:], with)
	}
}

// setKey absorbs a key and keeps the two HMAC states.
func (d *Deriver) setKey(key *[32]byte) {
	d.init()
	d.pad(key, innerPad)
	if d.fast {
		d.h.Reset()
		d.h.Write(d.buf[:block])
		d.save.AppendBinary(d.inner[:0])
		d.pad(key, outerPad)
		d.h.Reset()
		d.h.Write(d.buf[:block])
		d.save.AppendBinary(d.outer[:0])
		return
	}
	copy(d.inner[:], d.buf[:block])
	d.pad(key, outerPad)
	copy(d.outer[:], d.buf[:block])
}

// zeroSalt are the HMAC states of the key that HKDF uses for want of a salt.
var zeroSalt = func() (s struct{ inner, outer [stateLen]byte }) {
	var d Deriver
	d.setKey(new([32]byte))
	s.inner, s.outer = d.inner, d.outer
	return s
}()

func (d *Deriver) restore(s *[stateLen]byte) {
	if d.fast {
		// An own state cannot be refused.
		_ = d.load.UnmarshalBinary(s[:])
		return
	}
	d.h.Reset()
	d.h.Write(s[:block])
}

// readState reads a digest of whole blocks.
func (d *Deriver) readState(out []byte) {
	d.save.AppendBinary(d.state[:0])
	copy(out, d.state[stateHead:stateHead+32])
}

// finish sets out to the HMAC of a message of n bytes under the key that was
// set. All but its tail, of less than a block, was written to d.h after
// restoring the inner state; the tail is at the front of d.buf.
func (d *Deriver) finish(out *[32]byte, n int) {
	tail := n % block
	if !d.fast {
		d.h.Write(d.buf[:tail])
		d.h.Sum(d.state[:0])
		d.restore(&d.outer)
		d.h.Write(d.state[:32])
		d.h.Sum(d.state[:0])
		copy(out[:], d.state[:32])
		return
	}
	end := block
	if tail > block-9 {
		end = 2 * block
	}
	clear(d.buf[tail:end])
	d.buf[tail] = 0x80
	binary.BigEndian.PutUint64(d.buf[end-8:], uint64(block+n)*8)
	d.h.Write(d.buf[:end])
	d.readState(d.buf[:32])
	clear(d.buf[32:block])
	d.buf[32] = 0x80
	binary.BigEndian.PutUint64(d.buf[block-8:], (block+32)*8)
	d.restore(&d.outer)
	d.h.Write(d.buf[:block])
	d.readState(out[:])
}

// short computes the HMAC of m1 and m2, together less than a block.
func (d *Deriver) short(m1, m2 []byte) (out [32]byte) {
	d.restore(&d.inner)
	n := copy(d.buf[:], m1)
	n += copy(d.buf[n:], m2)
	d.finish(&out, n)
	return out
}

// Step sets out to HMAC-SHA-256(key, b). out may be key.
//
// Spec: olm-megolm/olm#advancing-the-chain-key, olm-megolm/megolm#advancing-the-ratchet
func (d *Deriver) Step(out, key *[32]byte, b byte) {
	d.init()
	if !d.fast {
		d.setKey(key)
		*out = d.short([]byte{b}, nil)
		return
	}
	// Key block and message block in one go, twice.
	d.pad(key, innerPad)
	d.secondBlock(1)
	d.buf[block] = b
	d.h.Reset()
	d.h.Write(d.buf[:])
	d.save.AppendBinary(d.state[:0])
	d.pad(key, outerPad)
	d.secondBlock(32)
	copy(d.buf[block:], d.state[stateHead:stateHead+32])
	d.h.Reset()
	d.h.Write(d.buf[:])
	d.readState(out[:])
}

// secondBlock lays out the padding behind n bytes, at most 32, of the second
// block.
func (d *Deriver) secondBlock(n int) {
	clear(d.buf[block:])
	d.buf[block+n] = 0x80
	binary.BigEndian.PutUint64(d.buf[2*block-8:], uint64(block+n)*8)
}

// Steps sets a to HMAC(key, ba) and then b to HMAC(key, bb), sharing the work
// that depends on the key. a and b may be key.
func (d *Deriver) Steps(a *[32]byte, ba byte, b *[32]byte, bb byte, key *[32]byte) {
	d.setKey(key)
	*a = d.short([]byte{ba}, nil)
	*b = d.short([]byte{bb}, nil)
}

// HKDF fills out with HKDF-SHA-256. salt nil is the default of zeros; info has
// at most 22 bytes.
func (d *Deriver) HKDF(out []byte, salt *[32]byte, ikm []byte, info string) {
	var prk, t [32]byte
	if salt == nil {
		d.init()
		d.inner, d.outer = zeroSalt.inner, zeroSalt.outer
		if !d.fast {
			d.setKey(&prk)
		}
	} else {
		d.setKey(salt)
	}
	d.message(&prk, ikm)
	d.setKey(&prk)
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

// message sets out to the HMAC of msg under the key that was set. What msg
// points to does not escape: it is copied in pieces, or written whole by MAC.
func (d *Deriver) message(out *[32]byte, msg []byte) {
	d.restore(&d.inner)
	n := len(msg)
	for len(msg) >= block {
		k := copy(d.buf[:], msg[:min(len(msg)/block, 2)*block])
		d.h.Write(d.buf[:k])
		msg = msg[k:]
	}
	copy(d.buf[:], msg)
	d.finish(out, n)
}

// MAC sets out to HMAC-SHA-256 of a message.
func (d *Deriver) MAC(out *[32]byte, key *[32]byte, msg []byte) {
	d.setKey(key)
	d.restore(&d.inner)
	whole := len(msg) / block * block
	d.h.Write(msg[:whole])
	copy(d.buf[:], msg[whole:])
	d.finish(out, len(msg))
}
