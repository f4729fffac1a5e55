// Package eventauth decides whether an event is allowed in a room: the
// authorisation rules of every room version.
//
// Check asks for an event and the state to check it against; CheckAuthEvents
// takes the auth events that the event itself names. A refusal carries the
// rule's number on the page of the room's version, so that it can be looked up.
// What the versions differ in stands in roomver.Rules: no algorithm asks for a
// version. Numbers come from one outline of all versions' rules.
//
// Beside it stand the selection of auth events, power levels, and the decisions
// about redactions and history that rest on them.
//
// The package does no I/O and verifies no signatures but those of third-party
// invites; the state comes through an interface of one method. It keeps nothing,
// and its functions are safe for concurrent use. An error that is no *Error means
// that nothing was decided: the state could not answer, or an argument was wrong.
//
//	if err := eventauth.CheckAuthEvents(p, create, auth, rejected); err != nil { … }
//	if err := eventauth.Check(p, state); err != nil {
//		var refused *eventauth.Error
//		if errors.As(err, &refused) { … refused.Rule … }
//	}
//
// Spec: server-server-api#authorisation-rules, rooms/v12#authorisation-rules
package eventauth

import (
	"fmt"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// Key is a place in a room's state.
type Key struct {
	Type, StateKey string
}

// State gives the state event at a place: nil, nil if there is none. An error is
// handed on by whoever asked; it is how "not known yet" is said. Only what a
// decision needs is asked for.
type State interface {
	StateEvent(typ, stateKey string) (*event.PDU, error)
}

// MapState is state in a map.
type MapState map[Key]*event.PDU

// StateEvent is the event at a place, nil if there is none.
func (m MapState) StateEvent(typ, stateKey string) (*event.PDU, error) {
	return m[Key{typ, stateKey}], nil
}

// Add puts state events into their places; other events are passed over.
func (m MapState) Add(events ...*event.PDU) {
	for _, p := range events {
		if key, ok := p.StateKey(); ok {
			m[Key{p.Type(), key}] = p
		}
	}
}

// Error is a refusal.
type Error struct {
	// Rule is the number of the rule on the room version's page, that of a line
	// which says "reject": "5.3.5.2".
	Rule string
	// Reason is for people.
	Reason string
}

// Error gives rule and reason.
func (e *Error) Error() string { return "rule " + e.Rule + ": " + e.Reason }

// checker is one check of one event.
type checker struct {
	p     *event.PDU
	rules *roomver.Rules
	state State
	// createPDU and create are the room's create event; levels are read when a
	// rule asks for them.
	createPDU *event.PDU
	create    *event.Create
	levels    Levels
}

func (c *checker) refuse(by rule, format string, args ...any) error {
	return &Error{Rule: by.number(c.rules), Reason: fmt.Sprintf(format, args...)}
}

// Check decides whether the event is allowed in a room with the given state: all
// rules but those on the event's own auth events. It returns nil if the event is
// allowed, an *Error if it is not, and the state's error if that could not tell.
//
// The event's signatures must have been verified before, those of all of
// RequiredSigners. Check itself only looks whether the server that vouches for a
// restricted join is among those who signed.
//
// Cost: a few look-ups in the state, about 0.1 µs with one in memory; contents
// are parsed once per event. A third-party invite verifies signatures, 64 at most.
//
// Spec: rooms/v1#authorisation-rules, rooms/v3#authorisation-rules, rooms/v6#authorisation-rules,
// Spec: rooms/v7#authorisation-rules, rooms/v8#authorisation-rules, rooms/v10#authorisation-rules,
// Spec: rooms/v11#authorisation-rules, rooms/v12#authorisation-rules
func Check(p *event.PDU, state State) error {
	c := checker{p: p, rules: p.Rules(), state: state}
	// Numbers in comments are those of version 1 unless they name another.
	//
	// 1. If type is m.room.create.
	if p.Type() == event.TypeCreate {
		return c.checkCreate()
	}
	// 2.4; in version 12, 2. The room has a create event.
	if err := c.findCreate(); err != nil {
		return err
	}
	// 3. m.federate.
	if home := c.createPDU.Sender().Server(); !c.create.Federate && p.Sender().Server() != home {
		return c.refuse(federate, "the room is closed to servers other than %s", home)
	}
	switch {
	// 4. If type is m.room.aliases.
	case p.Type() == event.TypeAliases && c.rules.AliasesAuth:
		return c.checkAliases()
	// 5. If type is m.room.member.
	case p.Type() == event.TypeMember:
		return c.checkMember()
	}
	// 6. to 11.
	return c.checkOther()
}

// checkCreate is rule 1. It needs no state.
func (c *checker) checkCreate() error {
	p := c.p
	// 1. If it has any prev_events, reject.
	if len(p.PrevEvents()) > 0 {
		return c.refuse(createPrev, "a create event has no previous events")
	}
	if c.rules.RoomIDFromCreate {
		// 2. (version 12) If the event has a room_id, reject.
		if p.Room() != id.RoomFromCreate(p.ID()) {
			return c.refuse(createRoomID, "a create event names no room: the room's ID is made from its own")
		}
	} else if p.Room().Server() != p.Sender().Server() {
		// 2. If the domain of the room_id does not match that of the sender, reject.
		return c.refuse(createDomain, "the room is of server %s, its creator of %s", p.Room().Server(), p.Sender().Server())
	}
	// 3. If content.room_version is present and is not a recognised version, reject.
	if v := p.Content().Get("room_version"); v.Exists() {
		version, _ := v.Str()
		if _, ok := roomver.Lookup(version); !ok {
			return c.refuse(createVersion, "room version %.40q is not known", version)
		}
	}
	// 4. No creator, or additional_creators that are no user IDs: reject.
	if _, err := p.Create(); err != nil {
		return c.malformedCreate(err)
	}
	return nil
}

// malformedCreate refuses by the rule that the create event itself breaks.
func (c *checker) malformedCreate(err error) error {
	if c.rules.CreatorInContent {
		return c.refuse(createCreator, "the room's create event: %v", err)
	}
	return c.refuse(createAdditional, "the room's create event: %v", err)
}

// findCreate looks up the create event that the event's room has.
func (c *checker) findCreate() error {
	create, err := c.state.StateEvent(event.TypeCreate, "")
	switch {
	case err != nil:
		return err
	case c.rules.RoomIDFromCreate && (create == nil || create.Room() != c.p.Room()):
		return c.refuse(roomOfCreate, "there is no accepted create event of room %s", c.p.Room())
	case create == nil:
		return c.refuse(authNoCreate, "the room has no create event")
	}
	c.createPDU = create
	if c.create, err = create.Create(); err != nil {
		return c.malformedCreate(err)
	}
	return nil
}

// checkAliases is rule 4.
func (c *checker) checkAliases() error {
	// 1. If event has no state_key, reject.
	key, ok := c.p.StateKey()
	if !ok {
		return c.refuse(aliasesNoKey, "has no state key")
	}
	// 2. If sender's domain doesn't match state_key, reject.
	if server := c.p.Sender().Server(); key != string(server) {
		return c.refuse(aliasesServer, "the sender's server is %s and not %.64q", server, key)
	}
	return nil
}

// checkOther is rules 6 to 11: what holds for all but create, aliases and member
// events.
func (c *checker) checkOther() error {
	p, sender := c.p, c.p.Sender()
	// 6. If the sender's current membership state is not join, reject.
	if err := c.needJoined(sender, notJoined); err != nil {
		return err
	}
	if err := c.readLevels(); err != nil {
		return err
	}
	power := c.levels.User(sender)
	// 7. If type is m.room.third_party_invite, the invite level alone decides.
	if p.Type() == event.TypeThirdPartyInvite {
		if need := c.levels.Level(event.InviteLevel); power < need {
			return c.refuse(thirdLevel, "%s has power %d, inviting needs %d", sender, power, need)
		}
		return nil
	}
	// 8. The required power level.
	if need := c.levels.Required(p.Type(), p.IsState()); power < need {
		return c.refuse(requiredLevel, "%s has power %d, %s needs %d", sender, power, p.Type(), need)
	}
	// 9. A state_key that starts with @ is the sender's.
	if key, ok := p.StateKey(); ok && key != "" && key[0] == '@' && key != string(sender) {
		return c.refuse(ownKey, "the state key %.64q belongs to another user", key)
	}
	switch {
	// 10. If type is m.room.power_levels.
	case p.Type() == event.TypePowerLevels:
		return c.checkPowerLevels(power)
	// 11. If type is m.room.redaction.
	case p.Type() == event.TypeRedaction && c.rules.RedactionAuth:
		return c.checkRedaction(power)
	}
	return nil
}

// checkRedaction is rule 11.
func (c *checker) checkRedaction(power int64) error {
	// 1. With the redact level, allow.
	need := c.levels.Level(event.RedactLevel)
	if power >= need {
		return nil
	}
	// 2. If both event IDs are of the same server, allow.
	if c.p.Redacts().Server() == c.p.ID().Server() {
		return nil
	}
	// 3. Otherwise, reject.
	return c.refuse(redactRefused, "%s has power %d, redacting another server's event needs %d", c.p.Sender(), power, need)
}

// needJoined refuses by a rule unless the user is in the room.
func (c *checker) needJoined(user id.User, by rule) error {
	membership, err := Membership(c.state, user)
	if err != nil {
		return err
	}
	if membership != event.Join {
		return c.refuse(by, "%s is not in the room", user)
	}
	return nil
}

// Membership is a user's membership in a state; event.Leave if there is none, or
// none that can be read. The error is the state's.
func Membership(state State, user id.User) (string, error) {
	p, err := state.StateEvent(event.TypeMember, string(user))
	if err != nil || p == nil {
		return event.Leave, err
	}
	m, err := p.Member()
	if err != nil {
		return event.Leave, nil
	}
	return m.Membership, nil
}
