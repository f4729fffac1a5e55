package olm

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
	"github.com/hanse-im/hanse/e2ee/olm/internal/kdf"
	"github.com/hanse-im/hanse/e2ee/olm/internal/pickle"
	"github.com/hanse-im/hanse/e2ee/olm/internal/wire"
)

// Each test here is an attack that was published on an implementation of this
// protocol, or a kind of input that a peer or server can send.

// state is everything that a session remembers, under a fixed salt.
func state(t testing.TB, s *Session) string {
	t.Helper()
	data, err := s.Pickle(zeros{}, pickleKey(t, 0))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// refuses checks that a session refuses a message with the class and does not
// change.
func refuses(t *testing.T, name string, s *Session, m Message, want fail.Class) {
	t.Helper()
	before := state(t, s)
	plain, err := s.Decrypt(m)
	if !errors.Is(err, want) || plain != nil {
		t.Errorf("%s: %q, %v; want class %q", name, plain, err, want)
	}
	if state(t, s) != before {
		t.Errorf("%s: the session changed", name)
	}
}

// TestNonContributoryKeys: 3DH and the ratchet accepted keys of small order in
// vodozemac before 0.10 (February 2026) and do in libolm; the shared secret is
// then known to everybody.
func TestNonContributoryKeys(t *testing.T) {
	t.Parallel()
	alice, bob := mustAccount(t), mustAccount(t)
	low := []Curve25519Key{{}, {1}, {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}}
	for _, k := range low {
		_, err := alice.NewOutboundSession(nil, V1, PeerIdentityKey(k), newPreKey(t, bob))
		wantClass(t, err, fail.Key)
		_, err = alice.NewOutboundSession(nil, V1, identity(bob), PeerPreKey(k))
		wantClass(t, err, fail.Key)

		// A pre-key message with such a base key, and one from such an identity.
		s, err := alice.NewOutboundSession(nil, V1, identity(bob), newPreKey(t, bob))
		if err != nil {
			t.Fatal(err)
		}
		s.keys.base = curve.Public(k)
		_, _, err = bob.NewInboundSession(V1, identity(alice), encrypt(t, s, "x"))
		wantClass(t, err, fail.Key)
		s.keys.identity = curve.Public(k)
		_, _, err = bob.NewInboundSession(V1, PeerIdentityKey(k), encrypt(t, s, "x"))
		wantClass(t, err, fail.Key)

		// A ratchet key in the middle of a session.
		out, _ := settled(t)
		m := encrypt(t, out, "own")
		bad := Message{Normal, bytes.Clone(m.Body)}
		copy(bad.Body[3:], k[:])
		refuses(t, "ratchet key", out, bad, fail.Key)
	}
}

// TestVersionDowngrade: a session of version 2 takes no message of version 1,
// with its short MAC, and stays of version 2 through a pickle.
func TestVersionDowngrade(t *testing.T) {
	t.Parallel()
	out, in := pair(t, V2)
	wantPlain(t, out, encrypt(t, in, "a"), "a")
	data, err := in.Pickle(nil, pickleKey(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if in, err = UnpickleSession(pickleKey(t, 1), data); err != nil || in.Version() != V2 {
		t.Fatal(err)
	}
	m := encrypt(t, out, "b")
	short := Message{Normal, bytes.Clone(m.Body[:len(m.Body)-24])}
	short.Body[0] = V1.wire()
	refuses(t, "version 1 message", in, short, fail.Version)
	wantPlain(t, in, m, "b")
	if _, err := in.ToLibolm(nil); !errors.Is(err, fail.Version) {
		t.Error("a session of version 2 became libolm's, which is of version 1")
	}
}

// TestReplays: a message decrypts once, also after a pickle and as a pre-key
// message after the session exists.
func TestReplays(t *testing.T) {
	t.Parallel()
	alice, bob := mustAccount(t), mustAccount(t)
	bob.RotateFallbackKey(nil)
	fb, _ := bob.UnpublishedFallbackKey()
	out, err := alice.NewOutboundSession(nil, V1, identity(bob), PeerPreKey(fb.Key))
	if err != nil {
		t.Fatal(err)
	}
	first := encrypt(t, out, "first")
	in, _, err := bob.NewInboundSession(V1, identity(alice), first)
	if err != nil {
		t.Fatal(err)
	}
	refuses(t, "pre-key message again", in, first, fail.Index)
	m := encrypt(t, out, "second")
	wantPlain(t, in, m, "second")
	refuses(t, "second again", in, m, fail.Index)
	// With a fallback key the server can make a second session of the message;
	// the caller is told by Matches that one exists.
	if !in.Matches(first) {
		t.Error("Matches does not know the session's own message")
	}
}

// TestFarIndices: an index far ahead costs nothing and changes nothing, for the
// largest numbers too (resource exhaustion by message gap).
func TestFarIndices(t *testing.T) {
	t.Parallel()
	out, in := settled(t)
	m := encrypt(t, out, "x")
	p, err := parseNormal(m.Body)
	if err != nil {
		t.Fatal(err)
	}
	forge := func(index []byte) Message {
		b := append([]byte{V1.wire()}, wire.AppendString(nil, tagRatchetKey, p.ratchet[:])...)
		b = append(append(b, tagIndex), index...)
		b = wire.AppendString(b, tagCiphertext, p.ciphertext)
		return Message{Normal, append(b, p.mac...)}
	}
	refuses(t, "gap", in, forge([]byte{0xd3, 0x0f}), fail.Gap)
	refuses(t, "2^31", in, forge([]byte{0x80, 0x80, 0x80, 0x80, 0x08}), fail.Gap)
	refuses(t, "2^32-1", in, forge([]byte{0xff, 0xff, 0xff, 0xff, 0x0f}), fail.Gap)
	refuses(t, "2^32", in, forge([]byte{0x80, 0x80, 0x80, 0x80, 0x10}), fail.Format)
	refuses(t, "2^63", in, forge([]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40}), fail.Format)
	refuses(t, "endless", in, forge(bytes.Repeat([]byte{0x80}, 20)), fail.Format)
	refuses(t, "long zero", in, forge([]byte{0x80, 0x00}), fail.Format)
	wantPlain(t, in, m, "x")
	// The same on a chain that does not exist yet.
	wantPlain(t, out, encrypt(t, in, "turn"), "turn")
	m = encrypt(t, out, "y")
	p, _ = parseNormal(m.Body)
	refuses(t, "gap in a new chain", in, forge([]byte{0xd2, 0x0f}), fail.Gap)
	wantPlain(t, in, m, "y")
}

// TestMalformed: what is wrong with a message's shape, with the class, the
// session unchanged.
func TestMalformed(t *testing.T) {
	t.Parallel()
	out, in := settled(t)
	m := encrypt(t, out, "x")
	p, err := parseNormal(m.Body)
	if err != nil {
		t.Fatal(err)
	}
	key := wire.AppendString(nil, tagRatchetKey, p.ratchet[:])
	index := wire.AppendInt(nil, tagIndex, p.index)
	ct := wire.AppendString(nil, tagCiphertext, p.ciphertext)
	build := func(version byte, parts ...[]byte) Message {
		return Message{Normal, append(append([]byte{version}, bytes.Join(parts, nil)...), p.mac...)}
	}
	for _, c := range []struct {
		name string
		m    Message
		want fail.Class
	}{
		{"empty", Message{Normal, nil}, fail.Format},
		{"no payload", Message{Normal, []byte{3, 1, 2, 3, 4, 5, 6, 7, 8}}, fail.Format},
		{"version 0", build(0, key, index, ct), fail.Version},
		{"version 5", build(5, key, index, ct), fail.Version},
		{"key twice", build(3, key, key, index, ct), fail.Format},
		{"index twice", build(3, key, index, index, ct), fail.Format},
		{"ciphertext twice", build(3, key, index, ct, ct), fail.Format},
		{"unknown integer", build(3, key, index, []byte{0x28, 1}, ct), fail.Format},
		{"unknown string", build(3, key, index, ct, []byte{0x2a, 1, 1}), fail.Format},
		{"no key", build(3, index, ct), fail.Format},
		{"no index", build(3, key, ct), fail.Format},
		{"no ciphertext", build(3, key, index), fail.Format},
		{"short key", build(3, []byte{tagRatchetKey, 2, 1, 1}, index, ct), fail.Format},
		{"long string", build(3, key, index, []byte{tagCiphertext, 0xff, 0xff, 0xff, 0xff, 0x0f}), fail.Format},
		{"empty ciphertext", build(3, key, index, []byte{tagCiphertext, 0}), fail.MAC},
		{"other order", build(3, index, key, ct), fail.MAC},
		{"other type", Message{7, m.Body}, fail.Format},
		{"normal as pre-key", Message{PreKey, m.Body}, fail.Format},
		{"oversized", Message{Normal, make([]byte, MaxMessageSize+1)}, fail.Size},
	} {
		refuses(t, c.name, in, c.m, c.want)
	}
	for i := range m.Body {
		bad := Message{Normal, bytes.Clone(m.Body)}
		bad.Body[i] ^= 0x40
		before := state(t, in)
		if _, err := in.Decrypt(bad); err == nil {
			t.Fatalf("byte %d changed and still decrypted", i)
		}
		if _, err := in.Decrypt(Message{Normal, m.Body[:i]}); err == nil {
			t.Fatalf("%d bytes decrypted", i)
		}
		if state(t, in) != before {
			t.Fatalf("byte %d: the session changed", i)
		}
	}
	wantPlain(t, in, m, "x")
	for text, want := range map[string]fail.Class{
		"": fail.Format, "A": fail.Encoding, "AAAA\nAAAA": fail.Encoding, "AA==AA": fail.Encoding, "AB": fail.Encoding,
		"AAAA": fail.Version, "Aw=": fail.Encoding, "_w": fail.Encoding,
		strings.Repeat("A", MaxMessageSize*2): fail.Size,
	} {
		if _, err := ParseMessage(1, text); !errors.Is(err, want) {
			t.Errorf("%.20q: %v, want %v", text, err, want)
		}
	}
	if _, err := ParseMessage(2, "Aw"); !errors.Is(err, fail.Format) {
		t.Error(err)
	}
}

// TestForeignPreKeyMessage: a pre-key message of another session is no message
// of this one, though its chain key might be tried.
func TestForeignPreKeyMessage(t *testing.T) {
	t.Parallel()
	alice, bob := mustAccount(t), mustAccount(t)
	var in []*Session
	var ms []Message
	for range 2 {
		s, err := alice.NewOutboundSession(nil, V1, identity(bob), newPreKey(t, bob))
		if err != nil {
			t.Fatal(err)
		}
		r, _, err := bob.NewInboundSession(V1, identity(alice), encrypt(t, s, "x"))
		if err != nil {
			t.Fatal(err)
		}
		in, ms = append(in, r), append(ms, encrypt(t, s, "y"))
	}
	refuses(t, "foreign", in[0], ms[1], fail.Mismatch)
	if in[0].Matches(ms[1]) || !in[1].Matches(ms[1]) {
		t.Error("Matches")
	}
}

// TestHugeCounts: the counts in a pickle are checked before anything is
// allocated (CVE-2021-34813 and its kind).
func TestHugeCounts(t *testing.T) {
	t.Parallel()
	key := pickleKey(t, 1)
	s, _ := settled(t)
	for _, count := range []uint32{6, 1000, 1 << 31, 1<<32 - 1} {
		b := pickle.Begin(pickle.KindSession, 0)
		b = append(b, 1)
		b = append(b, make([]byte, 96+1+32+1)...)
		b = pickle.AppendU32(b, count)
		data, err := pickle.Seal(nil, &key.k, b)
		if err != nil {
			t.Fatal(err)
		}
		_, err = UnpickleSession(key, data)
		wantClass(t, err, fail.Format)

		b = pickle.AppendU32(nil, libolmSession)
		b = append(b, make([]byte, 1+96+32+4)...)
		b = pickle.AppendU32(b, count)
		_, err = SessionFromLibolm([]byte("k"), pickle.SealLibolm([]byte("k"), b))
		wantClass(t, err, fail.Format)
	}
	text, err := s.ToLibolm([]byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := pickle.OpenLibolm([]byte("k"), text)
	if err != nil {
		t.Fatal(err)
	}
	for n := range plain {
		if _, err := SessionFromLibolm([]byte("k"), pickle.SealLibolm([]byte("k"), plain[:n])); err == nil {
			t.Fatalf("%d bytes of state were read", n)
		}
	}
	_, err = SessionFromLibolm([]byte("k"), pickle.SealLibolm([]byte("k"), append(plain, 0)))
	wantClass(t, err, fail.Format)
}

// TestForgedLibolmPairs: a pickle whose public key is not the secret's is
// refused, for the signing key (the double public key oracle) and the others.
func TestForgedLibolmPairs(t *testing.T) {
	t.Parallel()
	a := mustAccount(t)
	a.GenerateOneTimeKeys(nil, 1)
	text, err := a.ToLibolm([]byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := pickle.OpenLibolm([]byte("k"), text)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{4, 4 + 96, 4 + 96 + 64 + 4 + 5} {
		bad := bytes.Clone(plain)
		bad[at] ^= 1
		_, err := AccountFromLibolm([]byte("k"), pickle.SealLibolm([]byte("k"), bad))
		wantClass(t, err, fail.Format)
	}
}

// TestFailingRandomness: without randomness nothing is made and nothing moves.
func TestFailingRandomness(t *testing.T) {
	t.Parallel()
	broken := iotestErr{}
	if _, err := NewAccount(broken); !errors.Is(err, fail.Random) {
		t.Error(err)
	}
	out, in := settled(t)
	wantPlain(t, in, encrypt(t, out, "x"), "x")
	before := state(t, in)
	if _, err := in.Encrypt(broken, []byte("x")); !errors.Is(err, fail.Random) {
		t.Error(err)
	}
	if _, err := in.Pickle(broken, pickleKey(t, 1)); !errors.Is(err, fail.Random) {
		t.Error(err)
	}
	if state(t, in) != before {
		t.Error("the session changed")
	}
	a := mustAccount(t)
	if _, _, err := a.GenerateOneTimeKeys(broken, 3); !errors.Is(err, fail.Random) || a.OneTimeKeyCount() != 0 {
		t.Error(err)
	}
	if _, err := a.NewOutboundSession(broken, V1, identity(a), newPreKey(t, a)); !errors.Is(err, fail.Random) {
		t.Error(err)
	}
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, errors.New("broken") }

// TestNothingPrinted: no formatting shows a secret.
func TestNothingPrinted(t *testing.T) {
	t.Parallel()
	key := pickleKey(t, 77)
	a := mustAccount(t)
	s, _ := settled(t)
	secrets := []string{fmt.Sprint(a.identity.Secret[:4])[1:], fmt.Sprint(a.signing.Seed[:4])[1:], fmt.Sprint(s.root[:4])[1:], "77 77", "0x4d, 0x4d"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{a, s, key, *key, struct{ K PickleKey }{*key}, []*Session{s}} {
			text := fmt.Sprintf(format, v)
			for _, secret := range secrets {
				if strings.Contains(text, strings.TrimSuffix(secret, "]")) {
					t.Errorf("%T prints as %q", v, text)
				}
			}
		}
	}
	_, err := s.Decrypt(Message{Normal, []byte("secret bytes")})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("an error shows input: %v", err)
	}
}

// TestWipe leaves no secret in the fields.
func TestWipe(t *testing.T) {
	t.Parallel()
	a := mustAccount(t)
	a.GenerateOneTimeKeys(nil, 2)
	a.RotateFallbackKey(nil)
	s, _ := settled(t)
	sender := s.sender
	a.Wipe()
	s.Wipe()
	if a.identity.Secret != [32]byte{} || a.signing.Seed != [32]byte{} || *a.signing.Expanded() != [64]byte{} || s.root != [32]byte{} ||
		sender != nil && sender.key != [32]byte{} || len(s.chains) != 0 {
		t.Error("secrets are left")
	}
	var d kdf.Deriver
	d.Wipe()
}
