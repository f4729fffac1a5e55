// Package event has the events of rooms as servers exchange them (PDUs): reading,
// building, hashing, signing, redacting, in every room version.
//
// A PDU is immutable. It holds the event's canonical JSON, made when it was
// parsed, which is the only copy of its bytes; headers are parsed at once,
// content when somebody asks, each at most once. Parse checks the format that the
// room version asks for and nothing else: neither hashes nor signatures nor
// whether the sender was allowed to.
//
// The package does no I/O and keeps no state. All methods are safe for
// concurrent use.
//
//	p, err := event.Parse(rules, body)
//	if err := p.CheckContentHash(); err != nil { p = p.Redact() }
//	err = p.VerifySignature(p.Sender().Server(), key, pub)
//
// Spec: server-server-api#pdus
package event

import (
	"fmt"
	"sync/atomic"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// Limits on events.
//
// Spec: client-server-api#size-limits, server-server-api#pdus
const (
	// MaxSize is the longest that an event's canonical JSON may be, in bytes.
	MaxSize = 65536
	// MaxField is the longest that type, state_key and IDs may be, in bytes.
	MaxField = 255
	// MaxPrevEvents and MaxAuthEvents bound the lists of references.
	MaxPrevEvents = 20
	MaxAuthEvents = 10
)

// The event types that decide about rooms.
const (
	TypeCreate            = "m.room.create"
	TypeMember            = "m.room.member"
	TypePowerLevels       = "m.room.power_levels"
	TypeJoinRules         = "m.room.join_rules"
	TypeThirdPartyInvite  = "m.room.third_party_invite"
	TypeHistoryVisibility = "m.room.history_visibility"
	TypeRedaction         = "m.room.redaction"
	TypeAliases           = "m.room.aliases"
)

// Further event types of the specification that servers handle.
const (
	TypeMessage        = "m.room.message"
	TypeEncrypted      = "m.room.encrypted"
	TypeEncryption     = "m.room.encryption"
	TypeName           = "m.room.name"
	TypeTopic          = "m.room.topic"
	TypeAvatar         = "m.room.avatar"
	TypeCanonicalAlias = "m.room.canonical_alias"
	TypeGuestAccess    = "m.room.guest_access"
	TypeServerACL      = "m.room.server_acl"
	TypeTombstone      = "m.room.tombstone"
	TypeReaction       = "m.reaction"
	TypeSticker        = "m.sticker"
	TypeSpaceChild     = "m.space.child"
	TypeSpaceParent    = "m.space.parent"
	TypePolicy         = "m.room.policy"
)

// The states of membership.
//
// Spec: client-server-api#room-events
const (
	Join   = "join"
	Invite = "invite"
	Leave  = "leave"
	Ban    = "ban"
	Knock  = "knock"
)

// Kind is the class of a refusal.
type Kind uint8

const (
	// BadJSON: the bytes are no JSON that the room version accepts.
	BadJSON Kind = iota + 1
	// Malformed: a field is missing, of the wrong type or out of range.
	Malformed
	// TooLarge: the event or a field is longer than allowed.
	TooLarge
)

// Error says why bytes are no event of a room version.
type Error struct {
	Kind Kind
	// Field is the member that is wrong, empty for the event as a whole.
	Field string
	// Reason is for people.
	Reason string
	// Cause is a *canonjson.SyntaxError or *id.Error, if there is one.
	Cause error
}

// Error gives field and reason.
func (e *Error) Error() string {
	s := "event"
	if e.Field != "" {
		s += ": " + e.Field
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Cause }

func malformed(field, format string, args ...any) *Error {
	return &Error{Kind: Malformed, Field: field, Reason: fmt.Sprintf(format, args...)}
}

// PDU is one event of a room.
type PDU struct {
	rules *roomver.Rules
	json  []byte // canonical

	id       id.Event
	room     id.Room
	typ      string
	stateKey string
	isState  bool
	sender   id.User
	depth    int64
	ts       int64
	refs     []id.Event // prev_events, then auth_events
	prevs    int
	hash     [32]byte

	// Parts of json.
	content, unsigned, signatures canonjson.Value
	redacts                       id.Event

	// What readers of the content have found.
	create  atomic.Pointer[read[Create]]
	member  atomic.Pointer[read[Member]]
	powers  atomic.Pointer[read[PowerLevels]]
	joins   atomic.Pointer[read[JoinRules]]
	invites atomic.Pointer[read[ThirdPartyInvite]]
}

// Rules are the rules of the room's version.
func (p *PDU) Rules() *roomver.Rules { return p.rules }

// ID is the event's ID: its field event_id, or made from its hash.
func (p *PDU) ID() id.Event { return p.id }

// Room is the room that the event belongs to; for a create event without
// room_id, the room that it creates.
func (p *PDU) Room() id.Room { return p.room }

// Type is the event type.
func (p *PDU) Type() string { return p.typ }

// StateKey is the state key; ok is false for an event that is no state event.
func (p *PDU) StateKey() (key string, ok bool) { return p.stateKey, p.isState }

// IsState reports whether the event has a state key.
func (p *PDU) IsState() bool { return p.isState }

// Is reports whether this is a state event of the given type and state key.
func (p *PDU) Is(typ, stateKey string) bool {
	return p.isState && p.typ == typ && p.stateKey == stateKey
}

// Sender is the user who sent the event; the ID may be a historical one.
func (p *PDU) Sender() id.User { return p.sender }

// Depth is the depth that the sending server claims.
func (p *PDU) Depth() int64 { return p.depth }

// OriginServerTS is the time that the sending server claims, in milliseconds
// since 1970.
func (p *PDU) OriginServerTS() int64 { return p.ts }

// PrevEvents are the events that the sending server knew as the room's newest.
// The slice must not be changed.
func (p *PDU) PrevEvents() []id.Event { return p.refs[:p.prevs:p.prevs] }

// AuthEvents are the state events that allow this one. The slice must not be
// changed.
func (p *PDU) AuthEvents() []id.Event { return p.refs[p.prevs:] }

// Content is the content, always an object.
func (p *PDU) Content() canonjson.Value { return p.content }

// Unsigned is what servers have added without signing it; it may be absent.
func (p *PDU) Unsigned() canonjson.Value { return p.unsigned }

// Redacts is the event that an m.room.redaction is to redact, from where the
// room version has it; empty for other types and if it is no event ID.
func (p *PDU) Redacts() id.Event { return p.redacts }

// JSON is the whole event in canonical form. It must not be changed.
func (p *PDU) JSON() []byte { return p.json }

// Hash is the reference hash.
//
// Spec: server-server-api#calculating-the-reference-hash-for-an-event
func (p *PDU) Hash() [32]byte { return p.hash }

// String is the event's ID and type, for logs.
func (p *PDU) String() string { return string(p.id) + " (" + p.typ + ")" }
