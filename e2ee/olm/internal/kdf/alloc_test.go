//go:build !race

package kdf

// The race detector allocates for itself, so these tests are not built with it.

import "testing"

func TestNoAllocations(t *testing.T) {
	var d Deriver
	var key, a, b [32]byte
	var out [80]byte
	d.Step(&a, &key, 1)
	n := testing.AllocsPerRun(100, func() {
		d.Step(&a, &key, 1)
		d.Steps(&a, 1, &b, 2, &key)
		d.HKDF(out[:], nil, a[:], "OLM_KEYS")
		d.MAC(&a, &key, out[:])
	})
	if n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
