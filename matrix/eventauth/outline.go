package eventauth

import (
	"strconv"
	"strings"

	"github.com/hanse-im/hanse/matrix/roomver"
)

// rule is one line of the authorisation rules. Its number depends on the room
// version: see outline.
type rule uint8

const (
	ruleNone rule = iota // a line that refuses nothing

	createPrev
	createDomain
	createRoomID
	createVersion
	createCreator
	createAdditional
	roomOfCreate

	authDuplicate
	authUnselected
	authRejected
	authNoCreate
	authOtherRoom

	federate
	aliasesNoKey
	aliasesServer

	memberIncomplete
	memberUnsigned
	joinOther
	joinBanned
	joinUnvouched
	joinRefused
	thirdBanned
	thirdUnsigned
	thirdIncomplete
	thirdOther
	thirdUnknown
	thirdSender
	thirdRefused
	inviteSender
	inviteTarget
	inviteRefused
	leaveOwn
	leaveSender
	leaveBanned
	leaveRefused
	banSender
	banRefused
	knockJoinRule
	knockOther
	knockRefused
	memberUnknown

	notJoined
	thirdLevel
	requiredLevel
	ownKey

	powerSingles
	powerMaps
	powerUsers
	powerCreators
	powerSingleOld
	powerSingleNew
	powerEntryOld
	powerEntryNew
	powerUserOld
	powerUserNew
	redactRefused
)

// line is a line of a room version's page.
type line struct {
	// depth is 1 for the rules themselves, 2 for what stands below them, …
	depth int
	rule  rule
	// in tells the versions that have the line and what is below it; nil: all.
	in func(*roomver.Rules) bool
	// says are words that tell the line from its neighbours.
	says string
}

// outline is the list of rules as the pages of the room versions have it, those
// of all versions in one, without the closing "otherwise, allow" of each list.
// It is where numbers come from; the algorithm is in Check and below.
//
// Spec: rooms/v1#authorisation-rules, rooms/v3#authorisation-rules, rooms/v6#authorisation-rules,
// Spec: rooms/v7#authorisation-rules, rooms/v8#authorisation-rules, rooms/v10#authorisation-rules,
// Spec: rooms/v11#authorisation-rules, rooms/v12#authorisation-rules
var outline = [...]line{
	{1, ruleNone, nil, "If type is `m.room.create`"},
	{2, createPrev, nil, "any `prev_events`, reject"},
	{2, createDomain, namedRooms, "domain of the `room_id` does not match"},
	{2, createRoomID, hashedRooms, "has a `room_id`, reject"},
	{2, createVersion, nil, "`content.room_version` is present and is not"},
	{2, createCreator, creatorInContent, "no `creator` property"},
	{2, createAdditional, privilegedCreators, "`additional_creators` is present"},
	{1, roomOfCreate, hashedRooms, "is not an event ID for an accepted"},
	{1, ruleNone, nil, "Considering the event's `auth_events`"},
	{2, authDuplicate, nil, "duplicate entries"},
	{2, authUnselected, nil, "auth events selection"},
	{2, authRejected, nil, "themselves rejected"},
	// Version 12 has no such rule and yet leaves its number free.
	{2, authNoCreate, nil, "no `m.room.create` event among the entries"},
	{2, authOtherRoom, nil, "has a `room_id` which does not match"},
	{1, federate, nil, "`m.federate` set to `false`"},
	{1, ruleNone, aliasesAuth, "If type is `m.room.aliases`"},
	{2, aliasesNoKey, nil, "has no `state_key`, reject"},
	{2, aliasesServer, nil, "sender's domain doesn't match `state_key`"},

	{1, ruleNone, nil, "If type is `m.room.member`"},
	{2, memberIncomplete, nil, "no `state_key` property, or no `membership` property"},
	{2, ruleNone, restricted, "has a `join_authorised_via_users_server`"},
	{3, memberUnsigned, nil, "not validly signed by the homeserver"},
	{2, ruleNone, nil, "If `membership` is `join`"},
	{3, ruleNone, nil, "the only previous event is an `m.room.create`"},
	{3, joinOther, nil, "`sender` does not match `state_key`, reject"},
	{3, joinBanned, nil, "`sender` is banned, reject"},
	{3, ruleNone, nil, "`join_rule` is `invite`"},
	{3, ruleNone, restricted, "`join_rule` is `restricted`"},
	{4, ruleNone, nil, "membership state is `join` or `invite`, allow"},
	{4, joinUnvouched, nil, "not a user with sufficient permission to invite"},
	{3, ruleNone, nil, "`join_rule` is `public`, allow"},
	{3, joinRefused, nil, "Otherwise, reject"},
	{2, ruleNone, nil, "If `membership` is `invite`"},
	{3, ruleNone, nil, "`third_party_invite` property"},
	{4, thirdBanned, nil, "*target user* is banned, reject"},
	{4, thirdUnsigned, nil, "does not have a `signed` property"},
	{4, thirdIncomplete, nil, "does not have `mxid` and `token` properties"},
	{4, thirdOther, nil, "`mxid` does not match `state_key`"},
	{4, thirdUnknown, nil, "no `m.room.third_party_invite` event in the current room state"},
	{4, thirdSender, nil, "`sender` does not match `sender`"},
	{4, ruleNone, nil, "any signature in `signed` matches any public key"},
	{5, ruleNone, nil, "A single public key"},
	{5, ruleNone, nil, "A list of public keys"},
	{4, thirdRefused, nil, "Otherwise, reject"},
	{3, inviteSender, nil, "`sender`'s current membership state is not `join`, reject"},
	{3, inviteTarget, nil, "*target user*'s current membership state is `join` or `ban`, reject"},
	{3, ruleNone, nil, "*invite level*, allow"},
	{3, inviteRefused, nil, "Otherwise, reject"},
	{2, ruleNone, nil, "If `membership` is `leave`"},
	{3, leaveOwn, nil, "`sender` matches `state_key`, allow if and only if"},
	{3, leaveSender, nil, "`sender`'s current membership state is not `join`, reject"},
	{3, leaveBanned, nil, "less than the *ban level*, reject"},
	{3, ruleNone, nil, "*kick level*"},
	{3, leaveRefused, nil, "Otherwise, reject"},
	{2, ruleNone, nil, "If `membership` is `ban`"},
	{3, banSender, nil, "`sender`'s current membership state is not `join`, reject"},
	{3, ruleNone, nil, "*ban level*"},
	{3, banRefused, nil, "Otherwise, reject"},
	{2, ruleNone, knocking, "If `membership` is `knock`"},
	{3, knockJoinRule, nil, "`join_rule` is anything other than `knock`"},
	{3, knockOther, nil, "`sender` does not match `state_key`, reject"},
	{3, ruleNone, nil, "is not `ban`, `invite`, or `join`, allow"},
	{3, knockRefused, nil, "Otherwise, reject"},
	{2, memberUnknown, nil, "the membership is unknown"},

	{1, notJoined, nil, "`sender`'s current membership state is not `join`, reject"},
	{1, ruleNone, nil, "If type is `m.room.third_party_invite`"},
	{2, thirdLevel, nil, "Allow if and only if"},
	{1, requiredLevel, nil, "*required power level*"},
	{1, ownKey, nil, "starts with an `@`"},
	{1, ruleNone, nil, "If type is `m.room.power_levels`"},
	{2, powerSingles, integerLevels, "are present and not an integer"},
	{2, powerMaps, integerLevels, "not an object with values that are integers"},
	{2, powerUsers, nil, "not an object with keys that are valid user IDs"},
	{2, powerCreators, privilegedCreators, "contains the `sender` of the `m.room.create` event"},
	{2, ruleNone, nil, "no previous `m.room.power_levels` event"},
	{2, ruleNone, nil, "For the properties `users_default`"},
	{3, powerSingleOld, nil, "the current value is"},
	{3, powerSingleNew, nil, "the new value is"},
	{2, ruleNone, nil, "being changed in, or removed from, the `events`"},
	{3, powerEntryOld, nil, "the current value is"},
	{2, ruleNone, nil, "being added to, or changed in"},
	{3, powerEntryNew, nil, "the new value is"},
	{2, ruleNone, nil, "being changed in, or removed from, the `users`"},
	{3, powerUserOld, nil, "the current value is"},
	{2, ruleNone, nil, "being added to, or changed in, the `users`"},
	{3, powerUserNew, nil, "the new value is"},
	{1, ruleNone, redactionAuth, "If type is `m.room.redaction`"},
	{2, ruleNone, nil, "*redact level*, allow"},
	{2, ruleNone, nil, "domain of the `event_id`"},
	{2, redactRefused, nil, "Otherwise, reject"},
}

func namedRooms(r *roomver.Rules) bool         { return !r.RoomIDFromCreate }
func hashedRooms(r *roomver.Rules) bool        { return r.RoomIDFromCreate }
func creatorInContent(r *roomver.Rules) bool   { return r.CreatorInContent }
func privilegedCreators(r *roomver.Rules) bool { return r.PrivilegedCreators }
func aliasesAuth(r *roomver.Rules) bool        { return r.AliasesAuth }
func restricted(r *roomver.Rules) bool         { return r.Restricted }
func knocking(r *roomver.Rules) bool           { return r.Knocking }
func integerLevels(r *roomver.Rules) bool      { return r.PowerLevels == roomver.PowerLevelInteger }
func redactionAuth(r *roomver.Rules) bool      { return r.RedactionAuth }

// numbered goes through the lines that a version has, with their numbers, until
// yield has seen enough.
func numbered(r *roomver.Rules, yield func(number [6]int, l *line) bool) {
	var number [6]int // number[0] is not used
	absent := len(number)
	for i := range outline {
		l := &outline[i]
		if l.depth > absent {
			continue // below a line that the version does not have
		}
		absent = len(number)
		if l.in != nil && !l.in(r) {
			absent = l.depth
			continue
		}
		number[l.depth]++
		clear(number[l.depth+1:])
		if !yield(number, l) {
			return
		}
	}
}

// number is the line's number on the version's page; empty if the version does
// not have it.
func (which rule) number(r *roomver.Rules) (text string) {
	numbered(r, func(number [6]int, l *line) bool {
		if l.rule != which {
			return true
		}
		text = dotted(number)
		return false
	})
	return text
}

func dotted(number [6]int) string {
	var b strings.Builder
	for _, n := range number[1:] {
		if n == 0 {
			break
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}
