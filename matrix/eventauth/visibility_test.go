package eventauth_test

import (
	"testing"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// The whole table of who may see what: each setting, each membership at the
// event, and whether the user has joined later.
//
// Spec: client-server-api/modules/history_visibility#server-behaviour
func TestMaySee(t *testing.T) {
	t.Parallel()
	const (
		never  = "no"
		later  = "once joined"
		always = "yes"
	)
	// "" as a membership is somebody who was never there, a guest for example.
	memberships := []string{"join", "invite", "leave", "ban", "knock", ""}
	for setting, row := range map[string][]string{
		//                join    invite  leave   ban     knock   ""
		"world_readable": {always, always, always, always, always, always},
		"shared":         {always, later, later, later, later, later},
		"invited":        {always, always, never, never, never, never},
		"joined":         {always, never, never, never, never, never},
		"":               {always, later, later, later, later, later},
		"not understood": {always, later, later, later, later, later},
	} {
		for i, membership := range memberships {
			v := eventauth.View{Visibility: setting, Membership: membership}
			if got := eventauth.MaySee(v); got != (row[i] == always) {
				t.Errorf("%q, %q: %v", setting, membership, got)
			}
			v.JoinedLater = true
			if got := eventauth.MaySee(v); got != (row[i] != never) {
				t.Errorf("%q, %q, joined later: %v", setting, membership, got)
			}
		}
	}
}

// Events that change what decides are seen by whom the state before or after
// them lets see them.
//
// Spec: client-server-api/modules/history_visibility#server-behaviour
func TestMaySeeChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		view eventauth.View
		want bool
	}{
		{"own join", eventauth.View{Visibility: "joined", Membership: "leave", MembershipAfter: "join"}, true},
		{"own leave", eventauth.View{Visibility: "joined", Membership: "join", MembershipAfter: "leave"}, true},
		{"own ban", eventauth.View{Visibility: "joined", Membership: "join", MembershipAfter: "ban"}, true},
		{"own ban after leaving", eventauth.View{Visibility: "joined", Membership: "leave", MembershipAfter: "ban"}, false},
		{"own invite, visible to the invited", eventauth.View{Visibility: "invited", Membership: "leave", MembershipAfter: "invite"}, true},
		{"own invite, visible to members", eventauth.View{Visibility: "joined", Membership: "leave", MembershipAfter: "invite"}, false},
		{"own refusal, visible to the invited", eventauth.View{Visibility: "invited", Membership: "invite", MembershipAfter: "leave"}, true},
		{"own knock", eventauth.View{Visibility: "invited", Membership: "leave", MembershipAfter: "knock"}, false},
		{"opened", eventauth.View{Visibility: "joined", VisibilityAfter: "world_readable", Membership: "leave"}, true},
		{"closed", eventauth.View{Visibility: "world_readable", VisibilityAfter: "joined", Membership: "leave"}, true},
		{"shared, and joined later", eventauth.View{Visibility: "joined", VisibilityAfter: "shared", Membership: "leave", JoinedLater: true}, true},
		{"shared, and never joined", eventauth.View{Visibility: "joined", VisibilityAfter: "shared", Membership: "leave"}, false},
		{"opened to the invited, and invited", eventauth.View{Visibility: "joined", VisibilityAfter: "invited", Membership: "invite"}, true},
		{"opened to the invited, and joined later", eventauth.View{Visibility: "joined", VisibilityAfter: "invited", Membership: "leave", JoinedLater: true}, false},
	} {
		if got := eventauth.MaySee(c.view); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// Spec: client-server-api/modules/history_visibility#server-behaviour
func TestViewOf(t *testing.T) {
	t.Parallel()
	rules, _ := roomver.Lookup("11")
	r := newRoom(t, rules)
	visible := func(setting string) e {
		return e{typ: event.TypeHistoryVisibility, sender: creator, content: `{"history_visibility":"` + setting + `"}`}
	}
	view := func(d e, who string) eventauth.View {
		t.Helper()
		v, err := eventauth.ViewOf(r.build(d), r.state, id.User(who))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if got, want := view(message(user), stranger), (eventauth.View{Visibility: "shared", Membership: "leave"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	r.set(visible("joined"))
	for _, c := range []struct {
		name string
		d    e
		who  string
		want eventauth.View
	}{
		{"a message", message(user), user, eventauth.View{Visibility: "joined", Membership: "join"}},
		{"a change of visibility", visible("world_readable"), stranger, eventauth.View{Visibility: "joined", Membership: "leave", VisibilityAfter: "world_readable"}},
		{"one that is none", e{typ: event.TypeHistoryVisibility, key: "x", sender: creator, content: `{"history_visibility":"world_readable"}`}, stranger, eventauth.View{Visibility: "joined", Membership: "leave"}},
		{"the own kick", target(mod, user, "leave"), user, eventauth.View{Visibility: "joined", Membership: "join", MembershipAfter: "leave"}},
		{"another's kick", target(mod, user, "leave"), invited, eventauth.View{Visibility: "joined", Membership: "invite"}},
		{"a malformed member event", e{typ: event.TypeMember, key: user, sender: user, content: `{}`}, user, eventauth.View{Visibility: "joined", Membership: "join"}},
	} {
		if got := view(c.d, c.who); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	for _, f := range []failing{{r.state, event.TypeHistoryVisibility, ""}, {r.state, event.TypeMember, user}} {
		if _, err := eventauth.ViewOf(r.build(message(user)), f, user); err == nil {
			t.Error("an unknown state was taken for an answer")
		}
	}
}

// Spec: rooms/v3#handling-redactions, rooms/v1#authorisation-rules
func TestCanRedact(t *testing.T) {
	t.Parallel()
	for _, rules := range roomver.All() {
		r := newRoom(t, rules)
		sent := func(who string, at id.Event) *event.PDU {
			d := message(who)
			d.id = at
			return r.build(d)
		}
		redaction := func(who string, at id.Event, of *event.PDU) *event.PDU {
			return r.build(e{typ: event.TypeRedaction, sender: who, content: `{}`, noKey: true, id: at, redacts: of.ID()})
		}
		// The server of a redaction is that in its ID in versions 1 and 2, of its
		// sender later.
		byID := rules.RedactionAuth
		for _, c := range []struct {
			name   string
			who    string
			at     id.Event
			target *event.PDU
			want   bool
		}{
			{"one's own", user, "$1:t", sent(user, "$2:t"), true},
			{"of another user of the server", user, "$1:t", sent(stranger, "$2:t"), true},
			{"of another server", user, "$1:t", sent(mod, "$2:s"), false},
			{"with the level", mod, "$1:s", sent(user, "$2:t"), true},
			{"by a creator", creator, "$1:s", sent(user, "$2:t"), true},
			{"one's own that another server named", user, "$1:t", sent(user, "$2:s"), !byID},
			{"another's that the server named", user, "$1:t", sent(mod, "$2:t"), byID},
		} {
			if got, err := eventauth.CanRedact(redaction(c.who, c.at, c.target), c.target, r.state); got != c.want || err != nil {
				t.Errorf("version %s, %s: %v, %v", rules.Version, c.name, got, err)
			}
		}
		own, other := sent(user, "$2:t"), sent(user, "$3:t")
		far := message(user)
		far.room, far.id = r.elsewhere(), "$9:t"
		away := r.build(far)
		for name, ok := range map[string]bool{
			"another event than the one named": may(t, redaction(creator, "$1:s", own), other, r.state),
			"of another room":                  may(t, redaction(creator, "$1:s", away), away, r.state),
			"by what is no redaction":          may(t, sent(creator, "$4:s"), own, r.state),
		} {
			if ok {
				t.Errorf("version %s, %s: redacted", rules.Version, name)
			}
		}
		if _, err := eventauth.CanRedact(redaction(mod, "$1:s", own), own, failing{r.state, event.TypePowerLevels, ""}); err == nil {
			t.Error("an unknown state was taken for an answer")
		}
	}
}

func may(t *testing.T, redaction, target *event.PDU, state eventauth.State) bool {
	t.Helper()
	ok, err := eventauth.CanRedact(redaction, target, state)
	if err != nil {
		t.Error(err)
	}
	return ok
}
