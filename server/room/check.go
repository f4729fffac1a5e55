package room

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hanse-im/hanse/infra/db"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/stateres"
)

// Check computes everything that is stored twice a second time, from the events,
// and reports what does not agree: the state before each event, the current state,
// memberships, forward extremities, hashes. It reads every event of every room.
func (e *Engine) Check(ctx context.Context, report func(problem string)) error {
	var rooms []id.Room
	err := e.db.View(ctx, func(tx *db.Tx) error {
		for row, err := range tx.Query(`SELECT id FROM room_rooms ORDER BY nid`) {
			if err != nil {
				return err
			}
			var room string
			if err := row.Scan(&room); err != nil {
				return err
			}
			rooms = append(rooms, id.Room(room))
		}
		return nil
	})
	if err != nil {
		return unavailable("check rooms", err)
	}
	for _, room := range rooms {
		c := checker{engine: e, room: room, report: func(format string, args ...any) {
			report(fmt.Sprintf("room %s: ", room) + fmt.Sprintf(format, args...))
		}}
		if err := c.check(ctx); err != nil {
			return fmt.Errorf("check room %s: %w", room, err)
		}
	}
	return nil
}

type checker struct {
	engine *Engine
	room   id.Room
	report func(format string, args ...any)

	events map[id.Event]*Event
	// after is the state behind each event, as the events make it; messages share
	// their predecessor's.
	after map[int64]map[place]int64
	ends  map[int64]bool
}

func (c *checker) check(ctx context.Context) error {
	c.events, c.after, c.ends = map[id.Event]*Event{}, map[int64]map[place]int64{}, map[int64]bool{}
	events, _, _, err := c.engine.Timeline(ctx, c.room, TimelineRequest{From: 0, To: 1<<63 - 1, Limit: 1<<31 - 2, All: true})
	if err != nil {
		return err
	}
	var last int64
	for _, ev := range events {
		if err := c.event(ctx, ev); err != nil {
			return err
		}
		last = max(last, ev.NID)
	}
	return c.stored(ctx, last)
}

// event checks one event and what is stored with it, and moves on.
func (c *checker) event(ctx context.Context, ev *Event) error {
	if ev.Room() != c.room {
		c.report("event %s says that it is of room %s", ev.PDU, ev.Room())
	}
	var prev []int64
	for _, ref := range ev.PrevEvents() {
		if before := c.events[ref]; before != nil {
			prev = append(prev, before.NID)
		} else {
			c.report("event %s follows %s, which is not there before it", ev.PDU, ref)
		}
	}
	state, err := c.resolve(prev)
	if err != nil {
		return err
	}
	if err := c.compare(ctx, ev, "before", ev.Snapshot, state); err != nil {
		return err
	}
	c.events[ev.ID()] = ev
	if key, ok := ev.StateKey(); ok && !ev.Rejected {
		state = maps.Clone(state)
		state[place{ev.Type(), key}] = ev.NID
	}
	c.after[ev.NID] = state
	if err := c.compare(ctx, ev, "behind", ev.After, state); err != nil {
		return err
	}
	if !ev.Rejected && !ev.SoftFailed {
		for _, nid := range prev {
			delete(c.ends, nid)
		}
		c.ends[ev.NID] = true
	}
	return nil
}

func (c *checker) compare(ctx context.Context, ev *Event, where string, snapshot int64, want map[place]int64) error {
	got, err := c.places(ctx, snapshot)
	if err == nil && !maps.Equal(got, want) {
		c.report("event %s: the state %s it has %d entries, the events make %d, or other ones", ev.PDU, where, len(got), len(want))
	}
	return err
}

// resolve is the resolution of the states behind events.
func (c *checker) resolve(after []int64) (map[place]int64, error) {
	if len(after) == 0 {
		return map[place]int64{}, nil
	}
	same := true
	for _, nid := range after[1:] {
		same = same && maps.Equal(c.after[nid], c.after[after[0]])
	}
	if same {
		return c.after[after[0]], nil
	}
	byNID := map[int64]*Event{}
	for _, e := range c.events {
		byNID[e.NID] = e
	}
	var states []stateres.StateMap
	for _, nid := range after {
		m := stateres.StateMap{}
		for p, e := range c.after[nid] {
			m[stateres.Key{Type: p.typ, StateKey: p.key}] = byNID[e].ID()
		}
		states = append(states, m)
	}
	won, err := stateres.ResolveMaps(byNID[after[0]].Rules(), states, func(ids []id.Event) ([]*event.PDU, error) {
		out := make([]*event.PDU, len(ids))
		for i, e := range ids {
			if found := c.events[e]; found != nil {
				out[i] = found.PDU
			}
		}
		return out, nil
	}, nil)
	if err != nil {
		return nil, err
	}
	out := map[place]int64{}
	for k, e := range won {
		out[place{k.Type, k.StateKey}] = c.events[e].NID
	}
	return out, nil
}

// places reads a state as it is stored.
func (c *checker) places(ctx context.Context, snapshot int64) (map[place]int64, error) {
	tree, err := c.engine.treeAt(ctx, snapshot)
	if err != nil {
		return nil, err
	}
	byKey := map[int64]int64{}
	for entry, err := range tree.All() {
		if err != nil {
			return nil, err
		}
		byKey[entry.Key] = entry.Event
	}
	out := map[place]int64{}
	err = c.engine.db.View(ctx, func(tx *db.Tx) error {
		for key, nid := range byKey {
			var p place
			if err := tx.Get(`SELECT type, state_key FROM room_keys WHERE nid = $1`, db.Args(key), &p.typ, &p.key); err != nil {
				return fmt.Errorf("key %d: %w", key, err)
			}
			out[p] = nid
		}
		return nil
	})
	return out, err
}

// stored compares what the room's own rows say.
func (c *checker) stored(ctx context.Context, last int64) error {
	var nid, snapshot, moved int64
	var version, text string
	members := map[string]string{}
	err := c.engine.db.View(ctx, func(tx *db.Tx) error {
		if err := tx.Get(sqlRoom, db.Args(string(c.room)), &nid, &version, &snapshot, &moved, &text); err != nil {
			return err
		}
		for row, err := range tx.Query(`SELECT user_id, membership FROM room_members WHERE room = $1`, nid) {
			if err != nil {
				return err
			}
			var user, membership string
			if err := row.Scan(&user, &membership); err != nil {
				return err
			}
			members[user] = membership
		}
		return nil
	})
	if err != nil {
		return err
	}
	current, err := c.places(ctx, snapshot)
	if err != nil {
		return err
	}
	if moved != last {
		c.report("the last event is %d, the room says %d", last, moved)
	}
	ends := slices.Sorted(maps.Keys(c.ends))
	var names []string
	for _, e := range ends {
		names = append(names, strconv.FormatInt(e, 10))
	}
	if got := strings.Split(text, ","); !slices.Equal(got, names) {
		c.report("the forward extremities are %v, the room says %v", names, got)
	}
	state, err := c.resolve(ends)
	if err != nil {
		return err
	}
	if !maps.Equal(current, state) {
		c.report("the current state has %d entries, the events make %d, or other ones", len(current), len(state))
	}
	want := map[string]string{}
	for _, e := range c.events {
		if key, ok := e.StateKey(); ok && e.Type() == event.TypeMember && state[place{e.Type(), key}] == e.NID {
			if m, err := e.Member(); err == nil {
				want[key] = m.Membership
			}
		}
	}
	if !maps.Equal(members, want) {
		c.report("the memberships are %v, the events make %v", members, want)
	}
	return nil
}
