package eventauth

import (
	"fmt"
	"math"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// Infinite is the power of creators where the room version privileges them. No
// level that an event states reaches it in these versions.
const Infinite = math.MaxInt64

// Levels is who has which power in a room and what power is needed for what.
type Levels struct {
	rules  *roomver.Rules
	create *event.Create
	// stated is nil where the room has no m.room.power_levels event.
	stated *event.PowerLevels
}

// ReadLevels reads a room's levels from its state. The error is the state's, or
// an *event.Error if the room has no create event or its power levels could
// never have been accepted.
//
// Spec: client-server-api#room-events, rooms/v12#authorisation-rules
func ReadLevels(rules *roomver.Rules, state State) (*Levels, error) {
	create, err := state.StateEvent(event.TypeCreate, "")
	if err != nil {
		return nil, err
	}
	if create == nil {
		return nil, &event.Error{Kind: event.Malformed, Reason: "the room has no create event"}
	}
	return readLevels(rules, create, state)
}

func readLevels(rules *roomver.Rules, createEvent *event.PDU, state State) (*Levels, error) {
	create, err := createEvent.Create()
	if err != nil {
		return nil, err
	}
	l := &Levels{rules: rules, create: create}
	p, err := state.StateEvent(event.TypePowerLevels, "")
	if err != nil || p == nil {
		return l, err
	}
	l.stated, err = p.PowerLevels()
	return l, err
}

// User is a user's power; Infinite for privileged creators.
func (l *Levels) User(user id.User) int64 {
	if l.rules.PrivilegedCreators && l.create.IsCreator(user) {
		return Infinite
	}
	if l.stated != nil {
		return l.stated.User(user)
	}
	// Without power levels only the creator has any.
	if !l.rules.PrivilegedCreators && user == l.create.Creators[0] {
		return 100
	}
	return 0
}

// Level is one of the single levels; without m.room.power_levels, the default
// that holds then.
func (l *Levels) Level(which event.Level) int64 {
	if l.stated != nil {
		return l.stated.Level(which)
	}
	switch which {
	case event.BanLevel, event.KickLevel, event.RedactLevel:
		return 50
	}
	return 0
}

// Required is the power that sending an event of a type needs.
func (l *Levels) Required(typ string, state bool) int64 {
	if l.stated != nil {
		return l.stated.Event(typ, state)
	}
	return 0
}

// Notification is the power that notifying in a way needs, such as "room".
func (l *Levels) Notification(key string) int64 {
	if l.stated != nil {
		return l.stated.Notification(key)
	}
	return 50
}

// IsCreator reports whether a user is one of the room's creators.
func (l *Levels) IsCreator(user id.User) bool { return l.create.IsCreator(user) }

// powerNumbers are the numbers below the rule on m.room.power_levels.
type powerNumbers struct {
	single, maps, users, creators, single2, mapsOld, mapsNew, usersOld, usersNew int
}

// Spec: rooms/v1#authorisation-rules, rooms/v10#authorisation-rules, rooms/v12#authorisation-rules
func numberPowers(r *roomver.Rules) (n powerNumbers) {
	last, integers := 0, r.PowerLevels == roomver.PowerLevelInteger
	count := func(at *int, has bool) {
		if has {
			last++
			*at = last
		}
	}
	var first int // "If there is no previous event, allow."
	count(&n.single, integers)
	count(&n.maps, integers)
	count(&n.users, true)
	count(&n.creators, r.PrivilegedCreators)
	count(&first, true)
	count(&n.single2, true)
	count(&n.mapsOld, true)
	count(&n.mapsNew, true)
	count(&n.usersOld, true)
	count(&n.usersNew, true)
	return n
}

// checkPowerLevels is the rule on m.room.power_levels; power is the sender's.
func (c *checker) checkPowerLevels(power int64) error {
	n := numberPowers(c.rules)
	refuse := func(rule int, below, format string, args ...any) error {
		return c.refuse(rulePowers, fmt.Sprint(rule)+below, format, args...)
	}
	// 1., 2., 3. Levels are levels.
	next, err := c.p.PowerLevels()
	if err != nil {
		rule := n.single
		if malformed, ok := err.(*event.Error); ok {
			switch malformed.Field {
			case "users":
				rule = n.users
			case "events", "notifications":
				rule = n.maps
			}
		}
		return refuse(rule, "", "%v", err)
	}
	// 4. Creators are not listed.
	if c.rules.PrivilegedCreators {
		for _, user := range c.levels.create.Creators {
			if _, listed := next.Users[user]; listed {
				return refuse(n.creators, "", "%s is a creator and has no level", user)
			}
		}
	}
	// 5. Without previous power levels, allow.
	old := c.levels.stated
	if old == nil {
		return nil
	}
	// 6. Single levels.
	for which := range event.Levels {
		was, had := old.Stated(which)
		is, has := next.Stated(which)
		if had == has && was == is {
			continue
		}
		if had && was > power {
			return refuse(n.single2, ".1", "%s is %d, above the sender's power %d", which, was, power)
		}
		if has && is > power {
			return refuse(n.single2, ".2", "%s becomes %d, above the sender's power %d", which, is, power)
		}
	}
	// 7., 8. Events and notifications.
	if err := checkLevelMap(old.Events, next.Events, power, n, refuse); err != nil {
		return err
	}
	if c.rules.NotificationLevels {
		if err := checkLevelMap(old.Notifications, next.Notifications, power, n, refuse); err != nil {
			return err
		}
	}
	// 9., 10. Users. The sender's own entry may be given up.
	own := c.p.Sender()
	if user, was, bad := lost(old.Users, next.Users, func(user id.User, was int64) bool { return user != own && was >= power }); bad {
		return refuse(n.usersOld, ".1", "%s has %d, not below the sender's power %d", user, was, power)
	}
	if user, is, bad := lost(next.Users, old.Users, func(_ id.User, is int64) bool { return is > power }); bad {
		return refuse(n.usersNew, ".1", "%s gets %d, above the sender's power %d", user, is, power)
	}
	return nil
}

func checkLevelMap(old, next map[string]int64, power int64, n powerNumbers, refuse func(int, string, string, ...any) error) error {
	above := func(_ string, level int64) bool { return level > power }
	if key, was, bad := lost(old, next, above); bad {
		return refuse(n.mapsOld, ".1", "%.64q is %d, above the sender's power %d", key, was, power)
	}
	if key, is, bad := lost(next, old, above); bad {
		return refuse(n.mapsNew, ".1", "%.64q becomes %d, above the sender's power %d", key, is, power)
	}
	return nil
}

// lost finds an entry of a that b does not have alike and that is forbidden; of
// several the one whose key is first.
func lost[K ~string](a, b map[K]int64, forbidden func(K, int64) bool) (key K, level int64, found bool) {
	for k, v := range a {
		if w, ok := b[k]; (ok && v == w) || !forbidden(k, v) || (found && k > key) {
			continue
		}
		key, level, found = k, v, true
	}
	return key, level, found
}
