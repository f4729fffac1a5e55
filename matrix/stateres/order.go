package stateres

import (
	"cmp"
	"container/heap"
	"math"
	"slices"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
)

// powerEvents selects the power events: power levels, join rules, and kicks and
// bans. The first two count as the room's only with an empty state key.
//
// Spec: rooms/v2#state-resolution
func (r *resolver) powerEvents(from []int) []int {
	var out []int
	for _, i := range from {
		p := r.pdus[i]
		is := p.Is(event.TypePowerLevels, "") || p.Is(event.TypeJoinRules, "")
		if key, _ := p.StateKey(); p.Type() == event.TypeMember && key != string(p.Sender()) {
			m, err := p.Member()
			is = err == nil && (m.Membership == event.Leave || m.Membership == event.Ban)
		}
		if is {
			out = append(out, i)
		}
	}
	return out
}

// sortPower puts events into the reverse topological power ordering: of those
// whose auth events in the set have all had their turn, always the smallest next.
//
// Spec: rooms/v2#state-resolution
func (r *resolver) sortPower(events []int) ([]int, error) {
	if err := r.loadAuth(events); err != nil {
		return nil, err
	}
	in := r.set(events)
	waits := make(map[int]int, len(events))     // how many auth events are still to come
	waiting := make(map[int][]int, len(events)) // who waits for an event
	ready := &powerQueue{r: r, power: make(map[int]int64, len(events))}
	for _, i := range events {
		level, err := r.senderPower(i)
		if err != nil {
			return nil, err
		}
		ready.power[i] = level
		for _, a := range r.auth(i) {
			if a < len(in) && in[a] && a != i {
				waits[i]++
				waiting[a] = append(waiting[a], i)
			}
		}
		if waits[i] == 0 {
			ready.events = append(ready.events, i)
		}
	}
	heap.Init(ready)
	out := make([]int, 0, len(events))
	for ready.Len() > 0 {
		i := heap.Pop(ready).(int)
		out = append(out, i)
		for _, w := range waiting[i] {
			if waits[w]--; waits[w] == 0 {
				heap.Push(ready, w)
			}
		}
	}
	if len(out) < len(events) { // a circle: only old versions let servers make one
		left := without(events, out)
		slices.SortFunc(left, ready.compare)
		out = append(out, left...)
	}
	return out, nil
}

// powerQueue is a heap of events, the smallest by sender's power, time and ID on top.
type powerQueue struct {
	r      *resolver
	events []int
	power  map[int]int64
}

func (q *powerQueue) compare(x, y int) int {
	if c := cmp.Compare(q.power[y], q.power[x]); c != 0 { // greater power first
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

// senderPower is the power of an event's sender by the event's own auth events.
func (r *resolver) senderPower(i int) (int64, error) {
	auth := r.auth(i)
	if err := r.load(auth); err != nil {
		return 0, err
	}
	state := eventauth.MapState{}
	for _, a := range auth {
		state.Add(r.pdus[a])
	}
	if create := (Key{Type: event.TypeCreate}); state[create] == nil {
		p, err := r.createOf(i)
		if err != nil {
			return 0, err
		}
		state[create] = p
	}
	levels, err := eventauth.ReadLevels(r.rules, state)
	if err != nil {
		return 0, nil // malformed: nobody has power by it
	}
	return levels.User(r.pdus[i].Sender()), nil
}

// createOf is the create event of an event's room: by the room's ID where that
// tells it, else by the state on which all agree.
func (r *resolver) createOf(i int) (*event.PDU, error) {
	e, ok := r.pdus[i].Room().CreateEvent()
	if !r.rules.RoomIDFromCreate || !ok {
		var err error
		if e, ok, err = r.unconflicted(Key{Type: event.TypeCreate}); err != nil {
			return nil, err
		}
	}
	if !ok {
		return nil, ErrNoCreate
	}
	n := r.intern(e)
	if err := r.load([]int{n}); err != nil {
		return nil, err
	}
	if !r.pdus[n].Is(event.TypeCreate, "") {
		return nil, ErrNoCreate
	}
	return r.pdus[n], nil
}

// sortMainline puts events into the mainline ordering based on the power levels
// of a state.
//
// Spec: rooms/v2#state-resolution
func (r *resolver) sortMainline(events []int, s *partialState) ([]int, error) {
	position := map[int]int{} // of power level events: their place in the mainline
	p, found, err := s.lookup(Key{Type: event.TypePowerLevels})
	if err != nil {
		return nil, err
	}
	for n := 0; found; n++ {
		if _, again := position[p]; again {
			break
		}
		position[p] = n
		if p, found, err = r.powerLevelsOf(p); err != nil {
			return nil, err
		}
	}
	if err := r.loadAuth(events); err != nil {
		return nil, err
	}
	order := make(map[int]int, len(events))
	for _, i := range events {
		if order[i], err = r.mainlinePosition(i, position); err != nil {
			return nil, err
		}
	}
	out := slices.Clone(events)
	slices.SortFunc(out, func(x, y int) int {
		if c := cmp.Compare(order[y], order[x]); c != 0 { // greater position first
			return c
		}
		return r.compareTime(x, y)
	})
	return out, nil
}

// mainlinePosition is the position of the first power level event behind an event
// that is on the mainline, and math.MaxInt if none is. It notes what it finds for
// the power level events that it comes through, so that each is gone through once.
func (r *resolver) mainlinePosition(i int, position map[int]int) (int, error) {
	var through []int
	at := math.MaxInt
	p, found, err := r.powerLevelsOf(i)
	for ; found && err == nil; p, found, err = r.powerLevelsOf(p) {
		if n, ok := position[p]; ok {
			at = n
			break
		}
		position[p] = math.MaxInt // also ends the walk in a circle
		through = append(through, p)
	}
	for _, p := range through {
		position[p] = at
	}
	return at, err
}

// powerLevelsOf is the power level event among the auth events of an event.
func (r *resolver) powerLevelsOf(i int) (p int, found bool, err error) {
	if err := r.load([]int{i}); err != nil {
		return 0, false, err
	}
	auth := r.auth(i)
	if err := r.load(auth); err != nil {
		return 0, false, err
	}
	for _, a := range auth {
		if r.pdus[a].Is(event.TypePowerLevels, "") {
			return a, true, nil
		}
	}
	return 0, false, nil
}
