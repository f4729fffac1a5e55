package account_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hanse-im/hanse/infra/db"
	"github.com/hanse-im/hanse/infra/db/dbtest"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/server/account"
	"github.com/hanse-im/hanse/server/fault"
	"github.com/hanse-im/hanse/server/stream"
)

// Spec: client-server-api/modules/account_data#client-behaviour
func TestAccountData(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var told atomic.Int32
		w := open(t, d, func(c *account.Config) {
			c.Changed = func(u id.User) {
				if u == alice {
					told.Add(1)
				}
			}
		})
		ctx := t.Context()
		set := func(room id.Room, typ, content string) {
			t.Helper()
			if err := w.SetData(ctx, alice, room, typ, []byte(content)); err != nil {
				t.Fatal(err)
			}
		}
		set("", "m.direct", `{ "@bob:x": ["!a:b"] }`)
		set("!a:b", "m.tag", `{"tags":{"u.work":{"order":0.9}}}`)
		set("", "m.direct", `{}`)
		got, err := w.GetData(ctx, alice, "!a:b", "m.tag")
		if err != nil || string(got.Content) != `{"tags":{"u.work":{"order":0.9}}}` {
			t.Errorf("%+v, %v", got, err)
		}
		for _, c := range []struct {
			user id.User
			room id.Room
			typ  string
		}{{alice, "", "m.tag"}, {bob, "!a:b", "m.tag"}, {alice, "!c:d", "m.tag"}} {
			if got, err := w.GetData(ctx, c.user, c.room, c.typ); !fault.Is(err, fault.NotFound) {
				t.Errorf("%v: %+v, %v", c, got, err)
			}
		}
		all, err := w.DataSince(ctx, alice, 0, w.streams.Published(stream.AccountData))
		if err != nil || len(all) != 2 || all[0].Type != "m.tag" || all[1].Type != "m.direct" || all[1].Position != 3 || string(all[1].Content) != "{}" {
			t.Errorf("%+v, %v", all, err)
		}
		if some, err := w.DataSince(ctx, alice, 2, 3); err != nil || len(some) != 1 || some[0].Type != "m.direct" {
			t.Errorf("%+v, %v", some, err)
		}
		if n := told.Load(); n != 3 {
			t.Errorf("told %d times", n)
		}
		for name, c := range map[string]struct {
			typ, content, code string
			kind               fault.Kind
		}{
			"no JSON":   {"a", "{", "M_BAD_JSON", fault.Invalid},
			"no object": {"a", "[]", "M_BAD_JSON", fault.Invalid},
			"too large": {"a", `{"a":"` + strings.Repeat("x", 1<<20) + `"}`, "M_TOO_LARGE", fault.Limited},
			"no type":   {"", "{}", "M_INVALID_PARAM", fault.Invalid},
			"long type": {strings.Repeat("a", 256), "{}", "M_INVALID_PARAM", fault.Invalid},
		} {
			if err := w.SetData(ctx, alice, "", c.typ, []byte(c.content)); !isFault(err, c.kind, c.code) {
				t.Errorf("%s: %v", name, err)
			}
		}
		// Many at once: each is there, and every position that is published can be read.
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				if err := w.SetData(ctx, alice, "", fmt.Sprint("type", i%10), fmt.Appendf(nil, `{"i":%d}`, i)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if all, err := w.DataSince(ctx, alice, 3, 1<<60); err != nil || len(all) != 10 {
			t.Errorf("%d pieces, %v", len(all), err)
		}
		again := open(t, d, nil)
		if got, want := again.streams.Published(stream.AccountData), w.streams.Published(stream.AccountData); got != want {
			t.Errorf("after a restart the stream goes on at %d, not %d", got, want)
		}
	})
}

// Spec: client-server-api#profiles
func TestProfile(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		register(t, w, alice, "wonderland")
		set := func(field, value string) error { return w.SetProfileField(ctx, alice, field, []byte(value)) }
		for field, value := range map[string]string{"displayname": `"Alice"`, "avatar_url": `"mxc://example.org/abc"`, "m.tz": `"Europe/Berlin"`, "org.example.x": `{"b":[1],"a":null}`} {
			if err := set(field, value); err != nil {
				t.Error(err)
			}
		}
		if err := set("displayname", `"Alice L."`); err != nil {
			t.Error(err)
		}
		got, err := w.Profile(ctx, alice)
		if err != nil || string(got) != `{"avatar_url":"mxc://example.org/abc","displayname":"Alice L.","m.tz":"Europe/Berlin","org.example.x":{"a":null,"b":[1]}}` {
			t.Errorf("%s, %v", got, err)
		}
		for name, c := range map[string]struct{ field, value, code string }{
			"no JSON":            {"x", `{`, "M_BAD_JSON"},
			"fraction":           {"x", `1.5`, "M_BAD_JSON"},
			"name is a number":   {"displayname", `1`, "M_INVALID_PARAM"},
			"name too long":      {"displayname", `"` + strings.Repeat("x", 1025) + `"`, "M_INVALID_PARAM"},
			"avatar is a script": {"avatar_url", `"javascript:alert(1)"`, "M_INVALID_PARAM"},
			"no field":           {"", `1`, "M_KEY_TOO_LARGE"},
			"field too long":     {strings.Repeat("x", 256), `1`, "M_KEY_TOO_LARGE"},
			"profile too large":  {"x", `"` + strings.Repeat("x", 65_500) + `"`, "M_PROFILE_TOO_LARGE"},
		} {
			if err := set(c.field, c.value); !isFault(err, fault.Invalid, c.code) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := set("avatar_url", `""`); err != nil {
			t.Errorf("an empty avatar: %v", err)
		}
		if err := w.SetProfileField(ctx, alice, "org.example.x", nil); err != nil {
			t.Error(err)
		}
		if got, err := w.Profile(ctx, alice); err != nil || strings.Contains(string(got), "org.example") {
			t.Errorf("%s, %v", got, err)
		}
		if _, err := w.Profile(ctx, bob); !fault.Is(err, fault.NotFound) {
			t.Errorf("nobody's profile: %v", err)
		}
		if err := w.Deactivate(ctx, alice); err != nil {
			t.Fatal(err)
		}
		if got, err := w.Profile(ctx, alice); !fault.Is(err, fault.NotFound) {
			t.Errorf("a profile after deactivation: %s, %v", got, err)
		}
	})
}

// Spec: client-server-api#filtering
func TestFilters(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		one, err := w.PutFilter(ctx, alice, []byte(`{"room":{"timeline":{"limit":10}}}`))
		if err != nil {
			t.Fatal(err)
		}
		same, err := w.PutFilter(ctx, alice, []byte(`{ "room": {"timeline": {"limit": 10}} }`))
		if err != nil || same != one {
			t.Errorf("%q and %q, %v", one, same, err)
		}
		if got, err := w.Filter(ctx, alice, one); err != nil || string(got) != `{"room":{"timeline":{"limit":10}}}` {
			t.Errorf("%s, %v", got, err)
		}
		if got, err := w.Filter(ctx, bob, one); !fault.Is(err, fault.NotFound) {
			t.Errorf("somebody else's filter: %s, %v", got, err)
		}
		for _, bad := range []string{"", "[]", `{"a":1.5}`, `{"a":"` + strings.Repeat("x", 70_000) + `"}`} {
			if got, err := w.PutFilter(ctx, alice, []byte(bad)); !isFault(err, fault.Invalid, "M_BAD_JSON") {
				t.Errorf("%.20s: %s, %v", bad, got, err)
			}
		}
	})
}
