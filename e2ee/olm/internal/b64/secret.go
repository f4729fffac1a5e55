package b64

import "github.com/hanse-im/hanse/e2ee/olm/fail"

// EncodeSecret returns the unpadded base64 of a secret. Its time depends on
// the length only. The caller wipes the result when it can.
func EncodeSecret(secret []byte) []byte {
	out := make([]byte, 0, (len(secret)*8+5)/6)
	var acc uint32
	bits := 0
	for _, b := range secret {
		acc = acc<<8 | uint32(b)
		bits += 8
		for bits >= 6 {
			bits -= 6
			out = append(out, symbol(byte(acc>>bits)&63))
		}
		acc &= 1<<bits - 1
	}
	if bits > 0 {
		out = append(out, symbol(byte(acc<<(6-bits))&63))
	}
	return out
}

// DecodeSecret decodes base64 text of a secret, padded or not. Its time
// depends on the length and on whether the text is valid, not on the secret.
// Errors have the class fail.Encoding.
func DecodeSecret(what string, text []byte) ([]byte, error) {
	body := text
	for len(body) > 0 && body[len(body)-1] == '=' {
		body = body[:len(body)-1]
	}
	pad := len(text) - len(body)
	if pad > 2 || pad > 0 && len(text)%4 != 0 || len(body)%4 == 1 {
		return nil, fail.New(fail.Encoding, what)
	}
	out := make([]byte, 0, len(body)*6/8)
	var acc, bad uint32
	bits := 0
	for _, c := range body {
		v := value(c)
		bad |= uint32(v) >> 8
		acc = acc<<6 | uint32(v)&63
		bits += 6
		if bits >= 8 {
			bits -= 8
			out = append(out, byte(acc>>bits))
			acc &= 1<<bits - 1
		}
	}
	if bad|acc != 0 {
		clear(out)
		return nil, fail.New(fail.Encoding, what)
	}
	return out, nil
}

// symbol maps 0…63 to the alphabet without branches or tables.
func symbol(v byte) byte {
	x := int32(v)
	c := x + 'A'
	c += ((25 - x) >> 31) & ('a' - 'A' - 26)
	c += ((51 - x) >> 31) & ('0' - 'a' - 26)
	c += ((61 - x) >> 31) & ('+' - '0' - 10)
	c += ((62 - x) >> 31) & ('/' - '+' - 1)
	return byte(c)
}

// value maps a symbol to 0…63, or to a value with bit 8 set if it is none,
// without branches or tables.
func value(c byte) uint16 {
	x := int32(c)
	v := int32(-1)
	v += in(x, 'A', 'Z') & (x - 'A' + 1)
	v += in(x, 'a', 'z') & (x - 'a' + 26 + 1)
	v += in(x, '0', '9') & (x - '0' + 52 + 1)
	v += in(x, '+', '+') & (62 + 1)
	v += in(x, '/', '/') & (63 + 1)
	return uint16(v)
}

// in is all ones if lo ≤ x ≤ hi and zero if not.
func in(x, lo, hi int32) int32 { return ^((x - lo) >> 31) & ^((hi - x) >> 31) }
