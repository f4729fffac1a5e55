package room

import (
	"context"
	"fmt"

	"github.com/hanse-im/hanse/infra/db"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/stateres"
	"github.com/hanse-im/hanse/server/room/statetree"
)

// forks is what resolving a room's forks needs beside its states: the graph of which
// state event cites which. Rejected events are not in it. No state of ours holds one,
// and an event that cites one is rejected itself.
type forks struct {
	graph  *stateres.Graph
	broken error
}

// storeDerivedFrom on, a resolved state is stored as a tree of its own.
const storeDerivedFrom = 16

// resolve gives the resolution of states, of which there is at least one, by their
// numbers. One state is itself. The work is that of what they differ in: trees share
// what they have in common.
//
// Spec: rooms/v2#state-resolution
func (r *Room) resolve(ctx context.Context, x *extension, snapshots []int64) (state, error) {
	var states []state
	for _, nid := range snapshots {
		tree, err := r.treeOf(ctx, x, nid)
		if err != nil {
			return state{}, err
		}
		states = append(states, state{tree, nid})
	}
	base := states[0]
	differ := map[int64]place{}
	for _, s := range states[1:] {
		for c, err := range s.tree.Diff(base.tree) {
			if err != nil {
				return state{}, err
			}
			if _, seen := differ[c.Key]; seen {
				continue
			}
			if differ[c.Key], err = r.engine.keys.name(ctx, r.engine.db, c.Key); err != nil {
				return state{}, err
			}
		}
	}
	if len(differ) == 0 {
		return base, nil
	}
	if err := r.loadForks(ctx); err != nil {
		return state{}, err
	}
	for _, n := range x.entries { // on their way to the disk; twice does no harm
		if n.placeNID != 0 {
			r.forks.add(n.event)
		}
	}
	q := &resolution{ctx: ctx, room: r, view: x.view(ctx), base: base.tree, differ: differ, nids: map[id.Event]int64{}}
	won, err := q.run(states)
	if err != nil {
		return state{}, err
	}
	return q.derive(x, base, won)
}

// treeOf is a state by its number, also one that is on its way to the disk.
func (r *Room) treeOf(ctx context.Context, x *extension, nid int64) (statetree.Tree, error) {
	if nid == x.after.snapshot {
		return x.after.tree, nil
	}
	for _, n := range x.entries {
		if n.snapshot == nid {
			return n.tree, nil
		}
	}
	for _, d := range x.derived {
		if d.nid == nid {
			return d.tree, nil
		}
	}
	return r.engine.treeAt(ctx, nid)
}

// resolution is one resolution of forks.
type resolution struct {
	ctx    context.Context
	room   *Room
	view   view
	base   statetree.Tree
	differ map[int64]place
	// nids are the numbers of events by their IDs.
	nids map[id.Event]int64
}

func (q *resolution) run(states []state) (stateres.StateMap, error) {
	c := &stateres.Conflict{Unconflicted: q.agreed}
	for _, s := range states {
		fork := stateres.StateMap{}
		for key, p := range q.differ {
			nid, ok, err := s.tree.Get(key)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			if fork[stateres.Key{Type: p.typ, StateKey: p.key}], err = q.idOf(nid); err != nil {
				return nil, err
			}
		}
		c.Forks = append(c.Forks, fork)
	}
	return stateres.Resolve(q.room.rules, c, q.room.forks.graph.Store(c, q.events))
}

func (q *resolution) idOf(nid int64) (id.Event, error) {
	p, err := q.view.event(nid)
	if err != nil {
		return "", err
	}
	q.nids[p.ID()] = nid
	return p.ID(), nil
}

// agreed is what all states have at a place.
func (q *resolution) agreed(k stateres.Key) (id.Event, bool, error) {
	key, ok, err := q.room.engine.keys.find(q.ctx, q.room.engine.db, place{k.Type, k.StateKey})
	if err != nil || !ok {
		return "", false, err
	}
	if _, differs := q.differ[key]; differs {
		return "", false, nil
	}
	nid, ok, err := q.base.Get(key)
	if err != nil || !ok {
		return "", false, err
	}
	e, err := q.idOf(nid)
	return e, err == nil, err
}

// events reads events by their IDs.
func (q *resolution) events(ids []id.Event) ([]*event.PDU, error) {
	out := make([]*event.PDU, len(ids))
	for nid, p := range q.view.fresh {
		q.nids[p.ID()] = nid
	}
	for i, e := range ids {
		nid, err := q.nid(e)
		if err != nil {
			return nil, err
		}
		if nid == 0 {
			continue
		}
		if out[i], err = q.view.event(nid); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// nid is the number of an event; 0 if it is not here.
func (q *resolution) nid(e id.Event) (nid int64, err error) {
	if nid, ok := q.nids[e]; ok {
		return nid, nil
	}
	err = q.room.engine.db.View(q.ctx, func(tx *db.Tx) error {
		return tx.Get(`SELECT nid FROM room_events WHERE id = $1 AND room = $2`, db.Args(string(e), q.room.nid), &nid)
	})
	if isNoRows(err) {
		return 0, nil
	}
	if err == nil {
		q.nids[e] = nid
	}
	return nid, err
}

// derive makes the resolved state from the first one, change by change.
func (q *resolution) derive(x *extension, base state, won stateres.StateMap) (state, error) {
	engine := q.room.engine
	changes := map[int64]place{}
	for key, p := range q.differ {
		changes[key] = p
	}
	for k := range won { // a place may come up that no state has
		p := place{k.Type, k.StateKey}
		key, err := engine.keys.intern(q.ctx, engine.db, p)
		if err != nil {
			return state{}, err
		}
		changes[key] = p
	}
	for key, p := range changes {
		var want int64
		if e, ok := won[stateres.Key{Type: p.typ, StateKey: p.key}]; ok {
			var err error
			if want, err = q.nid(e); err != nil {
				return state{}, err
			}
			if want == 0 {
				return state{}, fmt.Errorf("event %s has won and is not here", e)
			}
		}
		is, _, err := base.tree.Get(key)
		if err != nil {
			return state{}, err
		}
		if is == want {
			continue
		}
		tree, err := changed(base.tree, key, want)
		if err != nil {
			return state{}, err
		}
		next := derived{nid: engine.nextSnapshot.Add(1), parent: base.nid, place: key, event: want, key: p, tree: tree}
		x.derived = append(x.derived, next)
		base = state{tree, next.nid}
	}
	if n := len(x.derived); n > 0 && len(changes) >= storeDerivedFrom {
		x.derived[n-1].store = true
	}
	return base, nil
}
