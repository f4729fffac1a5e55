package event_test

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// What each version's redaction keeps of each type's content.
//
// Spec: rooms/v1#redactions, rooms/v6#redactions, rooms/v8#redactions, rooms/v9#redactions, rooms/v11#redactions
func TestRedact(t *testing.T) {
	t.Parallel()
	const (
		member = `{"displayname":"x","join_authorised_via_users_server":"@b:c","membership":"invite","third_party_invite":{"display_name":"y","signed":{"mxid":"@a:b"}}}`
		create = `{"additional_creators":[],"creator":"@a:domain","m.federate":false,"room_version":"x","type":"m.space"}`
		rules  = `{"allow":[{"type":"m.room_membership"}],"join_rule":"restricted","x":1}`
		powers = `{"ban":1,"events":{"x":1},"events_default":2,"invite":3,"kick":4,"notifications":{"room":5},"redact":6,"state_default":7,"users":{"@a:domain":8},"users_default":9,"x":1}`
		level  = `{"ban":1,"events":{"x":1},"events_default":2,"kick":4,"redact":6,"state_default":7,"users":{"@a:domain":8},"users_default":9}`
	)
	from := func(v int) func(int) bool { return func(n int) bool { return n >= v } }
	until := func(v int) func(int) bool { return func(n int) bool { return n <= v } }
	both := func(a, b func(int) bool) func(int) bool { return func(n int) bool { return a(n) && b(n) } }
	for _, c := range []struct {
		typ, content, want string
		in                 func(int) bool
	}{
		{event.TypeMember, member, `{"membership":"invite"}`, until(8)},
		{event.TypeMember, member, `{"join_authorised_via_users_server":"@b:c","membership":"invite"}`, both(from(9), until(10))},
		{event.TypeMember, member, `{"join_authorised_via_users_server":"@b:c","membership":"invite","third_party_invite":{"signed":{"mxid":"@a:b"}}}`, from(11)},
		{event.TypeMember, `{"third_party_invite":{"x":1}}`, `{"third_party_invite":{}}`, from(11)},
		{event.TypeMember, `{"third_party_invite":"x"}`, `{}`, nil},
		{event.TypeCreate, create, `{"creator":"@a:domain"}`, until(10)},
		{event.TypeCreate, create, create, from(11)},
		{event.TypeJoinRules, rules, `{"join_rule":"restricted"}`, until(7)},
		{event.TypeJoinRules, rules, `{"allow":[{"type":"m.room_membership"}],"join_rule":"restricted"}`, from(8)},
		{event.TypePowerLevels, powers, level, until(10)},
		{event.TypePowerLevels, powers, strings.Replace(level, `"kick"`, `"invite":3,"kick"`, 1), from(11)},
		{event.TypeAliases, `{"aliases":["#a:b"],"x":1}`, `{"aliases":["#a:b"]}`, until(5)},
		{event.TypeAliases, `{"aliases":["#a:b"],"x":1}`, `{}`, from(6)},
		{event.TypeHistoryVisibility, `{"history_visibility":"shared","x":1}`, `{"history_visibility":"shared"}`, nil},
		{event.TypeRedaction, `{"reason":"x","redacts":"$a"}`, `{}`, until(10)},
		{event.TypeRedaction, `{"reason":"x","redacts":"$a"}`, `{"redacts":"$a"}`, from(11)},
		{"m.room.message", `{"body":"x","membership":"join"}`, `{}`, nil},
		{event.TypeThirdPartyInvite, `{"public_key":"x"}`, `{}`, nil},
	} {
		for i, r := range roomver.All() {
			if c.in != nil && !c.in(i+1) {
				continue
			}
			p := build(t, r, func(b *event.Builder) {
				b.Type, b.StateKey, b.Content, b.Unsigned = c.typ, state(""), []byte(c.content), []byte(`{"age":1}`)
			})
			got := p.Redact()
			if string(got.Content()) != c.want || got.ID() != p.ID() || got.Unsigned().Exists() {
				t.Errorf("version %s, %s: %s, want content %s", r.Version, c.typ, got.JSON(), c.want)
			}
			if again, err := event.Parse(r, got.JSON()); err != nil || again.ID() != p.ID() || !bytes.Equal(again.Redact().JSON(), got.JSON()) {
				t.Errorf("version %s, %s: redacted twice: %v", r.Version, c.typ, err)
			}
		}
	}
	for i, r := range roomver.All() {
		p, err := event.Parse(r, append(bytes.TrimSuffix(build(t, r, nil).JSON(), []byte("}")), `,"origin":"domain","membership":"join","prev_state":[],"redacts":"$x:y","org.more":1}`...))
		if err != nil {
			t.Fatal(err)
		}
		top := canonjson.Value(p.Redact().JSON())
		for _, member := range []string{"origin", "membership", "prev_state"} {
			if kept := top.Get(member).Exists(); kept != (i+1 < 11) {
				t.Errorf("version %s: %s is kept: %v", r.Version, member, kept)
			}
		}
		if top.Get("redacts").Exists() || top.Get("org.more").Exists() {
			t.Errorf("version %s: %s", r.Version, top)
		}
	}
}

// Spec: rooms/v11#moving-the-redacts-property-of-mroomredaction-events-to-a-content-property
func TestRedacts(t *testing.T) {
	t.Parallel()
	for _, r := range roomver.All() {
		p := build(t, r, func(b *event.Builder) {
			b.Type, b.Redacts, b.Content = event.TypeRedaction, "$gone:domain", []byte(`{"reason":"spam"}`)
		})
		if p.Redacts() != "$gone:domain" || p.Content().Get("redacts").Exists() != r.RedactsInContent {
			t.Errorf("version %s: %s", r.Version, p.JSON())
		}
		client := canonjson.Value(p.AppendClient(nil, event.ClientFormat{NoRoom: true}))
		if !client.Get("redacts").EqualStr("$gone:domain") || !client.Path("content", "redacts").EqualStr("$gone:domain") || !client.Path("content", "reason").Exists() || client.Get("room_id").Exists() {
			t.Errorf("version %s: clients see %s", r.Version, client)
		}
		other := build(t, r, func(b *event.Builder) { b.Redacts = "$gone:domain" })
		if other.Redacts() != "" {
			t.Errorf("version %s: a message redacts %s", r.Version, other.Redacts())
		}
		bad := build(t, r, func(b *event.Builder) { b.Type, b.Redacts = event.TypeRedaction, "gone" })
		if bad.Redacts() != "" {
			t.Errorf("version %s: %q is redacted", r.Version, bad.Redacts())
		}
		if again := p.Redact(); (again.Redacts() != "") != r.RedactsInContent {
			t.Errorf("version %s: a redacted redaction redacts %q", r.Version, again.Redacts())
		}
	}
}

func TestStripped(t *testing.T) {
	t.Parallel()
	p := build(t, rulesOf(t, "12"), func(b *event.Builder) {
		b.Type, b.StateKey, b.Content = event.TypeName, state(""), []byte(`{"name":"a \"b\""}`)
	})
	if got := string(p.AppendStripped(nil)); got != `{"content":{"name":"a \"b\""},"sender":"@a:domain","state_key":"","type":"m.room.name"}` {
		t.Error(got)
	}
}

func content(t testing.TB, version, typ, text string) *event.PDU {
	t.Helper()
	return build(t, rulesOf(t, version), func(b *event.Builder) { b.Type, b.StateKey, b.Content = typ, state(""), []byte(text) })
}

// Spec: client-server-api#room-events, rooms/v12#authorisation-rules
func TestCreate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version, text string
		want          event.Create
	}{
		{"1", `{"creator":"@c:domain"}`, event.Create{Version: "1", Creators: []id.User{"@c:domain"}, Federate: true}},
		{"10", `{"creator":"@c:domain","room_version":"10","m.federate":false,"type":"m.space","predecessor":{"room_id":"!old:domain"},"additional_creators":5}`,
			event.Create{Version: "10", Creators: []id.User{"@c:domain"}, RoomType: "m.space", Predecessor: "!old:domain"}},
		{"11", `{"creator":"@c:domain","room_version":5,"m.federate":"false"}`, event.Create{Creators: []id.User{"@a:domain"}, Federate: true}},
		{"12", `{"additional_creators":["@b:x","@É:y"],"room_version":"12"}`, event.Create{Version: "12", Creators: []id.User{"@a:domain", "@b:x", "@É:y"}, Federate: true}},
	} {
		got, err := content(t, c.version, event.TypeCreate, c.text).Create()
		if err != nil || !reflect.DeepEqual(*got, c.want) {
			t.Errorf("version %s, %s: %+v, %v", c.version, c.text, got, err)
		}
	}
	c, _ := content(t, "12", event.TypeCreate, `{"additional_creators":["@b:x"]}`).Create()
	if !c.IsCreator("@a:domain") || !c.IsCreator("@b:x") || c.IsCreator("@c:x") {
		t.Error("IsCreator")
	}
	for _, bad := range [][2]string{{"10", `{}`}, {"12", `{"additional_creators":null}`}, {"12", `{"additional_creators":{}}`}, {"12", `{"additional_creators":["b"]}`}, {"12", `{"additional_creators":[1]}`}} {
		if got, err := content(t, bad[0], event.TypeCreate, bad[1]).Create(); err == nil || got != nil {
			t.Errorf("%v: %+v", bad, got)
		}
	}
}

// Spec: client-server-api#room-events
func TestOtherContents(t *testing.T) {
	t.Parallel()
	m, err := content(t, "11", event.TypeMember, `{"membership":"invite","displayname":"D","avatar_url":"mxc://a/b","reason":"r","is_direct":true,"third_party_invite":{"signed":1},"join_authorised_via_users_server":"@v:w"}`).Member()
	if err != nil || m.Membership != "invite" || m.DisplayName != "D" || m.AvatarURL != "mxc://a/b" || m.Reason != "r" || !m.Direct || string(m.ThirdPartyInvite) != `{"signed":1}` || m.AuthorisedVia != "@v:w" {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err := content(t, "7", event.TypeMember, `{"membership":"odd","displayname":1,"join_authorised_via_users_server":1}`).Member(); err != nil || m.Membership != "odd" || m.DisplayName != "" || m.AuthorisedVia != "" {
		t.Errorf("%+v, %v", m, err)
	}
	for _, bad := range []string{`{}`, `{"membership":null}`, `{"membership":1}`, `{"membership":"join","join_authorised_via_users_server":"v"}`} {
		if m, err := content(t, "11", event.TypeMember, bad).Member(); err == nil {
			t.Errorf("%s: %+v", bad, m)
		}
	}
	j, err := content(t, "11", event.TypeJoinRules, `{"join_rule":"restricted","allow":[{"type":"m.room_membership","room_id":"!a:b"},{"type":"x","room_id":"!c:d"},{"type":"m.room_membership"},5]}`).JoinRules()
	if err != nil || j.Rule != "restricted" || !reflect.DeepEqual(j.AllowRooms, []id.Room{"!a:b"}) {
		t.Errorf("%+v, %v", j, err)
	}
	if j, err := content(t, "11", event.TypeJoinRules, `{"join_rule":5,"allow":{}}`).JoinRules(); err != nil || j.Rule != "" || j.AllowRooms != nil {
		t.Errorf("%+v, %v", j, err)
	}
	// Keys of either alphabet, with and without padding; others are left out.
	i, err := content(t, "11", event.TypeThirdPartyInvite, `{"public_key":"XSl0kuyvrXNj6A+7/tkrB9sxSbRi08Of5uRhxOqZtEQ","public_keys":[{"public_key":"XSl0kuyvrXNj6A-7_tkrB9sxSbRi08Of5uRhxOqZtEQ="},{"public_key":"AAAA"},{},{"public_key":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}`).ThirdPartyInvite()
	if err != nil || len(i.PublicKeys) != 2 || !bytes.Equal(i.PublicKeys[0], i.PublicKeys[1]) {
		t.Errorf("%+v, %v", i, err)
	}
	for text, want := range map[string]string{`{"history_visibility":"world_readable"}`: "world_readable", `{"history_visibility":"joined"}`: "joined", `{"history_visibility":"invited"}`: "invited", `{"history_visibility":"x"}`: "shared", `{}`: "shared"} {
		if got := content(t, "11", event.TypeHistoryVisibility, text).HistoryVisibility(); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	if got := (*event.PDU)(nil).HistoryVisibility(); got != "shared" {
		t.Error(got)
	}
	message := build(t, rulesOf(t, "11"), nil)
	for _, err := range []error{second(message.Create()), second(message.Member()), second(message.JoinRules()), second(message.PowerLevels()), second(message.ThirdPartyInvite())} {
		if err == nil {
			t.Error("a message was read as something else")
		}
	}
}

// Spec: client-server-api#room-events
func TestPowerLevels(t *testing.T) {
	t.Parallel()
	l, err := content(t, "10", event.TypePowerLevels, `{"ban":1,"events":{"m.room.name":60},"users":{"@a:b":100,"@É:c":-5},"users_default":2,"notifications":{"room":20}}`).PowerLevels()
	if err != nil {
		t.Fatal(err)
	}
	for which, want := range map[event.Level]int64{event.BanLevel: 1, event.KickLevel: 50, event.RedactLevel: 50, event.InviteLevel: 0, event.StateDefault: 50, event.EventsDefault: 0, event.UsersDefault: 2} {
		if got := l.Level(which); got != want {
			t.Errorf("%s = %d", which, got)
		}
	}
	if n, ok := l.Stated(event.BanLevel); n != 1 || !ok {
		t.Error("ban is stated")
	}
	if _, ok := l.Stated(event.KickLevel); ok || event.Levels.String() != "no level" {
		t.Error("kick is not stated")
	}
	if l.User("@a:b") != 100 || l.User("@É:c") != -5 || l.User("@x:y") != 2 || l.Event("m.room.name", true) != 60 || l.Event("x", true) != 50 || l.Event("x", false) != 0 || l.Notification("room") != 20 || l.Notification("x") != 50 {
		t.Errorf("%+v", l)
	}
}

// Spec: rooms/v1#deprecated-event-content-schemas, rooms/v10#values-in-mroompower_levels-events-must-be-integers
func TestPowerLevelFormats(t *testing.T) {
	t.Parallel()
	const absent = math.MinInt64 + 7
	for _, c := range []struct {
		value                    string
		lenient, stringy, strict int64
	}{
		{`100`, 100, 100, 100}, {`-5`, -5, -5, -5}, {`"100"`, 100, 100, absent}, {`"000100"`, 100, 100, absent}, {`"+100"`, 100, 100, absent}, {`" -100 "`, -100, -100, absent},
		{`"\t00100\n"`, 100, 100, absent}, {`"5.5"`, absent, absent, absent}, {`""`, absent, absent, absent}, {`"+"`, absent, absent, absent}, {`"1_0"`, absent, absent, absent}, {`"0x10"`, absent, absent, absent},
		{`null`, absent, absent, absent}, {`true`, absent, absent, absent}, {`[1]`, absent, absent, absent}, {`{}`, absent, absent, absent},
		{`50.57`, 50, absent, absent}, {`-50.57`, -50, absent, absent}, {`5.114698E4`, 51146, absent, absent}, {`1e300`, math.MaxInt64, absent, absent}, {`-1e300`, math.MinInt64, absent, absent},
		{`99999999999999999999`, math.MaxInt64, absent, absent}, {`"99999999999999999999"`, math.MaxInt64, math.MaxInt64, absent},
	} {
		for version, want := range map[string]int64{"1": c.lenient, "5": c.lenient, "6": c.stringy, "9": c.stringy, "10": c.strict, "12": c.strict} {
			rules := rulesOf(t, version)
			if rules.StrictJSON && canonjson.Check([]byte(c.value), canonjson.Strict) != nil {
				continue // no such event exists
			}
			for member, text := range map[string]string{"ban": `{"ban":` + c.value + `}`, "events": `{"events":{"x":` + c.value + `}}`, "users": `{"users":{"@a:b":` + c.value + `}}`} {
				l, err := content(t, version, event.TypePowerLevels, text).PowerLevels()
				if want == absent && (rules.PowerLevels == roomver.PowerLevelInteger || member == "users") {
					var e *event.Error
					if !asError(err, &e) || e.Field != member {
						t.Errorf("version %s, %s: %v, want a refusal of %s", version, text, err, member)
					}
					continue
				}
				if err != nil {
					t.Errorf("version %s, %s: %v", version, text, err)
					continue
				}
				got, ok := l.Stated(event.BanLevel)
				switch member {
				case "events":
					got, ok = l.Events["x"]
				case "users":
					got, ok = l.Users["@a:b"]
				}
				if ok != (want != absent) || (ok && got != want) {
					t.Errorf("version %s, %s: %d, %v, want %d", version, text, got, ok, want)
				}
			}
		}
	}
	for _, text := range []string{`{"users":[]}`, `{"users":{"a":1}}`, `{"users":"x"}`} {
		for _, version := range []string{"1", "9", "10"} {
			if l, err := content(t, version, event.TypePowerLevels, text).PowerLevels(); err == nil {
				t.Errorf("version %s, %s: %+v", version, text, l)
			}
		}
	}
	for _, text := range []string{`{"events":[]}`, `{"notifications":5}`} {
		if _, err := content(t, "9", event.TypePowerLevels, text).PowerLevels(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if l, err := content(t, "10", event.TypePowerLevels, text).PowerLevels(); err == nil {
			t.Errorf("%s: %+v", text, l)
		}
	}
}

func asError(err error, target **event.Error) bool {
	e, ok := err.(*event.Error)
	*target = e
	return ok
}

// Readers parse once, also when many ask.
func TestReadersAreCached(t *testing.T) {
	p := content(t, "11", event.TypePowerLevels, `{"users":{"@a:b":100,"@b:b":100}}`)
	if _, err := p.PowerLevels(); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = p.PowerLevels() }); n > 0 {
		t.Errorf("%v allocations for the second reading", n)
	}
}
