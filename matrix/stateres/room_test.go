package stateres_test

import (
	"cmp"
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
	"github.com/hanse-im/hanse/matrix/stateres"
)

var testKey = ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", 32)))

// dag is a room that grows: events by ID, and the state after each.
type dag struct {
	rules  *roomver.Rules
	room   id.Room
	create *event.PDU
	events map[id.Event]*event.PDU
	after  map[id.Event]stateres.StateMap
	n      int
}

func newDAG(rules *roomver.Rules) *dag {
	return &dag{rules: rules, room: "!room:s", events: map[id.Event]*event.PDU{}, after: map[id.Event]stateres.StateMap{}}
}

type draft struct {
	typ, key, sender, content string
	prev, auth                []id.Event
	ts, depth                 int64
	name, id                  string // where servers choose event IDs
}

func (d *dag) build(t testing.TB, e draft) *event.PDU {
	t.Helper()
	b := event.Builder{Room: d.room, Type: e.typ, StateKey: &e.key, Sender: id.User(e.sender), Content: []byte(e.content), OriginServerTS: e.ts, Depth: e.depth}
	d.n++
	if d.rules.EventID == roomver.EventIDField {
		b.ID = id.Event(cmp.Or(e.id, fmt.Sprintf("$%s%d:s", e.name, d.n)))
	}
	if d.rules.RoomIDFromCreate && e.typ == event.TypeCreate {
		b.Room = ""
	}
	for _, p := range e.prev {
		b.PrevEvents = append(b.PrevEvents, event.Ref{ID: p})
	}
	for _, a := range e.auth {
		b.AuthEvents = append(b.AuthEvents, event.Ref{ID: a})
	}
	p, err := b.Build(d.rules, "s", "ed25519:1", testKey)
	if err != nil {
		t.Fatalf("%+v: %v", e, err)
	}
	d.events[p.ID()] = p
	if e.typ == event.TypeCreate {
		d.room, d.create = p.Room(), p
	}
	return p
}

// fetch is a storage's Events.
func (d *dag) fetch(ids []id.Event) ([]*event.PDU, error) {
	out := make([]*event.PDU, len(ids))
	for i, e := range ids {
		out[i] = d.events[e]
	}
	return out, nil
}

func (d *dag) state(m stateres.StateMap) eventauth.MapState {
	out := eventauth.MapState{}
	for _, e := range m {
		out.Add(d.events[e])
	}
	return out
}

// grow adds a state event behind prev if it is allowed there, with the auth events
// that the selection gives.
func (d *dag) grow(t testing.TB, e draft, before stateres.StateMap) *event.PDU {
	state := d.state(before)
	p := d.build(t, e)
	auth, err := eventauth.Select(d.rules, eventauth.SubjectOf(p), state)
	if err != nil {
		t.Fatal(err)
	}
	delete(d.events, p.ID())
	e.auth = nil
	for _, a := range auth {
		e.auth = append(e.auth, a.ID())
	}
	p = d.build(t, e)
	if eventauth.Check(p, state) != nil {
		delete(d.events, p.ID())
		return nil
	}
	d.after[p.ID()] = maps.Clone(before)
	d.after[p.ID()][keyOf(p)] = p.ID()
	return p
}

func (d *dag) show(m stateres.StateMap) string {
	var lines []string
	for k, e := range m {
		lines = append(lines, fmt.Sprintf("%s|%s=%.12s", k.Type, k.StateKey, e))
	}
	slices.Sort(lines)
	return strings.Join(lines, " ")
}

// small is a room with one conflict about its topic and one about a member.
func small(t testing.TB, version string) (*dag, []stateres.StateMap) {
	rules := versions(t, version)
	d := newDAG(rules)
	alice := `"@alice:s":100`
	if rules.PrivilegedCreators {
		alice = ""
	}
	create := d.build(t, draft{typ: event.TypeCreate, sender: "@alice:s", content: `{"creator":"@alice:s"}`})
	base := stateres.StateMap{keyOf(create): create.ID()}
	for i, e := range []draft{
		{typ: event.TypeMember, key: "@alice:s", sender: "@alice:s", content: `{"membership":"join"}`, prev: []id.Event{create.ID()}},
		{typ: event.TypePowerLevels, sender: "@alice:s", content: `{"state_default":0,"users":{` + alice + `}}`},
		{typ: event.TypeJoinRules, sender: "@alice:s", content: `{"join_rule":"public"}`},
		{typ: event.TypeMember, key: "@bob:s", sender: "@bob:s", content: `{"membership":"join"}`},
	} {
		e.ts, e.depth = int64(i), int64(i)
		base = d.after[d.grow(t, e, base).ID()]
	}
	a := d.grow(t, draft{typ: "m.room.topic", sender: "@alice:s", content: `{"topic":"a"}`, ts: 10, depth: 9}, base)
	b := d.grow(t, draft{typ: event.TypeMember, key: "@bob:s", sender: "@alice:s", content: `{"membership":"ban"}`, ts: 10, depth: 9}, base)
	c := d.grow(t, draft{typ: "m.room.topic", sender: "@bob:s", content: `{"topic":"c"}`, ts: 11, depth: 10}, base)
	return d, []stateres.StateMap{d.after[a.ID()], d.after[b.ID()], d.after[c.ID()]}
}

func resolve(t testing.TB, d *dag, states []stateres.StateMap) stateres.StateMap {
	t.Helper()
	got, err := stateres.ResolveMaps(d.rules, states, d.fetch, nil)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
