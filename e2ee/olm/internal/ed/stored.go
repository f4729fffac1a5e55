package ed

import (
	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/pickle"
)

// AppendStored appends the key in the library's own layout: whether there is a
// seed, the seed or the expanded key, the public key.
func AppendStored(b []byte, p *Private) []byte {
	b = pickle.AppendBool(b, p.HasSeed)
	if p.HasSeed {
		b = append(b, p.Seed[:]...)
	} else {
		b = append(b, p.expanded[:]...)
	}
	return append(b, p.Public[:]...)
}

// ReadStored reads what AppendStored wrote, which the caller authenticated.
func ReadStored(r *pickle.Reader) *Private {
	var public [32]byte
	if r.Bool() {
		var seed [32]byte
		r.Bytes(seed[:])
		r.Bytes(public[:])
		return FromSeedAndPublic(&seed, &public)
	}
	var expanded [64]byte
	r.Bytes(expanded[:])
	r.Bytes(public[:])
	return FromStored(&expanded, &public)
}

// AppendLibolm appends the key as libolm pickles it: public key, clamped
// scalar, prefix.
func AppendLibolm(b []byte, p *Private) []byte {
	b = append(b, p.Public[:]...)
	return append(b, p.expanded[:]...)
}

// ReadLibolm reads libolm's layout and checks that the halves belong together.
func ReadLibolm(r *pickle.Reader) (*Private, error) {
	var public [32]byte
	var expanded [64]byte
	r.Bytes(public[:])
	r.Bytes(expanded[:])
	if r.Failed() {
		return nil, r.Done()
	}
	defer clear(expanded[:])
	return FromExpanded(&expanded, &public)
}

// FromJSON reads a key pair of a vodozemac pickle. The error has the class
// fail.Format.
func FromJSON(k *pickle.SigningKeyJSON) (*Private, error) {
	var seed [32]byte
	var expanded [64]byte
	switch {
	case k.Expanded == nil && k.Normal.Fill(seed[:]):
		return FromSeed(&seed), nil
	case k.Normal == nil && k.Expanded.Fill(expanded[:]):
		return FromExpandedAlone(&expanded), nil
	}
	return nil, fail.New(fail.Format, "Ed25519 key pair")
}
