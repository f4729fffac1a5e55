package account

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/hanse-im/hanse/infra/db"
	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/server/fault"
	"github.com/hanse-im/hanse/server/stream"
)

// Data is a piece of account data.
type Data struct {
	// Room is empty for data of the account itself.
	Room id.Room
	Type string
	// Content is a JSON object.
	Content canonjson.Value
	// Position is the place of the last change in the stream of account data.
	Position stream.Position
}

// Bounds of account data, for one user.
const (
	maxDataSize = 1 << 20 // bytes of one piece
	maxDataType = 255
	maxData     = 100_000 // pieces
)

// SetData sets a piece of account data and returns once it can be read and synced.
// Content must be a JSON object.
//
// Spec: client-server-api/modules/account_data#client-behaviour
func (a *Accounts) SetData(ctx context.Context, user id.User, room id.Room, typ string, content []byte) error {
	text, err := canonjson.Append(nil, content, canonjson.Lenient) // orders of tags are fractions
	switch {
	case err != nil:
		return fault.New(fault.Invalid, "%w", err).Coded("M_BAD_JSON")
	case canonjson.Value(text).Kind() != canonjson.Object:
		return fault.New(fault.Invalid, "account data must be an object").Coded("M_BAD_JSON")
	case len(text) > maxDataSize:
		return fault.New(fault.Limited, "account data is longer than %d KiB", maxDataSize>>10).Coded("M_TOO_LARGE")
	case typ == "" || len(typ) > maxDataType:
		return fault.New(fault.Invalid, "the type must have 1 to %d bytes", maxDataType).Coded("M_INVALID_PARAM")
	}
	ticket := a.streams.Reserve(stream.AccountData)
	err = a.db.Update(ctx, func(tx *db.Tx) error {
		n, err := tx.ExecCount(`UPDATE account_data SET content = $4, pos = $5 WHERE user_id = $1 AND room = $2 AND type = $3`, string(user), string(room), typ, text, int64(ticket.Position))
		if err != nil || n > 0 {
			return err
		}
		if err := tx.Get(`SELECT COUNT(*) FROM account_data WHERE user_id = $1`, db.Args(string(user)), &n); err != nil {
			return err
		}
		if n >= maxData {
			return fault.New(fault.Limited, "there are %d pieces of account data already", maxData).Coded("M_USER_LIMIT_EXCEEDED")
		}
		return tx.Exec(`INSERT INTO account_data (user_id, room, type, content, pos) VALUES ($1, $2, $3, $4, $5)`, string(user), string(room), typ, text, int64(ticket.Position))
	})
	if err != nil {
		ticket.Finish(nil)
		return unavailable("set account data", err)
	}
	readable := make(chan struct{})
	ticket.Finish(func() {
		if a.cfg.Changed != nil {
			a.cfg.Changed(user)
		}
		close(readable)
	})
	<-readable
	return nil
}

const sqlData = `SELECT room, type, content, pos FROM account_data WHERE user_id = $1 `

// GetData reads a piece of account data: NotFound if there is none.
func (a *Accounts) GetData(ctx context.Context, user id.User, room id.Room, typ string) (*Data, error) {
	all, err := a.readData(ctx, sqlData+`AND room = $2 AND type = $3`, string(user), string(room), typ)
	if err == nil && len(all) == 0 {
		return nil, fault.New(fault.NotFound, "there is no account data of type %.64q", typ)
	}
	if err != nil {
		return nil, err
	}
	return &all[0], nil
}

// DataSince lists the account data of a user that has changed behind from and up to
// to, in the order of the changes.
func (a *Accounts) DataSince(ctx context.Context, user id.User, from, to stream.Position) ([]Data, error) {
	return a.readData(ctx, sqlData+`AND pos > $2 AND pos <= $3 ORDER BY pos`, string(user), int64(from), int64(to))
}

func (a *Accounts) readData(ctx context.Context, query string, args ...any) (out []Data, err error) {
	err = a.db.View(ctx, func(tx *db.Tx) error {
		for row, err := range tx.Query(query, args...) {
			if err != nil {
				return err
			}
			var d Data
			var room string
			var content []byte
			if err := row.Scan(&room, &d.Type, &content, &d.Position); err != nil {
				return err
			}
			d.Room, d.Content = id.Room(room), content
			out = append(out, d)
		}
		return nil
	})
	return out, unavailable("read account data", err)
}

// Bounds of a profile.
//
// Spec: client-server-api#profiles
const (
	maxProfile = 64 << 10
	maxField   = 255
)

// SetProfileField sets a field of a user's profile to a JSON value; nil deletes it.
//
// Spec: client-server-api#profiles
func (a *Accounts) SetProfileField(ctx context.Context, user id.User, field string, value []byte) error {
	if field == "" || len(field) > maxField {
		return fault.New(fault.Invalid, "a field's name must have 1 to %d bytes", maxField).Coded("M_KEY_TOO_LARGE")
	}
	if value == nil {
		return unavailable("delete profile field", a.db.Update(ctx, func(tx *db.Tx) error {
			return tx.Exec(`DELETE FROM account_profiles WHERE user_id = $1 AND field = $2`, string(user), field)
		}))
	}
	text, err := canonjson.Append(nil, value, canonjson.Strict)
	if err != nil {
		return fault.New(fault.Invalid, "%w", err).Coded("M_BAD_JSON")
	}
	if err := checkField(field, text); err != nil {
		return err
	}
	err = a.db.Update(ctx, func(tx *db.Tx) error {
		var size int64
		if err := tx.Get(`SELECT COALESCE(SUM(LENGTH(field) + LENGTH(value) + 6), 2) FROM account_profiles WHERE user_id = $1 AND field <> $2`, db.Args(string(user), field), &size); err != nil {
			return err
		}
		if size+int64(len(field)+len(text)+6) > maxProfile {
			return fault.New(fault.Invalid, "the profile would be longer than %d KiB", maxProfile>>10).Coded("M_PROFILE_TOO_LARGE")
		}
		return tx.Exec(`INSERT INTO account_profiles (user_id, field, value) VALUES ($1, $2, $3) ON CONFLICT (user_id, field) DO UPDATE SET value = excluded.value`, string(user), field, text)
	})
	return unavailable("set profile field", err)
}

// checkField refuses values that the fields of the specification must not have.
func checkField(field string, value canonjson.Value) error {
	switch field {
	case "displayname", "avatar_url", "m.tz":
	default:
		return nil
	}
	text, ok := value.Str()
	if !ok || len(text) > 1024 {
		return fault.New(fault.Invalid, "%s must be a string of at most 1024 bytes", field).Coded("M_INVALID_PARAM")
	}
	if field == "avatar_url" && text != "" {
		if _, err := id.ParseMXC(text); err != nil {
			return fault.New(fault.Invalid, "%w", err).Coded("M_INVALID_PARAM")
		}
	}
	return nil
}

// Profile is a user's profile as a JSON object: NotFound if there is no such user.
//
// Spec: client-server-api#profiles
func (a *Accounts) Profile(ctx context.Context, user id.User) (canonjson.Value, error) {
	u, err := a.User(ctx, user)
	if err == nil && u.Deactivated {
		err = fault.New(fault.NotFound, "there is no user %s", user)
	}
	if err != nil {
		return nil, err
	}
	out := []byte{'{'}
	err = a.db.View(ctx, func(tx *db.Tx) error {
		for row, err := range tx.Query(`SELECT field, value FROM account_profiles WHERE user_id = $1 ORDER BY field`, string(user)) {
			if err != nil {
				return err
			}
			var field string
			var value []byte
			if err := row.Scan(&field, &value); err != nil {
				return err
			}
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(append(canonjson.AppendString(out, field), ':'), value...)
		}
		return nil
	})
	return append(out, '}'), unavailable("read profile", err)
}

// PutFilter keeps a filter of a user and gives its ID; the same filter has the same ID.
//
// Spec: client-server-api#filtering
func (a *Accounts) PutFilter(ctx context.Context, user id.User, filter []byte) (string, error) {
	text, err := canonjson.Append(nil, filter, canonjson.Strict)
	if err != nil {
		return "", fault.New(fault.Invalid, "%w", err).Coded("M_BAD_JSON")
	}
	if canonjson.Value(text).Kind() != canonjson.Object || len(text) > 64<<10 {
		return "", fault.New(fault.Invalid, "a filter must be an object of at most 64 KiB").Coded("M_BAD_JSON")
	}
	sum := sha256.Sum256(text)
	filterID := hex.EncodeToString(sum[:8])
	err = a.db.Update(ctx, func(tx *db.Tx) error {
		return tx.Exec(`INSERT INTO account_filters (user_id, id, filter) VALUES ($1, $2, $3) ON CONFLICT (user_id, id) DO NOTHING`, string(user), filterID, text)
	})
	return filterID, unavailable("keep filter", err)
}

// Filter reads a filter of a user: NotFound if there is none.
func (a *Accounts) Filter(ctx context.Context, user id.User, filterID string) (canonjson.Value, error) {
	var text []byte
	err := a.db.View(ctx, func(tx *db.Tx) error {
		return tx.Get(`SELECT filter FROM account_filters WHERE user_id = $1 AND id = $2`, db.Args(string(user), filterID), &text)
	})
	if errors.Is(err, db.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "you have no filter %.64q", filterID)
	}
	return text, unavailable("read filter", err)
}
