package secret

import (
	"crypto/subtle"
	"strings"
	"unicode"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

// alphabet is that of Bitcoin's base58.
const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

const (
	recoveryHead1 = 0x8b
	recoveryHead2 = 0x01
	recoveryLen   = 2 + 32 + 1
)

// RecoveryKey is the text that users write down: base58 in groups of four.
//
// Spec: appendices#cryptographic-key-representation
func (k *Key) RecoveryKey() string {
	var b [recoveryLen]byte
	b[0], b[1] = recoveryHead1, recoveryHead2
	copy(b[2:], k.k[:])
	for _, v := range b[:recoveryLen-1] {
		b[recoveryLen-1] ^= v
	}
	text := encode58(b[:])
	clear(b[:])
	var sb strings.Builder
	for i := 0; i < len(text); i += 4 {
		if i > 0 {
			sb.WriteByte(' ')
		}
		sb.Write(text[i:min(i+4, len(text))])
	}
	return sb.String()
}

// KeyFromRecovery reads a recovery key as a user typed it; white space is
// ignored. Errors: fail.Encoding for a character that is not of the alphabet,
// fail.Format for a wrong length, head or parity.
func KeyFromRecovery(text string) (*Key, error) {
	if len(text) > 512 {
		return nil, fail.New(fail.Format, "recovery key length")
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
	b, ok := decode58(text)
	if !ok {
		return nil, fail.New(fail.Encoding, "recovery key")
	}
	defer clear(b)
	var parity byte
	for _, v := range b {
		parity ^= v
	}
	if len(b) != recoveryLen || parity != 0 || subtle.ConstantTimeCompare(b[:2], []byte{recoveryHead1, recoveryHead2}) != 1 {
		return nil, fail.New(fail.Format, "recovery key")
	}
	return KeyFromBytes(b[2 : recoveryLen-1])
}

// encode58 writes big-endian b in base 58. Leading zero bytes are ones; a
// recovery key has none.
func encode58(b []byte) []byte {
	var digits []byte // least significant first
	for _, v := range b {
		carry := int(v)
		for i := range digits {
			carry += int(digits[i]) << 8
			digits[i] = byte(carry % 58)
			carry /= 58
		}
		for ; carry > 0; carry /= 58 {
			digits = append(digits, byte(carry%58))
		}
	}
	out := make([]byte, 0, len(digits))
	for _, v := range b {
		if v != 0 {
			break
		}
		out = append(out, alphabet[0])
	}
	for i := len(digits) - 1; i >= 0; i-- {
		out = append(out, alphabet[digits[i]])
	}
	return out
}

func decode58(text string) ([]byte, bool) {
	var bytes []byte // least significant first
	zeros, leading := 0, true
	for i := range len(text) {
		d := strings.IndexByte(alphabet, text[i])
		if d < 0 {
			return nil, false
		}
		if leading = leading && d == 0; leading {
			zeros++
		}
		carry := d
		for j := range bytes {
			carry += int(bytes[j]) * 58
			bytes[j] = byte(carry)
			carry >>= 8
		}
		for ; carry > 0; carry >>= 8 {
			bytes = append(bytes, byte(carry))
		}
	}
	out := make([]byte, zeros, zeros+len(bytes))
	for i := len(bytes) - 1; i >= 0; i-- {
		out = append(out, bytes[i])
	}
	return out, true
}
