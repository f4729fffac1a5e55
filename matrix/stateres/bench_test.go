package stateres_test

import (
	"fmt"
	"testing"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
	"github.com/hanse-im/hanse/matrix/stateres"
)

// bigConflict is a room with the given number of members and forks, each of which
// has changed the membership of other users: the unconflicted part is asked for
// by key only, as a server's state tree is.
func bigConflict(b *testing.B, version string, members, forks, changes int) (*dag, *stateres.Conflict, *stateres.Store) {
	rules, _ := roomver.Lookup(version)
	d := newDAG(rules)
	creator := `"@alice:s":100,`
	if rules.PrivilegedCreators {
		creator = ""
	}
	create := d.build(b, draft{typ: event.TypeCreate, sender: "@alice:s", content: `{"creator":"@alice:s"}`})
	state := stateres.StateMap{keyOf(create): create.ID()}
	for i, e := range []draft{
		{typ: event.TypeMember, key: "@alice:s", sender: "@alice:s", content: `{"membership":"join"}`, prev: []id.Event{create.ID()}},
		{typ: event.TypePowerLevels, sender: "@alice:s", content: `{"users":{` + creator + `"@bob:s":50}}`},
		{typ: event.TypeJoinRules, sender: "@alice:s", content: `{"join_rule":"public"}`},
	} {
		e.ts = int64(i)
		state = d.after[d.grow(b, e, state).ID()]
	}
	powers, rule := state[stateres.Key{Type: event.TypePowerLevels}], state[stateres.Key{Type: event.TypeJoinRules}]
	auth := []id.Event{powers, rule}
	if !rules.RoomIDFromCreate {
		auth = append(auth, create.ID())
	}
	member := func(n int, ts int64, name string, before ...id.Event) id.Event {
		user := fmt.Sprintf("@user%d:s", n)
		p := d.build(b, draft{typ: event.TypeMember, key: user, sender: user, content: `{"membership":"join","displayname":"` + name + `"}`, auth: append(auth[:len(auth):len(auth)], before...), ts: ts})
		return p.ID()
	}
	for n := range members {
		state[stateres.Key{Type: event.TypeMember, StateKey: fmt.Sprintf("@user%d:s", n)}] = member(n, int64(10+n), "x")
	}
	c := &stateres.Conflict{}
	all := map[stateres.Key]bool{}
	for f := range forks {
		fork := stateres.StateMap{}
		for n := range changes {
			who := (f*changes/2 + n) % members // forks overlap by a half
			k := stateres.Key{Type: event.TypeMember, StateKey: fmt.Sprintf("@user%d:s", who)}
			fork[k] = member(who, int64(1_000_000+n), fmt.Sprint("fork", f), state[k])
			all[k] = true
		}
		c.Forks = append(c.Forks, fork)
	}
	for k := range all {
		for _, fork := range c.Forks {
			if _, ok := fork[k]; !ok {
				fork[k] = state[k]
			}
		}
		delete(state, k)
	}
	c.Unconflicted = func(k stateres.Key) (id.Event, bool, error) { e, ok := state[k]; return e, ok, nil }
	cited, err := chainsOf(d, state)
	if err != nil {
		b.Fatal(err)
	}
	s := &stateres.Store{Events: d.fetch, Cited: func(ids []id.Event) ([]bool, error) {
		out := make([]bool, len(ids))
		for i, e := range ids {
			out[i] = cited[e]
		}
		return out, nil
	}}
	return d, c, s
}

func chainsOf(d *dag, state stateres.StateMap) (set, error) {
	out := set{}
	var walk func(id.Event)
	walk = func(e id.Event) {
		for _, a := range d.events[e].AuthEvents() {
			if !out[a] {
				out[a] = true
				walk(a)
			}
		}
	}
	for _, e := range state {
		walk(e)
	}
	return out, nil
}

// Two forks with 1,000 changed members each, and ten with 200 each, in rooms of
// growing size: the cost is that of the conflict.
func BenchmarkResolve(b *testing.B) {
	for _, version := range []string{"11", "12"} {
		for _, members := range []int{1_000, 10_000, 100_000} {
			for _, c := range []struct{ forks, changes int }{{2, 500}, {2, 1000}, {10, 200}} {
				if c.forks*c.changes/2 >= members*2 {
					continue
				}
				b.Run(fmt.Sprintf("v%s/members=%d/forks=%d/changes=%d", version, members, c.forks, c.changes), func(b *testing.B) {
					d, conflict, store := bigConflict(b, version, members, c.forks, c.changes)
					b.ReportAllocs()
					for b.Loop() {
						got, err := stateres.Resolve(d.rules, conflict, store)
						if err != nil || len(got) == 0 {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
