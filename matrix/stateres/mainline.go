package stateres

import (
	"cmp"
	"math"
	"slices"

	"github.com/hanse-im/hanse/matrix/event"
)

// sortByMainline gives events in the mainline ordering based on the power levels
// of a state: the greater mainline position first, then the earlier time, then the
// smaller ID. Without power levels all positions are infinite.
//
// Spec: rooms/v2#state-resolution
func (r *resolver) sortByMainline(events []int, s *partialState) ([]int, error) {
	sorted := slices.Clone(events)
	slices.SortFunc(sorted, r.compareTime)
	p, ok, err := s.lookup(Key{Type: event.TypePowerLevels})
	if err != nil || !ok {
		return sorted, err
	}
	m := &mainline{r: r, position: map[int]int{}}
	if err := m.walk(p, sorted); err != nil {
		return nil, err
	}
	positions := make([]int, len(r.ids))
	for _, i := range sorted {
		if positions[i], err = m.positionOf(i); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(sorted, func(x, y int) int { return cmp.Compare(positions[y], positions[x]) })
	return sorted, nil
}

// mainline is the mainline of a power levels event, as far as it is needed.
type mainline struct {
	r *resolver
	// position is that of power level events: on the mainline their number, else
	// the number of the first event behind them that is on it.
	position map[int]int
}

// walk walks the mainline of p until the position of all events is known.
//
// The mainline is as long as the room's power levels have a history, while most
// events stand near its top. So the way back from the events is walked at the same
// pace, a level at a time, until each has come to the mainline. Two ways that meet
// are one from there on, as an event has one power levels event among its auth
// events; for the same reason the mainline goes on along a way once it has come to
// it. A way that ends elsewhere waits for the mainline to end or to come to it.
//
// The first event of the mainline on a way is what counts. It cannot turn out
// later that an earlier event of the way is on the mainline too: it would have to
// be behind an event that is itself behind it.
func (m *mainline) walk(p int, events []int) error {
	var walked set
	var ways []int
	for _, i := range events {
		if e, ok, err := m.powerLevels(i); err != nil {
			return err
		} else if ok && walked.add(e) {
			ways = append(ways, e)
		}
	}
	main, going := p, true
	for len(ways) > 0 {
		level := ways
		if going {
			level = append(level[:len(level):len(level)], main)
		}
		if err := m.r.loadAuth(level); err != nil {
			return err
		}
		for step := true; going && (step || walked.has(main)); step = false {
			if _, circle := m.position[main]; circle {
				going = false
				break
			}
			m.position[main] = len(m.position)
			var err error
			if main, going, err = m.powerLevels(main); err != nil {
				return err
			}
		}
		var next []int
		for _, e := range ways {
			if _, ok := m.position[e]; ok {
				continue
			}
			behind, ok, err := m.powerLevels(e)
			if err != nil {
				return err
			}
			if !ok && going {
				next = append(next, e)
			}
			if ok && walked.add(behind) {
				next = append(next, behind)
			}
		}
		ways = next
	}
	return nil
}

// positionOf is the mainline position of an event; math.MaxInt is infinite.
func (m *mainline) positionOf(i int) (int, error) {
	position := math.MaxInt
	var through []int
	e, ok, err := m.powerLevels(i)
	for ok && err == nil {
		if n, known := m.position[e]; known {
			position = n
			break
		}
		m.position[e] = math.MaxInt // so that a circle ends
		through = append(through, e)
		e, ok, err = m.powerLevels(e)
	}
	for _, e := range through {
		m.position[e] = position
	}
	return position, err
}

// powerLevels is the power levels event among the auth events of a loaded event.
func (m *mainline) powerLevels(i int) (e int, ok bool, err error) {
	if err := m.r.load(m.r.auths[i]); err != nil {
		return 0, false, err
	}
	e, ok = m.r.authEvent(i, Key{Type: event.TypePowerLevels})
	return e, ok, nil
}
