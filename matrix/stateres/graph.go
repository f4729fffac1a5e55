package stateres

import (
	"slices"
	"strings"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
)

// Graph is the auth graph of one room: which event cites which as an auth event.
// It is kept by the caller, who adds every event that can be in a state or in an
// auth chain as it comes in, rejected ones too. It answers what Resolve asks about
// citations, and what other servers ask about auth chains, without loading events.
//
// An event takes about 250 bytes. An answer usually takes a few steps from the
// events asked about, and never more than one through each citation. Reading may
// be concurrent, adding may not.
type Graph struct {
	numbers map[id.Event]int32
	// nodes in the order in which they were added: an event stands behind those
	// that it cites, so that there are no circles and numbers are an order of time.
	nodes []graphNode
	edges []graphEdge
	types map[string]string // one copy of each type
}

type graphNode struct {
	id  id.Event
	key Key
	// cites is the first of the edges to the auth events, which end where those of
	// the next node begin.
	cites int32
	// citing is the newest edge that leads here, or none.
	citing int32
}

// graphEdge says that an event cites another.
type graphEdge struct {
	from, to int32
	older    int32 // the next older edge with the same to, or none
}

const none = -1

// NewGraph is a graph without events.
func NewGraph() *Graph { return &Graph{numbers: map[id.Event]int32{}, types: map[string]string{}} }

// Len is the number of events.
func (g *Graph) Len() int { return len(g.nodes) }

// Has reports whether an event is in the graph.
func (g *Graph) Has(e id.Event) bool {
	_, ok := g.numbers[e]
	return ok
}

// Add puts events into the graph. What they cite must be in it or stand before
// them, else it returns a *MissingError with what is missing; then only the events
// before are in. Events that are in the graph already are passed over. Nothing of
// an event is kept but copies of its ID and place.
func (g *Graph) Add(events ...*event.PDU) error {
	for _, p := range events {
		if g.Has(p.ID()) {
			continue
		}
		cites, err := g.find(p.AuthEvents())
		if err != nil {
			return err
		}
		slices.Sort(cites)
		n := int32(len(g.nodes))
		g.nodes = append(g.nodes, graphNode{id: id.Event(strings.Clone(string(p.ID()))), key: g.keyOf(p), cites: int32(len(g.edges)), citing: none})
		for _, to := range slices.Compact(cites) {
			g.edges = append(g.edges, graphEdge{from: n, to: to, older: g.nodes[to].citing})
			g.nodes[to].citing = int32(len(g.edges)) - 1
		}
		g.numbers[g.nodes[n].id] = n
	}
	return nil
}

// keyOf is an event's place; one that no event can have for what is no state event.
func (g *Graph) keyOf(p *event.PDU) Key {
	key, isState := p.StateKey()
	if !isState {
		return Key{}
	}
	typ, ok := g.types[p.Type()]
	if !ok {
		typ = strings.Clone(p.Type())
		g.types[typ] = typ
	}
	return Key{Type: typ, StateKey: strings.Clone(key)}
}

func (g *Graph) find(events []id.Event) ([]int32, error) {
	out := make([]int32, len(events))
	for i, e := range events {
		n, ok := g.numbers[e]
		if !ok {
			return nil, &MissingError{Event: e}
		}
		out[i] = n
	}
	return out, nil
}

// cites is the edges from an event to those that it cites.
func (g *Graph) cites(n int32) []graphEdge {
	end := len(g.edges)
	if int(n)+1 < len(g.nodes) {
		end = int(g.nodes[n+1].cites)
	}
	return g.edges[g.nodes[n].cites:end]
}

// behind is the events that can be reached from some by one or more citations,
// oldest first. It does not go behind events that are as old as stop.
func (g *Graph) behind(from []int32, stop int32) []int32 {
	var out []int32
	seen := map[int32]bool{}
	for stack := slices.Clone(from); len(stack) > 0; {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if n <= stop {
			continue
		}
		for _, e := range g.cites(n) {
			if !seen[e.to] {
				seen[e.to] = true
				out = append(out, e.to)
				stack = append(stack, e.to)
			}
		}
	}
	slices.Sort(out)
	return out
}

func (g *Graph) names(nodes []int32) []id.Event {
	out := make([]id.Event, len(nodes))
	for i, n := range nodes {
		out[i] = g.nodes[n].id
	}
	return out
}

// Chain is the auth chains of events, without duplicates, each event behind those
// that it cites. The events themselves are in it only where others cite them. The
// error is a *MissingError.
//
// Spec: rooms/v2#state-resolution, server-server-api#retrieving-event-authorisation-information
func (g *Graph) Chain(of ...id.Event) ([]id.Event, error) {
	from, err := g.find(of)
	if err != nil {
		return nil, err
	}
	return g.names(g.behind(from, none)), nil
}

// Between is the conflicted state subgraph of events: what is on a path along auth
// events from one of them to another, both ends included, oldest first. The error
// is a *MissingError.
//
// Spec: rooms/v12#definitions
func (g *Graph) Between(events []id.Event) ([]id.Event, error) {
	ends, err := g.find(events)
	if err != nil || len(ends) == 0 {
		return nil, err
	}
	slices.Sort(ends)
	ends = slices.Compact(ends)
	// What is not younger than the oldest of them has none of them behind it.
	behind := g.behind(ends, ends[0])
	all := append(slices.Clone(ends), behind...)
	slices.Sort(all)
	var out []int32
	reaches := make(map[int32]bool, len(all)) // one of the ends, or is one
	for _, n := range slices.Compact(all) {   // what n cites has been looked at
		leads := false
		for _, e := range g.cites(n) {
			leads = leads || reaches[e.to]
		}
		_, isEnd := slices.BinarySearch(ends, n)
		_, isBehind := slices.BinarySearch(behind, n)
		if leads || isEnd && isBehind {
			out = append(out, n)
		}
		reaches[n] = leads || isEnd
	}
	return g.names(out), nil
}

// Store makes a Store for one resolution of a conflict: events come from the given
// function, the rest from the graph, in which all of them must be. Its functions
// must not be called concurrently, and nothing may be added meanwhile.
func (g *Graph) Store(c *Conflict, events func([]id.Event) ([]*event.PDU, error)) *Store {
	q := &citations{g: g, c: c, known: map[int32]bool{}}
	return &Store{Events: events, Cited: q.cited, Between: g.Between}
}

// citations answers for one conflict who is cited by the unconflicted state.
type citations struct {
	g     *Graph
	c     *Conflict
	known map[int32]bool // whether cited, of what was found out
}

func (q *citations) cited(ids []id.Event) ([]bool, error) {
	nodes, err := q.g.find(ids)
	if err != nil {
		return nil, err
	}
	out := make([]bool, len(nodes))
	for i, n := range nodes {
		if out[i], err = q.look(n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// look goes forward from an event to those that cite it, the newest first and
// depth first, until it comes to one of the unconflicted state or to one that is
// known to be cited: then all on the way there are. An event whose citing events
// have all been gone through is not.
func (q *citations) look(n int32) (bool, error) {
	if cited, ok := q.known[n]; ok {
		return cited, nil
	}
	type step struct{ node, edge int32 }
	way := []step{{n, q.g.nodes[n].citing}}
	q.known[n] = false
	for len(way) > 0 {
		top := &way[len(way)-1]
		if top.edge == none {
			way = way[:len(way)-1]
			continue
		}
		e := q.g.edges[top.edge]
		top.edge = e.older
		cited, known := q.known[e.from]
		if !cited {
			var err error
			if cited, err = q.unconflicted(e.from); err != nil {
				return false, err
			}
		}
		if cited {
			for _, s := range way {
				q.known[s.node] = true
			}
			return true, nil
		}
		if !known {
			q.known[e.from] = false
			way = append(way, step{e.from, q.g.nodes[e.from].citing})
		}
	}
	return false, nil
}

// unconflicted: the event is in the unconflicted state.
func (q *citations) unconflicted(n int32) (bool, error) {
	node := &q.g.nodes[n]
	if node.key == (Key{}) {
		return false, nil
	}
	for _, fork := range q.c.Forks {
		if _, in := fork[node.key]; in {
			return false, nil
		}
	}
	e, ok, err := q.c.Unconflicted(node.key)
	return ok && e == node.id, err
}
