package megolm

import (
	"crypto/subtle"

	"github.com/hanse-im/hanse/e2ee/olm/internal/kdf"
)

// ratchet is the state from which the keys of a message and of all later ones
// follow.
//
// Spec: olm-megolm/megolm#the-megolm-ratchet-algorithm
type ratchet struct {
	parts [4][32]byte
	index uint32
}

// advanceTo winds the ratchet to index, which is not before its own. At most
// 1,020 HMACs: part h is stepped along its own digit, and a part that is
// stepped sets the parts behind it anew on the last step.
func (r *ratchet) advanceTo(d *kdf.Deriver, index uint32) {
	for h := range 4 {
		shift := 8 * (3 - h)
		// The digits before h are equal by now, so this is below 256.
		steps := index>>shift - r.index>>shift
		if steps == 0 {
			continue
		}
		for range steps - 1 {
			d.Step(&r.parts[h], &r.parts[h], byte(h))
		}
		// Last step: the parts behind are seeded from this one's old value.
		for k := 3; k >= h; k-- {
			d.Step(&r.parts[k], &r.parts[h], byte(k))
		}
		r.index = index >> shift << shift
	}
	r.index = index
}

// equal compares in constant time.
func (r *ratchet) equal(o *ratchet) bool {
	same := subtle.ConstantTimeEq(int32(r.index), int32(o.index))
	for i := range r.parts {
		same &= subtle.ConstantTimeCompare(r.parts[i][:], o.parts[i][:])
	}
	return same == 1
}

// bytes copies the parts to out.
func (r *ratchet) bytes() (out [ratchetLen]byte) {
	for i := range r.parts {
		copy(out[32*i:], r.parts[i][:])
	}
	return out
}

func (r *ratchet) setBytes(b []byte) {
	for i := range r.parts {
		copy(r.parts[i][:], b[32*i:])
	}
}

func (r *ratchet) wipe() { clear(r.parts[:]) }

const ratchetLen = 128
