package b64

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

// TestSecretCodec compares the branch-free pair with the standard library.
func TestSecretCodec(t *testing.T) {
	t.Parallel()
	for n := range 260 {
		b := make([]byte, n)
		rand.Read(b)
		text := EncodeSecret(b)
		if string(text) != base64.RawStdEncoding.EncodeToString(b) || Encode(b) != string(text) {
			t.Fatalf("%d bytes: %s", n, text)
		}
		for _, s := range []string{string(text), base64.StdEncoding.EncodeToString(b)} {
			if got, err := DecodeSecret("x", []byte(s)); err != nil || !bytes.Equal(got, b) {
				t.Fatalf("%q: %v", s, err)
			}
			if got, err := Decode("x", s); err != nil || !bytes.Equal(got, b) {
				t.Fatalf("%q: %v", s, err)
			}
		}
	}
	for c := range 256 {
		_, err := base64.RawStdEncoding.DecodeString("AAA" + string([]byte{byte(c)}))
		_, got := DecodeSecret("x", []byte{'A', 'A', 'A', byte(c)})
		if c != '\n' && c != '\r' && c != '=' && (err == nil) != (got == nil) {
			t.Errorf("symbol %#x: %v, standard library %v", c, got, err)
		}
	}
}

// TestEncode compares with the standard library around the chunks' ends.
func TestEncode(t *testing.T) {
	t.Parallel()
	for n := range 2400 {
		b := make([]byte, n)
		rand.Read(b)
		if got, want := Encode(b), base64.RawStdEncoding.EncodeToString(b); got != want {
			t.Fatalf("%d bytes: %s, want %s", n, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"A", "AAAAA", "AB", "AAB", "A===", "AA=", "AAA==", "AAAA=", "AAAA====", "AA\nAA", "AAAA\n", "\r\nAA", "AA==AA", "-_AA", "====", "AA A"} {
		for name, f := range map[string]func() error{
			"Decode":       func() error { _, err := Decode("x", s); return err },
			"DecodeSecret": func() error { _, err := DecodeSecret("x", []byte(s)); return err },
		} {
			if err := f(); !errors.Is(err, fail.Encoding) {
				t.Errorf("%s(%q): %v", name, s, err)
			}
		}
	}
	var key [32]byte
	for s, want := range map[string]fail.Class{"AAAA": fail.Format, "": fail.Format, "*": fail.Encoding,
		Encode(make([]byte, 33)): fail.Format, Encode(make([]byte, 31)): fail.Format} {
		if err := DecodeFixed("x", key[:], s); !errors.Is(err, want) {
			t.Errorf("%q: %v", s, err)
		}
	}
	if err := DecodeFixed("x", key[:], Encode(bytes.Repeat([]byte{7}, 32))+"="); err != nil || key[31] != 7 {
		t.Error(err)
	}
	if _, err := DecodeURL("x", "-_8"); err != nil {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("AAAA")
	f.Add("AA==")
	f.Fuzz(func(t *testing.T, s string) {
		a, errA := Decode("x", s)
		b, errB := DecodeSecret("x", []byte(s))
		if (errA == nil) != (errB == nil) || !bytes.Equal(a, b) {
			t.Errorf("%q: %x, %v; %x, %v", s, a, errA, b, errB)
		}
	})
}
