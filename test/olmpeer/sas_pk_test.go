package olmpeer

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm"
	"github.com/hanse-im/hanse/e2ee/olm/pk"
	"github.com/hanse-im/hanse/e2ee/olm/sas"
)

// TestSAS agrees with libolm on a key and compares codes and all MAC methods.
func TestSAS(t *testing.T) {
	t.Parallel()
	p := libolm(t)
	for i := range 20 {
		key := must[*sas.Key](t)(sas.NewKey(nil))
		ours := key.Public()
		theirs := curveKey(t, one(t, p, "sas.new", 0))
		do(t, p, "sas.set", 0, ours)
		est := must[*sas.Established](t)(key.Exchange(theirs))
		a, b := sas.Device{User: "@a:x", Device: "AAA"}, sas.Device{User: "@b:x", Device: "BBB"}
		parties := sas.Parties{Starter: a, Accepter: b, WeStarted: i%2 == 0, Transaction: "$txn"}
		start, accept := theirs, ours
		if parties.WeStarted {
			start, accept = ours, theirs
		}
		info := fmt.Sprintf("MATRIX_KEY_VERIFICATION_SAS|@a:x|AAA|%s|@b:x|BBB|%s|$txn", start, accept)
		raw, _ := hex.DecodeString(one(t, p, "sas.bytes", 0, Hex([]byte(info)), 6))
		code := est.Code(sas.CurveHKDF, parties)
		for j, e := range code.Emoji() {
			bits, _ := strconv.ParseUint(fmt.Sprintf("%08b%08b%08b%08b%08b%08b", raw[0], raw[1], raw[2], raw[3], raw[4], raw[5])[6*j:6*j+6], 2, 8)
			if e.Number != int(bits) {
				t.Fatalf("emoji %d is %d, want %d", j, e.Number, bits)
			}
		}
		old, _ := hex.DecodeString(one(t, p, "sas.bytes", 0, Hex([]byte("MATRIX_KEY_VERIFICATION_SAS@a:xAAA@b:xBBB$txn")), 6))
		if d := est.Code(sas.CurveOld, parties).Decimals(); d[0] != int(old[0])<<5+int(old[1])>>3+1000 {
			t.Fatal("deprecated agreement differs")
		}
		keys := map[string]string{"ed25519:AAA": "value" + strconv.Itoa(i)}
		for method, kind := range map[sas.Method]string{sas.HKDFHMACv2: "fixed", sas.HKDFHMAC: "wrong", sas.LongHMAC: "long"} {
			macs := must[sas.MACs](t)(est.Vouch(method, a, b, "$txn", keys))
			base := "MATRIX_KEY_VERIFICATION_MAC@a:xAAA@b:xBBB$txn"
			if got := one(t, p, "sas.mac", 0, kind, Hex([]byte(keys["ed25519:AAA"])), Hex([]byte(base+"ed25519:AAA"))); got != macs.MAC["ed25519:AAA"] {
				t.Errorf("%s: %s, libolm %s", method, macs.MAC["ed25519:AAA"], got)
			}
			if got := one(t, p, "sas.mac", 0, kind, Hex([]byte("ed25519:AAA")), Hex([]byte(base+"KEY_IDS"))); got != macs.Keys {
				t.Errorf("%s: list %s, libolm %s", method, macs.Keys, got)
			}
		}
	}
}

// TestPk encrypts and decrypts backups between us and libolm, moves the key by
// pickle, and compares signatures.
func TestPk(t *testing.T) {
	t.Parallel()
	p := libolm(t)
	for n := range 40 {
		dec := must[*pk.Decryption](t)(pk.NewDecryption(nil))
		secret := dec.Secret()
		if pub := one(t, p, "pk.from", 0, Hex(secret[:])); pub != dec.Public().String() {
			t.Fatalf("public key %s, libolm %s", dec.Public(), pub)
		}
		text := make([]byte, 1+n*7)
		rand.Read(text)
		m := must[pk.Message](t)(pk.Encrypt(nil, dec.Public(), text))
		if got := must[[]byte](t)(Unhex(one(t, p, "pk.dec", 0, m.Ephemeral, m.MAC, m.Ciphertext))); !bytes.Equal(got, text) {
			t.Fatal("libolm read something else")
		}
		do(t, p, "pk.unpickle", 1, pickleKey, dec.ToLibolm([]byte(pickleKey)))
		back := must[*pk.Decryption](t)(pk.DecryptionFromLibolm([]byte(pickleKey), one(t, p, "pk.pickle", 1, pickleKey)))
		f := do(t, p, "pkenc", dec.Public(), Hex(text))
		got := must[[]byte](t)(back.Decrypt(pk.Message{Ephemeral: f[0], MAC: f[1], Ciphertext: f[2]}))
		if !bytes.Equal(got, text) {
			t.Fatal("we read something else")
		}
		s := must[*pk.Signing](t)(pk.NewSigning(nil))
		seed := s.Seed()
		f = do(t, p, "pksign", Hex(seed[:]), Hex(text))
		if f[0] != s.Public().String() || f[1] != s.Sign(text).String() {
			t.Fatal("signing differs")
		}
		sig := must[olm.Signature](t)(olm.ParseSignature(f[1]))
		if err := s.Public().Verify(text, sig); err != nil {
			t.Fatal(err)
		}
	}
}
