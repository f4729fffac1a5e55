// Package account keeps the users of this server: their passwords, devices, access
// tokens, profiles, account data and filters. It is the only writer of its tables.
//
// Passwords are stored as argon2id hashes, tokens as SHA-256 hashes of 256 random
// bits. A wrong password and an unknown user get the same answer after the same
// work. What is answered is on disk.
//
//	err := accounts.Register(ctx, user, password)
//	session, err := accounts.Login(ctx, account.LoginRequest{User: user, Password: password})
//	who, err := accounts.Authenticate(ctx, session.AccessToken)
//
// Spec: client-server-api#client-authentication
package account

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"time"

	"github.com/hanse-im/hanse/infra/db"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/server/fault"
	"github.com/hanse-im/hanse/server/stream"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config is what the accounts of a server need to know.
type Config struct {
	Server id.Server
	// Now is the clock; nil for time.Now.
	Now func() time.Time
	// Cost of passwords; zero for DefaultCost.
	Cost Cost
	// MinPassword is the least number of characters; 0 for none.
	MinPassword int
	// TokenLife is how long an access token lives whose client can refresh it; 0 for
	// five minutes.
	TokenLife time.Duration
	// Changed is told of users whose account data has changed, once it can be read;
	// nil if nobody wants to know. It must be quick and must not call back.
	Changed func(id.User)
}

// Accounts keeps the users of one server. It is safe for concurrent use.
type Accounts struct {
	cfg     Config
	db      *db.DB
	streams *stream.Set
	hasher  *hasher
}

// Migrate brings the tables up to date and gives the last position of the stream of
// account data, where the streams go on.
func Migrate(ctx context.Context, d *db.DB) (last stream.Position, err error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0, err
	}
	if err := d.Migrate(ctx, "account", files); err != nil {
		return 0, err
	}
	err = d.View(ctx, func(tx *db.Tx) error {
		return tx.Get(`SELECT COALESCE(MAX(pos), 0) FROM account_data`, nil, &last)
	})
	return last, err
}

// Open starts on tables that Migrate has seen.
func Open(cfg Config, d *db.DB, streams *stream.Set) *Accounts {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Cost == (Cost{}) {
		cfg.Cost = DefaultCost
	}
	if cfg.TokenLife == 0 {
		cfg.TokenLife = 5 * time.Minute
	}
	return &Accounts{cfg: cfg, db: d, streams: streams, hasher: newHasher(cfg.Cost, runtime.NumCPU())}
}

// User is an account.
type User struct {
	ID          id.User
	Admin       bool
	Locked      bool
	Suspended   bool
	Deactivated bool
	// Created is milliseconds since 1970.
	Created int64
}

// unavailable turns the database's errors into faults.
func unavailable(doing string, err error) error {
	if err == nil || fault.KindOf(err) != 0 || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, db.ErrUnavailable) {
		return fault.New(fault.Unavailable, "the server cannot do that now, try again: %w", err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func (a *Accounts) now() int64 { return a.cfg.Now().UnixMilli() }

// Register makes an account. An empty password makes one that cannot log in with
// one. It is Conflict if the name is taken, also by an account that was deactivated,
// and Invalid if the name or the password cannot be one.
//
// Spec: client-server-api#legacy-account-registration
func (a *Accounts) Register(ctx context.Context, user id.User, password string) error {
	if _, err := id.ParseUser(string(user)); err != nil {
		return fault.New(fault.Invalid, "%w", err).Coded("M_INVALID_USERNAME")
	}
	if user.Server() != a.cfg.Server {
		return fault.New(fault.Invalid, "%s is not of this server", user).Coded("M_INVALID_USERNAME")
	}
	stored := ""
	if password != "" {
		if err := a.checkPassword(password); err != nil {
			return err
		}
		var err error
		if stored, err = a.hasher.hash(ctx, password); err != nil {
			return err
		}
	}
	err := a.db.Update(ctx, func(tx *db.Tx) error {
		return tx.Exec(`INSERT INTO account_users (user_id, password, created) VALUES ($1, $2, $3)`, string(user), stored, a.now())
	})
	if db.IsConflict(err) {
		return fault.New(fault.Conflict, "the name %s is taken", user.Localpart()).Coded("M_USER_IN_USE")
	}
	return unavailable("register", err)
}

const sqlUser = `SELECT admin, locked, suspended, deactivated, created FROM account_users WHERE user_id = $1`

// User finds an account: NotFound if there is none.
func (a *Accounts) User(ctx context.Context, user id.User) (*User, error) {
	u := &User{ID: user}
	err := a.db.View(ctx, func(tx *db.Tx) error {
		return tx.Get(sqlUser, db.Args(string(user)), &u.Admin, &u.Locked, &u.Suspended, &u.Deactivated, &u.Created)
	})
	if errors.Is(err, db.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "there is no user %s", user)
	}
	if err != nil {
		return nil, unavailable("read user", err)
	}
	return u, nil
}

// Users lists the accounts behind one, in the order of their IDs.
func (a *Accounts) Users(ctx context.Context, behind id.User, limit int) (out []User, err error) {
	err = a.db.View(ctx, func(tx *db.Tx) error {
		for row, err := range tx.Query(`SELECT user_id, admin, locked, suspended, deactivated, created FROM account_users WHERE user_id > $1 ORDER BY user_id LIMIT $2`, string(behind), limit) {
			if err != nil {
				return err
			}
			var u User
			var userID string
			if err := row.Scan(&userID, &u.Admin, &u.Locked, &u.Suspended, &u.Deactivated, &u.Created); err != nil {
				return err
			}
			u.ID = id.User(userID)
			out = append(out, u)
		}
		return nil
	})
	return out, unavailable("list users", err)
}

// Flag is something that is so or not of an account.
type Flag string

// The flags that operators set.
const (
	Admin     Flag = "admin"
	Locked    Flag = "locked"
	Suspended Flag = "suspended"
)

// sets are the statements that set a flag.
var sets = map[Flag]string{
	Admin:     `UPDATE account_users SET admin = $2 WHERE user_id = $1 AND NOT deactivated`,
	Locked:    `UPDATE account_users SET locked = $2 WHERE user_id = $1 AND NOT deactivated`,
	Suspended: `UPDATE account_users SET suspended = $2 WHERE user_id = $1 AND NOT deactivated`,
}

// Set sets a flag of an account that is not deactivated.
func (a *Accounts) Set(ctx context.Context, user id.User, flag Flag, on bool) error {
	query, ok := sets[flag]
	if !ok {
		return fault.New(fault.Invalid, "there is no flag %q", flag)
	}
	return a.changeUser(ctx, user, func(tx *db.Tx) (int64, error) { return tx.ExecCount(query, string(user), on) })
}

// changeUser runs a change that must hit one account.
func (a *Accounts) changeUser(ctx context.Context, user id.User, change func(*db.Tx) (int64, error)) error {
	err := a.db.Update(ctx, func(tx *db.Tx) error {
		n, err := change(tx)
		if err == nil && n == 0 {
			return fault.New(fault.NotFound, "there is no active user %s", user)
		}
		return err
	})
	return unavailable("change user", err)
}

// SetPassword changes a password; all other devices than keep are logged out if
// logout is set.
//
// Spec: client-server-api#legacy-account-management
func (a *Accounts) SetPassword(ctx context.Context, user id.User, password string, logout bool, keep id.Device) error {
	if err := a.checkPassword(password); err != nil {
		return err
	}
	stored, err := a.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	return a.changeUser(ctx, user, func(tx *db.Tx) (int64, error) {
		n, err := tx.ExecCount(`UPDATE account_users SET password = $2 WHERE user_id = $1 AND NOT deactivated`, string(user), stored)
		if err != nil || n == 0 || !logout {
			return n, err
		}
		return n, dropDevices(tx, user, keep)
	})
}

// Deactivate ends an account for good: nobody can log in to it or register its name
// again.
//
// Spec: client-server-api#legacy-account-management
func (a *Accounts) Deactivate(ctx context.Context, user id.User) error {
	return a.changeUser(ctx, user, func(tx *db.Tx) (int64, error) {
		n, err := tx.ExecCount(`UPDATE account_users SET deactivated = TRUE, password = '', admin = FALSE WHERE user_id = $1 AND NOT deactivated`, string(user))
		if err != nil || n == 0 {
			return n, err
		}
		for _, table := range []string{`DELETE FROM account_data WHERE user_id = $1`, `DELETE FROM account_profiles WHERE user_id = $1`, `DELETE FROM account_filters WHERE user_id = $1`} {
			if err := tx.Exec(table, string(user)); err != nil {
				return n, err
			}
		}
		return n, dropDevices(tx, user, "")
	})
}

// dropDevices deletes all devices of a user but one, with their tokens.
func dropDevices(tx *db.Tx, user id.User, keep id.Device) error {
	if err := tx.Exec(`DELETE FROM account_tokens WHERE user_id = $1 AND device_id <> $2`, string(user), string(keep)); err != nil {
		return err
	}
	return tx.Exec(`DELETE FROM account_devices WHERE user_id = $1 AND device_id <> $2`, string(user), string(keep))
}
