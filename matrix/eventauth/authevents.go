package eventauth

import (
	"fmt"

	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
)

// CheckAuthEvents decides about an event by the auth events that it names: first
// whether they may be named, then whether the state that they make up allows the
// event. It is the fourth check on receipt.
//
// auth holds the events of p.AuthEvents() in that order; if it does not, the
// error is no *Error and nothing is decided. create is the room's create event;
// it is only looked at where the room's ID is made from it, as it is not among
// the auth events then. rejected reports whether one of these events was itself
// rejected.
//
// Spec: server-server-api#checks-performed-on-receipt-of-a-pdu, rooms/v1#authorisation-rules,
// Spec: rooms/v12#authorisation-rules
func CheckAuthEvents(p, create *event.PDU, auth []*event.PDU, rejected func(id.Event) bool) error {
	state := make(MapState, len(auth)+1)
	c := checker{p: p, rules: p.Rules(), state: state}
	if p.Type() == event.TypeCreate {
		return c.checkCreate() // rule 1 comes first and decides alone
	}
	if err := matches(p.AuthEvents(), auth); err != nil {
		return err
	}
	if c.rules.RoomIDFromCreate {
		// 2. (version 12) If the room ID is not that of an accepted create event, reject.
		if create == nil || rejected(create.ID()) {
			return c.refuse(roomOfCreate, "there is no accepted create event of room %s", p.Room())
		}
		state.Add(create)
		if err := c.findCreate(); err != nil {
			return err
		}
	}
	if err := c.checkAuthEvents(auth, rejected); err != nil {
		return err
	}
	state.Add(auth...)
	return Check(p, state)
}

func matches(ids []id.Event, auth []*event.PDU) error {
	if len(ids) != len(auth) {
		return fmt.Errorf("auth events: %d are named, %d given", len(ids), len(auth))
	}
	for i, a := range auth {
		if a == nil || a.ID() != ids[i] {
			return fmt.Errorf("auth events: %s is not given in its place", ids[i])
		}
	}
	return nil
}

// checkAuthEvents is rule 2 (version 12: 3).
func (c *checker) checkAuthEvents(auth []*event.PDU, rejected func(id.Event) bool) error {
	// 1. If there are duplicate entries for a type and state_key, reject.
	seen := make(map[Key]bool, len(auth))
	for _, a := range auth {
		key, isState := a.StateKey()
		k := Key{a.Type(), key}
		if isState && seen[k] {
			return c.refuse(authDuplicate, "two auth events are %s with state key %.64q", k.Type, k.StateKey)
		}
		seen[k] = isState
	}
	// 2. If there are entries that the selection does not choose, reject.
	chosen := make(map[Key]bool, 6)
	for _, k := range Keys(c.rules, SubjectOf(c.p)) {
		chosen[k] = true
	}
	for _, a := range auth {
		if key, isState := a.StateKey(); !isState || !chosen[Key{a.Type(), key}] {
			return c.refuse(authUnselected, "%s with state key %.64q is not selected", a.Type(), key)
		}
	}
	// 3. If there are entries that were themselves rejected, reject.
	for _, a := range auth {
		if rejected(a.ID()) {
			return c.refuse(authRejected, "the auth event %s was rejected", a.ID())
		}
	}
	// 4. If there is no create event among them, reject; not in version 12.
	if !c.rules.RoomIDFromCreate && !seen[Key{Type: event.TypeCreate}] {
		return c.refuse(authNoCreate, "the create event is not among the auth events")
	}
	// 5. If any is of another room, reject.
	for _, a := range auth {
		if a.Room() != c.p.Room() {
			return c.refuse(authOtherRoom, "the auth event %s is of room %s", a.ID(), a.Room())
		}
	}
	return nil
}
