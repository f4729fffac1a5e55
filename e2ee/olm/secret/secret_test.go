package secret

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

func newKey(t testing.TB) *Key {
	t.Helper()
	k, err := NewKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestSecretsAndChecks: a secret opens under its key and its name alone; the
// check tells the key from others.
func TestSecretsAndChecks(t *testing.T) {
	t.Parallel()
	k, other := newKey(t), newKey(t)
	e, err := k.Encrypt(nil, "m.cross_signing.master", []byte("seed"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Decrypt("m.cross_signing.master", e); err != nil || string(got) != "seed" {
		t.Fatalf("%q, %v", got, err)
	}
	padded := e
	padded.Ciphertext += "=="
	padded.MAC += "="
	if got, err := k.Decrypt("m.cross_signing.master", padded); err != nil || string(got) != "seed" {
		t.Fatalf("padded base64 must be accepted: %v", err)
	}
	for _, f := range []func() error{
		func() error { _, err := other.Decrypt("m.cross_signing.master", e); return err },
		func() error { _, err := k.Decrypt("m.megolm_backup.v1", e); return err },
		func() error {
			c := e
			c.Ciphertext = "c2VlZQ"
			_, err := k.Decrypt("m.cross_signing.master", c)
			return err
		},
	} {
		if err := f(); !errors.Is(err, fail.MAC) {
			t.Error(err)
		}
	}
	bad := e
	bad.IV = "AAAA"
	if _, err := k.Decrypt("x", bad); !errors.Is(err, fail.Format) {
		t.Error(err)
	}
	c, err := k.NewCheck(nil)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := k.Check(c); !ok || err != nil {
		t.Fatal(err)
	}
	if _, err := other.Check(c); !errors.Is(err, fail.MAC) {
		t.Error(err)
	}
	if ok, err := other.Check(Check{}); ok || err != nil {
		t.Error("an absent check accepts, unchecked")
	}
	for range 50 {
		var iv [16]byte
		if err := newIV(nil, &iv); err != nil || iv[8]&0x80 != 0 {
			t.Fatal("bit 63 of the IV is set")
		}
	}
}

// TestKnownRecoveryKey is a recovery key whose bytes were computed with integer
// arithmetic elsewhere.
func TestKnownRecoveryKey(t *testing.T) {
	t.Parallel()
	const text = "EsTj 3yST y93F SLpB jJsz eAXc 2XzA ygD3 w69H fGaN TKBj jXEd"
	k, err := KeyFromRecovery(text)
	if err != nil {
		t.Fatal(err)
	}
	const want = "8da2453dc22b51355ad77ab75b3e9863af7f4a7bc4af0ce8865b57e2d02196d1"
	if got := fmt.Sprintf("%x", k.Bytes()); got != want || k.RecoveryKey() != text {
		t.Errorf("%s, %s", got, k.RecoveryKey())
	}
}

func TestRecoveryKeys(t *testing.T) {
	t.Parallel()
	for i := range 200 {
		k := newKey(t)
		if i == 0 {
			k = &Key{}
		}
		text := k.RecoveryKey()
		for _, typed := range []string{text, strings.ReplaceAll(text, " ", ""), "  " + strings.ReplaceAll(text, " ", "\n\t")} {
			back, err := KeyFromRecovery(typed)
			if err != nil || back.Bytes() != k.Bytes() {
				t.Fatalf("%q: %v", typed, err)
			}
		}
		if !strings.HasPrefix(text, "Es") {
			t.Errorf("recovery keys begin with Es: %q", text[:4])
		}
		swapped := []byte(text)
		swapped[6], swapped[7] = swapped[7], swapped[6]
		if swapped[6] != swapped[7] {
			if back, err := KeyFromRecovery(string(swapped)); err == nil && back.Bytes() == k.Bytes() {
				t.Error("a typing error was not noticed")
			}
		}
	}
	for text, want := range map[string]fail.Class{
		"": fail.Format, "EsT0": fail.Encoding, "EsTj 3yST": fail.Format, strings.Repeat("1", 600): fail.Format,
		strings.Repeat("z", 48): fail.Format,
	} {
		if _, err := KeyFromRecovery(text); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

func TestPassphrase(t *testing.T) {
	t.Parallel()
	p, err := NewPassphrase(nil)
	if err != nil || p.Iterations != DefaultIterations {
		t.Fatal(err)
	}
	p.Iterations = 1000
	a, err := p.Derive("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := p.Derive("correct horse ")
	if a.Bytes() == b.Bytes() {
		t.Error("two passphrases, one key")
	}
	// PBKDF2-HMAC-SHA-512 of "password", "salt", 1 round, first 32 bytes.
	k, err := Passphrase{Algorithm: "m.pbkdf2", Salt: "salt", Iterations: 1}.Derive("password")
	if got := fmt.Sprintf("%x", k.Bytes()); err != nil || got != "867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252" {
		t.Error(got, err)
	}
	for _, c := range []struct {
		p    Passphrase
		want fail.Class
	}{
		{Passphrase{Algorithm: "m.argon2", Iterations: 1}, fail.Version},
		{Passphrase{Algorithm: "m.pbkdf2"}, fail.Size},
		{Passphrase{Algorithm: "m.pbkdf2", Iterations: MaxIterations + 1}, fail.Size},
		{Passphrase{Algorithm: "m.pbkdf2", Iterations: 1, Bits: 128}, fail.Format},
	} {
		if _, err := c.p.Derive("x"); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c.p, err)
		}
	}
	if s := fmt.Sprintf("%v %+v %#v", a, a, a); strings.ContainsAny(s, "0123456789") {
		t.Errorf("a key prints as %q", s)
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	text := []byte(`[{"session_id":"` + strings.Repeat("x", 500) + `"}]`)
	file, err := SealKeyFile(nil, "pass", 1000, text)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenKeyFile("pass", file); err != nil || !bytes.Equal(got, text) {
		t.Fatal(err)
	}
	if got, err := OpenKeyFile("pass", bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n"))); err != nil || !bytes.Equal(got, text) {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		pass string
		file []byte
		want fail.Class
	}{
		"passphrase": {"Pass", file, fail.MAC},
		"no head":    {"pass", file[10:], fail.Format},
		"no tail":    {"pass", file[:len(file)-10], fail.Format},
		"empty":      {"pass", []byte(fileBegin + "\n" + fileEnd), fail.Format},
		"base64":     {"pass", []byte(fileBegin + "\n!!!!\n" + fileEnd), fail.Encoding},
		"version":    {"pass", armor(make([]byte, 100)), fail.Version},
		"rounds":     {"pass", armor(append([]byte{1}, bytes.Repeat([]byte{0xff}, 100)...)), fail.Size},
		"changed":    {"pass", bytes.Replace(file, file[100:104], []byte("AAAA"), 1), fail.MAC},
	} {
		if _, err := OpenKeyFile(c.pass, c.file); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := SealKeyFile(nil, "x", MaxIterations+1, nil); !errors.Is(err, fail.Size) {
		t.Error(err)
	}
}

func FuzzKeyFile(f *testing.F) {
	file, _ := SealKeyFile(nil, "pass", 1, []byte("[]"))
	f.Add(file)
	f.Add([]byte(fileBegin + fileEnd))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 44+len(fileBegin) && bytes.Contains(b, []byte("AAAA")) {
			return // many rounds only cost time
		}
		OpenKeyFile("pass", b)
	})
}

func FuzzRecoveryKey(f *testing.F) {
	f.Add("EsTj 3yST y93F SLpB jJsz eAXc 2XzA ygD3 w69H fGaN TKBj jXEd")
	f.Add("1111 zzzz")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := KeyFromRecovery(s)
		if err != nil {
			return
		}
		if back, err := KeyFromRecovery(k.RecoveryKey()); err != nil || back.Bytes() != k.Bytes() {
			t.Errorf("%q does not come back", s)
		}
	})
}
