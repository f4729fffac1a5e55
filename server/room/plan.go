package room

import (
	"fmt"
	"slices"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
	"github.com/hanse-im/hanse/server/fault"
)

// The presets of new rooms.
//
// Spec: client-server-api#creation
const (
	PrivateChat        = "private_chat"
	TrustedPrivateChat = "trusted_private_chat"
	PublicChat         = "public_chat"
)

// CreateRequest describes a new room.
//
// Spec: client-server-api#creation
type CreateRequest struct {
	Creator id.User
	// Version is the room version; empty for the server's default.
	Version string
	// Preset is one of the presets; empty for the one that Public implies.
	Preset string
	// Public: the room is to be listed in the directory.
	Public bool
	// Alias becomes the canonical alias; the caller has reserved it.
	Alias id.Alias
	// Name and Topic are left out if they are empty.
	Name, Topic string
	// CreationContent and PowerLevels are JSON objects, laid over what the server
	// makes; nil for nothing.
	CreationContent, PowerLevels canonjson.Value
	InitialState                 []StateDraft
	Invite                       []id.User
	// Direct marks the invitations as those to a direct chat.
	Direct bool
	// Predecessor and its last event, for the successor of an upgraded room.
	Predecessor      id.Room
	PredecessorEvent id.Event
}

// StateDraft is a state event that is to be sent.
type StateDraft struct {
	Type, StateKey string
	Content        []byte
}

// bounds on what one request may ask for.
const (
	maxInitialState = 200
	maxInvites      = 100
)

// plan is the state events that create the room, in the order in which they are
// sent: the create event and the creator's join first, invitations last.
//
// Spec: client-server-api#creation
func (q *CreateRequest) plan(rules *roomver.Rules) ([]StateDraft, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	preset := q.preset()
	create, err := q.createContent(rules, preset)
	if err != nil {
		return nil, err
	}
	powers, err := q.powerContent(rules, preset)
	if err != nil {
		return nil, err
	}
	p := planner{at: map[[2]string]int{}}
	p.add(event.TypeCreate, "", create)
	p.add(event.TypeMember, string(q.Creator), object("membership", str(event.Join)))
	p.add(event.TypePowerLevels, "", powers)
	if q.Alias != "" {
		p.add(event.TypeCanonicalAlias, "", object("alias", str(string(q.Alias))))
	}
	joinRule, guests := event.InviteOnly, "can_join"
	if preset == PublicChat {
		joinRule, guests = event.Public, "forbidden"
	}
	p.add(event.TypeJoinRules, "", object("join_rule", str(joinRule)))
	p.add(event.TypeHistoryVisibility, "", object("history_visibility", str(event.SharedHistory)))
	p.add(event.TypeGuestAccess, "", object("guest_access", str(guests)))
	for _, s := range q.InitialState {
		if s.Type == event.TypeCreate || s.Type == event.TypeMember {
			return nil, fault.New(fault.Invalid, "initial_state must not hold %s", s.Type).Coded("M_INVALID_ROOM_STATE")
		}
		p.set(s.Type, s.StateKey, s.Content)
	}
	if q.Name != "" {
		p.set(event.TypeName, "", object("name", str(q.Name)))
	}
	if q.Topic != "" {
		// The plain topic, and the same as the rich one that newer clients read.
		text := object("body", str(q.Topic))
		rich := object("m.text", append(append([]byte{'['}, text...), ']'))
		p.set(event.TypeTopic, "", object("m.topic", rich, "topic", str(q.Topic)))
	}
	for _, user := range slices.Compact(slices.Sorted(slices.Values(q.Invite))) {
		content := object("membership", str(event.Invite))
		if q.Direct {
			content = object("is_direct", []byte("true"), "membership", str(event.Invite))
		}
		p.add(event.TypeMember, string(user), content)
	}
	return p.drafts, nil
}

// check looks at what the request says on its own.
func (q *CreateRequest) check() error {
	switch q.Preset {
	case "", PrivateChat, TrustedPrivateChat, PublicChat:
	default:
		return fault.New(fault.Invalid, "preset %.40q is not known: use private_chat, trusted_private_chat or public_chat", q.Preset)
	}
	if len(q.InitialState) > maxInitialState {
		return fault.New(fault.Invalid, "initial_state has more than %d events", maxInitialState)
	}
	if len(q.Invite) > maxInvites {
		return fault.New(fault.Invalid, "invite has more than %d users: create the room and invite the others after", maxInvites)
	}
	if slices.Contains(q.Invite, q.Creator) {
		return fault.New(fault.Invalid, "invite holds the room's creator")
	}
	for name, v := range map[string]canonjson.Value{"creation_content": q.CreationContent, "power_level_content_override": q.PowerLevels} {
		if v.Exists() && v.Kind() != canonjson.Object {
			return fault.New(fault.Invalid, "%s must be an object", name)
		}
	}
	return nil
}

func (q *CreateRequest) preset() string {
	switch {
	case q.Preset != "":
		return q.Preset
	case q.Public:
		return PublicChat
	}
	return PrivateChat
}

// createContent is the content of m.room.create.
func (q *CreateRequest) createContent(rules *roomver.Rules, preset string) ([]byte, error) {
	own := []string{"room_version"}
	content := object("room_version", str(rules.Version))
	if rules.CreatorInContent {
		own = append(own, "creator")
		content = with(content, "creator", str(string(q.Creator)))
	}
	if q.Predecessor != "" {
		own = append(own, "predecessor")
		old := object("room_id", str(string(q.Predecessor)))
		if q.PredecessorEvent != "" {
			old = with(old, "event_id", str(string(q.PredecessorEvent)))
		}
		content = with(content, "predecessor", old)
	}
	if rules.PrivilegedCreators {
		creators, err := q.additionalCreators(preset)
		if err != nil {
			return nil, err
		}
		if len(creators) > 0 {
			own = append(own, "additional_creators")
			list := []byte{'['}
			for i, u := range creators {
				if i > 0 {
					list = append(list, ',')
				}
				list = append(list, str(string(u))...)
			}
			content = with(content, "additional_creators", append(list, ']'))
		}
	}
	for k, v := range q.CreationContent.Members() {
		if !slices.ContainsFunc(own, k.EqualStr) {
			key, _ := k.Str()
			content = with(content, key, v)
		}
	}
	return content, nil
}

// additionalCreators are those of the request; in a trusted private chat, the
// invited as well.
func (q *CreateRequest) additionalCreators(preset string) ([]id.User, error) {
	var out []id.User
	add := func(u id.User) {
		if u != q.Creator && !slices.Contains(out, u) {
			out = append(out, u)
		}
	}
	v := q.CreationContent.Get("additional_creators")
	if v.Exists() && v.Kind() != canonjson.Array {
		return nil, fault.New(fault.Invalid, "additional_creators must be a list of user IDs")
	}
	for e := range v.Elems() {
		text, _ := e.Str()
		u, err := id.ParseUser(text)
		if err != nil {
			return nil, fault.New(fault.Invalid, "additional_creators: %w", err)
		}
		add(u)
	}
	if preset == TrustedPrivateChat {
		for _, u := range q.Invite {
			add(u)
		}
	}
	return out, nil
}

// powerContent is the content of m.room.power_levels.
//
// Spec: client-server-api#creation, rooms/v12#authorisation-rules
func (q *CreateRequest) powerContent(rules *roomver.Rules, preset string) ([]byte, error) {
	users := []byte("{}")
	tombstone := 100
	if rules.PrivilegedCreators {
		tombstone = 150
	} else {
		users = with(users, string(q.Creator), []byte("100"))
		if preset == TrustedPrivateChat {
			for _, u := range slices.Compact(slices.Sorted(slices.Values(q.Invite))) {
				users = with(users, string(u), []byte("100"))
			}
		}
	}
	invite := "0"
	if preset == PublicChat {
		invite = "50"
	}
	events := fmt.Appendf(nil, `{"m.room.avatar":50,"m.room.canonical_alias":50,"m.room.encryption":100,"m.room.history_visibility":100,`+
		`"m.room.name":50,"m.room.power_levels":100,"m.room.server_acl":100,"m.room.tombstone":%d}`, tombstone)
	content := fmt.Appendf(nil, `{"ban":50,"events":%s,"events_default":0,"invite":%s,"kick":50,"notifications":{"room":50},"redact":50,"state_default":50,"users":%s,"users_default":0}`, events, invite, users)
	for k, v := range q.PowerLevels.Members() {
		key, _ := k.Str()
		content = without(content, key)
		content = with(content, key, v)
	}
	return content, nil
}

// planner gathers state events; a later one for the same place replaces the
// content of the one before and keeps its turn.
type planner struct {
	drafts []StateDraft
	at     map[[2]string]int
}

func (p *planner) add(typ, key string, content []byte) {
	p.at[[2]string{typ, key}] = len(p.drafts)
	p.drafts = append(p.drafts, StateDraft{typ, key, content})
}

func (p *planner) set(typ, key string, content []byte) {
	if i, ok := p.at[[2]string{typ, key}]; ok {
		p.drafts[i].Content = content
		return
	}
	p.add(typ, key, content)
}

// str is a JSON string.
func str(s string) []byte { return canonjson.AppendString(nil, s) }

// object is a JSON object of keys and encoded values in turn.
func object(key string, value []byte, more ...any) []byte {
	out := with([]byte("{}"), key, value)
	for i := 0; i+1 < len(more); i += 2 {
		out = with(out, more[i].(string), more[i+1].([]byte))
	}
	return out
}

// with is the object with one more member at its end.
func with(obj []byte, key string, value []byte) []byte {
	out := append([]byte(nil), obj[:len(obj)-1]...)
	if len(out) > 1 {
		out = append(out, ',')
	}
	out = append(append(append(out, str(key)...), ':'), value...)
	return append(out, '}')
}

// without is the object without the members of that key.
func without(obj []byte, key string) []byte {
	out := []byte("{}")
	for k, v := range canonjson.Value(obj).Members() {
		if !k.EqualStr(key) {
			name, _ := k.Str()
			out = with(out, name, v)
		}
	}
	return out
}
