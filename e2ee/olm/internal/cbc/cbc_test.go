package cbc

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

// TestRoundTrip encrypts and decrypts every length around the places where
// the block count changes and where the way of decrypting changes, against
// crypto/cipher.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	var k Keys
	rand.Read(k[:])
	for n := range 300 {
		plain := make([]byte, n)
		rand.Read(plain)
		got := Append([]byte("head"), &k, plain)
		if len(got) != 4+Size(n) {
			t.Fatalf("%d bytes: ciphertext has %d", n, len(got)-4)
		}
		block, _ := aes.NewCipher(k.AES())
		ref := append([]byte{}, plain...)
		for pad := 16 - n%16; len(ref) < Size(n); {
			ref = append(ref, byte(pad))
		}
		cipher.NewCBCEncrypter(block, k.IV()).CryptBlocks(ref, ref)
		if !bytes.Equal(got[4:], ref) {
			t.Fatalf("%d bytes: ciphertext differs from crypto/cipher", n)
		}
		back, err := Decrypt(&k, got[4:])
		if err != nil || !bytes.Equal(back, plain) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}

// TestPadding gives each wrong padding the class of a wrong MAC.
func TestPadding(t *testing.T) {
	t.Parallel()
	for n, tail := range map[string][]byte{
		"zero": {0}, "seventeen": {17}, "255": {255}, "unequal": {3, 2, 3}, "short run": {1, 2},
		"long": bytes.Repeat([]byte{15}, 14),
	} {
		data := make([]byte, 32)
		copy(data[32-len(tail):], tail)
		if n == "short run" {
			data[31], data[30] = 2, 1
		}
		if _, err := unpad(data); !errors.Is(err, fail.MAC) {
			t.Errorf("%s: %v", n, err)
		}
	}
	var k Keys
	for _, n := range []int{0, 1, 15, 17, 31} {
		if _, err := Decrypt(&k, make([]byte, n)); !errors.Is(err, fail.MAC) {
			t.Errorf("%d bytes of ciphertext: %v", n, err)
		}
	}
}
