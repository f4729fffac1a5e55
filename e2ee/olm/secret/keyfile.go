package secret

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"io"
	"strings"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/b64"
	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
)

const (
	fileBegin = "-----BEGIN MEGOLM SESSION DATA-----"
	fileEnd   = "-----END MEGOLM SESSION DATA-----"

	fileVersion = 1
	fileHead    = 1 + 16 + 16 + 4
	fileMAC     = 32
	lineLen     = 76

	// MaxKeyFile is the size in bytes over which no key file is read.
	MaxKeyFile = 256 << 20
)

// SealKeyFile encrypts exported room keys, a JSON array, under a passphrase
// and returns the file. r nil is crypto/rand; rounds 0 is DefaultIterations.
// Errors: fail.Size for rounds out of range, fail.Random.
//
// Spec: client-server-api/modules/end_to_end_encryption#key-exports
func SealKeyFile(r io.Reader, passphrase string, rounds int, keysJSON []byte) ([]byte, error) {
	if rounds == 0 {
		rounds = DefaultIterations
	}
	if rounds < 1 || rounds > MaxIterations {
		return nil, fail.New(fail.Size, "key file rounds")
	}
	b := make([]byte, fileHead, fileHead+len(keysJSON)+fileMAC)
	b[0] = fileVersion
	if err := curve.Random(r, b[1:17]); err != nil {
		return nil, err
	}
	var iv [16]byte
	if err := newIV(r, &iv); err != nil {
		return nil, err
	}
	copy(b[17:], iv[:])
	binary.BigEndian.PutUint32(b[33:], uint32(rounds))
	b = append(b, keysJSON...)
	keys, err := fileKeys(passphrase, b[1:17], rounds)
	if err != nil {
		return nil, err
	}
	defer clear(keys)
	ctr(keys[:32], &iv, b[fileHead:])
	b = fileSum(keys[32:], b)
	return armor(b), nil
}

func fileKeys(passphrase string, salt []byte, rounds int) ([]byte, error) {
	keys, err := pbkdf2.Key(sha512.New, passphrase, salt, rounds, 64)
	if err != nil {
		return nil, fail.New(fail.Format, "key file")
	}
	return keys, nil
}

// fileSum appends the MAC of b.
func fileSum(key, b []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(b)
	return h.Sum(b)
}

func armor(b []byte) []byte {
	text := b64.Encode(b)
	var out bytes.Buffer
	out.Grow(len(text) + len(text)/lineLen + 100)
	out.WriteString(fileBegin + "\n")
	for len(text) > 0 {
		n := min(lineLen, len(text))
		out.WriteString(text[:n])
		out.WriteByte('\n')
		text = text[n:]
	}
	out.WriteString(fileEnd + "\n")
	return out.Bytes()
}

// OpenKeyFile decrypts a key file and returns its JSON. Errors: fail.Format,
// fail.Encoding, fail.Version, fail.Size, fail.MAC for a wrong passphrase.
func OpenKeyFile(passphrase string, file []byte) ([]byte, error) {
	if len(file) > MaxKeyFile {
		return nil, fail.New(fail.Size, "key file")
	}
	text := string(file)
	_, text, ok := strings.Cut(text, fileBegin)
	text, _, ok2 := strings.Cut(text, fileEnd)
	if !ok || !ok2 {
		return nil, fail.New(fail.Format, "key file without its first or last line")
	}
	b, err := b64.Decode("key file", strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, err
	}
	if len(b) < fileHead+fileMAC {
		return nil, fail.New(fail.Format, "key file length")
	}
	if b[0] != fileVersion {
		return nil, fail.New(fail.Version, "key file")
	}
	rounds := binary.BigEndian.Uint32(b[33:])
	if rounds < 1 || rounds > MaxIterations {
		return nil, fail.New(fail.Size, "key file rounds")
	}
	keys, err := fileKeys(passphrase, b[1:17], int(rounds))
	if err != nil {
		return nil, err
	}
	defer clear(keys)
	body, got := b[:len(b)-fileMAC], b[len(b)-fileMAC:]
	if !hmac.Equal(fileSum(keys[32:], bytes.Clone(body))[len(body):], got) {
		return nil, fail.New(fail.MAC, "key file")
	}
	plain := body[fileHead:]
	ctr(keys[:32], (*[16]byte)(b[17:33]), plain)
	return plain, nil
}
