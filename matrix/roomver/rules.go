// Package roomver describes every room version of Matrix as a table of named
// rules.
//
// A version is data: no algorithm of hanse asks for a version's number, it asks
// for a rule (rules.Knocking, rules.StateRes). Each version is written as the
// version before it plus its differences, each with the place in the
// specification where the difference stands. Versions are opaque and have no
// order; only the way in which they are written down has.
//
// The package does no I/O and has no mutable state. Rules values are shared and
// must not be changed.
//
//	rules, ok := roomver.Lookup("12")
//	if !ok { … the room cannot be taken part in … }
//	if rules.Knocking { … }
//
// Spec: rooms#complete-list-of-room-versions
package roomver

// EventIDFormat says where the ID of an event comes from.
type EventIDFormat uint8

const (
	// EventIDField: the sending server chooses $opaque:server and puts it in event_id.
	EventIDField EventIDFormat = iota + 1
	// EventIDHash: $ and the reference hash in unpadded standard base64.
	EventIDHash
	// EventIDHashURLSafe: $ and the reference hash in unpadded URL-safe base64.
	EventIDHashURLSafe
)

// StateResAlgorithm names a state resolution algorithm.
type StateResAlgorithm uint8

const (
	// StateResV1 is the algorithm of the first room version.
	StateResV1 StateResAlgorithm = iota + 1
	// StateResV2 starts the iterative auth checks from the unconflicted state.
	StateResV2
	// StateResV21 starts them from nothing and adds the conflicted state subgraph.
	StateResV21
)

// PowerLevelFormat says which JSON values count as a power level.
type PowerLevelFormat uint8

const (
	// PowerLevelLenient takes integers, strings that hold an integer, and
	// floats, which are truncated.
	PowerLevelLenient PowerLevelFormat = iota + 1
	// PowerLevelStringy takes integers and strings that hold an integer.
	PowerLevelStringy
	// PowerLevelInteger takes integers only.
	PowerLevelInteger
)

// Redaction is what the redaction algorithm of a version keeps, as named
// differences from the version before.
//
// Every version keeps these top-level keys: event_id, type, room_id, sender,
// state_key, content, hashes, signatures, depth, prev_events, auth_events,
// origin_server_ts; and these of the content: membership of m.room.member,
// creator of m.room.create, join_rule of m.room.join_rules, the levels of
// m.room.power_levels but for invite and notifications, history_visibility of
// m.room.history_visibility.
//
// Spec: rooms/v1#redactions
type Redaction struct {
	// KeepOrigin keeps the top-level origin, membership and prev_state.
	KeepOrigin bool
	// KeepAliases keeps aliases of m.room.aliases.
	KeepAliases bool
	// KeepAllow keeps allow of m.room.join_rules.
	KeepAllow bool
	// KeepAuthorisedVia keeps join_authorised_via_users_server of m.room.member.
	KeepAuthorisedVia bool
	// KeepThirdPartySigned keeps third_party_invite.signed of m.room.member.
	KeepThirdPartySigned bool
	// KeepCreateContent keeps the whole content of m.room.create.
	KeepCreateContent bool
	// KeepInviteLevel keeps invite of m.room.power_levels.
	KeepInviteLevel bool
	// KeepRedacts keeps redacts in the content of m.room.redaction.
	KeepRedacts bool
}

// Rules is everything in which room versions differ.
type Rules struct {
	// Version is the identifier as it stands in m.room.create.
	Version string

	// EventID says where an event's ID comes from.
	EventID EventIDFormat
	// RefsWithHashes: prev_events and auth_events are lists of [ID, hashes]
	// pairs and not of IDs.
	RefsWithHashes bool
	// SignedByEventIDServer: the server in event_id must have signed too.
	SignedByEventIDServer bool
	// StrictJSON: events must be canonical JSON without floats and without
	// integers beyond ±(2^53−1), else they are refused.
	StrictJSON bool
	// KeyValidity: a signing key must have been valid at origin_server_ts.
	KeyValidity bool
	// RoomIDFromCreate: the room ID is the create event's ID with the sigil !,
	// the create event has no room_id, and it is never among auth_events.
	RoomIDFromCreate bool

	// Redaction is what is kept when an event is redacted.
	Redaction Redaction
	// RedactsInContent: redacts of m.room.redaction stands in the content.
	RedactsInContent bool
	// RedactionAuth: a redaction is authorised by rule 11 of the first version
	// (redact level, or the event ID's server). Where it is unset, any redaction
	// passes and is checked when it is applied.
	RedactionAuth bool

	// AliasesAuth: m.room.aliases is authorised by its state_key's server.
	AliasesAuth bool
	// NotificationLevels: changes of notifications in m.room.power_levels are
	// authorised like those of events.
	NotificationLevels bool
	// PowerLevels says which JSON values count as a power level.
	PowerLevels PowerLevelFormat
	// CreatorInContent: the creator is content.creator of m.room.create, which
	// must be there; else it is the create event's sender.
	CreatorInContent bool
	// PrivilegedCreators: creators, among them content.additional_creators,
	// have infinite power and must not be listed in m.room.power_levels.
	PrivilegedCreators bool

	// Knocking: the membership knock and the join rule knock exist.
	Knocking bool
	// Restricted: the join rule restricted exists.
	Restricted bool
	// KnockRestricted: the join rule knock_restricted exists.
	KnockRestricted bool

	// StateRes is the state resolution algorithm.
	StateRes StateResAlgorithm
}

// Default is the version that new rooms get.
//
// Spec: rooms#complete-list-of-room-versions
const Default = "12"

// Lookup returns the rules of a stable version; ok is false if version is not
// known. The result is shared and must not be changed. O(1), safe for concurrent
// use.
func Lookup(version string) (rules *Rules, ok bool) {
	rules, ok = table[version]
	return rules, ok
}

// All returns every known version in the order of the specification. The slice
// is new, the rules in it are shared and must not be changed.
func All() []*Rules {
	out := make([]*Rules, len(ordered))
	copy(out, ordered)
	return out
}

// ValidIdentifier reports whether s could name a room version, known or not: 1
// to 32 characters out of a-z, 0-9, "." and "-".
//
// Spec: rooms#room-version-grammar
func ValidIdentifier(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return true
}
