package channel

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm"
	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestECIES(t *testing.T) {
	t.Parallel()
	g, s := must[*ECIES](t)(NewECIES(nil)), must[*ECIES](t)(NewECIES(nil))
	sc, first, err := s.Outbound(g.Public(), []byte("initiate"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := g.Inbound("AAAA" + first); !errors.Is(err, fail.MAC) {
		t.Error(err)
	}
	gc, plain, err := g.Inbound(first)
	if err != nil || string(plain) != "initiate" {
		t.Fatalf("%q, %v", plain, err)
	}
	if gc.CheckCode() != sc.CheckCode() || !sc.CheckCode().OldMatches(gc.CheckCode().OldText()) {
		t.Error("check codes differ")
	}
	for range 3 {
		m := must[string](t)(gc.Encrypt([]byte("to s")))
		if got := must[[]byte](t)(sc.Decrypt(m)); string(got) != "to s" {
			t.Errorf("%q", got)
		}
		if _, err := sc.Decrypt(m); !errors.Is(err, fail.MAC) {
			t.Error("a message was read twice")
		}
		if _, err := gc.Decrypt(m); !errors.Is(err, fail.MAC) {
			t.Error("our own message was read")
		}
		if got := must[[]byte](t)(gc.Decrypt(must[string](t)(sc.Encrypt(nil)))); len(got) != 0 {
			t.Errorf("%q", got)
		}
	}
	if _, _, err := g.Inbound(first); !errors.Is(err, fail.State) {
		t.Error("a key was used twice")
	}
	if _, _, err := s.Outbound(g.Public(), nil); !errors.Is(err, fail.State) {
		t.Error("a key was used twice")
	}
}

func TestECIESRefusals(t *testing.T) {
	t.Parallel()
	g := must[*ECIES](t)(NewECIES(nil))
	zero := olm.Curve25519Key{}
	for text, want := range map[string]fail.Class{
		"": fail.Format, "AAAA": fail.Format, "AAAA|x": fail.Encoding, "AAAA|AAAA": fail.Format,
		"AAAA|" + zero.String(): fail.Key, "AAAA|" + g.Public().String(): fail.Mismatch,
	} {
		if _, _, err := g.Inbound(text); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
	if _, _, err := g.Outbound(zero, nil); !errors.Is(err, fail.Key) {
		t.Error(err)
	}
	if _, _, err := g.Outbound(g.Public(), nil); !errors.Is(err, fail.Mismatch) {
		t.Error(err)
	}
	if _, _, err := g.Outbound(must[*ECIES](t)(NewECIES(nil)).Public(), make([]byte, 1<<20)); !errors.Is(err, fail.Size) {
		t.Error(err)
	}
}

// TestHPKE goes through the steps of the proposal with a sequence token that
// changes with each write.
//
// Spec: msc-open/4388-secure-qr-channel#establishment
func TestHPKE(t *testing.T) {
	t.Parallel()
	aad := func(token string) []byte { return must[[]byte](t)(AAD("https://example.org", "abc-def", token)) }
	g := must[*Recipient](t)(NewRecipient(nil))
	s, first, err := Initiate(g.Public(), []byte("MATRIX_QR_CODE_LOGIN_INITIATE"), aad("1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := g.Accept(first, aad("2")); !errors.Is(err, fail.MAC) {
		t.Error("the token is not bound")
	}
	a, plain, err := g.Accept(first, aad("1"))
	if err != nil || string(plain) != "MATRIX_QR_CODE_LOGIN_INITIATE" {
		t.Fatalf("%q, %v", plain, err)
	}
	if _, _, err := g.Accept(first, aad("1")); !errors.Is(err, fail.State) {
		t.Error("a key was used twice")
	}
	gc, answer, err := a.Respond(nil, []byte("MATRIX_QR_CODE_LOGIN_OK"), aad("2"))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "AAAA", answer[:60], "A" + answer[1:], first} {
		if _, _, err := s.Complete(bad, aad("2")); err == nil {
			t.Errorf("the answer %q was taken", bad)
		}
	}
	sc, plain, err := s.Complete(answer, aad("2"))
	if err != nil || string(plain) != "MATRIX_QR_CODE_LOGIN_OK" {
		t.Fatalf("%q, %v", plain, err)
	}
	code := sc.CheckCode()
	if code != gc.CheckCode() || !gc.CheckCode().Matches(code.Text()) || gc.CheckCode().Matches("9") || code.Text()[0] == '0' || len(code.Text()) != 2 {
		t.Error("check code")
	}
	for i, text := range []string{"one", "two", "three"} {
		m := must[string](t)(gc.Seal([]byte(text), aad("3")))
		if _, err := sc.Open(m, aad("x")); !errors.Is(err, fail.MAC) {
			t.Error(err)
		}
		if got := must[[]byte](t)(sc.Open(m, aad("3"))); string(got) != text {
			t.Errorf("%d: %q", i, got)
		}
		m = must[string](t)(sc.Seal([]byte(text), aad("4")))
		if _, err := gc.Open("AAAA", aad("4")); !errors.Is(err, fail.MAC) {
			t.Error(err)
		}
		if got := must[[]byte](t)(gc.Open(m, aad("4"))); string(got) != text {
			t.Errorf("%d: %q", i, got)
		}
		if _, err := gc.Open(m, aad("4")); !errors.Is(err, fail.MAC) {
			t.Error("a message was read twice")
		}
	}
	if _, _, err := a.Respond(nil, nil, nil); !errors.Is(err, fail.State) {
		t.Error("answered twice")
	}
	if _, _, err := s.Complete(answer, aad("2")); !errors.Is(err, fail.State) {
		t.Error("completed twice")
	}
	if _, _, err := Initiate(olm.Curve25519Key{}, nil, nil); !errors.Is(err, fail.Key) {
		t.Error(err)
	}
	if _, err := AAD("x", strings.Repeat("i", 256), ""); !errors.Is(err, fail.Size) {
		t.Error(err)
	}
}

// TestQRCode has the proposal's example.
//
// Spec: msc-open/4388-secure-qr-channel#example-for-qr-code-generated-on-new-device
func TestQRCode(t *testing.T) {
	t.Parallel()
	key := must[olm.Curve25519Key](t)(olm.ParseCurve25519Key("2IZoarIZe3gOMAqdSiFHSAcA15KfOasxueUUNwJI7Ws"))
	for prefix, head := range map[string]string{StablePrefix: "4d4154524958", UnstablePrefix: "494f5f454c454d454e545f4d534334333838"} {
		for intent, second := range map[Intent]string{NewDevice: "00", ExistingDevice: "01"} {
			want := must[[]byte](t)(hex.DecodeString(head + "03" + second +
				"d886686ab2197b780e300a9d4a2147480700d7929f39ab31b9e514370248ed6b" + "24" +
				"65386461363335352d353530622d346133322d613139332d313631396439383330363638" + "0020" +
				"68747470733a2f2f6d61747269782d636c69656e742e6d61747269782e6f7267"))
			q := QRCode{intent, key, "e8da6355-550b-4a32-a193-1619d9830668", "https://matrix-client.matrix.org"}
			if got := must[[]byte](t)(q.Bytes(prefix)); !bytes.Equal(got, want) {
				t.Errorf("%x", got)
			}
			if got, err := ParseQRCode(want); err != nil || got != q {
				t.Errorf("%v, %v", got, err)
			}
			for n := range want {
				if _, err := ParseQRCode(want[:n]); err == nil {
					t.Fatalf("%d bytes were read", n)
				}
			}
			if _, err := ParseQRCode(append(want, 0)); !errors.Is(err, fail.Format) {
				t.Error(err)
			}
		}
	}
	if _, err := ParseQRCode([]byte("MATRIX\x02\x00")); !errors.Is(err, fail.Version) {
		t.Error(err)
	}
}

func FuzzParseQRCode(f *testing.F) {
	b, _ := QRCode{RendezvousID: "id", BaseURL: "https://x"}.Bytes(StablePrefix)
	f.Add(b)
	f.Add([]byte("MATRIX\x03\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := ParseQRCode(b)
		if err != nil {
			return
		}
		prefix := StablePrefix
		if !bytes.HasPrefix(b, []byte(prefix)) {
			prefix = UnstablePrefix
		}
		if got, err := q.Bytes(prefix); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%x came back as %x", b, got)
		}
	})
}

func FuzzChannelMessages(f *testing.F) {
	s, _ := NewECIES(nil)
	g, _ := NewECIES(nil)
	_, first, _ := s.Outbound(g.Public(), []byte("x"))
	f.Add(first)
	r, _ := NewRecipient(nil)
	_, first, _ = Initiate(r.Public(), []byte("x"), nil)
	f.Add(first)
	f.Fuzz(func(t *testing.T, m string) {
		k, _ := NewECIES(nil)
		k.Inbound(m)
		r.Accept(m, nil)
	})
}
