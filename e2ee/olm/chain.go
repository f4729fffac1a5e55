package olm

import (
	"crypto/subtle"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/cbc"
	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
	"github.com/hanse-im/hanse/e2ee/olm/internal/kdf"
	"github.com/hanse-im/hanse/e2ee/olm/internal/wire"
)

// The limits on what a peer can make a session compute and keep.
const (
	// MaxMessageGap is how far a message may be ahead of the last one of its
	// chain.
	MaxMessageGap = 2000
	// MaxChains is how many of the peer's chains a session keeps; the oldest
	// is dropped for a new one.
	MaxChains = 5
	// MaxSkippedKeys is how many keys of messages not yet received each chain
	// keeps; the oldest are dropped.
	MaxSkippedKeys = 40
)

// senderChain makes the keys of our messages.
type senderChain struct {
	ratchet curve.Private
	key     [32]byte
	index   uint32
}

// receiverChain makes the keys of the peer's messages under one ratchet key.
type receiverChain struct {
	ratchet curve.Public
	key     [32]byte
	index   uint32
	skipped []skippedKey
}

// skippedKey is the key of a message that was overtaken by a later one.
type skippedKey struct {
	index uint32
	key   [32]byte
}

func (c *receiverChain) wipe() {
	clear(c.key[:])
	clear(c.skipped[:cap(c.skipped)])
	c.skipped = nil
}

// find is the place of the kept key of an index, or −1.
func (c *receiverChain) find(index uint32) int {
	for i := range c.skipped {
		if c.skipped[i].index == index {
			return i
		}
	}
	return -1
}

// forget wipes the kept key at place i.
func (c *receiverChain) forget(i int) {
	last := len(c.skipped) - 1
	copy(c.skipped[i:], c.skipped[i+1:])
	c.skipped[last] = skippedKey{}
	c.skipped = c.skipped[:last]
}

// advance makes the message key of index, which is at or after the chain's,
// and the state of the chain behind it. The chain itself is not changed; the
// keys that were passed over, the latest MaxSkippedKeys of them, are returned.
//
// Spec: olm-megolm/olm#advancing-the-chain-key, olm-megolm/olm#creating-a-message-key
func (c *receiverChain) advance(d *kdf.Deriver, index uint32, mk, next *[32]byte) (skipped []skippedKey, err error) {
	if index-c.index > MaxMessageGap {
		return nil, fail.New(fail.Gap, "Olm message")
	}
	if index == 1<<32-1 {
		return nil, fail.New(fail.Index, "Olm chain is used up")
	}
	if n := min(index-c.index, MaxSkippedKeys); n > 0 {
		skipped = make([]skippedKey, 0, n)
	}
	*next = c.key
	for i := c.index; i < index; i++ {
		if index-i <= MaxSkippedKeys {
			s := skippedKey{index: i}
			d.Steps(&s.key, 1, next, 2, next)
			skipped = append(skipped, s)
			continue
		}
		d.Step(next, next, 2)
	}
	d.Steps(mk, 1, next, 2, next)
	return skipped, nil
}

// keep adds the passed-over keys, at most MaxSkippedKeys, and drops the oldest
// beyond the limit. The list never moves in memory once it is made, so that no
// copies of keys are left behind.
func (c *receiverChain) keep(passed []skippedKey) {
	if len(passed) == 0 {
		return
	}
	if cap(c.skipped) < MaxSkippedKeys {
		moved := append(make([]skippedKey, 0, MaxSkippedKeys), c.skipped...)
		clear(c.skipped)
		c.skipped = moved
	}
	if over := len(c.skipped) + len(passed) - MaxSkippedKeys; over > 0 {
		n := copy(c.skipped, c.skipped[over:])
		clear(c.skipped[n:])
		c.skipped = c.skipped[:n]
	}
	c.skipped = append(c.skipped, passed...)
}

// advanceRoot replaces root and makes a new chain key from an exchange of
// ratchet keys. The error has the class fail.Key; nothing is changed then.
//
// Spec: olm-megolm/olm#advancing-the-root-key
func advanceRoot(d *kdf.Deriver, root, chain *[32]byte, ours *[32]byte, theirs *curve.Public) error {
	var shared [32]byte
	if err := curve.Exchange(&shared, ours, theirs); err != nil {
		return err
	}
	var out [64]byte
	d.HKDF(out[:], root, shared[:], "OLM_RATCHET")
	copy(root[:], out[:32])
	copy(chain[:], out[32:])
	clear(out[:])
	clear(shared[:])
	return nil
}

// appendNormal appends an encrypted message to dst.
//
// Spec: olm-megolm/olm#version-1
func appendNormal(dst []byte, d *kdf.Deriver, v Version, mk *[32]byte, ratchet *curve.Public, index uint32, plain []byte) []byte {
	var keys cbc.Keys
	d.HKDF(keys[:], nil, mk[:], "OLM_KEYS")
	start := len(dst)
	dst = append(dst, v.wire())
	dst = wire.AppendString(dst, tagRatchetKey, ratchet[:])
	dst = wire.AppendInt(dst, tagIndex, index)
	dst = wire.AppendLen(dst, tagCiphertext, cbc.Size(len(plain)))
	dst = cbc.Append(dst, &keys, plain)
	var mac [32]byte
	d.MAC(&mac, keys.HMAC(), dst[start:])
	keys.Wipe()
	return append(dst, mac[:v.macBytes()]...)
}

// sizeNormal is the size of what appendNormal appends.
func sizeNormal(v Version, index uint32, plain int) int {
	return 1 + wire.SizeString(32) + wire.SizeInt(uint64(index)) + wire.SizeString(cbc.Size(plain)) + v.macBytes()
}

// openNormal checks and decrypts a message under its key. The plaintext is
// newly allocated. The error has the class fail.MAC.
func openNormal(d *kdf.Deriver, mk *[32]byte, p *normalParts) ([]byte, error) {
	var keys cbc.Keys
	defer keys.Wipe()
	d.HKDF(keys[:], nil, mk[:], "OLM_KEYS")
	var mac [32]byte
	d.MAC(&mac, keys.HMAC(), p.signed)
	if subtle.ConstantTimeCompare(mac[:len(p.mac)], p.mac) != 1 {
		return nil, fail.New(fail.MAC, "Olm message")
	}
	buf := make([]byte, len(p.ciphertext))
	copy(buf, p.ciphertext)
	return cbc.Decrypt(&keys, buf)
}
