package eventauth

import (
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

// Keys are the places in the state that decide about an event, at most seven and
// without repetition. A create event has none.
//
// Spec: server-server-api#auth-events-selection
func Keys(rules *roomver.Rules, s Subject) []Key {
	if s.Type == event.TypeCreate {
		return nil
	}
	keys := make([]Key, 0, 7)
	add := func(typ, stateKey string) {
		k := Key{typ, stateKey}
		for _, other := range keys {
			if other == k {
				return
			}
		}
		keys = append(keys, k)
	}
	if !rules.RoomIDFromCreate {
		add(event.TypeCreate, "")
	}
	add(event.TypePowerLevels, "")
	add(event.TypeMember, string(s.Sender))
	if s.Type != event.TypeMember {
		return keys
	}
	if s.StateKey != nil {
		add(event.TypeMember, *s.StateKey)
	}
	membership, _ := s.Content.Get("membership").Str()
	switch membership {
	case event.Join, event.Invite, event.Knock:
		add(event.TypeJoinRules, "")
	}
	if membership == event.Invite {
		if token, ok := s.Content.Path("third_party_invite", "signed", "token").Str(); ok {
			add(event.TypeThirdPartyInvite, token)
		}
	}
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
	var out []*event.PDU
	for _, k := range Keys(rules, s) {
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

// CheckAuthEvents decides about the auth events that an event names: auth are
// these events, in any order. rejected reports whether one of them was itself
// rejected. The event must then be checked against the state that they make up;
// where the room's ID is its create event's, that event belongs to the state as
// well and is not among them.
//
// Spec: rooms/v1#authorisation-rules, rooms/v12#authorisation-rules
func CheckAuthEvents(p *event.PDU, auth []*event.PDU, rejected func(id.Event) bool) error {
	c := &checker{p: p, rules: p.Rules()}
	if p.Type() == event.TypeCreate {
		return nil // rule 1 alone decides
	}
	wanted := Keys(c.rules, SubjectOf(p))
	seen := make([]Key, 0, len(auth))
	create := false
	for _, a := range auth {
		key, isState := a.StateKey()
		k := Key{a.Type(), key}
		// 1. No two events for one place.
		if isState && contains(seen, k) {
			return c.refuse(ruleAuthEvents, "1", "two auth events are %s with state key %.64q", k.Type, k.StateKey)
		}
		seen = append(seen, k)
		// 2. None that the selection would not choose.
		if !isState || !contains(wanted, k) {
			return c.refuse(ruleAuthEvents, "2", "%s with state key %.64q has no place among the auth events", k.Type, k.StateKey)
		}
		// 3. None that was rejected.
		if rejected(a.ID()) {
			return c.refuse(ruleAuthEvents, "3", "the auth event %s was rejected", a.ID())
		}
		// 5. None of another room.
		if a.Room() != p.Room() {
			return c.refuse(ruleAuthEvents, "5", "the auth event %s is of room %s", a.ID(), a.Room())
		}
		create = create || a.Type() == event.TypeCreate
	}
	// 4. The create event, where it is to be named.
	if !create && !c.rules.RoomIDFromCreate {
		return c.refuse(ruleAuthEvents, "4", "the create event is not among the auth events")
	}
	return nil
}

func contains(keys []Key, k Key) bool {
	for _, other := range keys {
		if other == k {
			return true
		}
	}
	return false
}
