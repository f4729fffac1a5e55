package ed

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"filippo.io/edwards25519"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

// TestSign compares with crypto/ed25519, from the seed and from the expanded
// key.
func TestSign(t *testing.T) {
	t.Parallel()
	for n := range 200 {
		p, err := Generate(nil)
		if err != nil {
			t.Fatal(err)
		}
		std := ed25519.NewKeyFromSeed(p.Seed[:])
		if !bytes.Equal(std[32:], p.Public[:]) {
			t.Fatal("public key")
		}
		msg := make([]byte, n*3)
		rand.Read(msg)
		var sig, again [64]byte
		p.Sign(&sig, msg)
		if !bytes.Equal(sig[:], ed25519.Sign(std, msg)) {
			t.Fatalf("signature of %d bytes", len(msg))
		}
		unclamped := *p.Expanded()
		unclamped[0] |= 3
		unclamped[31] |= 0x80
		e, err := FromExpanded(&unclamped, &p.Public)
		if err != nil || e.HasSeed {
			t.Fatal(err)
		}
		if e.Sign(&again, msg); again != sig {
			t.Fatal("expanded key signs otherwise")
		}
	}
}

// TestDoublePublicKey refuses a stored public key that is not the scalar's:
// two signatures under two public keys give the scalar away.
func TestDoublePublicKey(t *testing.T) {
	t.Parallel()
	p, _ := Generate(nil)
	other, _ := Generate(nil)
	if _, err := FromExpanded(p.Expanded(), &other.Public); !errors.Is(err, fail.Format) {
		t.Error(err)
	}
}

// TestVerifier compares single and repeated verification with crypto/ed25519
// for right, wrong and random signatures.
func TestVerifier(t *testing.T) {
	t.Parallel()
	for range 30 {
		p, _ := Generate(nil)
		var v Verifier
		for n := range 20 {
			msg := make([]byte, n*11)
			rand.Read(msg)
			var sig [64]byte
			p.Sign(&sig, msg)
			if err := v.Verify(&p.Public, msg, sig[:]); err != nil {
				t.Fatalf("use %d: %v", n, err)
			}
			bad := sig
			bad[rand.Text()[0]%64] ^= 1 << (n % 8)
			if v.Verify(&p.Public, msg, bad[:]) == nil || v.Verify(&p.Public, append(msg, 0), sig[:]) == nil || v.Verify(&p.Public, msg, sig[:63]) == nil {
				t.Fatalf("use %d: a wrong signature was accepted", n)
			}
		}
	}
}

// TestCombine compares a·P + b·Q with the library's for extreme scalars.
func TestCombine(t *testing.T) {
	t.Parallel()
	order, _ := hex.DecodeString("ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
	var scalars [][]byte
	for i := range 64 {
		b := make([]byte, 32)
		switch i {
		case 0:
		case 1:
			b[0] = 1
		case 2:
			copy(b, order)
			b[0]--
		case 3:
			for j := range 31 {
				b[j] = 0xff
			}
			b[31] = 0x0f
		case 4:
			binary.LittleEndian.PutUint64(b, 1<<63)
		case 5:
			binary.LittleEndian.PutUint64(b[8:], 1<<64-1)
		case 6:
			binary.LittleEndian.PutUint64(b[16:], 0xff00000000000000)
		default:
			rand.Read(b)
			b[31] &= 0x0f
		}
		scalars = append(scalars, b)
	}
	for i, a := range scalars {
		p, _ := Generate(nil)
		point, err := new(edwards25519.Point).SetBytes(p.Public[:])
		if err != nil {
			t.Fatal(err)
		}
		m := newMultiples(fromPoint(point), 1<<(keyBits-2))
		b := scalars[(i*7+3)%len(scalars)]
		sa, err := new(edwards25519.Scalar).SetCanonicalBytes(a)
		if err != nil {
			t.Fatal(err)
		}
		sb, err := new(edwards25519.Scalar).SetCanonicalBytes(b)
		if err != nil {
			t.Fatal(err)
		}
		want := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(sa, point, sb)
		r := combine(&m, a, baseMultiples(), b)
		if got := r.bytes(); !bytes.Equal(got[:], want.Bytes()) {
			t.Fatalf("pair %d differs", i)
		}
	}
}

// TestStrict has the signatures that crypto/ed25519 accepts and we do not: R
// the identity, A of small order (under which anything is signed), and
// non-canonical encodings.
func TestStrict(t *testing.T) {
	t.Parallel()
	// With A and R the identity and S = 0 the equation holds for any message.
	identity := [32]byte{1}
	forged := make([]byte, 64)
	forged[0] = 1
	if !ed25519.Verify(identity[:], []byte("any"), forged) {
		t.Error("the standard library became stricter; the test proves nothing now")
	}
	check := func(name string, public *[32]byte, sig []byte) {
		t.Helper()
		var v Verifier
		for range 5 {
			if err := v.Verify(public, []byte("any"), sig); !errors.Is(err, fail.Signature) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := Verify(public, []byte("any"), sig); !errors.Is(err, fail.Signature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	check("A and R the identity", &identity, forged)

	// R the identity under an honest key: S = k·a.
	p, _ := Generate(nil)
	sig := make([]byte, 64)
	sig[0] = 1
	k := challenge(sig[:32], p.Public[:], []byte("any"))
	s := edwards25519.NewScalar().Multiply(k, &p.scalar)
	copy(sig[32:], s.Bytes())
	if !ed25519.Verify(p.Public[:], []byte("any"), sig) {
		t.Error("the signature with R = 0 is not even valid")
	}
	check("R the identity", &p.Public, sig)

	for _, y := range torsion {
		for _, sign := range []byte{0, 0x80} {
			a := y
			a[31] |= sign
			check("small order", &a, forged)
			if StrictKey(&a) {
				t.Errorf("%x is taken for a key", a)
			}
		}
	}
	for low := byte(0xed); low != 0; low++ {
		a := [32]byte{low}
		for i := 1; i < 31; i++ {
			a[i] = 0xff
		}
		for _, top := range []byte{0x7f, 0xff} {
			if a[31] = top; StrictKey(&a) {
				t.Errorf("non-canonical %x is taken for a key", a)
			}
		}
	}
	// S not reduced.
	var good [64]byte
	p.Sign(&good, []byte("any"))
	order, _ := hex.DecodeString("ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
	carry := 0
	for i := range 32 {
		carry += int(good[32+i]) + int(order[i])
		good[32+i] = byte(carry)
		carry >>= 8
	}
	check("S + order", &p.Public, good[:])
}

func challenge(r, a, m []byte) *edwards25519.Scalar {
	sum := sha512.Sum512(slices.Concat(r, a, m))
	k, _ := edwards25519.NewScalar().SetUniformBytes(sum[:])
	return k
}

// TestTorsion checks the list against the group: each is of small order, and
// there are eight with their signs.
func TestTorsion(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for _, y := range torsion {
		for _, sign := range []byte{0, 0x80} {
			a := y
			a[31] |= sign
			p, err := new(edwards25519.Point).SetBytes(a[:])
			if err != nil {
				t.Fatalf("%x is no point", a)
			}
			if new(edwards25519.Point).MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) != 1 {
				t.Errorf("%x is not of small order", a)
			}
			found[string(p.Bytes())] = true
		}
	}
	if len(found) != 8 {
		t.Errorf("%d points of small order", len(found))
	}
}

func BenchmarkSign(b *testing.B) {
	p, _ := Generate(nil)
	var sig [64]byte
	msg := make([]byte, 200)
	b.ReportAllocs()
	for b.Loop() {
		p.Sign(&sig, msg)
	}
}

func BenchmarkVerifyOnce(b *testing.B) {
	p, _ := Generate(nil)
	var sig [64]byte
	msg := make([]byte, 200)
	p.Sign(&sig, msg)
	for b.Loop() {
		Verify(&p.Public, msg, sig[:])
	}
}

func BenchmarkVerifyRepeated(b *testing.B) {
	p, _ := Generate(nil)
	var sig [64]byte
	msg := make([]byte, 200)
	p.Sign(&sig, msg)
	var v Verifier
	b.ReportAllocs()
	for b.Loop() {
		if v.Verify(&p.Public, msg, sig[:]) != nil {
			b.Fatal("refused")
		}
	}
}

func BenchmarkKeyTable(b *testing.B) {
	p, _ := Generate(nil)
	for b.Loop() {
		keyMultiples(&p.Public)
	}
}
