// Package canonjson is the JSON of Matrix: strict reading, canonical writing,
// signing.
//
// Whatever is signed, hashed or authorised passes through Append, which checks
// one JSON text byte by byte and writes its canonical form: keys in the order of
// their code points, no space, shortest escapes, integers only. Two programs that
// agree on the form agree on the hash. What the checks refuse is refused with the
// byte at which it stands.
//
// Value reads text that has been checked, lazily and without decoding it into
// maps. Marshal and Unmarshal are for Go values. Sign and Verify are for JSON
// objects; events have more to them and are signed by package event.
//
// The package does no I/O and keeps no state. Memory is a small multiple of the
// input; nesting is bounded by MaxDepth, so its recursion is too.
//
//	text, err := canonjson.Append(nil, body, canonjson.Strict)
//	v := canonjson.Value(text)
//	name, ok := v.Get("name").Str()
//
// Spec: appendices#canonical-json
package canonjson

import "fmt"

// MaxDepth is how deeply arrays and objects may be nested. Deeper text is
// refused: no event that people use comes near it.
const MaxDepth = 128

// maxText keeps offsets, also those of the longer canonical form, within 31 bits.
const maxText = 256 << 20

// Bounds of the integers that canonical JSON may hold: ±(2^53−1).
const (
	MaxInt int64 = 1<<53 - 1
	MinInt int64 = -MaxInt
)

// Mode says what becomes of JSON that is well-formed and not canonical by value.
type Mode uint8

const (
	// Strict refuses duplicate keys, numbers with a fraction or an exponent,
	// negative zero, and integers beyond ±(2^53−1). It is what room versions from
	// 6 on ask for.
	Strict Mode = iota
	// Lenient is for events of room versions 1 to 5, which must be taken as they
	// come: of duplicate keys the last one counts, integers may have any size, and
	// fractions are rewritten in the shortest form that reads back as the same
	// double, with an exponent from 1e16 up and below 1e-4. That is what the first
	// implementation writes, and its hashes are the ones on the network.
	Lenient
	// Normalize is Strict, but rewrites any spelling of an integer that canonical
	// JSON can hold: 1e10, 5.0, -0.
	Normalize
)

// SyntaxError says where and why a text was refused.
type SyntaxError struct {
	// Offset is the number of bytes before the offending one.
	Offset int64
	// Reason is for people: "duplicate key", "lone surrogate" …
	Reason string
}

// Error gives the reason with its place.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("JSON at byte %d: %s", e.Offset, e.Reason)
}

// Append appends the canonical encoding of src, which must be one JSON value
// with optional white space around it, and returns the extended buffer. On error
// it returns nil and a *SyntaxError; dst's content beyond its length is then
// undefined. dst must not overlap src. O(n log n) in the worst case, O(n) and at
// most two allocations for keys that are in order.
//
// Spec: appendices#canonical-json
func Append(dst, src []byte, mode Mode) ([]byte, error) {
	e := encoder{src: src, mode: mode}
	if dst == nil {
		dst = make([]byte, 0, len(src))
	}
	e.dst, e.base = dst, len(dst)
	if len(src) > maxText {
		e.fail(0, "text beyond 256 MiB")
		return nil, e.err
	}
	e.space()
	if !e.value(0) {
		return nil, e.err
	}
	e.space()
	if e.pos < len(e.src) {
		e.fail(e.pos, "text after the value")
		return nil, e.err
	}
	return e.dst, nil
}

// Check reports whether Append would accept src: nil or a *SyntaxError.
func Check(src []byte, mode Mode) error {
	_, err := Append(nil, src, mode)
	return err
}
