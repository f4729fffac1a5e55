package stateres

import (
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
)

// Graph is the auth graph of one room: which event cites which. It is kept by the
// caller, who adds each state event when it comes in. It answers what Resolve asks
// about citations without loading events. It is not safe for concurrent changes.
type Graph struct{}

// NewGraph is a graph without events.
func NewGraph() *Graph { return &Graph{} }

// Add puts events into the graph; what they cite must be there already or stand
// before them, else it is a *MissingError, and the events before are in. Events
// that are there already are passed over.
func (g *Graph) Add(events ...*event.PDU) error { return nil }

// Chain is the auth chains of events, oldest first, without duplicates.
//
// Spec: rooms/v2#definitions
func (g *Graph) Chain(of []id.Event) ([]id.Event, error) { return nil, nil }

// Store makes a Store for the resolution of a conflict.
func (g *Graph) Store(c *Conflict, events func([]id.Event) ([]*event.PDU, error)) *Store { return nil }
