package olm

import (
	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/b64"
	"github.com/hanse-im/hanse/e2ee/olm/internal/wire"
)

// Version is the version of Olm that a session speaks.
type Version byte

const (
	// V1 is m.olm.v1.curve25519-aes-sha2, with MACs of 8 bytes.
	V1 Version = 1
	// V2 has MACs of all 32 bytes. No algorithm of the specification uses it;
	// both sides must have agreed on it.
	V2 Version = 2
)

// MaxMessageSize is the size in bytes over which no message is read.
const MaxMessageSize = 4 << 20

func (v Version) valid() bool   { return v == V1 || v == V2 }
func (v Version) wire() byte    { return byte(v) + 2 }
func (v Version) macBytes() int { return int([3]byte{0, 8, 32}[v]) }

// preKeyVersion is the version byte of pre-key messages of both versions; the
// message inside tells them apart.
const preKeyVersion = 3

// MessageType is the "type" of an Olm message in an m.room.encrypted event.
//
// Spec: client-server-api/modules/end_to_end_encryption#molmv1curve25519-aes-sha2
type MessageType int

const (
	// PreKey messages carry what the receiver needs to make the session.
	PreKey MessageType = 0
	// Normal messages belong to a session that both sides have.
	Normal MessageType = 1
)

// Message is an encrypted message.
type Message struct {
	Type MessageType
	// Body is the message itself. Text gives it in base64.
	Body []byte
}

// ParseMessage reads a message from the "type" and "body" of an event. It
// checks the type, the size, the base64 and the version; the rest is checked
// when the message is used. Errors: fail.Format, fail.Size, fail.Encoding,
// fail.Version.
func ParseMessage(messageType int, body string) (Message, error) {
	if len(body) > MaxMessageSize*4/3+4 {
		return Message{}, fail.New(fail.Size, "Olm message")
	}
	raw, err := b64.Decode("Olm message", body)
	if err != nil {
		return Message{}, err
	}
	if len(raw) == 0 {
		return Message{}, fail.New(fail.Format, "empty Olm message")
	}
	m := Message{Type: MessageType(messageType), Body: raw}
	switch {
	case m.Type != PreKey && m.Type != Normal:
		err = fail.New(fail.Format, "Olm message type")
	case raw[0] != V1.wire() && (raw[0] != V2.wire() || m.Type == PreKey):
		err = fail.New(fail.Version, "Olm message")
	}
	return m, err
}

// Text is the unpadded base64 of the body.
func (m Message) Text() string { return b64.Encode(m.Body) }

// SessionID is the ID that the session of a pre-key message has. Errors:
// fail.Format, fail.Version; also for other types of message.
func (m Message) SessionID() (string, error) {
	p, err := m.preKey()
	if err != nil {
		return "", err
	}
	return p.keys.id(), nil
}

// SenderIdentity is the identity key that a pre-key message claims to come
// from. It proves nothing. Errors as for SessionID.
func (m Message) SenderIdentity() (Curve25519Key, error) {
	p, err := m.preKey()
	return Curve25519Key(p.keys.identity), err
}

func (m Message) preKey() (preKeyParts, error) {
	if m.Type != PreKey {
		return preKeyParts{}, fail.New(fail.Format, "not a pre-key message")
	}
	return parsePreKey(m.Body)
}

const (
	tagRatchetKey = 0x0a
	tagIndex      = 0x10
	tagCiphertext = 0x22

	tagOneTimeKey  = 0x0a
	tagBaseKey     = 0x12
	tagIdentityKey = 0x1a
	tagMessage     = 0x22
)

// normalParts are the parts of a normal message; the slices are parts of it.
type normalParts struct {
	version    Version
	ratchet    [32]byte
	index      uint32
	ciphertext []byte
	signed     []byte
	mac        []byte
}

// parseNormal reads a message of either version.
//
// Spec: olm-megolm/olm#normal-messages
func parseNormal(b []byte) (p normalParts, err error) {
	if len(b) > MaxMessageSize {
		return p, fail.New(fail.Size, "Olm message")
	}
	if len(b) == 0 {
		return p, fail.New(fail.Format, "empty Olm message")
	}
	switch b[0] {
	case V1.wire():
		p.version = V1
	case V2.wire():
		p.version = V2
	default:
		return p, fail.New(fail.Version, "Olm message")
	}
	n := len(b) - p.version.macBytes()
	if n < 1 {
		return p, fail.New(fail.Format, "Olm message length")
	}
	p.signed, p.mac = b[:n], b[n:]
	r := wire.NewReader("Olm message", p.signed[1:])
	for {
		tag, ok := r.Next()
		if !ok {
			break
		}
		switch tag {
		case tagRatchetKey:
			r.Key(&p.ratchet)
		case tagIndex:
			p.index = r.Int()
		case tagCiphertext:
			p.ciphertext = r.String()
		default:
			r.Unknown()
		}
	}
	r.Require(tagRatchetKey, tagIndex, tagCiphertext)
	return p, r.Err()
}

// preKeyParts are the parts of a pre-key message.
type preKeyParts struct {
	keys    sessionKeys
	message []byte
}

// parsePreKey reads a pre-key message and checks the message inside it.
//
// Spec: olm-megolm/olm#pre-key-messages
func parsePreKey(b []byte) (p preKeyParts, err error) {
	if len(b) > MaxMessageSize {
		return p, fail.New(fail.Size, "pre-key message")
	}
	if len(b) == 0 {
		return p, fail.New(fail.Format, "empty pre-key message")
	}
	if b[0] != preKeyVersion {
		return p, fail.New(fail.Version, "pre-key message")
	}
	r := wire.NewReader("pre-key message", b[1:])
	for {
		tag, ok := r.Next()
		if !ok {
			break
		}
		switch tag {
		case tagOneTimeKey:
			r.Key(&p.keys.oneTime)
		case tagBaseKey:
			r.Key(&p.keys.base)
		case tagIdentityKey:
			r.Key(&p.keys.identity)
		case tagMessage:
			p.message = r.String()
		default:
			r.Unknown()
		}
	}
	r.Require(tagOneTimeKey, tagBaseKey, tagIdentityKey, tagMessage)
	if r.Err() != nil {
		return p, r.Err()
	}
	_, err = parseNormal(p.message)
	return p, err
}
