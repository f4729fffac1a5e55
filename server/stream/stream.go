// Package stream numbers the changes that clients can see and says up to where
// they may be read.
//
// Each kind of change (events, receipts, to-device messages …) is a stream of
// its own with positions that only grow. A position is reserved before its
// change is written and published after: the published position of a stream
// moves on only when every position before it is finished, so a reader that has
// read up to it can never be overtaken by an earlier change that commits later.
// A Token is the vector of published positions, and is what a sync token holds.
//
// The package holds no truth: after a restart the streams start from what the
// database holds. Everything is safe for concurrent use; no lock is held while
// callbacks run.
//
//	t := streams.Reserve(stream.Events)
//	err := write(t.Position)
//	t.Finish(func() { wake(readers) }) // also if the write failed: then with nil
package stream

import (
	"slices"
	"sync"
)

// Kind names a stream.
type Kind uint8

// The streams. The order is part of the token's text form: new ones go to the end.
const (
	// Events: room events in the order in which this server took them in.
	Events Kind = iota
	// Receipts: read receipts of any type.
	Receipts
	// Typing: changes of who is typing, forgotten at a restart.
	Typing
	// ToDevice: to-device messages.
	ToDevice
	// DeviceLists: changes of users' devices and cross-signing keys.
	DeviceLists
	// AccountData: account data and tags, also of rooms.
	AccountData
	// Presence: changes of presence.
	Presence

	// Kinds is the number of streams.
	Kinds
)

// Position is a place in one stream. 0 is before everything.
type Position int64

// Set is the streams of one server.
type Set struct {
	streams [Kinds]tracker
}

// NewSet returns streams that go on after the given positions.
func NewSet(last Token) *Set {
	s := &Set{}
	for k := range s.streams {
		s.streams[k].last, s.streams[k].published = last[k], last[k]
	}
	return s
}

// Ticket is a reserved position, to be finished exactly once.
type Ticket struct {
	Position Position
	of       *tracker
}

// Reserve takes the next position of a stream.
func (s *Set) Reserve(k Kind) Ticket {
	t := &s.streams[k]
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	t.open = append(t.open, slot{pos: t.last})
	return Ticket{Position: t.last, of: t}
}

// Published is the position up to which the stream may be read.
func (s *Set) Published(k Kind) Position {
	t := &s.streams[k]
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.published
}

// Now is the vector of published positions.
func (s *Set) Now() Token {
	var t Token
	for k := range Kinds {
		t[k] = s.Published(k)
	}
	return t
}

// Finish says that the position's change is committed, or was given up.
// published may be nil; it is called once the position is readable, by whoever
// finishes the last position before it: it must be quick and must not block.
func (t Ticket) Finish(published func()) {
	for _, f := range t.of.finish(t.Position, published) {
		f()
	}
}

// tracker is one stream: the positions that are reserved and not yet published,
// in order.
type tracker struct {
	mu        sync.Mutex
	last      Position
	published Position
	open      []slot
}

type slot struct {
	pos      Position
	finished bool
	call     func()
}

func (t *tracker) finish(pos Position, call func()) []func() {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := slices.BinarySearchFunc(t.open, pos, func(s slot, p Position) int { return int(s.pos - p) })
	if !ok || t.open[i].finished {
		return nil
	}
	t.open[i].finished, t.open[i].call = true, call
	var calls []func()
	n := 0
	for n < len(t.open) && t.open[n].finished {
		t.published = t.open[n].pos
		if t.open[n].call != nil {
			calls = append(calls, t.open[n].call)
		}
		n++
	}
	t.open = slices.Delete(t.open, 0, n)
	return calls
}
