package megolm

import (
	"fmt"
	"strings"
	"testing"
)

// TestNothingPrinted: no formatting shows a key.
func TestNothingPrinted(t *testing.T) {
	t.Parallel()
	out, in := pair(t, V1)
	key, exported := out.SessionKey(), in.Export()
	secrets := []string{fmt.Sprint(out.ratchet.parts[:4])[1:], fmt.Sprint(out.signing.Seed[:4])[1:], key.Text()[8:40], exported.Text()[8:40]}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{out, in, key, exported, []*Inbound{in}} {
			text := fmt.Sprintf(format, v)
			for _, secret := range secrets {
				if strings.Contains(text, strings.TrimSuffix(secret, "]")) || len(text) > 100 {
					t.Errorf("%T prints as %q", v, text)
				}
			}
		}
	}
	if key.SessionID() != exported.SessionID() || key.Index() != 0 || in.Version() != V1 {
		t.Error("keys of one session")
	}
}

// TestWipe leaves no secret in the fields.
func TestWipe(t *testing.T) {
	t.Parallel()
	out, in := pair(t, V1)
	for range 40 {
		if _, err := in.Decrypt(encrypt(t, out, "x")); err != nil {
			t.Fatal(err)
		}
	}
	key, exported := out.SessionKey(), in.Export()
	out.Wipe()
	in.Wipe()
	key.Wipe()
	exported.Wipe()
	var none [ratchetLen]byte
	if out.ratchet.parts != none || out.signing.Seed != [32]byte{} || *out.signing.Expanded() != [64]byte{} || in.first.parts != none ||
		key.raw != [sharedLen]byte{} || exported.raw != [exportedLen]byte{} {
		t.Error("secrets are left")
	}
	for i := range in.cache.w {
		if in.cache.w[i].base.parts != none || in.cache.w[i].furthest.parts != none {
			t.Error("secrets are left in the cache")
		}
	}
}
