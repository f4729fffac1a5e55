package olmpeer

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm/megolm"
)

// TestMegolm plays a group session between us and libolm: sender and receiver
// change hands by pickle and export, messages come in random order.
func TestMegolm(t *testing.T) {
	t.Parallel()
	for i := range uint64(6) {
		seed, build := i%4, []string{"C", "JavaScript"}[i/4]
		t.Run(fmt.Sprint(build, seed), func(t *testing.T) {
			t.Parallel()
			newGroup(t, libolms[build](t), seed).play(1500)
		})
	}
}

type group struct {
	t    testing.TB
	p    *Peer
	rng  *rand.Rand
	out  *megolm.Outbound // nil while libolm has the session
	in   *megolm.Inbound
	sent []string
	text []string
}

func newGroup(t testing.TB, p *Peer, seed uint64) *group {
	g := &group{t: t, p: p, rng: rand.New(rand.NewPCG(seed, 3))}
	if seed%2 == 0 {
		g.out = must[*megolm.Outbound](t)(megolm.NewOutbound(nil, megolm.V1))
		do(t, g.p, "in.new", 0, g.out.SessionKey().Text())
		return g
	}
	do(t, g.p, "out.new", 0)
	key := must[*megolm.SessionKey](t)(megolm.ParseSessionKey(one(t, g.p, "out.key", 0)))
	g.in = must[*megolm.Inbound](t)(megolm.NewInbound(megolm.V1, key))
	if id := one(t, g.p, "out.id", 0); id != g.in.SessionID() {
		t.Fatalf("session ID %s, ours %s", id, g.in.SessionID())
	}
	return g
}

func (g *group) play(steps int) {
	t := g.t
	for step := range steps {
		switch n := g.rng.IntN(100); {
		case n == 0:
			g.moveOut()
		case n == 1:
			g.moveIn()
		case n == 2 && len(g.sent) > 0:
			g.export()
		case n < 60 || len(g.sent) == 0:
			text := fmt.Sprint("message ", step)
			g.text = append(g.text, text)
			if g.out != nil {
				g.sent = append(g.sent, must[megolm.Message](t)(g.out.Encrypt([]byte(text))).Text())
			} else {
				g.sent = append(g.sent, one(t, g.p, "out.enc", 0, Hex([]byte(text))))
			}
		default:
			g.receive(g.rng.IntN(len(g.sent)))
		}
	}
}

func (g *group) receive(i int) {
	t := g.t
	var plain []byte
	var index uint32
	if g.in != nil {
		d := must[megolm.Decrypted](t)(g.in.Decrypt(must[megolm.Message](t)(megolm.ParseMessage(g.sent[i]))))
		plain, index = d.Plaintext, d.Index
	} else {
		f := do(t, g.p, "in.dec", 0, g.sent[i])
		n, _ := strconv.Atoi(f[0])
		plain, index = must[[]byte](t)(Unhex(f[1])), uint32(n)
	}
	if string(plain) != g.text[i] || index != uint32(i) {
		t.Fatalf("message %d: %q at %d", i, plain, index)
	}
}

func (g *group) moveOut() {
	t := g.t
	if g.out != nil {
		do(t, g.p, "out.unpickle", 0, pickleKey, must[string](t)(g.out.ToLibolm([]byte(pickleKey))))
		g.out = nil
		return
	}
	g.out = must[*megolm.Outbound](t)(megolm.OutboundFromLibolm([]byte(pickleKey), one(t, g.p, "out.pickle", 0, pickleKey)))
}

func (g *group) moveIn() {
	t := g.t
	if g.in != nil {
		do(t, g.p, "in.unpickle", 0, pickleKey, must[string](t)(g.in.ToLibolm([]byte(pickleKey))))
		g.in = nil
		return
	}
	g.in = must[*megolm.Inbound](t)(megolm.InboundFromLibolm([]byte(pickleKey), one(t, g.p, "in.pickle", 0, pickleKey)))
}

// export compares the exports of both libraries at an index.
func (g *group) export() {
	t := g.t
	index := uint32(g.rng.IntN(len(g.sent) + 70000))
	if g.in != nil {
		key := must[*megolm.ExportedKey](t)(g.in.ExportAt(index))
		do(t, g.p, "in.import", 1, key.Text())
		do(t, g.p, "in.unpickle", 2, pickleKey, must[string](t)(g.in.ToLibolm([]byte(pickleKey))))
		if got := one(t, g.p, "in.export", 2, index); got != key.Text() {
			t.Fatalf("exports at %d differ", index)
		}
		return
	}
	key := must[*megolm.ExportedKey](t)(megolm.ParseExportedKey(one(t, g.p, "in.export", 0, index)))
	if key.Index() != index {
		t.Fatal("export at another index")
	}
	must[*megolm.Inbound](t)(megolm.Import(megolm.V1, key))
}
