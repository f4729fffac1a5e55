package stateres

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
)

// isPower reports whether a loaded event is a power event: power levels, join
// rules, kicks and bans.
//
// Deviates: power levels and join rules with a state key are none, although the
// specification does not say so, because they have no power in any rule, and the
// servers in use do not take them for such.
//
// Spec: rooms/v2#state-resolution
func (r *resolver) isPower(i int) bool {
	p := r.pdus[i]
	if p.Is(event.TypePowerLevels, "") || p.Is(event.TypeJoinRules, "") {
		return true
	}
	key, isState := p.StateKey()
	if !isState || p.Type() != event.TypeMember || key == string(p.Sender()) {
		return false
	}
	m, err := p.Member()
	return err == nil && (m.Membership == event.Leave || m.Membership == event.Ban)
}

// powerEvents gives the power events of the full conflicted set, and with each
// what the set has of its auth chain.
//
// Deviates: in v2 an event of the set can be in the auth chain of a power event
// only by way of events that are not in the set. Then it is left out, because the
// servers in use do not look there. In v2.1 there is no such way: an event between
// two of the set is in the set.
//
// Spec: rooms/v2#state-resolution
func (r *resolver) powerEvents(full []int) []int {
	var x []int
	for _, i := range full {
		if r.isPower(i) {
			x = append(x, i)
		}
	}
	in, seen := setOf(full), setOf(x)
	for n := 0; n < len(x); n++ {
		for _, a := range r.auths[x[n]] {
			if in.has(a) && seen.add(a) {
				x = append(x, a)
			}
		}
	}
	return x
}

// sortByPower gives events in the reverse topological power ordering. It is Kahn's
// algorithm: the next is always the smallest of those whose auth events among the
// events have all had their turn.
//
// Auth events that go in a circle, which servers could make where they choose
// event IDs, never get a turn, and so nothing that builds on them: these come
// last, the smallest first.
//
// Spec: rooms/v2#state-resolution
func (r *resolver) sortByPower(events []int) ([]int, error) {
	in := setOf(events)
	waits := make([]int, len(r.ids))     // for how many auth events
	waiting := make([][]int, len(r.ids)) // who waits for an event
	ready := &powerQueue{r: r, power: make([]int64, len(r.ids))}
	for _, i := range events {
		power, err := r.senderPower(i)
		if err != nil {
			return nil, err
		}
		ready.power[i] = power
		for _, a := range r.auths[i] {
			if in.has(a) {
				waits[i]++
				waiting[a] = append(waiting[a], i)
			}
		}
		if waits[i] == 0 {
			ready.events = append(ready.events, i)
		}
	}
	heap.Init(ready)
	sorted := make([]int, 0, len(events))
	for ready.Len() > 0 {
		i := heap.Pop(ready).(int)
		sorted = append(sorted, i)
		for _, w := range waiting[i] {
			if waits[w]--; waits[w] == 0 {
				heap.Push(ready, w)
			}
		}
	}
	left := without(events, setOf(sorted))
	slices.SortFunc(left, ready.compare)
	return append(sorted, left...), nil
}

// powerQueue is a heap of events with the smallest on top.
type powerQueue struct {
	r      *resolver
	events []int
	power  []int64 // of an event's sender
}

// compare is the relation of the reverse topological power ordering: greater power
// first, then the earlier time, then the smaller ID.
func (q *powerQueue) compare(x, y int) int {
	if c := cmp.Compare(q.power[y], q.power[x]); c != 0 {
		return c
	}
	return q.r.compareTime(x, y)
}

func (q *powerQueue) Len() int           { return len(q.events) }
func (q *powerQueue) Less(i, j int) bool { return q.compare(q.events[i], q.events[j]) < 0 }
func (q *powerQueue) Swap(i, j int)      { q.events[i], q.events[j] = q.events[j], q.events[i] }
func (q *powerQueue) Push(x any)         { q.events = append(q.events, x.(int)) }
func (q *powerQueue) Pop() any {
	last := q.events[len(q.events)-1]
	q.events = q.events[:len(q.events)-1]
	return last
}

// compareTime orders by origin_server_ts, then by event ID.
func (r *resolver) compareTime(x, y int) int {
	if c := cmp.Compare(r.pdus[x].OriginServerTS(), r.pdus[y].OriginServerTS()); c != 0 {
		return c
	}
	return cmp.Compare(r.ids[x], r.ids[y])
}

// senderPower is the power of an event's sender by the event's auth events; 0 if
// these have no create event or levels that cannot be read, neither of which is
// ever accepted.
func (r *resolver) senderPower(i int) (int64, error) {
	levels, err := eventauth.ReadLevels(r.rules, authState{r, i})
	switch err.(type) {
	case nil:
		return levels.User(r.pdus[i].Sender()), nil
	case *event.Error:
		return 0, nil
	}
	return 0, err
}

// authState is the auth events of an event, whether rejected or not.
type authState struct {
	r *resolver
	i int
}

// StateEvent implements eventauth.State.
func (s authState) StateEvent(typ, stateKey string) (*event.PDU, error) {
	a, ok := s.r.authEvent(s.i, Key{Type: typ, StateKey: stateKey})
	if !ok {
		return nil, nil
	}
	if err := s.r.load([]int{a}); err != nil {
		return nil, err
	}
	return s.r.pdus[a], nil
}
