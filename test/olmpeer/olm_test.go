package olmpeer

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm"
)

const pickleKey = "pickle-key"

// end is one end of an Olm session, in our hands or in libolm's. It moves from
// one to the other by a pickle, in the middle of a conversation.
type end struct {
	t    testing.TB
	peer *Peer
	slot int
	ours *olm.Session
}

func (e *end) encrypt(text string) olm.Message {
	e.t.Helper()
	if e.ours != nil {
		return must[olm.Message](e.t)(e.ours.Encrypt(nil, []byte(text)))
	}
	f := do(e.t, e.peer, "ses.enc", e.slot, Hex([]byte(text)))
	typ, _ := strconv.Atoi(f[0])
	return must[olm.Message](e.t)(olm.ParseMessage(typ, f[1]))
}

func (e *end) decrypt(m olm.Message) (string, error) {
	if e.ours != nil {
		plain, err := e.ours.Decrypt(m)
		return string(plain), err
	}
	f, err := e.peer.Do("ses.dec", e.slot, int(m.Type), m.Text())
	if err != nil {
		return "", err
	}
	plain, err := Unhex(f[0])
	return string(plain), err
}

// move hands the session to the other library.
func (e *end) move() {
	e.t.Helper()
	if e.ours != nil {
		text := must[string](e.t)(e.ours.ToLibolm([]byte(pickleKey)))
		do(e.t, e.peer, "ses.unpickle", e.slot, pickleKey, text)
		e.ours = nil
		return
	}
	text := one(e.t, e.peer, "ses.pickle", e.slot, pickleKey)
	e.ours = must[*olm.Session](e.t)(olm.SessionFromLibolm([]byte(pickleKey), text))
}

// establish makes a session between us and libolm, begun by us or by it.
func establish(t testing.TB, p *Peer, weBegin bool) (ours, theirs *end) {
	t.Helper()
	account := must[*olm.Account](t)(olm.NewAccount(nil))
	do(t, p, "acc.new", 0)
	id := identityOf(t, p, 0)
	ours, theirs = &end{t: t, peer: p, slot: 0}, &end{t: t, peer: p, slot: 1}
	if weBegin {
		ours.ours = must[*olm.Session](t)(account.NewOutboundSession(nil, olm.V1,
			olm.PeerIdentityKey(curveKey(t, id.Curve25519)), olm.PeerPreKey(curveKey(t, oneTimeKey(t, p, 0)))))
		m := ours.encrypt("first")
		do(t, p, "ses.in", 1, 0, account.IdentityKeys().Curve25519, m.Text())
		if text, err := theirs.decrypt(m); err != nil || text != "first" {
			t.Fatal(text, err)
		}
	} else {
		created, _, err := account.GenerateOneTimeKeys(nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		do(t, p, "ses.out", 1, 0, account.IdentityKeys().Curve25519, created[0].Key)
		s, plain, err := account.NewInboundSession(olm.V1, olm.PeerIdentityKey(curveKey(t, id.Curve25519)), theirs.encrypt("first"))
		if err != nil || string(plain) != "first" {
			t.Fatalf("%q, %v", plain, err)
		}
		ours.ours = s
	}
	if got := one(t, p, "ses.id", 1); got != ours.ours.SessionID() {
		t.Fatalf("session IDs: libolm %s, ours %s", got, ours.ours.SessionID())
	}
	return ours, theirs
}

// TestOlmConversations plays thousands of messages in random order with loss
// and duplicates between us and libolm; now and then an end changes hands.
func TestOlmConversations(t *testing.T) {
	t.Parallel()
	const steps = 2500
	for i := range uint64(6) {
		seed, build := i%4, []string{"C", "JavaScript"}[i/4]
		t.Run(fmt.Sprint(build, seed), func(t *testing.T) {
			t.Parallel()
			p := libolms[build](t)
			rng := rand.New(rand.NewPCG(seed, 11))
			a, b := establish(t, p, seed%2 == 0)
			ends := [2]*end{a, b}
			type flying struct {
				to   int
				m    olm.Message
				text string
				done bool
			}
			var air []flying
			received, moves := 0, 0
			for step := range steps {
				switch {
				case rng.IntN(60) == 0:
					ends[rng.IntN(2)].move()
					moves++
				case rng.IntN(2) == 0 || len(air) == 0:
					from := rng.IntN(2)
					text := fmt.Sprintf("message %d from %d", step, from)
					air = append(air, flying{to: 1 - from, m: ends[from].encrypt(text), text: text})
				default:
					f := &air[len(air)-1-rng.IntN(min(len(air), 7))]
					text, err := ends[f.to].decrypt(f.m)
					if f.done != (err != nil) {
						t.Fatalf("step %d: done %v, error %v, end ours %v", step, f.done, err, ends[f.to].ours != nil)
					}
					if err == nil && text != f.text {
						t.Fatalf("step %d: %q, want %q", step, text, f.text)
					}
					if err == nil {
						received++
					}
					f.done = true
				}
			}
			if received < steps/5 || moves < steps/100 {
				t.Errorf("only %d messages and %d moves", received, moves)
			}
		})
	}
}

// TestAccounts moves accounts in both directions, with one-time and fallback
// keys that are used afterwards, and compares signatures.
func TestAccounts(t *testing.T) {
	t.Parallel()
	for build, start := range libolms {
		t.Run(build, func(t *testing.T) {
			t.Parallel()
			testAccounts(t, start(t))
		})
	}
}

func testAccounts(t *testing.T, p *Peer) {
	do(t, p, "acc.new", 0)
	otk := oneTimeKey(t, p, 0)
	var fallbacks []string
	for range 2 {
		do(t, p, "acc.rotate", 0)
		var keys struct{ Curve25519 map[string]string }
		fromJSON(t, one(t, p, "acc.fallback", 0), &keys)
		for _, k := range keys.Curve25519 {
			fallbacks = append(fallbacks, k)
		}
		do(t, p, "acc.publish", 0)
	}
	account := must[*olm.Account](t)(olm.AccountFromLibolm([]byte(pickleKey), one(t, p, "acc.pickle", 0, pickleKey)))
	id := identityOf(t, p, 0)
	keys := account.IdentityKeys()
	if keys.Curve25519.String() != id.Curve25519 || keys.Ed25519.String() != id.Ed25519 {
		t.Fatal("identity keys changed")
	}
	msg := []byte("sign me")
	if ours, theirs := account.Sign(msg).String(), one(t, p, "acc.sign", 0, Hex(msg)); ours != theirs {
		t.Errorf("signatures differ: %s, %s", ours, theirs)
	}
	do(t, p, "verify", keys.Ed25519, Hex(msg), account.Sign(msg))

	sender := must[*olm.Account](t)(olm.NewAccount(nil))
	use := func(receive func(from olm.Curve25519Key, m olm.Message) error) {
		t.Helper()
		for _, k := range append(fallbacks, otk) {
			s := must[*olm.Session](t)(sender.NewOutboundSession(nil, olm.V1,
				olm.PeerIdentityKey(keys.Curve25519), olm.PeerPreKey(curveKey(t, k))))
			m := must[olm.Message](t)(s.Encrypt(nil, []byte("hi")))
			if err := receive(sender.IdentityKeys().Curve25519, m); err != nil {
				t.Errorf("key %s: %v", k, err)
			}
		}
	}
	text := must[string](t)(account.ToLibolm([]byte(pickleKey)))
	use(func(from olm.Curve25519Key, m olm.Message) error {
		_, _, err := account.NewInboundSession(olm.V1, olm.PeerIdentityKey(from), m)
		return err
	})
	do(t, p, "acc.unpickle", 1, pickleKey, text)
	use(func(from olm.Curve25519Key, m olm.Message) error {
		_, err := p.Do("ses.in", 5, 1, from, m.Text())
		return err
	})
	// An account of ours keeps its seed and still reads as libolm's.
	fresh := must[*olm.Account](t)(olm.NewAccount(nil))
	do(t, p, "acc.unpickle", 2, pickleKey, must[string](t)(fresh.ToLibolm([]byte(pickleKey))))
	if got := one(t, p, "acc.sign", 2, Hex(msg)); got != fresh.Sign(msg).String() {
		t.Error("libolm signs otherwise with our account")
	}
	if _, err := olm.AccountFromLibolm([]byte("wrong"), text); err == nil {
		t.Error("a pickle was read with the wrong key")
	}
}
