// Package channel is the secure channel between two devices of a user over an
// untrusted rendezvous, for login by QR code. It comes in two forms: ECIES, as
// clients have used it since the proposal was first implemented, and HPKE, as
// the proposal has it now.
//
// Device G shows a QR code with its public key, device S scans it and sends
// the first message. When S has read G's answer, S shows the CheckCode and the
// user types it into G; until then G must not trust the channel.
//
// The HPKE is that of RFC 9180 with DHKEM(X25519, HKDF-SHA256), as the proposal
// names it; where its steps write the raw exchange as the shared secret, the
// RFC's encapsulation is meant. QR codes are those of the proposal's text, with
// one byte for the length of the rendezvous ID; version 18.9 of the Rust SDK
// still writes two.
//
// What it never does: move messages, or decide that a user compared the code.
//
// Invariants: a key makes one channel and is wiped by it; keys that do not
// contribute are refused; each message decrypts once and in order; a message
// that does not decrypt changes nothing. The types are not safe for concurrent
// use.
//
//	g, _ := channel.NewECIES(nil)                 // device G: g.Public() → QR code
//	s, _ := channel.NewECIES(nil)                 // device S
//	sc, first, _ := s.Outbound(g.Public(), []byte("MATRIX_QR_CODE_LOGIN_INITIATE"))
//	gc, plain, _ := g.Inbound(first)
package channel

import (
	"crypto/subtle"
	"strconv"
)

// loginInfo separates the keys of QR code login from those of other uses.
const loginInfo = "MATRIX_QR_CODE_LOGIN"

// maxMessage is the size over which no message is read: four times what a
// rendezvous holds.
const maxMessage = 16 << 10

// CheckCode is what the user carries from device S to device G. It is no
// secret and proves nothing by itself: it shows that the user looked.
type CheckCode struct{ bytes [2]byte }

// Text is the code in two digits, from 10 to 99, as it is shown.
//
// Spec: msc-open/4388-secure-qr-channel#6-verification-by-device-s
func (c CheckCode) Text() string {
	return strconv.Itoa(int(c.bytes[0]%9+1)) + strconv.Itoa(int(c.bytes[1]%10))
}

// OldText is the code as clients of the ECIES channel show it, from 00 to 99.
func (c CheckCode) OldText() string {
	return strconv.Itoa(int(c.bytes[0]%10)) + strconv.Itoa(int(c.bytes[1]%10))
}

// Matches compares with what the user typed, in constant time.
func (c CheckCode) Matches(typed string) bool {
	return subtle.ConstantTimeCompare([]byte(c.Text()), []byte(typed)) == 1
}

// OldMatches is Matches for OldText.
func (c CheckCode) OldMatches(typed string) bool {
	return subtle.ConstantTimeCompare([]byte(c.OldText()), []byte(typed)) == 1
}
