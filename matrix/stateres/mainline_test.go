package stateres_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/stateres"
)

// powerTree makes n power level events, each of which cites an earlier one or, with
// a chance of one in roots, none.
func powerTree(t testing.TB, d *dag, rnd *rand.Rand, n, roots int, parent func(i int) int) []id.Event {
	var tree []id.Event
	for i := range n {
		e := draft{typ: event.TypePowerLevels, sender: "@alice:s", content: fmt.Sprintf(`{"ban":%d}`, i), ts: int64(i)}
		if i > 0 && rnd.IntN(roots) > 0 {
			e.auth = []id.Event{tree[parent(i)]}
		}
		tree = append(tree, d.build(t, e).ID())
	}
	return tree
}

// The mainline ordering is that of the definition, whatever the history of power
// levels looks like: one line, a broad tree, several trees.
//
// Spec: rooms/v2#state-resolution
func TestMainlineOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		d := newDAG(versions(t, "11"))
		back := 1 + rnd.IntN(12)
		tree := powerTree(t, d, rnd, 5+rnd.IntN(40), 2+rnd.IntN(60), func(i int) int { return i - 1 - rnd.IntN(min(i, back)) })
		var events []id.Event
		for range 30 {
			e := draft{typ: event.TypeTopic, sender: "@alice:s", content: `{}`, ts: int64(rnd.IntN(10)), depth: int64(rnd.IntN(1000))}
			if rnd.IntN(10) > 0 {
				e.auth = []id.Event{tree[rnd.IntN(len(tree))]}
			}
			events = append(events, d.build(t, e).ID())
		}
		p := tree[rnd.IntN(len(tree))]
		slices.Sort(events)
		events = slices.Compact(events)
		want := newTwin(d).mainlineOrder(events, p)
		rnd.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		got, err := stateres.MainlineOrder(d.rules, &stateres.Store{Events: d.fetch}, p, events)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("seed %d: %v\n got %v\nwant %v", seed, err, got, want)
		}
	}
}

// Of a long history of power levels only the end is loaded, if all events stand
// near it, and a level at a time.
func TestMainlineLoads(t *testing.T) {
	t.Parallel()
	d := newDAG(versions(t, "11"))
	rnd := rand.New(rand.NewPCG(1, 3))
	line := powerTree(t, d, rnd, 500, 1<<40, func(i int) int { return i - 1 })
	var events []id.Event
	for i := range 50 {
		events = append(events, d.build(t, draft{typ: event.TypeTopic, sender: "@alice:s", content: `{}`, ts: int64(i), auth: []id.Event{line[490+i%10]}}).ID())
	}
	// One power levels event of a fork, that branches off 5 before the end.
	fork := d.build(t, draft{typ: event.TypePowerLevels, sender: "@bob:s", content: `{}`, auth: []id.Event{line[494]}})
	events = append(events, d.build(t, draft{typ: event.TypeTopic, sender: "@bob:s", content: `{}`, auth: []id.Event{fork.ID()}}).ID())
	c := counter{d: d}
	got, err := stateres.MainlineOrder(d.rules, &stateres.Store{Events: c.fetch}, line[499], events)
	if err != nil || !slices.Equal(got, newTwin(d).mainlineOrder(events, line[499])) {
		t.Fatalf("%v, %v", got, err)
	}
	if c.loaded > 100 || c.calls > 20 {
		t.Errorf("%d events loaded in %d requests", c.loaded, c.calls)
	}
}

// counter is a storage that counts what it is asked for.
type counter struct {
	d                    *dag
	calls, loaded, twice int
	seen                 set
}

func (c *counter) fetch(ids []id.Event) ([]*event.PDU, error) {
	c.calls++
	c.loaded += len(ids)
	if c.seen == nil {
		c.seen = set{}
	}
	for _, e := range ids {
		if c.seen[e] {
			c.twice++
		}
		c.seen[e] = true
	}
	return c.d.fetch(ids)
}
