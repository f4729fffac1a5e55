package eventauth

import (
	"math"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// Infinite is the power of creators where the room version privileges them. No
// level that an event states reaches it in these versions.
const Infinite = math.MaxInt64

// Levels is who has which power in a room and what power is needed for what. It
// is made by ReadLevels, does not change, and is safe for concurrent use.
type Levels struct {
	rules  *roomver.Rules
	create *event.Create
	// stated is what the room's m.room.power_levels event has; without one it is
	// as if that were empty, but that a creator has the first power.
	stated *event.PowerLevels
}

// ReadLevels reads a room's levels from its state. The error is the state's, or
// an *event.Error if the room has no create event, or a create event or power
// levels that no rule would have accepted.
//
// Spec: client-server-api#permissions, rooms/v12#authorisation-rules
func ReadLevels(rules *roomver.Rules, state State) (*Levels, error) {
	p, err := state.StateEvent(event.TypeCreate, "")
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, &event.Error{Kind: event.Malformed, Reason: "the room has no create event"}
	}
	create, err := p.Create()
	if err != nil {
		return nil, err
	}
	levels := &Levels{rules: rules, create: create}
	if p, err = state.StateEvent(event.TypePowerLevels, ""); err != nil || p == nil {
		return levels, err
	}
	levels.stated, err = p.PowerLevels()
	return levels, err
}

// readLevels reads the levels of the checker's state.
func (c *checker) readLevels() error {
	c.levels = Levels{rules: c.rules, create: c.create}
	p, err := c.state.StateEvent(event.TypePowerLevels, "")
	if err != nil || p == nil {
		return err
	}
	if c.levels.stated, err = p.PowerLevels(); err != nil {
		return c.malformedLevels("the room's power levels: ", err)
	}
	return nil
}

// User is a user's power; Infinite for privileged creators.
//
// Spec: client-server-api#permissions
func (l *Levels) User(user id.User) int64 {
	switch {
	case l.rules.PrivilegedCreators && l.create.IsCreator(user):
		return Infinite
	case l.stated != nil:
		return l.stated.User(user)
	case !l.rules.PrivilegedCreators && user == l.create.Creators[0]:
		return 100 // until power levels are stated
	}
	return 0
}

// Level is one of the single levels, with its default if none is stated.
func (l *Levels) Level(which event.Level) int64 { return l.statedOrNone().Level(which) }

// Required is the power that sending an event of a type needs.
//
// Spec: server-server-api#definitions
func (l *Levels) Required(typ string, state bool) int64 { return l.statedOrNone().Event(typ, state) }

// Notification is the power that notifying in a way needs, such as "room".
func (l *Levels) Notification(key string) int64 { return l.statedOrNone().Notification(key) }

// IsCreator reports whether a user is one of the room's creators.
func (l *Levels) IsCreator(user id.User) bool { return l.create.IsCreator(user) }

// noLevels has the defaults. They are the same without any m.room.power_levels:
// state_default is 50 then as well.
var noLevels event.PowerLevels

func (l *Levels) statedOrNone() *event.PowerLevels {
	if l.stated == nil {
		return &noLevels
	}
	return l.stated
}

// CanInvite decides whether a user is in the room and has the invite level, as
// who invites must, or who vouches for a restricted join. The error is that of
// ReadLevels.
//
// Spec: rooms/v8#authorisation-rules, client-server-api#restricted-rooms
func CanInvite(rules *roomver.Rules, state State, user id.User) (bool, error) {
	membership, err := Membership(state, user)
	if err != nil || membership != event.Join {
		return false, err
	}
	levels, err := ReadLevels(rules, state)
	if err != nil {
		return false, err
	}
	return levels.User(user) >= levels.Level(event.InviteLevel), nil
}
