package olm

import (
	"io"

	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
)

// MaxOneTimeKeys is how many private one-time keys an account keeps; the
// oldest are dropped for new ones. It is a hundred times what is published at
// once (PublishedOneTimeKeys), because a claimed key may be used long after it
// was claimed, and a key that is gone is a message that is lost.
const MaxOneTimeKeys = 5000

// PublishedOneTimeKeys is how many one-time keys to hold on the server.
const PublishedOneTimeKeys = 50

// heldKey is a one-time or fallback key with its private half.
type heldKey struct {
	id        KeyID
	published bool
	pair      curve.Private
}

// keyStore holds one-time keys, oldest first.
type keyStore struct {
	next KeyID
	keys []heldKey
	// place finds a key by its public half.
	place map[curve.Public]int
}

func (s *keyStore) init(n int) {
	if s.place == nil {
		s.place = make(map[curve.Public]int, n)
	}
}

// generate adds n keys and returns them and those dropped for them.
func (s *keyStore) generate(r io.Reader, n int) (created, removed []OneTimeKey, err error) {
	pairs := make([]curve.Private, n)
	if err := curve.GenerateMany(r, pairs); err != nil {
		return nil, nil, err
	}
	s.init(n)
	removed = s.drop(len(s.keys) + n - MaxOneTimeKeys)
	created = make([]OneTimeKey, n)
	for i := range pairs {
		k := heldKey{id: s.next, pair: pairs[i]}
		s.next++
		s.add(k)
		created[i] = OneTimeKey{ID: k.id, Key: Curve25519Key(k.pair.Public)}
		pairs[i].Wipe()
	}
	return created, removed, nil
}

func (s *keyStore) add(k heldKey) {
	s.place[k.pair.Public] = len(s.keys)
	s.keys = append(s.keys, k)
}

// drop removes the n oldest keys.
func (s *keyStore) drop(n int) (removed []OneTimeKey) {
	if n <= 0 {
		return nil
	}
	for i := range n {
		k := &s.keys[i]
		removed = append(removed, OneTimeKey{ID: k.id, Key: Curve25519Key(k.pair.Public)})
		delete(s.place, k.pair.Public)
	}
	left := copy(s.keys, s.keys[n:])
	clear(s.keys[left:])
	s.keys = s.keys[:left]
	for i := range s.keys {
		s.place[s.keys[i].pair.Public] = i
	}
	return removed
}

// find is the key of a public half, or nil.
func (s *keyStore) find(pub *curve.Public) *heldKey {
	i, ok := s.place[*pub]
	if !ok {
		return nil
	}
	return &s.keys[i]
}

// remove forgets a key that was used.
func (s *keyStore) remove(pub *curve.Public) {
	i, ok := s.place[*pub]
	if !ok {
		return
	}
	delete(s.place, *pub)
	last := len(s.keys) - 1
	copy(s.keys[i:], s.keys[i+1:])
	s.keys[last] = heldKey{}
	s.keys = s.keys[:last]
	for ; i < last; i++ {
		s.place[s.keys[i].pair.Public] = i
	}
}

func (s *keyStore) wipe() {
	clear(s.keys)
	s.keys, s.place = nil, nil
}

// fallbackStore holds the fallback key and the one before it, which messages
// under way may still name.
type fallbackStore struct {
	next              KeyID
	current, previous *heldKey
}

// rotate makes a new current key and returns the one that is dropped for it.
func (s *fallbackStore) rotate(r io.Reader) (*FallbackKey, error) {
	pair, err := curve.Generate(r)
	if err != nil {
		return nil, err
	}
	var removed *FallbackKey
	if s.previous != nil {
		removed = &FallbackKey{ID: s.previous.id, Key: Curve25519Key(s.previous.pair.Public)}
		s.previous.pair.Wipe()
	}
	s.previous = s.current
	s.current = &heldKey{id: s.next, pair: pair}
	s.next++
	return removed, nil
}

func (s *fallbackStore) find(pub *curve.Public) *heldKey {
	for _, k := range []*heldKey{s.current, s.previous} {
		if k != nil && k.pair.Public == *pub {
			return k
		}
	}
	return nil
}

// forget drops the previous key and tells whether there was one.
func (s *fallbackStore) forget() bool {
	if s.previous == nil {
		return false
	}
	s.previous.pair.Wipe()
	s.previous = nil
	return true
}

func (s *fallbackStore) wipe() {
	for _, k := range []*heldKey{s.current, s.previous} {
		if k != nil {
			k.pair.Wipe()
		}
	}
	s.current, s.previous = nil, nil
}
