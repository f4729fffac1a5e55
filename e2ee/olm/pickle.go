package olm

import (
	"io"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
	"github.com/hanse-im/hanse/e2ee/olm/internal/ed"
	"github.com/hanse-im/hanse/e2ee/olm/internal/pickle"
)

// Pickle encrypts the account for storage. r is the source of the salt; nil is
// crypto/rand. The error has the class fail.Random. About 10 µs for 50 keys.
func (a *Account) Pickle(r io.Reader, key *PickleKey) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := pickle.Begin(pickle.KindAccount, 300+len(a.oneTime.keys)*heldKeyLen)
	b = ed.AppendStored(b, a.signing)
	b = appendPair(b, &a.identity)
	b = pickle.AppendU64(b, uint64(a.oneTime.next))
	b = pickle.AppendU32(b, uint32(len(a.oneTime.keys)))
	for i := range a.oneTime.keys {
		b = appendHeld(b, &a.oneTime.keys[i])
	}
	b = pickle.AppendU64(b, uint64(a.fallback.next))
	for _, k := range []*heldKey{a.fallback.current, a.fallback.previous} {
		b = pickle.AppendBool(b, k != nil)
		if k != nil {
			b = appendHeld(b, k)
		}
	}
	return pickle.Seal(r, &key.k, b)
}

// heldKeyLen is the size of a one-time key: ID, flag, secret, public.
const heldKeyLen = 8 + 1 + 32 + 32

func appendPair(b []byte, p *curve.Private) []byte {
	b = append(b, p.Secret[:]...)
	return append(b, p.Public[:]...)
}

func readPair(r *pickle.Reader, p *curve.Private) {
	r.Bytes(p.Secret[:])
	r.Bytes(p.Public[:])
}

func appendHeld(b []byte, k *heldKey) []byte {
	b = pickle.AppendU64(b, uint64(k.id))
	b = pickle.AppendBool(b, k.published)
	return appendPair(b, &k.pair)
}

func readHeld(r *pickle.Reader) (k heldKey) {
	k.id = KeyID(r.U64())
	k.published = r.Bool()
	readPair(r, &k.pair)
	return k
}

// UnpickleAccount reads what Pickle wrote. Errors: fail.Version, fail.Format,
// fail.Size, fail.MAC (also for the wrong key).
func UnpickleAccount(key *PickleKey, data []byte) (*Account, error) {
	plain, err := pickle.Open(pickle.KindAccount, &key.k, data)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	r := pickle.NewReader("account pickle", plain)
	a := &Account{signing: ed.ReadStored(r)}
	readPair(r, &a.identity)
	a.oneTime.next = KeyID(r.U64())
	n := r.Count(MaxOneTimeKeys, heldKeyLen)
	a.oneTime.init(n)
	a.oneTime.keys = make([]heldKey, 0, n)
	for range n {
		a.oneTime.add(readHeld(r))
	}
	a.fallback.next = KeyID(r.U64())
	for _, k := range []**heldKey{&a.fallback.current, &a.fallback.previous} {
		if r.Bool() {
			held := readHeld(r)
			*k = &held
		}
	}
	if err := r.Done(); err != nil {
		return nil, err
	}
	return a, nil
}

const (
	chainLen   = 32 + 32 + 4
	skippedLen = 4 + 32
)

// Pickle encrypts the session for storage. r is the source of the salt; nil is
// crypto/rand. The error has the class fail.Random. About 2 µs.
func (s *Session) Pickle(r io.Reader, key *PickleKey) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	size := 300
	for i := range s.chains {
		size += chainLen + 4 + len(s.chains[i].skipped)*skippedLen
	}
	b := pickle.Begin(pickle.KindSession, size)
	b = append(b, byte(s.version))
	b = append(b, s.keys.identity[:]...)
	b = append(b, s.keys.base[:]...)
	b = append(b, s.keys.oneTime[:]...)
	b = pickle.AppendBool(b, s.received)
	b = append(b, s.root[:]...)
	b = pickle.AppendBool(b, s.sender != nil)
	if c := s.sender; c != nil {
		b = appendPair(b, &c.ratchet)
		b = append(b, c.key[:]...)
		b = pickle.AppendU32(b, c.index)
	}
	b = pickle.AppendU32(b, uint32(len(s.chains)))
	for i := range s.chains {
		c := &s.chains[i]
		b = append(b, c.ratchet[:]...)
		b = append(b, c.key[:]...)
		b = pickle.AppendU32(b, c.index)
		b = pickle.AppendU32(b, uint32(len(c.skipped)))
		for j := range c.skipped {
			b = pickle.AppendU32(b, c.skipped[j].index)
			b = append(b, c.skipped[j].key[:]...)
		}
	}
	return pickle.Seal(r, &key.k, b)
}

// UnpickleSession reads what Pickle wrote. Errors: fail.Version, fail.Format,
// fail.Size, fail.MAC (also for the wrong key).
func UnpickleSession(key *PickleKey, data []byte) (*Session, error) {
	plain, err := pickle.Open(pickle.KindSession, &key.k, data)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	r := pickle.NewReader("session pickle", plain)
	s := &Session{version: Version(r.U8())}
	r.Bytes(s.keys.identity[:])
	r.Bytes(s.keys.base[:])
	r.Bytes(s.keys.oneTime[:])
	s.received = r.Bool()
	r.Bytes(s.root[:])
	if r.Bool() {
		s.sender = new(senderChain)
		readPair(r, &s.sender.ratchet)
		r.Bytes(s.sender.key[:])
		s.sender.index = r.U32()
	}
	n := r.Count(MaxChains, chainLen)
	s.chains = make([]receiverChain, n)
	for i := range s.chains {
		readChain(r, &s.chains[i])
	}
	if err := r.Done(); err != nil {
		return nil, err
	}
	return s, s.check()
}

func readChain(r *pickle.Reader, c *receiverChain) {
	r.Bytes(c.ratchet[:])
	r.Bytes(c.key[:])
	c.index = r.U32()
	n := r.Count(MaxSkippedKeys, skippedLen)
	for range n {
		k := skippedKey{index: r.U32()}
		r.Bytes(k.key[:])
		c.skipped = append(c.skipped, k)
	}
}

// check refuses a session that no sequence of messages leads to.
func (s *Session) check() error {
	if !s.version.valid() {
		return fail.New(fail.Version, "session pickle")
	}
	if s.sender == nil && len(s.chains) == 0 {
		return fail.New(fail.Format, "session pickle without chains")
	}
	return nil
}
