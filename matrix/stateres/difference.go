package stateres

import (
	"fmt"
)

// authDifference gives the auth difference of the forks' states.
//
// It is found without looking at what the states agree on, and without walking to
// the room's beginning. Let U be the unconflicted state, and U ∪ F the state of a
// fork that has the events F besides. Call an event settled if it is in U or in
// the auth chain of an event of U.
//
// A settled event belongs to the auth chain of every fork, and so does whatever is
// in its own auth chain. So neither it nor anything behind it is in the difference,
// and no walk needs to go beyond it.
//
// An event that is not settled belongs to the auth chain of a fork if and only if
// a path of auth events leads to it from one of F. No event on that path is
// settled, for then its end were settled too. So walks that start from each F and
// stop at settled events come to every event of the difference; and an event that
// is not settled is in the difference if some, but not all, of the walks come to
// it.
//
// Deviates: the specification counts the auth events of a state and what these
// cite, here the state's own events count as well, because the servers in use
// count them: a room would split. It makes a difference for an event of U that
// only some forks' events cite. It would be in the auth difference, and so be
// replayed, whenever no other event of U cites it.
//
// Spec: rooms/v2#state-resolution
func (r *resolver) authDifference() ([]int, error) {
	if err := r.explore(); err != nil {
		return nil, err
	}
	met := make([]int, len(r.ids)) // how many walks have come here
	at := make([]int, len(r.ids))  // the last one that has, from 1
	var all, stack []int
	for n, fork := range r.forks {
		come := func(events []int) {
			for _, i := range events {
				if at[i] == n+1 || r.cited.has(i) {
					continue
				}
				if met[i] == 0 {
					all = append(all, i)
				}
				met[i]++
				at[i] = n + 1
				stack = append(stack, i)
			}
		}
		come(fork)
		for len(stack) > 0 {
			i := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			come(r.auths[i])
		}
	}
	difference := all[:0]
	for _, i := range all {
		if met[i] < len(r.forks) {
			difference = append(difference, i)
		}
	}
	return difference, nil
}

// explore loads the auth chains of the forks' events, level by level, up to and
// including events that are settled.
func (r *resolver) explore() error {
	var seen set
	var level []int
	for _, fork := range r.forks {
		for _, i := range fork {
			if seen.add(i) {
				level = append(level, i)
			}
		}
	}
	for len(level) > 0 {
		if err := r.load(level); err != nil {
			return err
		}
		if err := r.settle(level); err != nil {
			return err
		}
		var next []int
		for _, i := range level {
			if r.cited.has(i) {
				continue
			}
			for _, a := range r.auths[i] {
				if seen.add(a) {
					next = append(next, a)
				}
			}
		}
		level = next
	}
	return nil
}

// settle finds out which of the loaded events are settled.
func (r *resolver) settle(events []int) error {
	cited, err := r.s.Cited(r.names(events))
	if err != nil {
		return fmt.Errorf("ask for citations of %d events: %w", len(events), err)
	}
	if len(cited) != len(events) {
		return fmt.Errorf("ask for citations: the store gave %d answers for %d events", len(cited), len(events))
	}
	for n, i := range events {
		k, isState := r.keyOf(i)
		if !cited[n] && isState && !r.given.has(i) {
			u, ok, err := r.unconflicted(k)
			if err != nil {
				return err
			}
			cited[n] = ok && u == i
		}
		if cited[n] {
			r.cited.add(i)
		}
	}
	return nil
}

// conflictedSubgraph gives the conflicted state subgraph: what lies on a path of
// auth events from one conflicted event to another.
//
// A path on which an event is settled ends at one that is settled. So where no
// conflicted event is settled, the walks of the auth difference have seen all
// paths; else the store is asked, or the auth chains are walked to their end.
//
// Spec: rooms/v12#definitions
func (r *resolver) conflictedSubgraph() ([]int, error) {
	settled := false
	for _, i := range r.conflicted {
		settled = settled || r.cited.has(i)
	}
	if settled && r.s.Between != nil {
		return r.askBetween()
	}
	citing, err := r.walkBack(settled)
	if err != nil {
		return nil, err
	}
	// Every event that was walked to is behind a conflicted event. Now go the
	// other way, from the conflicted events to those that they are behind.
	var subgraph []int
	var seen set
	for stack := append([]int(nil), r.conflicted...); len(stack) > 0; {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, by := range citing[i] {
			if seen.add(by) {
				subgraph = append(subgraph, by)
				stack = append(stack, by)
			}
		}
	}
	return subgraph, nil
}

// walkBack walks the auth chains of the conflicted events, through what is settled
// or up to there, and gives for each event in them those in them that cite it.
func (r *resolver) walkBack(through bool) (citing map[int][]int, err error) {
	citing = map[int][]int{}
	seen := setOf(r.conflicted)
	for level := r.conflicted; len(level) > 0; {
		if err := r.load(level); err != nil {
			return nil, err
		}
		var next []int
		for _, i := range level {
			if r.cited.has(i) && !through {
				continue
			}
			for _, a := range r.auths[i] {
				citing[a] = append(citing[a], i)
				if seen.add(a) {
					next = append(next, a)
				}
			}
		}
		level = next
	}
	return citing, nil
}

func (r *resolver) askBetween() ([]int, error) {
	between, err := r.s.Between(r.names(r.conflicted))
	if err != nil {
		return nil, fmt.Errorf("ask what is between %d events: %w", len(r.conflicted), err)
	}
	events := make([]int, len(between))
	for n, e := range between {
		events[n] = r.intern(e)
	}
	return events, r.load(events)
}
