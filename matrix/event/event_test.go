package event_test

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

const (
	testServer = id.Server("domain")
	testKeyID  = id.Key("ed25519:1")
)

// testKey is the key of the specification's test vectors.
//
// Spec: appendices#signing-key
func testKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	seed, err := canonjson.DecodeBase64("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1")
	if err != nil {
		t.Fatal(err)
	}
	return ed25519.NewKeyFromSeed(seed)
}

func rulesOf(t testing.TB, version string) *roomver.Rules {
	t.Helper()
	r, ok := roomver.Lookup(version)
	if !ok {
		t.Fatalf("no room version %s", version)
	}
	return r
}

// builder is a plain event that every version takes.
func builder(rules *roomver.Rules) event.Builder {
	b := event.Builder{
		Room: "!x:domain", Type: "m.room.message", Sender: "@a:domain", Content: []byte(`{"body":"hello","msgtype":"m.text"}`),
		PrevEvents: []event.Ref{{ID: "$p:domain"}}, AuthEvents: []event.Ref{{ID: "$a:domain"}, {ID: "$b:domain"}}, Depth: 3, OriginServerTS: 1000000,
	}
	if rules.RoomIDFromCreate {
		b.Room = "!5hbZxH1gkDvCeDcLVvhYTxgVgKuTkqQX3GjJ3VJBDqg"
	}
	if rules.EventID == roomver.EventIDField {
		b.ID = "$0:domain"
	}
	return b
}

func build(t testing.TB, rules *roomver.Rules, edit func(*event.Builder)) *event.PDU {
	t.Helper()
	b := builder(rules)
	if edit != nil {
		edit(&b)
	}
	p, err := b.Build(rules, testServer, testKeyID, testKey(t))
	if err != nil {
		t.Fatalf("version %s: %v", rules.Version, err)
	}
	return p
}

func state(key string) *string { return &key }

// Spec: appendices#event-signing
func TestSpecSigningVectors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ version, in, want string }{
		{
			"4", `{"room_id":"!x:domain","sender":"@a:domain","origin":"domain","origin_server_ts":1000000,"signatures":{},"hashes":{},"type":"X","content":{},"prev_events":[],"auth_events":[],"depth":3,"unsigned":{"age_ts":1000000}}`,
			`{"auth_events":[],"content":{},"depth":3,"hashes":{"sha256":"5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos"},"origin":"domain","origin_server_ts":1000000,"prev_events":[],"room_id":"!x:domain","sender":"@a:domain","signatures":{"domain":{"ed25519:1":"KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg"}},"type":"X","unsigned":{"age_ts":1000000}}`,
		},
		{
			"1", `{"content":{"body":"Here is the message content"},"event_id":"$0:domain","origin":"domain","origin_server_ts":1000000,"type":"m.room.message","room_id":"!r:domain","sender":"@u:domain","signatures":{},"unsigned":{"age_ts":1000000}}`,
			`{"content":{"body":"Here is the message content"},"event_id":"$0:domain","hashes":{"sha256":"onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g"},"origin":"domain","origin_server_ts":1000000,"room_id":"!r:domain","sender":"@u:domain","signatures":{"domain":{"ed25519:1":"Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA"}},"type":"m.room.message","unsigned":{"age_ts":1000000}}`,
		},
	} {
		got, err := event.HashAndSign(rulesOf(t, c.version), []byte(c.in), testServer, testKeyID, testKey(t))
		if err != nil || string(got) != c.want {
			t.Errorf("%s, %v\nwant %s", got, err, c.want)
		}
	}
	p, err := event.Parse(rulesOf(t, "4"), []byte(`{"auth_events":[],"content":{},"depth":3,"hashes":{"sha256":"5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos"},"origin":"domain","origin_server_ts":1000000,"prev_events":[],"room_id":"!x:domain","sender":"@a:domain","signatures":{"domain":{"ed25519:1":"KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg"}},"type":"X","unsigned":{"age_ts":1000000}}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CheckContentHash(); err != nil {
		t.Error(err)
	}
	if err := p.VerifySignature(testServer, testKeyID, testKey(t).Public().(ed25519.PublicKey)); err != nil {
		t.Error(err)
	}
}

// Built events are events: in every version they parse, hash, verify and redact.
func TestBuildInEveryVersion(t *testing.T) {
	t.Parallel()
	pub := testKey(t).Public().(ed25519.PublicKey)
	for _, rules := range roomver.All() {
		p := build(t, rules, nil)
		again, err := event.Parse(rules, p.JSON())
		if err != nil || !bytes.Equal(again.JSON(), p.JSON()) || again.ID() != p.ID() || again.Hash() != p.Hash() {
			t.Errorf("version %s: %v parses as %v, %v", rules.Version, p, again, err)
			continue
		}
		if err := canonjson.Check(p.JSON(), canonjson.Strict); err != nil {
			t.Error(err)
		}
		b := builder(rules)
		if again.Room() != b.Room || again.Sender() != b.Sender || again.Type() != b.Type || again.Depth() != 3 || again.OriginServerTS() != 1000000 || again.IsState() {
			t.Errorf("version %s: header of %s", rules.Version, again.JSON())
		}
		if !slices.Equal(again.PrevEvents(), []id.Event{"$p:domain"}) || !slices.Equal(again.AuthEvents(), []id.Event{"$a:domain", "$b:domain"}) {
			t.Errorf("version %s: references %v and %v", rules.Version, again.PrevEvents(), again.AuthEvents())
		}
		for _, e := range []*event.PDU{p, again, p.Redact()} {
			if err := e.VerifySignature(testServer, testKeyID, pub); err != nil {
				t.Errorf("version %s: %v", rules.Version, err)
			}
			if got := e.SignatureKeys(testServer); !slices.Equal(got, []id.Key{testKeyID}) {
				t.Errorf("keys %v", got)
			}
			if got := e.RequiredSigners(); !slices.Equal(got, []id.Server{testServer}) {
				t.Errorf("signers %v", got)
			}
		}
		if err := p.CheckContentHash(); err != nil {
			t.Errorf("version %s: %v", rules.Version, err)
		}
		if err := p.Redact().CheckContentHash(); !errors.Is(err, event.ErrContentHash) {
			t.Errorf("version %s: a redacted event's hash: %v", rules.Version, err)
		}
		changed, err := event.Parse(rules, bytes.Replace(p.JSON(), []byte("hello"), []byte("HELLO"), 1))
		if err != nil || !errors.Is(changed.CheckContentHash(), event.ErrContentHash) || changed.Hash() != p.Hash() {
			t.Errorf("version %s: a change of the body: %v", rules.Version, err)
		}
		if err := changed.VerifySignature(testServer, testKeyID, pub); err != nil {
			t.Errorf("version %s: the signature covers redacted content only: %v", rules.Version, err)
		}
		if err := p.VerifySignature("other", testKeyID, pub); !errors.Is(err, canonjson.ErrNoSignature) {
			t.Errorf("other server: %v", err)
		}
		deeper, err := event.Parse(rules, bytes.Replace(p.JSON(), []byte(`"depth":3`), []byte(`"depth":4`), 1))
		if err != nil || !errors.Is(deeper.VerifySignature(testServer, testKeyID, pub), canonjson.ErrSignature) {
			t.Errorf("version %s: a change of the depth: %v", rules.Version, err)
		}
	}
}

// Spec: rooms/v1#event-ids, rooms/v3#event-ids, rooms/v4#event-ids, rooms/v12#event-format
func TestEventIDs(t *testing.T) {
	t.Parallel()
	for _, rules := range roomver.All() {
		p := build(t, rules, nil)
		hash := p.Hash()
		want := id.Event("$0:domain")
		switch rules.Version {
		case "1", "2":
		case "3":
			want = id.Event("$" + canonjson.EncodeBase64(hash[:]))
		default:
			want = id.Event("$" + canonjson.EncodeBase64URL(hash[:]))
		}
		if p.ID() != want {
			t.Errorf("version %s: ID %s, want %s", rules.Version, p.ID(), want)
		}
		if p.Redact().ID() != p.ID() {
			t.Errorf("version %s: redaction changes the ID", rules.Version)
		}
	}
	create := build(t, rulesOf(t, "12"), func(b *event.Builder) {
		b.Room, b.Type, b.StateKey, b.Content, b.PrevEvents, b.AuthEvents = "", event.TypeCreate, state(""), []byte(`{"room_version":"12"}`), nil, nil
	})
	if create.Room() != id.RoomFromCreate(create.ID()) || bytes.Contains(create.JSON(), []byte("room_id")) {
		t.Errorf("room %s of create event %s", create.Room(), create.ID())
	}
	if again, err := event.Parse(create.Rules(), create.JSON()); err != nil || again.Room() != create.Room() {
		t.Errorf("%v", err)
	}
}

// The bad inputs of Parse: what is changed in a good event, what is refused, and
// in which versions.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 256)
	refs := func(n int, pairs bool) string {
		one := `"$x:y"`
		if pairs {
			one = `["$x:y",{"sha256":"x"}]`
		}
		return "[" + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + "]"
	}
	for _, c := range []struct {
		name, member, value string // value empty: the member is left out
		field               string
		kind                event.Kind
		in                  func(*roomver.Rules) bool // nil: in all versions
	}{
		{"no content", "content", "", "content", event.Malformed, nil},
		{"content is a string", "content", `"x"`, "content", event.Malformed, nil},
		{"content is null", "content", `null`, "content", event.Malformed, nil},
		{"no depth", "depth", "", "depth", event.Malformed, nil},
		{"negative depth", "depth", "-1", "depth", event.Malformed, nil},
		{"depth is a string", "depth", `"3"`, "depth", event.Malformed, nil},
		{"depth is a fraction", "depth", "1.5", "depth", event.Malformed, func(r *roomver.Rules) bool { return !r.StrictJSON }},
		{"depth is a fraction", "depth", "1.5", "", event.BadJSON, func(r *roomver.Rules) bool { return r.StrictJSON }},
		{"depth beyond 2^53", "depth", "9007199254740992", "", event.BadJSON, func(r *roomver.Rules) bool { return r.StrictJSON }},
		{"depth beyond 2^63", "depth", "9223372036854775808", "depth", event.Malformed, func(r *roomver.Rules) bool { return !r.StrictJSON }},
		{"no time", "origin_server_ts", "", "origin_server_ts", event.Malformed, nil},
		{"time is true", "origin_server_ts", "true", "origin_server_ts", event.Malformed, nil},
		{"no hashes", "hashes", "", "hashes", event.Malformed, nil},
		{"hashes is a list", "hashes", "[]", "hashes", event.Malformed, nil},
		{"no signatures", "signatures", "", "signatures", event.Malformed, nil},
		{"signatures is null", "signatures", "null", "signatures", event.Malformed, nil},
		{"unsigned is a list", "unsigned", "[]", "unsigned", event.Malformed, nil},
		{"no type", "type", "", "type", event.Malformed, nil},
		{"type is a number", "type", "1", "type", event.Malformed, nil},
		{"type too long", "type", `"` + long + `"`, "type", event.TooLarge, nil},
		{"type too long in bytes", "type", `"` + strings.Repeat("é", 128) + `"`, "type", event.TooLarge, nil},
		{"state_key is null", "state_key", "null", "state_key", event.Malformed, nil},
		{"state_key too long", "state_key", `"` + long + `"`, "state_key", event.TooLarge, nil},
		{"no sender", "sender", "", "sender", event.Malformed, nil},
		{"sender is no user", "sender", `"a:domain"`, "sender", event.Malformed, nil},
		{"sender without server", "sender", `"@a"`, "sender", event.Malformed, nil},
		{"sender too long", "sender", `"@` + long + `:domain"`, "sender", event.TooLarge, nil},
		{"no room", "room_id", "", "room_id", event.Malformed, nil},
		{"room is no room", "room_id", `"x"`, "room_id", event.Malformed, nil},
		{"room is null", "room_id", `null`, "room_id", event.Malformed, nil},
		{"room of the other form", "room_id", `"!x:domain"`, "room_id", event.Malformed, func(r *roomver.Rules) bool { return r.RoomIDFromCreate }},
		{"room of the other form", "room_id", `"!x"`, "room_id", event.Malformed, func(r *roomver.Rules) bool { return !r.RoomIDFromCreate }},
		{"no prev_events", "prev_events", "", "prev_events", event.Malformed, nil},
		{"prev_events is an object", "prev_events", "{}", "prev_events", event.Malformed, nil},
		{"prev_events hold numbers", "prev_events", "[1]", "prev_events", event.Malformed, nil},
		{"prev_events hold no IDs", "prev_events", `["x"]`, "prev_events and auth_events", event.Malformed, func(r *roomver.Rules) bool { return !r.RefsWithHashes }},
		{"prev_events hold pairs", "prev_events", refs(1, true), "prev_events", event.Malformed, func(r *roomver.Rules) bool { return !r.RefsWithHashes }},
		{"prev_events hold IDs", "prev_events", refs(1, false), "prev_events", event.Malformed, func(r *roomver.Rules) bool { return r.RefsWithHashes }},
		{"prev_events hold triples", "prev_events", `[["$x:y",{},{}]]`, "prev_events", event.Malformed, func(r *roomver.Rules) bool { return r.RefsWithHashes }},
		{"prev_events hold lone IDs in lists", "prev_events", `[["$x:y"]]`, "prev_events", event.Malformed, func(r *roomver.Rules) bool { return r.RefsWithHashes }},
		{"21 prev_events", "prev_events", refs(21, false), "prev_events", event.Malformed, nil},
		{"11 auth_events", "auth_events", refs(11, false), "auth_events", event.Malformed, nil},
		{"no auth_events", "auth_events", "", "auth_events", event.Malformed, nil},
		{"no event_id", "event_id", "", "event_id", event.Malformed, func(r *roomver.Rules) bool { return r.EventID == roomver.EventIDField }},
		{"event_id without server", "event_id", `"$x"`, "event_id", event.Malformed, func(r *roomver.Rules) bool { return r.EventID == roomver.EventIDField }},
		{"event_id is no ID", "event_id", `"x:y"`, "event_id", event.Malformed, func(r *roomver.Rules) bool { return r.EventID == roomver.EventIDField }},
		{"event_id too long", "event_id", `"$` + long + `:y"`, "event_id", event.TooLarge, func(r *roomver.Rules) bool { return r.EventID == roomver.EventIDField }},
		{"too large", "content", `{"body":"` + strings.Repeat("x", event.MaxSize) + `"}`, "", event.TooLarge, nil},
		{"huge", "content", `{"body":"` + strings.Repeat(" ", 20*event.MaxSize) + `"}`, "", event.TooLarge, nil},
		{"fraction in the content", "content", `{"a":1.5}`, "", event.BadJSON, func(r *roomver.Rules) bool { return r.StrictJSON }},
		{"duplicate key in the content", "content", `{"a":1,"a":2}`, "", event.BadJSON, func(r *roomver.Rules) bool { return r.StrictJSON }},
		{"lone surrogate", "content", `{"a":"\ud800"}`, "", event.BadJSON, nil},
	} {
		for _, rules := range roomver.All() {
			if c.in != nil && !c.in(rules) {
				continue
			}
			bad := edited(build(t, rules, nil), c.member, c.value)
			p, err := event.Parse(rules, bad)
			var e *event.Error
			if !errors.As(err, &e) || p != nil || e.Field != c.field || e.Kind != c.kind {
				t.Errorf("version %s, %s: %v, %v; want field %q, kind %d", rules.Version, c.name, p, err, c.field, c.kind)
			}
		}
	}
	for _, text := range []string{"", "null", "[]", "{", `"x"`, "{}"} {
		if p, err := event.Parse(rulesOf(t, "11"), []byte(text)); err == nil {
			t.Errorf("%q is taken for %v", text, p)
		}
	}
}

// edited is an event's JSON with one member set, or left out.
func edited(p *event.PDU, member, value string) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for k, v := range canonjson.Value(p.JSON()).Members() {
		if !k.EqualStr(member) {
			b.Write(k)
			b.WriteByte(':')
			b.Write(v)
			b.WriteByte(',')
		}
	}
	if value == "" {
		b.Truncate(b.Len() - 1)
		return append(b.Bytes(), '}')
	}
	b.WriteString(`"` + member + `":` + value + "}")
	return b.Bytes()
}

// What old versions let through, and what every version does.
func TestParseAccepts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, member, value string
		in                  func(*roomver.Rules) bool
	}{
		{"fraction in the content", "content", `{"a":1.5,"b":123456789012345678901234567890,"c":1,"c":2}`, func(r *roomver.Rules) bool { return !r.StrictJSON }},
		{"depth up to 2^63−1", "depth", "9223372036854775807", func(r *roomver.Rules) bool { return !r.StrictJSON }},
		{"event_id where hashes name events", "event_id", `5`, func(r *roomver.Rules) bool { return r.EventID != roomver.EventIDField }},
		{"longest type", "type", `"` + strings.Repeat("a", 255) + `"`, nil},
		{"negative time", "origin_server_ts", "-1", nil},
		{"historical sender", "sender", `"@É x:domain"`, nil},
		{"unknown member", "org.example.more", `{"x":[]}`, nil},
		{"redacts that is no string", "redacts", `{}`, nil},
		{"no references at all", "prev_events", `[]`, nil},
	} {
		for _, rules := range roomver.All() {
			if c.in != nil && !c.in(rules) {
				continue
			}
			p, err := event.Parse(rules, edited(build(t, rules, nil), c.member, c.value))
			if err != nil {
				t.Errorf("version %s, %s: %v", rules.Version, c.name, err)
			} else if again, err := event.Parse(rules, p.JSON()); err != nil || again.ID() != p.ID() {
				t.Errorf("version %s, %s: parsed again: %v", rules.Version, c.name, err)
			}
		}
	}
}

// Every example event of the specification can be read, built and given back.
func TestSpecExamples(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/spec-events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	n := 0
	for lines.Scan() {
		n++
		mode := canonjson.Strict
		if bytes.Contains(lines.Bytes(), []byte(`"name": "m.tag"`)) {
			mode = canonjson.Lenient // account data, whose order of tags is a fraction
		}
		line, err := canonjson.Append(nil, lines.Bytes(), mode)
		if err != nil {
			t.Errorf("%.80s: %v", lines.Bytes(), err)
			continue
		}
		name, _ := canonjson.Value(line).Get("name").Str()
		e := canonjson.Value(line).Get("event")
		typ, ok := e.Get("type").Str()
		if !ok {
			continue // a list of stripped state
		}
		rules := rulesOf(t, "11")
		if mode == canonjson.Lenient {
			rules = rulesOf(t, "5")
		}
		p := build(t, rules, func(b *event.Builder) {
			b.Type, b.Content = typ, e.Get("content")
			if key, ok := e.Get("state_key").Str(); ok {
				b.StateKey = &key
			}
			if sender, ok := e.Get("sender").Str(); ok {
				b.Sender = id.User(sender)
			}
			if room, ok := e.Get("room_id").Str(); ok {
				b.Room = id.Room(room)
			}
		})
		if !bytes.Equal(p.Content(), e.Get("content")) {
			t.Errorf("%s: content %s", name, p.Content())
		}
		client := canonjson.Value(p.AppendClient(nil, event.ClientFormat{Unsigned: e.Get("unsigned")}))
		for _, member := range []string{"content", "type", "state_key", "sender", "room_id", "unsigned"} {
			if want := e.Get(member); want.Exists() && !bytes.Equal(client.Get(member), want) {
				t.Errorf("%s: %s is %s, was %s", name, member, client.Get(member), want)
			}
		}
		for _, err := range []error{second(p.Create()), second(p.Member()), second(p.PowerLevels()), second(p.JoinRules()), second(p.ThirdPartyInvite())} {
			var e *event.Error
			if err != nil && (!errors.As(err, &e) || e.Field != "type") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if err := lines.Err(); err != nil || n < 80 {
		t.Errorf("read %d examples, %v", n, err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestRequiredSigners(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, version, content string
		id                     id.Event
		want                   []id.Server
	}{
		{"third-party invite", "11", `{"membership":"invite","third_party_invite":{"signed":{}}}`, "", nil},
		{"third-party invite of version 1", "1", `{"membership":"invite","third_party_invite":{}}`, "$0:third", []id.Server{"third"}},
		{"event ID of another server", "2", `{"membership":"join"}`, "$0:third", []id.Server{"domain", "third"}},
		{"restricted join", "8", `{"membership":"join","join_authorised_via_users_server":"@b:other"}`, "", []id.Server{"domain", "other"}},
		{"vouched for by its own server", "10", `{"membership":"join","join_authorised_via_users_server":"@b:domain"}`, "", []id.Server{"domain"}},
		{"before restricted joins", "7", `{"membership":"join","join_authorised_via_users_server":"@b:other"}`, "", []id.Server{"domain"}},
		{"left over in a leave", "11", `{"membership":"leave","join_authorised_via_users_server":"@b:other"}`, "", []id.Server{"domain", "other"}},
		{"malformed", "11", `{"membership":"join","join_authorised_via_users_server":7}`, "", []id.Server{"domain"}},
	} {
		p := build(t, rulesOf(t, c.version), func(b *event.Builder) {
			b.Type, b.StateKey, b.Content, b.ID = event.TypeMember, state("@a:domain"), []byte(c.content), c.id
		})
		if got := p.RequiredSigners(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestSignAndUnsigned(t *testing.T) {
	t.Parallel()
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	for _, rules := range roomver.All() {
		p := build(t, rules, nil)
		signed, err := p.Sign("other", "ed25519:x", other)
		if err != nil || signed.ID() != p.ID() {
			t.Fatalf("version %s: %v", rules.Version, err)
		}
		for server, key := range map[id.Server]ed25519.PrivateKey{testServer: testKey(t), "other": other} {
			if err := signed.VerifySignature(server, signed.SignatureKeys(server)[0], key.Public().(ed25519.PublicKey)); err != nil {
				t.Errorf("version %s: %v", rules.Version, err)
			}
		}
		aged, err := signed.WithUnsigned([]byte(`{"age": 5}`))
		if err != nil || string(aged.Unsigned()) != `{"age":5}` || aged.ID() != p.ID() || aged.CheckContentHash() != nil {
			t.Errorf("version %s: %v", rules.Version, err)
		}
		bare, err := aged.WithUnsigned(nil)
		if err != nil || !bytes.Equal(bare.JSON(), signed.JSON()) {
			t.Errorf("version %s: %v", rules.Version, err)
		}
		if _, err := p.WithUnsigned([]byte("[]")); err == nil {
			t.Error("a list was accepted as unsigned")
		}
	}
	odd, err := event.Parse(rulesOf(t, "11"), edited(build(t, rulesOf(t, "11"), nil), "signatures", `{"other":5,"domain":{"ed25519:1":7,"rsa:1":"x","ed25519:2":"*"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := odd.Sign("other", "ed25519:x", other); err == nil {
		t.Error("signed over malformed signatures")
	}
	pub := other.Public().(ed25519.PublicKey)
	if err := odd.VerifySignature(testServer, "ed25519:1", pub); !errors.Is(err, canonjson.ErrNoSignature) {
		t.Errorf("%v", err)
	}
	if err := odd.VerifySignature(testServer, "ed25519:2", pub); !errors.Is(err, canonjson.ErrSignature) {
		t.Errorf("%v", err)
	}
	if got := odd.SignatureKeys(testServer); !slices.Equal(got, []id.Key{"ed25519:1", "ed25519:2"}) {
		t.Errorf("keys %v", got)
	}
}

func TestBuildRefuses(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*event.Builder){
		"content is no JSON":       func(b *event.Builder) { b.Content = []byte("{") },
		"content is a list":        func(b *event.Builder) { b.Content = []byte("[]") },
		"content with a fraction":  func(b *event.Builder) { b.Content = []byte(`{"a":1.5}`) },
		"content too large":        func(b *event.Builder) { b.Content = []byte(`{"a":"` + strings.Repeat("x", 65500) + `"}`) },
		"content far too large":    func(b *event.Builder) { b.Content = []byte(`{"a":"` + strings.Repeat("x", 650000) + `"}`) },
		"unsigned is no JSON":      func(b *event.Builder) { b.Unsigned = []byte("x") },
		"sender is no user":        func(b *event.Builder) { b.Sender = "a" },
		"room is missing":          func(b *event.Builder) { b.Room = "" },
		"type too long":            func(b *event.Builder) { b.Type = strings.Repeat("t", 256) },
		"depth beyond the version": func(b *event.Builder) { b.Depth = 1 << 60 },
		"reference to a non-event": func(b *event.Builder) { b.PrevEvents = []event.Ref{{ID: "x"}} },
		"too many auth events":     func(b *event.Builder) { b.AuthEvents = make([]event.Ref, 11) },
	} {
		b := builder(rulesOf(t, "11"))
		edit(&b)
		p, err := b.Build(rulesOf(t, "11"), testServer, testKeyID, testKey(t))
		var e *event.Error
		if !errors.As(err, &e) || p != nil {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
}
