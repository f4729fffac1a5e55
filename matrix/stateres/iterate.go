package stateres

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"errors"
	"maps"
	"slices"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
)

// partialState is a state that is being put together.
type partialState struct {
	r      *resolver
	events map[Key]int
	// base: what all states agree on counts where events has nothing.
	base bool
}

func (r *resolver) newState(base bool) *partialState {
	return &partialState{r: r, events: map[Key]int{}, base: base}
}

func (s *partialState) lookup(k Key) (i int, ok bool, err error) {
	if i, ok = s.events[k]; ok || !s.base {
		return i, ok, nil
	}
	e, ok, err := s.r.unconflicted(k)
	if err != nil || !ok {
		return 0, false, err
	}
	return s.r.intern(e), true, nil
}

// view is the state against which one event is checked.
type view struct {
	state *partialState
	of    int
	// own: the event's auth events count where the state has nothing.
	own bool
}

// StateEvent implements eventauth.State.
func (v view) StateEvent(typ, stateKey string) (*event.PDU, error) {
	r, k := v.state.r, Key{Type: typ, StateKey: stateKey}
	i, ok, err := v.state.lookup(k)
	if err != nil {
		return nil, err
	}
	if ok {
		if err := r.load([]int{i}); err != nil {
			return nil, err
		}
		return r.pdus[i], nil
	}
	if !v.own {
		return nil, nil
	}
	auth := r.auth(v.of)
	if err := r.load(auth); err != nil {
		return nil, err
	}
	for _, a := range auth {
		if p := r.pdus[a]; p.Is(typ, stateKey) && (r.c.Rejected == nil || !r.c.Rejected(r.ids[a])) {
			return p, nil
		}
	}
	if r.rules.RoomIDFromCreate && typ == event.TypeCreate && stateKey == "" {
		return r.createOf(v.of)
	}
	return nil, nil
}

// allowed checks an event against a state.
func (r *resolver) allowed(i int, s *partialState, own bool) (bool, error) {
	if err := r.load([]int{i}); err != nil {
		return false, err
	}
	err := eventauth.Check(r.pdus[i], view{s, i, own})
	var refused *eventauth.Error
	if errors.As(err, &refused) {
		return false, nil
	}
	return err == nil, err
}

// iterate is the iterative auth checks algorithm.
//
// Spec: rooms/v2#state-resolution
func (r *resolver) iterate(s *partialState, events []int) error {
	if err := r.loadAuth(events); err != nil {
		return err
	}
	for _, i := range events {
		ok, err := r.allowed(i, s, true)
		if err != nil {
			return err
		}
		if key, is := r.pdus[i].StateKey(); ok && is {
			s.events[Key{Type: r.pdus[i].Type(), StateKey: key}] = i
		}
	}
	return nil
}

// resolveV1 is the algorithm of the first room version.
//
// Spec: rooms/v1#state-resolution
func (r *resolver) resolveV1() (StateMap, error) {
	// Start with the union of the states, without what is in conflict: here it is
	// no conflict if some states have no event at a place.
	s := r.newState(true)
	if err := r.load(r.conflicted); err != nil {
		return nil, err
	}
	places := map[Key][]int{}
	for _, i := range r.conflicted {
		key, ok := r.pdus[i].StateKey()
		if !ok {
			return nil, errors.New("state resolution: a state holds " + r.pdus[i].String() + ", which is no state event")
		}
		k := Key{Type: r.pdus[i].Type(), StateKey: key}
		places[k] = append(places[k], i)
	}
	var keys []Key
	for k, events := range places {
		if len(events) == 1 {
			s.events[k] = events[0]
		} else {
			keys = append(keys, k)
		}
	}
	if _, ok, err := s.lookup(Key{Type: event.TypeCreate}); err != nil || !ok {
		return nil, cmp.Or(err, ErrNoCreate)
	}
	slices.SortFunc(keys, func(a, b Key) int { return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.StateKey, b.StateKey)) })
	// Resolve power levels, then join rules, then members, each place by itself:
	// members do not see each other's outcome before all are resolved.
	for _, typ := range []string{event.TypePowerLevels, event.TypeJoinRules, event.TypeMember} {
		won := map[Key]int{}
		for _, k := range keys {
			if k.Type != typ {
				continue
			}
			i, err := r.lastAllowed(s, k, r.sortV1(places[k]))
			if err != nil {
				return nil, err
			}
			won[k] = i
		}
		maps.Copy(s.events, won)
	}
	// Of all others, the one with the highest depth that is allowed.
	for _, k := range keys {
		switch k.Type {
		case event.TypePowerLevels, event.TypeJoinRules, event.TypeMember:
			continue
		}
		sorted := r.sortV1(places[k])
		slices.Reverse(sorted)
		// If none is allowed the lowest stays, as servers have always done: the
		// specification does not say.
		won := sorted[len(sorted)-1]
		for _, i := range sorted {
			ok, err := r.allowed(i, s, false)
			if err != nil {
				return nil, err
			}
			if ok {
				won = i
				break
			}
		}
		s.events[k] = won
	}
	return r.result(s)
}

// lastAllowed takes the first event, and each next one as long as it is allowed
// where the one before stands. The state is left as it was.
func (r *resolver) lastAllowed(s *partialState, k Key, sorted []int) (int, error) {
	won := sorted[0]
	defer delete(s.events, k)
	for _, i := range sorted[1:] {
		s.events[k] = won
		ok, err := r.allowed(i, s, false)
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		won = i
	}
	return won, nil
}

// sortV1 orders by ascending depth, then by descending SHA-1 of the event ID.
func (r *resolver) sortV1(events []int) []int {
	out := slices.Clone(events)
	slices.SortFunc(out, func(x, y int) int {
		if c := cmp.Compare(r.pdus[x].Depth(), r.pdus[y].Depth()); c != 0 {
			return c
		}
		a, b := sha1.Sum([]byte(r.ids[x])), sha1.Sum([]byte(r.ids[y]))
		return bytes.Compare(b[:], a[:])
	})
	return out
}
