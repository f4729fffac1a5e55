package canonjson_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/canonjson"
)

// specKey is the key of the specification's test vectors.
//
// Spec: appendices#signing-key
func specKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	seed, err := canonjson.DecodeBase64("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1")
	if err != nil {
		t.Fatal(err)
	}
	return ed25519.NewKeyFromSeed(seed)
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// Spec: appendices#json-signing
func TestSpecSigningVectors(t *testing.T) {
	t.Parallel()
	key := specKey(t)
	for _, c := range []struct{ in, want string }{
		{`{}`, `{"signatures":{"domain":{"ed25519:1":"K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"}}}`},
		{`{"one": 1, "two": "Two"}`, `{"one":1,"signatures":{"domain":{"ed25519:1":"KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw"}},"two":"Two"}`},
	} {
		got, err := canonjson.Sign([]byte(c.in), "domain", "ed25519:1", key)
		if err != nil || string(got) != c.want {
			t.Errorf("Sign(%s):\n got %s, %v\nwant %s", c.in, got, err, c.want)
		}
		if err := canonjson.Verify([]byte(c.want), "domain", "ed25519:1", public(key)); err != nil {
			t.Errorf("Verify(%s): %v", c.want, err)
		}
	}
}

func TestSeveralSignatures(t *testing.T) {
	t.Parallel()
	a := specKey(t)
	b := ed25519.NewKeyFromSeed([]byte(strings.Repeat("b", 32)))
	obj := []byte(`{"unsigned":{"age":1},"x":"y"}`)
	for _, s := range []struct {
		entity, id string
		key        ed25519.PrivateKey
	}{{"z.example", "ed25519:1", a}, {"a.example", "ed25519:2", b}, {"z.example", "ed25519:0", b}, {"z.example", "ed25519:1", b}, {`odd "name"`, "ed25519:é", a}} {
		var err error
		if obj, err = canonjson.Sign(obj, s.entity, s.id, s.key); err != nil {
			t.Fatal(err)
		}
		if err := canonjson.Verify(obj, s.entity, s.id, public(s.key)); err != nil {
			t.Errorf("%s %s: %v", s.entity, s.id, err)
		}
	}
	if err := canonjson.Verify(obj, "z.example", "ed25519:1", public(b)); err != nil {
		t.Errorf("the second signature with a key did not replace the first: %v", err)
	}
	sigs, err := canonjson.Signatures(obj)
	if err != nil || len(sigs) != 4 || sigs[0].Entity != "a.example" || sigs[1].Entity != `odd "name"` || sigs[2].KeyID != "ed25519:0" || len(sigs[3].Signature) != 64 {
		t.Errorf("Signatures = %v, %v", sigs, err)
	}
	if v := canonjson.Value(obj); string(v.Get("unsigned")) != `{"age":1}` || canonjson.Check(obj, canonjson.Strict) != nil {
		t.Errorf("unsigned is lost, or the result is not canonical: %s", obj)
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	key := specKey(t)
	good, err := canonjson.Sign([]byte(`{"one":1,"unsigned":{"a":1}}`), "domain", "ed25519:1", key)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) string {
		s := strings.Replace(string(good), old, new, 1)
		if s == string(good) {
			t.Fatalf("no %q in %s", old, good)
		}
		return s
	}
	for _, c := range []struct {
		name, obj, entity, id string
		want                  error // nil: any
	}{
		{"changed content", edit(`"one":1`, `"one":2`), "domain", "ed25519:1", canonjson.ErrSignature},
		{"added content", edit(`"one":1`, `"one":1,"two":2`), "domain", "ed25519:1", canonjson.ErrSignature},
		{"other entity", string(good), "other", "ed25519:1", canonjson.ErrNoSignature},
		{"other key", string(good), "domain", "ed25519:2", canonjson.ErrNoSignature},
		{"no signatures", `{"one":1}`, "domain", "ed25519:1", canonjson.ErrNoSignature},
		{"unknown algorithm", edit("ed25519:1", "rsa:1"), "domain", "rsa:1", nil},
		{"signatures is no object", `{"one":1,"signatures":[]}`, "domain", "ed25519:1", canonjson.ErrNoSignature},
		{"signature is no string", `{"one":1,"signatures":{"domain":{"ed25519:1":1}}}`, "domain", "ed25519:1", nil},
		{"signature is no base64", `{"one":1,"signatures":{"domain":{"ed25519:1":"*"}}}`, "domain", "ed25519:1", nil},
		{"signature is short", `{"one":1,"signatures":{"domain":{"ed25519:1":"AAAA"}}}`, "domain", "ed25519:1", canonjson.ErrSignature},
		{"no object", `[]`, "domain", "ed25519:1", canonjson.ErrNoObject},
		{"no JSON", `{`, "domain", "ed25519:1", nil},
	} {
		err := canonjson.Verify([]byte(c.obj), c.entity, c.id, public(key))
		if err == nil || (c.want != nil && !errors.Is(err, c.want)) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if err := canonjson.Verify([]byte(edit(`"a":1`, `"a":2`)), "domain", "ed25519:1", public(key)); err != nil {
		t.Errorf("unsigned is not signed: %v", err)
	}
	if err := canonjson.Verify([]byte(" "+string(good)), "domain", "ed25519:1", public(key)); err != nil {
		t.Errorf("with white space: %v", err)
	}
	for _, bad := range []string{`[]`, `{"a":1.5}`, `{"signatures":1}`, `{"signatures":{"domain":1}}`} {
		if got, err := canonjson.Sign([]byte(bad), "domain", "ed25519:1", key); err == nil {
			t.Errorf("Sign(%s) = %s", bad, got)
		}
	}
	for _, bad := range []string{`{"signatures":1}`, `{"signatures":{"d":1}}`, `{"signatures":{"d":{"k":1}}}`, `{"signatures":{"d":{"k":"*"}}}`, `x`} {
		if got, err := canonjson.Signatures([]byte(bad)); err == nil {
			t.Errorf("Signatures(%s) = %v", bad, got)
		}
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The encodings that must never be a key nor the R of a signature: the eight
// points of small order with either sign, and what is not below 2^255 − 19.
var badPoints = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000080",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

func TestStrictEd25519(t *testing.T) {
	t.Parallel()
	key := specKey(t)
	msg := []byte("message")
	good := ed25519.Sign(key, msg)
	if err := canonjson.VerifyEd25519(public(key), msg, good); err != nil {
		t.Fatal(err)
	}
	for _, p := range badPoints {
		point := unhex(t, p)
		if err := canonjson.CheckPublicKey(point); !errors.Is(err, canonjson.ErrKey) {
			t.Errorf("key %s: %v", p, err)
		}
		sig := append(append([]byte(nil), point...), good[32:]...)
		if err := canonjson.VerifyEd25519(public(key), msg, sig); !errors.Is(err, canonjson.ErrSignature) {
			t.Errorf("R = %s: %v", p, err)
		}
	}
	// With the neutral point as key and commitment and S = 0, the standard
	// library accepts any message.
	neutral := unhex(t, badPoints[2])
	zero := append(append([]byte(nil), neutral...), make([]byte, 32)...)
	if !ed25519.Verify(neutral, msg, zero) {
		t.Log("the standard library has become strict as well")
	}
	if err := canonjson.VerifyEd25519(neutral, msg, zero); !errors.Is(err, canonjson.ErrKey) {
		t.Errorf("a signature that is good for everything: %v", err)
	}
	// S + L is another spelling of S.
	order := unhex(t, "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
	malleable := append([]byte(nil), good...)
	carry := 0
	for i := range 32 {
		sum := int(malleable[32+i]) + int(order[i]) + carry
		malleable[32+i], carry = byte(sum), sum>>8
	}
	for name, sig := range map[string][]byte{"S + L": malleable, "short": good[:63], "long": append(good[:64:64], 0), "none": nil} {
		if err := canonjson.VerifyEd25519(public(key), msg, sig); !errors.Is(err, canonjson.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, pub := range map[string]ed25519.PublicKey{"short": public(key)[:31], "none": nil} {
		if err := canonjson.VerifyEd25519(pub, msg, good); !errors.Is(err, canonjson.ErrKey) {
			t.Errorf("key %s: %v", name, err)
		}
	}
}
