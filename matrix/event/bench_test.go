package event_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// typical is a message of about 800 bytes as it comes from another server.
func typical(t testing.TB) (*roomver.Rules, []byte) {
	rules := rulesOf(t, "11")
	hashed := func(c string) id.Event { return id.Event("$" + c + "p4EgoFEtLhjBgRMHjkJ0bTnWSuJ_KV2PuPyUfNqcCp") }
	b := event.Builder{
		Room: "!jkLfMfzTpRCGBkAsdf:matrix.example.org", Type: "m.room.message", Sender: "@alice.wonderland:matrix.example.org",
		Content:    []byte(`{"body":"This is a message of the usual length, with a few words in it: not too short.","msgtype":"m.text"}`),
		PrevEvents: []event.Ref{{ID: hashed("a")}}, AuthEvents: []event.Ref{{ID: hashed("b")}, {ID: hashed("c")}, {ID: hashed("d")}},
		Depth: 1042, OriginServerTS: 1732443211842, Unsigned: []byte(`{"age":12}`),
	}
	p, err := b.Build(rules, "matrix.example.org", "ed25519:a_XyZ1", testKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return rules, p.JSON()
}

// The figure of the project's goals: parsing, hash and ID of a PDU.
func TestParseAllocations(t *testing.T) {
	rules, text := typical(t)
	if n := testing.AllocsPerRun(200, func() {
		p, err := event.Parse(rules, text)
		if err != nil || p.CheckContentHash() != nil || p.ID() == "" {
			t.Fatal(err)
		}
	}); n > 12 {
		t.Errorf("%v allocations, at most 12 are allowed", n)
	}
}

func BenchmarkParseHashID(b *testing.B) {
	rules, text := typical(b)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		p, err := event.Parse(rules, text)
		if err != nil || p.CheckContentHash() != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	rules := rulesOf(b, "12")
	key := testKey(b)
	build := builder(rules)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := build.Build(rules, testServer, testKeyID, key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRedact(b *testing.B) {
	p := build(b, rulesOf(b, "11"), nil)
	b.ReportAllocs()
	for b.Loop() {
		p.Redact()
	}
}

// FuzzParse: an accepted event has one form, one ID, and keeps both when it is
// parsed again or redacted; readers of its content do not panic.
func FuzzParse(f *testing.F) {
	for i, rules := range roomver.All() {
		for _, typ := range []string{event.TypeCreate, event.TypeMember, event.TypePowerLevels, event.TypeJoinRules, event.TypeThirdPartyInvite, event.TypeRedaction, "m.room.message"} {
			p := build(f, rules, func(b *event.Builder) {
				b.Type, b.StateKey, b.Redacts = typ, state("@a:domain"), "$x:y"
				b.Content = []byte(`{"membership":"join","creator":"@a:b","users":{"@a:b":1},"join_rule":"public","public_key":"x","third_party_invite":{"signed":{}}}`)
			})
			f.Add(uint8(i), p.JSON())
		}
	}
	f.Fuzz(func(t *testing.T, version uint8, text []byte) {
		all := roomver.All()
		rules := all[int(version)%len(all)]
		p, err := event.Parse(rules, text)
		if err != nil {
			var e *event.Error
			if !errors.As(err, &e) || e.Error() == "" {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		again, err := event.Parse(rules, p.JSON())
		if err != nil || again.ID() != p.ID() || again.Room() != p.Room() || !bytes.Equal(again.JSON(), p.JSON()) {
			t.Fatalf("%s parses again as %v, %v", p.JSON(), again, err)
		}
		redacted := p.Redact()
		once, err := event.Parse(rules, redacted.JSON())
		if err != nil || once.ID() != p.ID() || once.Redacts() != redacted.Redacts() || !bytes.Equal(once.Redact().JSON(), redacted.JSON()) {
			t.Fatalf("%s is redacted to %s, %v", p.JSON(), redacted.JSON(), err)
		}
		for _, e := range []*event.PDU{p, redacted} {
			_, _ = e.Create()
			_, _ = e.Member()
			_, _ = e.PowerLevels()
			_, _ = e.JoinRules()
			_, _ = e.ThirdPartyInvite()
			e.HistoryVisibility()
			e.RequiredSigners()
			e.SignatureKeys("domain")
			_ = e.CheckContentHash()
			if err := canonjson.Check(e.AppendClient(nil, event.ClientFormat{}), canonjson.Lenient); err != nil {
				t.Fatal(err)
			}
			if err := canonjson.Check(e.AppendStripped(nil), canonjson.Lenient); err != nil {
				t.Fatal(err)
			}
		}
	})
}
