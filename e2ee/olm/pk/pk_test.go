package pk

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm"
	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

// TestBySpec decrypts what is encrypted here with the standard library alone,
// by the steps of the specification.
//
// Spec: client-server-api/modules/end_to_end_encryption#backup-algorithm-mmegolm_backupv1curve25519-aes-sha2
func TestBySpec(t *testing.T) {
	t.Parallel()
	dec, err := NewDecryption(nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Encrypt(nil, dec.Public(), []byte("room key"))
	if err != nil {
		t.Fatal(err)
	}
	raw := func(s string) []byte {
		b, err := base64.RawStdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	secret := dec.Secret()
	private, _ := ecdh.X25519().NewPrivateKey(secret[:])
	public, _ := ecdh.X25519().NewPublicKey(raw(m.Ephemeral))
	shared, err := private.ECDH(public)
	if err != nil {
		t.Fatal(err)
	}
	keys, _ := hkdf.Key(sha256.New, shared, make([]byte, 32), "", 80)
	mac := hmac.New(sha256.New, keys[32:64])
	if !bytes.Equal(mac.Sum(nil)[:8], raw(m.MAC)) {
		t.Error("MAC")
	}
	block, _ := aes.NewCipher(keys[:32])
	data := raw(m.Ciphertext)
	cipher.NewCBCDecrypter(block, keys[64:]).CryptBlocks(data, data)
	if string(data[:8]) != "room key" || data[15] != 8 {
		t.Errorf("plaintext %q", data)
	}
	back, err := DecryptionFromSecret(secret[:])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := back.Decrypt(m); err != nil || string(got) != "room key" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	dec, _ := NewDecryption(nil)
	m, _ := Encrypt(nil, dec.Public(), []byte("x"))
	with := func(change func(*Message)) error {
		c := m
		change(&c)
		_, err := dec.Decrypt(c)
		return err
	}
	zero := base64.RawStdEncoding.EncodeToString(make([]byte, 32))
	for i, c := range []struct {
		err  error
		want fail.Class
	}{
		{with(func(m *Message) { m.Ephemeral = zero }), fail.Key},
		{with(func(m *Message) { m.Ephemeral = m.Ephemeral[:20] }), fail.Format},
		{with(func(m *Message) { m.Ephemeral = "*" }), fail.Encoding},
		{with(func(m *Message) { m.MAC = "AAAAAAAAAAA" }), fail.MAC},
		{with(func(m *Message) { m.MAC = "" }), fail.Format},
		{with(func(m *Message) { m.Ciphertext = "" }), fail.MAC},
		{with(func(m *Message) { m.Ciphertext = "AAAA" }), fail.MAC},
		{with(func(m *Message) { m.Ciphertext += "=" }), fail.Encoding},
		{with(func(m *Message) { m.Ciphertext = strings.Repeat("A", MaxSize+1) }), fail.Size},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("case %d: %v, want %v", i, c.err, c.want)
		}
	}
	if _, err := Encrypt(nil, olm.Curve25519Key{}, nil); !errors.Is(err, fail.Key) {
		t.Error(err)
	}
	if _, err := DecryptionFromSecret(make([]byte, 31)); !errors.Is(err, fail.Format) {
		t.Error(err)
	}
	if _, err := SigningFromSeed(nil); !errors.Is(err, fail.Format) {
		t.Error(err)
	}
}

func TestPickle(t *testing.T) {
	t.Parallel()
	key, _ := olm.NewPickleKey(make([]byte, 32))
	dec, _ := NewDecryption(nil)
	data, err := dec.Pickle(nil, key)
	if err != nil {
		t.Fatal(err)
	}
	back, err := UnpickleDecryption(key, data)
	if err != nil || back.pair != dec.pair {
		t.Fatal(err)
	}
	if back, err = DecryptionFromLibolm([]byte("k"), dec.ToLibolm([]byte("k"))); err != nil || back.pair != dec.pair {
		t.Fatal(err)
	}
	if _, err = DecryptionFromLibolm([]byte("l"), dec.ToLibolm([]byte("k"))); !errors.Is(err, fail.MAC) {
		t.Error(err)
	}
	data[5] ^= 1
	if _, err := UnpickleDecryption(key, data); !errors.Is(err, fail.MAC) {
		t.Error(err)
	}
	s, _ := NewSigning(nil)
	secret, seed := dec.Secret(), s.Seed()
	for _, text := range []string{fmt.Sprint(dec), fmt.Sprintf("%#v", dec), fmt.Sprint(s), fmt.Sprintf("%#v %+v", s, s)} {
		if strings.Contains(text, fmt.Sprint(secret[0], secret[1])) || strings.Contains(text, fmt.Sprint(seed[0], seed[1])) || len(text) > 150 {
			t.Errorf("a secret may be in %q", text)
		}
	}
}

// TestSpecVectors has the signatures of the specification.
//
// Spec: appendices#cryptographic-test-vectors
func TestSpecVectors(t *testing.T) {
	t.Parallel()
	seed, err := base64.RawStdEncoding.DecodeString("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1")
	if err != nil {
		t.Fatal(err)
	}
	s, err := SigningFromSeed(seed)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{}`:                    "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ",
		`{"one":1,"two":"Two"}`: "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
	} {
		sig := s.Sign([]byte(text))
		if sig.String() != want {
			t.Errorf("%s: %s", text, sig)
		}
		if err := s.Public().Verify([]byte(text), sig); err != nil {
			t.Error(err)
		}
	}
}
