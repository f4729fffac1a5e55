package kdf

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"testing"
)

// TestAgainstStandard compares each function with crypto/hmac and crypto/hkdf,
// on the fast and on the fallback path.
func TestAgainstStandard(t *testing.T) {
	t.Parallel()
	if !statesReadable {
		t.Error("the fast path is off: the layout of the standard library's SHA-256 state changed")
	}
	for _, fast := range []bool{true, false} {
		var d Deriver
		d.init()
		d.fast = fast && statesReadable
		for n := range 300 {
			var key, got, want, a, b [32]byte
			rand.Read(key[:])
			ref := func(msg []byte) (out [32]byte) {
				m := hmac.New(sha256.New, key[:])
				m.Write(msg)
				m.Sum(out[:0])
				return out
			}
			d.Step(&got, &key, byte(n))
			if want = ref([]byte{byte(n)}); got != want {
				t.Fatalf("fast=%v Step %x, want %x", fast, got, want)
			}
			d.Steps(&a, 1, &b, 2, &key)
			if a != ref([]byte{1}) || b != ref([]byte{2}) {
				t.Fatalf("fast=%v Steps differ", fast)
			}
			msg := make([]byte, n)
			rand.Read(msg)
			d.MAC(&got, &key, msg)
			if got != ref(msg) {
				t.Fatalf("fast=%v MAC of %d bytes differs", fast, n)
			}
			salt, plainSalt := &key, key[:]
			if n%2 == 0 {
				salt, plainSalt = nil, nil
			}
			out := make([]byte, 16+n%100)
			d.HKDF(out, salt, msg, "MEGOLM_KEYS")
			std, err := hkdf.Key(sha256.New, msg, plainSalt, "MEGOLM_KEYS", len(out))
			if err != nil || !bytes.Equal(out, std) {
				t.Fatalf("fast=%v HKDF differs for %d bytes", fast, n)
			}
		}
		d.Wipe()
	}
}

func BenchmarkStep(b *testing.B) {
	var d Deriver
	var key [32]byte
	for b.Loop() {
		d.Step(&key, &key, 3)
	}
}

func BenchmarkHKDF80(b *testing.B) {
	var d Deriver
	var key [128]byte
	var out [80]byte
	for b.Loop() {
		d.HKDF(out[:], nil, key[:], "MEGOLM_KEYS")
	}
}
