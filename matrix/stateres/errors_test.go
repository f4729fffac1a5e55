package stateres_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/stateres"
)

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

// Auth events that go in circles, which servers can make where they choose event
// IDs: every resolution ends, and alike for any order of the states.
func TestCircles(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1", "2", "2/v2.1"} {
		for seed := range uint64(150) {
			rnd := rand.New(rand.NewPCG(seed, 6))
			d, states := small(t, version)
			create := states[0][stateres.Key{Type: event.TypeCreate}]
			alice := states[0][stateres.Key{Type: event.TypeMember, StateKey: "@alice:s"}]
			n := 2 + rnd.IntN(8)
			name := func(i int) id.Event { return id.Event(fmt.Sprintf("$circle%d:s", i%n)) }
			var events []*event.PDU
			for i := range n {
				e := draft{id: string(name(i)), sender: "@alice:s", ts: int64(rnd.IntN(5)), auth: []id.Event{name(i + 1), create, alice}}
				switch rnd.IntN(3) {
				case 0:
					e.typ, e.key, e.content = event.TypeMember, people[rnd.IntN(3)], `{"membership":"ban"}`
				default:
					e.typ, e.content = event.TypePowerLevels, fmt.Sprintf(`{"ban":%d,"users":{"@alice:s":100}}`, i)
				}
				if rnd.IntN(3) == 0 {
					e.auth = append(e.auth, name(rnd.IntN(n))) // perhaps itself
				}
				events = append(events, d.build(t, e))
			}
			for i := range states {
				for range 1 + rnd.IntN(2) {
					p := events[rnd.IntN(n)]
					states[i][keyOf(p)] = p.ID()
				}
				topic := d.build(t, draft{typ: event.TypeTopic, sender: "@alice:s", content: `{"topic":"x"}`, ts: int64(rnd.IntN(5)), auth: []id.Event{name(rnd.IntN(n)), create, alice}})
				states[i][keyOf(topic)] = topic.ID()
			}
			first := resolve(t, d, states)
			for range 5 {
				rnd.Shuffle(len(states), func(i, j int) { states[i], states[j] = states[j], states[i] })
				if again := resolve(t, d, states); !maps.Equal(first, again) {
					t.Fatalf("version %s, seed %d: %v and %v", version, seed, d.show(first), d.show(again))
				}
			}
		}
	}
}

// What goes in a circle is still tried, after all else.
func TestCircleComesLast(t *testing.T) {
	t.Parallel()
	d, states := small(t, "2")
	create := states[0][stateres.Key{Type: event.TypeCreate}]
	alice := states[0][stateres.Key{Type: event.TypeMember, StateKey: "@alice:s"}]
	content := `{"users":{"@alice:s":100},"ban":`
	a := d.build(t, draft{id: "$a:s", typ: event.TypePowerLevels, sender: "@alice:s", content: content + `1}`, auth: []id.Event{"$b:s", create, alice}})
	b := d.build(t, draft{id: "$b:s", typ: event.TypePowerLevels, sender: "@alice:s", content: content + `2}`, auth: []id.Event{"$a:s", create, alice}})
	c := d.build(t, draft{id: "$c:s", typ: event.TypePowerLevels, sender: "@alice:s", content: content + `3}`, auth: []id.Event{create, alice}, ts: 100})
	for i, p := range []*event.PDU{a, b, c} {
		states[i][keyOf(p)] = p.ID()
	}
	if got := resolve(t, d, states)[keyOf(a)]; got != b.ID() {
		t.Errorf("%s wins", got)
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

// A store that gives other events than were asked for, and states that hold what
// does not belong there, are told from a missing event.
func TestWrongEvents(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1", "11", "12"} {
		d, states := small(t, version)
		alien, _ := small(t, version)
		if alien.room = "!other:s"; d.rules.RoomIDFromCreate {
			alien.room = id.Room("!" + strings.Repeat("other", 8) + "AAA")
		}
		topic := stateres.Key{Type: event.TypeTopic}
		for what, fetch := range map[string]func([]id.Event) ([]*event.PDU, error){
			"another event": func(ids []id.Event) ([]*event.PDU, error) {
				out, err := d.fetch(ids)
				out[0] = d.events[states[0][topic]]
				out[len(out)-1] = out[0]
				return out, err
			},
			"two events swapped": func(ids []id.Event) ([]*event.PDU, error) {
				out, err := d.fetch(ids)
				slices.Reverse(out)
				return out, err
			},
			"one event too many": func(ids []id.Event) ([]*event.PDU, error) {
				out, err := d.fetch(ids)
				return append(out, out[0]), err
			},
		} {
			var missing *stateres.MissingError
			if got, err := stateres.ResolveMaps(d.rules, states, fetch, nil); err == nil || errors.As(err, &missing) || !strings.Contains(err.Error(), "the store gave") || got != nil {
				t.Errorf("version %s: %s: %v, %v", version, what, got, err)
			}
		}
		misplaced := maps.Clone(states[0])
		misplaced[stateres.Key{Type: event.TypeName}] = states[0][topic]
		if _, err := stateres.ResolveMaps(d.rules, []stateres.StateMap{misplaced, states[1]}, d.fetch, nil); err == nil || !strings.Contains(err.Error(), event.TypeName) {
			t.Errorf("version %s: a topic for a name: %v", version, err)
		}
		stranger := alien.build(t, draft{typ: event.TypeTopic, sender: "@alice:s", content: `{"topic":"elsewhere"}`})
		d.events[stranger.ID()] = stranger
		foreign := maps.Clone(states[0])
		foreign[topic] = stranger.ID()
		if _, err := stateres.ResolveMaps(d.rules, []stateres.StateMap{foreign, states[1]}, d.fetch, nil); err == nil || !strings.Contains(err.Error(), "!other") {
			t.Errorf("version %s: an event of another room: %v", version, err)
		}
	}
}

// In version 12 the create event is the one that the room's ID names, and must be
// there.
func TestMissingCreateOfRoomID(t *testing.T) {
	t.Parallel()
	d, states := small(t, "12")
	create := d.create.ID()
	for _, s := range states {
		delete(s, stateres.Key{Type: event.TypeCreate})
	}
	if got, err := stateres.ResolveMaps(d.rules, states, d.fetch, nil); err != nil || len(got) == 0 {
		t.Errorf("states without their create event: %v, %v", got, err)
	}
	if _, err := stateres.ResolveMaps(d.rules, states, d.fetch, func(e id.Event) bool { return e == create }); !errors.Is(err, stateres.ErrNoCreate) {
		t.Errorf("a rejected create event: %v", err)
	}
	delete(d.events, create)
	var missing *stateres.MissingError
	if _, err := stateres.ResolveMaps(d.rules, states, d.fetch, nil); !errors.As(err, &missing) || missing.Event != create {
		t.Errorf("a missing create event: %v", err)
	}
}

// Between is asked only if a conflicted event is cited, and its error comes back.
func TestBetweenFails(t *testing.T) {
	t.Parallel()
	d, states := small(t, "12")
	power := stateres.Key{Type: event.TypePowerLevels}
	next := d.grow(t, draft{typ: event.TypePowerLevels, sender: "@alice:s", content: `{"state_default":1}`, ts: 20}, states[0])
	states = []stateres.StateMap{states[0], d.after[next.ID()]}
	agreed, forks := stateres.Split(states)
	c := &stateres.Conflict{Forks: forks, Unconflicted: func(k stateres.Key) (id.Event, bool, error) { e, ok := agreed[k]; return e, ok, nil }}
	s := &stateres.Store{Events: d.fetch, Cited: newTwin(d).citedBy(agreed), Between: func([]id.Event) ([]id.Event, error) { return nil, io.ErrUnexpectedEOF }}
	if _, err := stateres.Resolve(d.rules, c, s); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("between fails: %v", err)
	}
	s.Cited = func(ids []id.Event) ([]bool, error) { return make([]bool, len(ids)), nil }
	if got, err := stateres.Resolve(d.rules, c, s); err != nil || got[power] != next.ID() {
		t.Errorf("between was asked though nothing in conflict is cited: %v, %v", got, err)
	}
	if got, err := stateres.Resolve(d.rules, &stateres.Conflict{}, s); err != nil || len(got) != 0 {
		t.Errorf("no states: %v, %v", got, err)
	}
}
