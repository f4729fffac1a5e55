package eventauth_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

var people = []string{creator, mod, mod2, user, invited, banned, left, stranger, knocking}

func pick[T any](rnd *rand.Rand, list ...T) T { return list[rnd.IntN(len(list))] }

// randomEvent is anything that somebody could send.
func randomEvent(rnd *rand.Rand, r *room) e {
	who, whom := pick(rnd, people...), pick(rnd, people...)
	if rnd.IntN(2) == 0 {
		whom = who
	}
	switch rnd.IntN(8) {
	case 0:
		return randomPowers(rnd, who)
	case 1:
		return e{typ: event.TypeJoinRules, sender: who, content: fmt.Sprintf(`{"join_rule":%q}`, pick(rnd, "public", "invite", "knock", "restricted", "knock_restricted", "private"))}
	case 2:
		return state(who, pick(rnd, "m.room.topic", "org.example", event.TypeThirdPartyInvite), pick(rnd, "", whom))
	case 3:
		d := e{typ: event.TypeMember, sender: whom, key: whom, content: fmt.Sprintf(`{"membership":"join","join_authorised_via_users_server":%q}`, who)}
		d.signers = []id.Server{id.User(who).Server()}
		return d
	}
	return target(who, whom, pick(rnd, "join", "leave", "invite", "ban", "knock"))
}

func randomPowers(rnd *rand.Rand, who string) e {
	level := func() int { return pick(rnd, 0, 10, 49, 50, 51, 99, 100, 120) }
	var users, single []string
	for _, p := range people {
		if rnd.IntN(3) > 0 {
			users = append(users, fmt.Sprintf("%q:%d", p, level()))
		}
	}
	for _, name := range []string{"ban", "kick", "invite", "redact", "state_default", "events_default", "users_default"} {
		if rnd.IntN(4) == 0 {
			single = append(single, fmt.Sprintf("%q:%d,", name, level()/2))
		}
	}
	return e{typ: event.TypePowerLevels, sender: who, content: `{` + strings.Join(single, "") + `"users":{` + strings.Join(users, ",") + `}}`}
}

// Random histories of rooms of every version: whatever is sent and allowed,
// these hold.
func TestInvariants(t *testing.T) {
	t.Parallel()
	for _, rules := range roomver.All() {
		t.Run(rules.Version, func(t *testing.T) {
			t.Parallel()
			accepted := map[string]int{}
			for seed := range uint64(6) {
				rnd := rand.New(rand.NewPCG(seed, 7))
				r := newRoom(t, rules)
				if seed%3 == 0 {
					r.drop(event.TypePowerLevels)
				}
				for range 200 {
					d := randomEvent(rnd, r)
					p := r.build(d)
					if eventauth.Check(p, r.state) == nil {
						accepted[d.typ]++
						checkStep(t, r, p)
					}
				}
			}
			for _, typ := range []string{event.TypeMember, event.TypePowerLevels, event.TypeJoinRules, "m.room.topic"} {
				if accepted[typ] == 0 {
					t.Errorf("no %s was accepted in %v", typ, accepted)
				}
			}
		})
	}
}

// checkStep applies an event that was allowed, and looks at what it has changed.
func checkStep(t *testing.T, r *room, p *event.PDU) {
	t.Helper()
	before, err := eventauth.ReadLevels(r.rules, r.state)
	if err != nil {
		t.Fatal(err)
	}
	was, listed := map[string]string{}, map[string]bool{}
	for _, who := range people {
		was[who], _ = eventauth.Membership(r.state, id.User(who))
		listed[who] = r.listed(id.User(who))
	}
	// The first power levels may set anything.
	first := r.state[eventauth.Key{Type: event.TypePowerLevels}] == nil
	r.state.Add(p)
	after, err := eventauth.ReadLevels(r.rules, r.state)
	if err != nil {
		t.Fatal(err)
	}
	sender := p.Sender()
	power := before.User(sender)
	bad := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("version %s: %s: %s", r.rules.Version, p.JSON(), fmt.Sprintf(format, args...))
	}
	for _, who := range people {
		u := id.User(who)
		had, has := before.User(u), after.User(u)
		// Nobody gets more than the sender has, and who was listed loses only to
		// somebody higher. (Who was not has what users_default gave.)
		if has > had && has > power && !first {
			bad("%s gets %d, the sender has %d", who, has, power)
		}
		if has < had && had >= power && u != sender && listed[who] {
			bad("%s loses its %d, the sender has %d", who, had, power)
		}
		if r.rules.PrivilegedCreators && before.IsCreator(u) && has != eventauth.Infinite {
			bad("a creator has %d", has)
		}
		is, _ := eventauth.Membership(r.state, u)
		checkTransition(bad, u, sender, was[who], is, before)
	}
	// But for joining, leaving and knocking, one has to be in the room.
	if was[string(sender)] != event.Join && (p.Type() != event.TypeMember || !p.Is(event.TypeMember, string(sender))) {
		bad("the sender's membership is %s", was[string(sender)])
	}
}

// checkTransition is the table of changes of membership.
//
// Spec: client-server-api#room-membership
func checkTransition(bad func(string, ...any), u, sender id.User, was, is string, levels *eventauth.Levels) {
	switch {
	case was == is:
	case was == event.Ban && is != event.Leave,
		was == event.Join && (is == event.Invite || is == event.Knock),
		was == event.Invite && is == event.Knock:
		bad("%s goes from %s to %s", u, was, is)
	case (is == event.Join || is == event.Knock) && u != sender:
		bad("%s is made to %s by %s", u, is, sender)
	case (is == event.Ban || (is == event.Leave && u != sender)) && levels.User(sender) <= levels.User(u):
		bad("%s goes from %s to %s by somebody no higher", u, was, is)
	case is == event.Leave && u == sender && was == event.Ban:
		bad("%s lifts the own ban", u)
	}
}

// listed reports whether the power levels name a user.
func (r *room) listed(u id.User) bool {
	p := r.state[eventauth.Key{Type: event.TypePowerLevels}]
	if p == nil {
		return false
	}
	l, err := p.PowerLevels()
	if err != nil {
		return false
	}
	_, ok := l.Users[u]
	return ok
}

// FuzzCheck: no content of event or state makes a check panic, the answer is the
// same each time, and it is a refusal with a number of the version's page or a
// yes: state in memory can always be told.
func FuzzCheck(f *testing.F) {
	for v := range uint8(12) {
		f.Add(v, "m.room.member", user, `{"membership":"join"}`, "m.room.power_levels", "", `{"users":{"@user:t":50}}`)
		f.Add(v, "m.room.member", stranger, `{"membership":"join","join_authorised_via_users_server":"@creator:s"}`, "m.room.join_rules", "", `{"join_rule":"restricted"}`)
		f.Add(v, "m.room.member", user, `{"membership":"knock"}`, "m.room.join_rules", "", `{"join_rule":"knock_restricted"}`)
		f.Add(v, "m.room.power_levels", "", `{"ban":"1","users":{"@user:t":1e1},"events":{"a":null},"notifications":{"room":2}}`, "m.room.power_levels", "", `{"state_default":0,"users":{"@user:t":"99"}}`)
		f.Add(v, "m.room.member", "@x:y", `{"membership":"invite","third_party_invite":{"signed":{"mxid":"@x:y","token":"a","signatures":{"s":{"ed25519:1":"AAAA"}}}}}`, "m.room.third_party_invite", "a", `{"public_key":"pN9HuSEfF7n4ouxrfJ43OSIcwmT8FaSVfIMlQLrCCxM"}`)
		f.Add(v, "m.room.create", "", `{"creator":"@user:t","additional_creators":["@a:b"],"room_version":"12"}`, "m.room.create", "", `{"m.federate":false}`)
		f.Add(v, "m.room.redaction", "", `{"redacts":"$a:b"}`, "m.room.member", user, `{"membership":5}`)
	}
	f.Fuzz(func(t *testing.T, version uint8, typ, key, content, stateType, stateKey, stateContent string) {
		rules := roomver.All()[version%12]
		r := newRoom(t, rules)
		place := func(typ, key, sender, content string) *event.PDU {
			b := event.Builder{Room: r.id, ID: "$f:s", Type: typ, StateKey: &key, Sender: id.User(sender), Content: []byte(content), Depth: 1}
			if typ == event.TypeCreate && rules.RoomIDFromCreate {
				b.Room = ""
			}
			if rules.EventID != roomver.EventIDField {
				b.ID = ""
			}
			p, err := b.Build(rules, "s", "ed25519:1", testKey)
			if err != nil {
				return nil // no event at all
			}
			return p
		}
		if st := place(stateType, stateKey, creator, stateContent); st != nil {
			r.state.Add(st)
		}
		p := place(typ, key, user, content)
		if p == nil {
			return
		}
		numbers := map[string]bool{}
		for _, l := range eventauth.Outline(rules) {
			numbers[l.Number] = l.Refuses && !l.Gap
		}
		first, second := eventauth.Check(p, r.state), eventauth.Check(p, r.state)
		var refused *eventauth.Error
		if first != nil && (!errors.As(first, &refused) || !numbers[refused.Rule]) {
			t.Fatalf("%T: %v", first, first)
		}
		if fmt.Sprint(first) != fmt.Sprint(second) {
			t.Fatalf("%v, then %v", first, second)
		}
		auth, err := eventauth.Select(rules, eventauth.SubjectOf(p), r.state)
		if err != nil || len(auth) > 6 {
			t.Fatalf("%d auth events, %v", len(auth), err)
		}
		// The state and the auth events selected from it lead to the same answer.
		b := event.Builder{Room: p.Room(), ID: p.ID(), Type: typ, StateKey: &key, Sender: user, Content: []byte(content), Depth: 1}
		for _, a := range auth {
			b.AuthEvents = append(b.AuthEvents, event.RefTo(a))
		}
		if q, err := b.Build(rules, "s", "ed25519:1", testKey); err == nil && typ != event.TypeCreate {
			if third := eventauth.CheckAuthEvents(q, r.create(), auth, func(id.Event) bool { return false }); fmt.Sprint(third) != fmt.Sprint(first) {
				t.Fatalf("by the state: %v; by the auth events: %v", first, third)
			}
		}
	})
}
