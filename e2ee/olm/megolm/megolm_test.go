package megolm

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/kdf"
)

func pair(t testing.TB, v Version) (*Outbound, *Inbound) {
	t.Helper()
	out, err := NewOutbound(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	in, err := NewInbound(v, out.SessionKey())
	if err != nil {
		t.Fatal(err)
	}
	return out, in
}

func encrypt(t testing.TB, s *Outbound, text string) Message {
	t.Helper()
	m, err := s.Encrypt([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func wantClass(t testing.TB, err error, class fail.Class) {
	t.Helper()
	if !errors.Is(err, class) {
		t.Fatalf("error %v, want class %q", err, class)
	}
}

// naive is one step of the ratchet by the letter of the definition: part j is
// set anew from the part k before or at it whose period ends at index.
//
// Spec: olm-megolm/megolm#the-megolm-ratchet-algorithm
func naive(r *ratchet) {
	r.index++
	k := 3
	for k > 0 && r.index%(1<<(8*(4-k))) == 0 {
		k--
	}
	from := *r.part(k)
	for j := k; j < 4; j++ {
		m := hmac.New(sha256.New, from[:])
		m.Write([]byte{byte(j)})
		m.Sum(r.part(j)[:0])
	}
}

// TestRatchet compares winding to an index with single steps by the
// definition, across the boundaries of 2^8, 2^16 and (from nearby) 2^24.
func TestRatchet(t *testing.T) {
	t.Parallel()
	var d kdf.Deriver
	for _, start := range []uint32{0, 5, 0xff00, 0xfffe00, 0xfffffff0 - 700} {
		slow := ratchet{index: start}
		for i := range 4 {
			slow.part(i)[0] = byte(i + 1)
		}
		base := slow
		for i := range uint32(70000) {
			if start > 0x1000000 && i > 600 || start > 0x10000 && i > 2000 {
				break
			}
			naive(&slow)
			if i%97 != 0 && slow.index&0xff > 1 {
				continue
			}
			fast := base
			fast.advanceTo(&d, slow.index)
			if !fast.equal(&slow) {
				t.Fatalf("from %d to %d differs", start, slow.index)
			}
			if i%5 == 0 {
				base = fast
			}
		}
	}
}

func TestConversation(t *testing.T) {
	t.Parallel()
	for _, v := range []Version{V1, V2} {
		out, in := pair(t, v)
		if out.SessionID() != in.SessionID() || !in.Owned() {
			t.Error("session ID or ownership")
		}
		var ms []Message
		for i := range 600 {
			ms = append(ms, encrypt(t, out, fmt.Sprint("message ", i)))
		}
		rng := rand.New(rand.NewPCG(1, uint64(v)))
		for _, i := range append(rng.Perm(600), rng.Perm(600)...) {
			got, err := in.Decrypt(ms[i])
			if err != nil || got.Index != uint32(i) || string(got.Plaintext) != fmt.Sprint("message ", i) {
				t.Fatalf("%d: %q, %d, %v", i, got.Plaintext, got.Index, err)
			}
		}
		if m, err := ParseMessage(ms[3].Text()); err != nil || !bytes.Equal(m, ms[3]) {
			t.Error(err)
		}
	}
}

// TestForwardSecrecy: a key of a later index decrypts nothing earlier.
func TestForwardSecrecy(t *testing.T) {
	t.Parallel()
	out, in := pair(t, V1)
	var ms []Message
	for i := range 300 {
		ms = append(ms, encrypt(t, out, fmt.Sprint(i)))
	}
	late, err := NewInbound(V1, out.SessionKey())
	if err != nil || late.FirstKnownIndex() != 300 {
		t.Fatal(err)
	}
	_, err = late.Decrypt(ms[299])
	wantClass(t, err, fail.Index)

	key, err := in.ExportAt(100)
	if err != nil || key.Index() != 100 {
		t.Fatal(err)
	}
	key, err = ParseExportedKey(key.Text())
	if err != nil {
		t.Fatal(err)
	}
	imported, err := Import(V1, key)
	if err != nil || imported.Owned() {
		t.Fatal("an imported session is not owned", err)
	}
	_, err = imported.Decrypt(ms[99])
	wantClass(t, err, fail.Index)
	if got, err := imported.Decrypt(ms[100]); err != nil || string(got.Plaintext) != "100" || !imported.Owned() {
		t.Fatal(err)
	}
	_, err = imported.ExportAt(99)
	wantClass(t, err, fail.Index)
	imported.AdvanceTo(200)
	imported.AdvanceTo(150)
	_, err = imported.Decrypt(ms[199])
	wantClass(t, err, fail.Index)
	if _, err := imported.Decrypt(ms[200]); err != nil {
		t.Fatal(err)
	}
}

func TestCompareAndMerge(t *testing.T) {
	t.Parallel()
	out, in := pair(t, V1)
	for range 5 {
		encrypt(t, out, "x")
	}
	at := func(i uint32) *Inbound {
		k, err := in.ExportAt(i)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Import(V1, k)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, c := range []struct {
		a, b uint32
		want Order
	}{{3, 3, Equal}, {2, 500, Better}, {70000, 4, Worse}} {
		if got := at(c.a).Compare(at(c.b)); got != c.want {
			t.Errorf("%d to %d: %v, want %v", c.a, c.b, got, c.want)
		}
		m := at(c.a)
		if got := m.Merge(at(c.b)); got != c.want || m.FirstKnownIndex() != min(c.a, c.b) || m.Owned() {
			t.Errorf("merge %d with %d: %v", c.a, c.b, got)
		}
	}
	m := at(2)
	if m.Merge(in); !m.Owned() || m.FirstKnownIndex() != 0 {
		t.Error("merging with the owner's copy gives ownership")
	}
	_, other := pair(t, V1)
	forged := at(2)
	forged.first.parts[32] ^= 1
	for _, s := range []*Inbound{other, forged} {
		m := at(3)
		if m.Compare(s) != Unconnected || m.Merge(s) != Unconnected || m.FirstKnownIndex() != 3 {
			t.Error("an unconnected copy was accepted")
		}
	}
}

// TestTampering flips every bit-carrying byte of a message: none decrypts and
// none moves the session.
func TestTampering(t *testing.T) {
	t.Parallel()
	out, in := pair(t, V1)
	m := encrypt(t, out, "hello")
	for i := range m {
		bad := bytes.Clone(m)
		bad[i] ^= 0x04
		if _, err := in.Decrypt(bad); err == nil {
			t.Fatalf("byte %d changed and still decrypted", i)
		}
	}
	for i := range m {
		if _, err := in.Decrypt(m[:i]); err == nil {
			t.Fatalf("%d bytes of the message decrypted", i)
		}
	}
	if in.cache.latest(&in.first).index != 0 {
		t.Error("a refused message moved the ratchet")
	}
}

// TestMACUnderValidSignature: the owner of the key signs what has a wrong MAC.
func TestMACUnderValidSignature(t *testing.T) {
	t.Parallel()
	out, in := pair(t, V1)
	m := bytes.Clone(encrypt(t, out, "hello"))
	n := len(m) - signatureLen
	m[n-1] ^= 1
	out.signing.Sign((*[signatureLen]byte)(m[n:]), m[:n])
	_, err := in.Decrypt(m)
	wantClass(t, err, fail.MAC)
}

func TestSessionKeyRefusals(t *testing.T) {
	t.Parallel()
	out, _ := pair(t, V1)
	k := out.SessionKey()
	text := k.Text()
	if got, err := ParseSessionKey(text); err != nil || got.raw != k.raw {
		t.Fatal(err)
	}
	change := func(i int, b byte) string {
		c := *k
		c.raw[i] ^= b
		return c.Text()
	}
	for _, c := range []struct {
		text string
		want fail.Class
	}{
		{change(0, 1), fail.Version}, {change(4, 1), fail.Signature}, {change(100, 1), fail.Signature},
		{change(228, 1), fail.Signature}, {text[:40], fail.Format}, {"", fail.Format}, {text + "AAAA", fail.Format},
		{strings.Replace(text, text[50:51], "*", 1), fail.Encoding}, {text[:100] + "\n" + text[100:], fail.Encoding},
		{strings.Repeat("A", 10000), fail.Format},
	} {
		if _, err := ParseSessionKey(c.text); !errors.Is(err, c.want) {
			t.Errorf("%.20q…: %v, want %v", c.text, err, c.want)
		}
	}
	if _, err := ParseExportedKey(text); !errors.Is(err, fail.Version) {
		t.Error("a session key was read as an exported key")
	}
}

func TestReplayLog(t *testing.T) {
	t.Parallel()
	var l ReplayLog
	fresh, err := l.Check("s", 4, "$a")
	if !fresh || err != nil {
		t.Fatal(fresh, err)
	}
	if fresh, err = l.Check("s", 4, "$a"); fresh || err != nil {
		t.Error("the same event may come again")
	}
	_, err = l.Check("s", 4, "$b")
	wantClass(t, err, fail.Replay)
	if _, err = l.Check("t", 4, "$b"); err != nil {
		t.Error("another session has indices of its own")
	}
	l.Forget("s")
	l.Load("s", 4, "$b")
	_, err = l.Check("s", 4, "$a")
	wantClass(t, err, fail.Replay)
}

// TestParallelDecrypt decrypts one session's timeline on several goroutines.
func TestParallelDecrypt(t *testing.T) {
	t.Parallel()
	out, in := pair(t, V1)
	var ms []Message
	for i := range 64 {
		ms = append(ms, encrypt(t, out, fmt.Sprint(i)))
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range ms {
				i = (i + 16*g) % len(ms)
				if got, err := in.Decrypt(ms[i]); err != nil || string(got.Plaintext) != fmt.Sprint(i) {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestCache reads a session in every order and compares each state with that
// computed from the start.
func TestCache(t *testing.T) {
	t.Parallel()
	var d kdf.Deriver
	for _, firstIndex := range []uint32{0, 7, 250} {
		first := ratchet{index: firstIndex}
		first.part(0)[1] = 5
		var c cache
		rng := rand.New(rand.NewPCG(uint64(firstIndex), 9))
		at := firstIndex
		for step := range 3000 {
			switch step % 4 {
			case 0:
				at = firstIndex + rng.Uint32N(1000)
			case 1:
				at++
			case 2:
				at = max(firstIndex, at-min(at, rng.Uint32N(20)))
			case 3:
				at += rng.Uint32N(40)
			}
			p := c.compute(&d, &first, at)
			want := first
			want.advanceTo(&d, at)
			if !p.at.equal(&want) || p.base.index > at || p.base.index/blockLen != at/blockLen {
				t.Fatalf("step %d: state at %d, base %d", step, at, p.base.index)
			}
			want = first
			if want.advanceTo(&d, p.base.index); !p.base.equal(&want) {
				t.Fatalf("step %d: base at %d", step, p.base.index)
			}
			if rng.IntN(3) > 0 {
				c.remember(&p)
			}
		}
		if c.n != windows || c.latest(&first).index < firstIndex {
			t.Errorf("%d windows", c.n)
		}
	}
}

// TestAdvanceForgets: after AdvanceTo no remembered state reaches further back.
func TestAdvanceForgets(t *testing.T) {
	t.Parallel()
	out, in := pair(t, V1)
	for range 40 {
		if _, err := in.Decrypt(encrypt(t, out, "x")); err != nil {
			t.Fatal(err)
		}
	}
	in.AdvanceTo(20)
	for i := range in.cache.w {
		w := &in.cache.w[i]
		if w.base.parts != [ratchetLen]byte{} && w.base.index < 20 || w.furthest.parts != [ratchetLen]byte{} && w.furthest.index < 20 {
			t.Errorf("window %d remembers %d", i, w.base.index)
		}
	}
	if in.first.index != 20 {
		t.Error("first index")
	}
}
