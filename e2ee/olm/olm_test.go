package olm

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

func mustAccount(t testing.TB) *Account {
	t.Helper()
	a, err := NewAccount(nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func identity(a *Account) PeerIdentityKey { return PeerIdentityKey(a.IdentityKeys().Curve25519) }

func newPreKey(t testing.TB, a *Account) PeerPreKey {
	t.Helper()
	created, _, err := a.GenerateOneTimeKeys(nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	return PeerPreKey(created[0].Key)
}

// pair makes the two ends of a session, the second from the first's message.
func pair(t testing.TB, v Version) (out, in *Session) {
	t.Helper()
	alice, bob := mustAccount(t), mustAccount(t)
	out, err := alice.NewOutboundSession(nil, v, identity(bob), newPreKey(t, bob))
	if err != nil {
		t.Fatal(err)
	}
	in, plain, err := bob.NewInboundSession(v, identity(alice), encrypt(t, out, "first"))
	if err != nil || string(plain) != "first" {
		t.Fatalf("inbound: %q, %v", plain, err)
	}
	return out, in
}

func encrypt(t testing.TB, s *Session, text string) Message {
	t.Helper()
	m, err := s.Encrypt(nil, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func wantPlain(t testing.TB, s *Session, m Message, want string) {
	t.Helper()
	got, err := s.Decrypt(m)
	if err != nil || string(got) != want {
		t.Fatalf("decrypted %q, %v; want %q", got, err, want)
	}
}

func wantClass(t testing.TB, err error, class fail.Class) {
	t.Helper()
	if !errors.Is(err, class) {
		t.Fatalf("error %v, want class %q", err, class)
	}
}

// TestConversation is a conversation in which both sides answer, in both
// versions; pre-key messages stop once an answer came.
func TestConversation(t *testing.T) {
	t.Parallel()
	for _, v := range []Version{V1, V2} {
		out, in := pair(t, v)
		if out.SessionID() != in.SessionID() {
			t.Error("session IDs differ")
		}
		second := encrypt(t, out, "second")
		if second.Type != PreKey || !in.Matches(second) {
			t.Error("an unanswered session sends pre-key messages of itself")
		}
		wantPlain(t, in, second, "second")
		for i := range 20 {
			text := fmt.Sprint("message ", i)
			m := encrypt(t, in, text)
			if m.Type != Normal || m.Body[0] != byte(v)+2 {
				t.Fatalf("type %d version %d", m.Type, m.Body[0])
			}
			wantPlain(t, out, m, text)
			wantPlain(t, in, encrypt(t, out, text), text)
		}
	}
}

// TestRandomSchedules plays conversations in which messages are lost, doubled
// and come in any order within the limits; each arrives at most once.
func TestRandomSchedules(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 7))
		out, in := pair(t, V1)
		ends := [2]*Session{out, in}
		type flying struct {
			to   int
			m    Message
			text string
			done bool
		}
		var air []flying
		for step := range 300 {
			if from := rng.IntN(2); rng.IntN(3) > 0 || len(air) == 0 {
				text := fmt.Sprint(step, "/", from)
				air = append(air, flying{to: 1 - from, m: encrypt(t, ends[from], text), text: text})
				continue
			}
			// Mostly recent messages, so that few chains are crossed.
			i := len(air) - 1 - rng.IntN(min(len(air), 8))
			f := &air[i]
			if f.done && rng.IntN(2) == 0 {
				// A duplicate of a pre-key or normal message.
				if _, err := ends[f.to].Decrypt(f.m); !errors.Is(err, fail.Index) && !errors.Is(err, fail.MAC) {
					t.Fatalf("seed %d: duplicate gave %v", seed, err)
				}
				continue
			}
			if f.done {
				continue
			}
			plain, err := ends[f.to].Decrypt(f.m)
			if err != nil {
				t.Fatalf("seed %d step %d: %v", seed, step, err)
			}
			if string(plain) != f.text {
				t.Fatalf("seed %d: %q", seed, plain)
			}
			f.done = true
		}
	}
}

// TestSkippedKeys tests the limits on gaps and on kept keys.
func TestSkippedKeys(t *testing.T) {
	t.Parallel()
	out, in := pair(t, V1)
	var ms []Message
	for i := range MaxMessageGap + 3 {
		ms = append(ms, encrypt(t, out, fmt.Sprint(i)))
	}
	// The chain stands at index 1; index MaxMessageGap+2 is one too far.
	_, err := in.Decrypt(ms[MaxMessageGap+1])
	wantClass(t, err, fail.Gap)
	wantPlain(t, in, ms[MaxMessageGap], fmt.Sprint(MaxMessageGap))
	// Of the passed-over messages the last forty can be read, once.
	first := MaxMessageGap - MaxSkippedKeys
	_, err = in.Decrypt(ms[first-1])
	wantClass(t, err, fail.Index)
	for i := first; i < MaxMessageGap; i++ {
		wantPlain(t, in, ms[i], fmt.Sprint(i))
		_, err = in.Decrypt(ms[i])
		wantClass(t, err, fail.Index)
	}
	if n := len(in.chains[0].skipped); n != 0 {
		t.Errorf("%d keys left", n)
	}
}

// TestChainLimit keeps five chains: a late message of the sixth last turn is lost.
func TestChainLimit(t *testing.T) {
	t.Parallel()
	out, in := pair(t, V1)
	var late []Message
	for range MaxChains + 1 {
		wantPlain(t, out, encrypt(t, in, "a"), "a")
		late = append(late, encrypt(t, out, "late"))
		wantPlain(t, in, encrypt(t, out, "b"), "b")
	}
	if len(in.chains) != MaxChains {
		t.Fatalf("%d chains", len(in.chains))
	}
	if _, err := in.Decrypt(late[0]); err == nil {
		t.Error("a message of a dropped chain was decrypted")
	}
	for _, m := range late[1:] {
		wantPlain(t, in, m, "late")
	}
}

// TestOneTimeKeys: a one-time key makes one session, a fallback key many, the
// previous fallback key works until it is forgotten.
func TestOneTimeKeys(t *testing.T) {
	t.Parallel()
	alice, bob := mustAccount(t), mustAccount(t)
	begin := func(pre PeerPreKey) Message {
		s, err := alice.NewOutboundSession(nil, V1, identity(bob), pre)
		if err != nil {
			t.Fatal(err)
		}
		return encrypt(t, s, "x")
	}
	accept := func(m Message) error {
		_, _, err := bob.NewInboundSession(V1, identity(alice), m)
		return err
	}
	otk := newPreKey(t, bob)
	if err := accept(begin(otk)); err != nil {
		t.Fatal(err)
	}
	wantClass(t, accept(begin(otk)), fail.UnknownKey)

	fallback := func() PeerPreKey {
		if _, err := bob.RotateFallbackKey(nil); err != nil {
			t.Fatal(err)
		}
		k, ok := bob.UnpublishedFallbackKey()
		if !ok {
			t.Fatal("no fallback key")
		}
		bob.MarkKeysAsPublished()
		if _, ok := bob.UnpublishedFallbackKey(); ok {
			t.Fatal("a published fallback key is unpublished")
		}
		return PeerPreKey(k.Key)
	}
	f1 := fallback()
	for range 3 {
		if err := accept(begin(f1)); err != nil {
			t.Fatal(err)
		}
	}
	f2 := fallback()
	if accept(begin(f1)) != nil || accept(begin(f2)) != nil {
		t.Error("the fallback key and the one before must work")
	}
	if !bob.ForgetPreviousFallbackKey() || bob.ForgetPreviousFallbackKey() {
		t.Error("forgetting tells whether there was a key")
	}
	wantClass(t, accept(begin(f1)), fail.UnknownKey)
}

// TestOneTimeKeyStore: IDs do not repeat, publishing is remembered, the oldest
// keys make room.
func TestOneTimeKeyStore(t *testing.T) {
	t.Parallel()
	a := mustAccount(t)
	seen := map[string]bool{}
	for range 3 {
		created, removed, err := a.GenerateOneTimeKeys(nil, 50)
		if err != nil || len(created) != 50 || len(removed) != 0 {
			t.Fatal(len(created), len(removed), err)
		}
		for _, k := range created {
			if len(k.ID.String()) != 11 || seen[k.ID.String()] {
				t.Fatalf("ID %q", k.ID)
			}
			seen[k.ID.String()] = true
		}
		if got := a.UnpublishedOneTimeKeys(); len(got) != 50 || got[0] != created[0] {
			t.Fatal("unpublished keys")
		}
		a.MarkKeysAsPublished()
	}
	if a.OneTimeKeyCount() != 150 || len(a.UnpublishedOneTimeKeys()) != 0 {
		t.Fatal("count")
	}
	_, removed, err := a.GenerateOneTimeKeys(nil, MaxOneTimeKeys-100)
	if err != nil || len(removed) != 50 || removed[0].ID != 0 || a.OneTimeKeyCount() != MaxOneTimeKeys {
		t.Fatalf("%d removed, %d held, %v", len(removed), a.OneTimeKeyCount(), err)
	}
	if _, _, err := a.GenerateOneTimeKeys(nil, MaxOneTimeKeys+1); !errors.Is(err, fail.Size) {
		t.Error(err)
	}
}

// TestInboundRefusals: what is wrong with a pre-key message leaves account and
// one-time key as they were.
func TestInboundRefusals(t *testing.T) {
	t.Parallel()
	alice, bob, eve := mustAccount(t), mustAccount(t), mustAccount(t)
	otk := newPreKey(t, bob)
	s, err := alice.NewOutboundSession(nil, V1, identity(bob), otk)
	if err != nil {
		t.Fatal(err)
	}
	m := encrypt(t, s, "hi")
	_, _, err = bob.NewInboundSession(V1, identity(eve), m)
	wantClass(t, err, fail.Mismatch)
	_, _, err = bob.NewInboundSession(V2, identity(alice), m)
	wantClass(t, err, fail.Version)
	_, _, err = bob.NewInboundSession(9, identity(alice), m)
	wantClass(t, err, fail.Version)
	_, err = alice.NewOutboundSession(nil, 0, identity(bob), otk)
	wantClass(t, err, fail.Version)
	bad := Message{PreKey, bytes.Clone(m.Body)}
	bad.Body[len(bad.Body)-1] ^= 1
	_, _, err = bob.NewInboundSession(V1, identity(alice), bad)
	wantClass(t, err, fail.MAC)
	if bob.OneTimeKeyCount() != 1 {
		t.Fatal("a refused message used up the one-time key")
	}
	if _, _, err := bob.NewInboundSession(V1, identity(alice), m); err != nil {
		t.Fatal(err)
	}
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	a := mustAccount(t)
	sig := a.Sign([]byte("text"))
	key := a.IdentityKeys().Ed25519
	if err := key.Verify([]byte("text"), sig); err != nil {
		t.Fatal(err)
	}
	wantClass(t, key.Verify([]byte("test"), sig), fail.Signature)
	if s, err := ParseSignature(sig.String()); err != nil || s != sig {
		t.Error(err)
	}
	if k, err := ParseEd25519Key(key.String() + "="); err != nil || k != key {
		t.Error(err)
	}
}
