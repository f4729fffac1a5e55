package event

import (
	"crypto/ed25519"
	"sync/atomic"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/id"
)

// read is what a reader has found, or why it could not.
type read[T any] struct {
	value *T
	err   error
}

// once reads a content at most a few times, however many ask.
func once[T any](p *PDU, at *atomic.Pointer[read[T]], parse func(*PDU) (*T, error)) (*T, error) {
	r := at.Load()
	if r == nil {
		value, err := parse(p)
		r = &read[T]{value, err}
		at.Store(r)
	}
	return r.value, r.err
}

// wrongType is the answer of readers to an event of another type.
func (p *PDU) wrongType(want string) error {
	if p.typ != want {
		return malformed("type", "is %.64q and not %q", p.typ, want)
	}
	return nil
}

// Create is the content of m.room.create.
//
// Spec: client-server-api#room-events
type Create struct {
	// Version is room_version; "1" if it is missing, empty if it is no string.
	Version string
	// Creators are the users whom the room version takes for creators, at least
	// one; ahead stands the one that created the room.
	Creators []id.User
	// Federate is false only if m.federate is.
	Federate bool
	// RoomType is type: empty for ordinary rooms.
	RoomType string
	// Predecessor is the room that this one replaces, if any.
	Predecessor id.Room
}

// Create reads an m.room.create event. It is an error if the creator is missing
// where the version wants it in the content, or if additional_creators is no list
// of user IDs where the version knows it.
//
// Spec: client-server-api#room-events, rooms/v11#event-format, rooms/v12#authorisation-rules
func (p *PDU) Create() (*Create, error) { return once(p, &p.create, (*PDU).readCreate) }

func (p *PDU) readCreate() (*Create, error) {
	if err := p.wrongType(TypeCreate); err != nil {
		return nil, err
	}
	c := &Create{Version: "1", Federate: true, Creators: []id.User{p.sender}}
	if v := p.content.Get("room_version"); v.Exists() {
		c.Version, _ = v.Str()
	}
	if federate, ok := p.content.Get("m.federate").Bool(); ok {
		c.Federate = federate
	}
	c.RoomType, _ = p.content.Get("type").Str()
	if room, ok := p.content.Path("predecessor", "room_id").Str(); ok {
		c.Predecessor, _ = id.ParseRoom(room)
	}
	if p.rules.CreatorInContent {
		v := p.content.Get("creator")
		if !v.Exists() {
			return nil, malformed("content.creator", "is missing")
		}
		creator, _ := v.Str()
		c.Creators[0] = id.User(creator)
	}
	if v := p.content.Get("additional_creators"); p.rules.PrivilegedCreators && v.Exists() {
		if v.Kind() != canonjson.Array {
			return nil, malformed("content.additional_creators", "must be a list of user IDs")
		}
		for e := range v.Elems() {
			text, _ := e.Str()
			user, err := id.ParseUserHistorical(text)
			if err != nil {
				return nil, &Error{Kind: Malformed, Field: "content.additional_creators", Cause: err}
			}
			c.Creators = append(c.Creators, user)
		}
	}
	return c, nil
}

// IsCreator reports whether user is among the creators.
func (c *Create) IsCreator(user id.User) bool {
	for _, u := range c.Creators {
		if u == user {
			return true
		}
	}
	return false
}

// Member is the content of m.room.member.
//
// Spec: client-server-api#room-events
type Member struct {
	// Membership is as the event has it, known or not.
	Membership string
	// AuthorisedVia vouches for a restricted join; empty if the event or the room
	// version has none.
	AuthorisedVia id.User
	// ThirdPartyInvite is third_party_invite as it stands there, or absent.
	ThirdPartyInvite canonjson.Value
	// DisplayName and AvatarURL are empty unless they are strings.
	DisplayName, AvatarURL string
	// Reason is empty unless it is a string.
	Reason string
	// Direct is is_direct of an invitation.
	Direct bool
}

// Member reads an m.room.member event. It is an error if membership is missing
// or no string, or if join_authorised_via_users_server is no user ID where the
// version knows it.
//
// Spec: client-server-api#room-events, rooms/v8#authorisation-rules
func (p *PDU) Member() (*Member, error) { return once(p, &p.member, (*PDU).readMember) }

func (p *PDU) readMember() (*Member, error) {
	if err := p.wrongType(TypeMember); err != nil {
		return nil, err
	}
	m := &Member{}
	var ok bool
	v := p.content.Get("membership")
	switch { // the usual ones cost no allocation
	case v.EqualStr(Join):
		m.Membership, ok = Join, true
	case v.EqualStr(Leave):
		m.Membership, ok = Leave, true
	default:
		m.Membership, ok = v.Str()
	}
	if !ok {
		return nil, malformed("content.membership", "is missing or no string")
	}
	if v := p.content.Get("join_authorised_via_users_server"); p.rules.Restricted && v.Exists() {
		text, _ := v.Str()
		user, err := id.ParseUserHistorical(text)
		if err != nil {
			return nil, &Error{Kind: Malformed, Field: "content.join_authorised_via_users_server", Cause: err}
		}
		m.AuthorisedVia = user
	}
	m.ThirdPartyInvite = p.content.Get("third_party_invite")
	m.DisplayName, _ = p.content.Get("displayname").Str()
	m.AvatarURL, _ = p.content.Get("avatar_url").Str()
	m.Reason, _ = p.content.Get("reason").Str()
	m.Direct, _ = p.content.Get("is_direct").Bool()
	return m, nil
}

// The join rules.
//
// Spec: client-server-api#room-events
const (
	Public          = "public"
	InviteOnly      = "invite"
	Private         = "private"
	KnockOnly       = "knock"
	Restricted      = "restricted"
	KnockRestricted = "knock_restricted"
)

// JoinRules is the content of m.room.join_rules.
//
// Spec: client-server-api#room-events
type JoinRules struct {
	// Rule is empty if it is missing or no string; nobody can join then.
	Rule string
	// AllowRooms are the rooms whose members may join a restricted room.
	AllowRooms []id.Room
}

// JoinRules reads an m.room.join_rules event. Conditions that are not
// understood are left out.
func (p *PDU) JoinRules() (*JoinRules, error) { return once(p, &p.joins, (*PDU).readJoinRules) }

func (p *PDU) readJoinRules() (*JoinRules, error) {
	if err := p.wrongType(TypeJoinRules); err != nil {
		return nil, err
	}
	j := &JoinRules{}
	j.Rule, _ = p.content.Get("join_rule").Str()
	for e := range p.content.Get("allow").Elems() {
		if !e.Get("type").EqualStr("m.room_membership") {
			continue
		}
		text, _ := e.Get("room_id").Str()
		if room, err := id.ParseRoom(text); err == nil {
			j.AllowRooms = append(j.AllowRooms, room)
		}
	}
	return j, nil
}

// ThirdPartyInvite is the content of m.room.third_party_invite.
//
// Spec: client-server-api#room-events
type ThirdPartyInvite struct {
	// PublicKeys are all keys, of public_key and public_keys, that can be one.
	PublicKeys []ed25519.PublicKey
}

// ThirdPartyInvite reads an m.room.third_party_invite event.
func (p *PDU) ThirdPartyInvite() (*ThirdPartyInvite, error) {
	return once(p, &p.invites, (*PDU).readThirdPartyInvite)
}

func (p *PDU) readThirdPartyInvite() (*ThirdPartyInvite, error) {
	if err := p.wrongType(TypeThirdPartyInvite); err != nil {
		return nil, err
	}
	t := &ThirdPartyInvite{}
	add := func(v canonjson.Value) {
		text, ok := v.Str()
		if !ok {
			return
		}
		// Identity servers write keys in either alphabet.
		key, err := canonjson.DecodeBase64(text)
		if err != nil {
			key, err = canonjson.DecodeBase64URL(text)
		}
		if err == nil && canonjson.CheckPublicKey(key) == nil {
			t.PublicKeys = append(t.PublicKeys, key)
		}
	}
	add(p.content.Get("public_key"))
	for e := range p.content.Get("public_keys").Elems() {
		add(e.Get("public_key"))
	}
	return t, nil
}

// The settings of history visibility.
//
// Spec: client-server-api/modules/history_visibility#server-behaviour
const (
	WorldReadable  = "world_readable"
	SharedHistory  = "shared"
	InvitedHistory = "invited"
	JoinedHistory  = "joined"
)

// HistoryVisibility is the setting of an m.room.history_visibility event;
// "shared" for what is no setting, as if there were no such event.
//
// Spec: client-server-api/modules/history_visibility#server-behaviour
func (p *PDU) HistoryVisibility() string {
	if p != nil && p.typ == TypeHistoryVisibility {
		v := p.content.Get("history_visibility")
		for _, s := range [...]string{WorldReadable, InvitedHistory, JoinedHistory} {
			if v.EqualStr(s) {
				return s
			}
		}
	}
	return SharedHistory
}
