package canonjson

import (
	"encoding/base64"
	"strings"
)

// EncodeBase64 is unpadded base64 with the standard alphabet.
//
// Spec: appendices#unpadded-base64
func EncodeBase64(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }

// EncodeBase64URL is unpadded base64 with the URL-safe alphabet.
//
// Spec: appendices#url-safe-unpadded-base64
func EncodeBase64URL(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// DecodeBase64 reads standard base64, unpadded or correctly padded. Line breaks
// are refused. Bits of the last character that no byte uses are let through, as
// the specification's own signing key has them: never compare encoded texts.
//
// Spec: appendices#unpadded-base64
func DecodeBase64(s string) ([]byte, error) { return decodeBase64(base64.StdEncoding, s) }

// DecodeBase64URL is DecodeBase64 for the URL-safe alphabet.
//
// Spec: appendices#url-safe-unpadded-base64
func DecodeBase64URL(s string) ([]byte, error) { return decodeBase64(base64.URLEncoding, s) }

func decodeBase64(enc *base64.Encoding, s string) ([]byte, error) {
	if i := strings.IndexAny(s, "\r\n"); i >= 0 {
		return nil, base64.CorruptInputError(i)
	}
	if len(s)%4 != 0 || !strings.HasSuffix(s, "=") {
		enc = enc.WithPadding(base64.NoPadding)
	}
	return enc.DecodeString(s)
}
