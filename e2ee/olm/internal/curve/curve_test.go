package curve

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

func unhex(t *testing.T, s string) (out [32]byte) {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 32 {
		t.Fatalf("bad test vector %q", s)
	}
	copy(out[:], b)
	return out
}

// TestRFC7748 has the vectors of RFC 7748 section 5.2, the second of which
// has the top bit of its coordinate set, and the 1,000 iterations.
func TestRFC7748(t *testing.T) {
	t.Parallel()
	for _, v := range [][3]string{
		{"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
			"e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
			"c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
		{"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
			"e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
			"95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
	} {
		k, u, want := unhex(t, v[0]), unhex(t, v[1]), unhex(t, v[2])
		var got [32]byte
		if err := Exchange(&got, &k, &u); err != nil || got != want {
			t.Errorf("X25519(%s) = %x, %v", v[0], got, err)
		}
	}
	k := [32]byte{9}
	u := k
	for range 1000 {
		var r [32]byte
		ladder(&r, &k, &u)
		u, k = k, r
	}
	if want := unhex(t, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"); k != want {
		t.Errorf("after 1,000 iterations: %x", k)
	}
}

// TestAgainstECDH compares key generation and exchange with crypto/ecdh, for
// random and for extreme inputs.
func TestAgainstECDH(t *testing.T) {
	t.Parallel()
	keys := make([]Private, 130)
	if err := GenerateMany(rand.Reader, keys); err != nil {
		t.Fatal(err)
	}
	edge := []byte{0, 1, 9, 127, 128, 255}
	for _, b := range edge {
		var s [32]byte
		for i := range s {
			s[i] = b
		}
		keys = append(keys, FromSecret(&s))
	}
	for i := range keys {
		std, err := ecdh.X25519().NewPrivateKey(keys[i].Secret[:])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(std.PublicKey().Bytes(), keys[i].Public[:]) {
			t.Fatalf("public key %d differs", i)
		}
		peer := keys[(i+1)%len(keys)].Public
		if i%3 == 0 {
			rand.Read(peer[:])
		}
		pub, _ := ecdh.X25519().NewPublicKey(peer[:])
		want, err := std.ECDH(pub)
		var got [32]byte
		gotErr := Exchange(&got, &keys[i].Secret, &peer)
		if (err == nil) != (gotErr == nil) || err == nil && !bytes.Equal(want, got[:]) {
			t.Fatalf("exchange %d differs: %v, %v", i, err, gotErr)
		}
	}
}

// LowOrder are encodings of all points of small order on the curve and its
// twist, canonical and not.
var lowOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"cdeb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880",
	"4c9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7",
	"d9ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"daffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"dbffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

// TestLowOrder refuses each point whose exchange does not depend on the
// secret, in agreement with crypto/ecdh. (Four of the encodings are those of
// other libraries' blocklists whose top bit RFC 7748 masks; they are judged by
// what they decode to.)
func TestLowOrder(t *testing.T) {
	t.Parallel()
	k, err := Generate(nil)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, s := range lowOrder {
		p := unhex(t, s)
		std, _ := ecdh.X25519().NewPrivateKey(k.Secret[:])
		pub, _ := ecdh.X25519().NewPublicKey(p[:])
		_, stdErr := std.ECDH(pub)
		var out [32]byte
		err := Exchange(&out, &k.Secret, &p)
		if (err != nil) != (stdErr != nil) {
			t.Errorf("%s: %v, crypto/ecdh says %v", s, err, stdErr)
		}
		if err != nil {
			refused++
			if !errors.Is(err, fail.Key) {
				t.Errorf("%s: class of %v", s, err)
			}
		}
	}
	if refused < 7 {
		t.Errorf("only %d of the small-order points were refused", refused)
	}
}

func BenchmarkExchange(b *testing.B) {
	k, _ := Generate(nil)
	p := k.Public
	for b.Loop() {
		Exchange(&p, &k.Secret, &p)
	}
}

func BenchmarkGenerate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Generate(nil)
	}
}

func BenchmarkGenerate50(b *testing.B) {
	keys := make([]Private, 50)
	for b.Loop() {
		GenerateMany(nil, keys)
	}
}
