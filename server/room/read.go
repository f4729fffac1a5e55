package room

import (
	"context"
	"errors"
	"fmt"

	"github.com/hanse-im/hanse/infra/db"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
	"github.com/hanse-im/hanse/server/fault"
	"github.com/hanse-im/hanse/server/stream"
)

func isNoRows(err error) bool { return errors.Is(err, db.ErrNoRows) }

const sqlEvents = `SELECT e.nid, e.ord, e.snapshot, e.after, e.flags, e.json, r.version, COALESCE(d.redaction, 0), COALESCE(b.json, e.json)
	FROM room_events e JOIN room_rooms r ON r.nid = e.room
	LEFT JOIN room_redactions d ON d.target = e.id LEFT JOIN room_events b ON b.nid = d.redaction `

// scan reads one row of sqlEvents; redactions are applied.
func scan(row interface{ Scan(...any) error }) (*Event, error) {
	e := &Event{}
	var text, by []byte
	var version string
	var redaction, flags int64
	if err := row.Scan(&e.NID, &e.Order, &e.Snapshot, &e.After, &flags, &text, &version, &redaction, &by); err != nil {
		return nil, err
	}
	e.Rejected, e.SoftFailed = flags&flagRejected != 0, flags&flagSoftFailed != 0
	rules, ok := roomver.Lookup(version)
	if !ok {
		return nil, fmt.Errorf("event %d: room version %q is not known", e.NID, version)
	}
	var err error
	if e.PDU, err = event.Parse(rules, text); err != nil {
		return nil, fmt.Errorf("event %d: %w", e.NID, err)
	}
	if redaction != 0 {
		e.PDU = e.PDU.Redact()
		if e.RedactedBy, err = event.Parse(rules, by); err != nil {
			return nil, fmt.Errorf("event %d: %w", redaction, err)
		}
	}
	return e, nil
}

// byNID reads events by their numbers, in the same order.
func (e *Engine) byNID(ctx context.Context, nids []int64) ([]*Event, error) {
	out := make([]*Event, len(nids))
	err := e.db.View(ctx, func(tx *db.Tx) error {
		for i, nid := range nids {
			for row, err := range tx.Query(sqlEvents+`WHERE e.nid = $1`, nid) {
				if err != nil {
					return err
				}
				if out[i], err = scan(row); err != nil {
					return err
				}
			}
			if out[i] == nil {
				return fmt.Errorf("event %d is missing", nid)
			}
		}
		return nil
	})
	if err != nil {
		return nil, unavailable("read events", err)
	}
	return out, nil
}

// ByID reads events of a room by their IDs; those that are not there are left out.
// Nobody's right to see them is checked: see Visible.
func (e *Engine) ByID(ctx context.Context, room id.Room, ids []id.Event) (out []*Event, err error) {
	err = e.db.View(ctx, func(tx *db.Tx) error {
		for _, eventID := range ids {
			for row, err := range tx.Query(sqlEvents+`WHERE e.id = $1 AND r.id = $2`, string(eventID), string(room)) {
				if err != nil {
					return err
				}
				found, err := scan(row)
				if err != nil {
					return err
				}
				out = append(out, found)
			}
		}
		return nil
	})
	if err != nil {
		return nil, unavailable("read events", err)
	}
	return out, nil
}

// TimelineRequest asks for a part of a room's timeline: the events behind From and
// up to To if it goes forward, those up to From and behind To if it goes Backward.
type TimelineRequest struct {
	From, To stream.Position
	Backward bool
	// All takes in events that were rejected or have failed softly.
	All bool
	// Limit is how many events to give at most, at least 1.
	Limit int
}

// Timeline reads a part of a room's timeline, in the order in which it goes. more
// tells that the limit was reached; end is where to go on. Nobody's right to see
// the events is checked: see Visible.
func (e *Engine) Timeline(ctx context.Context, room id.Room, q TimelineRequest) (events []*Event, end stream.Position, more bool, err error) {
	low, high, order := q.From, q.To, "ASC"
	if q.Backward {
		low, high, order = q.To, q.From, "DESC"
	}
	hidden := int64(flagRejected | flagSoftFailed)
	if q.All {
		hidden = 0
	}
	err = e.db.View(ctx, func(tx *db.Tx) error {
		for row, err := range tx.Query(sqlEvents+`WHERE r.id = $1 AND e.ord > $2 AND e.ord <= $3 AND (e.flags & $5) = 0 ORDER BY e.ord `+order+` LIMIT $4`, string(room), int64(low), int64(high), q.Limit+1, hidden) {
			if err != nil {
				return err
			}
			found, err := scan(row)
			if err != nil {
				return err
			}
			events = append(events, found)
		}
		return nil
	})
	if err != nil {
		return nil, 0, false, unavailable("read timeline", err)
	}
	end = q.To
	if more = len(events) > q.Limit; more {
		events = events[:q.Limit]
		end = events[q.Limit-1].Order
		if q.Backward {
			end--
		}
	}
	return events, end, more, nil
}

// Visible gives those of a room's events that a user may see, in the same order.
//
// Spec: client-server-api/modules/history_visibility#server-behaviour
func (e *Engine) Visible(ctx context.Context, room id.Room, user id.User, events []*Event) ([]*Event, error) {
	joinedUntil, err := e.joinedUntil(ctx, room, user)
	if err != nil {
		return nil, err
	}
	states := map[int64]view{}
	var out []*Event
	for _, ev := range events {
		if ev.Rejected || ev.SoftFailed {
			continue
		}
		state, ok := states[ev.Snapshot]
		if !ok {
			if state, err = e.stateAt(ctx, ev.Rules(), ev.Snapshot); err != nil {
				return nil, err
			}
			states[ev.Snapshot] = state
		}
		v, err := eventauth.ViewOf(ev.PDU, state, user)
		if err != nil {
			return nil, unavailable("read state", err)
		}
		v.JoinedLater = ev.Order < joinedUntil
		if eventauth.MaySee(v) {
			out = append(out, ev)
		}
	}
	return out, nil
}

// joinedUntil is the place in the timeline up to which the user's last stay in the
// room went: far ahead for members, 0 for who never was one.
func (e *Engine) joinedUntil(ctx context.Context, room id.Room, user id.User) (stream.Position, error) {
	const ahead = 1<<63 - 1
	var nid int64
	var m string
	err := e.db.View(ctx, func(tx *db.Tx) error {
		return tx.Get(`SELECT m.membership, m.event FROM room_members m JOIN room_rooms r ON r.nid = m.room WHERE r.id = $1 AND m.user_id = $2`, db.Args(string(room), string(user)), &m, &nid)
	})
	if isNoRows(err) {
		return 0, nil
	}
	if err != nil {
		return 0, unavailable("read membership", err)
	}
	if m == event.Join {
		return ahead, nil
	}
	left, err := e.byNID(ctx, []int64{nid})
	if err != nil {
		return 0, err
	}
	before, err := e.stateAt(ctx, left[0].Rules(), left[0].Snapshot)
	if err != nil {
		return 0, err
	}
	if was, err := eventauth.Membership(before, user); err != nil || was != event.Join {
		return 0, err
	}
	return left[0].Order, nil
}

// stateAt is the state that a snapshot stands for.
func (e *Engine) stateAt(ctx context.Context, rules *roomver.Rules, snapshot int64) (view, error) {
	tree, err := e.treeAt(ctx, snapshot)
	if err != nil {
		return view{}, unavailable("read state", err)
	}
	return view{ctx: ctx, engine: e, rules: rules, tree: tree}, nil
}

// State gives the state that a user may see: the current one for members, and in
// rooms that all the world may read; for who has left, the one at that time. It is
// Forbidden to others, who do not learn whether there is such a room.
//
// Spec: client-server-api#getting-events-for-a-room
func (e *Engine) State(ctx context.Context, room id.Room, user id.User) ([]*Event, error) {
	v, err := e.readableState(ctx, room, user)
	if err != nil {
		return nil, err
	}
	var nids []int64
	for entry, err := range v.tree.All() {
		if err != nil {
			return nil, unavailable("read state", err)
		}
		nids = append(nids, entry.Event)
	}
	return e.byNID(ctx, nids)
}

// StateEvent gives one event of the state that a user may see: NotFound if nothing
// stands there.
func (e *Engine) StateEvent(ctx context.Context, room id.Room, user id.User, typ, stateKey string) (*Event, error) {
	v, err := e.readableState(ctx, room, user)
	if err != nil {
		return nil, err
	}
	p, err := v.StateEvent(typ, stateKey)
	if err != nil {
		return nil, unavailable("read state", err)
	}
	if p == nil {
		return nil, fault.New(fault.NotFound, "the room has no state %.64q with key %.64q", typ, stateKey)
	}
	all, err := e.ByID(ctx, room, []id.Event{p.ID()})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

func (e *Engine) readableState(ctx context.Context, room id.Room, user id.User) (view, error) {
	forbidden := errNotIn(room)
	r, release := e.acquire(room)
	defer release()
	current, err := r.snapshot(ctx)
	if fault.Is(err, fault.NotFound) {
		return view{}, forbidden
	}
	if err != nil {
		return view{}, err
	}
	p, err := current.StateEvent(event.TypeMember, string(user))
	if err != nil {
		return view{}, unavailable("read state", err)
	}
	if p != nil {
		if m, err := p.Member(); err == nil && m.Membership == event.Join {
			return current, nil
		}
	}
	until, err := e.joinedUntil(ctx, room, user)
	if err != nil {
		return view{}, err
	}
	if until > 0 { // the state right after leaving
		all, err := e.ByID(ctx, room, []id.Event{p.ID()})
		if err != nil {
			return view{}, err
		}
		v, err := e.stateAt(ctx, current.rules, all[0].Snapshot)
		if err != nil {
			return view{}, err
		}
		k, _, err := e.keys.find(ctx, e.db, place{event.TypeMember, string(user)})
		if err != nil {
			return view{}, unavailable("read state", err)
		}
		if v.tree, err = v.tree.Set(k, all[0].NID); err != nil {
			return view{}, unavailable("read state", err)
		}
		return v, nil
	}
	visibility, err := current.StateEvent(event.TypeHistoryVisibility, "")
	if err != nil {
		return view{}, unavailable("read state", err)
	}
	if visibility.HistoryVisibility() == event.WorldReadable {
		return current, nil
	}
	return view{}, forbidden
}
