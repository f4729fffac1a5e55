// Package b64 encodes and decodes base64 for keys and messages.
//
// Public data goes through the standard library, made strict: no line breaks
// inside, zero trailing bits, padding optional but right. Secrets go through
// the branch-free pair EncodeSecret and DecodeSecret, which index no table
// with a secret, so that their time and memory accesses do not depend on it.
//
// Spec: appendices#unpadded-base64
package b64

import (
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

var (
	strict    = base64.RawStdEncoding.Strict()
	strictURL = base64.RawURLEncoding.Strict()
)

// pairs holds the two symbols of each 12 bits, the first in the low byte. It
// halves the time of encoding a large message.
var pairs = func() (t [1 << 12]uint16) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range t {
		t[i] = uint16(alphabet[i>>6]) | uint16(alphabet[i&63])<<8
	}
	return t
}()

// Encode returns the unpadded base64 of data, which is public: the symbols are
// looked up in a table. One allocation.
func Encode(data []byte) string {
	var sb strings.Builder
	sb.Grow(strict.EncodedLen(len(data)))
	var chunk [1024]byte
	for len(data) > 0 {
		n := min(len(data), 768)
		sb.Write(chunk[:encode(&chunk, data[:n])])
		data = data[n:]
	}
	return sb.String()
}

// encode encodes at most 768 bytes and returns the length of the text.
func encode(out *[1024]byte, data []byte) int {
	n := 0
	// Eight bytes are read and six of them used at a time.
	for len(data) >= 8 && n <= len(out)-8 {
		v := binary.BigEndian.Uint64(data)
		binary.LittleEndian.PutUint64(out[n:n+8],
			uint64(pairs[v>>52])|uint64(pairs[v>>40&0xfff])<<16|
				uint64(pairs[v>>28&0xfff])<<32|uint64(pairs[v>>16&0xfff])<<48)
		data, n = data[6:], n+8
	}
	strict.Encode(out[n:], data)
	return n + strict.EncodedLen(len(data))
}

// Decode decodes strict base64 whose padding may be present or absent.
// what names the thing in the error, which has the class fail.Encoding.
func Decode(what, text string) ([]byte, error) {
	return decode(strict, what, text)
}

// DecodeURL is Decode for the URL-safe alphabet.
func DecodeURL(what, text string) ([]byte, error) {
	return decode(strictURL, what, text)
}

// EncodeURL returns the unpadded URL-safe base64 of data.
func EncodeURL(data []byte) string { return strictURL.EncodeToString(data) }

func decode(enc *base64.Encoding, what, text string) ([]byte, error) {
	text, ok := trimPadding(text)
	if !ok {
		return nil, fail.New(fail.Encoding, what)
	}
	out := make([]byte, enc.DecodedLen(len(text)))
	n, err := decodeInto(enc, out, text)
	if err != nil || n != len(out) {
		return nil, fail.New(fail.Encoding, what)
	}
	return out, nil
}

// DecodeFixed decodes text into exactly len(dst) bytes. The length is checked
// on the decoded bytes. Errors: fail.Encoding, and fail.Format for a wrong
// length.
func DecodeFixed(what string, dst []byte, text string) error {
	text, ok := trimPadding(text)
	if !ok {
		return fail.New(fail.Encoding, what)
	}
	var room [96]byte
	if strict.DecodedLen(len(text)) != len(dst) || len(dst) > len(room)-3 {
		// Tell wrong text from text of a wrong length.
		if _, err := Decode(what, text); err != nil {
			return err
		}
		return fail.New(fail.Format, what+" length")
	}
	n, err := decodeInto(strict, room[:], text)
	if err != nil || n != len(dst) {
		return fail.New(fail.Encoding, what)
	}
	copy(dst, room[:n])
	clear(room[:])
	return nil
}

func decodeInto(enc *base64.Encoding, dst []byte, text string) (int, error) {
	// The standard decoder skips line breaks wherever they are.
	if strings.IndexByte(text, '\n') >= 0 || strings.IndexByte(text, '\r') >= 0 {
		return 0, base64.CorruptInputError(0)
	}
	return enc.Decode(dst, []byte(text))
}

// trimPadding removes right padding; padding is right if it fills the last
// group of four.
func trimPadding(text string) (string, bool) {
	body := strings.TrimRight(text, "=")
	pad := len(text) - len(body)
	if pad == 0 {
		return body, true
	}
	return body, pad <= 2 && len(text)%4 == 0
}
