package pickle

import (
	"crypto/subtle"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/b64"
	"github.com/hanse-im/hanse/e2ee/olm/internal/cbc"
	"github.com/hanse-im/hanse/e2ee/olm/internal/kdf"
)

const oldMAC = 8

func libolmKeys(key []byte) (k cbc.Keys) {
	var d kdf.Deriver
	d.HKDF(k[:], nil, key, "Pickle")
	d.Wipe()
	return k
}

// SealLibolm encrypts as libolm and vodozemac do: one key, IV and MAC key per
// pickle key, whatever is encrypted. It exists to hand state to them; the own
// format does not have that weakness.
func SealLibolm(key, plain []byte) string {
	keys := libolmKeys(key)
	defer keys.Wipe()
	out := make([]byte, 0, cbc.Size(len(plain))+oldMAC)
	out = cbc.Append(out, &keys, plain)
	var d kdf.Deriver
	var mac [32]byte
	d.MAC(&mac, keys.HMAC(), out)
	return b64.Encode(append(out, mac[:oldMAC]...))
}

// OpenLibolm decrypts what libolm or vodozemac encrypted. Errors: fail.Encoding,
// fail.Format, fail.Size, fail.MAC.
func OpenLibolm(key []byte, text string) ([]byte, error) {
	if len(text) > MaxSize*4/3 {
		return nil, fail.New(fail.Size, "libolm pickle")
	}
	data, err := b64.Decode("libolm pickle", text)
	if err != nil {
		return nil, err
	}
	if len(data) <= oldMAC {
		return nil, fail.New(fail.Format, "libolm pickle length")
	}
	body, mac := data[:len(data)-oldMAC], data[len(data)-oldMAC:]
	keys := libolmKeys(key)
	defer keys.Wipe()
	var d kdf.Deriver
	var want [32]byte
	d.MAC(&want, keys.HMAC(), body)
	if subtle.ConstantTimeCompare(want[:oldMAC], mac) != 1 {
		return nil, fail.New(fail.MAC, "libolm pickle")
	}
	return cbc.Decrypt(&keys, body)
}
