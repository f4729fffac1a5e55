//go:build !race

package megolm

// The race detector allocates for itself, so these tests are not built with it.

import "testing"

// TestAllocations holds the allocations of a message, base64 included, to
// three.
func TestAllocations(t *testing.T) {
	out, in := pair(t, V1)
	plain := make([]byte, 100)
	text := func() string {
		m, err := out.Encrypt(plain)
		if err != nil {
			t.Fatal(err)
		}
		return m.Text()
	}
	if n := testing.AllocsPerRun(100, func() { text() }); n > 3 {
		t.Errorf("encrypting: %v allocations", n)
	}
	var texts []string
	for range 210 {
		texts = append(texts, text())
	}
	decrypt := func() {
		m, err := ParseMessage(texts[0])
		if err != nil {
			t.Fatal(err)
		}
		texts = texts[1:]
		if _, err := in.Decrypt(m); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		decrypt()
	}
	if n := testing.AllocsPerRun(200, decrypt); n > 3 {
		t.Errorf("decrypting: %v allocations", n)
	}
}
