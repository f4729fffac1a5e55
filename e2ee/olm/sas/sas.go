// Package sas is the cryptography of verification by short authentication
// strings: an ephemeral key exchange with commitment, the emoji or numbers
// that both users compare, and the MACs that then vouch for their keys.
//
// What it never does: send messages, keep time, or know which keys a user has.
// The state machine around it (who starts, what is accepted, when it is
// cancelled) is the caller's.
//
// Invariants: a Key makes one exchange and is wiped by it; keys that do not
// contribute, and our own key sent back to us, are refused; what is compared
// with a secret is compared in constant time; Verify looks each key up by its
// ID and MACs the value that the caller holds, never one that the peer sent.
//
// A Key is not safe for concurrent use, an Established exchange is.
//
//	key, _ := sas.NewKey(nil)            // → m.key.verification.key
//	est, _ := key.Exchange(theirKey)
//	code := est.Code(sas.CurveHKDF, sas.Parties{…})
//	for _, e := range code.Emoji() { show(e.Symbol, e.Name) }
package sas

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"io"

	"github.com/hanse-im/hanse/e2ee/olm"
	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/b64"
	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
)

// Key is our ephemeral key of one verification.
type Key struct {
	pair curve.Private
	used bool
}

// NewKey makes a key. r nil is crypto/rand. The error has the class fail.Random.
func NewKey(r io.Reader) (*Key, error) {
	pair, err := curve.Generate(r)
	if err != nil {
		return nil, err
	}
	return &Key{pair: pair}, nil
}

// Public is the public key, for the m.key.verification.key message.
func (k *Key) Public() olm.Curve25519Key { return olm.Curve25519Key(k.pair.Public) }

// String does not show the secret.
func (k *Key) String() string { return "sas.Key(" + k.Public().String() + ")" }

// GoString does not show the secret.
func (k *Key) GoString() string { return k.String() }

// Wipe clears the secret.
func (k *Key) Wipe() {
	k.pair.Wipe()
	k.used = true
}

// Commitment is the "commitment" of an m.key.verification.accept message: the
// hash of the accepting side's public key and of the canonical JSON of the
// content of the m.key.verification.start message.
//
// Spec: client-server-api/modules/end_to_end_encryption#short-authentication-string-sas-verification
func Commitment(public olm.Curve25519Key, startContent []byte) string {
	h := sha256.New()
	io.WriteString(h, public.String())
	h.Write(startContent)
	return b64.Encode(h.Sum(nil))
}

// CheckCommitment compares the commitment that was received with the key that
// followed it. The error has the class fail.Mismatch: cancel with
// m.mismatched_commitment.
func CheckCommitment(commitment string, public olm.Curve25519Key, startContent []byte) error {
	want := Commitment(public, startContent)
	if subtle.ConstantTimeCompare([]byte(want), []byte(commitment)) != 1 {
		return fail.New(fail.Mismatch, "SAS commitment")
	}
	return nil
}

// Established is a finished exchange.
type Established struct {
	secret       [32]byte
	ours, theirs olm.Curve25519Key
}

// Exchange makes the shared secret and wipes the key. Errors: fail.Key for a
// key of small order, fail.Mismatch for our own key, fail.State if the key was
// used before.
func (k *Key) Exchange(theirs olm.Curve25519Key) (*Established, error) {
	switch {
	case k.used:
		return nil, fail.New(fail.State, "SAS key used before")
	case theirs == k.Public():
		return nil, fail.New(fail.Mismatch, "SAS key of the peer is ours")
	}
	e := &Established{ours: k.Public(), theirs: theirs}
	if err := curve.Exchange(&e.secret, &k.pair.Secret, (*curve.Public)(&theirs)); err != nil {
		return nil, err
	}
	k.Wipe()
	return e, nil
}

// Wipe clears the shared secret.
func (e *Established) Wipe() { clear(e.secret[:]) }

// String does not show the secret.
func (e *Established) String() string { return "sas.Established" }

// GoString does not show the secret.
func (e *Established) GoString() string { return e.String() }

// Agreement is a key_agreement_protocol.
type Agreement string

const (
	// CurveHKDF binds the code to the public keys.
	CurveHKDF Agreement = "curve25519-hkdf-sha256"
	// CurveOld does not. It is deprecated; offer it only to old clients.
	CurveOld Agreement = "curve25519"
)

// Device is one side of a verification.
type Device struct{ User, Device string }

// Parties tells the two sides of a verification apart.
type Parties struct {
	// Starter sent m.key.verification.start, Accepter the accept message.
	Starter, Accepter Device
	// WeStarted tells that Starter is us.
	WeStarted bool
	// Transaction is the transaction ID, or the ID of the request event in rooms.
	Transaction string
}

// Code is the short authentication string.
type Code struct{ bytes [6]byte }

// Code derives the short authentication string.
//
// Spec: client-server-api/modules/end_to_end_encryption#sas-hkdf-calculation
func (e *Established) Code(a Agreement, p Parties) (c Code) {
	start, accept := e.theirs, e.ours
	if p.WeStarted {
		start, accept = e.ours, e.theirs
	}
	var info string
	if a == CurveOld {
		info = "MATRIX_KEY_VERIFICATION_SAS" + p.Starter.User + p.Starter.Device +
			p.Accepter.User + p.Accepter.Device + p.Transaction
	} else {
		info = "MATRIX_KEY_VERIFICATION_SAS|" +
			p.Starter.User + "|" + p.Starter.Device + "|" + start.String() + "|" +
			p.Accepter.User + "|" + p.Accepter.Device + "|" + accept.String() + "|" + p.Transaction
	}
	copy(c.bytes[:], e.derive(info, len(c.bytes)))
	return c
}

// derive is HKDF-SHA-256 of the shared secret; n is far below its limit.
func (e *Established) derive(info string, n int) []byte {
	out, err := hkdf.Key(sha256.New, e.secret[:], nil, info, n)
	if err != nil {
		panic("sas: HKDF gives up to 8,160 bytes: " + err.Error())
	}
	return out
}

// Decimals are three numbers from 1000 to 9191.
//
// Spec: client-server-api/modules/end_to_end_encryption#sas-method-decimal
func (c Code) Decimals() [3]int {
	b := [5]int{int(c.bytes[0]), int(c.bytes[1]), int(c.bytes[2]), int(c.bytes[3]), int(c.bytes[4])}
	return [3]int{
		(b[0]<<5 | b[1]>>3) + 1000,
		((b[1]&7)<<10 | b[2]<<2 | b[3]>>6) + 1000,
		((b[3]&0x3f)<<7 | b[4]>>1) + 1000,
	}
}

// Emoji are seven emoji.
//
// Spec: client-server-api/modules/end_to_end_encryption#sas-method-emoji
func (c Code) Emoji() (out [7]Emoji) {
	var bits uint64
	for _, b := range c.bytes {
		bits = bits<<8 | uint64(b)
	}
	for i := range out {
		out[i] = emoji[bits>>(42-6*i)&63]
	}
	return out
}

// Method is a message_authentication_code.
type Method string

const (
	// HKDFHMACv2 is the method to use.
	HKDFHMACv2 Method = "hkdf-hmac-sha256.v2"
	// HKDFHMAC is the same with base64 that is wrong in the way of libolm. It
	// is deprecated and must not be used if both sides know HKDFHMACv2.
	HKDFHMAC Method = "hkdf-hmac-sha256"
	// LongHMAC is the method from before there was a specification, with a key
	// of 256 bytes and libolm's base64.
	LongHMAC Method = "hmac-sha256"
)

// mac is the MAC of value under a key derived with info.
//
// Spec: client-server-api/modules/end_to_end_encryption#mac-calculation
func (e *Established) mac(m Method, info, value string) (string, error) {
	size := 32
	switch m {
	case HKDFHMACv2, HKDFHMAC:
	case LongHMAC:
		size = 256
	default:
		return "", fail.New(fail.Version, "SAS MAC method")
	}
	h := hmac.New(sha256.New, e.derive(info, size))
	io.WriteString(h, value)
	sum := h.Sum(nil)
	if m == HKDFHMACv2 {
		return b64.Encode(sum), nil
	}
	return overlapping(sum), nil
}

// overlapping is the base64 that libolm wrote over the bytes it was reading:
// each group of four symbols overwrites input that later groups read.
func overlapping(sum []byte) string {
	var buf [64]byte
	copy(buf[:], sum)
	in, out := 0, 0
	for ; in+3 <= len(sum); in, out = in+3, out+4 {
		copy(buf[out:], b64.Encode(buf[in:in+3]))
	}
	tail := b64.Encode(buf[in:len(sum)])
	return string(buf[:out]) + tail
}
