package eventauth_test

import (
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// Spec: server-server-api#auth-events-selection, rooms/v12#authorisation-rules
func TestKeys(t *testing.T) {
	t.Parallel()
	m := func(who string) string { return event.TypeMember + "|" + who }
	const create, power, join = event.TypeCreate + "|", event.TypePowerLevels + "|", event.TypeJoinRules + "|"
	content := func(c string) e { return e{typ: event.TypeMember, key: user, sender: mod, content: c} }
	for _, c := range []struct {
		name    string
		d       e
		want    []string
		version []string // nil: all
	}{
		{"create", e{typ: event.TypeCreate, sender: creator, content: `{}`, prev: []id.Event{}}, nil, nil},
		{"message", message(user), []string{create, power, m(user)}, nil},
		{"state", state(user, "m.room.topic", ""), []string{create, power, m(user)}, nil},
		{"power levels", powers(`{}`), []string{create, power, m(creator)}, nil},
		{"join", member(user, "join"), []string{create, power, m(user), join}, nil},
		{"knock", member(user, "knock"), []string{create, power, m(user), join}, nil},
		{"leave", member(user, "leave"), []string{create, power, m(user)}, nil},
		{"kick", target(mod, user, "leave"), []string{create, power, m(mod), m(user)}, nil},
		{"ban", target(mod, user, "ban"), []string{create, power, m(mod), m(user)}, nil},
		{"invite", target(mod, user, "invite"), []string{create, power, m(mod), m(user), join}, nil},
		{"member event without state key", e{typ: event.TypeMember, sender: user, noKey: true, content: `{"membership":"join"}`}, []string{create, power, m(user), join}, nil},
		{"member event without membership", content(`{}`), []string{create, power, m(mod), m(user)}, nil},
		{"third-party invite", content(`{"membership":"invite","third_party_invite":{"signed":{"token":"abc"}}}`), []string{create, power, m(mod), m(user), join, event.TypeThirdPartyInvite + "|abc"}, nil},
		{"third-party invite without token", content(`{"membership":"invite","third_party_invite":{"signed":{"token":1}}}`), []string{create, power, m(mod), m(user), join}, nil},
		{"third-party invite in a leave", content(`{"membership":"leave","third_party_invite":{"signed":{"token":"abc"}}}`), []string{create, power, m(mod), m(user)}, nil},
		{"restricted join", content(`{"membership":"join","join_authorised_via_users_server":"@mod2:t"}`), []string{create, power, m(mod), m(user), join, m(mod2)}, []string{"8", "9", "10", "11", "12"}},
		{"restricted join, vouched for by the sender", content(`{"membership":"join","join_authorised_via_users_server":"@mod:s"}`), []string{create, power, m(mod), m(user), join}, nil},
		{"restricted join, vouched for by what is no text", content(`{"membership":"join","join_authorised_via_users_server":1}`), []string{create, power, m(mod), m(user), join}, nil},
		{"restricted join before there was such a thing", content(`{"membership":"join","join_authorised_via_users_server":"@mod2:t"}`), []string{create, power, m(mod), m(user), join}, []string{"1", "2", "3", "4", "5", "6", "7"}},
		{"left over in an invite", content(`{"membership":"invite","join_authorised_via_users_server":"@mod2:t"}`), []string{create, power, m(mod), m(user), join}, nil},
	} {
		for _, rules := range roomver.All() {
			if c.version != nil && !slices.Contains(c.version, rules.Version) {
				continue
			}
			var got []string
			for _, k := range eventauth.Keys(rules, eventauth.SubjectOf(newRoom(t, rules).build(c.d))) {
				got = append(got, k.Type+"|"+k.StateKey)
			}
			want := slices.DeleteFunc(slices.Clone(c.want), func(k string) bool { return k == create && rules.RoomIDFromCreate })
			if !slices.Equal(got, want) {
				t.Errorf("version %s, %s: %v, want %v", rules.Version, c.name, got, want)
			}
		}
	}
}

// Spec: server-server-api#auth-events-selection
func TestSelect(t *testing.T) {
	t.Parallel()
	rules, _ := roomver.Lookup("11")
	r := newRoom(t, rules)
	content := []byte(`{"membership":"join"}`)
	key := stranger
	subject := eventauth.Subject{Type: event.TypeMember, StateKey: &key, Sender: stranger, Content: content}
	auth, err := eventauth.Select(rules, subject, r.state)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, a := range auth {
		types = append(types, a.Type())
	}
	if want := []string{event.TypeCreate, event.TypePowerLevels, event.TypeJoinRules}; !slices.Equal(types, want) {
		t.Errorf("%v, want %v: the stranger has no membership", types, want)
	}
	if _, err := eventauth.Select(rules, subject, failing{r.state, event.TypePowerLevels, ""}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}

// authEventCases are the rules on auth events: what is changed about a message
// and its auth events, and the rule that refuses it.
func authEventCases() []struct {
	name     string
	want     by
	change   func(r *room, auth []*event.PDU) []*event.PDU
	rejected string // the type of which an event was rejected
} {
	same := func(_ *room, auth []*event.PDU) []*event.PDU { return auth }
	top := by{1: "2", 12: "3"}
	return []struct {
		name     string
		want     by
		change   func(r *room, auth []*event.PDU) []*event.PDU
		rejected string
	}{
		{"as selected", allowed, same, ""},
		{"twice the same", top.below("1"), func(_ *room, auth []*event.PDU) []*event.PDU { return append(auth, auth[len(auth)-1]) }, ""},
		{"two for one place", top.below("1"), func(r *room, auth []*event.PDU) []*event.PDU { return append(auth, r.build(powers(`{}`))) }, ""},
		{"not selected", top.below("2"), func(r *room, auth []*event.PDU) []*event.PDU { return append(auth, r.build(member(mod, "join"))) }, ""},
		{"no state event", top.below("2"), func(r *room, auth []*event.PDU) []*event.PDU { return append(auth, r.build(message(user))) }, ""},
		{"create event with a state key", top.below("2"), func(r *room, auth []*event.PDU) []*event.PDU {
			return append(auth, r.build(e{typ: event.TypeCreate, key: "x", room: r.id, sender: creator, content: `{}`}))
		}, ""},
		{"create event where it must not be", by{1: "", 12: "3.2"}, func(r *room, auth []*event.PDU) []*event.PDU {
			return append(without(auth, event.TypeCreate), r.create())
		}, ""},
		{"rejected", top.below("3"), same, event.TypePowerLevels},
		{"create event rejected", by{1: "2.3", 12: "2"}, same, event.TypeCreate},
		{"no create event", by{1: "2.4", 12: ""}, func(_ *room, auth []*event.PDU) []*event.PDU { return without(auth, event.TypeCreate) }, ""},
		{"no create event, and one of another room", by{1: "2.4", 12: "3.5"}, func(r *room, auth []*event.PDU) []*event.PDU {
			d := powers(`{}`)
			d.room = r.elsewhere()
			return []*event.PDU{r.build(d)}
		}, ""},
		{"of another room", top.below("5"), func(r *room, auth []*event.PDU) []*event.PDU {
			d := powers(`{}`)
			d.room = r.elsewhere()
			return append(without(auth, event.TypePowerLevels), r.build(d))
		}, ""},
		{"no power levels", allowed, func(_ *room, auth []*event.PDU) []*event.PDU { return without(auth, event.TypePowerLevels) }, ""},
		{"no membership", by{1: "6", 6: "5", 12: "6"}, func(_ *room, auth []*event.PDU) []*event.PDU { return without(auth, event.TypeMember) }, ""},
		{"other power levels", by{1: "8", 6: "7", 12: "8"}, func(r *room, auth []*event.PDU) []*event.PDU {
			return append(without(auth, event.TypePowerLevels), r.build(powers(`{"events_default":1}`)))
		}, ""},
	}
}

// Spec: rooms/v1#authorisation-rules, rooms/v12#authorisation-rules, server-server-api#checks-performed-on-receipt-of-a-pdu
func TestAuthEvents(t *testing.T) {
	t.Parallel()
	for _, c := range authEventCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for i, rules := range roomver.All() {
				r := newRoom(t, rules)
				d := message(user)
				selected, err := eventauth.Select(rules, eventauth.SubjectOf(r.build(d)), r.state)
				if err != nil {
					t.Fatal(err)
				}
				d.auth = c.change(r, selected)
				var bad *event.PDU
				if c.rejected != "" {
					bad = r.state[eventauth.Key{Type: c.rejected}]
				}
				rejected := func(e id.Event) bool { return bad != nil && e == bad.ID() }
				checkOutcome(t, rules, eventauth.CheckAuthEvents(r.build(d), r.create(), d.auth, rejected), c.want.of(i+1))
			}
		})
	}
}

// A create event stands for itself; one of another room, or none, does not do.
func TestAuthEventsAndCreate(t *testing.T) {
	t.Parallel()
	no := func(id.Event) bool { return false }
	for _, rules := range roomver.All() {
		r := newRoom(t, rules)
		checkOutcome(t, rules, eventauth.CheckAuthEvents(r.create(), nil, nil, no), "")
		if !rules.RoomIDFromCreate {
			continue
		}
		d := message(user)
		d.auth = []*event.PDU{r.state[eventauth.Key{Type: event.TypeMember, StateKey: user}]}
		p := r.build(d)
		checkOutcome(t, rules, eventauth.CheckAuthEvents(p, nil, d.auth, no), "2")
		checkOutcome(t, rules, eventauth.CheckAuthEvents(p, found(t, rules, `{"x":1}`).create(), d.auth, no), "2")
		checkOutcome(t, rules, eventauth.CheckAuthEvents(p, r.create(), d.auth, no), "")
	}
}

// A caller who hands over other events than the ones named gets no decision.
func TestAuthEventsMismatch(t *testing.T) {
	t.Parallel()
	rules, _ := roomver.Lookup("11")
	r := newRoom(t, rules)
	d := message(user)
	d.auth, _ = eventauth.Select(rules, eventauth.SubjectOf(r.build(d)), r.state)
	p := r.build(d)
	reversed := slices.Clone(d.auth)
	slices.Reverse(reversed)
	for name, auth := range map[string][]*event.PDU{
		"none": nil, "too few": d.auth[1:], "too many": append(slices.Clone(d.auth), d.auth[0]), "another order": reversed, "one missing": {d.auth[0], nil, d.auth[2]},
	} {
		var refused *eventauth.Error
		if err := eventauth.CheckAuthEvents(p, nil, auth, func(id.Event) bool { return false }); err == nil || errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
