package eventauth

import (
	"github.com/hanse-im/hanse/matrix/event"
)

// CanRedact decides whether a redaction is to be applied to an event, given the
// room's state before the redaction: its sender has the redact level, or the same
// server made both. The error is the state's.
//
// Spec: rooms/v3#handling-redactions, rooms/v1#authorisation-rules
func CanRedact(redaction, target *event.PDU, state State) (bool, error) {
	if redaction.Room() != target.Room() {
		return false, nil
	}
	rules := redaction.Rules()
	if rules.SignedByEventIDServer {
		if redaction.ID().Server() == target.ID().Server() {
			return true, nil
		}
	} else if redaction.Sender().Server() == target.Sender().Server() {
		return true, nil
	}
	levels, err := ReadLevels(rules, state)
	if err != nil {
		return false, err
	}
	return levels.User(redaction.Sender()) >= levels.Level(event.RedactLevel), nil
}

// View is what decides whether a user may see an event.
type View struct {
	// Visibility and Membership are the room's history visibility and the user's
	// membership in the state before the event.
	Visibility, Membership string
	// VisibilityAfter is the setting that the event makes, if it is an
	// m.room.history_visibility event, else empty.
	VisibilityAfter string
	// MembershipAfter is what the event makes of this user's membership, if it is
	// the user's own member event, else empty.
	MembershipAfter string
	// JoinedLater: the user has been in the room at some time after the event.
	JoinedLater bool
}

// MaySee decides whether a user may see an event.
//
// Spec: client-server-api/modules/history_visibility#server-behaviour
func MaySee(v View) bool {
	settings, memberships := []string{v.Visibility}, []string{v.Membership}
	if v.VisibilityAfter != "" {
		settings = append(settings, v.VisibilityAfter)
	}
	if v.MembershipAfter != "" {
		memberships = append(memberships, v.MembershipAfter)
	}
	for _, setting := range settings {
		for _, membership := range memberships {
			if maySee(setting, membership, v.JoinedLater) {
				return true
			}
		}
	}
	return false
}

func maySee(setting, membership string, joinedLater bool) bool {
	switch setting {
	case event.WorldReadable, event.InvitedHistory, event.JoinedHistory:
	default:
		setting = event.SharedHistory
	}
	switch {
	// 1. World-readable: everybody.
	case setting == event.WorldReadable:
		return true
	// 2. Members.
	case membership == event.Join:
		return true
	// 3. Shared: who joined later.
	case setting == event.SharedHistory && joinedLater:
		return true
	// 4. Invited.
	case setting == event.InvitedHistory && membership == event.Invite:
		return true
	}
	// 5. Otherwise, deny.
	return false
}
