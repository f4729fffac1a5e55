package pickle

import (
	"encoding/json"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

// OpenVodozemac decrypts vodozemac's own pickle, JSON under libolm's cipher,
// and decodes it to v. Errors: fail.Encoding, fail.Format, fail.Size,
// fail.MAC. encoding/json leaves copies of what it read in memory and takes
// time that depends on it; this is for taking state over, once.
func OpenVodozemac(key *[32]byte, what, text string, v any) error {
	plain, err := OpenLibolm(key[:], text)
	if err != nil {
		return err
	}
	defer clear(plain)
	if err := json.Unmarshal(plain, v); err != nil {
		// The error of encoding/json could quote the input.
		return fail.New(fail.Format, what)
	}
	return nil
}

// BytesJSON is a byte string written as an array of numbers.
type BytesJSON []uint16

// Fill copies the bytes to out and tells whether they are bytes and as many.
func (b BytesJSON) Fill(out []byte) bool {
	if len(b) != len(out) {
		return false
	}
	for i, v := range b {
		if v > 255 {
			return false
		}
		out[i] = byte(v)
	}
	clear(b)
	return true
}

// SigningKeyJSON is an Ed25519 key pair: a seed, or an expanded key that came
// from libolm.
type SigningKeyJSON struct {
	Normal   BytesJSON
	Expanded BytesJSON
}

// ConfigJSON is a session's version. It is missing in old pickles, which are
// of version 1.
type ConfigJSON struct {
	Version string `json:"version"`
}

// Number is the version as a number. The error has the class fail.Version.
func (c ConfigJSON) Number() (int, error) {
	switch c.Version {
	case "", "V1":
		return 1, nil
	case "V2":
		return 2, nil
	}
	return 0, fail.New(fail.Version, "vodozemac session")
}
