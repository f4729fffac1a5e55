package stateres_test

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/stateres"
)

// Chains and subgraphs are those of the definitions, oldest first.
func TestGraph(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		d, order := randomRoom(t, rnd, versions(t, "12"), 40)
		g, tw := d.graph(t, order), newTwin(d)
		if g.Len() != len(order) || !g.Has(order[0]) || g.Has("$no") {
			t.Fatalf("%d events of %d", g.Len(), len(order))
		}
		for range 20 {
			var some []id.Event
			chains := set{}
			for range 1 + rnd.IntN(6) {
				e := order[rnd.IntN(len(order))]
				some = append(some, e)
				maps.Copy(chains, tw.chain(e))
			}
			chain, err := g.Chain(some...)
			if err != nil || !maps.Equal(setOf(chain), chains) || len(chain) != len(chains) {
				t.Fatalf("seed %d: chain of %v: %v, %v, want %v", seed, some, chain, err, chains)
			}
			for i, e := range chain {
				for _, a := range d.events[e].AuthEvents() {
					if !slices.Contains(chain[:i], a) {
						t.Fatalf("seed %d: %s stands before %s, which it cites", seed, e, a)
					}
				}
			}
			between, err := g.Between(some)
			if want := tw.subgraph(setOf(some)); err != nil || !maps.Equal(setOf(between), want) || len(between) != len(want) {
				t.Fatalf("seed %d: between %v: %v, %v, want %v", seed, some, between, err, want)
			}
		}
	}
}

func TestGraphLacks(t *testing.T) {
	t.Parallel()
	d, states := small(t, "11")
	create := states[0][stateres.Key{Type: event.TypeCreate}]
	alice := states[0][stateres.Key{Type: event.TypeMember, StateKey: "@alice:s"}]
	g := stateres.NewGraph()
	var missing *stateres.MissingError
	if err := g.Add(d.events[alice]); !errors.As(err, &missing) || missing.Event != create || g.Len() != 0 {
		t.Errorf("an event without what it cites: %v", err)
	}
	if err := g.Add(d.events[create], d.events[alice], d.events[create]); err != nil || g.Len() != 2 {
		t.Errorf("%v, %d events", err, g.Len())
	}
	if _, err := g.Chain(alice, "$no:s"); !errors.As(err, &missing) || missing.Event != "$no:s" {
		t.Errorf("chain: %v", err)
	}
	if _, err := g.Between([]id.Event{"$no:s"}); !errors.As(err, &missing) {
		t.Errorf("between: %v", err)
	}
	if between, err := g.Between(nil); err != nil || len(between) != 0 {
		t.Errorf("between nothing: %v, %v", between, err)
	}
	c := &stateres.Conflict{Forks: states, Unconflicted: func(stateres.Key) (id.Event, bool, error) { return "", false, nil }}
	if _, err := stateres.Resolve(d.rules, c, g.Store(c, d.fetch)); !errors.As(err, &missing) {
		t.Errorf("a conflict that the graph does not know: %v", err)
	}
}
