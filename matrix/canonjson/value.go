package canonjson

import (
	"bytes"
	"iter"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind is the type of a JSON value.
type Kind uint8

// The kinds of values; Absent is what a missing member gives.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// Value is the text of one JSON value that Append or Check has accepted, without
// white space around it; nil stands for one that is not there. It points into the
// text it was taken from and must not be changed. Reading allocates nothing but the
// strings it returns.
//
// On text that was never checked no method panics or loops; what it returns then
// means nothing.
type Value []byte

// Kind is the type of the value.
func (v Value) Kind() Kind {
	if len(v) == 0 {
		return Absent
	}
	switch v[0] {
	case 'n':
		return Null
	case 't', 'f':
		return Bool
	case '"':
		return String
	case '[':
		return Array
	case '{':
		return Object
	}
	return Number
}

// Exists reports whether there is a value, be it null.
func (v Value) Exists() bool { return len(v) > 0 }

// Get is the member of an object with the given key, nil if there is none or v
// is no object. O(length of v).
func (v Value) Get(key string) Value {
	for k, m := range v.Members() {
		if k.EqualStr(key) {
			return m
		}
	}
	return nil
}

// Path follows keys through nested objects.
func (v Value) Path(keys ...string) Value {
	for _, k := range keys {
		v = v.Get(k)
	}
	return v
}

// Str is the content of a string; ok is false if v is none. It allocates the
// result.
func (v Value) Str() (s string, ok bool) {
	raw, ok := v.inner()
	if !ok {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw), true
	}
	return string(unescape(make([]byte, 0, len(raw)), raw)), true
}

// EqualStr reports whether v is a string with this content.
func (v Value) EqualStr(s string) bool {
	raw, ok := v.inner()
	if !ok {
		return false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw) == s
	}
	if len(raw) < len(s) {
		return false
	}
	var buf [64]byte
	return string(unescape(buf[:0], raw)) == s
}

// AppendStr appends the content of a string to dst; ok is false if v is none.
func (v Value) AppendStr(dst []byte) (out []byte, ok bool) {
	raw, ok := v.inner()
	if !ok {
		return dst, false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return append(dst, raw...), true
	}
	return unescape(dst, raw), true
}

func (v Value) inner() ([]byte, bool) {
	if len(v) < 2 || v[0] != '"' || v[len(v)-1] != '"' {
		return nil, false
	}
	return v[1 : len(v)-1], true
}

// Int is the value of an integer within ±(2^53−1), written without fraction or
// exponent; ok is false for anything else.
func (v Value) Int() (n int64, ok bool) {
	if v.Kind() != Number || len(v) > 17 {
		return 0, false
	}
	digits, negative := v, v[0] == '-'
	if negative {
		digits = v[1:]
	}
	if len(digits) == 0 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if n > MaxInt {
		return 0, false
	}
	if negative {
		n = -n
	}
	return n, true
}

// Float is the value of any number; ok is false if v is none or beyond the range
// of a double.
func (v Value) Float() (f float64, ok bool) {
	if v.Kind() != Number {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(v), 64)
	return f, err == nil
}

// Bool is the value of true or false; ok is false for anything else.
func (v Value) Bool() (b, ok bool) {
	switch string(v) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// Len is the number of members or elements; 0 if v is no object or array.
func (v Value) Len() (n int) {
	switch v.Kind() {
	case Object:
		for range v.Members() {
			n++
		}
	case Array:
		for range v.Elems() {
			n++
		}
	}
	return n
}

// Members goes through the members of an object in the order of the text; keys
// are strings as they stand there. It is empty if v is no object.
func (v Value) Members() iter.Seq2[Value, Value] {
	return func(yield func(key, value Value) bool) {
		if v.Kind() != Object {
			return
		}
		i := skipSpace(v, 1)
		for i < len(v) && v[i] == '"' {
			keyEnd := skipString(v, i)
			key := v[i:keyEnd]
			i = skipSpace(v, keyEnd)
			if i >= len(v) || v[i] != ':' {
				return
			}
			i = skipSpace(v, i+1)
			end := skipValue(v, i)
			if end <= i || !yield(key, v[i:end:end]) {
				return
			}
			i = skipSpace(v, end)
			if i >= len(v) || v[i] != ',' {
				return
			}
			i = skipSpace(v, i+1)
		}
	}
}

// Elems goes through the elements of an array. It is empty if v is no array.
func (v Value) Elems() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != Array {
			return
		}
		i := skipSpace(v, 1)
		for i < len(v) && v[i] != ']' {
			end := skipValue(v, i)
			if end <= i || !yield(v[i:end:end]) {
				return
			}
			i = skipSpace(v, end)
			if i >= len(v) || v[i] != ',' {
				return
			}
			i = skipSpace(v, i+1)
		}
	}
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipString is the place after the string that starts at i.
func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// skipValue is the place after the value that starts at i. Nesting needs no
// stack: in checked text every bracket has its match.
func skipValue(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i = skipString(b, i)
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
			i++
		case ',', ':', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return i
			}
			i++
			continue
		default:
			for i < len(b) && !ends[b[i]] {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
	return len(b)
}

// ends marks the bytes that end a number or a literal.
var ends = func() (t [256]bool) {
	for _, c := range []byte(",:{}[] \"\n\r\t") {
		t[c] = true
	}
	return t
}()

// unescape appends the content of a string whose inside is raw.
func unescape(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		if raw[i] != '\\' || i+1 >= len(raw) {
			dst = append(dst, raw[i])
			i++
			continue
		}
		c := raw[i+1]
		i += 2
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, n := unicodeEscape(raw[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// unicodeEscape reads what follows \u, and a second escape of a pair.
func unicodeEscape(b []byte) (r rune, n int) {
	r, ok := hex4(b)
	if !ok {
		return utf8.RuneError, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 4
	}
	if len(b) >= 10 && b[4] == '\\' && b[5] == 'u' {
		if low, ok := hex4(b[6:]); ok {
			return utf16.DecodeRune(r, low), 10
		}
	}
	return utf8.RuneError, 4
}
