package olmpeer

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm"
	"github.com/hanse-im/hanse/e2ee/olm/megolm"
)

// mutate changes a message in one of the ways in which bytes go wrong.
func mutate(rng *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	i := rng.IntN(len(b))
	switch rng.IntN(6) {
	case 0:
		b[i] ^= 1 << rng.IntN(8)
	case 1:
		b = b[:i]
	case 2:
		b = append(b, byte(rng.IntN(256)))
	case 3:
		b = append(b[:i], append([]byte{byte(rng.IntN(256))}, b[i:]...)...)
	case 4:
		b = append(b[:i], b[i+1:]...)
	case 5:
		// A field again, behind itself.
		if len(b) > 40 {
			b = append(b[:35], append(bytes.Clone(b[1:35]), b[35:]...)...)
		}
	}
	return b
}

// TestMutations gives changed messages to us and to libolm: neither decrypts
// what the other refuses, and both still read the message as it was.
func TestMutations(t *testing.T) {
	t.Parallel()
	p := libolm(t)
	rng := rand.New(rand.NewPCG(8, 8))
	ours, theirs := establish(t, p, true)
	if _, err := ours.decrypt(theirs.encrypt("answer")); err != nil {
		t.Fatal(err)
	}
	text := must[string](t)(ours.ours.ToLibolm([]byte(pickleKey)))
	do(t, p, "ses.unpickle", 0, pickleKey, text)
	copied := &end{t: t, peer: p, slot: 0}
	m := theirs.encrypt("the text")
	for range 600 {
		bad := olm.Message{Type: m.Type, Body: mutate(rng, m.Body)}
		if bytes.Equal(bad.Body, m.Body) || len(bad.Body) == 0 {
			continue
		}
		a, errA := ours.decrypt(bad)
		b, errB := copied.decrypt(bad)
		if (errA == nil) != (errB == nil) || a != b {
			t.Errorf("%x: ours %q, %v; libolm %q, %v", bad.Body, a, errA, b, errB)
		}
	}
	for _, e := range []*end{ours, copied} {
		if got, err := e.decrypt(m); err != nil || got != "the text" {
			t.Errorf("%q, %v", got, err)
		}
	}

	do(t, p, "out.new", 0)
	key := one(t, p, "out.key", 0)
	do(t, p, "in.new", 0, key)
	in := must[*megolm.Inbound](t)(megolm.NewInbound(megolm.V1, must[*megolm.SessionKey](t)(megolm.ParseSessionKey(key))))
	raw := must[megolm.Message](t)(megolm.ParseMessage(one(t, p, "out.enc", 0, Hex([]byte("the text")))))
	for range 600 {
		bad := megolm.Message(mutate(rng, raw))
		if bytes.Equal(bad, raw) || len(bad) == 0 {
			continue
		}
		_, errA := in.Decrypt(bad)
		_, errB := p.Do("in.dec", 0, base64.RawStdEncoding.EncodeToString(bad))
		if (errA == nil) != (errB == nil) {
			t.Errorf("%x: ours %v, libolm %v", bad, errA, errB)
		}
	}
	if d, err := in.Decrypt(raw); err != nil || string(d.Plaintext) != "the text" {
		t.Error(err)
	}
}
