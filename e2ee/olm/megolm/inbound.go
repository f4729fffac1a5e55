package megolm

import (
	"crypto/subtle"
	"sync"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/b64"
	"github.com/hanse-im/hanse/e2ee/olm/internal/cbc"
	"github.com/hanse-im/hanse/e2ee/olm/internal/ed"
	"github.com/hanse-im/hanse/e2ee/olm/internal/kdf"
)

// Inbound decrypts the messages of one session. It is safe for concurrent use.
type Inbound struct {
	version Version
	public  [32]byte
	// verifier checks signatures; one that is used often holds 4 KiB.
	verifier ed.Verifier

	mu sync.Mutex
	// owned tells that a signature showed that the key comes from the owner
	// of the session.
	owned bool
	// first is the earliest state known, cache what was computed from it.
	first ratchet
	cache cache
	d     kdf.Deriver
}

// NewInbound makes the session of a key that its owner sent. Errors:
// fail.Version.
func NewInbound(v Version, key *SessionKey) (*Inbound, error) {
	return newInbound(v, key.raw[:exportedLen], true)
}

// Import makes the session of an exported key. Nothing is known about who made
// the key; see Owned. Errors: fail.Version.
func Import(v Version, key *ExportedKey) (*Inbound, error) {
	return newInbound(v, key.raw[:], false)
}

func newInbound(v Version, raw []byte, owned bool) (*Inbound, error) {
	if !v.valid() {
		return nil, fail.New(fail.Version, "new Megolm session")
	}
	s := &Inbound{version: v, owned: owned}
	s.first, s.public = readKey(raw)
	return s, nil
}

// SessionID is the unpadded base64 of the session's public key.
func (s *Inbound) SessionID() string { return b64.Encode(s.public[:]) }

// Version is the version of Megolm that the session speaks.
func (s *Inbound) Version() Version { return s.version }

// FirstKnownIndex is the index of the earliest message that can be decrypted.
func (s *Inbound) FirstKnownIndex() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first.index
}

// Owned tells that the ratchet is known to be the session owner's: it came in
// a signed SessionKey, or a message decrypted, or it was merged with such.
// It does not tell who the owner is.
func (s *Inbound) Owned() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owned
}

// Decrypted is a decrypted message.
type Decrypted struct {
	// Plaintext is newly allocated.
	Plaintext []byte
	// Index is the message's index. The same index in two events is a replay.
	Index uint32
}

// Decrypt checks and decrypts a message.
//
// Errors: fail.Format, fail.Size, fail.Version, fail.Signature, fail.Index
// for a message before FirstKnownIndex, fail.MAC. The session is unchanged
// then. About 40 µs, most of it outside the session's lock.
//
// Spec: olm-megolm/megolm#message-encryption
func (s *Inbound) Decrypt(m Message) (Decrypted, error) {
	p, err := parse(m)
	if err != nil {
		return Decrypted{}, err
	}
	if p.version != s.version {
		return Decrypted{}, fail.New(fail.Version, "Megolm message of another version than the session")
	}
	if err := s.verify(p.signed, p.signature); err != nil {
		return Decrypted{}, err
	}
	var keys cbc.Keys
	defer keys.Wipe()
	if err := s.authenticate(&p, &keys); err != nil {
		return Decrypted{}, err
	}
	buf := make([]byte, len(p.ciphertext))
	copy(buf, p.ciphertext)
	plain, err := cbc.Decrypt(&keys, buf)
	if err != nil {
		return Decrypted{}, err
	}
	return Decrypted{Plaintext: plain, Index: p.index}, nil
}

// verify checks a signature of the session's key.
func (s *Inbound) verify(signed, signature []byte) error {
	return s.verifier.Verify(&s.public, signed, signature)
}

// authenticate derives the keys of a message and checks its MAC. If it is
// right, the ratchet that was computed for it is kept for the next.
func (s *Inbound) authenticate(p *parts, keys *cbc.Keys) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.at(p.index)
	if err != nil {
		return err
	}
	defer r.wipe()
	messageKeys(&s.d, &r.at, keys)
	var mac [32]byte
	s.d.MAC(&mac, keys.HMAC(), p.maced)
	if subtle.ConstantTimeCompare(mac[:len(p.mac)], p.mac) != 1 {
		return fail.New(fail.MAC, "Megolm message")
	}
	s.cache.remember(&r)
	s.owned = true
	return nil
}

// at is the ratchet at index, computed from the nearest known state before it.
func (s *Inbound) at(index uint32) (place, error) {
	if index < s.first.index {
		return place{}, fail.New(fail.Index, "Megolm message before the first known index")
	}
	return s.cache.compute(&s.d, &s.first, index), nil
}

// ExportAt exports the session from an index on. Errors: fail.Index before
// FirstKnownIndex.
func (s *Inbound) ExportAt(index uint32) (*ExportedKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.at(index)
	if err != nil {
		return nil, err
	}
	defer r.wipe()
	return s.export(&r.at), nil
}

// Export exports the session from the first known index on.
func (s *Inbound) Export() *ExportedKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.export(&s.first)
}

func (s *Inbound) export(r *ratchet) *ExportedKey {
	k := new(ExportedKey)
	writeKey(k.raw[:], exportVersion, r, &s.public)
	return k
}

// AdvanceTo gives up the ability to decrypt messages before index, for good.
// An index before FirstKnownIndex changes nothing.
//
// Spec: olm-megolm/megolm#partial-forward-secrecy
func (s *Inbound) AdvanceTo(index uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.at(index)
	if err != nil {
		return
	}
	// What was remembered may reach behind index.
	s.cache.wipe()
	s.first = r.at
	r.wipe()
}

// Order is how one copy of a session relates to another.
type Order int

const (
	// Unconnected copies are of different sessions, or their ratchets do not
	// belong together: one of them is false.
	Unconnected Order = iota
	// Equal copies begin at the same index.
	Equal
	// Better is a copy that begins earlier.
	Better
	// Worse is a copy that begins later.
	Worse
)

// Compare tells how s relates to other: Better if s decrypts more. The later
// copy must follow from the earlier one by the ratchet, which is compared in
// constant time.
func (s *Inbound) Compare(other *Inbound) Order {
	if s == other {
		return Equal
	}
	theirs := other.copyFirst()
	defer theirs.wipe()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version != other.version || s.public != other.public {
		return Unconnected
	}
	return s.compare(&theirs)
}

func (s *Inbound) copyFirst() ratchet {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first
}

func (s *Inbound) compare(theirs *ratchet) Order {
	ours := s.first
	defer ours.wipe()
	wound := *theirs
	defer wound.wipe()
	order := Equal
	switch {
	case ours.index < wound.index:
		order = Better
		ours.advanceTo(&s.d, wound.index)
	case ours.index > wound.index:
		order = Worse
		wound.advanceTo(&s.d, ours.index)
	}
	if !ours.equal(&wound) {
		return Unconnected
	}
	return order
}

// Merge takes from another copy what makes this one better: the earlier state
// and the knowledge that the ratchet is the owner's. It tells how s related to
// other before. Unconnected copies change nothing.
//
// Ownership passes to the earlier state only if the later one, which is owned,
// follows from it.
func (s *Inbound) Merge(other *Inbound) Order {
	if s == other {
		return Equal
	}
	other.mu.Lock()
	theirs, owned := other.first, other.owned
	other.mu.Unlock()
	defer theirs.wipe()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version != other.version || s.public != other.public {
		return Unconnected
	}
	order := s.compare(&theirs)
	if order == Unconnected {
		return order
	}
	if order == Worse {
		s.first = theirs
	}
	s.owned = s.owned || owned
	return order
}

// Wipe clears the secrets. The session can not be used after it.
func (s *Inbound) Wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first.wipe()
	s.cache.wipe()
	s.d.Wipe()
}

// String does not show secrets.
func (s *Inbound) String() string { return "megolm.Inbound(" + s.SessionID() + ")" }

// GoString does not show secrets.
func (s *Inbound) GoString() string { return s.String() }
