package eventauth

import (
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
)

// View is what decides whether a user may see an event.
type View struct {
	// Visibility and Membership are the room's history visibility and the user's
	// membership in the state before the event. Anything else than the settings
	// that the specification knows counts as "shared".
	Visibility, Membership string
	// VisibilityAfter is the setting that the event makes, if it is the room's
	// m.room.history_visibility event, else empty.
	VisibilityAfter string
	// MembershipAfter is what the event makes of this user's membership, if it is
	// the user's own member event, else empty.
	MembershipAfter string
	// JoinedLater: the user has joined the room at some time after the event.
	JoinedLater bool
}

// ViewOf is a user's view of an event, given the state before it; whether the
// user has joined later remains to be set. The user need not have been in the
// room, and may be a guest. The error is the state's.
//
// Spec: client-server-api/modules/history_visibility#server-behaviour
func ViewOf(p *event.PDU, before State, user id.User) (v View, err error) {
	setting, err := before.StateEvent(event.TypeHistoryVisibility, "")
	if err != nil {
		return View{}, err
	}
	v.Visibility = setting.HistoryVisibility()
	if v.Membership, err = Membership(before, user); err != nil {
		return View{}, err
	}
	switch {
	case p.Is(event.TypeHistoryVisibility, ""):
		v.VisibilityAfter = p.HistoryVisibility()
	case p.Is(event.TypeMember, string(user)):
		if m, err := p.Member(); err == nil {
			v.MembershipAfter = m.Membership
		}
	}
	return v, nil
}

// MaySee decides whether a user may see an event. An event that changes the
// history visibility, or the user's own membership, is seen by whom either the
// state before or the state after it lets see it.
//
// Spec: client-server-api/modules/history_visibility#server-behaviour
func MaySee(v View) bool {
	if sees(v.Visibility, v.Membership, v.JoinedLater) {
		return true
	}
	if v.VisibilityAfter != "" && sees(v.VisibilityAfter, v.Membership, v.JoinedLater) {
		return true
	}
	return v.MembershipAfter != "" && sees(v.Visibility, v.MembershipAfter, v.JoinedLater)
}

func sees(visibility, membership string, joinedLater bool) bool {
	switch {
	// 1. If the history was world-readable, allow.
	case visibility == event.WorldReadable:
		return true
	// 2. If the user's membership was join, allow.
	case membership == event.Join:
		return true
	// 4. If the history was for the invited and the user was invited, allow.
	case visibility == event.InvitedHistory:
		return membership == event.Invite
	case visibility == event.JoinedHistory:
		return false
	}
	// 3. If the history was shared and the user joined later, allow. What is not
	// understood counts as shared.
	// 5. Otherwise, deny.
	return joinedLater
}
