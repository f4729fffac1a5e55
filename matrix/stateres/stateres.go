// Package stateres resolves the diverging states of a room's forks into one, by
// the algorithm of the room's version: v1, v2 or v2.1.
//
// It is pure: events come through two functions of a Store, and what the forks
// agree on is only asked for by key. So the work grows with the conflict and not
// with the room. The result depends on nothing but the events: not on the order
// of the forks, of maps, or of arrival. Nothing is recursive, malicious graphs
// with cycles end as any other, and an error is always passed on: a state that
// was resolved without an event which should have had a part in it would split
// the room.
//
//	conflict := &stateres.Conflict{Unconflicted: snapshot.Event, Forks: []stateres.StateMap{left, right}, Rejected: rejected}
//	winners, err := stateres.Resolve(rules, conflict, graph.Store(conflict, db.Events))
//
// Here graph is a Graph that the caller keeps for the room, which answers for
// citations; any other Store will do. Who has whole states in memory uses
// ResolveMaps.
//
// Where the servers in use all differ from the letter of the specification, this
// package does as they do, as rooms would split else. The three places are marked
// with Deviates, in authDifference, powerEvents and isPower.
//
// Spec: rooms/v1#state-resolution, rooms/v2#state-resolution, rooms/v12#state-resolution
package stateres

import (
	"errors"
	"fmt"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// Key is a place in a room's state.
type Key = eventauth.Key

// StateMap is a state, or a part of one: the event at each place.
type StateMap = map[Key]id.Event

// ErrNoCreate says that an event was to be checked for which no create event can
// be found: not in the state, not among its auth events, not by the room's ID.
var ErrNoCreate = errors.New("no create event can be reached")

// MissingError says that the store does not have an event that the resolution
// needs.
type MissingError struct {
	Event id.Event
}

// Error names the event.
func (e *MissingError) Error() string { return "event " + string(e.Event) + " is missing" }

// Store is what Resolve asks of storage. An error of one of its functions comes
// back from Resolve wrapped.
type Store struct {
	// Events gives events, as many as were asked for and in the same order; nil
	// for one that is not known. No ID is asked for twice in a resolution.
	Events func(ids []id.Event) ([]*event.PDU, error)
	// Cited says for each event whether it is in the auth chain of an event of
	// the unconflicted state. The answers must be exact. It is not asked for rooms
	// of the first algorithm.
	Cited func(ids []id.Event) ([]bool, error)
	// Between gives the conflicted state subgraph: every event on a path along
	// auth events from one of the given events to another. Without it, Resolve
	// loads the auth chains of the conflicted events where it has to look for
	// such paths. It is asked by v2.1 only, and only if a conflicted event is
	// cited by the unconflicted state.
	//
	// Spec: rooms/v12#definitions
	Between func(ids []id.Event) ([]id.Event, error)
}

// Conflict is the states to be resolved, apart from what they agree on.
type Conflict struct {
	// Unconflicted gives the event that all states have at a place. It is only
	// asked for places that none of the Forks has, so that a reader of any of the
	// states will do. It must not be nil.
	Unconflicted func(Key) (id.Event, bool, error)
	// Forks has one map for each state, with the places at which not all states
	// have the same event; a state without an event there leaves it out.
	Forks []StateMap
	// Rejected says of an auth event whether it was rejected; nil if none was.
	Rejected func(id.Event) bool
}

// Resolve returns the event that wins at each place in conflict. Places that no
// event wins are absent. In rare cases there are places which no state has, where
// an event of the auth chains was found to hold; never one of the unconflicted
// state. The state after the conflict is the unconflicted one with the result put
// over it.
//
// c and s are only read, the result is new. Errors: ErrNoCreate, *MissingError,
// what the store's functions returned, all wrapped. There is no partial result.
//
// Cost: O(n log n) for the n events of the full conflicted set and their auth
// events, plus the steps to the nearest power levels that these have in common.
//
// Spec: rooms/v1#state-resolution, rooms/v2#state-resolution, rooms/v12#state-resolution
func Resolve(rules *roomver.Rules, c *Conflict, s *Store) (StateMap, error) {
	if len(c.Forks) == 0 {
		return StateMap{}, nil
	}
	winners, err := newResolver(rules, c, s).resolve()
	if err != nil {
		return nil, fmt.Errorf("resolve state: %w", err)
	}
	return winners, nil
}

// resolve reads as the specification does.
//
// Spec: rooms/v2#state-resolution, rooms/v12#state-resolution
func (r *resolver) resolve() (StateMap, error) {
	if len(r.conflicted) == 0 {
		return r.winners(&partialState{r: r})
	}
	if err := r.loadForks(); err != nil {
		return nil, err
	}
	if r.rules.StateRes == roomver.StateResV1 {
		return r.resolveV1()
	}
	full, err := r.fullConflictedSet()
	if err != nil {
		return nil, err
	}
	// 1. Select the power events of the full conflicted set, and what of their
	// auth chains belongs to it; sort these by reverse topological power ordering.
	x := r.powerEvents(full)
	sorted, err := r.sortByPower(x)
	if err != nil {
		return nil, err
	}
	// 2. Apply the iterative auth checks to them, starting from the unconflicted
	// state, in v2.1 from nothing.
	state := &partialState{r: r, events: map[Key]int{}}
	if r.rules.StateRes == roomver.StateResV2 {
		state.unconflicted = true
	}
	if err := r.authChecks(state, sorted); err != nil {
		return nil, err
	}
	// 3. Sort all others by the mainline ordering based on the power levels that
	// have come out.
	rest, err := r.sortByMainline(without(full, setOf(x)), state)
	if err != nil {
		return nil, err
	}
	// 4. Apply the iterative auth checks to these, starting from that state.
	if err := r.authChecks(state, rest); err != nil {
		return nil, err
	}
	// 5. What is unconflicted stays as it is.
	return r.winners(state)
}

// fullConflictedSet gives the full conflicted set, and loads its auth events.
//
// Spec: rooms/v2#state-resolution, rooms/v12#definitions
func (r *resolver) fullConflictedSet() ([]int, error) {
	// It is the union of the conflicted state set, the auth difference,
	difference, err := r.authDifference()
	if err != nil {
		return nil, err
	}
	full := join(r.conflicted, difference)
	// and in v2.1 the conflicted state subgraph.
	if r.rules.StateRes == roomver.StateResV21 {
		subgraph, err := r.conflictedSubgraph()
		if err != nil {
			return nil, err
		}
		full = join(full, subgraph)
	}
	return full, r.loadAuth(full)
}

// winners is what a state has at the places in conflict, and where the
// unconflicted state has nothing.
func (r *resolver) winners(s *partialState) (StateMap, error) {
	out := make(StateMap, len(r.agreed))
	for k, i := range s.events {
		_, taken, err := r.unconflicted(k)
		if err != nil {
			return nil, err
		}
		if !taken {
			out[k] = r.ids[i]
		}
	}
	for k, e := range r.c.Forks[0] {
		if r.agreed[k] >= 0 {
			out[k] = e
		}
	}
	return out, nil
}
