package megolm

import (
	"io"

	"github.com/hanse-im/hanse/e2ee/olm"
	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/ed"
	"github.com/hanse-im/hanse/e2ee/olm/internal/pickle"
)

// The versions of libolm's pickles.
const (
	libolmOutbound = 1
	libolmInbound  = 2
)

func appendRatchet(b []byte, r *ratchet) []byte {
	b = append(b, r.parts[:]...)
	return pickle.AppendU32(b, r.index)
}

func readRatchet(p *pickle.Reader) (r ratchet) {
	p.Bytes(r.parts[:])
	r.index = p.U32()
	return r
}

// Pickle encrypts the session for storage. r is the source of the salt; nil is
// crypto/rand. The error has the class fail.Random. About 2 µs.
func (s *Outbound) Pickle(r io.Reader, key *olm.PickleKey) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := pickle.Begin(pickle.KindOutbound, 300)
	b = append(b, byte(s.version))
	b = appendRatchet(b, &s.ratchet)
	b = ed.AppendStored(b, &s.signing)
	return pickle.Seal(r, key.Secret(), b)
}

// UnpickleOutbound reads what Pickle wrote. Errors: fail.Version, fail.Format,
// fail.Size, fail.MAC (also for the wrong key).
func UnpickleOutbound(key *olm.PickleKey, data []byte) (*Outbound, error) {
	plain, err := pickle.Open(pickle.KindOutbound, key.Secret(), data)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	r := pickle.NewReader("outbound session pickle", plain)
	s := &Outbound{version: Version(r.U8()), ratchet: readRatchet(r), signing: *ed.ReadStored(r)}
	if err := r.Done(); err != nil {
		return nil, err
	}
	if !s.version.valid() {
		return nil, fail.New(fail.Version, "outbound session pickle")
	}
	return s, nil
}

// ToLibolm encrypts the session as libolm reads it. The error has the class
// fail.Version, for a session of version 2.
func (s *Outbound) ToLibolm(key []byte) (string, error) {
	if s.version != V1 {
		return "", fail.New(fail.Version, "libolm outbound session")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := pickle.AppendU32(nil, libolmOutbound)
	b = appendRatchet(b, &s.ratchet)
	b = ed.AppendLibolm(b, &s.signing)
	defer clear(b)
	return pickle.SealLibolm(key, b), nil
}

// OutboundFromLibolm reads a session that libolm wrote. Errors: fail.Encoding,
// fail.Format, fail.Size, fail.MAC, fail.Version.
func OutboundFromLibolm(key []byte, text string) (*Outbound, error) {
	plain, err := pickle.OpenLibolm(key, text)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	r := pickle.NewReader("libolm outbound session", plain)
	if r.U32() != libolmOutbound {
		return nil, fail.New(fail.Version, "libolm outbound session")
	}
	s := &Outbound{version: V1, ratchet: readRatchet(r)}
	signing, err := ed.ReadLibolm(r)
	if err != nil {
		return nil, err
	}
	s.signing = *signing
	if err := r.Done(); err != nil {
		return nil, err
	}
	return s, nil
}

// Pickle encrypts the session for storage. r is the source of the salt; nil is
// crypto/rand. The error has the class fail.Random. About 2 µs.
func (s *Inbound) Pickle(r io.Reader, key *olm.PickleKey) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := pickle.Begin(pickle.KindInbound, 320)
	b = append(b, byte(s.version))
	b = append(b, s.public[:]...)
	b = pickle.AppendBool(b, s.owned)
	b = appendRatchet(b, &s.first)
	b = appendRatchet(b, s.cache.latest(&s.first))
	return pickle.Seal(r, key.Secret(), b)
}

// UnpickleInbound reads what Pickle wrote. Errors: fail.Version, fail.Format,
// fail.Size, fail.MAC (also for the wrong key).
func UnpickleInbound(key *olm.PickleKey, data []byte) (*Inbound, error) {
	plain, err := pickle.Open(pickle.KindInbound, key.Secret(), data)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	r := pickle.NewReader("inbound session pickle", plain)
	s := &Inbound{version: Version(r.U8())}
	r.Bytes(s.public[:])
	s.owned = r.Bool()
	s.first = readRatchet(r)
	latest := readRatchet(r)
	if err := r.Done(); err != nil {
		return nil, err
	}
	if !s.version.valid() {
		return nil, fail.New(fail.Version, "inbound session pickle")
	}
	if latest.index < s.first.index {
		return nil, fail.New(fail.Format, "inbound session pickle")
	}
	s.cache.remember(&place{latest, latest})
	latest.wipe()
	return s, s.check()
}

func (s *Inbound) check() error {
	if !ed.StrictKey(&s.public) {
		return fail.New(fail.Format, "inbound session pickle")
	}
	return nil
}

// ToLibolm encrypts the session as libolm reads it. The error has the class
// fail.Version, for a session of version 2.
func (s *Inbound) ToLibolm(key []byte) (string, error) {
	if s.version != V1 {
		return "", fail.New(fail.Version, "libolm inbound session")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := pickle.AppendU32(nil, libolmInbound)
	b = appendRatchet(b, &s.first)
	b = appendRatchet(b, s.cache.latest(&s.first))
	b = append(b, s.public[:]...)
	b = pickle.AppendBool(b, s.owned)
	defer clear(b)
	return pickle.SealLibolm(key, b), nil
}

// InboundFromLibolm reads a session that libolm wrote, in versions 1 and 2.
// The latest ratchet is not taken over but computed again when it is needed,
// so that a pickle whose two states do not belong together can do no harm.
// Errors: fail.Encoding, fail.Format, fail.Size, fail.MAC, fail.Version.
func InboundFromLibolm(key []byte, text string) (*Inbound, error) {
	plain, err := pickle.OpenLibolm(key, text)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	r := pickle.NewReader("libolm inbound session", plain)
	version := r.U32()
	if version != 1 && version != libolmInbound {
		return nil, fail.New(fail.Version, "libolm inbound session")
	}
	s := &Inbound{version: V1}
	s.first = readRatchet(r)
	latest := readRatchet(r)
	latest.wipe()
	r.Bytes(s.public[:])
	// Sessions of version 1 always came from a signed key.
	s.owned = version == 1 || r.Bool()
	if err := r.Done(); err != nil {
		return nil, err
	}
	return s, s.check()
}

type vzRatchet struct {
	Inner   pickle.BytesJSON `json:"inner"`
	Counter uint32           `json:"counter"`
}

func (v *vzRatchet) fill(r *ratchet) bool {
	r.index = v.Counter
	return v.Inner.Fill(r.parts[:])
}

// OutboundFromVodozemac reads a session in vodozemac's own encrypted JSON.
// Errors: fail.Encoding, fail.Format, fail.Size, fail.MAC, fail.Version.
func OutboundFromVodozemac(key *olm.PickleKey, text string) (*Outbound, error) {
	var v struct {
		Ratchet vzRatchet             `json:"ratchet"`
		Signing pickle.SigningKeyJSON `json:"signing_key"`
		Config  pickle.ConfigJSON     `json:"config"`
	}
	if err := pickle.OpenVodozemac(key.Secret(), "vodozemac outbound session", text, &v); err != nil {
		return nil, err
	}
	version, err := v.Config.Number()
	if err != nil {
		return nil, err
	}
	s := &Outbound{version: Version(version)}
	if !v.Ratchet.fill(&s.ratchet) {
		return nil, fail.New(fail.Format, "vodozemac outbound session")
	}
	signing, err := ed.FromJSON(&v.Signing)
	if err != nil {
		return nil, err
	}
	s.signing = *signing
	return s, nil
}

// InboundFromVodozemac reads a session in vodozemac's own encrypted JSON.
// Errors: fail.Encoding, fail.Format, fail.Size, fail.MAC, fail.Version.
func InboundFromVodozemac(key *olm.PickleKey, text string) (*Inbound, error) {
	var v struct {
		Ratchet  vzRatchet         `json:"initial_ratchet"`
		Public   pickle.BytesJSON  `json:"signing_key"`
		Verified bool              `json:"signing_key_verified"`
		Config   pickle.ConfigJSON `json:"config"`
	}
	if err := pickle.OpenVodozemac(key.Secret(), "vodozemac inbound session", text, &v); err != nil {
		return nil, err
	}
	version, err := v.Config.Number()
	if err != nil {
		return nil, err
	}
	s := &Inbound{version: Version(version), owned: v.Verified}
	if !v.Ratchet.fill(&s.first) || !v.Public.Fill(s.public[:]) {
		return nil, fail.New(fail.Format, "vodozemac inbound session")
	}
	return s, s.check()
}
