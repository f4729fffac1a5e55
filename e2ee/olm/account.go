package olm

import (
	"io"
	"sync"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
	"github.com/hanse-im/hanse/e2ee/olm/internal/ed"
	"github.com/hanse-im/hanse/e2ee/olm/internal/kdf"
)

// Account is a device's long-term identity and the keys that others begin
// sessions with. It is safe for concurrent use.
type Account struct {
	mu       sync.Mutex
	signing  *ed.Private
	identity curve.Private
	oneTime  keyStore
	fallback fallbackStore
}

// NewAccount makes an account with new identity keys and no others. The error
// has the class fail.Random.
func NewAccount(r io.Reader) (*Account, error) {
	signing, err := ed.Generate(r)
	if err != nil {
		return nil, err
	}
	identity, err := curve.Generate(r)
	if err != nil {
		return nil, err
	}
	return &Account{signing: signing, identity: identity}, nil
}

// IdentityKeys are the public identity keys.
func (a *Account) IdentityKeys() IdentityKeys {
	return IdentityKeys{Curve25519: Curve25519Key(a.identity.Public), Ed25519: Ed25519Key(a.signing.Public)}
}

// Sign signs a message with the account's Ed25519 key. For JSON the message
// is the canonical form without "signatures" and "unsigned".
//
// Spec: appendices#signing-details
func (a *Account) Sign(message []byte) (sig Signature) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.signing.Sign((*[64]byte)(&sig), message)
	return sig
}

// GenerateOneTimeKeys makes n one-time keys, at most MaxOneTimeKeys. created
// are the new ones, removed those that were dropped for them because the
// account holds only so many. Errors: fail.Size for another n, fail.Random.
//
// Spec: client-server-api/modules/end_to_end_encryption#one-time-and-fallback-keys
func (a *Account) GenerateOneTimeKeys(r io.Reader, n int) (created, removed []OneTimeKey, err error) {
	if n < 0 || n > MaxOneTimeKeys {
		return nil, nil, fail.New(fail.Size, "number of one-time keys")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.oneTime.generate(r, n)
}

// UnpublishedOneTimeKeys are the one-time keys that were made since
// MarkKeysAsPublished, oldest first.
func (a *Account) UnpublishedOneTimeKeys() []OneTimeKey {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []OneTimeKey
	for i := range a.oneTime.keys {
		if k := &a.oneTime.keys[i]; !k.published {
			out = append(out, OneTimeKey{ID: k.id, Key: Curve25519Key(k.pair.Public)})
		}
	}
	return out
}

// OneTimeKeyCount is the number of one-time keys held, published or not.
func (a *Account) OneTimeKeyCount() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.oneTime.keys)
}

// RotateFallbackKey makes a new fallback key. The one before stays usable for
// messages that are under way; the one before that is dropped and returned,
// if there was one. The error has the class fail.Random.
func (a *Account) RotateFallbackKey(r io.Reader) (removed *FallbackKey, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fallback.rotate(r)
}

// UnpublishedFallbackKey is the fallback key, if it was made since
// MarkKeysAsPublished.
func (a *Account) UnpublishedFallbackKey() (FallbackKey, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.fallback.current
	if k == nil || k.published {
		return FallbackKey{}, false
	}
	return FallbackKey{ID: k.id, Key: Curve25519Key(k.pair.Public)}, true
}

// ForgetPreviousFallbackKey drops the previous fallback key and tells whether
// there was one. Call it a while (an hour, say) after the new one was published.
func (a *Account) ForgetPreviousFallbackKey() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fallback.forget()
}

// MarkKeysAsPublished marks all one-time keys and the fallback key as being on
// the server. Call it when the upload was answered.
func (a *Account) MarkKeysAsPublished() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.oneTime.keys {
		a.oneTime.keys[i].published = true
	}
	if a.fallback.current != nil {
		a.fallback.current.published = true
	}
}

// NewOutboundSession begins a session with a peer's device from its identity
// key and one of its claimed keys, both of which the caller verified. Errors:
// fail.Key for keys of small order, fail.Random, fail.Version. About 150 µs.
//
// Spec: olm-megolm/olm#creating-an-outbound-session
func (a *Account) NewOutboundSession(r io.Reader, v Version, peer PeerIdentityKey, pre PeerPreKey) (*Session, error) {
	if !v.valid() {
		return nil, fail.New(fail.Version, "new Olm session")
	}
	var fresh [2]curve.Private
	if err := curve.GenerateMany(r, fresh[:]); err != nil {
		return nil, err
	}
	base, ratchet := &fresh[0], &fresh[1]
	defer base.Wipe()
	s := &Session{
		version: v,
		keys:    sessionKeys{identity: a.identity.Public, base: base.Public, oneTime: curve.Public(pre)},
		sender:  &senderChain{ratchet: *ratchet},
	}
	ratchet.Wipe()
	a.mu.Lock()
	ours := a.identity.Secret
	a.mu.Unlock()
	defer clear(ours[:])
	err := tripleDH(&s.d, &s.root, &s.sender.key, [3]exchange{
		{&ours, (*curve.Public)(&pre)},
		{&base.Secret, (*curve.Public)(&peer)},
		{&base.Secret, (*curve.Public)(&pre)},
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

type exchange struct {
	ours   *[32]byte
	theirs *curve.Public
}

// tripleDH derives the first root and chain key.
//
// Spec: olm-megolm/olm#initial-setup
func tripleDH(d *kdf.Deriver, root, chain *[32]byte, ex [3]exchange) error {
	var secret [96]byte
	defer clear(secret[:])
	for i, e := range ex {
		if err := curve.Exchange((*[32]byte)(secret[32*i:]), e.ours, e.theirs); err != nil {
			return err
		}
	}
	var out [64]byte
	d.HKDF(out[:], nil, secret[:], "OLM_ROOT")
	copy(root[:], out[:32])
	copy(chain[:], out[32:])
	clear(out[:])
	return nil
}

// NewInboundSession makes the session that a pre-key message begins and
// decrypts the message. from is the identity key of the device that the
// message is said to come from. A one-time key that was used is forgotten; a
// fallback key stays.
//
// Before calling it, ask the sessions with that device whether one Matches.
//
// Errors: fail.Format, fail.Version (also for a message of another version
// than v), fail.Mismatch if the message names another identity key,
// fail.UnknownKey, fail.Key, fail.Gap, fail.MAC. The account is unchanged then.
// About 130 µs.
//
// Spec: olm-megolm/olm#creating-an-inbound-session-from-a-pre-key-message
func (a *Account) NewInboundSession(v Version, from PeerIdentityKey, m Message) (*Session, []byte, error) {
	if !v.valid() {
		return nil, nil, fail.New(fail.Version, "new Olm session")
	}
	pre, err := m.preKey()
	if err != nil {
		return nil, nil, err
	}
	if pre.keys.identity != curve.Public(from) {
		return nil, nil, fail.New(fail.Mismatch, "identity key of a pre-key message")
	}
	p, err := parseNormal(pre.message)
	if err != nil {
		return nil, nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	held := a.oneTime.find(&pre.keys.oneTime)
	if held == nil {
		held = a.fallback.find(&pre.keys.oneTime)
	}
	if held == nil {
		return nil, nil, fail.New(fail.UnknownKey, "pre-key message")
	}
	s := &Session{version: v, keys: pre.keys}
	c := receiverChain{ratchet: p.ratchet}
	err = tripleDH(&s.d, &s.root, &c.key, [3]exchange{
		{&held.pair.Secret, &pre.keys.identity},
		{&a.identity.Secret, &pre.keys.base},
		{&held.pair.Secret, &pre.keys.base},
	})
	if err != nil {
		return nil, nil, err
	}
	s.addChain(c)
	plain, err := s.decrypt(&p)
	if err != nil {
		s.Wipe()
		return nil, nil, err
	}
	a.oneTime.remove(&pre.keys.oneTime)
	return s, plain, nil
}

// Wipe clears the secrets. The account can not be used after it.
func (a *Account) Wipe() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.signing.Wipe()
	a.identity.Wipe()
	a.oneTime.wipe()
	a.fallback.wipe()
}

// String does not show secrets.
func (a *Account) String() string { return "olm.Account(" + a.IdentityKeys().Curve25519.String() + ")" }

// GoString does not show secrets.
func (a *Account) GoString() string { return a.String() }
