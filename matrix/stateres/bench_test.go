package stateres_test

import (
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/stateres"
)

// bigRoom is a room with many members and a history of power levels, all of whom
// have joined with the latest of these.
type bigRoom struct {
	*dag
	state stateres.StateMap
	order []id.Event
	auth  []id.Event // what a join cites
	graph *stateres.Graph
}

// Rooms are made once: it takes longer than what is measured.
var (
	bigRooms   = map[string]*bigRoom{}
	bigRoomsMu sync.Mutex
)

func newBigRoom(t testing.TB, version string, members, powers int) *bigRoom {
	bigRoomsMu.Lock()
	defer bigRoomsMu.Unlock()
	name := fmt.Sprint(version, members, powers)
	if r := bigRooms[name]; r != nil {
		return r
	}
	d := newDAG(versions(t, version))
	creator := `"@alice:s":100,`
	if d.rules.PrivilegedCreators {
		creator = ""
	}
	create := d.build(t, draft{typ: event.TypeCreate, sender: "@alice:s", content: `{"creator":"@alice:s"}`, name: "create"})
	r := &bigRoom{dag: d, state: stateres.StateMap{keyOf(create): create.ID()}, order: []id.Event{create.ID()}, graph: stateres.NewGraph()}
	add := func(e draft) {
		e.ts = int64(len(r.order))
		p := d.grow(t, e, r.state)
		r.order = append(r.order, p.ID())
		r.state = d.after[p.ID()]
	}
	add(draft{typ: event.TypeMember, key: "@alice:s", sender: "@alice:s", content: `{"membership":"join"}`, prev: []id.Event{create.ID()}})
	add(draft{typ: event.TypeJoinRules, sender: "@alice:s", content: `{"join_rule":"public"}`})
	for n := range powers {
		add(draft{typ: event.TypePowerLevels, sender: "@alice:s", content: fmt.Sprintf(`{"users":{%s"@bob:s":50,"@carol:s":%d}}`, creator, n%50)})
	}
	add(draft{typ: event.TypeMember, key: "@bob:s", sender: "@bob:s", content: `{"membership":"join"}`})
	clear(d.after)
	r.auth = []id.Event{r.state[stateres.Key{Type: event.TypePowerLevels}], r.state[stateres.Key{Type: event.TypeJoinRules}]}
	if !d.rules.RoomIDFromCreate {
		r.auth = append(r.auth, create.ID())
	}
	for n := range members {
		e := r.member(t, n, int64(1_000_000+n), "")
		r.order = append(r.order, e)
		r.state[keyOf(d.events[e])] = e
	}
	for _, e := range r.order {
		if err := r.graph.Add(d.events[e]); err != nil {
			t.Fatal(err)
		}
	}
	bigRooms[name] = r
	return r
}

func bigUser(n int) string { return fmt.Sprintf("@user%d:s", n) }

// member is a join of the n-th user, or a change of name that cites the join.
func (r *bigRoom) member(t testing.TB, n int, ts int64, name string) id.Event {
	e := draft{typ: event.TypeMember, key: bigUser(n), sender: bigUser(n), content: `{"membership":"join","displayname":"` + name + `"}`, auth: r.auth, ts: ts}
	if was := r.state[stateres.Key{Type: event.TypeMember, StateKey: e.key}]; was != "" {
		e.auth = append(e.auth[:len(e.auth):len(e.auth)], was)
	}
	return r.build(t, e).ID()
}

// kick is a ban of the n-th user by Alice.
func (r *bigRoom) kick(t testing.TB, n int, ts int64) id.Event {
	alice, user := stateres.Key{Type: event.TypeMember, StateKey: "@alice:s"}, stateres.Key{Type: event.TypeMember, StateKey: bigUser(n)}
	e := draft{typ: event.TypeMember, key: bigUser(n), sender: "@alice:s", content: `{"membership":"ban"}`, ts: ts}
	e.auth = append(r.auth[:len(r.auth):len(r.auth)], r.state[alice], r.state[user])
	return r.build(t, e).ID()
}

// conflict makes forks, each of which has changed as many members: the same ones
// in all forks, or each others. It gives the state that all agree on.
func (r *bigRoom) conflict(t testing.TB, forks, changes int, same, kicks bool) (*stateres.Conflict, stateres.StateMap) {
	agreed := maps.Clone(r.state)
	c := &stateres.Conflict{Forks: make([]stateres.StateMap, forks)}
	all := stateres.StateMap{}
	for f := range forks {
		c.Forks[f] = stateres.StateMap{}
		for n := range changes {
			who := n
			if !same {
				who = f*changes + n
			}
			ts := int64(2_000_000 + f + n)
			e := id.Event("")
			if kicks && f%2 == 0 {
				e = r.kick(t, who, ts)
			} else {
				e = r.member(t, who, ts, fmt.Sprint("in fork ", f))
			}
			k := keyOf(r.events[e])
			c.Forks[f][k] = e
			all[k] = r.state[k]
			if err := r.graph.Add(r.events[e]); err != nil {
				t.Fatal(err)
			}
		}
	}
	for k, was := range all {
		delete(agreed, k)
		for _, fork := range c.Forks {
			if fork[k] == "" {
				fork[k] = was
			}
		}
	}
	c.Unconflicted = func(k stateres.Key) (id.Event, bool, error) { e, ok := agreed[k]; return e, ok, nil }
	return c, agreed
}

// BenchmarkResolve is two forks in which the same 1,000 members have changed, one
// fork of which has banned them, and ten forks in each of which 200 others have, in
// rooms of growing size: the cost is that of the conflict. The room's graph answers
// for citations.
func BenchmarkResolve(b *testing.B) {
	for _, version := range []string{"1", "11", "12"} {
		for _, members := range []int{1_000, 2_000, 10_000, 100_000} {
			for _, shape := range []struct {
				name           string
				forks, changes int
				same, kicks    bool
			}{{"2x1000", 2, 1000, true, false}, {"2x1000bans", 2, 1000, true, true}, {"10x200", 10, 200, false, false}} {
				if !shape.same && shape.forks*shape.changes > members {
					continue // there are not so many members
				}
				b.Run(fmt.Sprintf("v%s/%s/members=%d", version, shape.name, members), func(b *testing.B) {
					r := newBigRoom(b, version, members, 20)
					c, _ := r.conflict(b, shape.forks, shape.changes, shape.same, shape.kicks)
					benchmarkResolve(b, r, c)
				})
			}
		}
	}
}

// BenchmarkHistory is the conflict of two forks about 100 members and the power
// levels in rooms whose power levels have a longer and longer history.
func BenchmarkHistory(b *testing.B) {
	for _, version := range []string{"11", "12"} {
		for _, powers := range []int{10, 100, 1_000} {
			b.Run(fmt.Sprintf("v%s/powers=%d", version, powers), func(b *testing.B) {
				r := newBigRoom(b, version, 2_000, powers)
				c, _ := r.conflict(b, 2, 100, true, false)
				r.raise(b, c)
				benchmarkResolve(b, r, c)
			})
		}
	}
}

// raise puts the power levels in conflict: the first fork has newer ones.
func (r *bigRoom) raise(t testing.TB, c *stateres.Conflict) {
	k := stateres.Key{Type: event.TypePowerLevels}
	p := r.grow(t, draft{typ: event.TypePowerLevels, sender: "@alice:s", content: `{"users":{}}`, ts: 3_000_000}, r.state)
	if err := r.graph.Add(p); err != nil {
		t.Fatal(err)
	}
	c.Forks[0][k], c.Forks[1][k] = p.ID(), r.state[k]
}

func benchmarkResolve(b *testing.B, r *bigRoom, c *stateres.Conflict) {
	count := counter{d: r.dag}
	if _, err := stateres.Resolve(r.rules, c, r.graph.Store(c, count.fetch)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		got, err := stateres.Resolve(r.rules, c, r.graph.Store(c, r.fetch))
		if err != nil || len(got) != len(c.Forks[0]) {
			b.Fatal(len(got), err)
		}
	}
	b.ReportMetric(float64(count.loaded), "events/op")
	b.ReportMetric(float64(count.calls), "requests/op")
}

// The work is that of the conflict: the same events are loaded, as often is asked,
// in a small room and in a large one, and nothing twice.
func TestCostOfConflict(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1", "11", "12"} {
		var first string
		for _, members := range []int{100, 1_000} {
			r := newBigRoom(t, version, members, 20)
			c, agreed := r.conflict(t, 3, 10, false, false)
			read := 0
			c.Unconflicted = func(k stateres.Key) (id.Event, bool, error) { read++; e, ok := agreed[k]; return e, ok, nil }
			count := counter{d: r.dag}
			tw := newTwin(r.dag)
			cited, citations := tw.citedBy(agreed), 0
			s := &stateres.Store{Events: count.fetch, Cited: func(ids []id.Event) ([]bool, error) { citations += len(ids); return cited(ids) }}
			if _, err := stateres.Resolve(r.rules, c, s); err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%d events in %d requests, %d asked for citations, %d places read", count.loaded, count.calls, citations, read)
			if first == "" {
				first = got
			}
			if got != first || count.twice > 0 || count.loaded > 80 || count.calls > 6 {
				t.Errorf("version %s, %d members: %s, %d twice; in a small room %s", version, members, got, count.twice, first)
			}
		}
		t.Log(version, first)
	}
}

// Who sent what is in conflict is looked up in the unconflicted state, all at once.
func TestSendersAreLoadedAtOnce(t *testing.T) {
	t.Parallel()
	r := newBigRoom(t, "11", 100, 3)
	c := &stateres.Conflict{Forks: []stateres.StateMap{{}, {}}, Unconflicted: func(k stateres.Key) (id.Event, bool, error) { e, ok := r.state[k]; return e, ok, nil }}
	for n := range 50 {
		p := r.build(t, draft{typ: "m.status", key: bigUser(n), sender: bigUser(n), content: `{}`, auth: r.auth})
		c.Forks[n%2][keyOf(p)] = p.ID()
	}
	count := counter{d: r.dag}
	if _, err := stateres.Resolve(r.rules, c, &stateres.Store{Events: count.fetch, Cited: newTwin(r.dag).citedBy(r.state)}); err != nil {
		t.Fatal(err)
	}
	if count.calls > 4 || count.loaded > 110 {
		t.Errorf("%d events loaded in %d requests", count.loaded, count.calls)
	}
}
