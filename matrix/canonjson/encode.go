package canonjson

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// encoder walks over src once, checks it and writes dst. Its methods report
// whether to go on; err says why not.
type encoder struct {
	src  []byte
	pos  int
	dst  []byte
	mode Mode
	err  *SyntaxError
	// base is the length of dst when Append began.
	base int
	// members is a stack: each open object has its members on top.
	members []member
	// spare holds an object's bytes while its members are put in order.
	spare []byte
}

// member is one "key":value in dst.
type member struct {
	start  int32 // of the key's opening quote in dst, from where Append began
	keyEnd int32 // after the closing quote
	end    int32 // after the value
	src    int32 // of the key in src
}

func (e *encoder) fail(at int, reason string) bool {
	if e.err == nil {
		e.err = &SyntaxError{Offset: int64(at), Reason: reason}
	}
	return false
}

func (e *encoder) space() {
	for e.pos < len(e.src) {
		switch e.src[e.pos] {
		case ' ', '\t', '\n', '\r':
			e.pos++
		default:
			return
		}
	}
}

func (e *encoder) peek() byte {
	if e.pos < len(e.src) {
		return e.src[e.pos]
	}
	return 0
}

func (e *encoder) value(depth int) bool {
	switch c := e.peek(); {
	case c == '"':
		return e.string()
	case c == '{' || c == '[':
		if depth == MaxDepth {
			return e.fail(e.pos, "nested too deeply")
		}
		if c == '{' {
			return e.object(depth)
		}
		return e.array(depth)
	case c == 't':
		return e.literal("true")
	case c == 'f':
		return e.literal("false")
	case c == 'n':
		return e.literal("null")
	case c == '-' || (c >= '0' && c <= '9'):
		return e.number()
	case e.pos >= len(e.src):
		return e.fail(e.pos, "the text ends where a value should be")
	}
	return e.fail(e.pos, "no value can start like this")
}

func (e *encoder) literal(word string) bool {
	if !bytes.HasPrefix(e.src[e.pos:], []byte(word)) {
		return e.fail(e.pos, "no value can start like this")
	}
	e.pos += len(word)
	e.dst = append(e.dst, word...)
	return true
}

func (e *encoder) array(depth int) bool {
	e.pos++
	e.dst = append(e.dst, '[')
	e.space()
	if e.peek() == ']' {
		e.pos++
		e.dst = append(e.dst, ']')
		return true
	}
	for {
		e.space()
		if !e.value(depth + 1) {
			return false
		}
		e.space()
		switch e.peek() {
		case ',':
			e.pos++
			e.dst = append(e.dst, ',')
		case ']':
			e.pos++
			e.dst = append(e.dst, ']')
			return true
		default:
			return e.fail(e.pos, "an array goes on with a comma or ends with ]")
		}
	}
}

func (e *encoder) object(depth int) bool {
	e.pos++
	e.dst = append(e.dst, '{')
	first, body := len(e.members), e.here()
	sorted := true
	e.space()
	if e.peek() == '}' {
		e.pos++
		e.dst = append(e.dst, '}')
		return true
	}
	for {
		e.space()
		if e.peek() != '"' {
			return e.fail(e.pos, "an object's key must be a string")
		}
		m := member{start: e.here(), src: int32(e.pos)}
		if !e.string() {
			return false
		}
		m.keyEnd = e.here()
		if n := len(e.members); n > first && sorted {
			order := e.compareKeys(e.members[n-1], m)
			if order == 0 && e.mode != Lenient {
				return e.fail(int(m.src), "duplicate key")
			}
			sorted = order < 0
		}
		e.space()
		if e.peek() != ':' {
			return e.fail(e.pos, "a key is followed by a colon")
		}
		e.pos++
		e.dst = append(e.dst, ':')
		e.space()
		if !e.value(depth + 1) {
			return false
		}
		m.end = e.here()
		if e.members == nil {
			e.members = make([]member, 0, 32)
		}
		e.members = append(e.members, m)
		e.space()
		switch e.peek() {
		case ',':
			e.pos++
			e.dst = append(e.dst, ',')
			continue
		case '}':
		default:
			return e.fail(e.pos, "an object goes on with a comma or ends with }")
		}
		e.pos++
		if !sorted && !e.reorder(e.members[first:], body) {
			return false
		}
		e.members = e.members[:first]
		e.dst = append(e.dst, '}')
		return true
	}
}

// reorder puts the members of one object, whose bytes start at body, in order.
func (e *encoder) reorder(members []member, body int32) bool {
	slices.SortStableFunc(members, e.compareKeys)
	e.spare = append(e.spare[:0], e.dst[e.base+int(body):]...)
	// Find duplicates before dst is overwritten: compareKeys reads it.
	kept := members[:0]
	for i, m := range members {
		if i+1 < len(members) && e.compareKeys(m, members[i+1]) == 0 {
			if e.mode != Lenient {
				return e.fail(int(members[i+1].src), "duplicate key")
			}
			continue // the last one counts
		}
		kept = append(kept, m)
	}
	e.dst = e.dst[:e.base+int(body)]
	for i, m := range kept {
		if i > 0 {
			e.dst = append(e.dst, ',')
		}
		e.dst = append(e.dst, e.spare[m.start-body:m.end-body]...)
	}
	return true
}

// here is the length of what was written, from where Append began.
func (e *encoder) here() int32 { return int32(len(e.dst) - e.base) }

// key is the inside of a member's key as it stands in dst.
func (e *encoder) key(m member) []byte {
	return e.dst[e.base+int(m.start)+1 : e.base+int(m.keyEnd)-1]
}

// compareKeys orders members by the code points of their keys. The order of
// UTF-8 bytes is the order of code points; escapes must be undone first.
func (e *encoder) compareKeys(a, b member) int {
	x, y := e.key(a), e.key(b)
	if bytes.IndexByte(x, '\\') < 0 && bytes.IndexByte(y, '\\') < 0 {
		return bytes.Compare(x, y)
	}
	return bytes.Compare(unescape(nil, x), unescape(nil, y))
}

// plain marks the bytes that stand in a string as they are: ASCII but controls,
// quotes and backslashes.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x80; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

func (e *encoder) string() bool {
	start := e.pos
	e.pos++
	run := e.pos
	e.dst = append(e.dst, '"')
	for e.pos < len(e.src) {
		c := e.src[e.pos]
		if plain[c] {
			e.pos++
			continue
		}
		switch {
		case c == '"':
			e.dst = append(append(e.dst, e.src[run:e.pos]...), '"')
			e.pos++
			return true
		case c == '\\':
			e.dst = append(e.dst, e.src[run:e.pos]...)
			if !e.escape() {
				return false
			}
			run = e.pos
		case c < 0x20:
			return e.fail(e.pos, "control character in a string")
		default:
			r, n := utf8.DecodeRune(e.src[e.pos:])
			if r == utf8.RuneError && n == 1 {
				return e.fail(e.pos, "invalid UTF-8")
			}
			e.pos += n
		}
	}
	return e.fail(start, "string without end")
}

// escape reads one escape sequence, or two that are a surrogate pair.
func (e *encoder) escape() bool {
	at := e.pos
	if at+1 >= len(e.src) {
		return e.fail(at, "string without end")
	}
	c := e.src[at+1]
	e.pos += 2
	switch c {
	case '"', '\\', '/':
		e.dst = appendRune(e.dst, rune(c))
		return true
	case 'b', 'f', 'n', 'r', 't':
		e.dst = append(e.dst, '\\', c)
		return true
	case 'u':
	default:
		return e.fail(at, "unknown escape")
	}
	r, ok := hex4(e.src[e.pos:])
	if !ok {
		return e.fail(at, `\u needs four hexadecimal digits`)
	}
	e.pos += 4
	if utf16.IsSurrogate(r) {
		var low rune
		ok := false
		if rest := e.src[e.pos:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
			low, ok = hex4(rest[2:])
		}
		pair := utf16.DecodeRune(r, low)
		if !ok || pair == utf8.RuneError {
			return e.fail(at, "lone surrogate")
		}
		r = pair
		e.pos += 6
	}
	e.dst = appendRune(e.dst, r)
	return true
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// appendRune writes one character of a string in its shortest form.
func appendRune(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, `\b`...)
	case '\t':
		return append(dst, `\t`...)
	case '\n':
		return append(dst, `\n`...)
	case '\f':
		return append(dst, `\f`...)
	case '\r':
		return append(dst, `\r`...)
	}
	if r < 0x20 {
		const digits = "0123456789abcdef"
		return append(dst, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
	}
	return utf8.AppendRune(dst, r)
}

// number checks the grammar and writes the canonical form.
func (e *encoder) number() bool {
	start := e.pos
	if e.peek() == '-' {
		e.pos++
	}
	digits := e.pos
	e.digits()
	switch n := e.pos - digits; {
	case n == 0:
		return e.fail(e.pos, "a digit must follow")
	case n > 1 && e.src[digits] == '0':
		return e.fail(digits, "number with a leading zero")
	}
	integer := true
	if e.peek() == '.' {
		integer = false
		e.pos++
		if e.digits() == 0 {
			return e.fail(e.pos, "a digit must follow")
		}
	}
	if c := e.peek(); c == 'e' || c == 'E' {
		integer = false
		e.pos++
		if c := e.peek(); c == '+' || c == '-' {
			e.pos++
		}
		if e.digits() == 0 {
			return e.fail(e.pos, "a digit must follow")
		}
	}
	text := e.src[start:e.pos]
	if integer && string(text) != "-0" {
		if e.mode != Lenient && !fits(text) {
			return e.fail(start, "integer beyond ±(2^53−1)")
		}
		e.dst = append(e.dst, text...)
		return true
	}
	return e.odd(start, text, integer)
}

func (e *encoder) digits() (n int) {
	for e.pos < len(e.src) && e.src[e.pos] >= '0' && e.src[e.pos] <= '9' {
		e.pos++
		n++
	}
	return n
}

// fits reports whether an integer that is well-formed is within bounds.
func fits(text []byte) bool {
	if len(text) < 16 {
		return true
	}
	if text[0] == '-' {
		text = text[1:]
	}
	if len(text) != 16 {
		return len(text) < 16
	}
	return string(text) <= "9007199254740991"
}

// odd writes a number that is not a plain integer, as the mode says.
func (e *encoder) odd(start int, text []byte, integer bool) bool {
	switch e.mode {
	case Strict:
		if integer {
			return e.fail(start, "negative zero")
		}
		return e.fail(start, "number with a fraction or an exponent")
	case Lenient:
		if integer {
			e.dst = append(e.dst, '0')
			return true
		}
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return e.fail(start, "number beyond the range of a double")
	}
	if e.mode == Normalize {
		if f != math.Trunc(f) || math.Abs(f) > float64(MaxInt) || !exactInteger(text) {
			return e.fail(start, "number that is no integer within ±(2^53−1)")
		}
		e.dst = strconv.AppendInt(e.dst, int64(f), 10)
		return true
	}
	e.dst = appendDouble(e.dst, f)
	return true
}

// exactInteger reports whether a well-formed number has no digits behind the
// decimal point once the exponent is applied; the double alone cannot tell, it
// may have been rounded. Only called for values up to 2^53 in size, and for tiny
// ones, which are no integers unless they are zero.
func exactInteger(text []byte) bool {
	mantissa, exp, _ := bytes.Cut(bytes.ToLower(text), []byte("e"))
	shift, err := strconv.Atoi(string(exp))
	if err != nil && len(exp) > 0 {
		shift = math.MinInt32 // out of range: only zero can have become 0
		if exp[0] != '-' {
			shift = math.MaxInt32
		}
	}
	whole, fraction, _ := bytes.Cut(bytes.TrimPrefix(mantissa, []byte("-")), []byte("."))
	digits := append(slices.Clone(whole), fraction...)
	point := len(whole) + shift // digits from here on are behind the point
	if point >= len(digits) {
		return true
	}
	for _, c := range digits[max(point, 0):] {
		if c != '0' {
			return false
		}
	}
	return point >= 0 || len(bytes.Trim(digits, "0")) == 0
}

// appendDouble writes a finite double as Lenient says.
func appendDouble(dst []byte, f float64) []byte {
	if f == 0 {
		if math.Signbit(f) {
			dst = append(dst, '-')
		}
		return append(dst, "0.0"...)
	}
	if size := math.Abs(f); size >= 1e16 || size < 1e-4 {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	from := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if bytes.IndexByte(dst[from:], '.') < 0 {
		dst = append(dst, ".0"...)
	}
	return dst
}
