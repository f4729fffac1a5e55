// Package eventauth decides whether an event is allowed in a room: the
// authorisation rules of every room version.
//
// Check asks for an event and the state to check it against; CheckAuthEvents
// looks at the auth events that the event itself names. A refusal carries the
// rule's number on the page of the room's version, so that it can be looked up.
// What the versions differ in stands in roomver.Rules: no algorithm asks for a
// version.
//
// The package does no I/O; the state comes through an interface of one method.
// It keeps nothing. An error that is no *Error comes from the state and means
// that nothing was decided.
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
// handed on by whoever asked; it is how "not known yet" is said.
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
	// Rule is the number of the rule on the room version's page: "5.3.5.2".
	Rule string
	// Reason is for people.
	Reason string
}

// Error gives rule and reason.
func (e *Error) Error() string { return "rule " + e.Rule + ": " + e.Reason }

// numbers are the numbers of the top-level rules of a version.
type numbers struct {
	create, roomID, authEvents, federate, aliases, member, joined, thirdParty, required, ownKey, powers, redaction int
}

// number counts the rules that a version has.
//
// Spec: rooms/v1#authorisation-rules, rooms/v6#authorisation-rules, rooms/v12#authorisation-rules
func number(r *roomver.Rules) (n numbers) {
	last := 0
	count := func(at *int, has bool) {
		if has {
			last++
			*at = last
		}
	}
	count(&n.create, true)
	count(&n.roomID, r.RoomIDFromCreate)
	count(&n.authEvents, true)
	count(&n.federate, true)
	count(&n.aliases, r.AliasesAuth)
	count(&n.member, true)
	count(&n.joined, true)
	count(&n.thirdParty, true)
	count(&n.required, true)
	count(&n.ownKey, true)
	count(&n.powers, true)
	count(&n.redaction, r.RedactionAuth)
	return n
}

// checker is one check of one event.
type checker struct {
	p      *event.PDU
	rules  *roomver.Rules
	state  State
	create *event.PDU
	levels *Levels
}

// refuse makes a refusal by a top-level rule and the numbers below it.
func (c *checker) refuse(top func(numbers) int, below string, format string, args ...any) error {
	rule := fmt.Sprint(top(number(c.rules)))
	if below != "" {
		rule += "." + below
	}
	return &Error{Rule: rule, Reason: fmt.Sprintf(format, args...)}
}

func ruleCreate(n numbers) int     { return n.create }
func ruleRoomID(n numbers) int     { return n.roomID }
func ruleAuthEvents(n numbers) int { return n.authEvents }
func ruleFederate(n numbers) int   { return n.federate }
func ruleAliases(n numbers) int    { return n.aliases }
func ruleMember(n numbers) int     { return n.member }
func ruleJoined(n numbers) int     { return n.joined }
func ruleThirdParty(n numbers) int { return n.thirdParty }
func ruleRequired(n numbers) int   { return n.required }
func ruleOwnKey(n numbers) int     { return n.ownKey }
func rulePowers(n numbers) int     { return n.powers }
func ruleRedaction(n numbers) int  { return n.redaction }

// Check decides whether the event is allowed in a room with the given state: all
// rules but those on the event's own auth events. Signatures must have been
// verified before; of them only the presence of the one that vouches for a
// restricted join is looked at. It returns nil if the event is allowed, an *Error
// if it is not, and the state's error if that could not tell.
//
// Cost: a few look-ups in the state; contents are parsed once per event.
//
// Spec: rooms/v1#authorisation-rules, rooms/v3#authorisation-rules, rooms/v6#authorisation-rules,
// Spec: rooms/v7#authorisation-rules, rooms/v8#authorisation-rules, rooms/v10#authorisation-rules,
// Spec: rooms/v11#authorisation-rules, rooms/v12#authorisation-rules
func Check(p *event.PDU, state State) error {
	c := &checker{p: p, rules: p.Rules(), state: state}
	// 1. If type is m.room.create.
	if p.Type() == event.TypeCreate {
		return c.checkCreate()
	}
	// 2. The room ID is that of an accepted create event.
	if err := c.findCreate(); err != nil {
		return err
	}
	// 3. m.federate.
	create, err := c.create.Create()
	if err != nil {
		return c.refuse(ruleCreate, "", "the room's create event is malformed: %v", err)
	}
	if !create.Federate && p.Sender().Server() != c.create.Sender().Server() {
		return c.refuse(ruleFederate, "", "the room is closed to other servers than %s", c.create.Sender().Server())
	}
	// 4. If type is m.room.aliases.
	if c.rules.AliasesAuth && p.Type() == event.TypeAliases {
		return c.checkAliases()
	}
	if c.levels, err = readLevels(c.rules, c.create, state); err != nil {
		return c.malformedState(err)
	}
	// 5. If type is m.room.member.
	if p.Type() == event.TypeMember {
		return c.checkMember()
	}
	return c.checkOther()
}

// malformedState hands a store's error on and turns an event in the state that
// should never have been accepted into a refusal.
func (c *checker) malformedState(err error) error {
	if malformed, ok := err.(*event.Error); ok {
		return c.refuse(rulePowers, "1", "the room's power levels are malformed: %v", malformed)
	}
	return err
}

func (c *checker) checkCreate() error {
	p := c.p
	// 1.1 If it has any prev_events, reject.
	if len(p.PrevEvents()) > 0 {
		return c.refuse(ruleCreate, "1", "a create event has no previous events")
	}
	if c.rules.RoomIDFromCreate {
		// 1.2 If the event has a room_id, reject.
		if p.Room() != id.RoomFromCreate(p.ID()) || !p.Is(event.TypeCreate, "") {
			return c.refuse(ruleCreate, "2", "the room's ID is the create event's: it must not state one")
		}
	} else if p.Room().Server() != p.Sender().Server() {
		// 1.2 If the domain of the room_id does not match that of the sender, reject.
		return c.refuse(ruleCreate, "2", "the room is of server %s, its creator of %s", p.Room().Server(), p.Sender().Server())
	}
	// 1.3 If content.room_version is present and is not a recognised version, reject.
	if v := p.Content().Get("room_version"); v.Exists() {
		version, _ := v.Str()
		if _, ok := roomver.Lookup(version); !ok {
			return c.refuse(ruleCreate, "3", "room version %.40q is not known", version)
		}
	}
	// 1.4 No creator, or additional_creators that are none: reject.
	if _, err := p.Create(); err != nil {
		return c.refuse(ruleCreate, "4", "%v", err)
	}
	return nil
}

// findCreate looks up the create event that the event's room has.
func (c *checker) findCreate() error {
	create, err := c.state.StateEvent(event.TypeCreate, "")
	if err != nil {
		return err
	}
	if c.rules.RoomIDFromCreate {
		if create == nil || create.Room() != c.p.Room() {
			return c.refuse(ruleRoomID, "", "there is no accepted create event of room %s", c.p.Room())
		}
	} else if create == nil {
		return c.refuse(ruleAuthEvents, "4", "there is no create event")
	}
	c.create = create
	return nil
}

func (c *checker) checkAliases() error {
	key, ok := c.p.StateKey()
	if !ok {
		return c.refuse(ruleAliases, "1", "has no state key")
	}
	if key != string(c.p.Sender().Server()) {
		return c.refuse(ruleAliases, "2", "the sender's server is not %.64q", key)
	}
	return nil
}

// checkOther is what holds for all but create, aliases and member events.
func (c *checker) checkOther() error {
	p := c.p
	sender := p.Sender()
	// 6. If the sender's current membership state is not join, reject.
	membership, err := c.membership(sender)
	if err != nil {
		return err
	}
	if membership != event.Join {
		return c.refuse(ruleJoined, "", "%s is not in the room", sender)
	}
	power := c.levels.User(sender)
	// 7. If type is m.room.third_party_invite.
	if p.Type() == event.TypeThirdPartyInvite {
		if need := c.levels.Level(event.InviteLevel); power < need {
			return c.refuse(ruleThirdParty, "1", "%s has power %d, inviting needs %d", sender, power, need)
		}
		return nil
	}
	// 8. The required power level.
	if need := c.levels.Required(p.Type(), p.IsState()); power < need {
		return c.refuse(ruleRequired, "", "%s has power %d, %s needs %d", sender, power, p.Type(), need)
	}
	// 9. A state_key that starts with @ is the sender's.
	if key, ok := p.StateKey(); ok && len(key) > 0 && key[0] == '@' && key != string(sender) {
		return c.refuse(ruleOwnKey, "", "the state key %.64q belongs to another user", key)
	}
	// 10. If type is m.room.power_levels.
	if p.Type() == event.TypePowerLevels {
		return c.checkPowerLevels(power)
	}
	// 11. If type is m.room.redaction.
	if c.rules.RedactionAuth && p.Type() == event.TypeRedaction {
		if need := c.levels.Level(event.RedactLevel); power < need && p.Redacts().Server() != p.ID().Server() {
			return c.refuse(ruleRedaction, "3", "%s has power %d, redacting another server's event needs %d", sender, power, need)
		}
	}
	return nil
}

// membership is a user's membership in the state; leave if the state has none.
func (c *checker) membership(user id.User) (string, error) {
	return Membership(c.state, user)
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
