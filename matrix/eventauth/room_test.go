package eventauth_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

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

const (
	testRoom = id.Room("!room:s")
	// Other rooms than the test room, of either form.
	otherRoom   = id.Room("!elsewhere:s")
	otherHashed = id.Room("!5hbZxH1gkDvCeDcLVvhYTxgVgKuTkqQX3GjJ3VJBDqg")
)

// room is a small room of one version.
type room struct {
	t     testing.TB
	rules *roomver.Rules
	id    id.Room
	state eventauth.MapState
	clock int64
}

// e describes an event. It is a state event with an empty state key unless it
// says otherwise.
type e struct {
	typ, key, sender, content string
	noKey                     bool       // no state event
	prev                      []id.Event // "$create" stands for the create event
	auth                      []*event.PDU
	redacts                   id.Event
	id                        id.Event // where the version lets the server choose
	signers                   []id.Server
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
			if p == "$create" {
				p = r.create().ID()
			}
			b.PrevEvents = append(b.PrevEvents, event.Ref{ID: p})
		}
	}
	for _, a := range d.auth {
		b.AuthEvents = append(b.AuthEvents, event.RefTo(a))
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

// drop takes state away: "type" or "type|key".
func (r *room) drop(places ...string) {
	for _, p := range places {
		typ, key, _ := strings.Cut(p, "|")
		delete(r.state, eventauth.Key{Type: typ, StateKey: key})
	}
}

func (r *room) create() *event.PDU { return r.state[eventauth.Key{Type: event.TypeCreate}] }

// elsewhere is the ID of another room of the same form.
func (r *room) elsewhere() id.Room {
	if r.rules.RoomIDFromCreate {
		return otherHashed
	}
	return otherRoom
}

// found starts a room with this create event and nothing else.
func found(t testing.TB, rules *roomver.Rules, content string) *room {
	t.Helper()
	r := &room{t: t, rules: rules, id: testRoom, state: eventauth.MapState{}}
	create := r.build(e{typ: event.TypeCreate, sender: creator, content: content, prev: []id.Event{}})
	r.id = create.Room()
	r.state.Add(create)
	return r
}

func newRoom(t testing.TB, rules *roomver.Rules) *room {
	t.Helper()
	r := found(t, rules, createContent(rules, ""))
	r.set(
		member(creator, "join"), member(mod, "join"), member(mod2, "join"), member(user, "join"),
		member(invited, "invite"), member(banned, "ban"), member(left, "leave"),
		powers(`{"events":{"m.room.name":60,"org.cheap":0},`+usersOf(rules)+`}`),
		joinRule("public"),
	)
	if rules.Knocking {
		r.set(member(knocking, "knock"))
	}
	return r
}

// createContent is the content of a create event, with further members.
func createContent(rules *roomver.Rules, more string) string {
	if rules.CreatorInContent {
		more += `,"creator":"` + creator + `"`
	}
	return `{"room_version":"` + rules.Version + `"` + more + `}`
}

// usersOf leaves creators out where they must not be listed.
func usersOf(rules *roomver.Rules) string {
	s := `"@mod2:t":50,"@mod:s":50`
	if !rules.PrivilegedCreators {
		s += `,"@creator:s":100`
	}
	return `"users":{` + s + `}`
}

func member(who, membership string) e { return target(who, who, membership) }

func target(sender, whom, membership string) e {
	return e{typ: event.TypeMember, key: whom, sender: sender, content: `{"membership":"` + membership + `"}`}
}

func powers(content string) e {
	return e{typ: event.TypePowerLevels, sender: creator, content: content}
}

func joinRule(rule string) e {
	return e{typ: event.TypeJoinRules, sender: creator, content: `{"join_rule":"` + rule + `"}`}
}

func message(sender string) e {
	return e{typ: "m.room.message", sender: sender, content: `{}`, noKey: true}
}

func state(sender, typ, key string) e {
	return e{typ: typ, key: key, sender: sender, content: `{}`}
}

// failing is a state that cannot answer for one place.
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

// below adds a number to all.
func (b by) below(number string) by {
	out := by{}
	for v, rule := range b {
		if out[v] = rule; rule != "-" {
			out[v] = rule + "." + number
		}
	}
	return out
}

var allowed = by{1: ""}

// authCase is one event in one room, in every version that it is about.
type authCase struct {
	name  string
	event e
	state []e      // set before
	drop  []string // state that is taken away before
	want  by
}

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
				p := r.build(c.event)
				r.drop(c.drop...)
				checkOutcome(t, rules, eventauth.Check(p, r.state), want)
			}
			if tested == 0 {
				t.Error("no version was tested")
			}
		})
	}
}

// checkOutcome wants an event to be refused by a rule, or to be allowed if the
// rule is empty.
func checkOutcome(t testing.TB, rules *roomver.Rules, err error, want string) {
	t.Helper()
	var refused *eventauth.Error
	switch {
	case want == "" && err != nil:
		t.Errorf("version %s: %v, must be allowed", rules.Version, err)
	case want != "" && (!errors.As(err, &refused) || refused.Rule != want || refused.Reason == ""):
		t.Errorf("version %s: %v, must be refused by rule %s", rules.Version, err, want)
	}
}

// without is a list of events without those of a type.
func without(events []*event.PDU, typ string) []*event.PDU {
	return slices.DeleteFunc(slices.Clone(events), func(p *event.PDU) bool { return p.Type() == typ })
}
