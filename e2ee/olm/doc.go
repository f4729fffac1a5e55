// Package olm is Olm, the double ratchet that devices of Matrix users send
// keys and secrets over: accounts with their identity, one-time and fallback
// keys, and sessions between two devices. Its sibling packages are megolm
// (room messages), sas (short authentication strings), pk (key backup),
// channel (QR code login), secret (secret storage, recovery keys, key files)
// and attachment (encrypted files).
//
// It needs no server, reads no clock and does no I/O. Randomness comes from an
// io.Reader; nil means crypto/rand, which is right everywhere but in tests.
//
// What it never does: decide whom to trust, check who owns a key, or put a
// key, a plaintext or received bytes in an error. A PeerIdentityKey and a
// PeerPreKey must have been checked against a signature of the peer's device
// before they come here, and the plaintext must name both users and both
// devices' keys, which the caller checks after decryption
// (Spec: olm-megolm/olm#message-authentication-concerns).
//
// # Invariants
//
// A call that fails leaves the object as it was. A ratchet moves only after
// the message's MAC and padding were found right. Every key exchange refuses
// keys that do not contribute to it. Limits: MaxMessageGap, MaxChains,
// MaxSkippedKeys, MaxOneTimeKeys, MaxMessageSize.
//
// Account and Session may be used from several goroutines; each call holds the
// object's one lock. Store a session after Encrypt and before the message is
// sent: an older copy would use the message's key again.
//
// # Secrets in memory
//
// Secrets are held in fixed arrays inside the objects; Wipe clears them. Go
// copies stacks when they grow, and the standard library keeps copies inside
// AES and hash objects until they are collected, so wiping is best effort and
// no more. Types that hold secrets print as their name alone.
//
// # Example
//
//	alice, _ := olm.NewAccount(nil)
//	bob, _ := olm.NewAccount(nil)
//	bob.GenerateOneTimeKeys(nil, 1)
//	otk := bob.UnpublishedOneTimeKeys()[0]
//
//	out, _ := alice.NewOutboundSession(nil, olm.V1,
//		olm.PeerIdentityKey(bob.IdentityKeys().Curve25519), olm.PeerPreKey(otk.Key))
//	msg, _ := out.Encrypt(nil, []byte("hello"))
//
//	in, plain, _ := bob.NewInboundSession(olm.V1,
//		olm.PeerIdentityKey(alice.IdentityKeys().Curve25519), msg)
package olm
