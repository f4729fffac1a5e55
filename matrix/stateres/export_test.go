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
