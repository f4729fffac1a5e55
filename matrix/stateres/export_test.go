package stateres

import (
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// FullConflictedSet gives the set that a resolution by v2 or v2.1 replays.
func FullConflictedSet(rules *roomver.Rules, c *Conflict, s *Store) ([]id.Event, error) {
	r := newResolver(rules, c, s)
	if err := r.loadForks(); err != nil {
		return nil, err
	}
	full, err := r.fullConflictedSet()
	return r.names(full), err
}

// MainlineOrder sorts events by the mainline of a power levels event.
func MainlineOrder(rules *roomver.Rules, s *Store, p id.Event, of []id.Event) ([]id.Event, error) {
	r := newResolver(rules, &Conflict{}, s)
	var events []int
	for _, e := range of {
		events = append(events, r.intern(e))
	}
	if err := r.loadAuth(append(events, r.intern(p))); err != nil {
		return nil, err
	}
	state := &partialState{r: r, events: map[Key]int{{Type: "m.room.power_levels"}: r.intern(p)}}
	sorted, err := r.sortByMainline(events, state)
	return r.names(sorted), err
}
