package stateres

import (
	"fmt"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// resolver is one resolution. Events get numbers as they come up; what is known
// of them stands in slices at their number.
type resolver struct {
	rules *roomver.Rules
	c     *Conflict
	s     *Store

	numbers map[id.Event]int
	ids     []id.Event
	pdus    []*event.PDU // nil: not loaded
	auths   [][]int      // the auth events of what is loaded
	asked   set          // of the store
	room    id.Room

	forks      [][]int     // the events of each fork
	given      set         // all of these
	conflicted []int       // the conflicted state set
	agreed     map[Key]int // the unconflicted state as far as it was read; or nothing, or inConflict
	cited      set         // by the unconflicted state, or in it
}

// What stands at a place of which the states do not have the same event.
const (
	nothing    = -1
	inConflict = -2
)

// newResolver numbers the events of the forks and sets apart what is in conflict.
func newResolver(rules *roomver.Rules, c *Conflict, s *Store) *resolver {
	size := 0
	for _, fork := range c.Forks {
		size = max(size, len(fork))
	}
	r := &resolver{rules: rules, c: c, s: s, numbers: make(map[id.Event]int, 4*size), agreed: make(map[Key]int, size)}
	for _, fork := range c.Forks {
		events := make([]int, 0, len(fork))
		for k, e := range fork {
			i := r.intern(e)
			events = append(events, i)
			if _, known := r.agreed[k]; !known {
				r.agreed[k] = r.alike(k, i)
			}
			if r.given.add(i) && r.agreed[k] == inConflict {
				r.conflicted = append(r.conflicted, i)
			}
		}
		r.forks = append(r.forks, events)
	}
	return r
}

// alike is the event if all forks have it at the place, else inConflict.
func (r *resolver) alike(k Key, i int) int {
	for _, fork := range r.c.Forks {
		if fork[k] != r.ids[i] {
			return inConflict
		}
	}
	return i
}

// intern is an event's number.
func (r *resolver) intern(e id.Event) int {
	i, known := r.numbers[e]
	if !known {
		i = len(r.ids)
		r.numbers[e] = i
		r.ids = append(r.ids, e)
		r.pdus = append(r.pdus, nil)
		r.auths = append(r.auths, nil)
	}
	return i
}

func (r *resolver) names(events []int) []id.Event {
	out := make([]id.Event, len(events))
	for n, i := range events {
		out[n] = r.ids[i]
	}
	return out
}

// load fetches those of the events that are not here yet, in one request.
func (r *resolver) load(events []int) error {
	var ask []int
	for _, i := range events {
		if r.asked.add(i) {
			ask = append(ask, i)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	pdus, err := r.s.Events(r.names(ask))
	if err != nil {
		return fmt.Errorf("load %d events: %w", len(ask), err)
	}
	if len(pdus) != len(ask) {
		return fmt.Errorf("load events: the store gave %d for %d", len(pdus), len(ask))
	}
	for n, i := range ask {
		if err := r.take(i, pdus[n]); err != nil {
			return err
		}
	}
	return nil
}

// take is given what the store has for an event.
func (r *resolver) take(i int, p *event.PDU) error {
	switch {
	case p == nil:
		return &MissingError{Event: r.ids[i]}
	case p.ID() != r.ids[i]:
		return fmt.Errorf("load events: the store gave %s for %s", p, r.ids[i])
	case r.room == "":
		r.room = p.Room()
	case p.Room() != r.room:
		return fmt.Errorf("event %s is of room %s and not of %s", p, p.Room(), r.room)
	}
	r.pdus[i] = p
	auth := make([]int, 0, len(p.AuthEvents()))
next:
	for _, e := range p.AuthEvents() {
		a := r.intern(e)
		for _, other := range auth {
			if a == other {
				continue next
			}
		}
		auth = append(auth, a)
	}
	r.auths[i] = auth
	return nil
}

// loadAuth loads events and their auth events.
func (r *resolver) loadAuth(events []int) error {
	if err := r.load(events); err != nil {
		return err
	}
	var auth []int
	for _, i := range events {
		auth = append(auth, r.auths[i]...)
	}
	return r.load(auth)
}

// loadForks loads the events of the forks, which must be state events of the
// places where they stand.
func (r *resolver) loadForks() error {
	var all []int
	for _, events := range r.forks {
		all = append(all, events...)
	}
	if err := r.load(all); err != nil {
		return err
	}
	for _, fork := range r.c.Forks {
		for k, e := range fork {
			if p := r.pdus[r.numbers[e]]; !p.Is(k.Type, k.StateKey) {
				return fmt.Errorf("event %s cannot be the state at %s %q", p, k.Type, k.StateKey)
			}
		}
	}
	return nil
}

// unconflicted is what all states have at a place.
func (r *resolver) unconflicted(k Key) (i int, ok bool, err error) {
	i, known := r.agreed[k]
	if !known {
		e, ok, err := r.c.Unconflicted(k)
		if err != nil {
			return 0, false, fmt.Errorf("read the state at %s %q: %w", k.Type, k.StateKey, err)
		}
		i = nothing
		if ok {
			i = r.intern(e)
		}
		r.agreed[k] = i
	}
	return i, i >= 0, nil
}

// keyOf is the place of a loaded state event.
func (r *resolver) keyOf(i int) (k Key, ok bool) {
	k.Type = r.pdus[i].Type()
	k.StateKey, ok = r.pdus[i].StateKey()
	return k, ok
}

// set is a set of events.
type set []bool

// add puts an event into the set and reports whether it was not there.
func (s *set) add(i int) bool {
	if i >= len(*s) {
		*s = append(*s, make(set, i+1)...)
	}
	was := (*s)[i]
	(*s)[i] = true
	return !was
}

func (s set) has(i int) bool { return i < len(s) && s[i] }

func setOf(events []int) set {
	var s set
	for _, i := range events {
		s.add(i)
	}
	return s
}

// join adds to a list of events those of another that it does not have.
func join(events, more []int) []int {
	in := setOf(events)
	for _, i := range more {
		if in.add(i) {
			events = append(events, i)
		}
	}
	return events
}

// without is the events that are not in the set.
func without(events []int, skip set) []int {
	var out []int
	for _, i := range events {
		if !skip.has(i) {
			out = append(out, i)
		}
	}
	return out
}
