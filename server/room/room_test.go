package room_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hanse-im/hanse/infra/db"
	"github.com/hanse-im/hanse/infra/db/dbtest"
	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
	"github.com/hanse-im/hanse/server/fault"
	"github.com/hanse-im/hanse/server/room"
	"github.com/hanse-im/hanse/server/stream"
)

const (
	alice    = id.User("@alice:example.org")
	bob      = id.User("@bob:example.org")
	carol    = id.User("@carol:example.org")
	stranger = id.User("@stranger:elsewhere.org")
)

// clock stands still within a test program, but for each engine that is opened: a
// restart takes time.
var clock atomic.Int64

// world is an engine on a database; closing it checks everything.
type world struct {
	*room.Engine
	db        *db.DB
	streams   *stream.Set
	mu        sync.Mutex
	published []id.Event
}

func open(t testing.TB, d *db.DB) *world {
	t.Helper()
	return openWith(t, d, 3, 100) // so that rooms and events come and go
}

func openWith(t testing.TB, d *db.DB, rooms, events int) *world {
	t.Helper()
	last, err := room.Migrate(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	opened := 1_700_000_000_000 + 1000*clock.Add(1)
	now := func() time.Time { return time.UnixMilli(opened) }
	w := &world{db: d, streams: stream.NewSet(stream.Token{stream.Events: last})}
	w.Engine, err = room.Open(t.Context(), room.Config{
		Server: "example.org", KeyID: "ed25519:1", Key: ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", 32))),
		Now: now, Rooms: rooms, Events: events,
		Published: func(_ id.Room, events []*room.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, e := range events {
				w.published = append(w.published, e.ID())
			}
		},
	}, d, w.streams)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.check(t) })
	return w
}

// check is what holds whenever a test ends.
func (w *world) check(t testing.TB) {
	t.Helper()
	if err := w.Check(context.Background(), func(problem string) { t.Errorf("inconsistent: %s", problem) }); err != nil && !errors.Is(err, db.ErrClosed) && !strings.Contains(err.Error(), "closed") {
		t.Errorf("check: %v", err)
	}
}

func each(t *testing.T, test func(t *testing.T, w *world)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) { test(t, open(t, d)) })
}

func create(t testing.TB, w *world, q room.CreateRequest) id.Room {
	t.Helper()
	if q.Creator == "" {
		q.Creator = alice
	}
	r, err := w.Create(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func say(t testing.TB, w *world, r id.Room, who id.User, text string) *room.Event {
	t.Helper()
	e, err := w.Send(t.Context(), room.Draft{Room: r, Sender: who, Type: event.TypeMessage, Content: fmt.Appendf(nil, `{"body":%q,"msgtype":"m.text"}`, text)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func member(t testing.TB, w *world, r id.Room, sender, target id.User, membership string) *room.Event {
	t.Helper()
	e, err := w.SetMembership(t.Context(), room.MembershipRequest{Room: r, Sender: sender, Target: target, Membership: membership})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func timeline(t testing.TB, w *world, r id.Room) []*room.Event {
	t.Helper()
	events, _, _, err := w.Timeline(t.Context(), r, room.TimelineRequest{To: 1 << 60, Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func types(events []*room.Event) (out []string) {
	for _, e := range events {
		out = append(out, strings.TrimPrefix(e.Type(), "m.room."))
	}
	return out
}

// A room in every version: its events, its talk, its members, and after a restart.
func TestLifeOfARoom(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for _, rules := range roomver.All() {
			r := create(t, w, room.CreateRequest{Version: rules.Version, Name: "Talk", Topic: "All and nothing", Preset: room.PublicChat, Alias: "#talk:example.org"})
			if _, hashed := r.CreateEvent(); hashed != rules.RoomIDFromCreate {
				t.Errorf("version %s: room %s", rules.Version, r)
			}
			if got, want := types(timeline(t, w, r)), []string{"create", "member", "power_levels", "canonical_alias", "join_rules", "history_visibility", "guest_access", "name", "topic"}; !slices.Equal(got, want) {
				t.Errorf("version %s: %v", rules.Version, got)
			}
			member(t, w, r, bob, bob, event.Join)
			hello := say(t, w, r, bob, "hello")
			if hello.Depth() != 11 || len(hello.PrevEvents()) != 1 {
				t.Errorf("version %s: depth %d, follows %v", rules.Version, hello.Depth(), hello.PrevEvents())
			}
			again := open(t, w.db) // as after a restart
			if got := timeline(t, again, r); got[len(got)-1].ID() != hello.ID() {
				t.Errorf("version %s: after a restart the last event is %v", rules.Version, got[len(got)-1])
			}
			if e := say(t, again, r, alice, "welcome"); e.PrevEvents()[0] != hello.ID() {
				t.Errorf("version %s: after a restart an event follows %v", rules.Version, e.PrevEvents())
			}
			w = again
		}
		rooms, err := w.RoomsOf(t.Context(), bob)
		if err != nil || len(rooms) != 12 || rooms[0].Membership != event.Join {
			t.Errorf("bob's rooms: %v, %v", rooms, err)
		}
	})
}

// The presets and what overrides them.
//
// Spec: client-server-api#creation
func TestCreate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		content := func(r id.Room, typ string) canonjson.Value {
			e, err := w.StateEvent(t.Context(), r, alice, typ, "")
			if err != nil {
				t.Fatal(err)
			}
			return e.Content()
		}
		private := create(t, w, room.CreateRequest{Invite: []id.User{bob, carol, bob}, Direct: true, PowerLevels: canonjson.Value(`{"ban":77,"users":{"@bob:example.org":42}}`),
			CreationContent: canonjson.Value(`{"m.federate":false,"room_version":"1","type":"m.space"}`),
			InitialState:    []room.StateDraft{{Type: event.TypeJoinRules, Content: []byte(`{"join_rule":"knock"}`)}, {Type: "m.room.encryption", Content: []byte(`{"algorithm":"m.megolm.v1.aes-sha2"}`)}, {Type: event.TypeName, Content: []byte(`{"name":"old"}`)}}, Name: "new"})
		if got := string(content(private, event.TypeJoinRules)); got != `{"join_rule":"knock"}` {
			t.Error(got)
		}
		if got := string(content(private, event.TypeName)); got != `{"name":"new"}` {
			t.Error(got)
		}
		if got := content(private, event.TypePowerLevels); string(got.Get("ban")) != "77" || string(got.Get("users")) != `{"@bob:example.org":42}` || string(got.Path("events", "m.room.tombstone")) != "150" {
			t.Error(string(got))
		}
		if got := content(private, event.TypeCreate); !got.Get("room_version").EqualStr("12") || !got.Get("type").EqualStr("m.space") || string(got.Get("m.federate")) != "false" {
			t.Error(string(got))
		}
		if got := content(private, event.TypeGuestAccess); !got.Get("guest_access").EqualStr("can_join") {
			t.Error(string(got))
		}
		e, err := w.StateEvent(t.Context(), private, alice, event.TypeMember, string(carol))
		if err != nil || string(e.Content()) != `{"is_direct":true,"membership":"invite"}` {
			t.Errorf("%v, %v", e, err)
		}
		trusted := create(t, w, room.CreateRequest{Preset: room.TrustedPrivateChat, Invite: []id.User{bob}})
		if got := content(trusted, event.TypeCreate); string(got.Get("additional_creators")) != `["@bob:example.org"]` {
			t.Error(string(got))
		}
		old := create(t, w, room.CreateRequest{Preset: room.TrustedPrivateChat, Invite: []id.User{bob}, Version: "10", Public: true})
		if got := content(old, event.TypePowerLevels); string(got.Get("users")) != `{"@alice:example.org":100,"@bob:example.org":100}` {
			t.Error(string(got))
		}
		if got := content(old, event.TypeCreate); !got.Get("creator").EqualStr(string(alice)) {
			t.Error(string(got))
		}
		public := create(t, w, room.CreateRequest{Public: true})
		if got := content(public, event.TypeJoinRules); !got.Get("join_rule").EqualStr("public") {
			t.Error(string(got))
		}
		before := w.streams.Published(stream.Events)
		for name, c := range map[string]struct {
			q    room.CreateRequest
			kind fault.Kind
			code string
		}{
			"unknown version":       {room.CreateRequest{Version: "99"}, fault.Invalid, "M_UNSUPPORTED_ROOM_VERSION"},
			"unknown preset":        {room.CreateRequest{Preset: "cosy"}, fault.Invalid, ""},
			"creator of elsewhere":  {room.CreateRequest{Creator: stranger}, fault.Forbidden, ""},
			"invite of the creator": {room.CreateRequest{Invite: []id.User{alice}}, fault.Invalid, ""},
			"creation content":      {room.CreateRequest{CreationContent: canonjson.Value(`[]`)}, fault.Invalid, ""},
			"power levels":          {room.CreateRequest{PowerLevels: canonjson.Value(`1`)}, fault.Invalid, ""},
			"locked out":            {room.CreateRequest{PowerLevels: canonjson.Value(`{"state_default":9007199254740991,"users":{}}`), Version: "11", Name: "x"}, fault.Invalid, "M_INVALID_ROOM_STATE"},
			"members as state":      {room.CreateRequest{InitialState: []room.StateDraft{{Type: event.TypeMember, StateKey: string(bob), Content: []byte(`{"membership":"join"}`)}}}, fault.Invalid, "M_INVALID_ROOM_STATE"},
			"a second create":       {room.CreateRequest{InitialState: []room.StateDraft{{Type: event.TypeCreate, Content: []byte(`{}`)}}}, fault.Invalid, "M_INVALID_ROOM_STATE"},
			"state that is no JSON": {room.CreateRequest{InitialState: []room.StateDraft{{Type: "x", Content: []byte(`{`)}}}, fault.Invalid, "M_BAD_JSON"},
			"bad creators":          {room.CreateRequest{CreationContent: canonjson.Value(`{"additional_creators":["x"]}`)}, fault.Invalid, ""},
			"creators are no list":  {room.CreateRequest{CreationContent: canonjson.Value(`{"additional_creators":{}}`)}, fault.Invalid, ""},
			"too much state":        {room.CreateRequest{InitialState: make([]room.StateDraft, 201)}, fault.Invalid, ""},
			"too many invites":      {room.CreateRequest{Invite: make([]id.User, 101)}, fault.Invalid, ""},
		} {
			if c.q.Creator == "" {
				c.q.Creator = alice
			}
			for i := range c.q.Invite {
				if c.q.Invite[i] == "" {
					c.q.Invite[i] = id.User(fmt.Sprintf("@u%d:example.org", i))
				}
			}
			got, err := w.Create(t.Context(), c.q)
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != c.kind || f.Code != c.code || got != "" {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		rooms, err := w.RoomsOf(t.Context(), alice)
		if err != nil || len(rooms) != 4 {
			t.Errorf("rooms that could not be made are there: %v, %v", rooms, err)
		}
		if after := w.streams.Published(stream.Events); after < before {
			t.Errorf("the stream went back from %d to %d", before, after)
		}
		say(t, w, public, alice, "the stream goes on")
		if got, want := w.streams.Published(stream.Events), timeline(t, w, public); got != want[len(want)-1].Order {
			t.Errorf("published up to %d", got)
		}
	})
}

func TestSendRefuses(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		r := create(t, w, room.CreateRequest{Preset: room.PublicChat})
		member(t, w, r, bob, bob, event.Join)
		n := len(timeline(t, w, r))
		key := ""
		for name, c := range map[string]struct {
			d    room.Draft
			kind fault.Kind
			code string
		}{
			"unknown room":          {room.Draft{Room: "!nowhere:example.org", Sender: alice, Type: "x", Content: []byte(`{}`)}, fault.Forbidden, ""},
			"unknown room's member": {room.Draft{Room: "!nowhere:example.org", Sender: alice, Type: event.TypeMember, StateKey: &key, Content: []byte(`{}`)}, fault.NotFound, ""},
			"not in the room":       {room.Draft{Room: r, Sender: carol, Type: "x", Content: []byte(`{}`)}, fault.Forbidden, ""},
			"user of elsewhere":     {room.Draft{Room: r, Sender: stranger, Type: "x", Content: []byte(`{}`)}, fault.Forbidden, ""},
			"no power":              {room.Draft{Room: r, Sender: bob, Type: event.TypeName, StateKey: &key, Content: []byte(`{}`)}, fault.Forbidden, ""},
			"a second create event": {room.Draft{Room: r, Sender: alice, Type: event.TypeCreate, StateKey: &key, Content: []byte(`{}`)}, fault.Forbidden, ""},
			"content is a list":     {room.Draft{Room: r, Sender: alice, Type: "x", Content: []byte(`[]`)}, fault.Invalid, ""},
			"content is no JSON":    {room.Draft{Room: r, Sender: alice, Type: "x", Content: []byte(`{`)}, fault.Invalid, "M_BAD_JSON"},
			"a fraction":            {room.Draft{Room: r, Sender: alice, Type: "x", Content: []byte(`{"a":1.5}`)}, fault.Invalid, "M_BAD_JSON"},
			"too large":             {room.Draft{Room: r, Sender: alice, Type: "x", Content: []byte(`{"a":"` + strings.Repeat("x", 70_000) + `"}`)}, fault.Limited, "M_TOO_LARGE"},
			"type too long":         {room.Draft{Room: r, Sender: alice, Type: strings.Repeat("x", 300), Content: []byte(`{}`)}, fault.Limited, "M_TOO_LARGE"},
		} {
			e, err := w.Send(t.Context(), c.d)
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != c.kind || f.Code != c.code || e != nil {
				t.Errorf("%s: %v, %v", name, e, err)
			}
		}
		if got := len(timeline(t, w, r)); got != n {
			t.Errorf("%d events, were %d", got, n)
		}
		_, there := w.Send(t.Context(), room.Draft{Room: r, Sender: carol, Type: "x", Content: []byte(`{}`)})
		_, nowhere := w.Send(t.Context(), room.Draft{Room: "!nowhere:example.org", Sender: carol, Type: "x", Content: []byte(`{}`)})
		if strings.ReplaceAll(there.Error(), string(r), "R") != strings.ReplaceAll(nowhere.Error(), "!nowhere:example.org", "R") {
			t.Errorf("a stranger can tell a room that is there: %v and %v", there, nowhere)
		}
		first, err := w.Send(t.Context(), room.Draft{Room: r, Sender: alice, Type: event.TypeTopic, StateKey: &key, Content: []byte(`{"topic": "x"}`)})
		if err != nil {
			t.Fatal(err)
		}
		second, err := w.Send(t.Context(), room.Draft{Room: r, Sender: alice, Type: event.TypeTopic, StateKey: &key, Content: []byte(`{"topic":"x"}`)})
		if err != nil || second.ID() != first.ID() {
			t.Errorf("state that changes nothing was sent again: %v, %v", second, err)
		}
	})
}

// A repeated request gives the first one's event: at once, later, after a restart,
// with other content, and many times at the same moment.
func TestTransactions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		r := create(t, w, room.CreateRequest{})
		n := len(timeline(t, w, r))
		send := func(w *world, txn room.Txn, body string) id.Event {
			e, err := w.Send(t.Context(), room.Draft{Room: r, Sender: alice, Type: "x", Content: []byte(body), Txn: &txn})
			if err != nil {
				t.Error(err)
				return ""
			}
			return e.ID()
		}
		one := room.Txn{Scope: "alice|DEVICE", ID: "1"}
		first := send(w, one, `{}`)
		if got := send(w, one, `{"other":1}`); got != first {
			t.Errorf("repeated: %s and %s", first, got)
		}
		if got := send(open(t, w.db), one, `{}`); got != first {
			t.Errorf("after a restart: %s and %s", first, got)
		}
		if got := send(w, room.Txn{Scope: "alice|OTHER", ID: "1"}, `{}`); got == first {
			t.Error("another device's transaction gives the same event")
		}
		many := make([]id.Event, 30)
		var wg sync.WaitGroup
		for i := range many {
			wg.Go(func() { many[i] = send(w, room.Txn{Scope: "alice|DEVICE", ID: "many"}, `{}`) })
		}
		wg.Wait()
		for _, e := range many {
			if e != many[0] || e == "" {
				t.Errorf("%s and %s", many[0], e)
			}
		}
		if got := len(timeline(t, w, r)); got != n+3 {
			t.Errorf("%d events, want %d", got, n+3)
		}
		failing := room.Draft{Room: r, Sender: bob, Type: "x", Content: []byte(`{}`), Txn: &room.Txn{Scope: "bob", ID: "1"}}
		if _, err := w.Send(t.Context(), failing); !fault.Is(err, fault.Forbidden) {
			t.Error(err)
		}
		member(t, w, r, alice, bob, event.Invite)
		member(t, w, r, bob, bob, event.Join)
		if _, err := w.Send(t.Context(), failing); err != nil {
			t.Errorf("a transaction that was refused can be tried again: %v", err)
		}
	})
}

// Many at once in several rooms: every event is there once, each room is one line,
// and the stream publishes each in order.
func TestManyWriters(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		const rooms, writers, messages = 5, 8, 15
		var all []id.Room
		for range rooms {
			all = append(all, create(t, w, room.CreateRequest{}))
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		sent := map[id.Event]bool{}
		for n := range writers {
			wg.Go(func() {
				for i := range messages {
					key := fmt.Sprint(n, i%3)
					d := room.Draft{Room: all[(n+i)%rooms], Sender: alice, Type: "org.example", Content: fmt.Appendf(nil, `{"n":%d,"i":%d}`, n, i)}
					if i%3 == 0 {
						d.StateKey = &key
					}
					e, err := w.Send(t.Context(), d)
					if err != nil {
						t.Error(err)
						continue
					}
					if w.streams.Published(stream.Events) < e.Order {
						t.Errorf("%s was answered before it was published", e.PDU)
					}
					mu.Lock()
					sent[e.ID()] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(sent) != writers*messages {
			t.Errorf("%d events of %d", len(sent), writers*messages)
		}
		for _, r := range all {
			line := timeline(t, w, r)
			for i, e := range line[1:] {
				if !slices.Equal(e.PrevEvents(), []id.Event{line[i].ID()}) {
					t.Fatalf("event %d of %s follows %v", i+1, r, e.PrevEvents())
				}
				delete(sent, e.ID())
			}
		}
		if len(sent) > 0 {
			t.Errorf("%d events are in no room", len(sent))
		}
	})
}

// State of many changes passes checkpoints and is the same after a restart.
func TestCheckpoints(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		r := create(t, w, room.CreateRequest{})
		for i := range 200 {
			key := fmt.Sprint(i % 90)
			if _, err := w.Send(t.Context(), room.Draft{Room: r, Sender: alice, Type: "org.example", StateKey: &key, Content: fmt.Appendf(nil, `{"i":%d}`, i)}); err != nil {
				t.Fatal(err)
			}
			if i%60 == 0 {
				w.check(t)
				w = open(t, w.db)
			}
		}
		state, err := w.State(t.Context(), r, alice)
		if err != nil || len(state) != 7-1+90 {
			t.Errorf("%d entries, %v", len(state), err)
		}
	})
}

// Spec: client-server-api#redactions, rooms/v11#moving-the-redacts-property-of-mroomredaction-events-to-a-content-property
func TestRedactions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for _, version := range []string{"1", "10", "11", "12"} {
			r := create(t, w, room.CreateRequest{Version: version, Preset: room.PublicChat})
			member(t, w, r, bob, bob, event.Join)
			secret := say(t, w, r, bob, "secret")
			redact := func(who id.User, target id.Event) (*room.Event, error) {
				return w.Send(t.Context(), room.Draft{Room: r, Sender: who, Type: event.TypeRedaction, Content: []byte(`{"reason":"oops"}`), Redacts: target})
			}
			by, err := redact(bob, secret.ID())
			if err != nil {
				t.Fatal(err)
			}
			got, err := w.ByID(t.Context(), r, []id.Event{secret.ID(), "$nowhere"})
			if err != nil || len(got) != 1 || got[0].RedactedBy == nil || got[0].RedactedBy.ID() != by.ID() || string(got[0].Content()) != "{}" {
				t.Errorf("version %s: %v, %v", version, got, err)
			}
			if _, err := redact(alice, "$unknown:example.org"); err != nil {
				t.Errorf("version %s: a redaction of what is not here: %v", version, err)
			}
			elsewhere := create(t, w, room.CreateRequest{})
			other := say(t, w, elsewhere, alice, "in another room")
			if _, err := redact(alice, other.ID()); err != nil {
				t.Fatal(err)
			}
			if got, err := w.ByID(t.Context(), elsewhere, []id.Event{other.ID()}); err != nil || got[0].RedactedBy != nil {
				t.Errorf("version %s: another room's event was redacted: %v", version, err)
			}
		}
	})
}

// Who sees what, over a user's comings and goings.
//
// Spec: client-server-api/modules/history_visibility#server-behaviour
func TestVisible(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		key := ""
		for setting, want := range map[string]map[id.User]string{
			"shared":         {bob: "1 2 3", carol: ""},
			"joined":         {bob: "3", carol: ""},
			"invited":        {bob: "2 3", carol: ""},
			"world_readable": {bob: "1 2 3 4", carol: "1 2 3 4"},
		} {
			r := create(t, w, room.CreateRequest{InitialState: []room.StateDraft{{Type: event.TypeHistoryVisibility, Content: []byte(`{"history_visibility":"` + setting + `"}`)}}})
			say(t, w, r, alice, "1")
			member(t, w, r, alice, bob, event.Invite)
			say(t, w, r, alice, "2")
			member(t, w, r, bob, bob, event.Join)
			say(t, w, r, alice, "3")
			member(t, w, r, bob, bob, event.Leave)
			say(t, w, r, alice, "4")
			for user, want := range want {
				seen, err := w.Visible(t.Context(), r, user, timeline(t, w, r))
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, e := range seen {
					if body, ok := e.Content().Get("body").Str(); ok {
						got = append(got, body)
					}
				}
				if strings.Join(got, " ") != want {
					t.Errorf("%s, %s sees %q, want %q", setting, user, got, want)
				}
			}
			// The state that each may read.
			if _, err := w.Send(t.Context(), room.Draft{Room: r, Sender: alice, Type: event.TypeTopic, StateKey: &key, Content: []byte(`{"topic":"after bob"}`)}); err != nil {
				t.Fatal(err)
			}
			for user, want := range map[id.User]bool{alice: true, bob: false, carol: setting == "world_readable"} {
				_, err := w.StateEvent(t.Context(), r, user, event.TypeTopic, "")
				if (err == nil) != want {
					t.Errorf("%s, %s reads the topic: %v", setting, user, err)
				}
			}
			if e, err := w.StateEvent(t.Context(), r, bob, event.TypeMember, string(bob)); err != nil || !strings.Contains(string(e.Content()), "leave") {
				t.Errorf("%s: bob's own membership after leaving: %v, %v", setting, e, err)
			}
		}
		// A stranger does not learn whether there is a room.
		r := create(t, w, room.CreateRequest{})
		_, there := w.State(t.Context(), r, carol)
		_, nowhere := w.State(t.Context(), "!nowhere:example.org", carol)
		if !fault.Is(there, fault.Forbidden) || strings.ReplaceAll(there.Error(), string(r), "R") != strings.ReplaceAll(nowhere.Error(), "!nowhere:example.org", "R") {
			t.Errorf("%v and %v", there, nowhere)
		}
	})
}

// Spec: client-server-api#room-membership, client-server-api#restricted-rooms
func TestMembership(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		club := create(t, w, room.CreateRequest{Preset: room.PublicChat})
		r := create(t, w, room.CreateRequest{InitialState: []room.StateDraft{{Type: event.TypeJoinRules, Content: []byte(`{"join_rule":"restricted","allow":[{"type":"m.room_membership","room_id":"` + string(club) + `"}]}`)}}})
		join := room.MembershipRequest{Room: r, Sender: bob, Target: bob, Membership: event.Join, Reason: "why not", Profile: canonjson.Value(`{"displayname":"Bob","membership":"ban"}`)}
		if _, err := w.SetMembership(t.Context(), join); !fault.Is(err, fault.Forbidden) {
			t.Errorf("not in the club: %v", err)
		}
		member(t, w, club, bob, bob, event.Join)
		e, err := w.SetMembership(t.Context(), join)
		if err != nil || string(e.Content()) != `{"displayname":"Bob","join_authorised_via_users_server":"@alice:example.org","membership":"join","reason":"why not"}` {
			t.Errorf("%s, %v", e.Content(), err)
		}
		if err := w.Forget(t.Context(), r, bob); !fault.Is(err, fault.Invalid) {
			t.Errorf("forgot a room that bob is in: %v", err)
		}
		member(t, w, r, alice, bob, event.Ban)
		if _, err := w.SetMembership(t.Context(), join); !fault.Is(err, fault.Forbidden) {
			t.Errorf("banned: %v", err)
		}
		if err := w.Forget(t.Context(), r, bob); err != nil {
			t.Error(err)
		}
		rooms, err := w.RoomsOf(t.Context(), bob)
		if err != nil || len(rooms) != 2 || !slices.ContainsFunc(rooms, func(m room.Member) bool { return m.Room == r && m.Forgotten && m.Membership == event.Ban }) {
			t.Errorf("%+v, %v", rooms, err)
		}
		if err := w.Forget(t.Context(), r, carol); !fault.Is(err, fault.NotFound) {
			t.Errorf("forgot a room that carol never was in: %v", err)
		}
		if _, err := w.SetMembership(t.Context(), room.MembershipRequest{Room: r, Sender: alice, Target: stranger, Membership: event.Invite}); !fault.Is(err, fault.Unavailable) {
			t.Errorf("an invitation over federation: %v", err)
		}
	})
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		r := create(t, w, room.CreateRequest{})
		var all []*room.Event
		for i := range 25 {
			all = append(all, say(t, w, r, alice, fmt.Sprint(i)))
			say(t, w, create(t, w, room.CreateRequest{}), alice, "elsewhere")
		}
		for _, backward := range []bool{false, true} {
			from, to := all[4].Order, all[20].Order
			if backward {
				from, to = to, from
			}
			var got []string
			for pages := 0; ; pages++ {
				events, end, more, err := w.Timeline(t.Context(), r, room.TimelineRequest{From: from, To: to, Backward: backward, Limit: 6})
				if err != nil || pages > 5 {
					t.Fatal(err)
				}
				for _, e := range events {
					body, _ := e.Content().Get("body").Str()
					got = append(got, body)
				}
				if from = end; !more {
					break
				}
			}
			if backward {
				slices.Reverse(got)
			}
			if len(got) != 16 || got[0] != "5" || got[15] != "20" {
				t.Errorf("backward %v: %v", backward, got)
			}
		}
	})
}

// A write that fails takes the room back to the disk: nothing is acknowledged that
// is not there, and the room goes on.
func TestFailedWrites(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		r := create(t, w, room.CreateRequest{})
		say(t, w, r, alice, "before")
		// The next event's number is taken: its write fails, and so must those that
		// were built on it.
		next := timeline(t, w, r)[len(timeline(t, w, r))-1].NID + 1
		if err := w.db.Update(t.Context(), func(tx *db.Tx) error {
			return tx.Exec(`INSERT INTO room_events (nid, room, id, ord, snapshot, after, flags, json) VALUES ($1, 0, 'x', -1, 0, 0, 0, $2)`, next, []byte("{}"))
		}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		good, bad := 0, 0
		for i := range 20 {
			wg.Go(func() {
				_, err := w.Send(t.Context(), room.Draft{Room: r, Sender: alice, Type: "x", Content: fmt.Appendf(nil, `{"i":%d}`, i)})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					good++
				} else {
					bad++
				}
			})
		}
		wg.Wait()
		if bad == 0 {
			t.Error("no write failed")
		}
		say(t, w, r, alice, "after")
		got := 0
		for _, e := range timeline(t, w, r) {
			if e.Type() == "x" {
				got++
			}
		}
		if got != good {
			t.Errorf("%d events are there, %d were acknowledged", got, good)
		}
		if err := w.db.Update(t.Context(), func(tx *db.Tx) error { return tx.Exec(`DELETE FROM room_events WHERE room = 0`) }); err != nil {
			t.Fatal(err)
		}
		if err := w.db.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Send(t.Context(), room.Draft{Room: r, Sender: alice, Type: "x", Content: []byte(`{}`)}); err == nil {
			t.Error("sent into a closed database")
		}
	})
}

// The check finds what it is for.
func TestCheckFinds(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{
		"an event that is gone":    `DELETE FROM room_events WHERE nid = (SELECT MAX(nid) - 3 FROM room_events)`,
		"a state entry":            `UPDATE room_snapshots SET event = event + 1 WHERE nid = 3`,
		"a membership":             `UPDATE room_members SET membership = 'ban'`,
		"a membership that is not": `INSERT INTO room_members (user_id, room, membership, event, forgotten) VALUES ('@x:y', 1, 'join', 1, FALSE)`,
		"the forward extremities":  `UPDATE room_rooms SET ends = '1'`,
		"the last event":           `UPDATE room_rooms SET last = 1`,
		"the current state":        `UPDATE room_rooms SET snapshot = 2`,
		"a message's state before": `UPDATE room_events SET snapshot = 2 WHERE nid = (SELECT MAX(nid) FROM room_events)`,
	} {
		d := dbtest.Open(t, dbtest.Address(t, db.SQLite))
		last, err := room.Migrate(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{db: d, streams: stream.NewSet(stream.Token{stream.Events: last})}
		if w.Engine, err = room.Open(t.Context(), room.Config{Server: "example.org", KeyID: "ed25519:1", Key: ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", 32)))}, d, w.streams); err != nil {
			t.Fatal(err)
		}
		r := create(t, w, room.CreateRequest{Name: "x"})
		for i := range 5 {
			say(t, w, r, alice, fmt.Sprint(i))
		}
		if err := d.Update(t.Context(), func(tx *db.Tx) error { return tx.Exec(damage) }); err != nil {
			t.Fatal(err)
		}
		problems := 0
		if err := w.Check(t.Context(), func(string) { problems++ }); err == nil && problems == 0 {
			t.Errorf("%s: nothing was found", name)
		}
	}
}
