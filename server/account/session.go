package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/hanse-im/hanse/infra/db"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/server/fault"
)

// Tokens look alike whatever they are for, and can be told from other secrets by
// programs that search for leaked ones.
const tokenPrefix = "hanse_"

func newToken() (token string, hash []byte) {
	secret := make([]byte, 32)
	rand.Read(secret)
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(secret)
	return token, hashToken(token)
}

// hashToken is what is stored of a token. Tokens are random, so a fast hash will do,
// and looking a hash up tells nothing about the token by the time it takes.
func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// LoginRequest asks for a session by password.
type LoginRequest struct {
	User     id.User
	Password string
	// Device is the device to log in; empty for a new one. DisplayName is the name of
	// a new one.
	Device      id.Device
	DisplayName string
	// Refresh: the client can refresh tokens, so they may expire.
	Refresh bool
}

// Session is what a login gives.
type Session struct {
	User        id.User
	Device      id.Device
	AccessToken string
	// RefreshToken is empty and ExpiresIn 0 if the client cannot refresh.
	RefreshToken string
	// ExpiresIn is in milliseconds.
	ExpiresIn int64
}

// errLogin is the one answer to a login that fails, whatever it fails for.
func errLogin() error {
	return fault.New(fault.Forbidden, "the user or the password is wrong")
}

// Login checks a password and makes a session. It is Forbidden if user or password
// are wrong, which cannot be told apart by answer or time; and, with the right
// password only, if the account was deactivated or is locked.
//
// Spec: client-server-api#login
func (a *Accounts) Login(ctx context.Context, q LoginRequest) (*Session, error) {
	var stored string
	var locked bool
	err := a.db.View(ctx, func(tx *db.Tx) error {
		return tx.Get(`SELECT password, locked FROM account_users WHERE user_id = $1 AND NOT deactivated`, db.Args(string(q.User)), &stored, &locked)
	})
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return nil, unavailable("log in", err)
	}
	ok, weak, err := a.hasher.verify(ctx, stored, q.Password)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errLogin()
	}
	if locked {
		return nil, fault.New(fault.Forbidden, "this account is locked").Coded("M_USER_LOCKED")
	}
	rehashed := ""
	if weak {
		if rehashed, err = a.hasher.hash(ctx, q.Password); err != nil {
			return nil, err
		}
	}
	return a.newSession(ctx, q, func(tx *db.Tx) error {
		if rehashed == "" {
			return nil
		}
		return tx.Exec(`UPDATE account_users SET password = $2 WHERE user_id = $1 AND password = $3`, string(q.User), rehashed, stored)
	})
}

// NewSession makes a session for a user whose right to it was checked in another
// way: by registration, by a login token, by an operator.
func (a *Accounts) NewSession(ctx context.Context, q LoginRequest) (*Session, error) {
	return a.newSession(ctx, q, func(*db.Tx) error { return nil })
}

func (a *Accounts) newSession(ctx context.Context, q LoginRequest, also func(*db.Tx) error) (*Session, error) {
	s := &Session{User: q.User, Device: q.Device}
	if s.Device == "" {
		s.Device = id.Device(rand.Text()[:10])
	} else if _, err := id.ParseDevice(string(s.Device)); err != nil {
		return nil, fault.New(fault.Invalid, "%w", err)
	}
	if len(q.DisplayName) > 255 {
		return nil, fault.New(fault.Invalid, "the device's name is longer than 255 bytes")
	}
	err := a.db.Update(ctx, func(tx *db.Tx) error {
		var gone bool
		if err := tx.Get(`SELECT deactivated FROM account_users WHERE user_id = $1`, db.Args(string(q.User)), &gone); errors.Is(err, db.ErrNoRows) || (err == nil && gone) {
			return errLogin()
		} else if err != nil {
			return err
		}
		if err := also(tx); err != nil {
			return err
		}
		// A device that logs in again loses its old tokens and keeps its name.
		if err := tx.Exec(`DELETE FROM account_tokens WHERE user_id = $1 AND device_id = $2`, string(s.User), string(s.Device)); err != nil {
			return err
		}
		if err := tx.Exec(`INSERT INTO account_devices (user_id, device_id, display_name, created) VALUES ($1, $2, $3, $4) ON CONFLICT (user_id, device_id) DO NOTHING`,
			string(s.User), string(s.Device), q.DisplayName, a.now()); err != nil {
			return err
		}
		return a.issue(tx, s, q.Refresh, nil)
	})
	if err != nil {
		return nil, unavailable("make session", err)
	}
	return s, nil
}

const sqlToken = `INSERT INTO account_tokens (hash, user_id, device_id, refresh, expires, parent) VALUES ($1, $2, $3, $4, $5, $6)`

// issue gives a session new tokens.
func (a *Accounts) issue(tx *db.Tx, s *Session, refresh bool, parent []byte) error {
	var hash []byte
	expires := int64(0)
	s.AccessToken, hash = newToken()
	if refresh {
		s.ExpiresIn = a.cfg.TokenLife.Milliseconds()
		expires = a.now() + s.ExpiresIn
	}
	if err := tx.Exec(sqlToken, hash, string(s.User), string(s.Device), false, expires, parent); err != nil || !refresh {
		return err
	}
	s.RefreshToken, hash = newToken()
	return tx.Exec(sqlToken, hash, string(s.User), string(s.Device), true, 0, parent)
}

// Identity is whom an access token stands for.
type Identity struct {
	User   id.User
	Device id.Device
	Admin  bool
	// Suspended: the user may read and leave, and little else.
	Suspended bool
}

// errToken is the answer to a token that is not good.
func errToken(soft bool) error {
	f := fault.New(fault.Forbidden, "the access token is not known; log in again").Coded("M_UNKNOWN_TOKEN")
	if soft {
		f.Message = "the access token has expired; refresh it"
		return f.With("soft_logout", true)
	}
	return f
}

type tokenRow struct {
	user, device string
	expires      int64
	parent       []byte
}

// Authenticate says whom an access token stands for. A token that is not known is
// Forbidden with M_UNKNOWN_TOKEN; one that has expired and can be refreshed, with
// soft_logout too; one of a locked account with M_USER_LOCKED. With the first use of
// a token that a refresh gave, what it replaced ends.
//
// Spec: client-server-api#using-access-tokens, client-server-api#refreshing-access-tokens
func (a *Accounts) Authenticate(ctx context.Context, token string) (*Identity, error) {
	if !strings.HasPrefix(token, tokenPrefix) || len(token) > 100 {
		return nil, errToken(false)
	}
	hash := hashToken(token)
	var t tokenRow
	var who Identity
	var locked bool
	err := a.db.View(ctx, func(tx *db.Tx) error {
		return tx.Get(`SELECT t.user_id, t.device_id, t.expires, t.parent, u.admin, u.suspended, u.locked FROM account_tokens t JOIN account_users u ON u.user_id = t.user_id
			WHERE t.hash = $1 AND NOT t.refresh AND NOT u.deactivated`, db.Args(hash), &t.user, &t.device, &t.expires, &t.parent, &who.Admin, &who.Suspended, &locked)
	})
	switch {
	case errors.Is(err, db.ErrNoRows):
		return nil, errToken(false)
	case err != nil:
		return nil, unavailable("authenticate", err)
	case t.expires > 0 && t.expires <= a.now():
		return nil, errToken(true)
	case locked:
		return nil, fault.New(fault.Forbidden, "this account is locked").Coded("M_USER_LOCKED").With("soft_logout", true)
	}
	if t.parent != nil {
		if err := a.db.Update(ctx, func(tx *db.Tx) error { return settle(tx, t, hash) }); err != nil {
			return nil, unavailable("authenticate", err)
		}
	}
	who.User, who.Device = id.User(t.user), id.Device(t.device)
	return &who, nil
}

// settle ends what a refresh replaced, once something that it gave is used: the old
// tokens of the device, and those of other refreshes with the same token.
func settle(tx *db.Tx, t tokenRow, used []byte) error {
	if err := tx.Exec(`DELETE FROM account_tokens WHERE user_id = $1 AND device_id = $2 AND (parent IS NULL OR parent <> $3)`, t.user, t.device, t.parent); err != nil {
		return err
	}
	return tx.Exec(`UPDATE account_tokens SET parent = NULL WHERE parent = $1`, t.parent)
}

// Refresh changes a refresh token for new tokens. The old one stays good until one of
// the new ones is used, so that an answer that gets lost costs nobody the session.
//
// Spec: client-server-api#refreshing-access-tokens
func (a *Accounts) Refresh(ctx context.Context, token string) (*Session, error) {
	hash := hashToken(token)
	var s *Session
	err := a.db.Update(ctx, func(tx *db.Tx) error {
		var t tokenRow
		err := tx.Get(`SELECT t.user_id, t.device_id, t.parent FROM account_tokens t JOIN account_users u ON u.user_id = t.user_id
			WHERE t.hash = $1 AND t.refresh AND NOT u.deactivated`, db.Args(hash), &t.user, &t.device, &t.parent)
		if errors.Is(err, db.ErrNoRows) {
			return errToken(false)
		}
		if err != nil {
			return err
		}
		if t.parent != nil {
			if err := settle(tx, t, hash); err != nil {
				return err
			}
		}
		// A refresh whose answer got lost leaves tokens that nobody has.
		if err := tx.Exec(`DELETE FROM account_tokens WHERE parent = $1`, hash); err != nil {
			return err
		}
		s = &Session{User: id.User(t.user), Device: id.Device(t.device)}
		return a.issue(tx, s, true, hash)
	})
	if err != nil {
		return nil, unavailable("refresh", err)
	}
	return s, nil
}

// Device is a device of a user.
type Device struct {
	ID          id.Device
	DisplayName string
	// Created is milliseconds since 1970.
	Created int64
}

// Devices lists a user's devices, in the order of their IDs.
//
// Spec: client-server-api/modules/device_management#client-behaviour
func (a *Accounts) Devices(ctx context.Context, user id.User) (out []Device, err error) {
	err = a.db.View(ctx, func(tx *db.Tx) error {
		for row, err := range tx.Query(`SELECT device_id, display_name, created FROM account_devices WHERE user_id = $1 ORDER BY device_id`, string(user)) {
			if err != nil {
				return err
			}
			var d Device
			var deviceID string
			if err := row.Scan(&deviceID, &d.DisplayName, &d.Created); err != nil {
				return err
			}
			d.ID = id.Device(deviceID)
			out = append(out, d)
		}
		return nil
	})
	return out, unavailable("list devices", err)
}

// RenameDevice gives a device another name: NotFound if the user has no such device.
func (a *Accounts) RenameDevice(ctx context.Context, user id.User, device id.Device, name string) error {
	if len(name) > 255 {
		return fault.New(fault.Invalid, "the device's name is longer than 255 bytes")
	}
	err := a.db.Update(ctx, func(tx *db.Tx) error {
		n, err := tx.ExecCount(`UPDATE account_devices SET display_name = $3 WHERE user_id = $1 AND device_id = $2`, string(user), string(device), name)
		if err == nil && n == 0 {
			return fault.New(fault.NotFound, "you have no device %.64q", device)
		}
		return err
	})
	return unavailable("rename device", err)
}

// DeleteDevices deletes devices of a user with their tokens; devices that are not
// there are passed over.
func (a *Accounts) DeleteDevices(ctx context.Context, user id.User, devices ...id.Device) error {
	err := a.db.Update(ctx, func(tx *db.Tx) error {
		for _, d := range devices {
			if err := tx.Exec(`DELETE FROM account_tokens WHERE user_id = $1 AND device_id = $2`, string(user), string(d)); err != nil {
				return err
			}
			if err := tx.Exec(`DELETE FROM account_devices WHERE user_id = $1 AND device_id = $2`, string(user), string(d)); err != nil {
				return err
			}
		}
		return nil
	})
	return unavailable("delete devices", err)
}

// LogoutAll deletes all devices of a user.
//
// Spec: client-server-api#login
func (a *Accounts) LogoutAll(ctx context.Context, user id.User) error {
	return unavailable("log out", a.db.Update(ctx, func(tx *db.Tx) error { return dropDevices(tx, user, "") }))
}
