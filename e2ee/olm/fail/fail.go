// Package fail names the classes of failure of the end-to-end encryption
// library, so that a caller can react to the class and a log can tell the
// place, and neither learns anything about a key.
//
// Every error that a package below e2ee/olm returns is an *Error whose class
// is found with errors.Is:
//
//	if _, err := session.Decrypt(msg); errors.Is(err, fail.MAC) { … }
//
// No error text holds key material, plaintext or received bytes.
package fail

// Class is a class of failure. It is an error itself, so that it can be the
// target of errors.Is.
type Class string

// The classes. A class says what the caller may do about it, not which line
// of the library refused.
const (
	// Format: the bytes are not of the shape that the format demands
	// (truncated, trailing bytes, unknown, missing or repeated fields).
	Format Class = "malformed"
	// Encoding: the text is not the base64 or base58 that was expected.
	Encoding Class = "bad text encoding"
	// Version: a version byte that this library or this session does not speak.
	Version Class = "unsupported version"
	// Size: the input is larger than the limit for its kind.
	Size Class = "too large"
	// MAC: the message authentication code or the padding behind it is wrong.
	// Both give this one class on purpose.
	MAC Class = "authentication failed"
	// Signature: an Ed25519 signature is wrong or not strict.
	Signature Class = "bad signature"
	// Key: a public key is of small order, does not contribute to the
	// exchange, or has the wrong length.
	Key Class = "unusable key"
	// Mismatch: two things that must be equal differ (identity keys, session
	// IDs, commitments).
	Mismatch Class = "mismatch"
	// UnknownKey: the message names a one-time key that the account does not hold.
	UnknownKey Class = "unknown one-time key"
	// Index: the message's key is gone (used, or older than what is known).
	Index Class = "message key not available"
	// Gap: the message's index is further ahead than the limit.
	Gap Class = "message index too far ahead"
	// Replay: the message was decrypted before as part of another event.
	Replay Class = "replayed message"
	// State: the call is not possible in the present state of the object.
	State Class = "wrong state"
	// Random: the source of randomness failed.
	Random Class = "randomness failed"
)

// Error implements error.
func (c Class) Error() string { return string(c) }

// Error is a failure with its class and the place where it was noticed.
type Error struct {
	// Class is what errors.Is compares with.
	Class Class
	// What says what was being read or done, in lower case, without secrets.
	What string
}

// Error implements error: "what: class".
func (e *Error) Error() string { return e.What + ": " + string(e.Class) }

// Unwrap gives the class to errors.Is.
func (e *Error) Unwrap() error { return e.Class }

// New returns an error of the class for what.
func New(c Class, what string) error { return &Error{Class: c, What: what} }
