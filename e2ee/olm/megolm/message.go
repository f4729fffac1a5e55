package megolm

import (
	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/b64"
	"github.com/hanse-im/hanse/e2ee/olm/internal/wire"
)

// Version is the version of Megolm that a session speaks.
type Version byte

const (
	// V1 is m.megolm.v1.aes-sha2, with MACs of 8 bytes.
	V1 Version = 1
	// V2 has MACs of all 32 bytes. No algorithm of the specification uses it.
	V2 Version = 2
)

func (v Version) valid() bool   { return v == V1 || v == V2 }
func (v Version) wire() byte    { return byte(v) + 2 }
func (v Version) macBytes() int { return int([3]byte{0, 8, 32}[v]) }

// MaxMessageSize is the size in bytes over which no message is read.
const MaxMessageSize = 4 << 20

const (
	tagIndex      = 0x08
	tagCiphertext = 0x12

	signatureLen = 64
)

// Message is an encrypted message: version, index, ciphertext, MAC, signature.
type Message []byte

// ParseMessage reads a message from the "ciphertext" of an event. It checks the
// size, the base64 and the version; the rest is checked when the message is
// used. Errors: fail.Size, fail.Encoding, fail.Format, fail.Version.
func ParseMessage(text string) (Message, error) {
	if len(text) > MaxMessageSize*4/3+4 {
		return nil, fail.New(fail.Size, "Megolm message")
	}
	raw, err := b64.Decode("Megolm message", text)
	if err != nil {
		return nil, err
	}
	switch {
	case len(raw) == 0:
		return nil, fail.New(fail.Format, "empty Megolm message")
	case raw[0] != V1.wire() && raw[0] != V2.wire():
		return nil, fail.New(fail.Version, "Megolm message")
	}
	return raw, nil
}

// Text is the unpadded base64 of the message.
func (m Message) Text() string { return b64.Encode(m) }

// Index is the index that the message claims. Errors: fail.Version,
// fail.Format, fail.Size.
func (m Message) Index() (uint32, error) {
	p, err := parse(m)
	return p.index, err
}

// parts are the parts of a message; the slices are parts of it.
type parts struct {
	version    Version
	index      uint32
	ciphertext []byte
	maced      []byte
	mac        []byte
	signed     []byte
	signature  []byte
}

// parse reads a message of either version.
//
// Spec: olm-megolm/megolm#message-format
func parse(b []byte) (p parts, err error) {
	if len(b) > MaxMessageSize {
		return p, fail.New(fail.Size, "Megolm message")
	}
	if len(b) == 0 {
		return p, fail.New(fail.Format, "empty Megolm message")
	}
	switch b[0] {
	case V1.wire():
		p.version = V1
	case V2.wire():
		p.version = V2
	default:
		return p, fail.New(fail.Version, "Megolm message")
	}
	n := len(b) - signatureLen
	m := n - p.version.macBytes()
	if m < 1 {
		return p, fail.New(fail.Format, "Megolm message length")
	}
	p.maced, p.mac, p.signed, p.signature = b[:m], b[m:n], b[:n], b[n:]
	r := wire.NewReader("Megolm message", p.maced[1:])
	for {
		tag, ok := r.Next()
		if !ok {
			break
		}
		switch tag {
		case tagIndex:
			p.index = r.Int()
		case tagCiphertext:
			p.ciphertext = r.String()
		default:
			r.Unknown()
		}
	}
	r.Require(tagIndex, tagCiphertext)
	return p, r.Err()
}
