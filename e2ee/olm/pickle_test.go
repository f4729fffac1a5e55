package olm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

func pickleKey(t testing.TB, fill byte) *PickleKey {
	t.Helper()
	k, err := NewPickleKey(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestAccountPickle reads back what it wrote, byte for byte of state.
func TestAccountPickle(t *testing.T) {
	t.Parallel()
	key := pickleKey(t, 1)
	a := mustAccount(t)
	check := func() {
		t.Helper()
		data, err := a.Pickle(nil, key)
		if err != nil {
			t.Fatal(err)
		}
		b, err := UnpickleAccount(key, data)
		if err != nil {
			t.Fatal(err)
		}
		if a.identity != b.identity || a.signing.Public != b.signing.Public || *a.signing.Expanded() != *b.signing.Expanded() ||
			a.oneTime.next != b.oneTime.next || fmt.Sprint(a.oneTime.keys) != fmt.Sprint(b.oneTime.keys) ||
			!reflect.DeepEqual(a.fallback, b.fallback) || a.signing.HasSeed != b.signing.HasSeed {
			t.Fatal("the account changed")
		}
	}
	check()
	a.GenerateOneTimeKeys(nil, 3)
	a.MarkKeysAsPublished()
	a.GenerateOneTimeKeys(nil, 2)
	a.RotateFallbackKey(nil)
	check()
	a.RotateFallbackKey(nil)
	check()
	text, err := a.ToLibolm([]byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	if a, err = AccountFromLibolm([]byte("k"), text); err != nil || a.signing.HasSeed {
		t.Fatal(err)
	}
	check()
	if _, err := a.Dehydrate(nil, key); !errors.Is(err, fail.State) {
		t.Error("an account without seed was dehydrated")
	}
}

// TestSessionPickle moves both ends through pickles in the middle of a
// conversation with keys skipped.
func TestSessionPickle(t *testing.T) {
	t.Parallel()
	for _, v := range []Version{V1, V2} {
		key := pickleKey(t, 2)
		out, in := pair(t, v)
		again := func(s *Session) *Session {
			t.Helper()
			data, err := s.Pickle(nil, key)
			if err != nil {
				t.Fatal(err)
			}
			back, err := UnpickleSession(key, data)
			if err != nil {
				t.Fatal(err)
			}
			return back
		}
		out, in = again(out), again(in)
		var late []Message
		for i := range 4 {
			wantPlain(t, out, encrypt(t, in, "a"), "a")
			late = append(late, encrypt(t, out, fmt.Sprint(i)))
			out, in = again(out), again(in)
			wantPlain(t, in, encrypt(t, out, "b"), "b")
		}
		in = again(in)
		if v == V1 {
			text, err := in.ToLibolm([]byte("k"))
			if err != nil {
				t.Fatal(err)
			}
			back, err := SessionFromLibolm([]byte("k"), text)
			if err != nil || state(t, back) != state(t, in) {
				t.Fatalf("through libolm's format: %v", err)
			}
			in = back
		}
		for i, m := range late {
			wantPlain(t, in, m, fmt.Sprint(i))
		}
	}
}

// TestPickleRefusals: a wrong key, another kind, a cut or changed pickle.
func TestPickleRefusals(t *testing.T) {
	t.Parallel()
	key := pickleKey(t, 3)
	s, _ := pair(t, V1)
	data, err := s.Pickle(nil, key)
	if err != nil {
		t.Fatal(err)
	}
	read := func(k *PickleKey, d []byte) error {
		_, err := UnpickleSession(k, d)
		return err
	}
	wantClass(t, read(pickleKey(t, 4), data), fail.MAC)
	_, err = UnpickleAccount(key, data)
	wantClass(t, err, fail.Format)
	for n := range data {
		if read(key, data[:n]) == nil {
			t.Fatalf("%d bytes were read", n)
		}
		bad := bytes.Clone(data)
		bad[n] ^= 0x10
		if read(key, bad) == nil {
			t.Fatalf("byte %d changed and was read", n)
		}
	}
	asAccount := bytes.Clone(data)
	asAccount[1] = 'A'
	_, err = UnpickleAccount(key, asAccount)
	wantClass(t, err, fail.MAC)
	wantClass(t, read(key, make([]byte, 3<<20)), fail.Size)
	wantClass(t, read(key, append([]byte{9}, data[1:]...)), fail.Version)
	again, _ := s.Pickle(nil, key)
	if bytes.Equal(again, data) {
		t.Error("two pickles of one state are alike")
	}
	if _, err := NewPickleKey(make([]byte, 31)); !errors.Is(err, fail.Format) {
		t.Error(err)
	}
	text, _ := s.ToLibolm([]byte("k"))
	_, err = SessionFromLibolm([]byte("l"), text)
	wantClass(t, err, fail.MAC)
	_, err = SessionFromLibolm([]byte("k"), text[:10])
	if err == nil {
		t.Error("a cut libolm pickle was read")
	}
	_, err = AccountFromLibolm([]byte("k"), text)
	wantClass(t, err, fail.Version)
}

type fixtureMessage struct {
	Text    string
	Message struct {
		Type int
		Body string
	}
}

func (f fixtureMessage) parse(t *testing.T) Message {
	t.Helper()
	m, err := ParseMessage(f.Message.Type, f.Message.Body)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestVodozemacPickles reads state that vodozemac wrote (testdata/README.md
// says how) and goes on with its conversations.
func TestVodozemacPickles(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/vodozemac.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Olm []struct {
			Version                  Version
			Alice_Account            string
			Alice_Curve              string
			Alice_Ed                 string
			Bob_Account              string
			Bob_Curve                string
			Bob_Ed                   string
			Bob_Unpublished_Fallback string
			First, To_Alice          fixtureMessage
			To_Bob                   []fixtureMessage
			Alice_Fresh, Session_ID  string
			Alice_Mid, Bob_Mid       string
		}
		Expanded_Account, Libolm_Account, Libolm_Key string
		Account_Curve, Account_Ed                    string
		Dehydrated                                   struct{ Device_Pickle, Nonce string }
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	key := pickleKey(t, 7)
	account := func(text, curve, ed string) *Account {
		t.Helper()
		a, err := AccountFromVodozemac(key, text)
		if err != nil {
			t.Fatal(err)
		}
		wantIdentity(t, a, curve, ed)
		return a
	}
	session := func(text string) *Session {
		t.Helper()
		s, err := SessionFromVodozemac(key, text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, c := range f.Olm {
		alice := account(c.Alice_Account, c.Alice_Curve, c.Alice_Ed)
		bob := account(c.Bob_Account, c.Bob_Curve, c.Bob_Ed)
		fb, ok := bob.UnpublishedFallbackKey()
		if !ok || fb.Key.String() != c.Bob_Unpublished_Fallback || bob.OneTimeKeyCount() != 5 {
			t.Fatalf("fallback %v, %d one-time keys", fb, bob.OneTimeKeyCount())
		}
		s, plain, err := bob.NewInboundSession(c.Version, identity(alice), c.First.parse(t))
		if err != nil || string(plain) != c.First.Text || s.SessionID() != c.Session_ID {
			t.Fatalf("%q, %v", plain, err)
		}
		wantPlain(t, session(c.Alice_Fresh), encrypt(t, s, "back"), "back")
		mid := session(c.Bob_Mid)
		for _, m := range c.To_Bob {
			wantPlain(t, mid, m.parse(t), m.Text)
		}
		a := session(c.Alice_Mid)
		wantPlain(t, a, c.To_Alice.parse(t), c.To_Alice.Text)
		wantPlain(t, session(c.Bob_Mid), encrypt(t, session(c.Alice_Mid), "ours"), "ours")
	}
	account(f.Expanded_Account, f.Account_Curve, f.Account_Ed)
	a, err := AccountFromLibolm([]byte(f.Libolm_Key), f.Libolm_Account)
	if err != nil {
		t.Fatal(err)
	}
	wantIdentity(t, a, f.Account_Curve, f.Account_Ed)
	a, err = Rehydrate(pickleKey(t, 9), DehydratedDevice{f.Dehydrated.Device_Pickle, f.Dehydrated.Nonce})
	if err != nil || a.OneTimeKeyCount() != 2 {
		t.Fatal(err)
	}
	wantIdentity(t, a, f.Account_Curve, f.Account_Ed)
	_, err = AccountFromVodozemac(pickleKey(t, 8), f.Expanded_Account)
	wantClass(t, err, fail.MAC)
	_, err = SessionFromVodozemac(key, f.Expanded_Account)
	if err == nil {
		t.Error("an account was read as a session")
	}
}

func wantIdentity(t *testing.T, a *Account, curve, ed string) {
	t.Helper()
	k := a.IdentityKeys()
	if k.Curve25519.String() != curve || k.Ed25519.String() != ed {
		t.Fatalf("identity keys %v, want %s and %s", k, curve, ed)
	}
	sig := a.Sign([]byte("x"))
	if err := k.Ed25519.Verify([]byte("x"), sig); err != nil {
		t.Fatal(err)
	}
}

// TestDehydrate: a rehydrated device reads what was sent to the account.
func TestDehydrate(t *testing.T) {
	t.Parallel()
	key := pickleKey(t, 5)
	alice, bob := mustAccount(t), mustAccount(t)
	otk := newPreKey(t, bob)
	bob.RotateFallbackKey(nil)
	fb, _ := bob.UnpublishedFallbackKey()
	d, err := bob.Dehydrate(nil, key)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Rehydrate(key, d)
	if err != nil || back.IdentityKeys() != bob.IdentityKeys() {
		t.Fatal(err)
	}
	for _, pre := range []PeerPreKey{otk, PeerPreKey(fb.Key)} {
		s, err := alice.NewOutboundSession(nil, V1, identity(bob), pre)
		if err != nil {
			t.Fatal(err)
		}
		if _, plain, err := back.NewInboundSession(V1, identity(alice), encrypt(t, s, "x")); err != nil || string(plain) != "x" {
			t.Fatal(err)
		}
	}
	_, err = Rehydrate(pickleKey(t, 6), d)
	wantClass(t, err, fail.MAC)
	_, err = Rehydrate(key, DehydratedDevice{d.DevicePickle, d.Nonce[:8]})
	wantClass(t, err, fail.Format)
	_, err = Rehydrate(key, DehydratedDevice{"*", d.Nonce})
	wantClass(t, err, fail.Encoding)
}
