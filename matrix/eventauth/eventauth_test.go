package eventauth_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

var testKey = ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", 32)))

// The people of the test room, which is of server "s".
const (
	creator  = "@creator:s"  // power 100, or a creator's
	mod      = "@mod:s"      // power 50
	mod2     = "@mod2:t"     // power 50
	user     = "@user:t"     // power 0
	invited  = "@invited:t"  // invited
	banned   = "@banned:t"   // banned
	knocking = "@knocking:t" // has knocked
	left     = "@left:t"     // has left
	stranger = "@stranger:t" // was never there
)

const testRoom = id.Room("!room:s")

// room is a small room of one version.
type room struct {
	t     testing.TB
	rules *roomver.Rules
	id    id.Room
	state eventauth.MapState
	clock int64
}

// e describes an event.
type e struct {
	typ, key, sender, content string
	noKey                     bool // no state event
	prev                      []id.Event
	redacts                   id.Event
	id                        id.Event
	signers                   []id.Server
	noRoom                    bool
	room                      id.Room
}

func (r *room) build(d e) *event.PDU {
	r.t.Helper()
	r.clock++
	b := event.Builder{
		Room: r.id, Type: d.typ, Sender: id.User(d.sender), Content: []byte(d.content), Redacts: d.redacts, Depth: 5, OriginServerTS: r.clock,
		PrevEvents: []event.Ref{{ID: "$prev:s"}, {ID: "$prev2:s"}},
	}
	if d.prev != nil {
		b.PrevEvents = nil
		for _, p := range d.prev {
			b.PrevEvents = append(b.PrevEvents, event.Ref{ID: p})
		}
	}
	if d.typ == event.TypeCreate && r.rules.RoomIDFromCreate {
		b.Room = ""
	}
	if d.room != "" {
		b.Room = d.room
	}
	if !d.noKey {
		b.StateKey = &d.key
	}
	if r.rules.EventID == roomver.EventIDField {
		if b.ID = d.id; d.id == "" {
			b.ID = id.Event(fmt.Sprintf("$%d:s", r.clock))
		}
	}
	p, err := b.Build(r.rules, id.User(d.sender).Server(), "ed25519:1", testKey)
	if err != nil {
		r.t.Fatalf("version %s: %+v: %v", r.rules.Version, d, err)
	}
	for _, s := range d.signers {
		if p, err = p.Sign(s, "ed25519:1", testKey); err != nil {
			r.t.Fatal(err)
		}
	}
	return p
}

// set puts state events into the room unasked.
func (r *room) set(events ...e) {
	r.t.Helper()
	for _, d := range events {
		r.state.Add(r.build(d))
	}
}

func member(who, membership string) e {
	return e{typ: event.TypeMember, key: who, sender: who, content: `{"membership":"` + membership + `"}`}
}

func powers(content string) e {
	return e{typ: event.TypePowerLevels, sender: creator, content: content}
}

// usersOf leaves creators out where they must not be listed.
func usersOf(rules *roomver.Rules) string {
	s := `"@mod2:t":50,"@mod:s":50`
	if !rules.PrivilegedCreators {
		s += `,"@creator:s":100`
	}
	return `"users":{` + s + `}`
}

func newRoom(t testing.TB, rules *roomver.Rules) *room {
	t.Helper()
	r := &room{t: t, rules: rules, id: testRoom, state: eventauth.MapState{}}
	content := `{"room_version":"` + rules.Version + `"}`
	if rules.CreatorInContent {
		content = `{"creator":"` + creator + `","room_version":"` + rules.Version + `"}`
	}
	create := r.build(e{typ: event.TypeCreate, sender: creator, content: content, prev: []id.Event{}})
	r.id = create.Room()
	r.state.Add(create)
	r.set(member(creator, "join"), member(mod, "join"), member(mod2, "join"), member(user, "join"), member(invited, "invite"), member(banned, "ban"), member(left, "leave"),
		powers(`{"events":{"m.room.name":60,"org.cheap":0},`+usersOf(rules)+`}`), e{typ: event.TypeJoinRules, sender: creator, content: `{"join_rule":"public"}`})
	if rules.Knocking {
		r.set(member(knocking, "knock"))
	}
	return r
}

// by says which rule refuses an event, from which version on: "" is allowed, "-"
// leaves the versions out.
type by map[int]string

func (b by) of(version int) string {
	for v := version; v > 0; v-- {
		if rule, ok := b[v]; ok {
			return rule
		}
	}
	return "-"
}

var allowed = by{1: ""}

type authCase struct {
	name  string
	event e
	state []e      // set before
	drop  []string // types whose state is taken away: "type" or "type|key"
	want  by
}

// Every rule of every version, refused by its number, with events beside it that
// are allowed.
func runCases(t *testing.T, cases []authCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tested := 0
			for i, rules := range roomver.All() {
				want := c.want.of(i + 1)
				if want == "-" {
					continue
				}
				tested++
				r := newRoom(t, rules)
				r.set(c.state...)
				for _, d := range c.drop {
					typ, key, _ := strings.Cut(d, "|")
					delete(r.state, eventauth.Key{Type: typ, StateKey: key})
				}
				d := c.event
				for i, p := range d.prev { // "$create" stands for the create event
					if p == "$create" {
						d.prev = append([]id.Event(nil), d.prev...)
						d.prev[i] = r.state[eventauth.Key{Type: event.TypeCreate}].ID()
					}
				}
				err := eventauth.Check(r.build(d), r.state)
				var refused *eventauth.Error
				switch {
				case want == "" && err != nil:
					t.Errorf("version %s: %v, must be allowed", rules.Version, err)
				case want != "" && (!errors.As(err, &refused) || refused.Rule != want || refused.Reason == ""):
					t.Errorf("version %s: %v, must be refused by rule %s", rules.Version, err, want)
				}
			}
			if tested == 0 {
				t.Error("no version was tested")
			}
		})
	}
}

// Spec: rooms/v1#authorisation-rules rule 1, rooms/v11#authorisation-rules, rooms/v12#authorisation-rules
func TestCreateRules(t *testing.T) {
	t.Parallel()
	create := func(sender, content string, prev ...id.Event) e {
		return e{typ: event.TypeCreate, sender: sender, content: content, prev: append([]id.Event{}, prev...)}
	}
	runCases(t, []authCase{
		{"create", create(creator, `{"creator":"x"}`), nil, nil, allowed},
		{"create with a known version", create(creator, `{"creator":"x","room_version":"3"}`), nil, nil, allowed},
		{"previous events", create(creator, `{"creator":"x"}`, "$a:b"), nil, nil, by{1: "1.1"}},
		{"room of another server", create(user, `{"creator":"x"}`), nil, nil, by{1: "1.2", 12: ""}},
		{"a room ID of its own", e{typ: event.TypeCreate, sender: creator, content: `{}`, prev: []id.Event{}, room: "!5hbZxH1gkDvCeDcLVvhYTxgVgKuTkqQX3GjJ3VJBDqg"}, nil, nil, by{1: "-", 12: "1.2"}},
		{"unknown version", create(creator, `{"creator":"x","room_version":"org.unknown"}`), nil, nil, by{1: "1.3"}},
		{"version that is a number", create(creator, `{"creator":"x","room_version":1}`), nil, nil, by{1: "1.3"}},
		{"no creator", create(creator, `{}`), nil, nil, by{1: "1.4", 11: ""}},
		{"additional creators", create(creator, `{"creator":"x","additional_creators":["@a:b"]}`), nil, nil, allowed},
		{"additional creators that are no users", create(creator, `{"creator":"x","additional_creators":["a"]}`), nil, nil, by{1: "", 12: "1.4"}},
		{"additional creators that are no list", create(creator, `{"creator":"x","additional_creators":"@a:b"}`), nil, nil, by{1: "", 12: "1.4"}},
	})
}

// Rules 2 to 4 as they concern the state: create event, m.federate, aliases.
//
// Spec: rooms/v1#authorisation-rules, rooms/v6#authorisation-rules, rooms/v12#authorisation-rules
func TestRoomRules(t *testing.T) {
	t.Parallel()
	message := func(sender string) e { return e{typ: "m.room.message", sender: sender, content: `{}`, noKey: true} }
	closed := e{typ: event.TypeCreate, sender: creator, content: `{"creator":"@creator:s","m.federate":false}`, prev: []id.Event{}}
	runCases(t, []authCase{
		{"no create event", message(user), nil, []string{event.TypeCreate}, by{1: "2.4", 12: "2"}},
		{"closed room, own server", message(mod), []e{closed}, nil, by{1: "", 12: "-"}},
		{"closed room, other server", message(user), []e{closed}, nil, by{1: "3", 12: "-"}},
		{"another create event than the room's", message(user), []e{{typ: event.TypeCreate, sender: creator, content: `{"x":1}`, prev: []id.Event{}}}, nil, by{1: "-", 12: "2"}},
		{"malformed create event in the state", message(user), []e{{typ: event.TypeCreate, sender: creator, content: `{}`, prev: []id.Event{}}}, nil, by{1: "1", 11: "-"}},
		{"aliases of the own server", e{typ: event.TypeAliases, key: "t", sender: stranger, content: `{}`}, nil, nil, by{1: "", 6: "5", 12: "6"}},
		{"aliases without state key", e{typ: event.TypeAliases, noKey: true, sender: stranger, content: `{}`}, nil, nil, by{1: "4.1", 6: "5", 12: "6"}},
		{"aliases of another server", e{typ: event.TypeAliases, key: "s", sender: user, content: `{}`}, nil, nil, by{1: "4.2", 6: "7", 12: "8"}},
	})
	rules, _ := roomver.Lookup("12")
	r := newRoom(t, rules)
	r.state = eventauth.MapState{}
	r.id = testRoom
	shut := r.build(e{typ: event.TypeCreate, sender: creator, content: `{"m.federate":false}`, prev: []id.Event{}})
	r.id = shut.Room()
	r.state.Add(shut)
	r.set(member(mod, "join"), member(user, "join"))
	if err := eventauth.Check(r.build(message(mod)), r.state); err != nil {
		t.Error(err)
	}
	var refused *eventauth.Error
	if err := eventauth.Check(r.build(message(user)), r.state); !errors.As(err, &refused) || refused.Rule != "4" {
		t.Errorf("%v, want rule 4", err)
	}
}

// Spec: rooms/v1#authorisation-rules rule 5.2, rooms/v7#authorisation-rules, rooms/v8#authorisation-rules, rooms/v10#authorisation-rules
func TestJoinRules(t *testing.T) {
	t.Parallel()
	rule := func(r string) []e {
		return []e{{typ: event.TypeJoinRules, sender: creator, content: `{"join_rule":"` + r + `"}`}}
	}
	vouched := func(by string, signers ...id.Server) e {
		return e{typ: event.TypeMember, key: stranger, sender: stranger, content: `{"membership":"join","join_authorised_via_users_server":"` + by + `"}`, signers: signers}
	}
	runCases(t, []authCase{
		{"no state key", e{typ: event.TypeMember, noKey: true, sender: user, content: `{"membership":"join"}`}, nil, nil, by{1: "5.1", 6: "4.1", 12: "5.1"}},
		{"no membership", e{typ: event.TypeMember, key: user, sender: user, content: `{}`}, nil, nil, by{1: "5.1", 6: "4.1", 12: "5.1"}},
		{"membership is a number", e{typ: event.TypeMember, key: user, sender: user, content: `{"membership":1}`}, nil, nil, by{1: "5.1", 6: "4.1", 12: "5.1"}},
		{"unknown membership", member(user, "odd"), nil, nil, by{1: "5.6", 6: "4.6", 7: "4.7", 8: "4.8", 12: "5.8"}},
		{"knock before there was such a thing", member(stranger, "knock"), nil, nil, by{1: "5.6", 6: "4.6", 7: "-"}},
		{"the creator joins first", e{typ: event.TypeMember, key: creator, sender: creator, content: `{"membership":"join"}`, prev: []id.Event{"$create"}}, rule("invite"), []string{event.TypeMember + "|" + creator}, allowed},
		{"the creator joins later", member(creator, "join"), rule("invite"), []string{event.TypeMember + "|" + creator}, by{1: "5.2.4", 6: "4.2.4", 8: "4.3.4", 12: "5.3.4"}},
		{"the creator joins behind two events", e{typ: event.TypeMember, key: creator, sender: creator, content: `{"membership":"join"}`, prev: []id.Event{"$create", "$x:s"}}, rule("invite"), []string{event.TypeMember + "|" + creator}, by{1: "5.2.4", 6: "4.2.4", 8: "4.3.4", 12: "5.3.4"}},
		{"another joins first", e{typ: event.TypeMember, key: stranger, sender: stranger, content: `{"membership":"join"}`, prev: []id.Event{"$create"}}, rule("invite"), nil, by{1: "5.2.4", 6: "4.2.4", 8: "4.3.4", 12: "5.3.4"}},
		{"join for somebody else", e{typ: event.TypeMember, key: stranger, sender: creator, content: `{"membership":"join"}`}, nil, nil, by{1: "5.2.2", 6: "4.2.2", 8: "4.3.2", 12: "5.3.2"}},
		{"join while banned", member(banned, "join"), nil, nil, by{1: "5.2.3", 6: "4.2.3", 8: "4.3.3", 12: "5.3.3"}},
		{"public", member(stranger, "join"), nil, nil, allowed},
		{"public, after leaving", member(left, "join"), nil, nil, allowed},
		{"a change of one's profile", member(user, "join"), rule("invite"), nil, allowed},
		{"invited", member(invited, "join"), rule("invite"), nil, allowed},
		{"not invited", member(stranger, "join"), rule("invite"), nil, by{1: "5.2.4", 6: "4.2.4", 8: "4.3.4", 12: "5.3.4"}},
		{"no join rules at all", member(stranger, "join"), nil, []string{event.TypeJoinRules}, by{1: "5.2.4", 6: "4.2.4", 8: "4.3.4", 12: "5.3.4"}},
		{"knock rule, invited", member(invited, "join"), rule("knock"), nil, by{1: "5.2.6", 6: "4.2.6", 7: ""}},
		{"knock rule, knocked only", member(knocking, "join"), rule("knock"), nil, by{1: "-", 7: "4.2.4", 8: "4.3.4", 12: "5.3.4"}},
		{"private", member(invited, "join"), rule("private"), nil, by{1: "5.2.6", 6: "4.2.6", 8: "4.3.7", 12: "5.3.7"}},
		{"join rule that is a number", member(invited, "join"), []e{{typ: event.TypeJoinRules, sender: creator, content: `{"join_rule":1}`}}, nil, by{1: "5.2.6", 6: "4.2.6", 8: "4.3.7", 12: "5.3.7"}},
		{"restricted, invited", member(invited, "join"), rule("restricted"), nil, by{1: "5.2.6", 6: "4.2.6", 8: ""}},
		{"restricted, in the room", member(user, "join"), rule("restricted"), nil, by{1: "5.2.6", 6: "4.2.6", 8: ""}},
		{"restricted, nobody vouches", member(stranger, "join"), rule("restricted"), nil, by{1: "-", 8: "4.3.5.2", 12: "5.3.5.2"}},
		{"restricted, vouched for", vouched(mod, "s"), rule("restricted"), nil, by{1: "5.2.6", 6: "4.2.6", 8: ""}},
		{"vouched for without signature", vouched(mod), rule("restricted"), nil, by{1: "-", 8: "4.2.1", 12: "5.2.1"}},
		{"vouched for without signature, public", vouched(mod), nil, nil, by{1: "", 8: "4.2.1", 12: "5.2.1"}},
		{"vouched for by what is no user", vouched("mod", "s"), rule("restricted"), nil, by{1: "-", 8: "4.2.1", 12: "5.2.1"}},
		{"vouched for by somebody who left", vouched(left), rule("restricted"), nil, by{1: "-", 8: "4.3.5.2", 12: "5.3.5.2"}},
		{"vouched for by an invited user", vouched(invited), rule("restricted"), nil, by{1: "-", 8: "4.3.5.2", 12: "5.3.5.2"}},
		{"vouched for without the power to invite", vouched(user), append(rule("restricted"), powers(`{"invite":10}`)), nil, by{1: "-", 8: "4.3.5.2", 12: "5.3.5.2"}},
		{"restricted, banned", member(banned, "join"), rule("restricted"), nil, by{1: "-", 8: "4.3.3", 12: "5.3.3"}},
		{"knock_restricted, invited", member(invited, "join"), rule("knock_restricted"), nil, by{1: "5.2.6", 6: "4.2.6", 8: "4.3.7", 10: ""}},
		{"knock_restricted, vouched for", vouched(mod, "s"), rule("knock_restricted"), nil, by{1: "-", 8: "4.3.7", 10: ""}},
		{"knock_restricted, not vouched for", member(knocking, "join"), rule("knock_restricted"), nil, by{1: "-", 10: "4.3.5.2", 12: "5.3.5.2"}},
	})
}

// Spec: rooms/v1#authorisation-rules rule 5.3
func TestInviteRules(t *testing.T) {
	t.Parallel()
	invite := func(sender, target string) e {
		return e{typ: event.TypeMember, key: target, sender: sender, content: `{"membership":"invite"}`}
	}
	runCases(t, []authCase{
		{"invite", invite(user, stranger), nil, nil, allowed},
		{"invite again", invite(user, invited), nil, nil, allowed},
		{"by a stranger", invite(stranger, left), nil, nil, by{1: "5.3.2", 6: "4.3.2", 8: "4.4.2", 12: "5.4.2"}},
		{"by an invited user", invite(invited, left), nil, nil, by{1: "5.3.2", 6: "4.3.2", 8: "4.4.2", 12: "5.4.2"}},
		{"of a member", invite(mod, user), nil, nil, by{1: "5.3.3", 6: "4.3.3", 8: "4.4.3", 12: "5.4.3"}},
		{"of a banned user", invite(creator, banned), nil, nil, by{1: "5.3.3", 6: "4.3.3", 8: "4.4.3", 12: "5.4.3"}},
		{"below the invite level", invite(user, stranger), []e{powers(`{"invite":1}`)}, nil, by{1: "5.3.5", 6: "4.3.5", 8: "4.4.5", 12: "5.4.5"}},
		{"of a user who knocked", invite(user, knocking), nil, nil, allowed},
	})
}

// Spec: rooms/v1#authorisation-rules rule 5.3.1
func TestThirdPartyInviteRules(t *testing.T) {
	t.Parallel()
	pub := canonjson.EncodeBase64(testKey.Public().(ed25519.PublicKey))
	other := canonjson.EncodeBase64(ed25519.NewKeyFromSeed([]byte(strings.Repeat("o", 32))).Public().(ed25519.PublicKey))
	signed, err := canonjson.Sign([]byte(`{"mxid":"`+stranger+`","token":"abc"}`), "idserver", "ed25519:0", testKey)
	if err != nil {
		t.Fatal(err)
	}
	invite := func(sender, target, signed string) e {
		return e{typ: event.TypeMember, key: target, sender: sender, content: `{"membership":"invite","third_party_invite":{"signed":` + signed + `}}`}
	}
	third := func(content string) []e {
		return []e{{typ: event.TypeThirdPartyInvite, key: "abc", sender: mod, content: content}}
	}
	known := third(`{"public_key":"` + pub + `"}`)
	wantBanned, err := canonjson.Sign([]byte(`{"mxid":"`+banned+`","token":"abc"}`), "idserver", "ed25519:0", testKey)
	if err != nil {
		t.Fatal(err)
	}
	many := `{"mxid":"` + stranger + `","token":"abc","signatures":{"x":{`
	for i := range 100 {
		many += `"ed25519:` + strconv.Itoa(i) + `":"x",`
	}
	rule := func(n string) by { return by{1: "5.3.1." + n, 6: "4.3.1." + n, 8: "4.4.1." + n, 12: "5.4.1." + n} }
	runCases(t, []authCase{
		{"signed with public_key", invite(mod, stranger, string(signed)), known, nil, allowed},
		{"signed with one of public_keys", invite(mod, stranger, string(signed)), third(`{"public_key":"` + other + `","public_keys":[{"public_key":"x"},{"public_key":"` + pub + `"}]}`), nil, allowed},
		{"the sender has left", invite(mod, stranger, string(signed)), append(known, member(mod, "leave")), nil, allowed},
		{"banned", invite(mod, banned, string(wantBanned)), known, nil, rule("1")},
		{"no signed", e{typ: event.TypeMember, key: stranger, sender: mod, content: `{"membership":"invite","third_party_invite":{}}`}, known, nil, rule("2")},
		{"third_party_invite is null", e{typ: event.TypeMember, key: stranger, sender: mod, content: `{"membership":"invite","third_party_invite":null}`}, known, nil, rule("2")},
		{"no token", invite(mod, stranger, `{"mxid":"`+stranger+`"}`), known, nil, rule("3")},
		{"no mxid", invite(mod, stranger, `{"token":"abc"}`), known, nil, rule("3")},
		{"for another user", invite(mod, left, string(signed)), known, nil, rule("4")},
		{"no such invite in the room", invite(mod, stranger, string(signed)), nil, nil, rule("5")},
		{"sent by another user", invite(creator, stranger, string(signed)), known, nil, rule("6")},
		{"signed with another key", invite(mod, stranger, string(signed)), third(`{"public_key":"` + other + `"}`), nil, rule("8")},
		{"no signatures", invite(mod, stranger, `{"mxid":"`+stranger+`","token":"abc"}`), known, nil, rule("8")},
		{"very many signatures", invite(mod, stranger, strings.TrimSuffix(many, ",")+"}}}"), known, nil, rule("8")},
	})
}

// Spec: rooms/v1#authorisation-rules rules 5.4 and 5.5
func TestLeaveAndBanRules(t *testing.T) {
	t.Parallel()
	kick := func(sender, target string) e {
		return e{typ: event.TypeMember, key: target, sender: sender, content: `{"membership":"leave"}`}
	}
	ban := func(sender, target string) e {
		return e{typ: event.TypeMember, key: target, sender: sender, content: `{"membership":"ban"}`}
	}
	leaveRule := func(n string) by { return by{1: "5.4." + n, 6: "4.4." + n, 8: "4.5." + n, 12: "5.5." + n} }
	banRule := func(n string) by { return by{1: "5.5." + n, 6: "4.5." + n, 8: "4.6." + n, 12: "5.6." + n} }
	highBan := []e{powers(`{"ban":60,"users":{"@mod:s":50}}`)}
	runCases(t, []authCase{
		{"leave", kick(user, user), nil, nil, allowed},
		{"refuse an invite", kick(invited, invited), nil, nil, allowed},
		{"take back a knock", kick(knocking, knocking), nil, nil, by{1: "-", 7: ""}},
		{"leave twice", kick(left, left), nil, nil, leaveRule("1")},
		{"leave without having been there", kick(stranger, stranger), nil, nil, leaveRule("1")},
		{"leave while banned", kick(banned, banned), nil, nil, leaveRule("1")},
		{"kick", kick(mod, user), nil, nil, allowed},
		{"kick by a stranger", kick(stranger, user), nil, nil, leaveRule("2")},
		{"kick by somebody who left", kick(left, user), nil, nil, leaveRule("2")},
		{"lift a ban", kick(mod, banned), nil, nil, allowed},
		{"lift a ban below the ban level", kick(mod, banned), highBan, nil, leaveRule("3")},
		{"kick below the kick level", kick(user, invited), nil, nil, leaveRule("5")},
		{"kick an equal", kick(mod, mod2), nil, nil, leaveRule("5")},
		{"kick somebody higher", kick(mod, creator), nil, nil, leaveRule("5")},
		{"take back an invite", kick(mod, invited), nil, nil, allowed},
		{"ban", ban(mod, user), nil, nil, allowed},
		{"ban a stranger", ban(mod, stranger), nil, nil, allowed},
		{"ban by a stranger", ban(stranger, user), nil, nil, banRule("1")},
		{"ban below the ban level", ban(mod, user), highBan, nil, banRule("3")},
		{"ban an equal", ban(mod, mod2), nil, nil, banRule("3")},
		{"ban somebody higher", ban(mod, creator), nil, nil, banRule("3")},
		{"ban oneself", ban(mod, mod), nil, nil, banRule("3")},
	})
}

// Spec: rooms/v7#authorisation-rules, rooms/v10#authorisation-rules
func TestKnockRules(t *testing.T) {
	t.Parallel()
	rule := func(r string) []e {
		return []e{{typ: event.TypeJoinRules, sender: creator, content: `{"join_rule":"` + r + `"}`}}
	}
	n := func(n string) by { return by{1: "-", 7: "4.6." + n, 8: "4.7." + n, 12: "5.7." + n} }
	runCases(t, []authCase{
		{"knock", member(stranger, "knock"), rule("knock"), nil, by{1: "-", 7: ""}},
		{"knock again", member(knocking, "knock"), rule("knock"), nil, by{1: "-", 7: ""}},
		{"knock after leaving", member(left, "knock"), rule("knock"), nil, by{1: "-", 7: ""}},
		{"knock_restricted", member(stranger, "knock"), rule("knock_restricted"), nil, by{1: "-", 7: "4.6.1", 8: "4.7.1", 10: ""}},
		{"public", member(stranger, "knock"), nil, nil, n("1")},
		{"no join rules", member(stranger, "knock"), nil, []string{event.TypeJoinRules}, n("1")},
		{"for somebody else", e{typ: event.TypeMember, key: stranger, sender: user, content: `{"membership":"knock"}`}, rule("knock"), nil, n("2")},
		{"banned", member(banned, "knock"), rule("knock"), nil, n("4")},
		{"invited", member(invited, "knock"), rule("knock"), nil, n("4")},
		{"in the room", member(user, "knock"), rule("knock"), nil, n("4")},
	})
}

// Spec: rooms/v1#authorisation-rules rules 6 to 9 and 11, rooms/v6#authorisation-rules
func TestOtherRules(t *testing.T) {
	t.Parallel()
	message := func(sender string) e { return e{typ: "m.room.message", sender: sender, content: `{}`, noKey: true} }
	st := func(sender, typ, key string) e { return e{typ: typ, key: key, sender: sender, content: `{}`} }
	none := []string{event.TypePowerLevels}
	redaction := func(sender string, of id.Event) e {
		return e{typ: event.TypeRedaction, sender: sender, content: `{}`, noKey: true, redacts: of, id: "$r:t"}
	}
	runCases(t, []authCase{
		{"message", message(user), nil, nil, allowed},
		{"message of a stranger", message(stranger), nil, nil, by{1: "6", 6: "5", 12: "6"}},
		{"message of an invited user", message(invited), nil, nil, by{1: "6", 6: "5", 12: "6"}},
		{"message of a banned user", message(banned), nil, nil, by{1: "6", 6: "5", 12: "6"}},
		{"malformed member event in the state", message(user), []e{{typ: event.TypeMember, key: user, sender: user, content: `{}`}}, nil, by{1: "6", 6: "5", 12: "6"}},
		{"third-party invite", st(mod, event.TypeThirdPartyInvite, "x"), []e{powers(`{"invite":50,"events":{"m.room.third_party_invite":99},"users":{"@mod:s":50}}`)}, nil, allowed},
		{"third-party invite below the invite level", st(user, event.TypeThirdPartyInvite, "x"), []e{powers(`{"invite":50}`)}, nil, by{1: "7.1", 6: "6.1", 12: "7.1"}},
		{"state below state_default", st(user, "m.room.topic", ""), nil, nil, by{1: "8", 6: "7", 12: "8"}},
		{"state at state_default", st(mod, "m.room.topic", ""), nil, nil, allowed},
		{"state below the type's level", st(mod, "m.room.name", ""), nil, nil, by{1: "8", 6: "7", 12: "8"}},
		{"state at the type's level", st(creator, "m.room.name", ""), nil, nil, allowed},
		{"state with a level of 0", st(user, "org.cheap", ""), nil, nil, allowed},
		{"message below events_default", message(user), []e{powers(`{"events_default":1}`)}, nil, by{1: "8", 6: "7", 12: "8"}},
		{"users_default", message(user), []e{powers(`{"events_default":1,"users_default":1}`)}, nil, allowed},
		{"negative level", message(user), []e{powers(`{"users":{"@user:t":-1}}`)}, nil, by{1: "8", 6: "7", 12: "8"}},
		{"state without any power levels", st(user, "m.room.topic", ""), nil, none, allowed},
		{"kick without any power levels", e{typ: event.TypeMember, key: mod, sender: user, content: `{"membership":"leave"}`}, nil, none, by{1: "5.4.5", 6: "4.4.5", 8: "4.5.5", 12: "5.5.5"}},
		{"kick by the creator without any power levels", e{typ: event.TypeMember, key: user, sender: creator, content: `{"membership":"leave"}`}, nil, none, allowed},
		{"state key of another user", st(mod, "org.example", user), nil, nil, by{1: "9", 6: "8", 12: "9"}},
		{"state key of one's own", st(mod, "org.example", mod), nil, nil, allowed},
		{"state key that only starts alike", st(mod, "org.example", mod+"x"), nil, nil, by{1: "9", 6: "8", 12: "9"}},
		{"redaction with the redact level", redaction(mod, "$x:elsewhere"), nil, nil, allowed},
		{"redaction of the own server's event", redaction(user, "$x:t"), nil, nil, allowed},
		{"redaction of another server's event", redaction(user, "$x:s"), nil, nil, by{1: "11.3", 3: ""}},
		{"a creator's power has no bound", st(creator, "org.example", ""), []e{powers(`{"state_default":9007199254740991}`)}, nil, by{1: "8", 6: "7", 12: ""}},
	})
}

// Spec: rooms/v1#authorisation-rules rule 10, rooms/v6#authorisation-rules, rooms/v10#authorisation-rules, rooms/v12#authorisation-rules
func TestPowerLevelRules(t *testing.T) {
	t.Parallel()
	change := func(sender, content string) e {
		return e{typ: event.TypePowerLevels, sender: sender, content: content}
	}
	// A room without its creator listed, in which mod may change power levels.
	base := powers(`{"ban":60,"kick":40,"events":{"a":60,"b":40},"notifications":{"a":60,"b":40},"users":{"@mod:s":50,"@mod2:t":50,"@user:t":10,"@left:t":60}}`)
	with := func(old, new string) e {
		s := strings.Replace(base.content, old, new, 1)
		if s == base.content && old != "" {
			t.Fatalf("no %s", old)
		}
		return change(mod, s)
	}
	st := []e{base}
	single := func(n string) by { return by{1: "10.3." + n, 6: "9.3." + n, 10: "9.5." + n, 12: "10.6." + n} }
	mapsOld := by{1: "10.4.1", 6: "9.4.1", 10: "9.6.1", 12: "10.7.1"}
	mapsNew := by{1: "10.5.1", 6: "9.5.1", 10: "9.7.1", 12: "10.8.1"}
	notifyOld := by{1: "", 6: "9.4.1", 10: "9.6.1", 12: "10.7.1"}
	notifyNew := by{1: "", 6: "9.5.1", 10: "9.7.1", 12: "10.8.1"}
	usersOld := by{1: "10.6.1", 6: "9.6.1", 10: "9.8.1", 12: "10.9.1"}
	usersNew := by{1: "10.7.1", 6: "9.7.1", 10: "9.9.1", 12: "10.10.1"}
	users := by{1: "10.1", 6: "9.1", 10: "9.3", 12: "10.3"}
	runCases(t, []authCase{
		{"nothing changes", with("", ""), st, nil, allowed},
		{"the first power levels", change(creator, `{"ban":1000,"users":{"@user:t":1000}}`), nil, []string{event.TypePowerLevels}, allowed},
		{"users is a list", change(mod, `{"users":[]}`), st, nil, users},
		{"users holds no users", change(mod, `{"users":{"mod":1}}`), st, nil, users},
		{"a user's level is null", change(mod, `{"users":{"@mod:s":null}}`), st, nil, users},
		{"a user's level is a text", change(mod, `{"users":{"@mod:s":"x"}}`), st, nil, users},
		{"a user's level is a number in a text", with(`"@mod:s":50`, `"@mod:s":"50"`), st, nil, by{1: "", 10: "9.3", 12: "10.3"}},
		{"a single level in a text", with(`"kick":40`, `"kick":"40"`), st, nil, by{1: "", 10: "9.1", 12: "10.1"}},
		{"a single level that is null", with(`"kick":40`, `"kick":40,"invite":null`), st, nil, by{1: "", 10: "9.1", 12: "10.1"}},
		{"events holds a text", with(`"b":40`, `"b":"40"`), st, nil, by{1: "", 10: "9.2", 12: "10.2"}},
		{"notifications is a list", with(`"notifications":{"a":60,"b":40}`, `"notifications":[]`), []e{powers(`{"ban":60,"kick":40,"events":{"a":60,"b":40},"users":{"@mod:s":50,"@mod2:t":50,"@user:t":10,"@left:t":60}}`)}, nil, by{1: "", 10: "9.2", 12: "10.2"}},
		{"a creator is listed", change(creator, `{"users":{"@creator:s":100}}`), nil, []string{event.TypePowerLevels}, by{1: "", 12: "10.4"}},
		{"a single level above the sender's is lowered", with(`"ban":60`, `"ban":50`), st, nil, single("1")},
		{"a single level above the sender's is removed", with(`"ban":60,`, ``), st, nil, single("1")},
		{"a single level is raised above the sender's", with(`"kick":40`, `"kick":51`), st, nil, single("2")},
		{"a single level is added above the sender's", with(`"kick":40`, `"kick":40,"redact":51`), st, nil, single("2")},
		{"single levels within reach", with(`"kick":40`, `"kick":50,"redact":50,"users_default":1`), st, nil, allowed},
		{"a type above the sender's is lowered", with(`"events":{"a":60`, `"events":{"a":50`), st, nil, mapsOld},
		{"a type above the sender's is removed", with(`"events":{"a":60,`, `"events":{`), st, nil, mapsOld},
		{"a type is raised above the sender's", with(`"events":{"a":60,"b":40}`, `"events":{"a":60,"b":51}`), st, nil, mapsNew},
		{"a type is added above the sender's", with(`"events":{`, `"events":{"c":51,`), st, nil, mapsNew},
		{"types within reach", with(`"events":{"a":60,"b":40}`, `"events":{"a":60,"c":50}`), st, nil, allowed},
		{"a notification above the sender's is lowered", with(`"notifications":{"a":60`, `"notifications":{"a":50`), st, nil, notifyOld},
		{"a notification is raised above the sender's", with(`"notifications":{"a":60,"b":40}`, `"notifications":{"a":60,"b":51}`), st, nil, notifyNew},
		{"an equal is lowered", with(`"@mod2:t":50`, `"@mod2:t":49`), st, nil, usersOld},
		{"an equal is removed", with(`"@mod2:t":50,`, ``), st, nil, usersOld},
		{"somebody higher is lowered", with(`"@left:t":60`, `"@left:t":0`), st, nil, usersOld},
		{"oneself is lowered", with(`"@mod:s":50`, `"@mod:s":0`), st, nil, allowed},
		{"oneself is removed", with(`"@mod:s":50,`, ``), st, nil, allowed},
		{"oneself is raised", with(`"@mod:s":50`, `"@mod:s":51`), st, nil, usersNew},
		{"somebody lower is raised above the sender's", with(`"@user:t":10`, `"@user:t":51`), st, nil, usersNew},
		{"somebody new gets more than the sender has", with(`"users":{`, `"users":{"@stranger:t":51,`), st, nil, usersNew},
		{"somebody lower is made an equal", with(`"@user:t":10`, `"@user:t":50`), st, nil, allowed},
		{"below the level of the type", change(user, `{}`), st, nil, by{1: "8", 6: "7", 12: "8"}},
	})
}

// Power levels in the state that no version would accept are a refusal and not a
// panic or a free pass.
func TestMalformedPowerLevelsInState(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1", "10", "12"} {
		rules, _ := roomver.Lookup(version)
		r := newRoom(t, rules)
		r.set(powers(`{"users":"x"}`))
		var refused *eventauth.Error
		if err := eventauth.Check(r.build(e{typ: "m.room.message", sender: user, content: `{}`, noKey: true}), r.state); !errors.As(err, &refused) {
			t.Errorf("version %s: %v", version, err)
		}
	}
}

// failing is a state that cannot answer for one type.
type failing struct {
	eventauth.MapState
	typ, key string
}

func (f failing) StateEvent(typ, key string) (*event.PDU, error) {
	if typ == f.typ && key == f.key {
		return nil, io.ErrUnexpectedEOF
	}
	return f.MapState.StateEvent(typ, key)
}

// What the state cannot tell is never taken for an answer.
func TestStateErrors(t *testing.T) {
	t.Parallel()
	rules, _ := roomver.Lookup("11")
	r := newRoom(t, rules)
	r.set(e{typ: event.TypeJoinRules, sender: creator, content: `{"join_rule":"restricted"}`})
	signed := `{"membership":"invite","third_party_invite":{"signed":{"mxid":"` + stranger + `","token":"abc"}}}`
	for _, c := range []struct {
		d        e
		typ, key string
	}{
		{e{typ: "m.room.message", sender: user, content: `{}`, noKey: true}, event.TypeCreate, ""},
		{e{typ: "m.room.message", sender: user, content: `{}`, noKey: true}, event.TypePowerLevels, ""},
		{e{typ: "m.room.message", sender: user, content: `{}`, noKey: true}, event.TypeMember, user},
		{member(stranger, "join"), event.TypeMember, stranger},
		{member(stranger, "join"), event.TypeJoinRules, ""},
		{member(stranger, "knock"), event.TypeJoinRules, ""},
		{e{typ: event.TypeMember, key: stranger, sender: stranger, content: `{"membership":"join","join_authorised_via_users_server":"@mod2:t"}`}, event.TypeMember, mod2},
		{e{typ: event.TypeMember, key: stranger, sender: mod, content: `{"membership":"invite"}`}, event.TypeMember, mod},
		{e{typ: event.TypeMember, key: stranger, sender: mod, content: `{"membership":"ban"}`}, event.TypeMember, mod},
		{e{typ: event.TypeMember, key: user, sender: mod, content: `{"membership":"leave"}`}, event.TypeMember, mod},
		{e{typ: event.TypeMember, key: stranger, sender: mod, content: signed}, event.TypeThirdPartyInvite, "abc"},
	} {
		if err := eventauth.Check(r.build(c.d), failing{r.state, c.typ, c.key}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s of %s without %s %s: %v", c.d.typ, c.d.sender, c.typ, c.key, err)
		}
	}
	message := r.build(e{typ: "m.room.message", sender: user, content: `{}`, noKey: true})
	if _, err := eventauth.Select(rules, eventauth.SubjectOf(message), failing{r.state, event.TypePowerLevels, ""}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Select: %v", err)
	}
	for _, typ := range []string{event.TypeCreate, event.TypePowerLevels} {
		if _, err := eventauth.ReadLevels(rules, failing{r.state, typ, ""}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("ReadLevels: %v", err)
		}
	}
	if _, err := eventauth.ReadLevels(rules, eventauth.MapState{}); err == nil {
		t.Error("levels of a room without create event")
	}
}
