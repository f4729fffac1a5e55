package account_test

import (
	"bytes"
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
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/server/account"
	"github.com/hanse-im/hanse/server/fault"
	"github.com/hanse-im/hanse/server/stream"
)

const (
	alice = id.User("@alice:example.org")
	bob   = id.User("@bob:example.org")
)

// cheap is a cost for tests; what it takes is not what they are about.
var cheap = account.Cost{MemoryKiB: 64, Passes: 1}

type world struct {
	*account.Accounts
	db      *db.DB
	streams *stream.Set
	time    atomic.Int64 // milliseconds
}

func open(t testing.TB, d *db.DB, edit func(*account.Config)) *world {
	t.Helper()
	w := &world{db: d}
	w.time.Store(1_700_000_000_000)
	cfg := account.Config{Server: "example.org", Cost: cheap, Now: func() time.Time { return time.UnixMilli(w.time.Load()) }}
	if edit != nil {
		edit(&cfg)
	}
	last, err := account.Migrate(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	w.streams = stream.NewSet(stream.Token{stream.AccountData: last})
	w.Accounts = account.Open(cfg, d, w.streams)
	return w
}

func each(t *testing.T, test func(t *testing.T, w *world)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) { test(t, open(t, d, nil)) })
}

func register(t testing.TB, w *world, user id.User, password string) {
	t.Helper()
	if err := w.Register(t.Context(), user, password); err != nil {
		t.Fatal(err)
	}
}

func login(t testing.TB, w *world, q account.LoginRequest) *account.Session {
	t.Helper()
	s, err := w.Login(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func isFault(err error, kind fault.Kind, code string) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Kind == kind && f.Code == code
}

func TestRegister(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		register(t, w, alice, "wonderland")
		for name, c := range map[string]struct {
			user     id.User
			password string
			kind     fault.Kind
			code     string
		}{
			"taken":          {alice, "x", fault.Conflict, "M_USER_IN_USE"},
			"capitals":       {"@Alice:example.org", "x", fault.Invalid, "M_INVALID_USERNAME"},
			"empty":          {"@:example.org", "x", fault.Invalid, "M_INVALID_USERNAME"},
			"no user":        {"alice", "x", fault.Invalid, "M_INVALID_USERNAME"},
			"another server": {"@alice:elsewhere.org", "x", fault.Invalid, "M_INVALID_USERNAME"},
			"long password":  {bob, strings.Repeat("x", 1025), fault.Invalid, ""},
			"invalid UTF-8":  {bob, "\xff", fault.Invalid, ""},
		} {
			if err := w.Register(t.Context(), c.user, c.password); !isFault(err, c.kind, c.code) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := w.User(t.Context(), bob); !fault.Is(err, fault.NotFound) {
			t.Errorf("bob is there: %v", err)
		}
		u, err := w.User(t.Context(), alice)
		if err != nil || u.ID != alice || u.Admin || u.Created != w.time.Load() {
			t.Errorf("%+v, %v", u, err)
		}
		strict := open(t, w.db, func(c *account.Config) { c.MinPassword = 8 })
		if err := strict.Register(t.Context(), bob, "größe12"); !isFault(err, fault.Invalid, "M_WEAK_PASSWORD") {
			t.Errorf("a short password: %v", err)
		}
		register(t, strict, bob, "größe123")
		// The password is nowhere in the database.
		var stored string
		if err := w.db.View(t.Context(), func(tx *db.Tx) error {
			return tx.Get(`SELECT password FROM account_users WHERE user_id = $1`, db.Args(string(alice)), &stored)
		}); err != nil || !strings.HasPrefix(stored, "$argon2id$v=19$m=64,t=1,p=1$") || strings.Contains(stored, "wonderland") {
			t.Errorf("stored is %q, %v", stored, err)
		}
	})
}

// One name goes to one of those who ask for it at once.
func TestRegisterAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		var won atomic.Int32
		for i := range 20 {
			wg.Go(func() {
				switch err := w.Register(t.Context(), alice, fmt.Sprint("password", i)); {
				case err == nil:
					won.Add(1)
				case !isFault(err, fault.Conflict, "M_USER_IN_USE"):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d got the name", won.Load())
		}
	})
}

func TestLogin(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		register(t, w, alice, "wonderland")
		register(t, w, bob, "")
		wrong, err := w.Login(t.Context(), account.LoginRequest{User: alice, Password: "looking glass"})
		if wrong != nil || !fault.Is(err, fault.Forbidden) {
			t.Fatalf("%+v, %v", wrong, err)
		}
		for name, q := range map[string]account.LoginRequest{
			"unknown user":            {User: "@nobody:example.org", Password: "wonderland"},
			"no password":             {User: alice},
			"user without a password": {User: bob},
			"and with one":            {User: bob, Password: "x"},
			"long password":           {User: alice, Password: strings.Repeat("x", 10_000)},
			"user of elsewhere":       {User: "@alice:elsewhere.org", Password: "wonderland"},
		} {
			if _, other := w.Login(t.Context(), q); other == nil || other.Error() != err.Error() {
				t.Errorf("%s: %v, and a wrong password: %v", name, other, err)
			}
		}
		s := login(t, w, account.LoginRequest{User: alice, Password: "wonderland", DisplayName: "Phone"})
		if s.RefreshToken != "" || s.ExpiresIn != 0 || s.Device == "" {
			t.Errorf("%+v", s)
		}
		who, err := w.Authenticate(t.Context(), s.AccessToken)
		if err != nil || who.User != alice || who.Device != s.Device || who.Admin {
			t.Errorf("%+v, %v", who, err)
		}
		// The same device again: its old token ends, its name stays.
		again := login(t, w, account.LoginRequest{User: alice, Password: "wonderland", Device: s.Device, DisplayName: "other"})
		if _, err := w.Authenticate(t.Context(), s.AccessToken); !isFault(err, fault.Forbidden, "M_UNKNOWN_TOKEN") {
			t.Errorf("the old token: %v", err)
		}
		devices, err := w.Devices(t.Context(), alice)
		if err != nil || !slices.Equal(devices, []account.Device{{ID: s.Device, DisplayName: "Phone", Created: w.time.Load()}}) {
			t.Errorf("%+v, %v", devices, err)
		}
		for _, token := range []string{"", "x", again.AccessToken + "x", again.AccessToken[:20], "hanse_", strings.Repeat("hanse_", 1000), "hanse_\x00"} {
			if who, err := w.Authenticate(t.Context(), token); !isFault(err, fault.Forbidden, "M_UNKNOWN_TOKEN") {
				t.Errorf("token %.20q: %+v, %v", token, who, err)
			}
		}
		// Tokens are nowhere in the database.
		if err := w.db.View(t.Context(), func(tx *db.Tx) error {
			for row, err := range tx.Query(`SELECT hash FROM account_tokens`) {
				var hash []byte
				if err := errors.Join(err, row.Scan(&hash)); err != nil {
					return err
				}
				if len(hash) != 32 || bytes.Contains([]byte(again.AccessToken), hash) {
					t.Errorf("hash %x", hash)
				}
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		for name, q := range map[string]account.LoginRequest{
			"device with a newline": {User: alice, Password: "wonderland", Device: "a\nb"},
			"long name":             {User: alice, Password: "wonderland", DisplayName: strings.Repeat("x", 256)},
		} {
			if _, err := w.Login(t.Context(), q); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := w.NewSession(t.Context(), account.LoginRequest{User: "@nobody:example.org"}); !fault.Is(err, fault.Forbidden) {
			t.Errorf("a session for nobody: %v", err)
		}
	})
}

// A password that was hashed at another cost is hashed anew at the next login.
func TestRehash(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		register(t, w, alice, "wonderland")
		dearer := open(t, w.db, func(c *account.Config) { c.Cost = account.Cost{MemoryKiB: 128, Passes: 2} })
		login(t, dearer, account.LoginRequest{User: alice, Password: "wonderland"})
		var stored string
		if err := w.db.View(t.Context(), func(tx *db.Tx) error {
			return tx.Get(`SELECT password FROM account_users WHERE user_id = $1`, db.Args(string(alice)), &stored)
		}); err != nil || !strings.Contains(stored, "m=128,t=2") {
			t.Errorf("%q, %v", stored, err)
		}
		login(t, dearer, account.LoginRequest{User: alice, Password: "wonderland"})
		for _, damaged := range []string{"x", "$argon2id$v=19$m=64,t=1,p=1$x", "$argon2id$v=19$m=99999999,t=1,p=1$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=18$m=64,t=1,p=1$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
			"$argon2id$v=19$m=64,t=1,p=1$*$AAAA", "$argon2id$v=19$m=64,t=0,p=1$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
			if err := w.db.Update(t.Context(), func(tx *db.Tx) error {
				return tx.Exec(`UPDATE account_users SET password = $1`, damaged)
			}); err != nil {
				t.Fatal(err)
			}
			if s, err := w.Login(t.Context(), account.LoginRequest{User: alice, Password: "wonderland"}); err == nil {
				t.Errorf("%q: %+v", damaged, s)
			}
		}
	})
}

// Spec: client-server-api#refreshing-access-tokens, client-server-api#soft-logout
func TestRefresh(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		register(t, w, alice, "wonderland")
		good := func(s *account.Session) bool {
			_, err := w.Authenticate(t.Context(), s.AccessToken)
			return err == nil
		}
		refresh := func(s *account.Session) *account.Session {
			t.Helper()
			next, err := w.Refresh(t.Context(), s.RefreshToken)
			if err != nil {
				t.Fatal(err)
			}
			return next
		}
		one := login(t, w, account.LoginRequest{User: alice, Password: "wonderland", Refresh: true})
		if one.ExpiresIn != 300_000 || one.RefreshToken == "" || !good(one) {
			t.Fatalf("%+v", one)
		}
		w.time.Add(300_000)
		var f *fault.Error
		if _, err := w.Authenticate(t.Context(), one.AccessToken); !errors.As(err, &f) || f.Code != "M_UNKNOWN_TOKEN" || f.Fields["soft_logout"] != true {
			t.Errorf("an expired token: %v", err)
		}
		// The answer gets lost: the refresh token is still good, and gives others.
		lost := refresh(one)
		two := refresh(one)
		if good(lost) {
			t.Error("tokens of an answer that got lost are good")
		}
		if !good(two) || two.Device != one.Device {
			t.Error("new tokens are not good")
		}
		// Now they are used, what they replaced has ended.
		if _, err := w.Refresh(t.Context(), one.RefreshToken); !isFault(err, fault.Forbidden, "M_UNKNOWN_TOKEN") {
			t.Errorf("an old refresh token: %v", err)
		}
		// Using a new refresh token alone ends the old one as well.
		three := refresh(two)
		four := refresh(three)
		if _, err := w.Refresh(t.Context(), two.RefreshToken); !isFault(err, fault.Forbidden, "M_UNKNOWN_TOKEN") {
			t.Errorf("an old refresh token: %v", err)
		}
		if good(two) || !good(four) {
			t.Error("old tokens are good, or new ones are not")
		}
		for name, token := range map[string]string{"an access token": four.AccessToken, "nonsense": "x", "nothing": ""} {
			if _, err := w.Refresh(t.Context(), token); !isFault(err, fault.Forbidden, "M_UNKNOWN_TOKEN") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := w.Authenticate(t.Context(), four.RefreshToken); !isFault(err, fault.Forbidden, "M_UNKNOWN_TOKEN") {
			t.Errorf("a refresh token as an access token: %v", err)
		}
		other := login(t, w, account.LoginRequest{User: alice, Password: "wonderland"})
		five := refresh(four)
		if !good(five) || !good(other) {
			t.Error("another device was logged out")
		}
	})
}

// Spec: client-server-api#account-locking, client-server-api#account-deactivation
func TestAccountsChange(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		register(t, w, alice, "wonderland")
		register(t, w, bob, "builder")
		phone := login(t, w, account.LoginRequest{User: alice, Password: "wonderland", Device: "PHONE"})
		laptop := login(t, w, account.LoginRequest{User: alice, Password: "wonderland", Device: "LAPTOP"})
		bobs := login(t, w, account.LoginRequest{User: bob, Password: "builder"})
		for _, flag := range []account.Flag{account.Admin, account.Suspended} {
			if err := w.Set(ctx, alice, flag, true); err != nil {
				t.Fatal(err)
			}
		}
		if who, err := w.Authenticate(ctx, phone.AccessToken); err != nil || !who.Admin || !who.Suspended {
			t.Errorf("%+v, %v", who, err)
		}
		if err := w.Set(ctx, alice, account.Locked, true); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Authenticate(ctx, phone.AccessToken); !isFault(err, fault.Forbidden, "M_USER_LOCKED") {
			t.Errorf("locked: %v", err)
		}
		if _, err := w.Login(ctx, account.LoginRequest{User: alice, Password: "wonderland"}); !isFault(err, fault.Forbidden, "M_USER_LOCKED") {
			t.Errorf("login while locked: %v", err)
		}
		if _, err := w.Login(ctx, account.LoginRequest{User: alice, Password: "wrong"}); !isFault(err, fault.Forbidden, "") {
			t.Errorf("a wrong password tells that the account is locked: %v", err)
		}
		if err := w.Set(ctx, alice, account.Locked, false); err != nil {
			t.Fatal(err)
		}
		if err := w.SetPassword(ctx, alice, "new", true, "LAPTOP"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Authenticate(ctx, phone.AccessToken); err == nil {
			t.Error("the phone is logged in after a change of the password")
		}
		if _, err := w.Authenticate(ctx, laptop.AccessToken); err != nil {
			t.Errorf("the laptop that changed the password: %v", err)
		}
		if err := w.SetPassword(ctx, alice, "newer", false, ""); err != nil {
			t.Fatal(err)
		}
		if err := w.SetPassword(ctx, alice, "", false, ""); !fault.Is(err, fault.Invalid) {
			t.Errorf("an empty password: %v", err)
		}
		login(t, w, account.LoginRequest{User: alice, Password: "newer", Device: "TABLET"})
		if err := w.RenameDevice(ctx, alice, "TABLET", "Kitchen"); err != nil {
			t.Error(err)
		}
		if err := w.RenameDevice(ctx, bob, "TABLET", "mine now"); !fault.Is(err, fault.NotFound) {
			t.Errorf("somebody else's device: %v", err)
		}
		if err := w.RenameDevice(ctx, alice, "TABLET", strings.Repeat("x", 300)); !fault.Is(err, fault.Invalid) {
			t.Errorf("a long name: %v", err)
		}
		if err := w.DeleteDevices(ctx, alice, "LAPTOP", "NONE", bobs.Device); err != nil {
			t.Error(err)
		}
		if _, err := w.Authenticate(ctx, bobs.AccessToken); err != nil {
			t.Errorf("alice logged bob out: %v", err)
		}
		devices, err := w.Devices(ctx, alice)
		if err != nil || len(devices) != 1 || devices[0].DisplayName != "Kitchen" {
			t.Errorf("%+v, %v", devices, err)
		}
		if err := w.LogoutAll(ctx, bob); err != nil {
			t.Error(err)
		}
		if _, err := w.Authenticate(ctx, bobs.AccessToken); !isFault(err, fault.Forbidden, "M_UNKNOWN_TOKEN") {
			t.Errorf("after logging out everywhere: %v", err)
		}
		tablet := login(t, w, account.LoginRequest{User: alice, Password: "newer", Device: "TABLET", Refresh: true})
		if err := w.Deactivate(ctx, alice); err != nil {
			t.Fatal(err)
		}
		for name, err := range map[string]error{
			"token":       second(w.Authenticate(ctx, tablet.AccessToken)),
			"refresh":     second(w.Refresh(ctx, tablet.RefreshToken)),
			"login":       second(w.Login(ctx, account.LoginRequest{User: alice, Password: "newer"})),
			"session":     second(w.NewSession(ctx, account.LoginRequest{User: alice})),
			"the name":    w.Register(ctx, alice, "x"),
			"password":    w.SetPassword(ctx, alice, "x", false, ""),
			"flag":        w.Set(ctx, alice, account.Admin, true),
			"twice":       w.Deactivate(ctx, alice),
			"odd flag":    w.Set(ctx, bob, "odd", true),
			"nobody":      w.Set(ctx, "@nobody:example.org", account.Admin, true),
			"nobody goes": w.Deactivate(ctx, "@nobody:example.org"),
		} {
			if fault.KindOf(err) == 0 {
				t.Errorf("after deactivation, %s: %v", name, err)
			}
		}
		u, err := w.User(ctx, alice)
		if err != nil || !u.Deactivated || u.Admin {
			t.Errorf("%+v, %v", u, err)
		}
		all, err := w.Users(ctx, "", 10)
		if err != nil || len(all) != 2 || all[0].ID != alice || !all[0].Deactivated || all[1].ID != bob {
			t.Errorf("%+v, %v", all, err)
		}
		if page, err := w.Users(ctx, alice, 1); err != nil || len(page) != 1 || page[0].ID != bob {
			t.Errorf("%+v, %v", page, err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// Many logins at once hash a bounded number at a time, and who gives up waiting is
// let go.
func TestLoginsAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		register(t, w, alice, "wonderland")
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				s, err := w.Login(t.Context(), account.LoginRequest{User: alice, Password: "wonderland"})
				if err != nil {
					t.Error(err)
				} else if _, err := w.Authenticate(t.Context(), s.AccessToken); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		devices, err := w.Devices(t.Context(), alice)
		if err != nil || len(devices) != 30 {
			t.Errorf("%d devices, %v", len(devices), err)
		}
	})
}

func TestClosedDatabase(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		register(t, w, alice, "wonderland")
		s := login(t, w, account.LoginRequest{User: alice, Password: "wonderland"})
		if err := w.db.Close(); err != nil {
			t.Fatal(err)
		}
		for name, err := range map[string]error{
			"authenticate": second(w.Authenticate(t.Context(), s.AccessToken)),
			"login":        second(w.Login(t.Context(), account.LoginRequest{User: alice, Password: "wonderland"})),
			"register":     w.Register(t.Context(), bob, "x"),
			"users":        second(w.Users(t.Context(), "", 1)),
			"devices":      second(w.Devices(t.Context(), alice)),
		} {
			if err == nil || fault.Is(err, fault.Forbidden) || fault.Is(err, fault.NotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
