package room_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
	"github.com/hanse-im/hanse/server/fault"
	"github.com/hanse-im/hanse/server/room"
)

const zoe = id.User("@zoe:elsewhere.org")

var theirKey = ed25519.NewKeyFromSeed([]byte(strings.Repeat("t", 32)))

// their is an event of another server.
type their struct {
	sender  id.User
	typ     string
	key     *string
	content string
	prev    []*room.Event
	auth    []*event.PDU // nil: as the current state has them
	id      id.Event
}

func (w *world) state(t testing.TB, r id.Room) eventauth.MapState {
	t.Helper()
	all, err := w.State(t.Context(), r, alice)
	if err != nil {
		t.Fatal(err)
	}
	m := eventauth.MapState{}
	for _, e := range all {
		m.Add(e.PDU)
	}
	return m
}

var theirs atomic.Int64

func (w *world) build(t testing.TB, r id.Room, d their) *event.PDU {
	t.Helper()
	rules := d.prev[0].Rules()
	if d.auth == nil {
		var err error
		if d.auth, err = eventauth.Select(rules, eventauth.Subject{Type: d.typ, StateKey: d.key, Sender: d.sender, Content: canonjson.Value(d.content)}, w.state(t, r)); err != nil {
			t.Fatal(err)
		}
	}
	n := theirs.Add(1)
	b := event.Builder{Room: r, Type: d.typ, StateKey: d.key, Sender: d.sender, Content: []byte(d.content), OriginServerTS: 1_700_000_000_000 + n%7}
	if rules.EventID == roomver.EventIDField {
		if b.ID = d.id; d.id == "" {
			b.ID = id.Event(fmt.Sprintf("$their%d:elsewhere.org", n))
		}
	}
	for _, p := range d.prev {
		b.PrevEvents = append(b.PrevEvents, event.RefTo(p.PDU))
		b.Depth = max(b.Depth, p.Depth()+1)
	}
	for _, a := range d.auth {
		b.AuthEvents = append(b.AuthEvents, event.RefTo(a))
	}
	p, err := b.Build(rules, "elsewhere.org", "ed25519:1", theirKey)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ingest takes an event in and tells how it is known afterwards.
func (w *world) ingest(t testing.TB, r id.Room, d their, want room.Outcome) *room.Event {
	t.Helper()
	p := w.build(t, r, d)
	got, reason, err := w.Ingest(t.Context(), p)
	if err != nil || got != want || (reason == nil) != (want == room.Accepted) {
		t.Fatalf("%s: outcome %d, reason %v, %v; want outcome %d", p, got, reason, err, want)
	}
	if again, _, err := w.Ingest(t.Context(), p); err != nil || again != want {
		t.Errorf("%s again: outcome %d, %v", p, again, err)
	}
	all, err := w.ByID(t.Context(), r, []id.Event{p.ID()})
	if err != nil || len(all) != 1 || all[0].Rejected != (want == room.Rejected) || all[0].SoftFailed != (want == room.SoftFailed) {
		t.Fatalf("%s is kept as %+v, %v", p, all, err)
	}
	if shown := slices.ContainsFunc(timeline(t, w, r), func(e *room.Event) bool { return e.ID() == p.ID() }); shown != (want == room.Accepted) {
		t.Errorf("%s: shown is %v", p, shown)
	}
	return all[0]
}

func ptr(s string) *string { return &s }

func last(t testing.TB, w *world, r id.Room) *room.Event {
	t.Helper()
	all := timeline(t, w, r)
	return all[len(all)-1]
}

// Events of another server through all checks on receipt.
//
// Spec: server-server-api#checks-performed-on-receipt-of-a-pdu
func TestIngest(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for _, version := range []string{"2", "6", "11", "12"} {
			r := create(t, w, room.CreateRequest{Version: version, Preset: room.PublicChat})
			join := w.ingest(t, r, their{sender: zoe, typ: event.TypeMember, key: ptr(string(zoe)), content: `{"membership":"join"}`, prev: []*room.Event{last(t, w, r)}}, room.Accepted)
			hello := w.ingest(t, r, their{sender: zoe, typ: event.TypeMessage, content: `{"body":"hello"}`, prev: []*room.Event{join}}, room.Accepted)
			if e := say(t, w, r, alice, "welcome"); !slices.Equal(e.PrevEvents(), []id.Event{hello.ID()}) {
				t.Errorf("version %s: follows %v", version, e.PrevEvents())
			}
			rooms, err := w.RoomsOf(t.Context(), zoe)
			if err != nil || !slices.ContainsFunc(rooms, func(m room.Member) bool { return m.Room == r && m.Membership == event.Join }) {
				t.Errorf("version %s: zoe's rooms are %v, %v", version, rooms, err)
			}
			// What is missing is named, and nothing is kept.
			unknown := w.build(t, r, their{sender: zoe, typ: event.TypeMessage, content: `{"body":"later"}`, prev: []*room.Event{last(t, w, r)}})
			after := &room.Event{PDU: unknown}
			var missing *room.MissingError
			if _, _, err := w.Ingest(t.Context(), w.build(t, r, their{sender: zoe, typ: event.TypeMessage, content: `{}`, prev: []*room.Event{after}})); !errors.As(err, &missing) || !slices.Equal(missing.Prev, []id.Event{unknown.ID()}) || len(missing.Auth) > 0 {
				t.Errorf("version %s: %v", version, err)
			}
			if _, _, err := w.Ingest(t.Context(), w.build(t, r, their{sender: zoe, typ: event.TypeMessage, content: `{}`, prev: []*room.Event{hello}, auth: []*event.PDU{unknown}})); !errors.As(err, &missing) || !slices.Equal(missing.Auth, []id.Event{unknown.ID()}) {
				t.Errorf("version %s: %v", version, err)
			}
			// Rejected by its auth events, and by the state before it.
			w.ingest(t, r, their{sender: zoe, typ: event.TypeMessage, content: `{"n":1}`, prev: []*room.Event{hello}, auth: []*event.PDU{hello.PDU}}, room.Rejected)
			w.ingest(t, r, their{sender: "@other:elsewhere.org", typ: event.TypeMessage, content: `{"n":2}`, prev: []*room.Event{hello}}, room.Rejected)
			bad := w.ingest(t, r, their{sender: zoe, typ: event.TypeTopic, key: ptr(""), content: `{"topic":"mine"}`, prev: []*room.Event{hello}}, room.Rejected)
			if _, err := w.StateEvent(t.Context(), r, alice, event.TypeTopic, ""); !fault.Is(err, fault.NotFound) {
				t.Errorf("version %s: a rejected topic is in the state: %v", version, err)
			}
			// What follows a rejected event is judged by the same state.
			w.ingest(t, r, their{sender: zoe, typ: event.TypeMessage, content: `{"n":3}`, prev: []*room.Event{bad, last(t, w, r)}}, room.Accepted)
			// A message with another content than was hashed comes in redacted.
			whole := w.build(t, r, their{sender: zoe, typ: event.TypeMessage, content: `{"body":"true"}`, prev: []*room.Event{last(t, w, r)}})
			forged, err := event.Parse(whole.Rules(), []byte(strings.Replace(string(whole.JSON()), `"true"`, `"forged"`, 1)))
			if err != nil {
				t.Fatal(err)
			}
			if got, _, err := w.Ingest(t.Context(), forged); err != nil || got != room.Accepted {
				t.Errorf("version %s: %v, %v", version, got, err)
			}
			if e := last(t, w, r); e.ID() != whole.ID() || string(e.Content()) != "{}" {
				t.Errorf("version %s: a forged body is kept: %s", version, e.JSON())
			}
			// Banned in the meantime: good where it stands, and not now.
			before := last(t, w, r)
			member(t, w, r, alice, zoe, event.Ban)
			soft := w.ingest(t, r, their{sender: zoe, typ: event.TypeMessage, content: `{"body":"too late"}`, prev: []*room.Event{before}, auth: mustSelect(t, whole.Rules(), w, r, join.PDU)}, room.SoftFailed)
			if e := say(t, w, r, alice, "quiet now"); slices.Contains(e.PrevEvents(), soft.ID()) {
				t.Errorf("version %s: our event follows one that has failed softly", version)
			}
			seen, err := w.Visible(t.Context(), r, alice, []*room.Event{soft, bad})
			if err != nil || len(seen) > 0 {
				t.Errorf("version %s: %v, %v", version, seen, err)
			}
			w.check(t)
		}
		elsewhere := create(t, w, room.CreateRequest{Version: "11"})
		lost := w.build(t, elsewhere, their{sender: zoe, typ: "x", content: `{}`, prev: []*room.Event{last(t, w, elsewhere)}})
		moved, err := event.Parse(lost.Rules(), []byte(strings.Replace(string(lost.JSON()), string(elsewhere), "!nowhere:elsewhere.org", 1)))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Ingest(t.Context(), moved); !fault.Is(err, fault.NotFound) {
			t.Errorf("an event of an unknown room: %v", err)
		}
		other, _ := roomver.Lookup("10")
		if mixed, err := event.Parse(other, lost.JSON()); err != nil {
			t.Error(err)
		} else if _, _, err := w.Ingest(t.Context(), mixed); !fault.Is(err, fault.Invalid) {
			t.Errorf("an event read as one of another version: %v", err)
		}
	})
}

// mustSelect is the auth events of a message of zoe's before she was banned.
func mustSelect(t testing.TB, rules *roomver.Rules, w *world, r id.Room, join *event.PDU) []*event.PDU {
	t.Helper()
	state := w.state(t, r)
	state.Add(join)
	auth, err := eventauth.Select(rules, eventauth.Subject{Type: event.TypeMessage, Sender: zoe}, state)
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

// A fork about the topic and a member, resolved by both ends and closed by our event.
func TestFork(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for _, version := range []string{"1", "2", "11", "12"} {
			r := create(t, w, room.CreateRequest{Version: version, Preset: room.PublicChat, PowerLevels: canonjson.Value(`{"state_default":0}`)})
			join := w.ingest(t, r, their{sender: zoe, typ: event.TypeMember, key: ptr(string(zoe)), content: `{"membership":"join"}`, prev: []*room.Event{last(t, w, r)}}, room.Accepted)
			key := ""
			ours, err := w.Send(t.Context(), room.Draft{Room: r, Sender: alice, Type: event.TypeTopic, StateKey: &key, Content: []byte(`{"topic":"ours"}`)})
			if err != nil {
				t.Fatal(err)
			}
			fork := w.ingest(t, r, their{sender: zoe, typ: event.TypeTopic, key: &key, content: `{"topic":"theirs"}`, prev: []*room.Event{join}}, room.Accepted)
			w.ingest(t, r, their{sender: zoe, typ: "org.example", key: &key, content: `{}`, prev: []*room.Event{fork}}, room.Accepted)
			w.check(t)
			again := open(t, w.db) // the fork is on disk
			merged := say(t, again, r, alice, "together")
			if len(merged.PrevEvents()) != 2 || !slices.Contains(merged.PrevEvents(), ours.ID()) {
				t.Errorf("version %s: our event follows %v", version, merged.PrevEvents())
			}
			if e := say(t, again, r, alice, "again"); !slices.Equal(e.PrevEvents(), []id.Event{merged.ID()}) {
				t.Errorf("version %s: follows %v", version, e.PrevEvents())
			}
			if _, err := again.StateEvent(t.Context(), r, alice, "org.example", ""); err != nil {
				t.Errorf("version %s: the fork's state is lost: %v", version, err)
			}
			w = again
		}
	})
}

// Random rooms with many forks, local and remote, in several versions: the check at
// the end computes every state again, the obvious way.
func TestRandomForks(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for seed, version := range []string{"2", "10", "11", "12", "12"} {
			rnd := rand.New(rand.NewPCG(uint64(seed), 3))
			r := create(t, w, room.CreateRequest{Version: version, Preset: room.PublicChat, PowerLevels: canonjson.Value(`{"state_default":0,"kick":0,"ban":0,"invite":0}`)})
			people := []id.User{zoe, "@yan:elsewhere.org", "@xia:elsewhere.org"}
			all := []*room.Event{last(t, w, r)}
			outcomes := map[room.Outcome]int{}
			for i := range 60 {
				if i%20 == 19 {
					w = open(t, w.db)
				}
				if rnd.IntN(6) == 0 {
					all = append(all, say(t, w, r, alice, fmt.Sprint(i)))
					continue
				}
				who, whom := people[rnd.IntN(3)], people[rnd.IntN(3)]
				d := their{sender: who, typ: event.TypeMember, key: ptr(string(whom)), content: fmt.Sprintf(`{"membership":%q}`, []string{"join", "leave", "ban", "invite"}[rnd.IntN(4)])}
				switch rnd.IntN(4) {
				case 0:
					d.typ, d.key, d.content = event.TypeTopic, ptr(""), fmt.Sprintf(`{"topic":"%d"}`, i)
				case 1:
					d.key, d.content = ptr(string(who)), `{"membership":"join"}`
				}
				d.prev = []*room.Event{all[len(all)-1-rnd.IntN(min(5, len(all)))]}
				if other := all[len(all)-1-rnd.IntN(min(5, len(all)))]; other.ID() != d.prev[0].ID() {
					d.prev = append(d.prev, other)
				}
				p := w.build(t, r, d)
				outcome, _, err := w.Ingest(t.Context(), p)
				if err != nil {
					t.Fatalf("version %s, event %d: %v", version, i, err)
				}
				outcomes[outcome]++
				found, err := w.ByID(t.Context(), r, []id.Event{p.ID()})
				if err != nil || len(found) != 1 {
					t.Fatal(err)
				}
				if outcome != room.Rejected {
					all = append(all, found[0])
				}
			}
			w.check(t)
			if outcomes[room.Accepted] < 5 || outcomes[room.Rejected] == 0 {
				t.Errorf("version %s: outcomes %v", version, outcomes)
			}
		}
	})
}
