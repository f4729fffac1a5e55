package event

import (
	"math"
	"strconv"
	"strings"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// Level names one of the single levels of m.room.power_levels.
type Level uint8

// The single levels, in the order in which the authorisation rules list them.
const (
	UsersDefault Level = iota
	EventsDefault
	StateDefault
	BanLevel
	RedactLevel
	KickLevel
	InviteLevel
	Levels // their number
)

var levelNames = [Levels]string{"users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"}

// levelDefaults hold where there is an m.room.power_levels event.
var levelDefaults = [Levels]int64{StateDefault: 50, BanLevel: 50, RedactLevel: 50, KickLevel: 50}

// String is the level's name in the content.
func (l Level) String() string {
	if l < Levels {
		return levelNames[l]
	}
	return "no level"
}

// PowerLevels is the content of m.room.power_levels.
//
// Spec: client-server-api#room-events
type PowerLevels struct {
	levels [Levels]int64
	set    [Levels]bool
	// Users, Events and Notifications hold what the content lists, and are only
	// to be read.
	Users         map[id.User]int64
	Events        map[string]int64
	Notifications map[string]int64

	users canonjson.Value
}

// UsersJSON is users as it stands in the event, in canonical form; absent if
// there is none.
func (l *PowerLevels) UsersJSON() canonjson.Value { return l.users }

// Level is a single level, with its default if the content has none.
func (l *PowerLevels) Level(which Level) int64 {
	if l.set[which] {
		return l.levels[which]
	}
	return levelDefaults[which]
}

// Stated is a single level if the content states it.
func (l *PowerLevels) Stated(which Level) (level int64, ok bool) {
	return l.levels[which], l.set[which]
}

// User is the level of a user who is no privileged creator.
func (l *PowerLevels) User(user id.User) int64 {
	if level, ok := l.Users[user]; ok {
		return level
	}
	return l.Level(UsersDefault)
}

// Event is the level that sending an event of a type needs.
func (l *PowerLevels) Event(typ string, state bool) int64 {
	if level, ok := l.Events[typ]; ok {
		return level
	}
	if state {
		return l.Level(StateDefault)
	}
	return l.Level(EventsDefault)
}

// Notification is the level that notifying in a way needs; 50 unless stated.
func (l *PowerLevels) Notification(key string) int64 {
	if level, ok := l.Notifications[key]; ok {
		return level
	}
	return 50
}

// PowerLevels reads an m.room.power_levels event. An *Error names the member of
// the content that is not as the room version has it: users must be an object of
// user IDs and levels in every version, and where levels are integers only, so
// must all others be. In versions before, other members that are no levels count
// as missing. Levels beyond 64 bits, which only these versions can have, count as
// the nearest that fits.
//
// Spec: client-server-api#room-events, rooms/v10#authorisation-rules, rooms/v1#authorisation-rules
func (p *PDU) PowerLevels() (*PowerLevels, error) { return once(p, &p.powers, (*PDU).readPowerLevels) }

func (p *PDU) readPowerLevels() (*PowerLevels, error) {
	if err := p.wrongType(TypePowerLevels); err != nil {
		return nil, err
	}
	format := p.rules.PowerLevels
	strict := format == roomver.PowerLevelInteger
	l := &PowerLevels{}
	for i, name := range levelNames {
		v := p.content.Get(name)
		if l.levels[i], l.set[i] = level(v, format); !l.set[i] && v.Exists() && strict {
			return nil, malformed(name, "must be an integer")
		}
	}
	var err error
	if l.Events, err = levelMap(p.content, "events", format); err != nil {
		return nil, err
	}
	if l.Notifications, err = levelMap(p.content, "notifications", format); err != nil {
		return nil, err
	}
	users := p.content.Get("users")
	l.users = users
	if users.Exists() && users.Kind() != canonjson.Object {
		return nil, malformed("users", "must be an object")
	}
	if n := users.Len(); n > 0 {
		l.Users = make(map[id.User]int64, n)
	}
	for k, v := range users.Members() {
		name, _ := k.Str()
		user, err := id.ParseUserHistorical(name)
		if err != nil {
			return nil, &Error{Kind: Malformed, Field: "users", Cause: err}
		}
		n, ok := level(v, format)
		if !ok {
			return nil, malformed("users", "the level of %.64q must be an integer", name)
		}
		l.Users[user] = n
	}
	return l, nil
}

func levelMap(content canonjson.Value, name string, format roomver.PowerLevelFormat) (map[string]int64, error) {
	strict := format == roomver.PowerLevelInteger
	v := content.Get(name)
	if !v.Exists() {
		return nil, nil
	}
	if v.Kind() != canonjson.Object && strict {
		return nil, malformed(name, "must be an object")
	}
	out := make(map[string]int64, v.Len())
	for k, v := range v.Members() {
		key, _ := k.Str()
		n, ok := level(v, format)
		if ok {
			out[key] = n
		} else if strict {
			return nil, malformed(name, "the level of %.64q must be an integer", key)
		}
	}
	return out, nil
}

// level reads one level; ok is false for what the format does not take for one.
//
// Spec: rooms/v1#deprecated-event-content-schemas
func level(v canonjson.Value, format roomver.PowerLevelFormat) (n int64, ok bool) {
	switch v.Kind() {
	case canonjson.Number:
		if n, ok = integer(string(v)); ok {
			return n, true
		}
		f, fits := v.Float()
		if format != roomver.PowerLevelLenient || !fits {
			return 0, false
		}
		switch f = math.Trunc(f); {
		case f >= math.MaxInt64:
			return math.MaxInt64, true
		case f <= math.MinInt64:
			return math.MinInt64, true
		}
		return int64(f), true
	case canonjson.String:
		if format == roomver.PowerLevelInteger {
			return 0, false
		}
		text, _ := v.Str()
		return integer(strings.TrimSpace(text))
	}
	return 0, false
}

// integer reads digits with an optional sign.
func integer(s string) (int64, bool) {
	digits := s
	if s != "" && (s[0] == '+' || s[0] == '-') {
		digits = s[1:]
	}
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	_ = err // out of range: n is the nearest that fits
	return n, true
}
