//go:build !race

package olm

// The race detector allocates for itself, so these tests are not built with it.

import "testing"

// TestAllocations holds the number of allocations of a message in the middle
// of a chain, base64 included, to three.
func TestAllocations(t *testing.T) {
	a, b := settled(t)
	plain := make([]byte, 100)
	text := func() string {
		m, err := a.Encrypt(nil, plain)
		if err != nil {
			t.Fatal(err)
		}
		return m.Text()
	}
	if n := testing.AllocsPerRun(200, func() { text() }); n > 3 {
		t.Errorf("encrypting: %v allocations", n)
	}
	var texts []string
	for range 300 {
		texts = append(texts, text())
	}
	wantPlain(t, b, encrypt(t, a, "y"), "y")
	i := 0
	texts = texts[100:]
	if n := testing.AllocsPerRun(100, func() {
		m, err := ParseMessage(1, texts[i])
		if err != nil {
			t.Fatal(err)
		}
		i++
		b.Decrypt(m)
	}); n > 3 {
		t.Errorf("decrypting: %v allocations", n)
	}
}
