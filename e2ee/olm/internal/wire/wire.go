// Package wire reads and writes the payloads of Olm and Megolm messages: a
// sequence of integer tags with integers or strings behind them, a part of
// the Protocol Buffers encoding.
//
// It is strict: a field that is unknown or comes twice, an integer that is
// longer than it needs to be or does not fit, and anything left over are
// refused. What our peers write is never like that, and a message that has
// two readings is an attack or a fault.
//
// Spec: olm-megolm/olm#the-olm-message-format, olm-megolm/megolm#message-format
package wire

import "github.com/hanse-im/hanse/e2ee/olm/fail"

// AppendInt appends a tag and an integer.
func AppendInt(dst []byte, tag byte, v uint32) []byte {
	return appendVarint(append(dst, tag), uint64(v))
}

// AppendString appends a tag and a string.
func AppendString(dst []byte, tag byte, s []byte) []byte {
	return append(AppendLen(dst, tag, len(s)), s...)
}

// AppendLen appends a tag and the length of a string that the caller appends.
func AppendLen(dst []byte, tag byte, n int) []byte {
	return appendVarint(append(dst, tag), uint64(n))
}

func appendVarint(dst []byte, v uint64) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

// SizeInt is the encoded size of a tag and v.
func SizeInt(v uint64) int {
	n := 2
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

// SizeString is the encoded size of a tag and a string of n bytes.
func SizeString(n int) int { return SizeInt(uint64(n)) + n }

// Reader reads one payload. After a failure every further call does nothing;
// Err tells of it.
type Reader struct {
	rest []byte
	seen uint32
	what string
	err  error
}

// NewReader reads payload; what names the kind of message in errors.
func NewReader(what string, payload []byte) Reader {
	return Reader{rest: payload, what: what}
}

// Err is the first failure, of class fail.Format.
func (r *Reader) Err() error { return r.err }

func (r *Reader) refuse(why string) {
	if r.err == nil {
		r.err = fail.New(fail.Format, r.what+": "+why)
	}
	r.rest = nil
}

// Next returns the tag of the next field, and false at the end and after a
// failure. A tag that came before is a failure.
func (r *Reader) Next() (tag byte, ok bool) {
	if len(r.rest) == 0 {
		return 0, false
	}
	tag = r.rest[0]
	r.rest = r.rest[1:]
	// The tags of both protocols are below 0x40 and one byte long.
	number := tag >> 3
	if number > 7 || number == 0 {
		r.refuse("unknown field")
		return 0, false
	}
	if r.seen>>number&1 != 0 {
		r.refuse("repeated field")
		return 0, false
	}
	r.seen |= 1 << number
	return tag, true
}

// Unknown refuses the tag that Next returned.
func (r *Reader) Unknown() { r.refuse("unknown field") }

// Int reads the integer of a field.
func (r *Reader) Int() uint32 {
	v := r.varint()
	if v > 1<<32-1 {
		r.refuse("integer too large")
		return 0
	}
	return uint32(v)
}

// String reads the string of a field, a part of the payload.
func (r *Reader) String() []byte {
	n := r.varint()
	if n > uint64(len(r.rest)) {
		r.refuse("string longer than the message")
		return nil
	}
	s := r.rest[:n:n]
	r.rest = r.rest[n:]
	return s
}

// Key reads a string of 32 bytes.
func (r *Reader) Key(out *[32]byte) {
	s := r.String()
	if r.err == nil && len(s) != len(out) {
		r.refuse("key length")
	}
	copy(out[:], s)
}

func (r *Reader) varint() uint64 {
	var v uint64
	for i, b := range r.rest {
		if i == 5 {
			break
		}
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			if b == 0 && i > 0 {
				break
			}
			r.rest = r.rest[i+1:]
			return v
		}
	}
	r.refuse("bad integer")
	return 0
}

// Require refuses the payload unless each of the tags came.
func (r *Reader) Require(tags ...byte) {
	for _, tag := range tags {
		if r.err == nil && r.seen>>(tag>>3)&1 == 0 {
			r.refuse("missing field")
		}
	}
}
