package stateres_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
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
	name                      string
}

func (d *dag) build(t testing.TB, e draft) *event.PDU {
	t.Helper()
	b := event.Builder{Room: d.room, Type: e.typ, StateKey: &e.key, Sender: id.User(e.sender), Content: []byte(e.content), OriginServerTS: e.ts, Depth: e.depth}
	d.n++
	if d.rules.EventID == roomver.EventIDField {
		b.ID = id.Event(fmt.Sprintf("$%s%d:s", e.name, d.n))
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

var people = []string{"@alice:s", "@bob:s", "@carol:s", "@dave:s", "@eve:s"}

// randomRoom makes a room with forks: each event is put behind one or two earlier
// ones, whose states the twin resolves. It gives the events in the order in which
// they were made.
func randomRoom(t testing.TB, rnd *rand.Rand, rules *roomver.Rules, size int) (*dag, []id.Event) {
	d := newDAG(rules)
	tw := newTwin(d)
	create := d.build(t, draft{typ: event.TypeCreate, sender: "@alice:s", content: `{"creator":"@alice:s","room_version":"` + rules.Version + `"}`, name: "create"})
	d.after[create.ID()] = stateres.StateMap{keyOf(create): create.ID()}
	alice := d.grow(t, draft{typ: event.TypeMember, key: "@alice:s", sender: "@alice:s", content: `{"membership":"join"}`, prev: []id.Event{create.ID()}, ts: 1, depth: 1, name: "alice"}, d.after[create.ID()])
	order := []id.Event{create.ID(), alice.ID()}
	for len(order) < size {
		prev := []id.Event{order[len(order)-1-rnd.IntN(min(4, len(order)-1))]}
		before := d.after[prev[0]]
		if rnd.IntN(3) == 0 {
			if other := order[len(order)-1-rnd.IntN(min(8, len(order)-1))]; other != prev[0] {
				prev = append(prev, other)
				before = tw.resolve([]stateres.StateMap{before, d.after[other]})
			}
		}
		e := randomEvent(rnd, rules)
		e.prev, e.ts, e.depth = prev, int64(rnd.IntN(20)), int64(len(order)+rnd.IntN(3))
		if p := d.grow(t, e, before); p != nil {
			order = append(order, p.ID())
		} else if len(before) > 1 && rnd.IntN(200) == 0 {
			break // everybody has left, or nobody has power
		}
	}
	return d, order
}

func randomEvent(rnd *rand.Rand, rules *roomver.Rules) draft {
	who, whom := people[rnd.IntN(len(people))], people[rnd.IntN(len(people))]
	if rnd.IntN(2) == 0 {
		who = people[0]
	}
	e := draft{sender: who, key: whom, typ: event.TypeMember, name: "e"}
	switch rnd.IntN(9) {
	case 0, 1:
		e.key, e.content = who, `{"membership":"join"}`
	case 2:
		e.content = `{"membership":"invite"}`
	case 3:
		e.content = `{"membership":"leave"}`
	case 4:
		e.content = `{"membership":"ban"}`
	case 5:
		creator := `"@alice:s":100,`
		if rules.PrivilegedCreators {
			creator = ""
		}
		e.typ, e.key = event.TypePowerLevels, ""
		e.content = fmt.Sprintf(`{"users":{%s"@bob:s":%d,"@carol:s":%d},"kick":%d}`, creator, rnd.IntN(3)*50, rnd.IntN(3)*50, 25+rnd.IntN(2)*25)
	case 6:
		e.typ, e.key, e.content = event.TypeJoinRules, "", `{"join_rule":"`+[]string{"public", "public", "invite"}[rnd.IntN(3)]+`"}`
	default:
		e.typ, e.key, e.content = "m.room.topic", "", fmt.Sprintf(`{"topic":"%d"}`, rnd.IntN(1000))
	}
	return e
}

func resolve(t testing.TB, d *dag, states []stateres.StateMap) stateres.StateMap {
	t.Helper()
	got, err := stateres.ResolveMaps(d.rules, states, d.fetch, nil)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// The fast algorithm and the obvious one agree on thousands of random conflicts,
// and neither the order of the states nor repeating one changes anything.
func TestAgainstTwin(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1", "2", "6", "11", "12"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			rules, _ := roomver.Lookup(version)
			conflicts := 0
			for seed := range uint64(60) {
				rnd := rand.New(rand.NewPCG(seed, 9))
				d, order := randomRoom(t, rnd, rules, 40)
				tw := newTwin(d)
				for range 20 {
					var states []stateres.StateMap
					for range 2 + rnd.IntN(3) {
						states = append(states, d.after[order[rnd.IntN(len(order))]])
					}
					want := tw.resolve(states)
					got := resolve(t, d, states)
					if !maps.Equal(got, want) {
						t.Fatalf("seed %d: %d states\n got %v\nwant %v", seed, len(states), d.show(got), d.show(want))
					}
					rnd.Shuffle(len(states), func(i, j int) { states[i], states[j] = states[j], states[i] })
					if again := resolve(t, d, append(states, states[0])); !maps.Equal(again, want) {
						t.Fatalf("seed %d: in another order and with one twice\n got %v\nwant %v", seed, d.show(again), d.show(want))
					}
					if _, forks := stateres.Split(states); len(forks[0]) > 0 {
						conflicts++
					}
				}
			}
			if conflicts < 500 {
				t.Errorf("only %d conflicts in all", conflicts)
			}
		})
	}
}

// States as servers hold after a partial synchronisation: any mixture of what is
// known, also such as no history gives. Still both agree.
func TestAgainstTwinWithWrongStates(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"2", "12"} {
		rules, _ := roomver.Lookup(version)
		for seed := range uint64(40) {
			rnd := rand.New(rand.NewPCG(seed, 10))
			d, order := randomRoom(t, rnd, rules, 40)
			tw := newTwin(d)
			for range 15 {
				states := make([]stateres.StateMap, 2+rnd.IntN(2))
				for i := range states {
					states[i] = maps.Clone(d.after[order[rnd.IntN(len(order))]])
					for range rnd.IntN(4) {
						e := order[rnd.IntN(len(order))]
						states[i][keyOf(d.events[e])] = e
					}
				}
				if got, want := resolve(t, d, states), tw.resolve(states); !maps.Equal(got, want) {
					t.Fatalf("version %s, seed %d:\n got %v\nwant %v", version, seed, d.show(got), d.show(want))
				}
			}
		}
	}
}

// Servers that hear of a room's events in different orders end with one state.
func TestEveryOrderOfArrival(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"2", "11", "12"} {
		rules, _ := roomver.Lookup(version)
		for seed := range uint64(15) {
			rnd := rand.New(rand.NewPCG(seed, 11))
			d, order := randomRoom(t, rnd, rules, 30)
			var first stateres.StateMap
			for try := range 4 {
				states := map[id.Event]stateres.StateMap{}
				tips := map[id.Event]bool{}
				for _, e := range arrival(rnd, d, order) {
					var before []stateres.StateMap
					for _, p := range d.events[e].PrevEvents() {
						before = append(before, states[p])
						delete(tips, p)
					}
					after := stateres.StateMap{}
					if len(before) > 0 {
						after = maps.Clone(resolve(t, d, before))
					}
					after[keyOf(d.events[e])] = e
					states[e], tips[e] = after, true
				}
				var ends []stateres.StateMap
				for e := range tips {
					ends = append(ends, states[e])
				}
				final := resolve(t, d, ends)
				if try == 0 {
					first = final
				} else if !maps.Equal(first, final) {
					t.Fatalf("version %s, seed %d: %v and %v", version, seed, d.show(first), d.show(final))
				}
			}
		}
	}
}

// arrival is an order in which each event comes after those it follows.
func arrival(rnd *rand.Rand, d *dag, order []id.Event) []id.Event {
	var out []id.Event
	left := slices.Clone(order)
	for len(left) > 0 {
		i := rnd.IntN(len(left))
		ready := true
		for _, p := range d.events[left[i]].PrevEvents() {
			ready = ready && slices.Contains(out, p)
		}
		if ready {
			out, left = append(out, left[i]), slices.Delete(left, i, i+1)
		}
	}
	return out
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
	rules, _ := roomver.Lookup(version)
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

// Whatever the storage fails at, there is an error that says so and no result.
func TestStorageErrors(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1", "2", "12"} {
		d, states := small(t, version)
		for missing := range d.events {
			fetch := func(ids []id.Event) ([]*event.PDU, error) {
				out, _ := d.fetch(ids)
				for i, e := range ids {
					if e == missing {
						out[i] = nil
					}
				}
				return out, nil
			}
			got, err := stateres.ResolveMaps(d.rules, states, fetch, nil)
			var lacks *stateres.MissingError
			if err != nil && (!errors.As(err, &lacks) || lacks.Event != missing || got != nil) {
				t.Errorf("version %s without %s: %v, %v", version, d.events[missing], got, err)
			}
			if err == nil && !maps.Equal(got, resolve(t, d, states)) {
				t.Errorf("version %s without %s: another result", version, d.events[missing])
			}
		}
		for calls := 0; ; calls++ {
			n := 0
			_, err := stateres.ResolveMaps(d.rules, states, func(ids []id.Event) ([]*event.PDU, error) {
				if n++; n > calls {
					return nil, io.ErrUnexpectedEOF
				}
				return d.fetch(ids)
			}, nil)
			if err == nil {
				break
			}
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("version %s, call %d: %v", version, calls, err)
			}
		}
		if _, err := stateres.ResolveMaps(d.rules, states, func([]id.Event) ([]*event.PDU, error) { return nil, nil }, nil); err == nil {
			t.Errorf("version %s: too few answers were taken", version)
		}
		agreed, forks := stateres.Split(states)
		conflict := func() *stateres.Conflict {
			return &stateres.Conflict{Forks: forks, Unconflicted: func(k stateres.Key) (id.Event, bool, error) { e, ok := agreed[k]; return e, ok, nil }}
		}
		no := func(ids []id.Event) ([]bool, error) { return make([]bool, len(ids)), nil }
		broken := conflict()
		broken.Unconflicted = func(stateres.Key) (id.Event, bool, error) { return "", false, io.ErrUnexpectedEOF }
		if _, err := stateres.Resolve(d.rules, broken, &stateres.Store{Events: d.fetch, Cited: no}); version != "12" && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("version %s: state that cannot be read: %v", version, err)
		}
		if version == "1" {
			continue
		}
		if _, err := stateres.Resolve(d.rules, conflict(), &stateres.Store{Events: d.fetch, Cited: func([]id.Event) ([]bool, error) { return nil, io.ErrUnexpectedEOF }}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("version %s: citations that cannot be read: %v", version, err)
		}
		if _, err := stateres.Resolve(d.rules, conflict(), &stateres.Store{Events: d.fetch, Cited: func([]id.Event) ([]bool, error) { return nil, nil }}); err == nil {
			t.Errorf("version %s: too few answers were taken", version)
		}
	}
}

func TestNoCreate(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1", "11"} {
		d, states := small(t, version)
		for _, s := range states {
			delete(s, stateres.Key{Type: event.TypeCreate})
		}
		// The topics' auth events hold the create event from version 2 on; a power
		// event without one asks for the room's.
		lost := d.build(t, draft{typ: event.TypePowerLevels, sender: "@alice:s", content: `{}`})
		states[0][keyOf(lost)] = lost.ID()
		other := d.build(t, draft{typ: event.TypePowerLevels, sender: "@alice:s", content: `{"ban":1}`})
		states[1][keyOf(other)] = other.ID()
		if got, err := stateres.ResolveMaps(d.rules, states, d.fetch, nil); !errors.Is(err, stateres.ErrNoCreate) || got != nil {
			t.Errorf("version %s: %v, %v", version, got, err)
		}
	}
}

// In the first versions servers choose event IDs and can make auth events go in a
// circle: the resolution ends, alike for any order of the states.
func TestCircle(t *testing.T) {
	t.Parallel()
	d, states := small(t, "2")
	create := states[0][stateres.Key{Type: event.TypeCreate}]
	alice := states[0][stateres.Key{Type: event.TypeMember, StateKey: "@alice:s"}]
	circle := func(name id.Event, to id.Event, ban int) *event.PDU {
		b := event.Builder{Room: d.room, ID: name, Type: event.TypePowerLevels, StateKey: new(string), Sender: "@alice:s",
			Content: fmt.Appendf(nil, `{"ban":%d,"users":{"@alice:s":100}}`, ban), AuthEvents: []event.Ref{{ID: to}, {ID: create}, {ID: alice}}}
		p, err := b.Build(d.rules, "s", "ed25519:1", testKey)
		if err != nil {
			t.Fatal(err)
		}
		d.events[p.ID()] = p
		return p
	}
	a, b := circle("$a:s", "$b:s", 1), circle("$b:s", "$a:s", 2)
	states[0][keyOf(a)], states[1][keyOf(b)] = a.ID(), b.ID()
	first := resolve(t, d, states)
	slices.Reverse(states)
	if again := resolve(t, d, states); !maps.Equal(first, again) || first[keyOf(a)] == "" {
		t.Errorf("%v and %v", d.show(first), d.show(again))
	}
}

// A rejected auth event does not stand in for state that is missing.
//
// Spec: rooms/v12#rejected-events
func TestRejectedAuthEvents(t *testing.T) {
	t.Parallel()
	d, states := small(t, "12")
	topic := stateres.Key{Type: "m.room.topic"}
	alice := states[0][stateres.Key{Type: event.TypeMember, StateKey: "@alice:s"}]
	got, err := stateres.ResolveMaps(d.rules, states[:2], d.fetch, func(e id.Event) bool { return e == alice })
	if err != nil || got[topic] != "" {
		t.Errorf("a topic stands on a rejected membership: %v, %v", d.show(got), err)
	}
	if got := resolve(t, d, states[:2]); got[topic] == "" {
		t.Errorf("without rejection the topic is lost: %v", d.show(got))
	}
}

// What all states have in common may be passed as in conflict as well.
func TestForksThatAgree(t *testing.T) {
	t.Parallel()
	d, states := small(t, "11")
	none := func(stateres.Key) (id.Event, bool, error) { return "", false, nil }
	no := func(ids []id.Event) ([]bool, error) { return make([]bool, len(ids)), nil }
	got, err := stateres.Resolve(d.rules, &stateres.Conflict{Unconflicted: none, Forks: states}, &stateres.Store{Events: d.fetch, Cited: no})
	if err != nil || !maps.Equal(got, resolve(t, d, states)) {
		t.Errorf("%v, %v", d.show(got), err)
	}
	same := resolve(t, d, []stateres.StateMap{states[0], states[0]})
	if !maps.Equal(same, states[0]) {
		t.Errorf("a state with itself: %v", d.show(same))
	}
}

func FuzzResolve(f *testing.F) {
	for seed := range uint64(6) {
		f.Add(seed, uint8(seed*2))
	}
	f.Fuzz(func(t *testing.T, seed uint64, version uint8) {
		rules := roomver.All()[version%12]
		rnd := rand.New(rand.NewPCG(seed, 12))
		d, order := randomRoom(t, rnd, rules, 15+rnd.IntN(10))
		tw := newTwin(d)
		var states []stateres.StateMap
		for range 2 + rnd.IntN(4) {
			states = append(states, d.after[order[rnd.IntN(len(order))]])
		}
		if got, want := resolve(t, d, states), tw.resolve(states); !maps.Equal(got, want) {
			t.Fatalf("\n got %v\nwant %v", d.show(got), d.show(want))
		}
	})
}
