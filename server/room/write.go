package room

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hanse-im/hanse/infra/db"
	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/server/fault"
	"github.com/hanse-im/hanse/server/room/statetree"
	"github.com/hanse-im/hanse/server/stream"
)

// checkpointEvery state changes the whole tree is stored; nodes are shared with the
// one before.
const checkpointEvery = 64

// maxPrev bounds the extremities that one event closes.
const maxPrev = event.MaxPrevEvents

// errOvertaken says that the event that a write follows never got to the disk.
var errOvertaken = errors.New("an earlier write of the room has failed")

// extension is events that are put at the end of a room's timeline in one write.
type extension struct {
	room    *Room
	before  head
	after   head
	entries []entry
	fresh   map[int64]*event.PDU
	// derived are states that no event made: resolved ones.
	derived []derived
	// members are changes of membership that come with a resolved state.
	members []memberChange
	// create: the room is new.
	create bool
	txn    *Txn
}

// derived is a state that is another with one entry changed.
type derived struct {
	nid, parent, place, event int64
	key                       place
	tree                      statetree.Tree
	store                     bool
}

// memberChange says which event is a user's membership now; nil for none.
type memberChange struct {
	user  string
	event *event.PDU
	nid   int64
}

// entry is one event of an extension with what is written for it.
type entry struct {
	event    *Event
	ticket   stream.Ticket
	place    place
	placeNID int64
	snapshot int64          // of the state after a state event, else 0
	tree     statetree.Tree // of that state
	store    bool           // and it is to be stored
	redacts  id.Event
	// aside: the event does not change the current state by itself: it was rejected,
	// has failed softly, or stands on a fork.
	aside bool
}

// begin starts an extension. Room.mu is held until it is submitted or given up.
func (r *Room) begin() *extension {
	return &extension{room: r, before: r.head, after: r.head, fresh: map[int64]*event.PDU{}}
}

func (x *extension) view(ctx context.Context) view {
	return view{ctx: ctx, engine: x.room.engine, rules: x.room.rules, tree: x.after.tree, fresh: x.fresh}
}

// add builds an event at the end of what is there, authorises it and moves on.
// After an error the extension must be given up.
func (x *extension) add(ctx context.Context, d Draft) (*Event, error) {
	r := x.room
	subject := eventauth.Subject{Type: d.Type, StateKey: d.StateKey, Sender: d.Sender, Content: canonjson.Value(d.Content)}
	auth, err := eventauth.Select(r.rules, subject, x.view(ctx))
	if err != nil {
		return nil, unavailable("select auth events", err)
	}
	b := event.Builder{
		Room: r.id, Type: d.Type, StateKey: d.StateKey, Sender: d.Sender, Content: d.Content, Redacts: d.Redacts,
		Depth: 1, OriginServerTS: d.Timestamp,
	}
	if b.OriginServerTS == 0 {
		b.OriginServerTS = r.engine.cfg.Now().UnixMilli()
	}
	if d.Type == event.TypeCreate && r.rules.RoomIDFromCreate {
		b.Room = ""
	}
	if r.rules.SignedByEventIDServer {
		b.ID = newEventID(r.engine.cfg.Server)
	}
	closed := x.after.ends
	if len(closed) > maxPrev {
		return nil, fault.New(fault.Unavailable, "the room has %d loose ends, more than an event can join", len(closed))
	}
	for _, e := range closed {
		b.PrevEvents = append(b.PrevEvents, e.ref)
		b.Depth = max(b.Depth, min(e.depth+1, canonjson.MaxInt))
	}
	for _, a := range auth {
		b.AuthEvents = append(b.AuthEvents, event.RefTo(a))
	}
	p, err := b.Build(r.rules, r.engine.cfg.Server, r.engine.cfg.KeyID, r.engine.cfg.Key)
	if err != nil {
		return nil, refusedEvent(err)
	}
	if err := eventauth.Check(p, x.view(ctx)); err != nil {
		var refused *eventauth.Error
		if errors.As(err, &refused) {
			return nil, fault.New(fault.Forbidden, "%s (rule %s of room version %s)", refused.Reason, refused.Rule, r.rules.Version)
		}
		return nil, unavailable("authorise event", err)
	}
	return x.append(ctx, p)
}

// refusedEvent says why an event could not be built.
func refusedEvent(err error) error {
	var bad *event.Error
	if !errors.As(err, &bad) {
		return err
	}
	switch bad.Kind {
	case event.TooLarge:
		return fault.New(fault.Limited, "%v", bad).Coded("M_TOO_LARGE")
	case event.BadJSON:
		return fault.New(fault.Invalid, "%v", bad).Coded("M_BAD_JSON")
	}
	return fault.New(fault.Invalid, "%v", bad)
}

// append takes an event that is allowed and follows all extremities into the
// extension.
func (x *extension) append(ctx context.Context, p *event.PDU) (*Event, error) {
	r := x.room
	nid := r.engine.nextEvent.Add(1)
	x.entries = append(x.entries, entry{event: &Event{PDU: p, NID: nid, Snapshot: x.after.snapshot}})
	at := &x.entries[len(x.entries)-1]
	if key, ok := p.StateKey(); ok {
		at.place = place{p.Type(), key}
		var err error
		if at.placeNID, err = r.engine.keys.intern(ctx, r.engine.db, at.place); err != nil {
			return nil, unavailable("intern state key", err)
		}
		if x.after.tree, err = x.after.tree.Set(at.placeNID, nid); err != nil {
			return nil, unavailable("change state", err)
		}
		at.snapshot, at.tree = r.engine.nextSnapshot.Add(1), x.after.tree
		x.after.snapshot = at.snapshot
		if x.after.changes++; x.after.changes >= checkpointEvery {
			at.store, x.after.changes = true, 0
		}
	}
	at.redacts = p.Redacts()
	at.event.After = x.after.snapshot
	x.fresh[nid] = p
	x.after.ends = []end{{nid: nid, ref: event.RefTo(p), depth: p.Depth(), after: x.after.snapshot}}
	x.after.last = nid
	return at.event, nil
}

// submit hands the extension to the database and moves the room on. Room.mu is
// held. What it returns waits until the events are on disk and can be read.
//
// Positions are reserved here and not before: a room that is slow to build an event
// must not keep others' events from being published.
func (x *extension) submit() func() error {
	r := x.room
	r.head = x.after
	for i := range x.entries {
		n := &x.entries[i]
		n.ticket = r.engine.streams.Reserve(stream.Events)
		n.event.Order = n.ticket.Position
		if n.placeNID != 0 {
			r.engine.events.Add(n.event.NID, n.event.PDU)
			r.forks.add(n.event)
		}
	}
	var kept []func()
	pending := r.engine.db.Submit(func(tx *db.Tx) error {
		kept = kept[:0]
		return x.write(tx, &kept)
	})
	return func() error {
		if err := pending.Wait(context.Background()); err != nil {
			r.broken.Store(true)
			for _, n := range x.entries {
				r.engine.events.Remove(n.event.NID)
				n.ticket.Finish(nil)
			}
			return unavailable("write events", err)
		}
		for _, keep := range kept {
			keep()
		}
		for _, d := range x.derived {
			r.engine.keys.written(d.key, d.place)
		}
		readable := make(chan struct{})
		for i, n := range x.entries {
			if n.placeNID != 0 {
				r.engine.keys.written(n.place, n.placeNID)
			}
			n.ticket.Finish(func() {
				if published := r.engine.cfg.Published; published != nil && !n.event.Rejected && !n.event.SoftFailed {
					published(r.id, []*Event{n.event})
				}
				if i == len(x.entries)-1 {
					close(readable)
				}
			})
		}
		<-readable
		return nil
	}
}

const (
	sqlNewRoom     = `INSERT INTO room_rooms (nid, id, version, snapshot, last, ends) VALUES ($1, $2, $3, 0, 0, '')`
	sqlMoveRoom    = `UPDATE room_rooms SET snapshot = $2, last = $3, ends = $4 WHERE nid = $1 AND last = $5`
	sqlNewEvent    = `INSERT INTO room_events (nid, room, id, ord, snapshot, after, flags, json) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	sqlNewKey      = `INSERT INTO room_keys (nid, type, state_key) VALUES ($1, $2, $3) ON CONFLICT (type, state_key) DO NOTHING`
	sqlNewSnapshot = `INSERT INTO room_snapshots (nid, parent, place, event, root) VALUES ($1, $2, $3, $4, $5)`
	sqlNewNode     = `INSERT INTO room_nodes (nid, data) VALUES ($1, $2)`
	sqlSetMember   = `INSERT INTO room_members (user_id, room, membership, event, forgotten) VALUES ($1, $2, $3, $4, FALSE)
		ON CONFLICT (user_id, room) DO UPDATE SET membership = excluded.membership, event = excluded.event, forgotten = FALSE`
	sqlNewTxn       = `INSERT INTO room_txns (scope, id, event) VALUES ($1, $2, $3)`
	sqlNewRedaction = `INSERT INTO room_redactions (target, redaction) VALUES ($1, $2) ON CONFLICT (target) DO NOTHING`
)

// write makes the rows of an extension.
func (x *extension) write(tx *db.Tx, kept *[]func()) error {
	r := x.room
	if x.create {
		if err := tx.Exec(sqlNewRoom, r.nid, string(r.id), r.rules.Version); err != nil {
			return err
		}
	}
	for _, n := range x.entries {
		if err := x.writeEntry(tx, n, kept); err != nil {
			return fmt.Errorf("%s: %w", n.event.PDU, err)
		}
	}
	if err := x.writeResolved(tx, kept); err != nil {
		return err
	}
	if x.txn != nil {
		if err := tx.Exec(sqlNewTxn, x.txn.Scope, x.txn.ID, x.after.last); err != nil {
			return err
		}
	}
	ends := make([]string, len(x.after.ends))
	for i, e := range x.after.ends {
		ends[i] = strconv.FormatInt(e.nid, 10)
	}
	// The fence: the room on disk must be where this write starts from.
	moved, err := tx.ExecCount(sqlMoveRoom, r.nid, x.after.snapshot, x.after.last, strings.Join(ends, ","), x.before.last)
	if err != nil {
		return err
	}
	if moved != 1 {
		return errOvertaken
	}
	return nil
}

func (x *extension) writeEntry(tx *db.Tx, n entry, kept *[]func()) error {
	r, e := x.room, n.event
	if err := tx.Exec(sqlNewEvent, e.NID, r.nid, string(e.ID()), int64(e.Order), e.Snapshot, e.After, e.flags(), e.JSON()); err != nil {
		return err
	}
	if n.redacts != "" {
		if err := x.writeRedaction(tx, n); err != nil {
			return err
		}
	}
	if n.placeNID == 0 {
		return nil
	}
	if err := tx.Exec(sqlNewKey, n.placeNID, n.place.typ, n.place.key); err != nil {
		return err
	}
	if n.snapshot == 0 {
		return nil // rejected: it makes no state
	}
	if err := x.writeState(tx, derived{nid: n.snapshot, parent: e.Snapshot, place: n.placeNID, event: e.NID, tree: n.tree, store: n.store}, kept); err != nil {
		return err
	}
	if n.place.typ != event.TypeMember || n.aside {
		return nil
	}
	m, err := e.Member()
	if err != nil {
		return err
	}
	return tx.Exec(sqlSetMember, n.place.key, r.nid, m.Membership, e.NID)
}

// writeState makes the rows of one state.
func (x *extension) writeState(tx *db.Tx, d derived, kept *[]func()) error {
	var root int64
	if d.store {
		var keep func()
		var err error
		root, keep, err = d.tree.Store(func(data []byte) (int64, error) {
			nid := x.room.engine.nextNode.Add(1)
			return nid, tx.Exec(sqlNewNode, nid, data)
		})
		if err != nil {
			return err
		}
		*kept = append(*kept, keep)
	}
	return tx.Exec(sqlNewSnapshot, d.nid, d.parent, d.place, d.event, root)
}

// writeResolved makes the rows of resolved states and what follows from them.
func (x *extension) writeResolved(tx *db.Tx, kept *[]func()) error {
	for _, d := range x.derived {
		if err := tx.Exec(sqlNewKey, d.place, d.key.typ, d.key.key); err != nil {
			return err
		}
		if err := x.writeState(tx, d, kept); err != nil {
			return err
		}
	}
	for _, m := range x.members {
		if m.event == nil {
			if err := tx.Exec(`DELETE FROM room_members WHERE user_id = $1 AND room = $2`, m.user, x.room.nid); err != nil {
				return err
			}
			continue
		}
		content, err := m.event.Member()
		if err != nil {
			return err
		}
		if err := tx.Exec(sqlSetMember, m.user, x.room.nid, content.Membership, m.nid); err != nil {
			return err
		}
	}
	return nil
}

// flags is what an event is on disk.
func (e *Event) flags() (flags int64) {
	if e.Rejected {
		flags |= flagRejected
	}
	if e.SoftFailed {
		flags |= flagSoftFailed
	}
	if e.IsState() {
		flags |= flagState
	}
	return flags
}

// writeRedaction notes that an event is redacted, if it is here and the redaction
// is good for it.
//
// Spec: rooms/v3#handling-redactions
func (x *extension) writeRedaction(tx *db.Tx, n entry) error {
	var nid, room int64
	var text []byte
	err := tx.Get(`SELECT nid, room, json FROM room_events WHERE id = $1`, db.Args(string(n.redacts)), &nid, &room, &text)
	if errors.Is(err, db.ErrNoRows) || (err == nil && room != x.room.nid) {
		return nil
	}
	if err != nil {
		return err
	}
	target, err := event.Parse(x.room.rules, text)
	if err != nil {
		return err
	}
	state := view{ctx: tx.Context(), engine: x.room.engine, rules: x.room.rules, tree: x.before.tree, fresh: x.fresh}
	ok, err := eventauth.CanRedact(n.event.PDU, target, state)
	if err != nil || !ok {
		return err
	}
	return tx.Exec(sqlNewRedaction, string(n.redacts), n.event.NID)
}
