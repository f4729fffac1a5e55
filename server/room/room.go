package room

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/hanse-im/hanse/infra/db"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
	"github.com/hanse-im/hanse/server/room/statetree"
)

// Room is the aggregate of one room: the one writer of it.
type Room struct {
	engine *Engine
	id     id.Room
	// uses counts who works with the room; element is its place among the idle
	// ones. Both belong to Engine.mu.
	uses    int
	element *list.Element

	mu     sync.Mutex
	loaded bool
	nid    int64
	rules  *roomver.Rules
	head   head
	// forks is what resolving them needs; nil until the room has had one.
	forks *forks
	// broken: a write has failed, so what is in memory is ahead of the disk.
	broken atomic.Bool
}

// head is the end of a room's timeline. It is a value: a new event makes a new one.
type head struct {
	tree     statetree.Tree
	snapshot int64
	// changes since the last snapshot whose tree was stored.
	changes int
	ends    []end
	// last is the number of the last event; each write names it.
	last int64
}

// end is a forward extremity.
type end struct {
	nid   int64
	ref   event.Ref
	depth int64
	// after is the state behind the event.
	after int64
}

// acquire gives the aggregate of a room to work with, and what to call after.
func (e *Engine) acquire(room id.Room) (*Room, func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.rooms[room]
	if r == nil || r.broken.Load() {
		r = &Room{engine: e, id: room}
		e.rooms[room] = r
	}
	if r.element != nil {
		e.idle.Remove(r.element)
		r.element = nil
	}
	r.uses++
	return r, func() { e.release(r) }
}

func (e *Engine) release(r *Room) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.uses--; r.uses > 0 {
		return
	}
	if e.rooms[r.id] != r {
		return // replaced by a newer one
	}
	r.element = e.idle.PushBack(r)
	for e.idle.Len() > e.cfg.Rooms {
		oldest := e.idle.Remove(e.idle.Front()).(*Room)
		delete(e.rooms, oldest.id)
	}
}

const (
	sqlRoom     = `SELECT nid, version, snapshot, last, ends FROM room_rooms WHERE id = $1`
	sqlEnd      = `SELECT json FROM room_events WHERE nid = $1`
	sqlSnapshot = `WITH RECURSIVE chain (parent, place, event, root, n) AS (
		SELECT parent, place, event, root, 0 FROM room_snapshots WHERE nid = $1
		UNION ALL
		SELECT s.parent, s.place, s.event, s.root, chain.n + 1 FROM room_snapshots s JOIN chain ON s.nid = chain.parent WHERE chain.root = 0
	) SELECT place, event, root FROM chain ORDER BY n`
	sqlNode = `SELECT data FROM room_nodes WHERE nid = $1`
)

// load reads the room if that was not done yet. Room.mu is held.
func (r *Room) load(ctx context.Context) error {
	if r.loaded {
		return nil
	}
	var version, ends string
	var way []change
	err := r.engine.db.View(ctx, func(tx *db.Tx) error {
		if err := tx.Get(sqlRoom, db.Args(string(r.id)), &r.nid, &version, &r.head.snapshot, &r.head.last, &ends); err != nil {
			return err
		}
		rules, ok := roomver.Lookup(version)
		if !ok {
			return fmt.Errorf("version %q is not known", version)
		}
		r.rules = rules
		r.head.ends = nil
		for text := range strings.SplitSeq(ends, ",") {
			nid, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return fmt.Errorf("extremities %q: %w", ends, err)
			}
			p, err := r.engine.pdu(tx, rules, nid)
			if err != nil {
				return err
			}
			at := end{nid: nid, ref: event.RefTo(p), depth: p.Depth()}
			if err := tx.Get(`SELECT after FROM room_events WHERE nid = $1`, db.Args(nid), &at.after); err != nil {
				return err
			}
			r.head.ends = append(r.head.ends, at)
		}
		var err error
		way, err = changes(tx, r.head.snapshot)
		return err
	})
	if err == nil {
		r.head.tree, r.head.changes, err = r.engine.tree(way)
	}
	if errors.Is(err, db.ErrNoRows) {
		return errNoRoom(r.id)
	}
	if err != nil {
		return unavailable("load room "+string(r.id), err)
	}
	r.loaded = true
	return nil
}

// change is one row between a snapshot and the stored tree behind it.
type change struct{ place, event, root int64 }

// changes reads the way from a snapshot back to a stored tree, the latest first.
func changes(tx *db.Tx, snapshot int64) (out []change, err error) {
	for row, err := range tx.Query(sqlSnapshot, snapshot) {
		if err != nil {
			return nil, err
		}
		var c change
		if err := row.Scan(&c.place, &c.event, &c.root); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// tree is the state at the end of that way, and how many changes it is away from a
// stored one. It must not be called within View: it reads nodes by itself, and
// readers that wait for readers would wait for ever.
func (e *Engine) tree(way []change) (tree statetree.Tree, n int, err error) {
	tree, n = statetree.Empty(), len(way)
	if n > 0 && way[n-1].root != 0 {
		if tree, err = statetree.Open(way[n-1].root, e.node); err != nil {
			return statetree.Tree{}, 0, err
		}
		n--
	}
	for i := n - 1; i >= 0; i-- {
		if tree, err = changed(tree, way[i].place, way[i].event); err != nil {
			return statetree.Tree{}, 0, err
		}
	}
	return tree, n, nil
}

// changed is the state with one entry changed; event 0 takes it away.
func changed(tree statetree.Tree, place, event int64) (statetree.Tree, error) {
	if event == 0 {
		return tree.Delete(place)
	}
	return tree.Set(place, event)
}

// treeAt is the state that a snapshot stands for.
func (e *Engine) treeAt(ctx context.Context, snapshot int64) (statetree.Tree, error) {
	var way []change
	err := e.db.View(ctx, func(tx *db.Tx) (err error) {
		way, err = changes(tx, snapshot)
		return err
	})
	if err != nil {
		return statetree.Tree{}, err
	}
	tree, _, err := e.tree(way)
	return tree, err
}

// node reads a node of a state tree.
func (e *Engine) node(nid int64) (data []byte, err error) {
	err = e.db.View(context.Background(), func(tx *db.Tx) error {
		return tx.Get(sqlNode, db.Args(nid), &data)
	})
	return data, err
}

// pdu reads an event as it was accepted, redacted or not, for authorisation.
func (e *Engine) pdu(tx *db.Tx, rules *roomver.Rules, nid int64) (*event.PDU, error) {
	if p, ok := e.events.Get(nid); ok {
		return p, nil
	}
	var text []byte
	if err := tx.Get(sqlEnd, db.Args(nid), &text); err != nil {
		return nil, fmt.Errorf("event %d: %w", nid, err)
	}
	p, err := event.Parse(rules, text)
	if err != nil {
		return nil, fmt.Errorf("event %d: %w", nid, err)
	}
	e.events.Add(nid, p)
	return p, nil
}

// view is a state tree as the authorisation rules ask for it. Events that are on
// their way to the disk are in fresh.
type view struct {
	ctx    context.Context
	engine *Engine
	rules  *roomver.Rules
	tree   statetree.Tree
	fresh  map[int64]*event.PDU
}

// StateEvent implements eventauth.State.
func (v view) StateEvent(typ, stateKey string) (*event.PDU, error) {
	k, ok, err := v.engine.keys.find(v.ctx, v.engine.db, place{typ, stateKey})
	if err != nil || !ok {
		return nil, err
	}
	nid, ok, err := v.tree.Get(k)
	if err != nil || !ok {
		return nil, err
	}
	return v.event(nid)
}

func (v view) event(nid int64) (p *event.PDU, err error) {
	if p := v.fresh[nid]; p != nil {
		return p, nil
	}
	if p, ok := v.engine.events.Get(nid); ok {
		return p, nil
	}
	err = v.engine.db.View(v.ctx, func(tx *db.Tx) error {
		p, err = v.engine.pdu(tx, v.rules, nid)
		return err
	})
	return p, err
}

// place is a place in the state.
type place struct{ typ, key string }

// keyIndex gives places their numbers.
type keyIndex struct {
	mu    sync.Mutex
	next  atomic.Int64
	cache *lru.Cache[place, int64]
	// fresh are numbers that may not be on disk yet; they must not be forgotten.
	fresh map[place]int64
}

const sqlKey = `SELECT nid FROM room_keys WHERE type = $1 AND state_key = $2`

// find looks a place up; ok is false if no state has ever had an event there.
func (x *keyIndex) find(ctx context.Context, d *db.DB, p place) (nid int64, ok bool, err error) {
	if nid, ok = x.cache.Get(p); ok {
		return nid, true, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.look(ctx, d, p)
}

func (x *keyIndex) look(ctx context.Context, d *db.DB, p place) (nid int64, ok bool, err error) {
	if nid, ok = x.fresh[p]; ok {
		return nid, true, nil
	}
	err = d.View(ctx, func(tx *db.Tx) error { return tx.Get(sqlKey, db.Args(p.typ, p.key), &nid) })
	if errors.Is(err, db.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	x.cache.Add(p, nid)
	return nid, true, nil
}

// name is the place that a number stands for.
func (x *keyIndex) name(ctx context.Context, d *db.DB, nid int64) (p place, err error) {
	x.mu.Lock()
	for fresh, n := range x.fresh {
		if n == nid {
			p = fresh
		}
	}
	x.mu.Unlock()
	if p != (place{}) {
		return p, nil
	}
	err = d.View(ctx, func(tx *db.Tx) error {
		return tx.Get(`SELECT type, state_key FROM room_keys WHERE nid = $1`, db.Args(nid), &p.typ, &p.key)
	})
	return p, err
}

// intern gives a place its number. Every write that uses it must insert it unless
// it is there: another write that was to do so may fail.
func (x *keyIndex) intern(ctx context.Context, d *db.DB, p place) (int64, error) {
	if nid, ok := x.cache.Get(p); ok {
		return nid, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	nid, ok, err := x.look(ctx, d, p)
	if err != nil || ok {
		return nid, err
	}
	nid = x.next.Add(1)
	if x.fresh == nil {
		x.fresh = map[place]int64{}
	}
	x.fresh[p] = nid
	return nid, nil
}

// written says that a place's number is on disk.
func (x *keyIndex) written(p place, nid int64) {
	x.cache.Add(p, nid)
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.fresh, p)
}
