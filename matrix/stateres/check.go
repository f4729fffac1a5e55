package stateres

import (
	"errors"
	"fmt"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
)

// partialState is a state that is being put together.
type partialState struct {
	r      *resolver
	events map[Key]int
	// unconflicted: where events has nothing, the unconflicted state counts.
	unconflicted bool
}

func (s *partialState) lookup(k Key) (i int, ok bool, err error) {
	if i, ok = s.events[k]; ok || !s.unconflicted {
		return i, ok, nil
	}
	return s.r.unconflicted(k)
}

// authChecks is the iterative auth checks algorithm: events are applied to the
// state one after the other, if they are allowed by then.
//
// Spec: rooms/v2#state-resolution
func (r *resolver) authChecks(s *partialState, events []int) error {
	if err := s.prefetch(events); err != nil {
		return err
	}
	f := &stateFor{s: s, own: true}
	for _, i := range events {
		k, isState := r.keyOf(i)
		if !isState {
			continue // an auth event that should never have been accepted
		}
		f.i = i
		allowed, err := r.allowed(i, f)
		if err != nil {
			return err
		}
		if allowed {
			s.events[k] = i
		}
	}
	return nil
}

// prefetch loads in one request what checking the events will look up in the
// unconflicted state.
func (s *partialState) prefetch(events []int) error {
	if !s.unconflicted {
		return nil
	}
	var load []int
	for _, i := range events {
		for _, k := range eventauth.Keys(s.r.rules, eventauth.SubjectOf(s.r.pdus[i])) {
			u, ok, err := s.r.unconflicted(k)
			if err != nil {
				return err
			}
			if ok && !s.r.asked.has(u) {
				load = append(load, u)
			}
		}
	}
	return s.r.load(load)
}

// allowed checks an event against a state.
func (r *resolver) allowed(i int, state eventauth.State) (bool, error) {
	err := eventauth.Check(r.pdus[i], state)
	var refused *eventauth.Error
	if errors.As(err, &refused) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("check %s: %w", r.pdus[i], err)
	}
	return true, nil
}

// stateFor is the state against which one event is checked.
type stateFor struct {
	s *partialState
	i int
	// own: where the state has nothing, the event's own auth events count.
	own bool
}

// StateEvent implements eventauth.State.
func (f *stateFor) StateEvent(typ, stateKey string) (*event.PDU, error) {
	r, k := f.s.r, Key{Type: typ, StateKey: stateKey}
	i, ok, err := f.s.lookup(k)
	if !ok && err == nil && f.own {
		// If a key that is required is not present in the state, the event's auth
		// event is used if that is not rejected.
		i, ok = r.authEvent(f.i, k)
		ok = ok && (r.c.Rejected == nil || !r.c.Rejected(r.ids[i]))
	}
	switch {
	case err != nil:
		return nil, err
	case ok:
		if err := r.load([]int{i}); err != nil {
			return nil, err
		}
		return r.pdus[i], nil
	case k == Key{Type: event.TypeCreate}:
		return nil, ErrNoCreate
	}
	return nil, nil
}

// authEvent is the auth event that an event has for a place. Where the room's ID
// is that of its create event, this belongs to the auth events without being named.
func (r *resolver) authEvent(i int, k Key) (a int, ok bool) {
	for _, a := range r.auths[i] {
		if r.pdus[a].Is(k.Type, k.StateKey) {
			return a, true
		}
	}
	if r.rules.RoomIDFromCreate && k == (Key{Type: event.TypeCreate}) {
		if create, ok := r.pdus[i].Room().CreateEvent(); ok {
			return r.intern(create), true
		}
	}
	return 0, false
}
