package megolm

import (
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm/internal/pickle"
)

// FuzzDecrypt gives any bytes to a session, as they come and under a valid
// signature of the session's key.
func FuzzDecrypt(f *testing.F) {
	out, in := pair(f, V1)
	m := encrypt(f, out, "text")
	f.Add([]byte(m[:len(m)-1]))
	f.Add([]byte(m[:len(m)-signatureLen-8]))
	f.Add([]byte{3, 8, 0, 0x12, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		Message(b).Index()
		signed := append(append([]byte{}, b...), make([]byte, 8+signatureLen)...)
		n := len(signed) - signatureLen
		out.signing.Sign((*[signatureLen]byte)(signed[n:]), signed[:n])
		before := in.cache.latest(&in.first).index
		for _, m := range []Message{b, signed} {
			if _, err := in.Decrypt(m); err == nil {
				t.Fatalf("decrypted %x", m)
			}
		}
		if in.cache.latest(&in.first).index != before {
			t.Fatal("the session moved")
		}
	})
}

func FuzzKeys(f *testing.F) {
	out, in := pair(f, V1)
	f.Add(out.SessionKey().Text())
	f.Add(in.Export().Text())
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := ParseSessionKey(text); err == nil {
			NewInbound(V1, k)
		}
		if k, err := ParseExportedKey(text); err == nil {
			s, err := Import(V1, k)
			if err != nil {
				t.Fatal(err)
			}
			s.Decrypt(Message{3})
			s.ExportAt(1<<32 - 1)
		}
		ParseMessage(text)
	})
}

// FuzzUnpickle reads any plaintext as state of every format.
func FuzzUnpickle(f *testing.F) {
	key := pickleKey(f, 1)
	out, in := pair(f, V1)
	for _, make := range []func([]byte) (string, error){out.ToLibolm, in.ToLibolm} {
		text, _ := make([]byte("k"))
		plain, err := pickle.OpenLibolm([]byte("k"), text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
	}
	f.Add([]byte(`{"ratchet":{"inner":[],"counter":1},"signing_key":{"Normal":[]}}`))
	f.Fuzz(func(t *testing.T, plain []byte) {
		for _, kind := range []pickle.Kind{pickle.KindOutbound, pickle.KindInbound} {
			data, err := pickle.Seal(nil, key.Secret(), append(pickle.Begin(kind, len(plain)), plain...))
			if err != nil {
				t.Fatal(err)
			}
			useOut(UnpickleOutbound(key, data))
			useIn(UnpickleInbound(key, data))
		}
		text := pickle.SealLibolm([]byte("k"), plain)
		useOut(OutboundFromLibolm([]byte("k"), text))
		useIn(InboundFromLibolm([]byte("k"), text))
		vz := pickle.SealLibolm(key.Secret()[:], plain)
		useOut(OutboundFromVodozemac(key, vz))
		useIn(InboundFromVodozemac(key, vz))
	})
}

func useOut(s *Outbound, err error) {
	if err == nil {
		s.Encrypt(nil)
		s.SessionKey()
	}
}

func useIn(s *Inbound, err error) {
	if err == nil {
		s.ExportAt(1<<32 - 1)
		s.Decrypt(Message{3})
		s.Compare(s)
	}
}
