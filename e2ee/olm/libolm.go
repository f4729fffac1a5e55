package olm

import (
	"cmp"
	"slices"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
	"github.com/hanse-im/hanse/e2ee/olm/internal/ed"
	"github.com/hanse-im/hanse/e2ee/olm/internal/pickle"
)

// What libolm can hold, and the versions of its pickles.
const (
	libolmOneTimeKeys = 100
	libolmSkipped     = 40

	libolmAccount  = 4
	libolmSession  = 1
	libolmSessionJ = 0x80000001
)

// ToLibolm encrypts the account as libolm and vodozemac read it. libolm holds
// 100 one-time keys; of more, the newest are handed over. The error has the
// class fail.Size, for key IDs beyond 32 bits.
func (a *Account) ToLibolm(key []byte) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := pickle.AppendU32(nil, libolmAccount)
	b = ed.AppendLibolm(b, a.signing)
	b = appendLibolmPair(b, &a.identity)
	if max(a.oneTime.next, a.fallback.next) > 1<<32-1 {
		return "", fail.New(fail.Size, "one-time key ID in a libolm pickle")
	}
	n := min(len(a.oneTime.keys), libolmOneTimeKeys)
	b = pickle.AppendU32(b, uint32(n))
	for i := range n {
		b = appendLibolmHeld(b, &a.oneTime.keys[len(a.oneTime.keys)-1-i])
	}
	fallbacks := len(b)
	b = append(b, 0)
	for _, k := range []*heldKey{a.fallback.current, a.fallback.previous} {
		if k != nil {
			b[fallbacks]++
			b = appendLibolmHeld(b, k)
		}
	}
	b = pickle.AppendU32(b, uint32(max(a.oneTime.next, a.fallback.next)))
	defer clear(b)
	return pickle.SealLibolm(key, b), nil
}

// libolm stores the public half first.
func appendLibolmPair(b []byte, p *curve.Private) []byte {
	b = append(b, p.Public[:]...)
	return append(b, p.Secret[:]...)
}

func readLibolmPair(r *pickle.Reader, p *curve.Private) {
	r.Bytes(p.Public[:])
	r.Bytes(p.Secret[:])
}

func appendLibolmHeld(b []byte, k *heldKey) []byte {
	b = pickle.AppendU32(b, uint32(k.id))
	b = pickle.AppendBool(b, k.published)
	return appendLibolmPair(b, &k.pair)
}

func readLibolmHeld(r *pickle.Reader) (k heldKey) {
	k.id = KeyID(r.U32())
	k.published = r.Bool()
	readLibolmPair(r, &k.pair)
	return k
}

// AccountFromLibolm reads an account that libolm or vodozemac's libolm
// compatibility wrote, in versions 2 to 4. Every public key is checked against
// its private half. Errors: fail.Encoding, fail.Format, fail.Size, fail.MAC,
// fail.Version. About 1 ms for 50 one-time keys.
func AccountFromLibolm(key []byte, text string) (*Account, error) {
	plain, err := pickle.OpenLibolm(key, text)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	r := pickle.NewReader("libolm account", plain)
	version := r.U32()
	if version < 2 || version > libolmAccount {
		return nil, fail.New(fail.Version, "libolm account")
	}
	a := new(Account)
	if a.signing, err = ed.ReadLibolm(r); err != nil {
		return nil, err
	}
	readLibolmPair(r, &a.identity)
	n := r.Count(MaxOneTimeKeys, 4+1+32+32)
	keys := make([]heldKey, n)
	for i := range keys {
		keys[i] = readLibolmHeld(r)
	}
	readLibolmFallback(r, version, &a.fallback)
	a.oneTime.next = KeyID(r.U32())
	if err := r.Done(); err != nil {
		return nil, err
	}
	a.fallback.next = a.oneTime.next
	return a, a.adopt(keys)
}

// readLibolmFallback reads the fallback keys: version 4 counts them, version 3
// always has two and marks those that exist as published, version 2 has none.
func readLibolmFallback(r *pickle.Reader, version uint32, s *fallbackStore) {
	n := 0
	switch version {
	case 3:
		n = 2
	case 4:
		if n = int(r.U8()); n > 2 {
			r.Fail()
			return
		}
	}
	for _, k := range []**heldKey{&s.current, &s.previous}[:n] {
		held := readLibolmHeld(r)
		if version == 4 || held.published {
			*k = &held
		}
	}
}

// adopt takes over one-time keys of another library, in any order, and checks
// that all key pairs of the account are pairs.
func (a *Account) adopt(keys []heldKey) error {
	slices.SortFunc(keys, func(x, y heldKey) int { return cmp.Compare(x.id, y.id) })
	pairs := []*curve.Private{&a.identity}
	for _, k := range []*heldKey{a.fallback.current, a.fallback.previous} {
		if k != nil {
			pairs = append(pairs, &k.pair)
		}
	}
	for i := range keys {
		pairs = append(pairs, &keys[i].pair)
	}
	if err := checkPairs(pairs); err != nil {
		return err
	}
	a.oneTime.init(len(keys))
	for _, k := range keys {
		if a.oneTime.find(&k.pair.Public) != nil {
			return fail.New(fail.Format, "one-time key twice in an account")
		}
		a.oneTime.add(k)
	}
	clear(keys)
	return nil
}

func checkPairs(pairs []*curve.Private) error {
	made := make([]curve.Private, len(pairs))
	defer clear(made)
	for i, p := range pairs {
		made[i].Secret = p.Secret
	}
	curve.PublicMany(made)
	for i, p := range pairs {
		if made[i].Public != p.Public {
			return fail.New(fail.Format, "Curve25519 key pair")
		}
	}
	return nil
}

// ToLibolm encrypts the session as libolm reads it. libolm holds 40 skipped
// keys in all; of more, those of the newest chains are handed over. The error
// has the class fail.Version, for a session of version 2, which libolm does not
// speak.
func (s *Session) ToLibolm(key []byte) (string, error) {
	if s.version != V1 {
		return "", fail.New(fail.Version, "libolm session")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := pickle.AppendU32(nil, libolmSession)
	b = pickle.AppendBool(b, s.received)
	b = append(b, s.keys.identity[:]...)
	b = append(b, s.keys.base[:]...)
	b = append(b, s.keys.oneTime[:]...)
	b = append(b, s.root[:]...)
	if c := s.sender; c != nil {
		b = pickle.AppendU32(b, 1)
		b = appendLibolmPair(b, &c.ratchet)
		b = append(b, c.key[:]...)
		b = pickle.AppendU32(b, c.index)
	} else {
		b = pickle.AppendU32(b, 0)
	}
	b = pickle.AppendU32(b, uint32(len(s.chains)))
	skipped := 0
	for i := range s.chains {
		c := &s.chains[i]
		b = append(b, c.ratchet[:]...)
		b = append(b, c.key[:]...)
		b = pickle.AppendU32(b, c.index)
		skipped += len(c.skipped)
	}
	b = s.appendLibolmSkipped(b, min(skipped, libolmSkipped))
	defer clear(b)
	return pickle.SealLibolm(key, b), nil
}

// appendLibolmSkipped appends n skipped keys, the newest first.
func (s *Session) appendLibolmSkipped(b []byte, n int) []byte {
	b = pickle.AppendU32(b, uint32(n))
	for i := range s.chains {
		c := &s.chains[i]
		for j := len(c.skipped) - 1; j >= 0 && n > 0; j-- {
			b = append(b, c.ratchet[:]...)
			b = append(b, c.skipped[j].key[:]...)
			b = pickle.AppendU32(b, c.skipped[j].index)
			n--
		}
	}
	return b
}

// SessionFromLibolm reads a session that libolm wrote. Skipped keys whose
// chain libolm no longer had are dropped, as libolm can not use them either.
// Errors: fail.Encoding, fail.Format, fail.Size, fail.MAC, fail.Version.
func SessionFromLibolm(key []byte, text string) (*Session, error) {
	plain, err := pickle.OpenLibolm(key, text)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	r := pickle.NewReader("libolm session", plain)
	version := r.U32()
	if version != libolmSession && version != libolmSessionJ {
		return nil, fail.New(fail.Version, "libolm session")
	}
	s := &Session{version: V1, received: r.Bool()}
	r.Bytes(s.keys.identity[:])
	r.Bytes(s.keys.base[:])
	r.Bytes(s.keys.oneTime[:])
	r.Bytes(s.root[:])
	if r.Count(1, 32+32+32+4) == 1 {
		s.sender = new(senderChain)
		readLibolmPair(r, &s.sender.ratchet)
		r.Bytes(s.sender.key[:])
		s.sender.index = r.U32()
	}
	s.chains = make([]receiverChain, r.Count(MaxChains, chainLen))
	for i := range s.chains {
		c := &s.chains[i]
		r.Bytes(c.ratchet[:])
		r.Bytes(c.key[:])
		c.index = r.U32()
	}
	s.readLibolmSkipped(r)
	if version == libolmSessionJ {
		r.U32()
	}
	if err := r.Done(); err != nil {
		return nil, err
	}
	if s.sender != nil {
		if err := checkPairs([]*curve.Private{&s.sender.ratchet}); err != nil {
			return nil, err
		}
	}
	return s, s.check()
}

func (s *Session) readLibolmSkipped(r *pickle.Reader) {
	for range r.Count(libolmSkipped, 32+32+4) {
		var ratchet curve.Public
		var k skippedKey
		r.Bytes(ratchet[:])
		r.Bytes(k.key[:])
		k.index = r.U32()
		for i := range s.chains {
			if s.chains[i].ratchet == ratchet {
				s.chains[i].skipped = slices.Insert(s.chains[i].skipped, 0, k)
			}
		}
	}
}
