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

// allCases are the cases of all rules but those on auth events.
func allCases(t testing.TB) map[string][]authCase {
	return map[string][]authCase{
		"create": createCases(), "room": roomCases(), "join": joinCases(), "invite": inviteCases(), "third-party invite": thirdPartyCases(t),
		"leave and ban": leaveCases(), "knock": knockCases(), "other": otherCases(), "power levels": powerCases(t),
	}
}

// Every rule of every version, refused by its number, with events beside it that
// are allowed.
//
// Spec: rooms/v1#authorisation-rules, rooms/v3#authorisation-rules, rooms/v6#authorisation-rules,
// Spec: rooms/v7#authorisation-rules, rooms/v8#authorisation-rules, rooms/v10#authorisation-rules,
// Spec: rooms/v11#authorisation-rules, rooms/v12#authorisation-rules
func TestRules(t *testing.T) {
	t.Parallel()
	for name, cases := range allCases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runCases(t, cases)
		})
	}
}

// Rule 1.
func createCases() []authCase {
	create := func(sender, content string, prev ...id.Event) e {
		return e{typ: event.TypeCreate, sender: sender, content: content, prev: append([]id.Event{}, prev...)}
	}
	return []authCase{
		{"create", create(creator, `{"creator":"x"}`), nil, nil, allowed},
		{"in a room of which nothing is known", create(creator, `{"creator":"x"}`), nil, []string{event.TypeCreate}, allowed},
		{"with a known version", create(creator, `{"creator":"x","room_version":"3"}`), nil, nil, allowed},
		{"with previous events", create(creator, `{"creator":"x"}`, "$a:b"), nil, nil, by{1: "1.1"}},
		{"in a room of another server", create(user, `{"creator":"x"}`), nil, nil, by{1: "1.2", 12: ""}},
		{"with a room ID of its own", e{typ: event.TypeCreate, sender: creator, content: `{}`, prev: []id.Event{}, room: otherHashed}, nil, nil, by{1: "-", 12: "1.2"}},
		{"no state event", e{typ: event.TypeCreate, sender: creator, content: `{}`, noKey: true, prev: []id.Event{}, room: otherHashed}, nil, nil, by{1: "-", 12: "1.2"}},
		{"with an unknown version", create(creator, `{"creator":"x","room_version":"org.unknown"}`), nil, nil, by{1: "1.3"}},
		{"with a version that is a number", create(creator, `{"creator":"x","room_version":1}`), nil, nil, by{1: "1.3"}},
		{"with a version that is null", create(creator, `{"creator":"x","room_version":null}`), nil, nil, by{1: "1.3"}},
		{"without creator", create(creator, `{}`), nil, nil, by{1: "1.4", 11: ""}},
		{"with a creator that is no user", create(creator, `{"creator":5}`), nil, nil, allowed},
		{"with additional creators", create(creator, `{"creator":"x","additional_creators":["@a:b","@É:c"]}`), nil, nil, allowed},
		{"with an empty list of additional creators", create(creator, `{"creator":"x","additional_creators":[]}`), nil, nil, allowed},
		{"with additional creators that are no users", create(creator, `{"creator":"x","additional_creators":["@a:b","a"]}`), nil, nil, by{1: "", 12: "1.4"}},
		{"with additional creators that are no strings", create(creator, `{"creator":"x","additional_creators":[1]}`), nil, nil, by{1: "", 12: "1.4"}},
		{"with additional creators that are no list", create(creator, `{"creator":"x","additional_creators":"@a:b"}`), nil, nil, by{1: "", 12: "1.4"}},
		{"with additional creators that are null", create(creator, `{"creator":"x","additional_creators":null}`), nil, nil, by{1: "", 12: "1.4"}},
	}
}

// Rules 2 to 4 as they concern the state: create event, m.federate, aliases.
func roomCases() []authCase {
	closed := func(value string) []e {
		return []e{{typ: event.TypeCreate, sender: creator, content: `{"creator":"@creator:s","m.federate":` + value + `}`, prev: []id.Event{}}}
	}
	return []authCase{
		{"no create event", message(user), nil, []string{event.TypeCreate}, by{1: "2.4", 12: "2"}},
		{"closed room, own server", message(mod), closed("false"), nil, by{1: "", 12: "-"}},
		{"closed room, other server", message(user), closed("false"), nil, by{1: "3", 12: "-"}},
		{"closed room, join from another server", member(stranger, "join"), closed("false"), nil, by{1: "3", 12: "-"}},
		{"open room", message(user), closed("true"), nil, by{1: "", 12: "-"}},
		{"another create event than the room's", message(user), closed("true"), nil, by{1: "-", 12: "2"}},
		{"malformed create event in the state", message(user), []e{{typ: event.TypeCreate, sender: creator, content: `{}`, prev: []id.Event{}}}, nil, by{1: "1.4", 11: "-"}},
		{"aliases of the own server", e{typ: event.TypeAliases, key: "t", sender: stranger, content: `{}`}, nil, nil, by{1: "", 6: "5", 12: "6"}},
		{"aliases without state key", e{typ: event.TypeAliases, noKey: true, sender: stranger, content: `{}`}, nil, nil, by{1: "4.1", 6: "5", 12: "6"}},
		{"aliases of another server", e{typ: event.TypeAliases, key: "s", sender: user, content: `{}`}, nil, nil, by{1: "4.2", 6: "7", 12: "8"}},
	}
}

// What a version 12 room's create event says about federation and creators.
func TestHashedRooms(t *testing.T) {
	t.Parallel()
	rules, _ := roomver.Lookup("12")
	r := found(t, rules, `{"m.federate":false}`)
	r.set(member(mod, "join"), member(user, "join"))
	checkOutcome(t, rules, eventauth.Check(r.build(message(mod)), r.state), "")
	checkOutcome(t, rules, eventauth.Check(r.build(message(user)), r.state), "4")

	r = found(t, rules, `{"additional_creators":["@a:b","x"]}`)
	r.set(member(mod, "join"))
	checkOutcome(t, rules, eventauth.Check(r.build(message(mod)), r.state), "1.4")

	// An additional creator has all power, and yet only the first may join the
	// empty room as its first member.
	r = found(t, rules, `{"additional_creators":["@mod2:t"]}`)
	first := func(who string) e { d := member(who, "join"); d.prev = []id.Event{"$create"}; return d }
	checkOutcome(t, rules, eventauth.Check(r.build(first(creator)), r.state), "")
	checkOutcome(t, rules, eventauth.Check(r.build(first(mod2)), r.state), "5.3.7")
	r.set(member(creator, "join"), member(mod2, "join"), member(user, "join"), powers(`{"state_default":9007199254740991,"ban":9007199254740991}`))
	checkOutcome(t, rules, eventauth.Check(r.build(state(mod2, "m.room.topic", "")), r.state), "")
	checkOutcome(t, rules, eventauth.Check(r.build(target(mod2, user, "ban")), r.state), "")
	checkOutcome(t, rules, eventauth.Check(r.build(target(mod2, creator, "ban")), r.state), "5.6.3")
	checkOutcome(t, rules, eventauth.Check(r.build(target(creator, mod2, "leave")), r.state), "5.5.5")
	for _, listed := range []string{creator, mod2} {
		checkOutcome(t, rules, eventauth.Check(r.build(e{typ: event.TypePowerLevels, sender: creator, content: `{"users":{"` + listed + `":1}}`}), r.state), "10.4")
	}
}

var joinRefused = by{1: "5.2.6", 6: "4.2.6", 8: "4.3.7", 12: "5.3.7"}

// Rules 5.1 and 5.2, and 4.2 and 4.3 from version 8 on.
func joinCases() []authCase {
	rule := func(r string) []e { return []e{joinRule(r)} }
	first := func(sender, whom string, prev ...id.Event) e {
		d := target(sender, whom, "join")
		d.prev = prev
		return d
	}
	vouched := func(by string, signers ...id.Server) e {
		return e{typ: event.TypeMember, key: stranger, sender: stranger, content: `{"membership":"join","join_authorised_via_users_server":"` + by + `"}`, signers: signers}
	}
	noCreator := []string{event.TypeMember + "|" + creator}
	unvouched := by{1: "-", 8: "4.3.5.2", 12: "5.3.5.2"}
	incomplete := by{1: "5.1", 6: "4.1", 12: "5.1"}
	unsigned := by{1: "-", 8: "4.2.1", 12: "5.2.1"}
	return []authCase{
		{"no state key", e{typ: event.TypeMember, noKey: true, sender: user, content: `{"membership":"join"}`}, nil, nil, incomplete},
		{"no membership", e{typ: event.TypeMember, key: user, sender: user, content: `{}`}, nil, nil, incomplete},
		{"membership is a number", e{typ: event.TypeMember, key: user, sender: user, content: `{"membership":1}`}, nil, nil, incomplete},
		{"unknown membership", member(user, "odd"), nil, nil, by{1: "5.6", 6: "4.6", 7: "4.7", 8: "4.8", 12: "5.8"}},
		{"knock before there was such a thing", member(stranger, "knock"), rule("knock"), nil, by{1: "5.6", 6: "4.6", 7: "-"}},

		{"the creator joins first", first(creator, creator, "$create"), rule("invite"), noCreator, allowed},
		{"the creator joins later", member(creator, "join"), rule("invite"), noCreator, joinRefused},
		{"the creator joins behind two events", first(creator, creator, "$create", "$x:s"), rule("invite"), noCreator, joinRefused},
		{"the creator joins behind nothing", first(creator, creator), rule("invite"), noCreator, joinRefused},
		{"another joins first", first(stranger, stranger, "$create"), rule("invite"), nil, joinRefused},
		{"join for somebody else", target(creator, stranger, "join"), nil, nil, by{1: "5.2.2", 6: "4.2.2", 8: "4.3.2", 12: "5.3.2"}},
		{"join while banned", member(banned, "join"), nil, nil, by{1: "5.2.3", 6: "4.2.3", 8: "4.3.3", 12: "5.3.3"}},

		{"public", member(stranger, "join"), nil, nil, allowed},
		{"public, after leaving", member(left, "join"), nil, nil, allowed},
		{"a change of one's profile", member(user, "join"), rule("invite"), nil, allowed},
		{"invited", member(invited, "join"), rule("invite"), nil, allowed},
		{"not invited", member(stranger, "join"), rule("invite"), nil, joinRefused},
		{"no join rules, invited", member(invited, "join"), nil, []string{event.TypeJoinRules}, allowed},
		{"no join rules, not invited", member(stranger, "join"), nil, []string{event.TypeJoinRules}, joinRefused},
		{"private", member(invited, "join"), rule("private"), nil, joinRefused},
		{"unknown rule", member(invited, "join"), rule("odd"), nil, joinRefused},
		{"join rule that is a number", member(invited, "join"), []e{{typ: event.TypeJoinRules, sender: creator, content: `{"join_rule":1}`}}, nil, joinRefused},
		{"no join rule in the content", member(invited, "join"), []e{{typ: event.TypeJoinRules, sender: creator, content: `{}`}}, nil, joinRefused},
		{"knock rule, invited", member(invited, "join"), rule("knock"), nil, by{1: "5.2.6", 6: "4.2.6", 7: ""}},
		{"knock rule, knocked only", member(knocking, "join"), rule("knock"), nil, by{1: "-", 7: "4.2.6", 8: "4.3.7", 12: "5.3.7"}},

		{"restricted, invited", member(invited, "join"), rule("restricted"), nil, by{1: "5.2.6", 6: "4.2.6", 8: ""}},
		{"restricted, in the room", member(user, "join"), rule("restricted"), nil, by{1: "5.2.6", 6: "4.2.6", 8: ""}},
		{"restricted, banned", member(banned, "join"), rule("restricted"), nil, by{1: "-", 8: "4.3.3", 12: "5.3.3"}},
		{"restricted, vouched for", vouched(mod, "s"), rule("restricted"), nil, by{1: "5.2.6", 6: "4.2.6", 8: ""}},
		{"restricted, nobody vouches", member(stranger, "join"), rule("restricted"), nil, unvouched},
		{"vouched for without signature", vouched(mod), rule("restricted"), nil, unsigned},
		{"vouched for without signature, public", vouched(mod), nil, nil, by{1: "", 8: "4.2.1", 12: "5.2.1"}},
		{"vouched for with another server's signature", vouched(mod, "u"), rule("restricted"), nil, unsigned},
		{"vouched for by what is no user", vouched("mod", "s"), rule("restricted"), nil, unsigned},
		{"left over in a leave, without signature", e{typ: event.TypeMember, key: user, sender: user, content: `{"membership":"leave","join_authorised_via_users_server":"@mod:s"}`}, nil, nil, by{1: "", 8: "4.2.1", 12: "5.2.1"}},
		{"vouched for by somebody who left", vouched(left), rule("restricted"), nil, unvouched},
		{"vouched for by an invited user", vouched(invited), rule("restricted"), nil, unvouched},
		{"vouched for by oneself", vouched(stranger), rule("restricted"), nil, unvouched},
		{"vouched for with just the power to invite", vouched(mod, "s"), append(rule("restricted"), powers(`{"invite":50,"users":{"@mod:s":50}}`)), nil, by{1: "-", 8: ""}},
		{"vouched for without the power to invite", vouched(user), append(rule("restricted"), powers(`{"invite":10}`)), nil, unvouched},
		{"knock_restricted, invited", member(invited, "join"), rule("knock_restricted"), nil, by{1: "5.2.6", 6: "4.2.6", 8: "4.3.7", 10: ""}},
		{"knock_restricted, vouched for", vouched(mod, "s"), rule("knock_restricted"), nil, by{1: "-", 8: "4.3.7", 10: ""}},
		{"knock_restricted, not vouched for", member(knocking, "join"), rule("knock_restricted"), nil, by{1: "-", 10: "4.3.5.2", 12: "5.3.5.2"}},
	}
}

var inviteRules = by{1: "5.3", 6: "4.3", 8: "4.4", 12: "5.4"}

// Rule 5.3.
func inviteCases() []authCase {
	return []authCase{
		{"invite", target(user, stranger, "invite"), nil, nil, allowed},
		{"invite again", target(user, invited, "invite"), nil, nil, allowed},
		{"of a user who knocked", target(user, knocking, "invite"), nil, nil, allowed},
		{"of a user who left", target(user, left, "invite"), nil, nil, allowed},
		{"by a stranger", target(stranger, left, "invite"), nil, nil, inviteRules.below("2")},
		{"by an invited user", target(invited, left, "invite"), nil, nil, inviteRules.below("2")},
		{"of a member", target(mod, user, "invite"), nil, nil, inviteRules.below("3")},
		{"of a banned user", target(creator, banned, "invite"), nil, nil, inviteRules.below("3")},
		{"at the invite level", target(mod, stranger, "invite"), []e{powers(`{"invite":50,"users":{"@mod:s":50}}`)}, nil, allowed},
		{"below the invite level", target(user, stranger, "invite"), []e{powers(`{"invite":1}`)}, nil, inviteRules.below("5")},
		{"without any power levels", target(user, stranger, "invite"), nil, []string{event.TypePowerLevels}, allowed},
	}
}

// Rule 5.3.1.
func thirdPartyCases(t testing.TB) []authCase {
	otherKey := ed25519.NewKeyFromSeed([]byte(strings.Repeat("o", 32)))
	pub, other := testKey.Public().(ed25519.PublicKey), otherKey.Public().(ed25519.PublicKey)
	std := canonjson.EncodeBase64
	sign := func(mxid, keyID string, key ed25519.PrivateKey) string {
		signed, err := canonjson.Sign([]byte(`{"mxid":"`+mxid+`","token":"abc"}`), "idserver", keyID, key)
		if err != nil {
			t.Fatal(err)
		}
		return string(signed)
	}
	signed := sign(stranger, "ed25519:0", testKey)
	invite := func(sender, target, signed string) e {
		return e{typ: event.TypeMember, key: target, sender: sender, content: `{"membership":"invite","third_party_invite":{"signed":` + signed + `}}`}
	}
	third := func(content string) []e {
		return []e{{typ: event.TypeThirdPartyInvite, key: "abc", sender: mod, content: content}}
	}
	known := third(`{"public_key":"` + std(pub) + `"}`)
	bare := `{"mxid":"` + stranger + `","token":"abc"`
	many := bare + `,"signatures":{"x":{`
	for i := range 100 {
		many += `"ed25519:` + strconv.Itoa(i) + `":"AAAA",`
	}
	many = strings.TrimSuffix(many, ",") + "}}}"
	// The good signature comes behind n bad ones.
	behind := func(n int) string {
		bad := ""
		for i := range n {
			bad += fmt.Sprintf(`"ed25519:%03d":"AAAA",`, i)
		}
		return strings.Replace(sign(stranger, "ed25519:999", testKey), `"ed25519:999"`, bad+`"ed25519:999"`, 1)
	}
	rule := inviteRules.below("1")
	return []authCase{
		{"the last signature that is tried", invite(mod, stranger, behind(63)), known, nil, allowed},
		{"one more than are tried", invite(mod, stranger, behind(64)), known, nil, rule.below("8")},
		{"signed with public_key", invite(mod, stranger, signed), known, nil, allowed},
		{"public_key with padding", invite(mod, stranger, signed), third(`{"public_key":"` + std(pub) + `="}`), nil, allowed},
		{"public_key in the URL-safe alphabet", invite(mod, stranger, signed), third(`{"public_key":"` + canonjson.EncodeBase64URL(pub) + `"}`), nil, allowed},
		{"signed with one of public_keys", invite(mod, stranger, signed), third(`{"public_key":"` + std(other) + `","public_keys":[{"public_key":"x"},5,{"public_key":"` + std(pub) + `"}]}`), nil, allowed},
		{"signed by several, one of them known", invite(mod, stranger, `{"mxid":"`+stranger+`","token":"abc","signatures":{"a":{"ed25519:0":"AAAA","rsa:1":"x"},"b":5,`+
			strings.TrimPrefix(canonjsonMember(t, signed, "signatures"), "{")+`}`), known, nil, allowed},
		{"the sender has left", invite(mod, stranger, signed), append(third(`{"public_key":"`+std(pub)+`"}`), member(mod, "leave")), nil, allowed},
		{"the target is in the room", invite(mod, user, sign(user, "ed25519:0", testKey)), known, nil, allowed},
		{"banned", invite(mod, banned, sign(banned, "ed25519:0", testKey)), known, nil, rule.below("1")},
		{"no signed", e{typ: event.TypeMember, key: stranger, sender: mod, content: `{"membership":"invite","third_party_invite":{}}`}, known, nil, rule.below("2")},
		{"signed is a text", invite(mod, stranger, `"x"`), known, nil, rule.below("2")},
		{"third_party_invite is null", e{typ: event.TypeMember, key: stranger, sender: mod, content: `{"membership":"invite","third_party_invite":null}`}, known, nil, rule.below("2")},
		{"no token", invite(mod, stranger, `{"mxid":"`+stranger+`"}`), known, nil, rule.below("3")},
		{"no mxid", invite(mod, stranger, `{"token":"abc"}`), known, nil, rule.below("3")},
		{"token is a number", invite(mod, stranger, `{"mxid":"`+stranger+`","token":1}`), known, nil, rule.below("3")},
		{"for another user", invite(mod, left, signed), known, nil, rule.below("4")},
		{"no such invite in the room", invite(mod, stranger, signed), nil, nil, rule.below("5")},
		{"sent by another user", invite(creator, stranger, signed), known, nil, rule.below("6")},
		{"signed with another key", invite(mod, stranger, signed), third(`{"public_key":"` + std(other) + `"}`), nil, rule.below("8")},
		{"the invite has no key", invite(mod, stranger, signed), third(`{}`), nil, rule.below("8")},
		{"signed with another algorithm", invite(mod, stranger, sign(stranger, "rsa:0", testKey)), known, nil, rule.below("8")},
		{"changed after signing", invite(mod, stranger, strings.Replace(signed, `"mxid"`, `"more":1,"mxid"`, 1)), known, nil, rule.below("8")},
		{"no signatures", invite(mod, stranger, bare+`}`), known, nil, rule.below("8")},
		{"very many signatures", invite(mod, stranger, many), known, nil, rule.below("8")},
		{"no canonical JSON", invite(mod, stranger, strings.Replace(signed, `"mxid"`, `"more":1.5,"mxid"`, 1)), known, nil, by{1: "5.3.1.8", 6: "-"}},
	}
}

func canonjsonMember(t testing.TB, obj, key string) string {
	v := canonjson.Value(obj).Get(key)
	if !v.Exists() {
		t.Fatalf("no %s in %s", key, obj)
	}
	return string(v)
}

// Rules 5.4 and 5.5.
func leaveCases() []authCase {
	leaveRules, banRules := by{1: "5.4", 6: "4.4", 8: "4.5", 12: "5.5"}, by{1: "5.5", 6: "4.5", 8: "4.6", 12: "5.6"}
	highBan := []e{powers(`{"ban":60,"users":{"@mod:s":50}}`)}
	highKick := []e{powers(`{"kick":60,"ban":50,"users":{"@mod:s":50}}`)}
	exact := []e{powers(`{"kick":50,"ban":50,"users":{"@mod:s":50,"@user:t":49}}`)}
	return []authCase{
		{"leave", member(user, "leave"), nil, nil, allowed},
		{"leave with malformed power levels in the state", member(user, "leave"), []e{powers(`{"users":"x"}`)}, nil, allowed},
		{"refuse an invite", member(invited, "leave"), nil, nil, allowed},
		{"take back a knock", member(knocking, "leave"), nil, nil, by{1: "-", 7: ""}},
		{"take back a knock that is none", member(stranger, "leave"), []e{member(stranger, "knock")}, nil, by{1: "5.4.1", 6: "4.4.1", 7: ""}},
		{"leave twice", member(left, "leave"), nil, nil, leaveRules.below("1")},
		{"leave without having been there", member(stranger, "leave"), nil, nil, leaveRules.below("1")},
		{"leave while banned", member(banned, "leave"), nil, nil, leaveRules.below("1")},
		{"kick", target(mod, user, "leave"), nil, nil, allowed},
		{"kick just so", target(mod, user, "leave"), exact, nil, allowed},
		{"kick by a stranger", target(stranger, user, "leave"), nil, nil, leaveRules.below("2")},
		{"kick by somebody who left", target(left, user, "leave"), nil, nil, leaveRules.below("2")},
		{"lift a ban", target(mod, banned, "leave"), nil, nil, allowed},
		{"lift a ban below the ban level", target(mod, banned, "leave"), highBan, nil, leaveRules.below("3")},
		{"lift a ban below the kick level", target(mod, banned, "leave"), highKick, nil, leaveRules.below("5")},
		{"lift a ban of an equal", target(mod, banned, "leave"), []e{powers(`{"users":{"@mod:s":50,"@banned:t":50}}`)}, nil, leaveRules.below("5")},
		{"kick below the kick level", target(user, invited, "leave"), nil, nil, leaveRules.below("5")},
		{"kick an equal", target(mod, mod2, "leave"), nil, nil, leaveRules.below("5")},
		{"kick somebody higher", target(mod, creator, "leave"), nil, nil, leaveRules.below("5")},
		{"take back an invite", target(mod, invited, "leave"), nil, nil, allowed},
		{"refuse a knock", target(mod, knocking, "leave"), nil, nil, allowed},
		{"kick without any power levels", target(user, mod, "leave"), nil, []string{event.TypePowerLevels}, leaveRules.below("5")},
		{"kick by the creator without any power levels", target(creator, user, "leave"), nil, []string{event.TypePowerLevels}, allowed},
		{"ban", target(mod, user, "ban"), nil, nil, allowed},
		{"ban just so", target(mod, user, "ban"), exact, nil, allowed},
		{"ban a stranger", target(mod, stranger, "ban"), nil, nil, allowed},
		{"ban again", target(mod, banned, "ban"), nil, nil, allowed},
		{"ban by a stranger", target(stranger, user, "ban"), nil, nil, banRules.below("1")},
		{"ban below the ban level", target(mod, user, "ban"), highBan, nil, banRules.below("3")},
		{"ban an equal", target(mod, mod2, "ban"), nil, nil, banRules.below("3")},
		{"ban somebody higher", target(mod, creator, "ban"), nil, nil, banRules.below("3")},
		{"ban oneself", target(mod, mod, "ban"), nil, nil, banRules.below("3")},
		{"ban without any power levels", target(mod, user, "ban"), nil, []string{event.TypePowerLevels}, banRules.below("3")},
	}
}

// Rule 4.6 of version 7.
func knockCases() []authCase {
	rules := by{1: "-", 7: "4.6", 8: "4.7", 12: "5.7"}
	knock := []e{joinRule("knock")}
	return []authCase{
		{"knock", member(stranger, "knock"), knock, nil, by{1: "-", 7: ""}},
		{"knock again", member(knocking, "knock"), knock, nil, by{1: "-", 7: ""}},
		{"knock after leaving", member(left, "knock"), knock, nil, by{1: "-", 7: ""}},
		{"knock_restricted", member(stranger, "knock"), []e{joinRule("knock_restricted")}, nil, by{1: "-", 7: "4.6.1", 8: "4.7.1", 10: ""}},
		{"restricted", member(stranger, "knock"), []e{joinRule("restricted")}, nil, rules.below("1")},
		{"public", member(stranger, "knock"), nil, nil, rules.below("1")},
		{"no join rules", member(stranger, "knock"), nil, []string{event.TypeJoinRules}, rules.below("1")},
		{"for somebody else", target(user, stranger, "knock"), knock, nil, rules.below("2")},
		{"banned", member(banned, "knock"), knock, nil, rules.below("4")},
		{"invited", member(invited, "knock"), knock, nil, rules.below("4")},
		{"in the room", member(user, "knock"), knock, nil, rules.below("4")},
	}
}

// Rules 6 to 9 and 11.
func otherCases() []authCase {
	none := []string{event.TypePowerLevels}
	redaction := func(sender string, of id.Event) e {
		return e{typ: event.TypeRedaction, sender: sender, content: `{}`, noKey: true, redacts: of, id: "$r:t"}
	}
	joined, level, own := by{1: "6", 6: "5", 12: "6"}, by{1: "8", 6: "7", 12: "8"}, by{1: "9", 6: "8", 12: "9"}
	return []authCase{
		{"message", message(user), nil, nil, allowed},
		{"message of a stranger", message(stranger), nil, nil, joined},
		{"message of an invited user", message(invited), nil, nil, joined},
		{"message of a banned user", message(banned), nil, nil, joined},
		{"message of a user who knocked", message(knocking), nil, nil, joined},
		{"message of a creator who left", message(creator), []e{member(creator, "leave")}, nil, joined},
		{"malformed member event in the state", message(user), []e{{typ: event.TypeMember, key: user, sender: user, content: `{}`}}, nil, joined},
		{"third-party invite", state(mod, event.TypeThirdPartyInvite, "x"), []e{powers(`{"invite":50,"events":{"m.room.third_party_invite":99},"users":{"@mod:s":50}}`)}, nil, allowed},
		{"third-party invite with another's state key", state(mod, event.TypeThirdPartyInvite, user), nil, nil, allowed},
		{"third-party invite below the invite level", state(user, event.TypeThirdPartyInvite, "x"), []e{powers(`{"invite":50}`)}, nil, by{1: "7.1", 6: "6.1", 12: "7.1"}},
		{"state below state_default", state(user, "m.room.topic", ""), nil, nil, level},
		{"state at state_default", state(mod, "m.room.topic", ""), nil, nil, allowed},
		{"state below the type's level", state(mod, "m.room.name", ""), nil, nil, level},
		{"state at the type's level", state(creator, "m.room.name", ""), nil, nil, allowed},
		{"state with a level of 0", state(user, "org.cheap", ""), nil, nil, allowed},
		{"message at events_default", message(mod), []e{powers(`{"events_default":50,"users":{"@mod:s":50}}`)}, nil, allowed},
		{"message below events_default", message(user), []e{powers(`{"events_default":1}`)}, nil, level},
		{"users_default", message(user), []e{powers(`{"events_default":1,"users_default":1}`)}, nil, allowed},
		{"negative level", message(user), []e{powers(`{"users":{"@user:t":-1}}`)}, nil, level},
		{"message without any power levels", message(user), nil, none, allowed},
		{"state without any power levels", state(user, "m.room.topic", ""), nil, none, level},
		{"power levels without any before, not by the creator", e{typ: event.TypePowerLevels, sender: user, content: `{"users":{"@user:t":100}}`}, nil, none, level},
		{"state by the creator without any power levels", state(creator, "m.room.topic", ""), nil, none, allowed},
		{"a creator who is not listed", state(creator, "m.room.topic", ""), []e{powers(`{}`)}, nil, by{1: "8", 6: "7", 12: ""}},
		{"a creator's power has no bound", state(creator, "org.example", ""), []e{powers(`{"state_default":9007199254740991}`)}, nil, by{1: "8", 6: "7", 12: ""}},
		{"state key of another user", state(mod, "org.example", user), nil, nil, own},
		{"state key of one's own", state(mod, "org.example", mod), nil, nil, allowed},
		{"state key that only starts alike", state(mod, "org.example", mod+"x"), nil, nil, own},
		{"state key that is only an @", state(mod, "org.example", "@"), nil, nil, own},
		{"state key that is no user", state(mod, "org.example", "x@y"), nil, nil, allowed},
		{"redaction with the redact level", redaction(mod, "$x:elsewhere"), nil, nil, allowed},
		{"redaction of the own server's event", redaction(user, "$x:t"), nil, nil, allowed},
		{"redaction of another server's event", redaction(user, "$x:s"), nil, nil, by{1: "11.3", 3: ""}},
		{"redaction of nothing", e{typ: event.TypeRedaction, sender: user, content: `{}`, noKey: true, id: "$r:t"}, nil, nil, by{1: "11.3", 3: ""}},
		{"redaction below the type's level", redaction(user, "$x:t"), []e{powers(`{"events":{"m.room.redaction":1}}`)}, nil, level},
	}
}

// What stands in the state and no rule would have accepted is a refusal where it
// matters, and neither a panic nor a free pass.
func TestMalformedState(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		event e
		state []e
		want  by
	}{
		{"users is a text", message(user), []e{powers(`{"users":"x"}`)}, by{1: "10.1", 6: "9.1", 10: "9.3", 12: "10.3"}},
		{"a level is a text, kick", target(mod, user, "leave"), []e{powers(`{"users":{"@mod:s":"x"}}`)}, by{1: "10.1", 6: "9.1", 10: "9.3", 12: "10.3"}},
		{"a level is a text, ban", target(mod, user, "ban"), []e{powers(`{"users":{"@mod:s":"x"}}`)}, by{1: "10.1", 6: "9.1", 10: "9.3", 12: "10.3"}},
		{"a level is a text, invite", target(mod, stranger, "invite"), []e{powers(`{"users":{"@mod:s":"x"}}`)}, by{1: "10.1", 6: "9.1", 10: "9.3", 12: "10.3"}},
		{"ban is null: as if it were missing", target(mod, user, "ban"), []e{powers(`{"ban":null,"users":{"@mod:s":50}}`)}, by{1: "", 10: "9.1", 12: "10.1"}},
		{"events is a list: as if it were missing", message(user), []e{powers(`{"events":[]}`)}, by{1: "", 10: "9.2", 12: "10.2"}},
		{"a fraction", state(mod, "m.room.topic", ""), []e{powers(`{"users":{"@mod:s":5.09e1}}`)}, by{1: "", 6: "-"}},
		{"a number in a text", state(mod, "m.room.topic", ""), []e{powers(`{"state_default":" +0060 ","users":{"@mod:s":"59"}}`)}, by{1: "8", 6: "7", 10: "9.1", 12: "10.1"}},
		{"the membership of who vouches", e{typ: event.TypeMember, key: stranger, sender: stranger, content: `{"membership":"join","join_authorised_via_users_server":"@mod2:t"}`},
			[]e{joinRule("restricted"), powers(`{"users":[]}`)}, by{1: "-", 8: "9.1", 10: "9.3", 12: "10.3"}},
	} {
		for i, rules := range roomver.All() {
			want := c.want.of(i + 1)
			if want == "-" {
				continue
			}
			r := newRoom(t, rules)
			r.set(c.state...)
			t.Run(c.name, func(t *testing.T) { checkOutcome(t, rules, eventauth.Check(r.build(c.event), r.state), want) })
		}
	}
}

// What the state cannot tell is never taken for an answer, and what does not
// matter is not asked for.
func TestStateErrors(t *testing.T) {
	t.Parallel()
	rules, _ := roomver.Lookup("11")
	r := newRoom(t, rules)
	r.set(joinRule("restricted"))
	vouched := e{typ: event.TypeMember, key: stranger, sender: stranger, content: `{"membership":"join","join_authorised_via_users_server":"@mod2:t"}`}
	signed := `{"membership":"invite","third_party_invite":{"signed":{"mxid":"` + stranger + `","token":"abc"}}}`
	for _, c := range []struct {
		d        e
		typ, key string
		asked    bool
	}{
		{message(user), event.TypeCreate, "", true},
		{message(user), event.TypePowerLevels, "", true},
		{message(user), event.TypeMember, user, true},
		{message(user), event.TypeJoinRules, "", false},
		{member(stranger, "join"), event.TypeMember, stranger, true},
		{member(stranger, "join"), event.TypeJoinRules, "", true},
		{member(invited, "join"), event.TypePowerLevels, "", false},
		{member(stranger, "knock"), event.TypeJoinRules, "", true},
		{member(user, "leave"), event.TypePowerLevels, "", false},
		{vouched, event.TypeMember, mod2, true},
		{vouched, event.TypePowerLevels, "", true},
		{target(mod, stranger, "invite"), event.TypeMember, mod, true},
		{target(mod, stranger, "invite"), event.TypePowerLevels, "", true},
		{target(mod, stranger, "invite"), event.TypeJoinRules, "", false},
		{target(mod, stranger, "ban"), event.TypeMember, mod, true},
		{target(mod, stranger, "ban"), event.TypePowerLevels, "", true},
		{target(mod, user, "leave"), event.TypeMember, mod, true},
		{target(mod, user, "leave"), event.TypePowerLevels, "", true},
		{e{typ: event.TypeMember, key: stranger, sender: mod, content: signed}, event.TypeThirdPartyInvite, "abc", true},
		{e{typ: event.TypeCreate, sender: creator, content: `{}`, prev: []id.Event{}}, event.TypeCreate, "", false},
	} {
		err := eventauth.Check(r.build(c.d), failing{r.state, c.typ, c.key})
		if asked := errors.Is(err, io.ErrUnexpectedEOF); asked != c.asked {
			t.Errorf("%s of %s without %s %s: %v", c.d.typ, c.d.sender, c.typ, c.key, err)
		}
	}
}

// A store's own error about an event is no refusal, whatever its type.
func TestStateErrorThatLooksLikeAnEvent(t *testing.T) {
	t.Parallel()
	rules, _ := roomver.Lookup("11")
	r := newRoom(t, rules)
	broken := stateFunc(func(typ, key string) (*event.PDU, error) {
		if typ == event.TypePowerLevels {
			return nil, &event.Error{Kind: event.BadJSON, Reason: "the file is damaged"}
		}
		return r.state.StateEvent(typ, key)
	})
	var refused *eventauth.Error
	if err := eventauth.Check(r.build(message(user)), broken); err == nil || errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
}

// A state that answers with events of other types opens nothing.
func TestStateOfOtherTypes(t *testing.T) {
	t.Parallel()
	for _, rules := range roomver.All() {
		r := newRoom(t, rules)
		for _, confused := range []string{event.TypeCreate, event.TypePowerLevels, event.TypeJoinRules, event.TypeMember, event.TypeThirdPartyInvite} {
			wrong := r.build(state(mod, "m.room.topic", ""))
			answers := stateFunc(func(typ, key string) (*event.PDU, error) {
				if typ == confused {
					return wrong, nil
				}
				return r.state.StateEvent(typ, key)
			})
			d := target(mod, user, "ban")
			switch confused {
			case event.TypeJoinRules:
				d = member(invited, "join")
			case event.TypeThirdPartyInvite:
				d = e{typ: event.TypeMember, key: stranger, sender: mod, content: `{"membership":"invite","third_party_invite":{"signed":{"mxid":"` + stranger + `","token":"abc"}}}`}
			}
			var refused *eventauth.Error
			if err := eventauth.Check(r.build(d), answers); !errors.As(err, &refused) {
				t.Errorf("version %s, %s: %v", rules.Version, confused, err)
			}
		}
	}
}

type stateFunc func(typ, key string) (*event.PDU, error)

func (f stateFunc) StateEvent(typ, key string) (*event.PDU, error) { return f(typ, key) }

func TestMapState(t *testing.T) {
	t.Parallel()
	rules, _ := roomver.Lookup("11")
	r := newRoom(t, rules)
	before := len(r.state)
	r.state.Add(r.build(message(user)))
	if len(r.state) != before {
		t.Error("a message became state")
	}
	if err := eventauth.Check(r.build(message(stranger)), r.state); err == nil || !strings.HasPrefix(err.Error(), "rule 5: ") {
		t.Errorf("%v", err)
	}
	if m, err := eventauth.Membership(r.state, banned); m != "ban" || err != nil {
		t.Error(m, err)
	}
}
