package eventauth

import (
	"bytes"
	"errors"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
)

// checkPowerLevels is rule 10; power is the sender's. The numbers are those of
// version 12.
func (c *checker) checkPowerLevels(power int64) error {
	// 1., 2., 3. Levels are levels.
	next, err := c.p.PowerLevels()
	if err != nil {
		return c.malformedLevels("", err)
	}
	// 4. Creators are not listed.
	if c.rules.PrivilegedCreators {
		for _, user := range c.create.Creators {
			if _, listed := next.Users[user]; listed {
				return c.refuse(powerCreators, "%s is a creator and has no level", user)
			}
		}
	}
	// 5. If there are no previous power levels, allow.
	old := c.levels.stated
	if old == nil {
		return nil
	}
	// 6. Single levels.
	if err := c.checkSingleLevels(old, next, power); err != nil {
		return err
	}
	// 7., 8. Events and (version 6) notifications.
	if err := c.checkEntries(old, next, power); err != nil {
		return err
	}
	// 9., 10. Users.
	return c.checkUsers(old, next, power)
}

// malformedLevels refuses by the rule that an m.room.power_levels event itself
// breaks: 1, 2 or 3.
func (c *checker) malformedLevels(whose string, err error) error {
	by := powerSingles
	var malformed *event.Error
	if errors.As(err, &malformed) {
		switch malformed.Field {
		case "users":
			by = powerUsers
		case "events", "notifications":
			by = powerMaps
		}
	}
	return c.refuse(by, "%s%v", whose, err)
}

// checkSingleLevels is rule 10.6.
func (c *checker) checkSingleLevels(old, next *event.PowerLevels, power int64) error {
	for which := range event.Levels {
		was, had := old.Stated(which)
		is, has := next.Stated(which)
		if had == has && was == is {
			continue
		}
		// 1. If the current value is above the sender's power, reject.
		if had && was > power {
			return c.refuse(powerSingleOld, "%s is %d, above the sender's power %d", which, was, power)
		}
		// 2. If the new value is, reject.
		if has && is > power {
			return c.refuse(powerSingleNew, "%s becomes %d, above the sender's power %d", which, is, power)
		}
	}
	return nil
}

// checkEntries is rules 10.7 and 10.8.
func (c *checker) checkEntries(old, next *event.PowerLevels, power int64) error {
	lists := [2][2]map[string]int64{{old.Events, next.Events}}
	if c.rules.NotificationLevels {
		lists[1] = [2]map[string]int64{old.Notifications, next.Notifications}
	}
	// 7. For each entry changed or removed, if the current value is above the
	// sender's power, reject.
	for _, l := range lists {
		if key, was, bad := highest(l[0], l[1], power); bad {
			return c.refuse(powerEntryOld, "%.64q is %d, above the sender's power %d", key, was, power)
		}
	}
	// 8. For each entry added or changed, if the new value is, reject.
	for _, l := range lists {
		if key, is, bad := highest(l[1], l[0], power); bad {
			return c.refuse(powerEntryNew, "%.64q becomes %d, above the sender's power %d", key, is, power)
		}
	}
	return nil
}

// highest finds an entry of a that b does not have alike and that is above
// power: the highest, and of several the first by name.
func highest(a, b map[string]int64, power int64) (key string, level int64, found bool) {
	for k, v := range a {
		if v <= power || (found && (v < level || (v == level && k > key))) {
			continue
		}
		if w, ok := b[k]; !ok || v != w {
			key, level, found = k, v, true
		}
	}
	return key, level, found
}

// checkUsers is rules 10.9 and 10.10.
func (c *checker) checkUsers(old, next *event.PowerLevels, power int64) error {
	before, after := apart(old.UsersJSON(), next.UsersJSON())
	// 9. For each entry changed or removed but the sender's own, if the current
	// value is not below the sender's power, reject.
	for k := range before.Members() {
		user := userOf(k)
		was := old.Users[user]
		if is, has := next.Users[user]; (!has || is != was) && user != c.p.Sender() && was >= power {
			return c.refuse(powerUserOld, "%s has %d, not below the sender's power %d", user, was, power)
		}
	}
	// 10. For each entry added or changed, if the new value is above the sender's
	// power, reject.
	for k := range after.Members() {
		user := userOf(k)
		is := next.Users[user]
		if was, had := old.Users[user]; (!had || is != was) && is > power {
			return c.refuse(powerUserNew, "%s gets %d, above the sender's power %d", user, is, power)
		}
	}
	return nil
}

func userOf(key canonjson.Value) id.User {
	name, _ := key.Str()
	return id.User(name)
}

// apart cuts from two users objects in canonical form most of what they have
// alike at both ends. Rooms list thousands of users of whom an event changes one;
// comparing bytes is far cheaper than comparing entries. What is left is an
// object again, and may hold entries that are alike.
func apart(a, b canonjson.Value) (x, y canonjson.Value) {
	if len(a) < 2 || len(b) < 2 {
		return a, b
	}
	// Between two entries, and nowhere else, stands this: within a string a quote
	// has a backslash ahead, and behind its end stands no @.
	between := []byte(`,"@`)
	from := 1
	if i := bytes.LastIndex(a[:alikeAhead(a, b)], between); i >= 0 {
		from = i + 1
	}
	endA, endB := len(a)-1, len(b)-1
	tail := alikeBehind(a[from:], b[from:])
	if i := bytes.Index(a[len(a)-tail:], between); i >= 0 {
		endA, endB = len(a)-tail+i, len(b)-tail+i
	}
	return object(a[from:endA]), object(b[from:endB])
}

func object(entries []byte) canonjson.Value {
	return append(append(append(make([]byte, 0, len(entries)+2), '{'), entries...), '}')
}

// alikeAhead is how many bytes a and b have in common at the start.
func alikeAhead(a, b []byte) int {
	const step = 256
	n, i := min(len(a), len(b)), 0
	for i+step <= n && bytes.Equal(a[i:i+step], b[i:i+step]) {
		i += step
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// alikeBehind is how many bytes a and b have in common at the end.
func alikeBehind(a, b []byte) int {
	const step = 256
	n, i := min(len(a), len(b)), 0
	for i+step <= n && bytes.Equal(a[len(a)-i-step:len(a)-i], b[len(b)-i-step:len(b)-i]) {
		i += step
	}
	for i < n && a[len(a)-i-1] == b[len(b)-i-1] {
		i++
	}
	return i
}
