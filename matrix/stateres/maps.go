package stateres

import (
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// ResolveMaps resolves whole states, at least one, into a new one. events and
// rejected are as in Store and Conflict. It is Resolve for those who have the
// states in memory: it looks at every place of every state and loads the auth
// chains of the unconflicted state, so its cost grows with the room.
func ResolveMaps(rules *roomver.Rules, states []StateMap, events func([]id.Event) ([]*event.PDU, error), rejected func(id.Event) bool) (StateMap, error) {
	none := func(Key) (id.Event, bool, error) { return "", false, nil }
	no := func(ids []id.Event) ([]bool, error) { return make([]bool, len(ids)), nil }
	return Resolve(rules, &Conflict{Unconflicted: none, Forks: states, Rejected: rejected}, &Store{Events: events, Cited: no})
}

// Split gives what states agree on, and for each of them the rest.
func Split(states []StateMap) (agreed StateMap, forks []StateMap) {
	agreed = StateMap{}
	for n, s := range states {
		fork := StateMap{}
		for k, e := range s {
			same := true
			for _, o := range states {
				same = same && o[k] == e
			}
			if !same {
				fork[k] = e
			} else if n == 0 {
				agreed[k] = e
			}
		}
		forks = append(forks, fork)
	}
	return agreed, forks
}
