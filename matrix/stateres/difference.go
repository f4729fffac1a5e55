package stateres

import (
	"fmt"

	"github.com/hanse-im/hanse/matrix/id"
)

// authDifference gives the auth difference of the forks' states.
//
// It is found without looking at what the states agree on, and without walking
// to the room's beginning. Let U be the unconflicted state, and S = U ∪ F the
// state of a fork that has the events F besides. An event that is cited by U, in
// the auth chain of one of U's events, is in the auth chain of every S, and so is
// everything in its own auth chain: neither it nor any event behind it is in the
// difference, and a walk need not go beyond it. An event that is not cited by U
// is in the auth chain of S if and only if a path of auth events leads to it from
// one of F; and no event on that path is cited, for then its end were cited too.
// So walks from each F that stop at cited events meet every event of the
// difference, and an uncited event is in it if some but not all of them meet it.
//
// Spec: rooms/v2#definitions
func (r *resolver) authDifference() ([]int, error) {
	if err := r.explore(); err != nil {
		return nil, err
	}
	met := make([]int, len(r.ids))  // by how many forks
	last := make([]int, len(r.ids)) // the last fork that met it, from 1
	var all, stack []int
	for f, events := range r.forks {
		stack = stack[:0]
		meet := func(i int) {
			if last[i] != f+1 && !r.cited[i] {
				if last[i] = f + 1; met[i] == 0 {
					all = append(all, i)
				}
				met[i]++
				stack = append(stack, i)
			}
		}
		for _, i := range events {
			if !r.cited[i] {
				for _, a := range r.auths[i] {
					meet(a)
				}
			}
		}
		for len(stack) > 0 {
			i := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for _, a := range r.auths[i] {
				meet(a)
			}
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

// explore loads the forks' events and, level by level, their auth chains as far as
// they are not cited by the unconflicted state; and one level beyond.
func (r *resolver) explore() error {
	var level []int
	seen := map[int]bool{}
	for _, events := range r.forks {
		for _, i := range events {
			if !seen[i] {
				seen[i] = true
				level = append(level, i)
			}
		}
	}
	for len(level) > 0 {
		if err := r.load(level); err != nil {
			return err
		}
		if err := r.askCited(level); err != nil {
			return err
		}
		var next []int
		for _, i := range level {
			if r.cited[i] {
				continue
			}
			for _, a := range r.auths[i] {
				if !seen[a] {
					seen[a] = true
					next = append(next, a)
				}
			}
		}
		level = next
	}
	return nil
}

func (r *resolver) askCited(events []int) error {
	ask := make([]id.Event, len(events))
	for n, i := range events {
		ask[n] = r.ids[i]
	}
	cited, err := r.s.Cited(ask)
	if err != nil {
		return fmt.Errorf("ask who is cited: %w", err)
	}
	if len(cited) != len(ask) {
		return fmt.Errorf("ask who is cited: the store gave %d answers for %d events", len(cited), len(ask))
	}
	for n, i := range events {
		r.cited[i] = cited[n]
	}
	return nil
}

// subgraph gives the conflicted state subgraph: what lies on a path of auth events
// from one conflicted event to another.
//
// Every event that the walk above has met can be reached from a conflicted event.
// A path may lead through events that are cited, but then its end is cited too. So
// where no conflicted event is cited, all paths have been walked; else the store is
// asked for the events between, or the walk is taken to its end.
//
// Spec: rooms/v12#definitions
func (r *resolver) subgraph() ([]int, error) {
	through := false
	for _, i := range r.conflicted {
		through = through || r.cited[i]
	}
	if through && r.s.Between != nil {
		return r.askBetween()
	}
	// What can be reached, and who cites it.
	var reached []int
	seen := make(map[int]bool)
	citing := make(map[int][]int)
	for _, i := range r.conflicted {
		seen[i] = true
	}
	for level := r.conflicted; len(level) > 0; {
		if err := r.load(level); err != nil {
			return nil, err
		}
		var next []int
		for _, i := range level {
			if r.cited[i] && !through {
				continue
			}
			for _, a := range r.auths[i] {
				citing[a] = append(citing[a], i)
				if !seen[a] {
					seen[a] = true
					next = append(next, a)
				}
			}
		}
		level = next
	}
	// Of that, what a conflicted event can be reached from.
	between := make(map[int]bool)
	stack := append([]int(nil), r.conflicted...)
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, by := range citing[i] {
			if !between[by] {
				between[by] = true
				reached = append(reached, by)
				stack = append(stack, by)
			}
		}
	}
	return reached, nil
}

func (r *resolver) askBetween() ([]int, error) {
	ask := make([]id.Event, len(r.conflicted))
	for n, i := range r.conflicted {
		ask[n] = r.ids[i]
	}
	between, err := r.s.Between(ask)
	if err != nil {
		return nil, fmt.Errorf("ask what is between: %w", err)
	}
	events := make([]int, len(between))
	for n, e := range between {
		events[n] = r.intern(e)
	}
	return events, r.load(events)
}

// union is the events of either list, each once.
func union(a, b []int) []int {
	return append(a[:len(a):len(a)], without(b, a)...)
}

// withChains adds to power events what of the full conflicted set is in their auth
// chains. Paths that leave the set and come back lie in the subgraph.
func (r *resolver) withChains(power, full, subgraph []int) []int {
	in := r.set(full)
	pass := r.set(full)
	for _, i := range subgraph {
		pass[i] = true
	}
	seen := r.set(power)
	stack := append([]int(nil), power...)
	x := append([]int(nil), power...)
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, a := range r.auths[i] {
			if a < len(pass) && pass[a] && !seen[a] {
				seen[a] = true
				stack = append(stack, a)
				if in[a] {
					x = append(x, a)
				}
			}
		}
	}
	return x
}
