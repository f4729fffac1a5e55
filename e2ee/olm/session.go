package olm

import (
	"crypto/sha256"
	"io"
	"sync"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/b64"
	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
	"github.com/hanse-im/hanse/e2ee/olm/internal/kdf"
	"github.com/hanse-im/hanse/e2ee/olm/internal/wire"
)

// sessionKeys are the three public keys that name a session: the identity and
// base key of the side that began, and the one-time key of the other.
type sessionKeys struct {
	identity, base, oneTime curve.Public
}

func (k *sessionKeys) id() string {
	var all [96]byte
	copy(all[:], k.identity[:])
	copy(all[32:], k.base[:])
	copy(all[64:], k.oneTime[:])
	sum := sha256.Sum256(all[:])
	return b64.Encode(sum[:])
}

// Session is one side of a double ratchet between two devices. It is safe for
// concurrent use; make one with Account or read it from a pickle.
type Session struct {
	mu       sync.Mutex
	version  Version
	keys     sessionKeys
	received bool
	root     [32]byte
	sender   *senderChain
	// chains are the peer's, the newest first.
	chains []receiverChain
	d      kdf.Deriver
}

// SessionID is the same on both sides: the unpadded base64 of the SHA-256 of
// the identity, base and one-time key.
func (s *Session) SessionID() string { return s.keys.id() }

// Version is the version of Olm that the session speaks.
func (s *Session) Version() Version { return s.version }

// SessionKeys are the public keys that name a session.
type SessionKeys struct {
	// Identity is the identity key of the side that began the session.
	Identity Curve25519Key
	// Base is the key that side made for the session.
	Base Curve25519Key
	// OneTime is the one-time or fallback key of the other side.
	OneTime Curve25519Key
}

// Keys are the public keys that name the session.
func (s *Session) Keys() SessionKeys {
	return SessionKeys{Curve25519Key(s.keys.identity), Curve25519Key(s.keys.base), Curve25519Key(s.keys.oneTime)}
}

// HasReceived tells that a message of the peer was decrypted, after which our
// messages are no longer pre-key messages.
func (s *Session) HasReceived() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received
}

// Matches tells that a pre-key message belongs to this session, so that no
// second session is to be made for it. It is false for other messages.
func (s *Session) Matches(m Message) bool {
	p, err := m.preKey()
	return err == nil && p.keys == s.keys
}

// String does not show secrets.
func (s *Session) String() string { return "olm.Session(" + s.SessionID() + ")" }

// GoString does not show secrets.
func (s *Session) GoString() string { return s.String() }

// Encrypt encrypts plaintext, of at most MaxMessageSize/2 bytes, for the peer.
// r is read only for the first message after the peer's turn; nil is
// crypto/rand. Store the session before the message is sent.
//
// Errors: fail.Size, fail.Random, fail.Index after 2^32 − 1 messages without an
// answer. The session is unchanged then. About 3 µs; 50 more for the first
// message of a turn.
//
// Spec: olm-megolm/olm#sending-normal-messages
func (s *Session) Encrypt(r io.Reader, plaintext []byte) (Message, error) {
	if len(plaintext) > MaxMessageSize/2 {
		return Message{}, fail.New(fail.Size, "Olm plaintext")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sender == nil {
		if err := s.newSenderChain(r); err != nil {
			return Message{}, err
		}
	}
	c := s.sender
	if c.index == 1<<32-1 {
		return Message{}, fail.New(fail.Index, "Olm chain is used up")
	}
	var mk [32]byte
	s.d.Steps(&mk, 1, &c.key, 2, &c.key)
	inner := sizeNormal(s.version, c.index, len(plaintext))
	var body []byte
	if s.received {
		body = make([]byte, 0, inner)
	} else {
		body = s.appendPreKeyHead(inner)
	}
	body = appendNormal(body, &s.d, s.version, &mk, &c.ratchet.Public, c.index, plaintext)
	clear(mk[:])
	c.index++
	if s.received {
		return Message{Type: Normal, Body: body}, nil
	}
	return Message{Type: PreKey, Body: body}, nil
}

// newSenderChain begins our turn: a new ratchet key, against the peer's newest.
func (s *Session) newSenderChain(r io.Reader) error {
	if len(s.chains) == 0 {
		return fail.New(fail.State, "Olm session without chains")
	}
	ratchet, err := curve.Generate(r)
	if err != nil {
		return err
	}
	c := &senderChain{ratchet: ratchet}
	if err := advanceRoot(&s.d, &s.root, &c.key, &c.ratchet.Secret, &s.chains[0].ratchet); err != nil {
		return err
	}
	s.sender = c
	return nil
}

func (s *Session) appendPreKeyHead(inner int) []byte {
	const keys = 3
	size := 1 + keys*(2+32) + wire.SizeString(inner)
	body := append(make([]byte, 0, size), preKeyVersion)
	body = wire.AppendString(body, tagOneTimeKey, s.keys.oneTime[:])
	body = wire.AppendString(body, tagBaseKey, s.keys.base[:])
	body = wire.AppendString(body, tagIdentityKey, s.keys.identity[:])
	return wire.AppendLen(body, tagMessage, inner)
}

// Decrypt decrypts a message of the peer. A pre-key message must belong to
// this session.
//
// Errors: fail.Format, fail.Version, fail.Size for what can not be a message
// of this session, fail.Mismatch for a pre-key message of another session,
// fail.Gap, fail.Index for a message whose key was used or dropped, fail.Key,
// fail.MAC. The session is unchanged then. About 3 µs; 40 more for the first
// message of a turn.
//
// Spec: olm-megolm/olm#receiving-messages
func (s *Session) Decrypt(m Message) ([]byte, error) {
	var p normalParts
	var err error
	switch m.Type {
	case Normal:
		p, err = parseNormal(m.Body)
	case PreKey:
		var pre preKeyParts
		if pre, err = parsePreKey(m.Body); err == nil {
			if pre.keys != s.keys {
				return nil, fail.New(fail.Mismatch, "pre-key message of another session")
			}
			p, err = parseNormal(pre.message)
		}
	default:
		err = fail.New(fail.Format, "Olm message type")
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.decrypt(&p)
}

func (s *Session) decrypt(p *normalParts) ([]byte, error) {
	if p.version != s.version {
		return nil, fail.New(fail.Version, "Olm message of another version than the session")
	}
	for i := range s.chains {
		if s.chains[i].ratchet == p.ratchet {
			return s.decryptInChain(&s.chains[i], p)
		}
	}
	return s.decryptNewChain(p)
}

// decryptInChain decrypts with a chain that exists, and moves it only after
// the message was found right.
func (s *Session) decryptInChain(c *receiverChain, p *normalParts) ([]byte, error) {
	if p.index < c.index {
		i := c.find(p.index)
		if i < 0 {
			return nil, fail.New(fail.Index, "Olm message")
		}
		plain, err := openNormal(&s.d, &c.skipped[i].key, p)
		if err != nil {
			return nil, err
		}
		c.forget(i)
		s.received = true
		return plain, nil
	}
	var mk, next [32]byte
	passed, err := c.advance(&s.d, p.index, &mk, &next)
	if err != nil {
		return nil, err
	}
	plain, err := openNormal(&s.d, &mk, p)
	clear(mk[:])
	if err != nil {
		clear(next[:])
		clear(passed)
		return nil, err
	}
	c.key, c.index = next, p.index+1
	clear(next[:])
	c.keep(passed)
	clear(passed)
	s.received = true
	return plain, nil
}

// decryptNewChain decrypts the first message under a ratchet key that the
// session does not know: the peer's turn begins, ours ends.
func (s *Session) decryptNewChain(p *normalParts) ([]byte, error) {
	if s.sender == nil {
		// The peer can not have a new key before it has ours.
		return nil, fail.New(fail.MAC, "Olm message under an unknown ratchet key")
	}
	if p.index > MaxMessageGap {
		return nil, fail.New(fail.Gap, "Olm message")
	}
	root := s.root
	c := receiverChain{ratchet: p.ratchet}
	if err := advanceRoot(&s.d, &root, &c.key, &s.sender.ratchet.Secret, &p.ratchet); err != nil {
		return nil, err
	}
	plain, err := s.decryptInChain(&c, p)
	if err != nil {
		c.wipe()
		clear(root[:])
		return nil, err
	}
	s.root = root
	clear(root[:])
	s.sender.ratchet.Wipe()
	clear(s.sender.key[:])
	s.sender = nil
	s.addChain(c)
	return plain, nil
}

// addChain puts a chain in front and drops the oldest beyond the limit.
func (s *Session) addChain(c receiverChain) {
	if len(s.chains) < MaxChains {
		s.chains = append(s.chains, receiverChain{})
	} else {
		s.chains[MaxChains-1].wipe()
	}
	copy(s.chains[1:], s.chains)
	s.chains[0] = c
}

// Wipe clears the secrets. The session can not be used after it.
func (s *Session) Wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.root[:])
	if s.sender != nil {
		s.sender.ratchet.Wipe()
		clear(s.sender.key[:])
		s.sender = nil
	}
	for i := range s.chains {
		s.chains[i].wipe()
	}
	s.chains = nil
	s.d.Wipe()
}
