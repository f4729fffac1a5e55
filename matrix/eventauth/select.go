package eventauth

import (
	"slices"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// Subject is what the selection of auth events asks of an event, which need not
// exist yet.
type Subject struct {
	Type string
	// StateKey is nil for an event that is no state event.
	StateKey *string
	Sender   id.User
	Content  canonjson.Value
}

// SubjectOf is the subject of an event that exists.
func SubjectOf(p *event.PDU) Subject {
	s := Subject{Type: p.Type(), Sender: p.Sender(), Content: p.Content()}
	if key, ok := p.StateKey(); ok {
		s.StateKey = &key
	}
	return s
}

// Keys are the places in the state that decide about an event, at most six and
// without repetition. A create event has none.
//
// Spec: server-server-api#auth-events-selection
func Keys(rules *roomver.Rules, s Subject) []Key {
	if s.Type == event.TypeCreate {
		return nil
	}
	keys := make([]Key, 0, 6)
	add := func(typ, stateKey string) {
		if k := (Key{typ, stateKey}); !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	// Depending on the room version, the create event.
	if !rules.RoomIDFromCreate {
		add(event.TypeCreate, "")
	}
	// The power levels and the sender's membership.
	add(event.TypePowerLevels, "")
	add(event.TypeMember, string(s.Sender))
	if s.Type != event.TypeMember {
		return keys
	}
	// For member events, the target's membership.
	if s.StateKey != nil {
		add(event.TypeMember, *s.StateKey)
	}
	membership, _ := s.Content.Get("membership").Str()
	// The join rules, if membership is join, invite or knock.
	switch membership {
	case event.Join, event.Invite, event.Knock:
		add(event.TypeJoinRules, "")
	}
	// The third-party invite that an invite makes use of.
	if membership == event.Invite {
		if token, ok := s.Content.Path("third_party_invite", "signed", "token").Str(); ok {
			add(event.TypeThirdPartyInvite, token)
		}
	}
	// The membership of who vouches for a restricted join.
	if membership == event.Join && rules.Restricted {
		if user, ok := s.Content.Get("join_authorised_via_users_server").Str(); ok {
			add(event.TypeMember, user)
		}
	}
	return keys
}

// Select is the auth events that a new event is to have: what the state has at
// Keys. The error is the state's.
//
// Spec: server-server-api#auth-events-selection
func Select(rules *roomver.Rules, s Subject, state State) ([]*event.PDU, error) {
	keys := Keys(rules, s)
	out := make([]*event.PDU, 0, len(keys))
	for _, k := range keys {
		p, err := state.StateEvent(k.Type, k.StateKey)
		if err != nil {
			return nil, err
		}
		if p != nil {
			out = append(out, p)
		}
	}
	return out, nil
}
