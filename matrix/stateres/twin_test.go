package stateres_test

import (
	"crypto/sha1"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
	"github.com/hanse-im/hanse/matrix/stateres"
)

// twin resolves whole states as slowly and obviously as the definitions are
// written, with sets of events and recursion. It shares nothing with the package
// but the authorisation rules. It deviates where the package says that it does.
type twin struct {
	rules    *roomver.Rules
	events   map[id.Event]*event.PDU
	chains   map[id.Event]set
	rejected set
}

func newTwin(d *dag) *twin {
	return &twin{rules: d.rules, events: d.events, chains: map[id.Event]set{}, rejected: set{}}
}

type set map[id.Event]bool

func (t *twin) chain(e id.Event) set {
	if c, ok := t.chains[e]; ok {
		return c
	}
	c := set{}
	for _, a := range t.events[e].AuthEvents() {
		c[a] = true
		for b := range t.chain(a) {
			c[b] = true
		}
	}
	t.chains[e] = c
	return c
}

func keyOf(p *event.PDU) stateres.Key {
	k, _ := p.StateKey()
	return stateres.Key{Type: p.Type(), StateKey: k}
}

// divide gives the unconflicted state map and the conflicted state set.
func divide(states []stateres.StateMap) (unconflicted stateres.StateMap, conflicted set) {
	unconflicted, conflicted = stateres.StateMap{}, set{}
	for _, s := range states {
		for k, e := range s {
			same := true
			for _, o := range states {
				same = same && o[k] == e
			}
			if same {
				unconflicted[k] = e
			} else {
				conflicted[e] = true
			}
		}
	}
	return unconflicted, conflicted
}

func (t *twin) resolve(states []stateres.StateMap) stateres.StateMap {
	if t.rules.StateRes == roomver.StateResV1 {
		return t.resolveV1(states)
	}
	unconflicted, conflicted := divide(states)
	full := t.full(states, conflicted)
	x := set{}
	for e := range full {
		if t.isPower(e) {
			t.enlarge(x, full, e)
		}
	}
	state := stateres.StateMap{}
	if t.rules.StateRes == roomver.StateResV2 {
		maps.Copy(state, unconflicted)
	}
	t.iterate(state, t.powerOrder(x))
	var rest []id.Event
	for e := range full {
		if !x[e] {
			rest = append(rest, e)
		}
	}
	t.iterate(state, t.mainlineOrder(rest, state[stateres.Key{Type: event.TypePowerLevels}]))
	maps.Copy(state, unconflicted)
	return state
}

// full is the full conflicted set.
func (t *twin) full(states []stateres.StateMap, conflicted set) set {
	full := maps.Clone(conflicted)
	for _, s := range states { // the union of all chains, without their intersection
		for _, e := range s {
			for a := range t.chain(e) {
				for _, o := range states {
					if !t.inChainOf(o, a) {
						full[a] = true
					}
				}
			}
		}
	}
	if t.rules.StateRes == roomver.StateResV21 {
		maps.Copy(full, t.subgraph(conflicted))
	}
	return full
}

// inChainOf: the event is in a state or in the auth chain of an event of it.
func (t *twin) inChainOf(s stateres.StateMap, a id.Event) bool {
	for _, e := range s {
		if e == a || t.chain(e)[a] {
			return true
		}
	}
	return false
}

// subgraph is what is on a path from one of the events to another.
func (t *twin) subgraph(ends set) set {
	out := set{}
	for from := range ends {
		for to := range ends {
			if !t.chain(from)[to] {
				continue
			}
			out[from], out[to] = true, true
			for e := range t.chain(from) {
				if t.chain(e)[to] {
					out[e] = true
				}
			}
		}
	}
	return out
}

// enlarge adds an event, and what belongs to the full set of its auth events, of
// their auth events, and so on.
func (t *twin) enlarge(x, full set, e id.Event) {
	x[e] = true
	for _, a := range t.events[e].AuthEvents() {
		if full[a] && !x[a] {
			t.enlarge(x, full, a)
		}
	}
}

func (t *twin) isPower(e id.Event) bool {
	p := t.events[e]
	if p.Is(event.TypePowerLevels, "") || p.Is(event.TypeJoinRules, "") {
		return true
	}
	m, err := p.Member()
	k, _ := p.StateKey()
	return err == nil && (m.Membership == "leave" || m.Membership == "ban") && k != string(p.Sender())
}

func (t *twin) power(e id.Event) int64 {
	state := eventauth.MapState{}
	p := t.events[e]
	for _, a := range p.AuthEvents() {
		state.Add(t.events[a])
	}
	if t.rules.RoomIDFromCreate {
		create, _ := p.Room().CreateEvent()
		state.Add(t.events[create])
	}
	levels, err := eventauth.ReadLevels(t.rules, state)
	if err != nil {
		return 0
	}
	return levels.User(p.Sender())
}

func (t *twin) powerOrder(x set) []id.Event {
	var out []id.Event
	for len(out) < len(x) {
		best := id.Event("")
		for e := range x {
			ready := !slices.Contains(out, e)
			for _, a := range t.events[e].AuthEvents() {
				ready = ready && (!x[a] || slices.Contains(out, a))
			}
			if ready && (best == "" || t.smaller(e, best, t.power(e), t.power(best))) {
				best = e
			}
		}
		out = append(out, best)
	}
	return out
}

// smaller compares by a number, greater first, then time and ID.
func (t *twin) smaller(x, y id.Event, nx, ny int64) bool {
	if nx != ny {
		return nx > ny
	}
	if a, b := t.events[x].OriginServerTS(), t.events[y].OriginServerTS(); a != b {
		return a < b
	}
	return x < y
}

func (t *twin) powerLevels(e id.Event) id.Event {
	for _, a := range t.events[e].AuthEvents() {
		if t.events[a].Is(event.TypePowerLevels, "") {
			return a
		}
	}
	return ""
}

func (t *twin) mainlineOrder(events []id.Event, p id.Event) []id.Event {
	var mainline []id.Event
	for ; p != ""; p = t.powerLevels(p) {
		mainline = append(mainline, p)
	}
	position := func(e id.Event) int64 {
		for p := t.powerLevels(e); p != ""; p = t.powerLevels(p) {
			if i := slices.Index(mainline, p); i >= 0 {
				return int64(i)
			}
		}
		return math.MaxInt64
	}
	out := slices.Clone(events)
	slices.SortFunc(out, func(x, y id.Event) int {
		if t.smaller(x, y, position(x), position(y)) {
			return -1
		}
		return 1
	})
	return out
}

func (t *twin) iterate(state stateres.StateMap, events []id.Event) {
	for _, e := range events {
		p := t.events[e]
		if t.allowed(p, state, true) {
			state[keyOf(p)] = e
		}
	}
}

func (t *twin) allowed(p *event.PDU, state stateres.StateMap, own bool) bool {
	check := eventauth.MapState{}
	if own {
		for _, a := range p.AuthEvents() {
			if !t.rejected[a] {
				check.Add(t.events[a])
			}
		}
		if t.rules.RoomIDFromCreate {
			create, _ := p.Room().CreateEvent()
			check.Add(t.events[create])
		}
	}
	for _, e := range state {
		check.Add(t.events[e])
	}
	return eventauth.Check(p, check) == nil
}

func (t *twin) resolveV1(states []stateres.StateMap) stateres.StateMap {
	all := map[stateres.Key]set{}
	for _, s := range states {
		for k, e := range s {
			if all[k] == nil {
				all[k] = set{}
			}
			all[k][e] = true
		}
	}
	state := stateres.StateMap{}
	lists := map[stateres.Key][]id.Event{}
	for k, events := range all {
		for e := range events {
			if len(events) == 1 {
				state[k] = e
			} else {
				lists[k] = append(lists[k], e)
			}
		}
		slices.SortFunc(lists[k], func(x, y id.Event) int {
			if a, b := t.events[x].Depth(), t.events[y].Depth(); a != b {
				return int(a - b)
			}
			a, b := sha1.Sum([]byte(x)), sha1.Sum([]byte(y))
			return strings.Compare(string(b[:]), string(a[:]))
		})
	}
	for _, typ := range []string{event.TypePowerLevels, event.TypeJoinRules, event.TypeMember} {
		won := stateres.StateMap{}
		for k, list := range lists {
			if k.Type != typ {
				continue
			}
			trial := stateres.StateMap{}
			for l, e := range state {
				trial[l] = e
			}
			trial[k] = list[0]
			for _, e := range list[1:] {
				if !t.allowed(t.events[e], trial, false) {
					break
				}
				trial[k] = e
			}
			won[k] = trial[k]
		}
		for k, e := range won {
			state[k] = e
			delete(lists, k)
		}
	}
	for k, list := range lists {
		won := list[0]
		for _, e := range slices.Backward(list) {
			if t.allowed(t.events[e], state, false) {
				won = e
				break
			}
		}
		defer func() { state[k] = won }() // others do not decide about each other
	}
	return state
}
