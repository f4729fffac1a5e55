package eventauth_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// manyUsers lists n users besides mod and what is added.
func manyUsers(n int, more string) string {
	var list strings.Builder
	for i := range n {
		fmt.Fprintf(&list, `"@user%d:example.org":1,`, i)
	}
	return `{"users":{` + list.String() + more + `"@mod:s":50}}`
}

// BenchmarkCheck: one check against a state in memory, contents parsed before.
// In the room, 1,000 users are listed in the power levels.
func BenchmarkCheck(b *testing.B) {
	const users = 1000
	vouched := e{typ: event.TypeMember, key: stranger, sender: stranger, content: `{"membership":"join","join_authorised_via_users_server":"@mod:s"}`, signers: []id.Server{"s"}}
	for _, version := range []string{"10", "11", "12"} {
		rules, _ := roomver.Lookup(version)
		for _, c := range []struct {
			name string
			d    e
			rule string
		}{
			{"message", message(user), "public"},
			{"topic", state(mod, "m.room.topic", ""), "public"},
			{"join", member(stranger, "join"), "public"},
			{"restricted join", vouched, "restricted"},
			{"ban", target(mod, user, "ban"), "public"},
			{"one user added", e{typ: event.TypePowerLevels, sender: mod, content: manyUsers(users, `"@user:t":1,`)}, "public"},
			{"all users removed", e{typ: event.TypePowerLevels, sender: mod, content: manyUsers(0, "")}, "public"},
		} {
			b.Run("v"+version+"/"+c.name, func(b *testing.B) {
				r := newRoom(b, rules)
				r.set(powers(manyUsers(users, "")), joinRule(c.rule))
				p := r.build(c.d)
				b.ReportAllocs()
				for b.Loop() {
					if err := eventauth.Check(p, r.state); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run("v"+version+"/refused", func(b *testing.B) {
			r := newRoom(b, rules)
			p := r.build(message(stranger))
			b.ReportAllocs()
			for b.Loop() {
				if eventauth.Check(p, r.state) == nil {
					b.Fatal("allowed")
				}
			}
		})
	}
}

func BenchmarkThirdPartyInvite(b *testing.B) {
	rules, _ := roomver.Lookup("11")
	for _, c := range thirdPartyCases(b) {
		if c.name != "signed with public_key" && c.name != "very many signatures" {
			continue
		}
		b.Run(c.name, func(b *testing.B) {
			r := newRoom(b, rules)
			r.set(c.state...)
			p := r.build(c.event)
			for b.Loop() {
				if err := eventauth.Check(p, r.state); (err == nil) != (c.want.of(11) == "") {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSelect(b *testing.B) {
	rules, _ := roomver.Lookup("11")
	r := newRoom(b, rules)
	key := stranger
	s := eventauth.Subject{Type: event.TypeMember, StateKey: &key, Sender: stranger, Content: canonjson.Value(`{"membership":"join"}`)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := eventauth.Select(rules, s, r.state); err != nil {
			b.Fatal(err)
		}
	}
}
