package stateres_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
	"github.com/hanse-im/hanse/matrix/stateres"
)

var people = []string{"@alice:s", "@bob:s", "@carol:s", "@dave:s", "@eve:s"}

// versions are rules by name: those of a room version, if need be with another
// algorithm, so that this can be seen apart from what else has changed.
func versions(t testing.TB, name string) *roomver.Rules {
	for _, a := range []struct {
		suffix    string
		algorithm roomver.StateResAlgorithm
	}{{"/v1", roomver.StateResV1}, {"/v2", roomver.StateResV2}, {"/v2.1", roomver.StateResV21}} {
		if n := len(name) - len(a.suffix); n > 0 && name[n:] == a.suffix {
			rules := *versions(t, name[:n])
			rules.StateRes = a.algorithm
			return &rules
		}
	}
	rules, ok := roomver.Lookup(name)
	if !ok {
		t.Fatalf("no room version %s", name)
	}
	return rules
}

// randomRoom makes a room with forks: each event is put behind one or two earlier
// ones, whose states the twin resolves. It gives the events in the order in which
// they were made.
func randomRoom(t testing.TB, rnd *rand.Rand, rules *roomver.Rules, size int) (*dag, []id.Event) {
	d := newDAG(rules)
	tw := newTwin(d)
	create := d.build(t, draft{typ: event.TypeCreate, sender: "@alice:s", content: `{"creator":"@alice:s"}`, name: "create"})
	d.after[create.ID()] = stateres.StateMap{keyOf(create): create.ID()}
	alice := d.grow(t, draft{typ: event.TypeMember, key: "@alice:s", sender: "@alice:s", content: `{"membership":"join"}`, prev: []id.Event{create.ID()}, ts: 1, depth: 1, name: "alice"}, d.after[create.ID()])
	order := []id.Event{create.ID(), alice.ID()}
	for tries := 0; len(order) < size && tries < 50*size; tries++ {
		prev := []id.Event{order[len(order)-1-rnd.IntN(min(4, len(order)-1))]}
		before := d.after[prev[0]]
		if rnd.IntN(3) == 0 {
			if other := order[len(order)-1-rnd.IntN(min(8, len(order)-1))]; other != prev[0] {
				prev = append(prev, other)
				before = tw.resolve([]stateres.StateMap{before, d.after[other]})
			}
		}
		e := randomEvent(rnd, rules)
		e.prev, e.ts, e.depth = prev, int64(rnd.IntN(20)), int64(len(order)+rnd.IntN(3))
		if p := d.grow(t, e, before); p != nil {
			order = append(order, p.ID())
		}
	}
	return d, order
}

func randomEvent(rnd *rand.Rand, rules *roomver.Rules) draft {
	who, whom := people[rnd.IntN(len(people))], people[rnd.IntN(len(people))]
	if rnd.IntN(2) == 0 {
		who = people[0]
	}
	e := draft{sender: who, key: whom, typ: event.TypeMember, name: "e"}
	switch rnd.IntN(12) {
	case 0, 1:
		e.key, e.content = who, `{"membership":"join"}`
		if rnd.IntN(3) == 0 {
			e.content = `{"membership":"join","join_authorised_via_users_server":"` + whom + `"}`
		}
	case 2:
		e.content = `{"membership":"invite"}`
		if rnd.IntN(4) == 0 {
			e.content = `{"membership":"invite","third_party_invite":{"signed":{"mxid":"` + whom + `","token":"t","signatures":{}}}}`
		}
	case 3:
		e.content = `{"membership":"leave"}`
	case 4:
		e.content = `{"membership":"ban"}`
	case 5, 6:
		creator := `"@alice:s":100,`
		if rules.PrivilegedCreators {
			creator = ""
		}
		e.typ, e.key = event.TypePowerLevels, ""
		e.content = fmt.Sprintf(`{"users":{%s"@bob:s":%d,"@carol:s":%d},"kick":%d}`, creator, rnd.IntN(5)*25, rnd.IntN(3)*50, 25+rnd.IntN(2)*25)
		if rnd.IntN(10) == 0 {
			e.key = "no"
		}
	case 7, 8:
		rule := []string{"public", "public", "invite", "knock", "restricted"}[rnd.IntN(5)]
		e.typ, e.key, e.content = event.TypeJoinRules, "", `{"join_rule":"`+rule+`"}`
	case 9:
		e.typ, e.key, e.content = event.TypeThirdPartyInvite, "t", `{"public_key":"x"}`
	default:
		e.typ, e.key, e.content = event.TypeTopic, "", fmt.Sprintf(`{"topic":"%d"}`, rnd.IntN(1000))
	}
	return e
}

// compare resolves states in every way that the package offers, and checks that
// each gives what the twin does.
func compare(t testing.TB, d *dag, g *stateres.Graph, rnd *rand.Rand, states []stateres.StateMap, rejected set) stateres.StateMap {
	t.Helper()
	tw := newTwin(d)
	tw.rejected = rejected
	want := tw.resolve(states)
	is := func(e id.Event) bool { return rejected[e] }
	check := func(how string, got stateres.StateMap, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		if !maps.Equal(got, want) {
			t.Fatalf("%s: of %d states\n got %s\nwant %s", how, len(states), d.show(got), d.show(want))
		}
	}
	got, err := stateres.ResolveMaps(d.rules, states, d.fetch, is)
	check("whole states", got, err)

	agreed, forks := stateres.Split(states)
	unconflicted, conflicted := divide(states)
	if !maps.Equal(agreed, unconflicted) {
		t.Fatalf("agreed on %s\n    and not %s", d.show(agreed), d.show(unconflicted))
	}
	c := &stateres.Conflict{
		// Any of the states will do, as nothing in conflict is asked for.
		Unconflicted: func(k stateres.Key) (id.Event, bool, error) { e, ok := states[len(states)-1][k]; return e, ok, nil },
		Forks:        forks, Rejected: is,
	}
	stores := map[string]*stateres.Store{
		"sets":  {Events: d.fetch, Cited: tw.citedBy(agreed)},
		"graph": g.Store(c, d.fetch),
	}
	for how, s := range stores {
		won, err := stateres.Resolve(d.rules, c, s)
		for k, e := range agreed {
			if _, has := won[k]; has {
				t.Fatalf("%s: a winner where there is no conflict, at %v", how, k)
			}
			if err == nil {
				won[k] = e
			}
		}
		check(how, won, err)
		if d.rules.StateRes != roomver.StateResV1 {
			full, err := stateres.FullConflictedSet(d.rules, c, s)
			if wantFull := tw.full(states, conflicted); err != nil || !maps.Equal(setOf(full), wantFull) || len(full) != len(wantFull) {
				t.Fatalf("%s: full conflicted set\n got %v, %v\nwant %v", how, full, err, wantFull)
			}
		}
	}

	shuffled := slices.Clone(states)
	rnd.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	got, err = stateres.ResolveMaps(d.rules, append(shuffled, shuffled[0]), d.fetch, is)
	check("another order and one twice", got, err)
	return want
}

// citedBy is a store's Cited, by the definition.
func (t *twin) citedBy(state stateres.StateMap) func([]id.Event) ([]bool, error) {
	all := set{}
	for _, e := range state {
		maps.Copy(all, t.chain(e))
	}
	return func(ids []id.Event) ([]bool, error) {
		out := make([]bool, len(ids))
		for i, e := range ids {
			out[i] = all[e]
		}
		return out, nil
	}
}

func setOf(events []id.Event) set {
	s := set{}
	for _, e := range events {
		s[e] = true
	}
	return s
}

func (d *dag) graph(t testing.TB, order []id.Event) *stateres.Graph {
	g := stateres.NewGraph()
	for _, e := range order {
		if err := g.Add(d.events[e]); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// The fast algorithm and the obvious one agree on thousands of random conflicts
// between states that histories have led to, and between such as servers hold
// after a partial synchronisation: any mixture of what is known. No way of asking,
// no order of the states and no repetition of one makes a difference.
func TestAgainstTwin(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1", "2", "6", "10/v2.1", "11", "11/v1", "12", "12/v2"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			rules := versions(t, version)
			conflicts := 0
			for seed := range uint64(30) {
				rnd := rand.New(rand.NewPCG(seed, 9))
				d, order := randomRoom(t, rnd, rules, 40)
				g := d.graph(t, order)
				for n := range 20 {
					rejected := set{}
					states := make([]stateres.StateMap, 2+rnd.IntN(3))
					for i := range states {
						states[i] = maps.Clone(d.after[order[rnd.IntN(len(order))]])
						if n%2 == 0 {
							continue
						}
						for range rnd.IntN(4) {
							e := order[rnd.IntN(len(order))]
							states[i][keyOf(d.events[e])] = e
							rejected[order[1+rnd.IntN(len(order)-1)]] = true
						}
					}
					compare(t, d, g, rnd, states, rejected)
					if _, forks := stateres.Split(states); len(forks[0]) > 0 {
						conflicts++
					}
				}
			}
			if conflicts < 500 {
				t.Errorf("only %d conflicts in all", conflicts)
			}
		})
	}
}

// Servers that hear of a room's events in different orders end with one state.
func TestEveryOrderOfArrival(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1", "2", "11", "12"} {
		rules := versions(t, version)
		for seed := range uint64(12) {
			rnd := rand.New(rand.NewPCG(seed, 11))
			d, order := randomRoom(t, rnd, rules, 30)
			var first stateres.StateMap
			for try := range 4 {
				final := d.live(t, arrival(rnd, d, order))
				if try == 0 {
					first = final
				} else if !maps.Equal(first, final) {
					t.Fatalf("version %s, seed %d: %v and %v", version, seed, d.show(first), d.show(final))
				}
			}
		}
	}
}

// live is a server to which the events of a room come one after the other. It
// gives the state in the end.
func (d *dag) live(t testing.TB, arrival []id.Event) stateres.StateMap {
	g := stateres.NewGraph()
	states := map[id.Event]stateres.StateMap{}
	tips := set{}
	resolve := func(events []id.Event) stateres.StateMap {
		var all []stateres.StateMap
		for _, e := range events {
			all = append(all, states[e])
		}
		agreed, forks := stateres.Split(all)
		c := &stateres.Conflict{Forks: forks, Unconflicted: func(k stateres.Key) (id.Event, bool, error) { e, ok := agreed[k]; return e, ok, nil }}
		won, err := stateres.Resolve(d.rules, c, g.Store(c, d.fetch))
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(agreed, won)
		return agreed
	}
	for _, e := range arrival {
		p := d.events[e]
		for _, prev := range p.PrevEvents() {
			delete(tips, prev)
		}
		after := resolve(p.PrevEvents())
		if eventauth.Check(p, d.state(after)) != nil {
			t.Fatalf("%s is refused when it comes in another order", p)
		}
		after[keyOf(p)] = e
		states[e], tips[e] = after, true
		if err := g.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	return resolve(slices.Collect(maps.Keys(tips)))
}

// arrival is an order in which each event comes after those that it follows.
func arrival(rnd *rand.Rand, d *dag, order []id.Event) []id.Event {
	var out []id.Event
	come := set{}
	left := slices.Clone(order)
	for len(left) > 0 {
		i := rnd.IntN(len(left))
		ready := true
		for _, p := range d.events[left[i]].PrevEvents() {
			ready = ready && come[p]
		}
		if ready {
			come[left[i]] = true
			out, left = append(out, left[i]), slices.Delete(left, i, i+1)
		}
	}
	return out
}

func FuzzResolve(f *testing.F) {
	for seed := range uint64(12) {
		f.Add(seed, uint8(seed), seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, version uint8, wrong bool) {
		rules := roomver.All()[version%12]
		rnd := rand.New(rand.NewPCG(seed, 12))
		d, order := randomRoom(t, rnd, rules, 15+rnd.IntN(10))
		states := make([]stateres.StateMap, 2+rnd.IntN(4))
		for i := range states {
			states[i] = maps.Clone(d.after[order[rnd.IntN(len(order))]])
			for range rnd.IntN(4) {
				if e := order[rnd.IntN(len(order))]; wrong {
					states[i][keyOf(d.events[e])] = e
				}
			}
		}
		compare(t, d, d.graph(t, order), rnd, states, set{})
	})
}
