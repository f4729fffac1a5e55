package eventauth_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// Rule 10; mod, with power 50, changes the power levels.
func powerCases(t testing.TB) []authCase {
	change := func(sender, content string) e {
		return e{typ: event.TypePowerLevels, sender: sender, content: content}
	}
	// The creator is not listed, and has power 0 before version 12.
	base := powers(`{"ban":60,"kick":40,"events":{"a":60,"b":40},"notifications":{"a":60,"b":40},"users":{"@left:t":60,"@mod2:t":50,"@mod:s":50,"@user:t":10}}`)
	with := func(old, new string) e {
		s := strings.Replace(base.content, old, new, 1)
		if s == base.content && old != "" {
			t.Fatalf("no %s", old)
		}
		return change(mod, s)
	}
	st := []e{base}
	noNotifications := []e{powers(strings.Replace(base.content, `"notifications":{"a":60,"b":40},`, ``, 1))}
	single := by{1: "10.3", 6: "9.3", 10: "9.5", 12: "10.6"}
	mapsOld := by{1: "10.4.1", 6: "9.4.1", 10: "9.6.1", 12: "10.7.1"}
	mapsNew := by{1: "10.5.1", 6: "9.5.1", 10: "9.7.1", 12: "10.8.1"}
	notifyOld := by{1: "", 6: "9.4.1", 10: "9.6.1", 12: "10.7.1"}
	notifyNew := by{1: "", 6: "9.5.1", 10: "9.7.1", 12: "10.8.1"}
	usersOld := by{1: "10.6.1", 6: "9.6.1", 10: "9.8.1", 12: "10.9.1"}
	usersNew := by{1: "10.7.1", 6: "9.7.1", 10: "9.9.1", 12: "10.10.1"}
	users := by{1: "10.1", 6: "9.1", 10: "9.3", 12: "10.3"}
	none := []string{event.TypePowerLevels}
	return []authCase{
		{"nothing changes", with("", ""), st, nil, allowed},
		{"the first power levels", change(creator, `{"ban":1000,"users":{"@user:t":1000}}`), nil, none, allowed},
		{"below the level of the type", change(user, `{}`), st, nil, by{1: "8", 6: "7", 12: "8"}},

		{"no users", change(creator, `{}`), nil, none, allowed},
		{"users is a list", change(mod, `{"users":[]}`), st, nil, users},
		{"users is null", change(mod, `{"users":null}`), st, nil, users},
		{"users holds no users", change(mod, `{"users":{"mod":1}}`), st, nil, users},
		{"a user's level is null", change(mod, `{"users":{"@mod:s":null}}`), st, nil, users},
		{"a user's level is true", change(mod, `{"users":{"@mod:s":true}}`), st, nil, users},
		{"a user's level is a text", change(mod, `{"users":{"@mod:s":"x"}}`), st, nil, users},
		{"a user's level is a number in a text", with(`"@mod:s":50`, `"@mod:s":"50"`), st, nil, by{1: "", 10: "9.3", 12: "10.3"}},
		{"a user's level is a fraction", with(`"@mod:s":50`, `"@mod:s":50.9`), st, nil, by{1: "", 6: "-"}},
		{"a historical user ID", with(`"users":{`, `"users":{"@É a:t":1,`), st, nil, allowed},

		{"a single level in a text", with(`"kick":40`, `"kick":"40"`), st, nil, by{1: "", 10: "9.1", 12: "10.1"}},
		{"a single level that is null", with(`"kick":40`, `"invite":null,"kick":40`), st, nil, by{1: "", 10: "9.1", 12: "10.1"}},
		{"events is null", change(mod, `{"events":null}`), []e{powers(`{"users":{"@mod:s":50}}`)}, nil, by{1: "", 10: "9.2", 12: "10.2"}},
		{"events holds a text", with(`"b":40`, `"b":"40"`), st, nil, by{1: "", 10: "9.2", 12: "10.2"}},
		{"notifications is a list", change(mod, strings.Replace(noNotifications[0].content, `"users"`, `"notifications":[],"users"`, 1)), noNotifications, nil, by{1: "", 10: "9.2", 12: "10.2"}},
		{"a creator is listed", change(creator, `{"users":{"@creator:s":100}}`), nil, none, by{1: "", 12: "10.4"}},

		{"a single level above the sender's is lowered", with(`"ban":60`, `"ban":50`), st, nil, single.below("1")},
		{"a single level above the sender's is removed", with(`"ban":60,`, ``), st, nil, single.below("1")},
		{"a single level above the sender's stays", with(`"kick":40`, `"kick":50`), st, nil, allowed},
		{"a single level is raised above the sender's", with(`"kick":40`, `"kick":51`), st, nil, single.below("2")},
		{"a single level is added above the sender's", with(`"kick":40`, `"kick":40,"redact":51`), st, nil, single.below("2")},
		{"single levels within reach", with(`"kick":40`, `"kick":50,"redact":50,"users_default":1`), st, nil, allowed},
		{"a single level like the sender's is lowered", change(mod, `{"redact":0,"users":{"@mod:s":50}}`), []e{powers(`{"redact":50,"users":{"@mod:s":50}}`)}, nil, allowed},
		{"a single level is removed", with(`"kick":40,`, ``), st, nil, allowed},

		{"a type above the sender's is lowered", with(`"events":{"a":60`, `"events":{"a":50`), st, nil, mapsOld},
		{"a type above the sender's is removed", with(`"events":{"a":60,`, `"events":{`), st, nil, mapsOld},
		{"a type is raised above the sender's", with(`"events":{"a":60,"b":40}`, `"events":{"a":60,"b":51}`), st, nil, mapsNew},
		{"a type is added above the sender's", with(`"events":{`, `"events":{"c":51,`), st, nil, mapsNew},
		{"types within reach", with(`"events":{"a":60,"b":40}`, `"events":{"a":60,"c":50}`), st, nil, allowed},
		{"a type like the sender's is lowered", change(mod, `{"events":{"a":0},"users":{"@mod:s":50}}`), []e{powers(`{"events":{"a":50},"users":{"@mod:s":50}}`)}, nil, allowed},
		{"a notification above the sender's is lowered", with(`"notifications":{"a":60`, `"notifications":{"a":50`), st, nil, notifyOld},
		{"a notification above the sender's is removed", with(`"notifications":{"a":60,`, `"notifications":{`), st, nil, notifyOld},
		{"a notification is raised above the sender's", with(`"notifications":{"a":60,"b":40}`, `"notifications":{"a":60,"b":51}`), st, nil, notifyNew},
		{"a notification is added above the sender's", with(`"notifications":{`, `"notifications":{"c":51,`), st, nil, notifyNew},

		{"an equal is lowered", with(`"@mod2:t":50`, `"@mod2:t":49`), st, nil, usersOld},
		{"an equal is raised", with(`"@mod2:t":50`, `"@mod2:t":51`), st, nil, usersOld},
		{"an equal is removed", with(`"@mod2:t":50,`, ``), st, nil, usersOld},
		{"somebody higher is lowered", with(`"@left:t":60`, `"@left:t":0`), st, nil, usersOld},
		{"all are removed", change(mod, `{"ban":60,"kick":40,"events":{"a":60,"b":40},"notifications":{"a":60,"b":40}}`), st, nil, usersOld},
		{"somebody lower is removed", with(`,"@user:t":10`, ``), st, nil, allowed},
		{"oneself is lowered", with(`"@mod:s":50`, `"@mod:s":0`), st, nil, allowed},
		{"oneself is removed", with(`"@mod:s":50,`, ``), st, nil, allowed},
		{"oneself is raised", with(`"@mod:s":50`, `"@mod:s":51`), st, nil, usersNew},
		{"somebody lower is raised above the sender's", with(`"@user:t":10`, `"@user:t":51`), st, nil, usersNew},
		{"somebody new gets more than the sender has", with(`"users":{`, `"users":{"@stranger:t":51,`), st, nil, usersNew},
		{"the last gets more than the sender has", with(`"@user:t":10`, `"@user:t":10,"@z:t":51`), st, nil, usersNew},
		{"somebody lower is made an equal", with(`"@user:t":10`, `"@user:t":50`), st, nil, allowed},
		{"all are raised by a creator", change(creator, `{"users":{"@mod:s":9007199254740991}}`), st, nil, by{1: "8", 6: "7", 12: ""}},
	}
}

// Of several entries that are too high, a refusal names the highest, and of
// these the first, however the map is walked.
func TestRefusalIsStable(t *testing.T) {
	t.Parallel()
	rules, _ := roomver.Lookup("11")
	r := newRoom(t, rules)
	r.set(powers(`{"users":{"@mod:s":50}}`))
	p := r.build(e{typ: event.TypePowerLevels, sender: mod, content: `{"events":{"a":51,"b":53,"c":53,"d":53,"e":52},"users":{"@mod:s":50}}`})
	const want = `rule 9.7.1: "b" becomes 53, above the sender's power 50`
	for range 40 {
		if err := eventauth.Check(p, r.state); err == nil || err.Error() != want {
			t.Fatalf("%v, want %s", err, want)
		}
	}
}

// Comparing lists of users by their bytes finds every change, wherever in the
// list, whatever the list: it must agree with looking at each entry.
//
// Spec: rooms/v12#authorisation-rules
func TestUsersApart(t *testing.T) {
	t.Parallel()
	rules, _ := roomver.Lookup("9")
	names := []string{"@a:s", "@b:s", "@ba:s", `@c",\"@x:s`, "@d:s", "@d,:s", "@é:s", "@zz:s", "@" + strings.Repeat("long", 40) + ":s"}
	for i := range 40 {
		names = append(names, fmt.Sprintf("@user%02d:t", i))
	}
	r := newRoom(t, rules)
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		draw := func() map[string]string {
			m := map[string]string{mod: "50"}
			for range rnd.IntN(len(names)) {
				m[names[rnd.IntN(len(names))]] = []string{"0", "10", "49", "50", `"50"`, "51"}[rnd.IntN(6)]
			}
			return m
		}
		old := draw()
		next := draw()
		if rnd.IntN(2) == 0 { // few changes
			next = map[string]string{}
			for k, v := range old {
				next[k] = v
			}
			for range rnd.IntN(3) {
				if k := names[rnd.IntN(len(names))]; rnd.IntN(2) == 0 {
					delete(next, k)
				} else {
					next[k] = []string{"10", "50", "51"}[rnd.IntN(3)]
				}
			}
		}
		want := ""
		for k, v := range old {
			if w, ok := next[k]; k != mod && (!ok || level(v) != level(w)) && level(v) >= 50 {
				want = "9.6.1"
			}
		}
		for k, v := range next {
			if w, ok := old[k]; want == "" && (!ok || level(v) != level(w)) && level(v) > 50 {
				want = "9.7.1"
			}
		}
		r.set(powers(usersContent(old)))
		checkOutcome(t, rules, eventauth.Check(r.build(e{typ: event.TypePowerLevels, sender: mod, content: usersContent(next)}), r.state), want)
		if t.Failed() {
			t.Fatalf("seed %d:\n%s\n%s", seed, usersContent(old), usersContent(next))
		}
	}
}

func level(s string) (n int) {
	fmt.Sscan(strings.Trim(s, `"`), &n)
	return n
}

func usersContent(users map[string]string) string {
	var entries []string
	for k, v := range users {
		entries = append(entries, fmt.Sprintf("%q:%s", k, v))
	}
	return `{"users":{` + strings.Join(entries, ",") + `}}`
}

// Spec: client-server-api#permissions, server-server-api#definitions, rooms/v12#authorisation-rules
func TestLevels(t *testing.T) {
	t.Parallel()
	for _, rules := range roomver.All() {
		r := newRoom(t, rules)
		l, err := eventauth.ReadLevels(rules, r.state)
		if err != nil {
			t.Fatal(err)
		}
		want := int64(100)
		if rules.PrivilegedCreators {
			want = math.MaxInt64
		}
		if l.User(creator) != want || l.User(mod) != 50 || l.User(stranger) != 0 || !l.IsCreator(creator) || l.IsCreator(mod) {
			t.Errorf("version %s: the creator has %d", rules.Version, l.User(creator))
		}
		if l.Required("m.room.name", true) != 60 || l.Required("m.room.topic", true) != 50 || l.Required("m.room.message", false) != 0 || l.Notification("room") != 50 || l.Level(event.BanLevel) != 50 {
			t.Errorf("version %s: levels", rules.Version)
		}
		r.drop(event.TypePowerLevels)
		if l, err = eventauth.ReadLevels(rules, r.state); err != nil {
			t.Fatal(err)
		}
		if l.User(creator) != want || l.User(mod) != 0 || l.Required("m.room.topic", true) != 50 || l.Required("m.room.message", false) != 0 || l.Notification("room") != 50 {
			t.Errorf("version %s: levels of a room that states none", rules.Version)
		}
		for which, want := range map[event.Level]int64{event.BanLevel: 50, event.KickLevel: 50, event.RedactLevel: 50, event.InviteLevel: 0, event.StateDefault: 50, event.EventsDefault: 0, event.UsersDefault: 0} {
			if got := l.Level(which); got != want {
				t.Errorf("version %s: %s is %d where none is stated", rules.Version, which, got)
			}
		}
		for _, typ := range []string{event.TypeCreate, event.TypePowerLevels} {
			if _, err := eventauth.ReadLevels(rules, failing{r.state, typ, ""}); err == nil {
				t.Error("an unknown state was taken for an answer")
			}
		}
	}
	// Additional creators have power from version 12 on.
	for _, c := range []struct {
		version string
		want    int64
	}{{"11", 0}, {"12", eventauth.Infinite}} {
		rules, _ := roomver.Lookup(c.version)
		r := found(t, rules, createContent(rules, `,"additional_creators":["@mod2:t"]`))
		if l, err := eventauth.ReadLevels(rules, r.state); err != nil || l.User(mod2) != c.want || l.User(mod) != 0 || l.IsCreator(mod2) != (c.want > 0) {
			t.Errorf("version %s: additional creator: %+v, %v", c.version, l, err)
		}
	}
}

// What no rule would have accepted is an error and no level.
func TestMalformedLevels(t *testing.T) {
	t.Parallel()
	rules, _ := roomver.Lookup("10")
	if _, err := eventauth.ReadLevels(rules, eventauth.MapState{}); err == nil {
		t.Error("levels of a room without create event")
	}
	if _, err := eventauth.ReadLevels(rules, found(t, rules, `{}`).state); err == nil {
		t.Error("levels of a room without creator")
	}
	r := newRoom(t, rules)
	r.set(powers(`{"ban":"1"}`))
	if _, err := eventauth.ReadLevels(rules, r.state); err == nil {
		t.Error("levels that are none")
	}
	if _, err := eventauth.CanInvite(rules, r.state, mod); err == nil {
		t.Error("may invite by levels that are none")
	}
}

// Spec: rooms/v8#authorisation-rules
func TestCanInvite(t *testing.T) {
	t.Parallel()
	rules, _ := roomver.Lookup("11")
	r := newRoom(t, rules)
	r.set(powers(`{"invite":50,"users":{"@left:t":100,"@mod:s":50}}`))
	var may []string
	for _, who := range []string{creator, mod, mod2, user, invited, banned, left, stranger} {
		ok, err := eventauth.CanInvite(rules, r.state, id.User(who))
		if err != nil {
			t.Error(err)
		}
		if ok {
			may = append(may, who)
		}
	}
	if !slices.Equal(may, []string{mod}) {
		t.Errorf("%v may invite", may)
	}
	if _, err := eventauth.CanInvite(rules, failing{r.state, event.TypeMember, mod}, mod); err == nil {
		t.Error("an unknown state was taken for an answer")
	}
}
