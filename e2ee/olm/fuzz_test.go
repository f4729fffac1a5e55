package olm

import (
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm/internal/pickle"
)

// FuzzDecrypt gives any bytes to a session of each version, as both types of
// message: nothing but the session's own messages decrypts, and nothing moves.
func FuzzDecrypt(f *testing.F) {
	var ends []*Session
	for _, v := range []Version{V1, V2} {
		out, in := pair(f, v)
		wantPlain(f, out, encrypt(f, in, "x"), "x")
		m := encrypt(f, out, "text")
		f.Add(int(m.Type), m.Body[:len(m.Body)-1])
		ends = append(ends, in)
		again, _ := pair(f, v)
		m = encrypt(f, again, "text")
		f.Add(int(m.Type), m.Body)
	}
	f.Add(1, []byte{3, 0x0a, 32})
	f.Fuzz(func(t *testing.T, typ int, body []byte) {
		m := Message{Type: MessageType(typ), Body: body}
		m.SessionID()
		m.SenderIdentity()
		for _, s := range ends {
			before := state(t, s)
			if plain, err := s.Decrypt(m); err == nil || plain != nil {
				t.Fatalf("decrypted %x", body)
			}
			if state(t, s) != before {
				t.Fatal("the session changed")
			}
		}
	})
}

// FuzzNewInboundSession gives any pre-key message to an account.
func FuzzNewInboundSession(f *testing.F) {
	alice, bob := mustAccount(f), mustAccount(f)
	s, err := alice.NewOutboundSession(nil, V1, identity(bob), newPreKey(f, bob))
	if err != nil {
		f.Fatal(err)
	}
	m := encrypt(f, s, "text")
	f.Add(m.Body[:len(m.Body)-1])
	f.Fuzz(func(t *testing.T, body []byte) {
		m := Message{PreKey, body}
		from, err := m.SenderIdentity()
		if err != nil {
			return
		}
		if _, _, err := bob.NewInboundSession(V1, PeerIdentityKey(from), m); err == nil {
			t.Fatal("a session was made")
		}
		if bob.OneTimeKeyCount() != 1 {
			t.Fatal("the one-time key is gone")
		}
	})
}

func FuzzParseMessage(f *testing.F) {
	f.Add(0, "AwogAA")
	f.Add(1, "Awogvy==")
	f.Fuzz(func(t *testing.T, typ int, text string) {
		m, err := ParseMessage(typ, text)
		if err == nil && len(m.Body) == 0 {
			t.Error("an empty message")
		}
		ParseCurve25519Key(text)
		ParseEd25519Key(text)
		ParseSignature(text)
	})
}

// FuzzUnpickle reads any plaintext as state of every format; what is read can
// be used.
func FuzzUnpickle(f *testing.F) {
	key := pickleKey(f, 1)
	a := mustAccount(f)
	a.GenerateOneTimeKeys(nil, 2)
	a.RotateFallbackKey(nil)
	out, in := pair(f, V1)
	for _, kind := range []pickle.Kind{pickle.KindAccount, pickle.KindSession} {
		data, _ := a.Pickle(nil, key)
		if kind == pickle.KindSession {
			data, _ = out.Pickle(nil, key)
		}
		plain, err := pickle.Open(kind, &key.k, data)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
	}
	for _, make := range []func([]byte) (string, error){a.ToLibolm, out.ToLibolm, in.ToLibolm} {
		text, _ := make([]byte("k"))
		plain, err := pickle.OpenLibolm([]byte("k"), text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
	}
	f.Add([]byte(`{"signing_key":{"Normal":[1]},"sending_ratchet":{"type":"active"}}`))
	f.Fuzz(func(t *testing.T, plain []byte) {
		for _, kind := range []pickle.Kind{pickle.KindAccount, pickle.KindSession} {
			data, err := pickle.Seal(nil, &key.k, append(pickle.Begin(kind, len(plain)), plain...))
			if err != nil {
				t.Fatal(err)
			}
			if kind == pickle.KindAccount {
				use(UnpickleAccount(key, data))
			} else {
				useSession(UnpickleSession(key, data))
			}
		}
		text := pickle.SealLibolm([]byte("k"), plain)
		use(AccountFromLibolm([]byte("k"), text))
		useSession(SessionFromLibolm([]byte("k"), text))
		vz := pickle.SealLibolm(key.k[:], plain)
		use(AccountFromVodozemac(key, vz))
		useSession(SessionFromVodozemac(key, vz))
		Rehydrate(key, DehydratedDevice{DevicePickle: text, Nonce: "AAAAAAAAAAAAAAAA"})
	})
}

func use(a *Account, err error) {
	if err == nil {
		a.Sign(nil)
		a.UnpublishedOneTimeKeys()
		a.ToLibolm(nil)
	}
}

func useSession(s *Session, err error) {
	if err == nil {
		s.Encrypt(nil, nil)
		s.Decrypt(Message{Normal, []byte{3}})
		s.ToLibolm(nil)
	}
}
