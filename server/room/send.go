package room

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"

	"github.com/hanse-im/hanse/infra/db"
	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
	"github.com/hanse-im/hanse/server/fault"
	"github.com/hanse-im/hanse/server/room/statetree"
)

// Draft is an event that a local user wants to send.
type Draft struct {
	Room   id.Room
	Sender id.User
	Type   string
	// StateKey is nil for an event that is no state event.
	StateKey *string
	// Content is a JSON object.
	Content []byte
	// Redacts is the event to be redacted, for m.room.redaction.
	Redacts id.Event
	// Txn makes a repeated request give the first one's event; nil for none.
	Txn *Txn
	// Timestamp is in milliseconds since 1970; 0 for now. Application services may
	// set it.
	Timestamp int64
}

// Txn names a request that may be repeated.
//
// Spec: client-server-api#transaction-identifiers
type Txn struct {
	// Scope is who sends: user and device.
	Scope string
	// ID is the sender's transaction ID.
	ID string
}

// inFlight is a request with a transaction ID that has no answer yet.
type inFlight struct {
	done  chan struct{}
	event *Event
	err   error
}

// Send puts an event at the end of a room and returns it once it is on disk. It is
// Forbidden if the sender may not, which who is not in the room cannot tell from there
// being no such room; NotFound for a membership of a room that is not there; Invalid or
// Limited if the content cannot be an event's. A state event that would change
// nothing is not sent again: the one that stands there is returned. With a
// transaction ID, a repeated request returns the first one's event, also after a
// crash and whatever its content is.
//
// Spec: client-server-api#sending-events-to-a-room
func (e *Engine) Send(ctx context.Context, d Draft) (*Event, error) {
	if d.Sender.Server() != e.cfg.Server {
		return nil, fault.New(fault.Forbidden, "%s is not a user of this server", d.Sender)
	}
	if d.Type == event.TypeCreate {
		return nil, fault.New(fault.Forbidden, "m.room.create is sent when a room is created and never again")
	}
	if d.Txn == nil {
		return e.send(ctx, d)
	}
	e.txnMu.Lock()
	first, repeated := e.txns[*d.Txn]
	if !repeated {
		first = &inFlight{done: make(chan struct{})}
		e.txns[*d.Txn] = first
	}
	e.txnMu.Unlock()
	if repeated {
		select {
		case <-first.done:
			return first.event, first.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer func() {
		e.txnMu.Lock()
		delete(e.txns, *d.Txn)
		e.txnMu.Unlock()
		close(first.done)
	}()
	if first.event, first.err = e.sent(ctx, d); first.event == nil && first.err == nil {
		first.event, first.err = e.send(ctx, d)
	}
	return first.event, first.err
}

// sent finds the event of a transaction that was answered before; nil if none was.
func (e *Engine) sent(ctx context.Context, d Draft) (*Event, error) {
	var nid int64
	err := e.db.View(ctx, func(tx *db.Tx) error {
		return tx.Get(`SELECT event FROM room_txns WHERE scope = $1 AND id = $2`, db.Args(d.Txn.Scope, d.Txn.ID), &nid)
	})
	if errors.Is(err, db.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, unavailable("look up transaction", err)
	}
	events, err := e.byNID(ctx, []int64{nid})
	if err != nil {
		return nil, err
	}
	return events[0], nil
}

// send works on the room. If an earlier write of the room failed after this one was
// built on it, it is built once more on what is on disk.
func (e *Engine) send(ctx context.Context, d Draft) (sent *Event, err error) {
	for range 2 {
		if sent, err = e.try(ctx, d); !errors.Is(err, errOvertaken) {
			break
		}
	}
	return sent, err
}

func (e *Engine) try(ctx context.Context, d Draft) (*Event, error) {
	r, release := e.acquire(d.Room)
	defer release()
	sent, wait, err := r.send(ctx, d)
	if err != nil || wait == nil {
		return sent, err
	}
	if err := wait(); err != nil {
		return nil, err
	}
	return sent, nil
}

// send builds the event and hands it in; wait is nil if nothing is to be written.
func (r *Room) send(ctx context.Context, d Draft) (sent *Event, wait func() error, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(ctx); err != nil {
		if fault.Is(err, fault.NotFound) && d.Type != event.TypeMember {
			err = errNotIn(r.id)
		}
		return nil, nil, err
	}
	x := r.begin()
	x.txn = d.Txn
	if d.Type != event.TypeMember {
		if m, err := eventauth.Membership(x.view(ctx), d.Sender); err != nil {
			return nil, nil, unavailable("read membership", err)
		} else if m != event.Join {
			return nil, nil, errNotIn(r.id)
		}
	}
	if d.StateKey != nil && d.Txn == nil {
		if same, err := r.unchanged(ctx, x, d); err != nil || same != nil {
			return same, nil, err
		}
	}
	if sent, err = x.add(ctx, d); err != nil {
		return nil, nil, err
	}
	return sent, x.submit(), nil
}

// unchanged is the event that stands where a state event is to go, if its sender
// and content are the same.
func (r *Room) unchanged(ctx context.Context, x *extension, d Draft) (*Event, error) {
	p, err := x.view(ctx).StateEvent(d.Type, *d.StateKey)
	if err != nil {
		return nil, unavailable("read state", err)
	}
	if p == nil || p.Sender() != d.Sender {
		return nil, nil
	}
	content, err := canonjson.Append(nil, d.Content, canonjson.Strict)
	if err != nil || !bytes.Equal(content, p.Content()) {
		return nil, nil // whatever is wrong with it is said when it is built
	}
	all, err := r.engine.ByID(ctx, r.id, []id.Event{p.ID()})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

// Create makes a room and returns its ID once it is on disk, with all events that
// the request implies or with none.
//
// Spec: client-server-api#creation
func (e *Engine) Create(ctx context.Context, q CreateRequest) (id.Room, error) {
	version := q.Version
	if version == "" {
		version = e.cfg.Version
	}
	rules, ok := roomver.Lookup(version)
	if !ok {
		return "", fault.New(fault.Invalid, "room version %.40q is not known here", version).Coded("M_UNSUPPORTED_ROOM_VERSION")
	}
	if q.Creator.Server() != e.cfg.Server {
		return "", fault.New(fault.Forbidden, "%s is not a user of this server", q.Creator)
	}
	for _, u := range q.Invite {
		if u.Server() != e.cfg.Server {
			return "", fault.New(fault.Unavailable, "%s is on another server, and this one does not talk to others yet", u)
		}
	}
	drafts, err := q.plan(rules)
	if err != nil {
		return "", err
	}
	r := &Room{engine: e, rules: rules, loaded: true, nid: e.nextRoom.Add(1)}
	if !rules.RoomIDFromCreate {
		r.id = id.Room("!" + rand.Text()[:18] + ":" + string(e.cfg.Server))
	}
	r.head.tree = statetree.Empty()
	x := r.begin()
	x.create = true
	for i, s := range drafts {
		d := Draft{Sender: q.Creator, Type: s.Type, StateKey: &s.StateKey, Content: s.Content}
		if i == 0 {
			d.Timestamp = e.createTime()
		}
		made, err := x.add(ctx, d)
		if err != nil {
			if fault.Is(err, fault.Forbidden) {
				return "", fault.New(fault.Invalid, "the room cannot be made: %s %.64q: %v", s.Type, s.StateKey, err).Coded("M_INVALID_ROOM_STATE")
			}
			return "", err
		}
		if i == 0 {
			r.id = made.Room()
		}
	}
	r.mu.Lock() // nobody else knows the room yet
	wait := x.submit()
	r.mu.Unlock()
	if err := wait(); err != nil {
		return "", err
	}
	return r.id, nil
}

// createTime is the time of a new create event. It never comes twice: where a
// room's ID is its create event's hash, two like it would be one room.
func (e *Engine) createTime() int64 {
	for {
		last := e.lastCreate.Load()
		next := max(last+1, e.cfg.Now().UnixMilli())
		if e.lastCreate.CompareAndSwap(last, next) {
			return next
		}
	}
}

// newEventID is an event ID for versions in which servers choose them.
func newEventID(server id.Server) id.Event {
	return id.Event("$" + rand.Text() + ":" + string(server))
}
