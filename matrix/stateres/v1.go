package stateres

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"slices"

	"github.com/hanse-im/hanse/matrix/event"
)

// resolveV1 is the algorithm of the first room version.
//
// Spec: rooms/v1#state-resolution
func (r *resolver) resolveV1() (StateMap, error) {
	// Start with the union of the states without conflicting events. Here it is no
	// conflict if some states have nothing at a place.
	state := &partialState{r: r, events: map[Key]int{}, unconflicted: true}
	lists := map[Key][]int{}
	for _, i := range r.conflicted {
		k, _ := r.keyOf(i)
		lists[k] = append(lists[k], i)
	}
	for k, list := range lists {
		if len(list) == 1 {
			state.events[k] = list[0]
			delete(lists, k)
		} else {
			r.sortByDepth(list)
		}
	}
	// Resolve conflicts of power levels, then join rules, then members. The
	// specification does not say whether members who are resolved first decide
	// about others: they do not, or it would take an order of members.
	for _, typ := range []string{event.TypePowerLevels, event.TypeJoinRules, event.TypeMember} {
		if err := r.resolveEach(state, lists, r.lastAllowed, typ); err != nil {
			return nil, err
		}
	}
	// No other events affect the rules: pick the deepest that is allowed.
	if err := r.resolveEach(state, lists, r.deepestAllowed, ""); err != nil {
		return nil, err
	}
	return r.winners(state)
}

// resolveEach resolves the conflicts at all places of a type, or of all types that
// are left if it is empty, and puts the outcome into the state.
func (r *resolver) resolveEach(s *partialState, lists map[Key][]int, pick func(*partialState, Key, []int) (int, error), typ string) error {
	won := map[Key]int{}
	for k, list := range lists {
		if typ != "" && k.Type != typ {
			continue
		}
		i, err := pick(s, k, list)
		if err != nil {
			return err
		}
		won[k] = i
		delete(lists, k)
	}
	for k, i := range won {
		s.events[k] = i
	}
	return nil
}

// lastAllowed adds the first event to the state, and then each next one until one
// is not allowed. It leaves the state as it was.
func (r *resolver) lastAllowed(s *partialState, k Key, list []int) (int, error) {
	defer delete(s.events, k)
	s.events[k] = list[0]
	for _, i := range list[1:] {
		allowed, err := r.allowed(i, &stateFor{s: s, i: i})
		if err != nil {
			return 0, err
		}
		if !allowed {
			break
		}
		s.events[k] = i
	}
	return s.events[k], nil
}

// deepestAllowed picks the last event that is allowed. If none is, the first one
// stays: the specification does not say, and servers have always done so.
func (r *resolver) deepestAllowed(s *partialState, _ Key, list []int) (int, error) {
	for _, i := range slices.Backward(list) {
		allowed, err := r.allowed(i, &stateFor{s: s, i: i})
		if err != nil || allowed {
			return i, err
		}
	}
	return list[0], nil
}

// sortByDepth sorts by ascending depth, then by descending SHA-1 of the event ID.
func (r *resolver) sortByDepth(events []int) {
	slices.SortFunc(events, func(x, y int) int {
		if c := cmp.Compare(r.pdus[x].Depth(), r.pdus[y].Depth()); c != 0 {
			return c
		}
		a, b := sha1.Sum([]byte(r.ids[x])), sha1.Sum([]byte(r.ids[y]))
		return bytes.Compare(b[:], a[:])
	})
}
