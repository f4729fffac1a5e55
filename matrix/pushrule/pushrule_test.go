package pushrule_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/pushrule"
	"github.com/hanse-im/hanse/matrix/roomver"
)

const me = id.User("@me:example.org")

var testKey = ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", 32)))

// newEvent builds an event of another user; key "-" is for no state event.
func newEvent(t testing.TB, typ, key, content string) *event.PDU {
	t.Helper()
	rules, _ := roomver.Lookup("11")
	b := event.Builder{Room: "!room:example.org", Type: typ, Sender: "@other:example.org", Content: []byte(content), OriginServerTS: 1}
	if key != "-" {
		b.StateKey = &key
	}
	p, err := b.Build(rules, "example.org", "ed25519:1", testKey)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func room(members int, power int64) *pushrule.RoomState {
	return &pushrule.RoomState{Members: members, SenderPower: power, Need: func(string) int64 { return 50 }}
}

// Each predefined rule, with events that it matches and events that it does not.
//
// Spec: client-server-api/modules/push#default-override-rules, client-server-api/modules/push#default-underride-rules
func TestPredefinedRules(t *testing.T) {
	t.Parallel()
	type on struct {
		typ, key, content string
		members           int
		power             int64
	}
	for _, c := range []struct {
		rule string
		yes  []on
		no   []on
		want pushrule.Outcome
	}{
		{".m.rule.suppress_notices", []on{{"m.room.message", "-", `{"msgtype":"m.notice","body":"x"}`, 3, 0}}, []on{{"m.room.message", "-", `{"msgtype":"m.text"}`, 3, 0}}, pushrule.Outcome{}},
		{".m.rule.invite_for_me", []on{{"m.room.member", string(me), `{"membership":"invite"}`, 3, 0}}, []on{{"m.room.member", "@x:y", `{"membership":"invite"}`, 3, 0}, {"m.room.member", string(me), `{"membership":"join"}`, 3, 0}}, pushrule.Outcome{Notify: true, Sound: "default"}},
		{".m.rule.member_event", []on{{"m.room.member", "@x:y", `{"membership":"join"}`, 3, 0}}, nil, pushrule.Outcome{}},
		{".m.rule.is_user_mention", []on{{"m.room.message", "-", `{"m.mentions":{"user_ids":["@x:y","@me:example.org"]}}`, 3, 0}}, []on{{"m.room.message", "-", `{"m.mentions":{"user_ids":["@x:y"]}}`, 3, 0}, {"m.room.message", "-", `{"m.mentions":{"user_ids":"@me:example.org"}}`, 3, 0}}, pushrule.Outcome{Notify: true, Highlight: true, Sound: "default"}},
		{".m.rule.is_room_mention", []on{{"m.room.message", "-", `{"m.mentions":{"room":true}}`, 3, 50}}, []on{{"m.room.message", "-", `{"m.mentions":{"room":true}}`, 3, 49}, {"m.room.message", "-", `{"m.mentions":{"room":"true"}}`, 3, 50}}, pushrule.Outcome{Notify: true, Highlight: true}},
		{".m.rule.tombstone", []on{{"m.room.tombstone", "", `{}`, 3, 0}}, []on{{"m.room.tombstone", "x", `{}`, 3, 0}, {"m.room.tombstone", "-", `{}`, 3, 0}}, pushrule.Outcome{Notify: true, Highlight: true}},
		{".m.rule.reaction", []on{{"m.reaction", "-", `{}`, 3, 0}}, nil, pushrule.Outcome{}},
		{".m.rule.room.server_acl", []on{{"m.room.server_acl", "", `{}`, 3, 0}}, []on{{"m.room.server_acl", "-", `{}`, 3, 0}}, pushrule.Outcome{}},
		{".m.rule.suppress_edits", []on{{"m.room.message", "-", `{"m.relates_to":{"rel_type":"m.replace"}}`, 3, 0}}, []on{{"m.room.message", "-", `{"m.relates_to":{"rel_type":"m.thread"}}`, 3, 0}}, pushrule.Outcome{}},
		{".m.rule.call", []on{{"m.call.invite", "-", `{}`, 3, 0}}, []on{{"m.call.hangup", "-", `{}`, 3, 0}}, pushrule.Outcome{Notify: true, Sound: "ring"}},
		{".m.rule.encrypted_room_one_to_one", []on{{"m.room.encrypted", "-", `{}`, 2, 0}}, []on{{"m.room.encrypted", "-", `{}`, 3, 0}}, pushrule.Outcome{Notify: true, Sound: "default"}},
		{".m.rule.room_one_to_one", []on{{"m.room.message", "-", `{}`, 2, 0}}, []on{{"m.room.message", "-", `{}`, 1, 0}}, pushrule.Outcome{Notify: true, Sound: "default"}},
		{".m.rule.message", []on{{"m.room.message", "-", `{}`, 3, 0}}, []on{{"m.sticker", "-", `{}`, 3, 0}}, pushrule.Outcome{Notify: true}},
		{".m.rule.encrypted", []on{{"m.room.encrypted", "-", `{}`, 3, 0}}, []on{{"m.room.topic", "", `{}`, 3, 0}}, pushrule.Outcome{Notify: true}},
	} {
		rules := pushrule.Compile(pushrule.Defaults(me), me)
		for _, e := range c.yes {
			got := rules.Evaluate(pushrule.NewEvent(newEvent(t, e.typ, e.key, e.content)), room(e.members, e.power), pushrule.User{ID: me})
			if got.Rule != c.rule || got.Notify != c.want.Notify || got.Highlight != c.want.Highlight || got.Sound != c.want.Sound {
				t.Errorf("%s on %+v: %+v", c.rule, e, got)
			}
		}
		for _, e := range c.no {
			if got := rules.Evaluate(pushrule.NewEvent(newEvent(t, e.typ, e.key, e.content)), room(e.members, e.power), pushrule.User{ID: me}); got.Rule == c.rule {
				t.Errorf("%s matches %+v", c.rule, e)
			}
		}
	}
	// The master rule is off, and silences everything when it is on.
	all, err := pushrule.Defaults(me).SetEnabled(pushrule.Override, ".m.rule.master", true)
	if err != nil {
		t.Fatal(err)
	}
	e := pushrule.NewEvent(newEvent(t, "m.room.message", "-", `{"m.mentions":{"user_ids":["@me:example.org"]}}`))
	if got := pushrule.Compile(all, me).Evaluate(e, room(2, 0), pushrule.User{ID: me}); got.Notify || got.Rule != ".m.rule.master" {
		t.Errorf("with the master rule: %+v", got)
	}
	if got := pushrule.Compile(pushrule.Defaults(me), me).Evaluate(e, room(2, 0), pushrule.User{ID: "@other:example.org"}); got.Rule != "" {
		t.Errorf("the sender is notified: %+v", got)
	}
}

// The examples of the specification, and what surrounds them.
//
// Spec: client-server-api/modules/push#conditions
func TestConditions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, condition, typ, key, content string
		members                            int
		want                               bool
	}{
		{"glob", `{"kind":"event_match","key":"content.topic","pattern":"lunc?*"}`, "m.room.topic", "", `{"topic":"Lunch plans"}`, 3, true},
		{"glob in capitals", `{"kind":"event_match","key":"content.topic","pattern":"lunc?*"}`, "m.room.topic", "", `{"topic":"LUNCH"}`, 3, true},
		{"leading space", `{"kind":"event_match","key":"content.topic","pattern":"lunc?*"}`, "m.room.topic", "", `{"topic":" lunch"}`, 3, false},
		{"? must match", `{"kind":"event_match","key":"content.topic","pattern":"lunc?*"}`, "m.room.topic", "", `{"topic":"lunc"}`, 3, false},
		{"null", `{"kind":"event_match","key":"content.topic","pattern":"*"}`, "m.room.topic", "", `{"topic":null}`, 3, false},
		{"number", `{"kind":"event_match","key":"content.topic","pattern":"*"}`, "m.room.topic", "", `{"topic":1}`, 3, false},
		{"absent", `{"kind":"event_match","key":"content.topic","pattern":"*"}`, "m.room.topic", "", `{}`, 3, false},
		{"no pattern", `{"kind":"event_match","key":"content.topic"}`, "m.room.topic", "", `{"topic":""}`, 3, false},
		{"word in the body", `{"kind":"event_match","key":"content.body","pattern":"ex*ple"}`, "m.room.message", "-", `{"body":"An example event."}`, 3, true},
		{"whole body", `{"kind":"event_match","key":"content.body","pattern":"ex*ple"}`, "m.room.message", "-", `{"body":"exple"}`, 3, true},
		{"several words", `{"kind":"event_match","key":"content.body","pattern":"ex*ple"}`, "m.room.message", "-", `{"body":"An exciting triple-whammy"}`, 3, true},
		{"inside a word", `{"kind":"event_match","key":"content.body","pattern":"ex*ple"}`, "m.room.message", "-", `{"body":"An unexampled event."}`, 3, false},
		{"plain word", `{"kind":"event_match","key":"content.body","pattern":"cake"}`, "m.room.message", "-", `{"body":"CAKE!"}`, 3, true},
		{"plain word inside another", `{"kind":"event_match","key":"content.body","pattern":"cake"}`, "m.room.message", "-", `{"body":"cakes and pancake"}`, 3, false},
		{"plain word inside another and alone", `{"kind":"event_match","key":"content.body","pattern":"cake"}`, "m.room.message", "-", `{"body":"pancake, cake"}`, 3, true},
		{"letters that are no word characters", `{"kind":"event_match","key":"content.body","pattern":"cake"}`, "m.room.message", "-", `{"body":"écakeé"}`, 3, true},
		{"dotted name", `{"kind":"event_property_is","key":"content.m\\.federate","value":true}`, "m.room.create", "", `{"m.federate":true}`, 3, true},
		{"dotted name without escape", `{"kind":"event_property_is","key":"content.m.federate","value":true}`, "m.room.create", "", `{"m.federate":true}`, 3, false},
		{"text for a boolean", `{"kind":"event_property_is","key":"content.m\\.federate","value":true}`, "m.room.create", "", `{"m.federate":"true"}`, 3, false},
		{"number for a boolean", `{"kind":"event_property_is","key":"content.m\\.federate","value":true}`, "m.room.create", "", `{"m.federate":1}`, 3, false},
		{"integer", `{"kind":"event_property_is","key":"content.n","value":-5}`, "x", "-", `{"n":-5}`, 3, true},
		{"null is null", `{"kind":"event_property_is","key":"content.n","value":null}`, "x", "-", `{"n":null}`, 3, true},
		{"null is not absent", `{"kind":"event_property_is","key":"content.n","value":null}`, "x", "-", `{}`, 3, false},
		{"case counts", `{"kind":"event_property_is","key":"content.n","value":"A"}`, "x", "-", `{"n":"a"}`, 3, false},
		{"objects are not compared", `{"kind":"event_property_is","key":"content.n","value":{}}`, "x", "-", `{"n":{}}`, 3, false},
		{"backslash in a name", `{"kind":"event_property_is","key":"content.m\\\\foo","value":1}`, "x", "-", `{"m\\foo":1}`, 3, true},
		{"other escapes stay", `{"kind":"event_property_is","key":"content.\\x","value":1}`, "x", "-", `{"\\x":1}`, 3, true},
		{"top level", `{"kind":"event_property_is","key":"sender","value":"@other:example.org"}`, "x", "-", `{}`, 3, true},
		{"room", `{"kind":"event_match","key":"room_id","pattern":"!room:*"}`, "x", "-", `{}`, 3, true},
		{"event ID", `{"kind":"event_match","key":"event_id","pattern":"$*"}`, "x", "-", `{}`, 3, true},
		{"what is not in the event", `{"kind":"event_match","key":"unsigned.age","pattern":"*"}`, "x", "-", `{}`, 3, false},
		{"content itself", `{"kind":"event_match","key":"content","pattern":"*"}`, "x", "-", `{}`, 3, false},
		{"contains", `{"kind":"event_property_contains","key":"content.alt_aliases","value":"#myroom:example.com"}`, "m.room.canonical_alias", "", `{"alt_aliases":["#somewhere:example.org","#myroom:example.com"]}`, 3, true},
		{"contains a part", `{"kind":"event_property_contains","key":"content.alt_aliases","value":":example.com"}`, "m.room.canonical_alias", "", `{"alt_aliases":["#myroom:example.com"]}`, 3, false},
		{"contains a number", `{"kind":"event_property_contains","key":"content.a","value":1}`, "x", "-", `{"a":["1",{},1]}`, 3, true},
		{"contains in what is no list", `{"kind":"event_property_contains","key":"content.a","value":1}`, "x", "-", `{"a":1}`, 3, false},
		{"display name", `{"kind":"contains_display_name"}`, "m.room.message", "-", `{"body":"hello my name!"}`, 3, true},
		{"display name inside a word", `{"kind":"contains_display_name"}`, "m.room.message", "-", `{"body":"hellomy nameless"}`, 3, false},
		{"members", `{"kind":"room_member_count","is":"3"}`, "x", "-", `{}`, 3, true},
		{"members ==", `{"kind":"room_member_count","is":"==4"}`, "x", "-", `{}`, 3, false},
		{"members <", `{"kind":"room_member_count","is":"<3"}`, "x", "-", `{}`, 3, false},
		{"members <=", `{"kind":"room_member_count","is":"<=3"}`, "x", "-", `{}`, 3, true},
		{"members >", `{"kind":"room_member_count","is":">2"}`, "x", "-", `{}`, 3, true},
		{"members >=", `{"kind":"room_member_count","is":">=4"}`, "x", "-", `{}`, 3, false},
		{"members that are no number", `{"kind":"room_member_count","is":"many"}`, "x", "-", `{}`, 3, false},
		{"members with a sign", `{"kind":"room_member_count","is":"+3"}`, "x", "-", `{}`, 3, false},
		{"members of nothing", `{"kind":"room_member_count"}`, "x", "-", `{}`, 3, false},
		{"unknown condition", `{"kind":"org.example.unknown"}`, "x", "-", `{}`, 3, false},
	} {
		text := canonjson.Value(`{"global":{"override":[{"rule_id":"mine","enabled":true,"actions":["notify"],"conditions":[` + c.condition + `]}]}}`)
		rules, err := pushrule.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := pushrule.Compile(rules, me).Evaluate(pushrule.NewEvent(newEvent(t, c.typ, c.key, c.content)), room(c.members, 0), pushrule.User{ID: me, DisplayName: "My Name"})
		if (got.Rule == "mine") != c.want || got.Notify != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
		// Round trip: what nobody here knows is given back.
		again, err := pushrule.Parse(rules.JSON())
		if err != nil || !slices.Equal(again.JSON(), rules.JSON()) || !strings.Contains(string(rules.JSON()), c.condition) {
			t.Errorf("%s: written as %s, %v", c.name, rules.JSON(), err)
		}
	}
}

// Kinds are checked in their order, rules within a kind in theirs.
func TestPriority(t *testing.T) {
	t.Parallel()
	rules := pushrule.Defaults(me)
	put := func(k pushrule.Kind, r pushrule.Rule) {
		t.Helper()
		var err error
		if rules, err = rules.Put(k, r, "", ""); err != nil {
			t.Fatal(err)
		}
	}
	order := []struct {
		kind pushrule.Kind
		rule pushrule.Rule
	}{
		{pushrule.Underride, pushrule.Rule{ID: "u"}},
		{pushrule.Sender, pushrule.Rule{ID: "@other:example.org"}},
		{pushrule.Room, pushrule.Rule{ID: "!room:example.org"}},
		{pushrule.Content, pushrule.Rule{ID: "c", Pattern: "hel*"}},
		{pushrule.Override, pushrule.Rule{ID: "o"}},
	}
	for _, o := range order {
		put(o.kind, o.rule)
		e := pushrule.NewEvent(newEvent(t, "m.room.message", "-", `{"body":"hello"}`))
		if got := pushrule.Compile(rules, me).Evaluate(e, room(3, 0), pushrule.User{ID: me}); got.Rule != o.rule.ID || got.Kind != o.kind {
			t.Errorf("%s is hidden by %s", o.rule.ID, got.Rule)
		}
		if got := pushrule.Compile(rules, me).Evaluate(pushrule.Decrypted(newEvent(t, "m.room.encrypted", "-", `{}`), canonjson.Value(`{"body":"hello"}`)), room(3, 0), pushrule.User{ID: me}); got.Rule != o.rule.ID {
			t.Errorf("%s is hidden by %s for a decrypted event", o.rule.ID, got.Rule)
		}
	}
}

func TestTweaks(t *testing.T) {
	t.Parallel()
	for actions, want := range map[string]pushrule.Outcome{
		`["notify",{"set_tweak":"sound","value":"x.wav"},{"set_tweak":"highlight","value":false}]`: {Notify: true, Sound: "x.wav"},
		`[{"set_tweak":"highlight"},{"set_tweak":"org.flash","value":{"a":[1]}}]`:                  {Highlight: true},
		`["dont_notify"]`:       {},
		`["coalesce","notify"]`: {Notify: true},
	} {
		parsed, err := pushrule.ParseActions(canonjson.Value(actions))
		if err != nil {
			t.Fatal(err)
		}
		rules, err := pushrule.Ruleset{}.Put(pushrule.Override, pushrule.Rule{ID: "a", Actions: parsed}, "", "")
		if err != nil {
			t.Fatal(err)
		}
		got := pushrule.Compile(rules, me).Evaluate(pushrule.NewEvent(newEvent(t, "x", "-", "{}")), room(3, 0), pushrule.User{ID: me})
		if got.Notify != want.Notify || got.Highlight != want.Highlight || got.Sound != want.Sound {
			t.Errorf("%s: %+v", actions, got)
		}
		if strings.Contains(string(pushrule.ActionsJSON(parsed)), "dont_notify") || strings.Contains(string(pushrule.ActionsJSON(parsed)), "coalesce") {
			t.Errorf("%s keeps historical actions", actions)
		}
	}
}

// Account data and back, with the switches and actions of predefined rules.
//
// Spec: client-server-api/modules/push#push-rules-events
func TestAccountData(t *testing.T) {
	t.Parallel()
	rules, err := pushrule.Defaults(me).SetActions(pushrule.Underride, ".m.rule.message", nil)
	if err != nil {
		t.Fatal(err)
	}
	if rules, err = rules.SetEnabled(pushrule.Override, ".m.rule.reaction", false); err != nil {
		t.Fatal(err)
	}
	if rules, err = rules.Put(pushrule.Content, pushrule.Rule{ID: "mine", Pattern: "x"}, "", ""); err != nil {
		t.Fatal(err)
	}
	text := rules.JSON()
	if canonical, err := canonjson.Append(nil, text, canonjson.Strict); err != nil || string(canonical) != string(text) {
		t.Errorf("not canonical: %s, %v", text, err)
	}
	stored, err := pushrule.Parse(text)
	if err != nil || string(stored.JSON()) != string(text) {
		t.Fatalf("%s, %v", stored.JSON(), err)
	}
	// A rule that is no longer predefined goes, one that is new comes.
	stored[pushrule.Override] = append(slices.DeleteFunc(slices.Clone(stored[pushrule.Override]), func(r pushrule.Rule) bool { return r.ID == ".m.rule.tombstone" }), pushrule.Rule{ID: ".m.rule.old", Default: true, Enabled: true})
	merged := pushrule.Merge(me, stored)
	if string(merged.JSON()) != string(text) {
		t.Errorf("merged: %s\nwant    %s", merged.JSON(), text)
	}
	if !reflect.DeepEqual(pushrule.Merge(me, pushrule.Ruleset{}), pushrule.Defaults(me)) {
		t.Error("nothing stored is not the predefined rules")
	}
	if string(rules.GlobalJSON()) != string(canonjson.Value(text).Get("global")) {
		t.Error("GlobalJSON differs from account data")
	}
	for _, bad := range []string{`[]`, `{"global":[]}`, `{"global":{"override":{}}}`, `{"global":{"override":[1]}}`, `{"global":{"override":[{}]}}`, `{"global":{"override":[{"rule_id":"a"}]}}`,
		`{"global":{"override":[{"rule_id":"a","actions":[1]}]}}`, `{"global":{"override":[{"rule_id":"a","actions":[{}]}]}}`, `{"global":{"override":[{"rule_id":"a","actions":[],"conditions":{}}]}}`,
		`{"global":{"override":[{"rule_id":"a","actions":[],"conditions":[1]}]}}`, `{"global":{"content":[{"rule_id":"a","actions":[],"pattern":1}]}}`} {
		var e *pushrule.Error
		if _, err := pushrule.Parse(canonjson.Value(bad)); !errors.As(err, &e) || e.Error() == "" {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// Spec: client-server-api/modules/push#push-rules-api
func TestEditing(t *testing.T) {
	t.Parallel()
	ids := func(s pushrule.Ruleset, k pushrule.Kind) string {
		var out []string
		for _, r := range s[k] {
			if !r.Default || r.ID == ".m.rule.master" {
				out = append(out, r.ID)
			}
		}
		return strings.Join(out, " ")
	}
	s := pushrule.Defaults(me)
	for _, step := range []struct{ id, before, after, want string }{
		{"a", "", "", ".m.rule.master a"},
		{"b", "", "", ".m.rule.master b a"},
		{"c", "a", "", ".m.rule.master b c a"},
		{"d", "", "b", ".m.rule.master b d c a"},
		{"e", "d", "a", ".m.rule.master b e d c a"},
		{"c", "", "", ".m.rule.master b e d c a"},
		{"c", "b", "", ".m.rule.master c b e d a"},
		{"c", "", "a", ".m.rule.master b e d a c"},
	} {
		var err error
		before := string(s.JSON())
		next, err := s.Put(pushrule.Override, pushrule.Rule{ID: step.id}, step.before, step.after)
		if err != nil || ids(next, pushrule.Override) != step.want {
			t.Fatalf("%+v: %s, %v", step, ids(next, pushrule.Override), err)
		}
		if string(s.JSON()) != before {
			t.Fatal("the old rules were changed")
		}
		s = next
	}
	s, err := s.SetEnabled(pushrule.Override, "b", false)
	if err != nil {
		t.Fatal(err)
	}
	s, err = s.Put(pushrule.Override, pushrule.Rule{ID: "b", Actions: []pushrule.Action{{Notify: true}}}, "", "")
	if r, _ := s.Find(pushrule.Override, "b"); err != nil || r.Enabled || len(r.Actions) != 1 {
		t.Errorf("a rule that was off is replaced: %+v, %v", r, err)
	}
	s, err = s.Delete(pushrule.Override, "b")
	if _, i := s.Find(pushrule.Override, "b"); err != nil || i >= 0 {
		t.Errorf("deleted: %d, %v", i, err)
	}
	for _, c := range []struct {
		name     string
		do       func() (pushrule.Ruleset, error)
		notFound bool
	}{
		{"predefined rule deleted", func() (pushrule.Ruleset, error) { return s.Delete(pushrule.Override, ".m.rule.master") }, false},
		{"unknown rule deleted", func() (pushrule.Ruleset, error) { return s.Delete(pushrule.Override, "zzz") }, true},
		{"unknown rule switched", func() (pushrule.Ruleset, error) { return s.SetEnabled(pushrule.Room, "zzz", true) }, true},
		{"unknown rule's actions", func() (pushrule.Ruleset, error) { return s.SetActions(pushrule.Room, "zzz", nil) }, true},
		{"before an unknown rule", func() (pushrule.Ruleset, error) { return s.Put(pushrule.Override, pushrule.Rule{ID: "n"}, "zzz", "") }, true},
		{"after itself", func() (pushrule.Ruleset, error) { return s.Put(pushrule.Override, pushrule.Rule{ID: "n"}, "", "n") }, true},
		{"after a predefined rule", func() (pushrule.Ruleset, error) {
			return s.Put(pushrule.Override, pushrule.Rule{ID: "n"}, "", ".m.rule.master")
		}, false},
		{"dot", func() (pushrule.Ruleset, error) { return s.Put(pushrule.Override, pushrule.Rule{ID: ".n"}, "", "") }, false},
		{"slash", func() (pushrule.Ruleset, error) { return s.Put(pushrule.Override, pushrule.Rule{ID: "a/b"}, "", "") }, false},
		{"backslash", func() (pushrule.Ruleset, error) { return s.Put(pushrule.Override, pushrule.Rule{ID: `a\b`}, "", "") }, false},
		{"no ID", func() (pushrule.Ruleset, error) { return s.Put(pushrule.Override, pushrule.Rule{}, "", "") }, false},
		{"long ID", func() (pushrule.Ruleset, error) {
			return s.Put(pushrule.Override, pushrule.Rule{ID: strings.Repeat("a", 256)}, "", "")
		}, false},
		{"unknown kind", func() (pushrule.Ruleset, error) { return s.Put(pushrule.Kinds, pushrule.Rule{ID: "n"}, "", "") }, false},
		{"room rule for no room", func() (pushrule.Ruleset, error) { return s.Put(pushrule.Room, pushrule.Rule{ID: "n"}, "", "") }, false},
		{"sender rule for no user", func() (pushrule.Ruleset, error) { return s.Put(pushrule.Sender, pushrule.Rule{ID: "n"}, "", "") }, false},
		{"content rule without pattern", func() (pushrule.Ruleset, error) { return s.Put(pushrule.Content, pushrule.Rule{ID: "n"}, "", "") }, false},
		{"long pattern", func() (pushrule.Ruleset, error) {
			return s.Put(pushrule.Content, pushrule.Rule{ID: "n", Pattern: strings.Repeat("a", 2000)}, "", "")
		}, false},
		{"conditions of a room rule", func() (pushrule.Ruleset, error) {
			return s.Put(pushrule.Room, pushrule.Rule{ID: "!a:b", Conditions: []pushrule.Condition{{}}}, "", "")
		}, false},
		{"too many conditions", func() (pushrule.Ruleset, error) {
			return s.Put(pushrule.Override, pushrule.Rule{ID: "n", Conditions: make([]pushrule.Condition, 101)}, "", "")
		}, false},
		{"long condition", func() (pushrule.Ruleset, error) {
			return s.Put(pushrule.Override, pushrule.Rule{ID: "n", Conditions: []pushrule.Condition{{Pattern: strings.Repeat("a", 2000)}}}, "", "")
		}, false},
	} {
		got, err := c.do()
		var e *pushrule.Error
		if !errors.As(err, &e) || e.NotFound != c.notFound || string(got.JSON()) != string(s.JSON()) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	full := pushrule.Ruleset{}
	for i := range pushrule.MaxRules + 1 {
		full[pushrule.Override] = append(full[pushrule.Override], pushrule.Rule{ID: fmt.Sprint(i)})
	}
	if _, err := full.Put(pushrule.Override, pushrule.Rule{ID: "n"}, "", ""); err == nil {
		t.Error("more than the bound of rules")
	}
	if _, err := full.Put(pushrule.Override, pushrule.Rule{ID: "7"}, "", ""); err != nil {
		t.Errorf("replacing one of many: %v", err)
	}
	large := pushrule.Ruleset{}
	for i := range 400 {
		large[pushrule.Override] = append(large[pushrule.Override], pushrule.Rule{ID: fmt.Sprint(i), Conditions: []pushrule.Condition{{Kind: pushrule.EventMatch, Pattern: strings.Repeat("x", 600)}}})
	}
	if got, err := large.Put(pushrule.Override, pushrule.Rule{ID: "n"}, "", ""); err == nil || len(got[pushrule.Override]) != 400 {
		t.Error("more than the bound of bytes")
	}
	for k := range pushrule.Kinds {
		if got, ok := pushrule.ParseKind(k.String()); got != k || !ok {
			t.Errorf("kind %s", k)
		}
	}
	if _, ok := pushrule.ParseKind("device"); ok || pushrule.Kinds.String() != "unknown" {
		t.Error("an unknown kind")
	}
}

// Users without rules of their own can share compiled rules.
func TestSharedRules(t *testing.T) {
	t.Parallel()
	shared := pushrule.Compile(pushrule.Defaults("@anybody:example.org"), "@anybody:example.org")
	e := pushrule.NewEvent(newEvent(t, "m.room.message", "-", `{"m.mentions":{"user_ids":["@b:x"]}}`))
	for user, want := range map[id.User]string{"@a:x": ".m.rule.message", "@b:x": ".m.rule.is_user_mention", "@anybody:example.org": ".m.rule.message"} {
		if got := shared.Evaluate(e, room(3, 0), pushrule.User{ID: user}); got.Rule != want {
			t.Errorf("%s: %s", user, got.Rule)
		}
	}
}

func TestEvaluateAllocatesNothing(t *testing.T) {
	rules := pushrule.Compile(pushrule.Defaults(me), me)
	e, r := pushrule.NewEvent(newEvent(t, "m.room.message", "-", `{"body":"hello","m.mentions":{"user_ids":["@x:y"]}}`)), room(10000, 0)
	if n := testing.AllocsPerRun(100, func() { rules.Evaluate(e, r, pushrule.User{ID: me, DisplayName: "x"}) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
