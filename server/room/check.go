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

	state   map[place]int64 // as the events make it
	members map[string]string
	ends    map[int64]bool
	nids    map[id.Event]int64
}

func (c *checker) check(ctx context.Context) error {
	c.state, c.members, c.ends, c.nids = map[place]int64{}, map[string]string{}, map[int64]bool{}, map[id.Event]int64{}
	events, _, _, err := c.engine.Timeline(ctx, c.room, TimelineRequest{From: 0, To: 1<<63 - 1, Limit: 1<<31 - 2})
	if err != nil {
		return err
	}
	var last int64
	for _, ev := range events {
		if err := c.event(ctx, ev); err != nil {
			return err
		}
		last = ev.NID
	}
	return c.stored(ctx, last)
}

// event checks one event and what is stored with it, and moves on.
func (c *checker) event(ctx context.Context, ev *Event) error {
	if ev.Room() != c.room {
		c.report("event %s says that it is of room %s", ev.PDU, ev.Room())
	}
	if ev.RedactedBy == nil && ev.CheckContentHash() != nil {
		c.report("event %s: %v", ev.PDU, ev.CheckContentHash())
	}
	before, err := c.places(ctx, ev.Snapshot)
	if err != nil {
		return err
	}
	if !maps.Equal(before, c.state) {
		c.report("event %s: the state before it has %d entries, the events make %d, or other ones", ev.PDU, len(before), len(c.state))
	}
	for _, prev := range ev.PrevEvents() {
		if nid, ok := c.nids[prev]; ok {
			delete(c.ends, nid)
		} else {
			c.report("event %s follows %s, which is not there before it", ev.PDU, prev)
		}
	}
	c.ends[ev.NID], c.nids[ev.ID()] = true, ev.NID
	if key, ok := ev.StateKey(); ok {
		c.state[place{ev.Type(), key}] = ev.NID
		if ev.Type() == event.TypeMember {
			m, err := ev.Member()
			if err != nil {
				c.report("event %s: %v", ev.PDU, err)
				return nil
			}
			c.members[key] = m.Membership
		}
	}
	return nil
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
	if !maps.Equal(current, c.state) {
		c.report("the current state has %d entries, the events make %d, or other ones", len(current), len(c.state))
	}
	if moved != last {
		c.report("the last event is %d, the room says %d", last, moved)
	}
	var ends []string
	for _, e := range slices.Sorted(maps.Keys(c.ends)) {
		ends = append(ends, strconv.FormatInt(e, 10))
	}
	if got := strings.Split(text, ","); !slices.Equal(got, ends) {
		c.report("the forward extremities are %v, the room says %v", ends, got)
	}
	if !maps.Equal(members, c.members) {
		c.report("the memberships are %v, the events make %v", members, c.members)
	}
	return nil
}
