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
	// parts are the four parts, one behind the other.
	parts [ratchetLen]byte
	index uint32
}

const ratchetLen = 128

// part is part h, 0 to 3.
func (r *ratchet) part(h int) *[32]byte { return (*[32]byte)(r.parts[32*h:]) }

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
			d.Step(r.part(h), r.part(h), byte(h))
		}
		// Last step: the parts behind are seeded from this one's old value.
		for k := 3; k >= h; k-- {
			d.Step(r.part(k), r.part(h), byte(k))
		}
		r.index = index >> shift << shift
	}
	r.index = index
}

// equal compares in constant time.
func (r *ratchet) equal(o *ratchet) bool {
	same := subtle.ConstantTimeEq(int32(r.index), int32(o.index))
	return same&subtle.ConstantTimeCompare(r.parts[:], o.parts[:]) == 1
}

func (r *ratchet) wipe() { clear(r.parts[:]) }
