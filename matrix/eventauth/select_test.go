package eventauth_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// Spec: server-server-api#auth-events-selection
func TestKeys(t *testing.T) {
	t.Parallel()
	m := func(who string) string { return event.TypeMember + "|" + who }
	const create, power, join = event.TypeCreate + "|", event.TypePowerLevels + "|", event.TypeJoinRules + "|"
	for _, c := range []struct {
		name    string
		d       e
		want    []string
		version []string // nil: all
	}{
		{"create", e{typ: event.TypeCreate, sender: creator, content: `{}`, prev: []id.Event{}}, nil, nil},
		{"message", e{typ: "m.room.message", sender: user, content: `{}`, noKey: true}, []string{create, power, m(user)}, nil},
		{"state", e{typ: "m.room.topic", sender: user, content: `{}`}, []string{create, power, m(user)}, nil},
		{"join", member(user, "join"), []string{create, power, m(user), join}, nil},
		{"knock", member(user, "knock"), []string{create, power, m(user), join}, nil},
		{"leave", member(user, "leave"), []string{create, power, m(user)}, nil},
		{"kick", e{typ: event.TypeMember, key: user, sender: mod, content: `{"membership":"leave"}`}, []string{create, power, m(mod), m(user)}, nil},
		{"ban", e{typ: event.TypeMember, key: user, sender: mod, content: `{"membership":"ban"}`}, []string{create, power, m(mod), m(user)}, nil},
		{"invite", e{typ: event.TypeMember, key: user, sender: mod, content: `{"membership":"invite"}`}, []string{create, power, m(mod), m(user), join}, nil},
		{"third-party invite", e{typ: event.TypeMember, key: user, sender: mod, content: `{"membership":"invite","third_party_invite":{"signed":{"token":"abc"}}}`},
			[]string{create, power, m(mod), m(user), join, event.TypeThirdPartyInvite + "|abc"}, nil},
		{"restricted join", e{typ: event.TypeMember, key: user, sender: user, content: `{"membership":"join","join_authorised_via_users_server":"@mod:s"}`},
			[]string{create, power, m(user), join, m(mod)}, []string{"8", "9", "10", "11", "12"}},
		{"restricted join before there was such a thing", e{typ: event.TypeMember, key: user, sender: user, content: `{"membership":"join","join_authorised_via_users_server":"@mod:s"}`},
			[]string{create, power, m(user), join}, []string{"1", "7"}},
	} {
		for _, rules := range roomver.All() {
			if c.version != nil && !slices.Contains(c.version, rules.Version) {
				continue
			}
			r := newRoom(t, rules)
			var got []string
			for _, k := range eventauth.Keys(rules, eventauth.SubjectOf(r.build(c.d))) {
				got = append(got, k.Type+"|"+k.StateKey)
			}
			want := slices.DeleteFunc(slices.Clone(c.want), func(k string) bool { return k == create && rules.RoomIDFromCreate })
			if !slices.Equal(got, want) {
				t.Errorf("version %s, %s: %v, want %v", rules.Version, c.name, got, want)
			}
		}
	}
}

// Spec: rooms/v1#authorisation-rules rule 2, rooms/v12#authorisation-rules rule 3
func TestAuthEvents(t *testing.T) {
	t.Parallel()
	no := func(id.Event) bool { return false }
	for i, rules := range roomver.All() {
		top := "2"
		if rules.RoomIDFromCreate {
			top = "3"
		}
		r := newRoom(t, rules)
		p := r.build(e{typ: "m.room.message", sender: user, content: `{}`, noKey: true})
		auth, err := eventauth.Select(rules, eventauth.SubjectOf(p), r.state)
		if err != nil {
			t.Fatal(err)
		}
		if err := eventauth.CheckAuthEvents(p, auth, no); err != nil {
			t.Errorf("version %s: %v", rules.Version, err)
		}
		if err := eventauth.CheckAuthEvents(p, auth[:len(auth)-1], no); err != nil {
			t.Errorf("version %s: an event too few: %v", rules.Version, err)
		}
		create := r.state[eventauth.Key{Type: event.TypeCreate}]
		if err := eventauth.CheckAuthEvents(create, nil, no); err != nil {
			t.Errorf("version %s: create event: %v", rules.Version, err)
		}
		foreign := newRoom(t, rules)
		foreign.id = "!elsewhere:s"
		if rules.RoomIDFromCreate {
			foreign.id = "!5hbZxH1gkDvCeDcLVvhYTxgVgKuTkqQX3GjJ3VJBDqg"
		}
		other := foreign.build(powers(`{}`))
		for _, c := range []struct {
			name, rule string
			auth       []*event.PDU
			rejected   func(id.Event) bool
		}{
			{"twice the same", ".1", append(slices.Clone(auth), auth[len(auth)-1]), no},
			{"two for one place", ".1", append(slices.Clone(auth), r.build(powers(`{}`))), no},
			{"not selected", ".2", append(slices.Clone(auth), r.build(member(mod, "join"))), no},
			{"no state event", ".2", append(slices.Clone(auth), p), no},
			{"rejected", ".3", auth, func(e id.Event) bool { return e == auth[0].ID() }},
			{"of another room", ".5", append(slices.DeleteFunc(slices.Clone(auth), func(a *event.PDU) bool { return a.Type() == event.TypePowerLevels }), other), no},
			{"no create event", ".4", slices.DeleteFunc(slices.Clone(auth), func(a *event.PDU) bool { return a.Type() == event.TypeCreate }), no},
			{"create event where it must not be", ".2", append(slices.Clone(auth), create), no},
		} {
			if (c.name == "no create event" && i+1 == 12) || (c.name == "create event where it must not be" && i+1 < 12) {
				continue
			}
			err := eventauth.CheckAuthEvents(p, c.auth, c.rejected)
			var refused *eventauth.Error
			if !errors.As(err, &refused) || refused.Rule != top+c.rule {
				t.Errorf("version %s, %s: %v, want rule %s%s", rules.Version, c.name, err, top, c.rule)
			}
		}
	}
}

// Spec: rooms/v3#handling-redactions, rooms/v1#authorisation-rules rule 11
func TestCanRedact(t *testing.T) {
	t.Parallel()
	for _, rules := range roomver.All() {
		r := newRoom(t, rules)
		message := func(who string, at id.Event) *event.PDU {
			return r.build(e{typ: "m.room.message", sender: who, content: `{}`, noKey: true, id: at})
		}
		redaction := func(who string, at id.Event) *event.PDU {
			return r.build(e{typ: event.TypeRedaction, sender: who, content: `{}`, noKey: true, id: at})
		}
		for _, c := range []struct {
			name              string
			redaction, target *event.PDU
			want              bool
		}{
			{"one's own", redaction(user, "$1:t"), message(user, "$2:t"), true},
			{"of another user of the server", redaction(user, "$1:t"), message(stranger, "$2:t"), true},
			{"of another server", redaction(user, "$1:t"), message(mod, "$2:s"), false},
			{"with the level", redaction(mod, "$1:s"), message(user, "$2:t"), true},
			{"by a creator", redaction(creator, "$1:s"), message(user, "$2:t"), true},
		} {
			if got, err := eventauth.CanRedact(c.redaction, c.target, r.state); got != c.want || err != nil {
				t.Errorf("version %s, %s: %v, %v", rules.Version, c.name, got, err)
			}
		}
		elsewhere := newRoom(t, rules)
		elsewhere.id = "!elsewhere:s"
		if rules.RoomIDFromCreate {
			elsewhere.id = "!5hbZxH1gkDvCeDcLVvhYTxgVgKuTkqQX3GjJ3VJBDqg"
		}
		far := elsewhere.build(e{typ: "m.room.message", sender: user, content: `{}`, noKey: true, id: "$9:t"})
		if got, err := eventauth.CanRedact(redaction(creator, "$1:s"), far, r.state); got || err != nil {
			t.Errorf("version %s, of another room: %v, %v", rules.Version, got, err)
		}
		if _, err := eventauth.CanRedact(redaction(mod, "$1:s"), message(user, "$2:t"), failing{r.state, event.TypePowerLevels, ""}); err == nil {
			t.Error("an unknown state was taken for an answer")
		}
	}
}

// Spec: rooms/v12#authorisation-rules, client-server-api#room-events
func TestLevels(t *testing.T) {
	t.Parallel()
	for _, rules := range roomver.All() {
		r := newRoom(t, rules)
		l, err := eventauth.ReadLevels(rules, r.state)
		if err != nil {
			t.Fatal(err)
		}
		want := int64(100)
		if rules.PrivilegedCreators {
			want = math.MaxInt64
		}
		if l.User(creator) != want || l.User(mod) != 50 || l.User(stranger) != 0 || !l.IsCreator(creator) || l.IsCreator(mod) {
			t.Errorf("version %s: the creator has %d", rules.Version, l.User(creator))
		}
		if l.Required("m.room.name", true) != 60 || l.Required("m.room.topic", true) != 50 || l.Required("m.room.message", false) != 0 || l.Notification("room") != 50 || l.Level(event.BanLevel) != 50 {
			t.Errorf("version %s: levels", rules.Version)
		}
		delete(r.state, eventauth.Key{Type: event.TypePowerLevels})
		if l, err = eventauth.ReadLevels(rules, r.state); err != nil {
			t.Fatal(err)
		}
		if l.User(creator) != want || l.User(mod) != 0 || l.Required("m.room.topic", true) != 0 || l.Level(event.BanLevel) != 50 || l.Level(event.InviteLevel) != 0 || l.Level(event.StateDefault) != 0 || l.Notification("room") != 50 {
			t.Errorf("version %s: levels of a room that states none", rules.Version)
		}
	}
	// Additional creators have power from version 12 on.
	rules, _ := roomver.Lookup("12")
	r := newRoom(t, rules)
	create := r.build(e{typ: event.TypeCreate, sender: creator, content: `{"additional_creators":["@mod2:t"]}`, prev: []id.Event{}})
	l, err := eventauth.ReadLevels(rules, eventauth.MapState{{Type: event.TypeCreate}: create})
	if err != nil || l.User(mod2) != eventauth.Infinite || l.User(mod) != 0 {
		t.Errorf("additional creator has %d, %v", l.User(mod2), err)
	}
}

// The whole table of who may see what.
//
// Spec: client-server-api/modules/history_visibility#server-behaviour
func TestMaySee(t *testing.T) {
	t.Parallel()
	type view = eventauth.View
	for _, setting := range []string{"world_readable", "shared", "invited", "joined", "", "unknown"} {
		for _, membership := range []string{"join", "invite", "leave", "ban", "knock", ""} {
			for _, later := range []bool{false, true} {
				shared := setting == "shared" || setting == "" || setting == "unknown"
				want := setting == "world_readable" || membership == "join" || (shared && later) || (setting == "invited" && membership == "invite")
				if got := eventauth.MaySee(view{Visibility: setting, Membership: membership, JoinedLater: later}); got != want {
					t.Errorf("%q, %q, joined later %v: %v", setting, membership, later, got)
				}
			}
		}
	}
	for _, c := range []struct {
		name string
		view view
		want bool
	}{
		{"own join in a joined-only room", view{Visibility: "joined", Membership: "leave", MembershipAfter: "join"}, true},
		{"own leave", view{Visibility: "joined", Membership: "join", MembershipAfter: "leave"}, true},
		{"own ban after leaving", view{Visibility: "joined", Membership: "leave", MembershipAfter: "ban"}, false},
		{"own invite in an invited room", view{Visibility: "invited", Membership: "leave", MembershipAfter: "invite"}, true},
		{"history is opened", view{Visibility: "joined", VisibilityAfter: "world_readable", Membership: "leave"}, true},
		{"history is closed", view{Visibility: "world_readable", VisibilityAfter: "joined", Membership: "leave"}, true},
		{"history is shared, joined later", view{Visibility: "joined", VisibilityAfter: "shared", Membership: "leave", JoinedLater: true}, true},
		{"history stays closed", view{Visibility: "joined", VisibilityAfter: "invited", Membership: "leave", JoinedLater: true}, false},
	} {
		if got := eventauth.MaySee(c.view); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// Random histories: whatever is sent, nobody gains power that nobody gave, and
// the banned do not come in.
func TestInvariants(t *testing.T) {
	t.Parallel()
	people := []string{creator, mod, mod2, user, invited, banned, left, stranger}
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		rules := roomver.All()[rnd.IntN(12)]
		r := newRoom(t, rules)
		for range 150 {
			levels, err := eventauth.ReadLevels(rules, r.state)
			if err != nil {
				t.Fatal(err)
			}
			who, whom := people[rnd.IntN(len(people))], people[rnd.IntN(len(people))]
			was, _ := eventauth.Membership(r.state, id.User(whom))
			d := e{typ: event.TypeMember, sender: who, key: whom, content: fmt.Sprintf(`{"membership":%q}`, []string{"join", "leave", "invite", "ban", "knock"}[rnd.IntN(5)])}
			if rnd.IntN(3) == 0 {
				d = e{typ: event.TypePowerLevels, sender: who, content: fmt.Sprintf(`{"ban":%d,"users":{%q:%d,%q:%d}}`, rnd.IntN(120), mod, rnd.IntN(120), user, rnd.IntN(120))}
			}
			p := r.build(d)
			if eventauth.Check(p, r.state) != nil {
				continue
			}
			r.state.Add(p)
			after, err := eventauth.ReadLevels(rules, r.state)
			if err != nil {
				t.Fatal(err)
			}
			for _, other := range people {
				u := id.User(other)
				if now := after.User(u); now > levels.User(u) && now > levels.User(id.User(who)) {
					t.Fatalf("seed %d, version %s: %s gave %s %d, having %d itself", seed, rules.Version, who, u, now, levels.User(id.User(who)))
				}
			}
			if is, _ := eventauth.Membership(r.state, id.User(whom)); d.typ == event.TypeMember && was == "ban" && is != "ban" && is != "leave" {
				t.Fatalf("seed %d, version %s: %s was banned and is %s", seed, rules.Version, whom, is)
			}
		}
	}
}

// FuzzCheck: no content of event or state makes a check panic, and the answer is
// the same each time.
func FuzzCheck(f *testing.F) {
	for v := range uint8(12) {
		f.Add(v, "m.room.member", "@user:t", `{"membership":"join"}`, "m.room.power_levels", `{"users":{"@user:t":50}}`)
		f.Add(v, "m.room.power_levels", "", `{"ban":"1","users":{}}`, "m.room.join_rules", `{"join_rule":"restricted"}`)
		f.Add(v, "m.room.member", "@x:y", `{"membership":"invite","third_party_invite":{"signed":{"mxid":"@x:y","token":"a","signatures":{"s":{"ed25519:1":"x"}}}}}`, "m.room.third_party_invite", `{"public_key":"x"}`)
	}
	f.Fuzz(func(t *testing.T, version uint8, typ, key, content, stateType, stateContent string) {
		rules := roomver.All()[version%12]
		r := newRoom(t, rules)
		place := func(typ, key, sender, content string) *event.PDU {
			b := event.Builder{Room: r.id, ID: "$f:s", Type: typ, StateKey: &key, Sender: id.User(sender), Content: []byte(content), Depth: 1}
			if typ == event.TypeCreate && rules.RoomIDFromCreate {
				b.Room = ""
			}
			p, err := b.Build(rules, "s", "ed25519:1", testKey)
			if err != nil {
				return nil
			}
			return p
		}
		if st := place(stateType, "", creator, stateContent); st != nil {
			r.state.Add(st)
		}
		p := place(typ, key, user, content)
		if p == nil {
			return
		}
		first, second := eventauth.Check(p, r.state), eventauth.Check(p, r.state)
		if fmt.Sprint(first) != fmt.Sprint(second) {
			t.Fatalf("%v, then %v", first, second)
		}
		var refused *eventauth.Error
		if first != nil && !errors.As(first, &refused) {
			var malformed *event.Error
			if !errors.As(first, &malformed) {
				t.Fatalf("%T: %v", first, first)
			}
			t.Fatalf("a malformed event is no refusal: %v", first)
		}
		auth, err := eventauth.Select(rules, eventauth.SubjectOf(p), r.state)
		if err != nil || len(auth) > event.MaxAuthEvents {
			t.Fatalf("%d auth events, %v", len(auth), err)
		}
		_ = eventauth.CheckAuthEvents(p, auth, func(id.Event) bool { return false })
	})
}

func benchmarkCheck(b *testing.B, version string, d e, users int) {
	rules, _ := roomver.Lookup(version)
	r := newRoom(b, rules)
	var list strings.Builder
	for i := range users {
		fmt.Fprintf(&list, `"@user%d:example.org":1,`, i)
	}
	all := `{"users":{` + list.String() + `"@mod:s":50}}`
	r.set(powers(all))
	if d.typ == event.TypePowerLevels {
		d.content = strings.Replace(all, `"@mod:s":50`, `"@mod:s":50,"@user:t":1`, 1)
	}
	p := r.build(d)
	b.ReportAllocs()
	for b.Loop() {
		if err := eventauth.Check(p, r.state); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, version := range []string{"10", "11", "12"} {
		for name, d := range map[string]e{
			"message": {typ: "m.room.message", sender: user, content: `{}`, noKey: true},
			"join":    member(stranger, "join"),
			"topic":   {typ: "m.room.topic", sender: mod, content: `{}`},
		} {
			b.Run("v"+version+"/"+name, func(b *testing.B) { benchmarkCheck(b, version, d, 10) })
		}
		b.Run("v"+version+"/powers", func(b *testing.B) { benchmarkCheck(b, version, e{typ: event.TypePowerLevels, sender: mod}, 10) })
		b.Run("v"+version+"/powers-of-1000", func(b *testing.B) { benchmarkCheck(b, version, e{typ: event.TypePowerLevels, sender: mod}, 1000) })
	}
}
