package megolm

import (
	"io"
	"sync"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/b64"
	"github.com/hanse-im/hanse/e2ee/olm/internal/cbc"
	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
	"github.com/hanse-im/hanse/e2ee/olm/internal/ed"
	"github.com/hanse-im/hanse/e2ee/olm/internal/kdf"
	"github.com/hanse-im/hanse/e2ee/olm/internal/wire"
)

// Outbound encrypts the messages that one device sends to a room. It is safe
// for concurrent use.
type Outbound struct {
	mu      sync.Mutex
	version Version
	ratchet ratchet
	signing ed.Private
	d       kdf.Deriver
}

// NewOutbound makes a session. r nil is crypto/rand. Errors: fail.Random,
// fail.Version.
//
// Spec: olm-megolm/megolm#session-setup
func NewOutbound(r io.Reader, v Version) (*Outbound, error) {
	if !v.valid() {
		return nil, fail.New(fail.Version, "new Megolm session")
	}
	s := &Outbound{version: v}
	if err := curve.Random(r, s.ratchet.parts[:]); err != nil {
		return nil, err
	}
	if err := s.signing.Generate(r); err != nil {
		return nil, err
	}
	return s, nil
}

// SessionID is the unpadded base64 of the session's public key.
func (s *Outbound) SessionID() string { return b64.Encode(s.signing.Public[:]) }

// Version is the version of Megolm that the session speaks.
func (s *Outbound) Version() Version { return s.version }

// Index is the index of the next message, and so the number of messages
// encrypted by now.
func (s *Outbound) Index() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ratchet.index
}

// SessionKey is the key from which the messages from now on can be decrypted.
// About 20 µs.
func (s *Outbound) SessionKey() *SessionKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := new(SessionKey)
	writeKey(k.raw[:], shareVersion, &s.ratchet, &s.signing.Public)
	s.signing.Sign((*[signatureLen]byte)(k.raw[exportedLen:]), k.raw[:exportedLen])
	return k
}

// Encrypt encrypts plaintext, of at most MaxMessageSize/2 bytes, and moves the
// ratchet. Store the session before the message is sent. Errors: fail.Size,
// fail.Index after 2^32 − 1 messages. About 20 µs, three allocations with Text.
//
// Spec: olm-megolm/megolm#message-encryption
func (s *Outbound) Encrypt(plaintext []byte) (Message, error) {
	if len(plaintext) > MaxMessageSize/2 {
		return nil, fail.New(fail.Size, "Megolm plaintext")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	index := s.ratchet.index
	if index == 1<<32-1 {
		return nil, fail.New(fail.Index, "Megolm session is used up")
	}
	var keys cbc.Keys
	messageKeys(&s.d, &s.ratchet, &keys)
	n := cbc.Size(len(plaintext))
	size := 1 + wire.SizeInt(uint64(index)) + wire.SizeString(n) + s.version.macBytes() + signatureLen
	b := append(make([]byte, 0, size), s.version.wire())
	b = wire.AppendInt(b, tagIndex, index)
	b = wire.AppendLen(b, tagCiphertext, n)
	b = cbc.Append(b, &keys, plaintext)
	var mac [32]byte
	s.d.MAC(&mac, keys.HMAC(), b)
	keys.Wipe()
	b = append(b, mac[:s.version.macBytes()]...)
	signed := len(b)
	b = b[:signed+signatureLen]
	s.signing.Sign((*[signatureLen]byte)(b[signed:]), b[:signed])
	s.ratchet.advanceTo(&s.d, index+1)
	return b, nil
}

// messageKeys derives the keys of the message at the ratchet's index.
func messageKeys(d *kdf.Deriver, r *ratchet, keys *cbc.Keys) {
	d.HKDF(keys[:], nil, r.parts[:], "MEGOLM_KEYS")
}

// Wipe clears the secrets. The session can not be used after it.
func (s *Outbound) Wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ratchet.wipe()
	s.signing.Wipe()
	s.d.Wipe()
}

// String does not show secrets.
func (s *Outbound) String() string { return "megolm.Outbound(" + s.SessionID() + ")" }

// GoString does not show secrets.
func (s *Outbound) GoString() string { return s.String() }
