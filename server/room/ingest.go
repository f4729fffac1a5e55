package room

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hanse-im/hanse/infra/db"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/stateres"
	"github.com/hanse-im/hanse/server/fault"
	"github.com/hanse-im/hanse/server/room/statetree"
)

// Outcome is what became of an event from another server.
type Outcome uint8

const (
	// Accepted: the event is in the room.
	Accepted Outcome = iota + 1
	// SoftFailed: it was good where it stands and is not by the current state. It is
	// kept and shown to nobody.
	SoftFailed
	// Rejected: its auth events or the state before it do not allow it. It is kept so
	// that others can refer to it.
	Rejected
)

// MissingError names events that are needed before an event can be judged.
type MissingError struct {
	Prev, Auth []id.Event
}

// Error counts them.
func (e *MissingError) Error() string {
	return fmt.Sprintf("%d previous events and %d auth events are missing", len(e.Prev), len(e.Auth))
}

// Ingest takes in an event from another server, whose signatures the caller has
// verified. An event whose content hash does not match is taken in redacted. The
// checks are made in the specification's order; reason says why an event was not
// accepted. An event that is here already gives its outcome again. *MissingError
// names what has to be ingested before.
//
// Spec: server-server-api#checks-performed-on-receipt-of-a-pdu
func (e *Engine) Ingest(ctx context.Context, p *event.PDU) (outcome Outcome, reason error, err error) {
	r, release := e.acquire(p.Room())
	defer release()
	outcome, reason, wait, err := r.ingest(ctx, p)
	if err != nil || wait == nil {
		return outcome, reason, err
	}
	if err := wait(); err != nil {
		return 0, nil, err
	}
	return outcome, reason, nil
}

func (r *Room) ingest(ctx context.Context, p *event.PDU) (outcome Outcome, reason error, wait func() error, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(ctx); err != nil {
		return 0, nil, nil, err
	}
	if p.Rules() != r.rules {
		return 0, nil, nil, fault.New(fault.Invalid, "the event was read as one of another room version")
	}
	known, err := r.engine.ByID(ctx, r.id, []id.Event{p.ID()})
	if err != nil {
		return 0, nil, nil, err
	}
	if len(known) > 0 {
		return known[0].outcome(), nil, nil, nil
	}
	// 3. The content hash.
	if p.CheckContentHash() != nil {
		p = p.Redact()
	}
	prev, auth, err := r.references(ctx, p)
	if err != nil {
		return 0, nil, nil, err
	}
	x := r.begin()
	before, err := r.resolve(ctx, x, afters(prev))
	if err != nil {
		return 0, nil, nil, unavailable("resolve state", err)
	}
	outcome, reason, err = r.judge(ctx, x, p, auth, before)
	if err != nil {
		return 0, nil, nil, err
	}
	if err := x.take(ctx, p, before, outcome); err != nil {
		return 0, nil, nil, unavailable("take in event", err)
	}
	return outcome, reason, x.submit(), nil
}

func (e *Event) outcome() Outcome {
	switch {
	case e.Rejected:
		return Rejected
	case e.SoftFailed:
		return SoftFailed
	}
	return Accepted
}

// afters is the states behind events, each once.
func afters(events []*Event) []int64 {
	var out []int64
	for _, e := range events {
		out = append(out, e.After)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// references reads what an event refers to.
func (r *Room) references(ctx context.Context, p *event.PDU) (prev, auth []*Event, err error) {
	missing := &MissingError{}
	if len(p.PrevEvents()) == 0 {
		return nil, nil, fault.New(fault.Invalid, "the event follows no other")
	}
	for _, part := range []struct {
		ids  []id.Event
		into *[]*Event
		lack *[]id.Event
	}{{p.PrevEvents(), &prev, &missing.Prev}, {p.AuthEvents(), &auth, &missing.Auth}} {
		for _, ref := range part.ids {
			found, err := r.engine.ByID(ctx, r.id, []id.Event{ref})
			if err != nil {
				return nil, nil, err
			}
			if len(found) == 0 {
				*part.lack = append(*part.lack, ref)
			} else {
				*part.into = append(*part.into, found[0])
			}
		}
	}
	if len(missing.Prev)+len(missing.Auth) > 0 {
		return nil, nil, missing
	}
	return prev, auth, nil
}

// judge makes the checks by auth events, by the state before, and by the current state.
func (r *Room) judge(ctx context.Context, x *extension, p *event.PDU, auth []*Event, before state) (Outcome, error, error) {
	rejected := map[id.Event]bool{}
	var pdus []*event.PDU
	for _, a := range auth {
		rejected[a.ID()] = a.Rejected
		pdus = append(pdus, a.PDU)
	}
	create, err := x.view(ctx).StateEvent(event.TypeCreate, "")
	if err != nil {
		return 0, nil, unavailable("read state", err)
	}
	// 4. Its auth events.
	reason, err := refusal(eventauth.CheckAuthEvents(p, create, pdus, func(e id.Event) bool { return rejected[e] }))
	if reason != nil || err != nil {
		return Rejected, reason, err
	}
	// 5. The state before it.
	at := x.view(ctx)
	at.tree = before.tree
	reason, err = refusal(eventauth.Check(p, at))
	if reason != nil || err != nil {
		return Rejected, reason, err
	}
	// 6. The current state.
	reason, err = refusal(eventauth.Check(p, x.view(ctx)))
	if reason != nil || err != nil {
		return SoftFailed, reason, err
	}
	return Accepted, nil, nil
}

// refusal tells a refusal from an error.
func refusal(err error) (refused, failed error) {
	var e *eventauth.Error
	if errors.As(err, &e) {
		return e, nil
	}
	if err != nil {
		return nil, unavailable("authorise event", err)
	}
	return nil, nil
}

// state is a state with its number.
type state struct {
	tree statetree.Tree
	nid  int64
}

// take puts an event that was judged into the extension, and moves the room's end on
// if it was accepted.
func (x *extension) take(ctx context.Context, p *event.PDU, before state, outcome Outcome) error {
	r := x.room
	n := entry{event: &Event{PDU: p, NID: r.engine.nextEvent.Add(1), Snapshot: before.nid, After: before.nid, Rejected: outcome == Rejected, SoftFailed: outcome == SoftFailed}, aside: true}
	after := before
	if key, ok := p.StateKey(); ok {
		n.place = place{p.Type(), key}
		var err error
		if n.placeNID, err = r.engine.keys.intern(ctx, r.engine.db, n.place); err != nil {
			return err
		}
		if outcome != Rejected {
			if after.tree, err = before.tree.Set(n.placeNID, n.event.NID); err != nil {
				return err
			}
			after.nid = r.engine.nextSnapshot.Add(1)
			n.snapshot, n.tree, n.event.After = after.nid, after.tree, after.nid
		}
	}
	if outcome == Accepted {
		n.redacts = p.Redacts()
	}
	x.entries = append(x.entries, n)
	x.fresh[n.event.NID] = p
	x.after.last = n.event.NID
	if outcome != Accepted {
		return nil
	}
	ends := []end{{nid: n.event.NID, ref: event.RefTo(p), depth: p.Depth(), after: after.nid}}
	states := []int64{after.nid}
	for _, e := range x.after.ends {
		if !slices.Contains(p.PrevEvents(), e.ref.ID) {
			ends = append(ends, e)
			states = append(states, e.after)
		}
	}
	slices.SortFunc(ends, func(a, b end) int { return int(a.nid - b.nid) })
	x.after.ends = ends
	slices.Sort(states)
	current, err := r.resolve(ctx, x, slices.Compact(states))
	if err != nil {
		return err
	}
	return x.moveState(ctx, current)
}

// moveState makes a state the current one, with the memberships that it has.
func (x *extension) moveState(ctx context.Context, current state) error {
	r := x.room
	for c, err := range current.tree.Diff(x.after.tree) {
		if err != nil {
			return err
		}
		p, err := r.engine.keys.name(ctx, r.engine.db, c.Key)
		if err != nil {
			return err
		}
		if p.typ != event.TypeMember {
			continue
		}
		m := memberChange{user: p.key, nid: c.New}
		if c.New != 0 {
			if m.event, err = x.view(ctx).event(c.New); err != nil {
				return err
			}
		}
		x.members = append(x.members, m)
	}
	if x.after.snapshot == current.nid {
		return nil
	}
	x.after.tree, x.after.snapshot = current.tree, current.nid
	if x.after.changes++; x.after.changes < checkpointEvery {
		return nil
	}
	x.after.changes = 0
	if n := len(x.derived); n > 0 && x.derived[n-1].nid == current.nid {
		x.derived[n-1].store = true
	} else if n := len(x.entries); x.entries[n-1].snapshot == current.nid {
		x.entries[n-1].store = true
	}
	return nil
}

// add notes a state event, if anybody has asked for forks yet.
func (f *forks) add(e *Event) {
	if f == nil || e.Rejected {
		return
	}
	if err := f.graph.Add(e.PDU); err != nil {
		f.broken = err
	}
}

// loadForks reads the graph of the room's state events.
func (r *Room) loadForks(ctx context.Context) error {
	if r.forks != nil {
		return r.forks.broken
	}
	f := &forks{graph: stateres.NewGraph()}
	err := r.engine.db.View(ctx, func(tx *db.Tx) error {
		for row, err := range tx.Query(`SELECT json FROM room_events WHERE room = $1 AND (flags & $2) = $3 ORDER BY nid`, r.nid, int64(flagState|flagRejected), int64(flagState)) {
			if err != nil {
				return err
			}
			var text []byte
			if err := row.Scan(&text); err != nil {
				return err
			}
			p, err := event.Parse(r.rules, text)
			if err != nil {
				return err
			}
			f.add(&Event{PDU: p})
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.forks = f
	return f.broken
}
