// Package attachment encrypts files for encrypted rooms, as streams of any
// length.
//
// What it never does: hold a file in memory, or hand out a key twice. The
// cipher has no authentication of its own: what a Decrypter's Read returns is
// unverified until Read returned io.EOF, and an error of class fail.MAC at the
// end means that the file was changed and all that was read is to be thrown
// away. Open, for small files, returns nothing before the hash is right.
//
// An Encrypter or Decrypter is not safe for concurrent use.
//
//	enc, _ := attachment.NewEncrypter(nil, file)
//	upload(enc)               // reads ciphertext
//	info := enc.Info()        // goes into the event
package attachment

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"hash"
	"io"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/b64"
	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
)

// Info is an EncryptedFile but for its "url". It holds the file's key and
// prints as its name alone.
//
// Spec: client-server-api/modules/end_to_end_encryption#sending-encrypted-attachments
type Info struct {
	Version string            `json:"v"`
	Key     JWK               `json:"key"`
	IV      string            `json:"iv"`
	Hashes  map[string]string `json:"hashes"`
}

// JWK is the key of a file.
type JWK struct {
	Type       string   `json:"kty"`
	Operations []string `json:"key_ops"`
	Algorithm  string   `json:"alg"`
	Key        string   `json:"k"`
	Extract    bool     `json:"ext"`
}

// String does not show the key.
func (Info) String() string { return "attachment.Info" }

// GoString does not show the key.
func (Info) GoString() string { return "attachment.Info" }

// String does not show the key.
func (JWK) String() string { return "attachment.JWK" }

// GoString does not show the key.
func (JWK) GoString() string { return "attachment.JWK" }

// Encrypter encrypts what it reads.
type Encrypter struct {
	src    io.Reader
	stream cipher.Stream
	hash   hash.Hash
	info   Info
	done   bool
}

// String does not show the key.
func (*Encrypter) String() string { return "attachment.Encrypter" }

// GoString does not show the key.
func (*Encrypter) GoString() string { return "attachment.Encrypter" }

// NewEncrypter encrypts plain under a new key. r is the source of the key; nil
// is crypto/rand. The error has the class fail.Random.
func NewEncrypter(r io.Reader, plain io.Reader) (*Encrypter, error) {
	var key [32]byte
	var iv [16]byte
	defer clear(key[:])
	if err := curve.Random(r, key[:]); err != nil {
		return nil, err
	}
	// The counter, the second half, starts at zero.
	if err := curve.Random(r, iv[:8]); err != nil {
		return nil, err
	}
	return &Encrypter{
		src: plain, stream: newStream(key[:], iv[:]), hash: sha256.New(),
		info: Info{
			Version: "v2",
			Key: JWK{Type: "oct", Operations: []string{"encrypt", "decrypt"}, Algorithm: "A256CTR",
				Key: b64.EncodeURL(key[:]), Extract: true},
			IV: b64.Encode(iv[:]),
		},
	}, nil
}

func newStream(key, iv []byte) cipher.Stream {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("attachment: the key has 32 bytes: " + err.Error())
	}
	return cipher.NewCTR(block, iv)
}

// Read implements io.Reader with the ciphertext. It returns the errors of the
// source.
func (e *Encrypter) Read(p []byte) (int, error) {
	n, err := e.src.Read(p)
	e.stream.XORKeyStream(p[:n], p[:n])
	e.hash.Write(p[:n])
	if err == io.EOF {
		e.done = true
	}
	return n, err
}

// Info is what the recipients need. The error has the class fail.State before
// Read returned io.EOF.
func (e *Encrypter) Info() (Info, error) {
	if !e.done {
		return Info{}, fail.New(fail.State, "attachment not read to its end")
	}
	info := e.info
	info.Hashes = map[string]string{"sha256": b64.Encode(e.hash.Sum(nil))}
	return info, nil
}

// Decrypter decrypts what it reads.
type Decrypter struct {
	src    io.Reader
	stream cipher.Stream
	hash   hash.Hash
	want   [sha256.Size]byte
	err    error
}

// String does not show the key.
func (*Decrypter) String() string { return "attachment.Decrypter" }

// GoString does not show the key.
func (*Decrypter) GoString() string { return "attachment.Decrypter" }

// NewDecrypter decrypts the ciphertext of a file. Errors: fail.Version for
// another version or algorithm, fail.Encoding, fail.Format, also if there is
// no hash.
func NewDecrypter(info Info, ciphertext io.Reader) (*Decrypter, error) {
	if info.Version != "v2" || info.Key.Algorithm != "A256CTR" || info.Key.Type != "oct" {
		return nil, fail.New(fail.Version, "attachment")
	}
	key, err := b64.DecodeURL("attachment key", info.Key.Key)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	if len(key) != 32 {
		return nil, fail.New(fail.Format, "attachment key length")
	}
	var iv [16]byte
	if err := b64.DecodeFixed("attachment IV", iv[:], info.IV); err != nil {
		return nil, err
	}
	d := &Decrypter{src: ciphertext, stream: newStream(key, iv[:]), hash: sha256.New()}
	if err := b64.DecodeFixed("attachment hash", d.want[:], info.Hashes["sha256"]); err != nil {
		return nil, err
	}
	return d, nil
}

// Read implements io.Reader with the plaintext, which is unverified until Read
// returns io.EOF. At the end of a file that was changed the error has the
// class fail.MAC.
func (d *Decrypter) Read(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	n, err := d.src.Read(p)
	d.hash.Write(p[:n])
	d.stream.XORKeyStream(p[:n], p[:n])
	if err == io.EOF {
		if sum := d.hash.Sum(nil); subtle.ConstantTimeCompare(sum, d.want[:]) != 1 {
			err = fail.New(fail.MAC, "attachment hash")
		}
	}
	d.err = err
	return n, err
}

// Open decrypts a small file in memory, at most limit bytes, and returns
// nothing unless the hash is right. Errors: those of NewDecrypter and of the
// source; fail.Size, fail.MAC.
func Open(info Info, ciphertext io.Reader, limit int64) ([]byte, error) {
	d, err := NewDecrypter(info, io.LimitReader(ciphertext, limit+1))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(d)
	switch {
	case int64(len(plain)) > limit:
		return nil, fail.New(fail.Size, "attachment")
	case err != nil:
		return nil, err
	}
	return plain, nil
}
