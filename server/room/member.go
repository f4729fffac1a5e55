package room

import (
	"context"

	"github.com/hanse-im/hanse/infra/db"
	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/server/fault"
)

// MembershipRequest asks for a change of membership.
type MembershipRequest struct {
	Room id.Room
	// Sender asks, Target is whose membership changes.
	Sender, Target id.User
	// Membership is one of event.Join, Invite, Leave, Ban, Knock.
	Membership string
	// Reason is left out if it is empty.
	Reason string
	// Profile are members of the content such as displayname and avatar_url: a JSON
	// object, or nil.
	Profile canonjson.Value
	Direct  bool
}

// SetMembership changes a membership and returns the event once it is on disk. To
// join a restricted room without invitation, somebody of this server who may invite
// vouches for the user if a room of the join rule has the user as a member.
//
// Spec: client-server-api#room-membership, client-server-api#restricted-rooms
func (e *Engine) SetMembership(ctx context.Context, q MembershipRequest) (*Event, error) {
	if q.Membership == event.Invite && q.Target.Server() != e.cfg.Server {
		return nil, fault.New(fault.Unavailable, "%s is on another server, and this one does not talk to others yet", q.Target)
	}
	content := object("membership", str(q.Membership))
	for k, v := range q.Profile.Members() {
		if key, _ := k.Str(); key == "displayname" || key == "avatar_url" {
			content = with(content, key, v)
		}
	}
	if q.Reason != "" {
		content = with(content, "reason", str(q.Reason))
	}
	if q.Direct && q.Membership == event.Invite {
		content = with(content, "is_direct", []byte("true"))
	}
	if q.Membership == event.Join {
		by, err := e.voucher(ctx, q.Room, q.Target)
		if err != nil {
			return nil, err
		}
		if by != "" {
			content = with(content, "join_authorised_via_users_server", str(string(by)))
		}
	}
	key := string(q.Target)
	return e.Send(ctx, Draft{Room: q.Room, Sender: q.Sender, Type: event.TypeMember, StateKey: &key, Content: content})
}

// voucher finds who vouches for a join; nobody if none is needed or possible.
func (e *Engine) voucher(ctx context.Context, room id.Room, user id.User) (id.User, error) {
	r, release := e.acquire(room)
	defer release()
	v, err := r.snapshot(ctx)
	if err != nil {
		return "", err
	}
	if !v.rules.Restricted {
		return "", nil
	}
	p, err := v.StateEvent(event.TypeJoinRules, "")
	if err != nil || p == nil {
		return "", err
	}
	rules, err := p.JoinRules()
	if err != nil || (rules.Rule != event.Restricted && rules.Rule != event.KnockRestricted) {
		return "", nil
	}
	membership, err := eventauth.Membership(v, user)
	if err != nil || membership == event.Join || membership == event.Invite {
		return "", err
	}
	allowed := false
	for _, other := range rules.AllowRooms {
		m, ok, err := e.membership(ctx, other, user)
		if err != nil {
			return "", err
		}
		allowed = allowed || (ok && m == event.Join)
	}
	if !allowed {
		return "", nil
	}
	members, err := e.membersOf(ctx, r.nid, event.Join)
	if err != nil {
		return "", err
	}
	for _, m := range members {
		if m.Server() != e.cfg.Server {
			continue
		}
		if ok, err := eventauth.CanInvite(v.rules, v, m); err != nil || ok {
			return m, err
		}
	}
	return "", nil
}

// snapshot is the room's current state to read from.
func (r *Room) snapshot(ctx context.Context) (view, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(ctx); err != nil {
		return view{}, err
	}
	return view{ctx: ctx, engine: r.engine, rules: r.rules, tree: r.head.tree}, nil
}

// membership is a user's membership of a room; ok is false if there never was one.
func (e *Engine) membership(ctx context.Context, room id.Room, user id.User) (m string, ok bool, err error) {
	err = e.db.View(ctx, func(tx *db.Tx) error {
		return tx.Get(`SELECT membership FROM room_members m JOIN room_rooms r ON r.nid = m.room WHERE r.id = $1 AND m.user_id = $2`, db.Args(string(room), string(user)), &m)
	})
	switch {
	case err == nil:
		return m, true, nil
	case fault.KindOf(err) == 0 && isNoRows(err):
		return "", false, nil
	}
	return "", false, unavailable("read membership", err)
}

// membersOf lists the users with a membership, in the order of their IDs.
func (e *Engine) membersOf(ctx context.Context, room int64, membership string) (out []id.User, err error) {
	err = e.db.View(ctx, func(tx *db.Tx) error {
		for row, err := range tx.Query(`SELECT user_id FROM room_members WHERE room = $1 AND membership = $2 ORDER BY user_id`, room, membership) {
			if err != nil {
				return err
			}
			var user string
			if err := row.Scan(&user); err != nil {
				return err
			}
			out = append(out, id.User(user))
		}
		return nil
	})
	if err != nil {
		return nil, unavailable("read members", err)
	}
	return out, nil
}

// Member is a user's membership of a room.
type Member struct {
	Room       id.Room
	Membership string
	// Event is the number of the member event.
	Event int64
	// Forgotten: the user has left and wants to hear no more of it.
	Forgotten bool
}

// RoomsOf lists a user's rooms, whatever the membership.
func (e *Engine) RoomsOf(ctx context.Context, user id.User) (out []Member, err error) {
	err = e.db.View(ctx, func(tx *db.Tx) error {
		for row, err := range tx.Query(`SELECT r.id, m.membership, m.event, m.forgotten FROM room_members m JOIN room_rooms r ON r.nid = m.room WHERE m.user_id = $1 ORDER BY r.id`, string(user)) {
			if err != nil {
				return err
			}
			var m Member
			var room string
			if err := row.Scan(&room, &m.Membership, &m.Event, &m.Forgotten); err != nil {
				return err
			}
			m.Room = id.Room(room)
			out = append(out, m)
		}
		return nil
	})
	if err != nil {
		return nil, unavailable("read rooms", err)
	}
	return out, nil
}

// Forget notes that a user who has left a room wants to hear no more of it.
//
// Spec: client-server-api#leaving-rooms
func (e *Engine) Forget(ctx context.Context, room id.Room, user id.User) error {
	m, ok, err := e.membership(ctx, room, user)
	if err != nil {
		return err
	}
	if !ok {
		return errNoRoom(room)
	}
	if m != event.Leave && m != event.Ban {
		return fault.New(fault.Invalid, "leave the room before you forget it").Coded("M_UNKNOWN")
	}
	return unavailableOr(e.db.Update(ctx, func(tx *db.Tx) error {
		return tx.Exec(`UPDATE room_members SET forgotten = TRUE WHERE user_id = $1 AND membership IN ('leave', 'ban') AND room = (SELECT nid FROM room_rooms WHERE id = $2)`, string(user), string(room))
	}))
}

func unavailableOr(err error) error {
	if err == nil {
		return nil
	}
	return unavailable("write", err)
}
