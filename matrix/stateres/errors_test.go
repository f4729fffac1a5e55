package stateres_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
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
