package stateres

import (
	"fmt"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// resolver is one resolution. Events are numbered as they come up; whatever is
// known of them stands in slices at their number.
type resolver struct {
	rules *roomver.Rules
	c     *Conflict
	s     *Store

	numbers map[id.Event]int
	ids     []id.Event
	pdus    []*event.PDU // nil: not loaded
	auths   [][]int      // of loaded events

	conflicted []int        // the conflicted state set
	forks      [][]int      // the events of each fork
	places     map[Key]bool // that are in conflict
	agreed     map[Key]int  // what all forks have alike, though they need not say it
	read       map[Key]int  // of the unconflicted state so far; -1: nothing there
	cited      []bool       // by the unconflicted state, as far as it was asked
}

// newResolver numbers the events of the forks and sets apart what is in conflict.
func newResolver(rules *roomver.Rules, c *Conflict, s *Store) *resolver {
	size := 0
	for _, fork := range c.Forks {
		size += len(fork)
	}
	r := &resolver{
		rules: rules, c: c, s: s,
		numbers: make(map[id.Event]int, 4*size),
		places:  make(map[Key]bool, size),
		agreed:  map[Key]int{},
		read:    map[Key]int{},
	}
	for _, fork := range c.Forks {
		events := make([]int, 0, len(fork))
		for k, e := range fork {
			i := r.intern(e)
			events = append(events, i)
			if _, known := r.agreed[k]; r.places[k] || known {
				continue
			}
			if r.alike(k, e) {
				r.agreed[k] = i
			} else {
				r.places[k] = true
			}
		}
		r.forks = append(r.forks, events)
	}
	seen := make([]bool, len(r.ids))
	for _, i := range r.agreed {
		seen[i] = true
	}
	for _, events := range r.forks {
		for _, i := range events {
			if !seen[i] {
				seen[i] = true
				r.conflicted = append(r.conflicted, i)
			}
		}
	}
	return r
}

// alike: all forks have this event at a place.
func (r *resolver) alike(k Key, e id.Event) bool {
	for _, fork := range r.c.Forks {
		if fork[k] != e {
			return false
		}
	}
	return true
}

// intern is an event's number.
func (r *resolver) intern(e id.Event) int {
	i, ok := r.numbers[e]
	if !ok {
		i = len(r.ids)
		r.numbers[e] = i
		r.ids = append(r.ids, e)
		r.pdus = append(r.pdus, nil)
		r.auths = append(r.auths, nil)
		r.cited = append(r.cited, false)
	}
	return i
}

// load fetches those of the events that have not come yet, all in one request.
func (r *resolver) load(events []int) error {
	var ask []id.Event
	for _, i := range events {
		if r.pdus[i] == nil {
			ask = append(ask, r.ids[i])
		}
	}
	if len(ask) == 0 {
		return nil
	}
	pdus, err := r.s.Events(ask)
	if err != nil {
		return fmt.Errorf("load %d events: %w", len(ask), err)
	}
	if len(pdus) != len(ask) {
		return fmt.Errorf("load events: the store gave %d for %d", len(pdus), len(ask))
	}
	for n, p := range pdus {
		if p == nil {
			return &MissingError{Event: ask[n]}
		}
		if p.ID() != ask[n] {
			return fmt.Errorf("load events: the store gave %s for %s", p, ask[n])
		}
		r.add(p)
	}
	return nil
}

// add takes in a loaded event.
func (r *resolver) add(p *event.PDU) {
	i := r.numbers[p.ID()]
	if r.pdus[i] != nil {
		return
	}
	r.pdus[i] = p
	auth := make([]int, 0, len(p.AuthEvents()))
	for _, e := range p.AuthEvents() {
		a, again := r.intern(e), false
		for _, b := range auth {
			again = again || a == b
		}
		if !again {
			auth = append(auth, a)
		}
	}
	r.auths[i] = auth
}

// auth is the numbers of a loaded event's auth events.
func (r *resolver) auth(i int) []int { return r.auths[i] }

// loadAuth loads the events and their auth events.
func (r *resolver) loadAuth(events []int) error {
	if err := r.load(events); err != nil {
		return err
	}
	var all []int
	for _, i := range events {
		all = append(all, r.auths[i]...)
	}
	return r.load(all)
}

// unconflicted is what all states have at a place.
func (r *resolver) unconflicted(k Key) (e id.Event, ok bool, err error) {
	if r.places[k] {
		return "", false, nil
	}
	i, known := r.agreed[k]
	if !known {
		i, known = r.read[k]
	}
	if !known {
		e, ok, err := r.c.Unconflicted(k)
		if err != nil {
			return "", false, fmt.Errorf("read the state at %s %q: %w", k.Type, k.StateKey, err)
		}
		i = -1
		if ok {
			i = r.intern(e)
		}
		r.read[k] = i
	}
	if i < 0 {
		return "", false, nil
	}
	return r.ids[i], true, nil
}

// result is a state without what the unconflicted state has as well.
func (r *resolver) result(s *partialState) (StateMap, error) {
	out := make(StateMap, len(r.places))
	for k, i := range r.agreed {
		out[k] = r.ids[i]
	}
	for k, i := range s.events {
		if !r.places[k] {
			if _, ok, err := r.unconflicted(k); err != nil || ok {
				if err != nil {
					return nil, err
				}
				continue
			}
		}
		out[k] = r.ids[i]
	}
	return out, nil
}

// set marks events; events that come up later are not in it.
func (r *resolver) set(events []int) []bool {
	in := make([]bool, len(r.ids))
	for _, i := range events {
		in[i] = true
	}
	return in
}

// without is the events that are not among others.
func without(events, others []int) []int {
	skip := make(map[int]bool, len(others))
	for _, i := range others {
		skip[i] = true
	}
	var out []int
	for _, i := range events {
		if !skip[i] {
			out = append(out, i)
		}
	}
	return out
}
