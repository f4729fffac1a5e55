// Package room keeps rooms: their events, the state before each of them, and who
// is in them. It is the only writer of its tables, and everything that puts an
// event into a room goes through its Engine.
//
// Each room has one writer: its aggregate in memory, with the current state as a
// persistent tree and the forward extremities. Events are built, authorised and
// handed to the database under the room's lock, in order; the lock is not held
// while they are written, so the next event builds on what is on its way. A write
// names the event that it follows: if that one never got to the disk, neither does
// this one, the aggregate is dropped and the room is read from the disk again.
// Nothing is answered before it is on disk, and a position is published only when
// all before it are.
//
// Lock order: Engine.mu, then Room.mu, then keyIndex.mu. No lock is held while the
// caller's functions run.
//
//	created, err := engine.Create(ctx, room.CreateRequest{Creator: user})
//	e, err := engine.Send(ctx, room.Draft{Room: created, Sender: user, Type: "m.room.message", Content: body})
//
// Design: docs/decisions/0002-room-engine.md.
package room

import (
	"container/list"
	"context"
	"crypto/ed25519"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/hanse-im/hanse/infra/db"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
	"github.com/hanse-im/hanse/server/fault"
	"github.com/hanse-im/hanse/server/stream"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config is what an engine needs to know.
type Config struct {
	// Server is this server's name, KeyID and Key sign its events.
	Server id.Server
	KeyID  id.Key
	Key    ed25519.PrivateKey
	// Version is the version of new rooms; empty for roomver.Default.
	Version string
	// Now is the clock; nil for time.Now.
	Now func() time.Time
	// Rooms and Events bound what is kept in memory beyond what is in use; 0 for
	// 2,000 rooms and 50,000 state events.
	Rooms, Events int
	// Published is told of events once they can be read; nil if nobody wants to
	// know. It must be quick and must not call the engine.
	Published func(room id.Room, events []*Event)
}

// Engine keeps the rooms of one server. It is safe for concurrent use.
type Engine struct {
	cfg     Config
	db      *db.DB
	streams *stream.Set
	keys    keyIndex
	events  *lru.Cache[int64, *event.PDU]

	nextRoom, nextEvent, nextSnapshot, nextNode atomic.Int64
	// lastCreate is the time of the last create event, in milliseconds.
	lastCreate atomic.Int64

	mu    sync.Mutex
	rooms map[id.Room]*Room
	idle  *list.List // of *Room, the longest idle one in front

	txnMu sync.Mutex
	txns  map[Txn]*inFlight
}

// Event is an event of a room as this server has it.
type Event struct {
	*event.PDU
	// Order is the place in the room's timeline.
	Order stream.Position
	// NID is this server's number of the event.
	NID int64
	// Snapshot is the number of the state before the event.
	Snapshot int64
	// After is the number of the state behind the event.
	After int64
	// Rejected and SoftFailed events are in no timeline.
	//
	// Spec: server-server-api#rejection, server-server-api#soft-failure
	Rejected, SoftFailed bool
	// RedactedBy is the event that redacted this one, which is then in its redacted
	// form; nil if none did.
	RedactedBy *event.PDU
}

// The flags of events on disk.
const (
	flagRejected = 1 << iota
	flagSoftFailed
	flagState
)

// Migrate brings the tables up to date and gives the last position of the stream
// of events, where the streams go on.
func Migrate(ctx context.Context, d *db.DB) (last stream.Position, err error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0, err
	}
	if err := d.Migrate(ctx, "room", files); err != nil {
		return 0, err
	}
	err = d.View(ctx, func(tx *db.Tx) error {
		return tx.Get(`SELECT COALESCE(MAX(ord), 0) FROM room_events`, nil, &last)
	})
	return last, err
}

// Open starts the engine on tables that Migrate has seen.
func Open(ctx context.Context, cfg Config, d *db.DB, streams *stream.Set) (*Engine, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Version == "" {
		cfg.Version = roomver.Default
	}
	if cfg.Rooms == 0 {
		cfg.Rooms = 2000
	}
	if cfg.Events == 0 {
		cfg.Events = 50_000
	}
	if _, ok := roomver.Lookup(cfg.Version); !ok {
		return nil, fmt.Errorf("room version %q is not known", cfg.Version)
	}
	e := &Engine{cfg: cfg, db: d, streams: streams, rooms: map[id.Room]*Room{}, idle: list.New(), txns: map[Txn]*inFlight{}}
	var err error
	if e.events, err = lru.New[int64, *event.PDU](cfg.Events); err != nil {
		return nil, err
	}
	if e.keys.cache, err = lru.New[place, int64](200_000); err != nil {
		return nil, err
	}
	err = d.View(ctx, func(tx *db.Tx) error {
		for query, next := range map[string]*atomic.Int64{
			`SELECT COALESCE(MAX(nid), 0) FROM room_rooms`:     &e.nextRoom,
			`SELECT COALESCE(MAX(nid), 0) FROM room_events`:    &e.nextEvent,
			`SELECT COALESCE(MAX(nid), 0) FROM room_snapshots`: &e.nextSnapshot,
			`SELECT COALESCE(MAX(nid), 0) FROM room_nodes`:     &e.nextNode,
			`SELECT COALESCE(MAX(nid), 0) FROM room_keys`:      &e.keys.next,
		} {
			var last int64
			if err := tx.Get(query, nil, &last); err != nil {
				return err
			}
			next.Store(last)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open rooms: %w", err)
	}
	return e, nil
}

// errNoRoom is the answer about rooms that are not there, or not to be known.
func errNoRoom(room id.Room) error {
	return fault.New(fault.NotFound, "there is no room %.255s here", room)
}

// errNotIn is the answer to who is not in a room, whether or not there is one.
func errNotIn(room id.Room) error {
	return fault.New(fault.Forbidden, "you are not in room %.255s", room)
}

// unavailable turns the database's errors into faults.
func unavailable(doing string, err error) error {
	if errors.Is(err, db.ErrUnavailable) || errors.Is(err, errOvertaken) {
		return fault.New(fault.Unavailable, "the server cannot write now, try again: %w", err)
	}
	if fault.KindOf(err) != 0 {
		return err
	}
	return fmt.Errorf("%s: %w", doing, err)
}
