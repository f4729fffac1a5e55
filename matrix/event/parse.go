package event

import (
	"strconv"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// Parse reads one event of a room of the given version. src is not kept: the
// event's canonical form is the one copy made of it. The event's reference hash
// and, where it is made from that, its ID are computed. It returns *Error for
// what is no event of this version. Cost: O(n) for usual input, at most eight
// allocations.
//
// Members that no version defines are kept, as hashes cover them.
//
// Spec: server-server-api#pdus, rooms/v1#event-format, rooms/v3#event-format, rooms/v12#event-format
func Parse(rules *roomver.Rules, src []byte) (*PDU, error) {
	// No canonical form is so much shorter than its source.
	if len(src) > 16*MaxSize {
		return nil, &Error{Kind: TooLarge, Reason: "longer than 65536 bytes"}
	}
	text, err := canonjson.Append(make([]byte, 0, len(src)), src, jsonMode(rules))
	if err != nil {
		return nil, &Error{Kind: BadJSON, Cause: err}
	}
	return newPDU(rules, text)
}

func jsonMode(rules *roomver.Rules) canonjson.Mode {
	if rules.StrictJSON {
		return canonjson.Strict
	}
	return canonjson.Lenient
}

// newPDU takes over canonical JSON.
func newPDU(rules *roomver.Rules, text []byte) (*PDU, error) {
	if len(text) > MaxSize {
		return nil, &Error{Kind: TooLarge, Reason: "longer than 65536 bytes"}
	}
	if canonjson.Value(text).Kind() != canonjson.Object {
		return nil, &Error{Kind: Malformed, Reason: "must be an object"}
	}
	p := &PDU{rules: rules, json: text}
	h := header{p: p}
	h.text = h.buf[:0]
	if err := h.read(); err != nil {
		return nil, err
	}
	p.hash = referenceHash(rules, p.typ, text)
	if err := p.name(&h); err != nil {
		return nil, err
	}
	return p, nil
}

// header collects the members of an event. Strings are gathered in text, so that
// all of them together cost one allocation.
type header struct {
	p    *PDU
	buf  [1024]byte
	text []byte

	prev, auth, depth, ts, hashes                canonjson.Value
	eventID, roomID, sender, typ, state, redacts part
}

// part is a string within header.text.
type part struct {
	from, to int
	there    bool
}

func (h *header) read() error {
	p := h.p
	for k, v := range canonjson.Value(p.json).Members() {
		var err error
		switch string(k) {
		case `"auth_events"`:
			h.auth = v
		case `"content"`:
			p.content = v
		case `"depth"`:
			h.depth = v
		case `"event_id"`:
			if p.rules.EventID == roomver.EventIDField {
				h.eventID, err = h.string("event_id", v)
			}
		case `"hashes"`:
			h.hashes = v
		case `"origin_server_ts"`:
			h.ts = v
		case `"prev_events"`:
			h.prev = v
		case `"redacts"`:
			if !p.rules.RedactsInContent && v.Kind() == canonjson.String {
				h.redacts, _ = h.string("redacts", v)
			}
		case `"room_id"`:
			h.roomID, err = h.string("room_id", v)
		case `"sender"`:
			h.sender, err = h.string("sender", v)
		case `"signatures"`:
			p.signatures = v
		case `"state_key"`:
			h.state, err = h.string("state_key", v)
		case `"type"`:
			h.typ, err = h.string("type", v)
		case `"unsigned"`:
			p.unsigned = v
		}
		if err != nil {
			return err
		}
	}
	return h.check()
}

func (h *header) string(field string, v canonjson.Value) (part, error) {
	from := len(h.text)
	text, ok := v.AppendStr(h.text)
	if !ok {
		return part{}, malformed(field, "must be a string")
	}
	if len(text)-from > MaxField {
		return part{}, &Error{Kind: TooLarge, Field: field, Reason: "longer than 255 bytes"}
	}
	h.text = text
	return part{from, len(text), true}, nil
}

// check looks at the members in the order of the specification's definition.
func (h *header) check() error {
	p := h.p
	for _, m := range []struct {
		field string
		value canonjson.Value
		kind  canonjson.Kind
	}{
		{"content", p.content, canonjson.Object}, {"hashes", h.hashes, canonjson.Object}, {"signatures", p.signatures, canonjson.Object},
		{"prev_events", h.prev, canonjson.Array}, {"auth_events", h.auth, canonjson.Array},
	} {
		if !m.value.Exists() {
			return malformed(m.field, "is missing")
		}
		if m.value.Kind() != m.kind {
			return malformed(m.field, "must be an object, or a list for references")
		}
	}
	if p.unsigned.Exists() && p.unsigned.Kind() != canonjson.Object {
		return malformed("unsigned", "must be an object")
	}
	var err error
	if p.depth, err = h.integer("depth", h.depth); err != nil {
		return err
	}
	if p.depth < 0 {
		return malformed("depth", "must not be negative")
	}
	if p.ts, err = h.integer("origin_server_ts", h.ts); err != nil {
		return err
	}
	if p.rules.RedactsInContent {
		if v := p.content.Get("redacts"); v.Kind() == canonjson.String && len(v) <= MaxField+2 {
			h.redacts, _ = h.string("redacts", v)
		}
	}
	return h.strings()
}

// integer reads depth and origin_server_ts. Versions without strict JSON know
// 64 bits.
func (h *header) integer(field string, v canonjson.Value) (int64, error) {
	if !v.Exists() {
		return 0, malformed(field, "is missing")
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil || v.Kind() != canonjson.Number {
		return 0, malformed(field, "must be an integer")
	}
	return n, nil
}

// strings makes the strings of the header, references and all.
func (h *header) strings() error {
	p := h.p
	n := h.prev.Len()
	if n > MaxPrevEvents {
		return malformed("prev_events", "more than 20")
	}
	auths := h.auth.Len()
	if auths > MaxAuthEvents {
		return malformed("auth_events", "more than 10")
	}
	parts := make([]part, 0, MaxPrevEvents+MaxAuthEvents)
	var err error
	if parts, err = h.refs("prev_events", h.prev, parts); err != nil {
		return err
	}
	if parts, err = h.refs("auth_events", h.auth, parts); err != nil {
		return err
	}
	all := string(h.text)
	cut := func(s part) string { return all[s.from:s.to] }
	if !h.typ.there {
		return malformed("type", "is missing")
	}
	p.typ = cut(h.typ)
	p.stateKey, p.isState = cut(h.state), h.state.there
	if !h.sender.there {
		return malformed("sender", "is missing")
	}
	if p.sender, err = id.ParseUserHistorical(cut(h.sender)); err != nil {
		return &Error{Kind: Malformed, Field: "sender", Cause: err}
	}
	p.refs, p.prevs = make([]id.Event, len(parts)), n
	for i, s := range parts {
		if p.refs[i], err = id.ParseEvent(cut(s)); err != nil {
			return &Error{Kind: Malformed, Field: "prev_events and auth_events", Cause: err}
		}
	}
	p.id = id.Event(cut(h.eventID))
	p.room = id.Room(cut(h.roomID))
	if p.typ == TypeRedaction && h.redacts.there {
		p.redacts, _ = id.ParseEvent(cut(h.redacts)) // what is no event ID redacts nothing
	}
	return nil
}

// refs gathers the event IDs of a list of references.
//
// Spec: rooms/v1#event-format, rooms/v3#event-format
func (h *header) refs(field string, list canonjson.Value, parts []part) ([]part, error) {
	for ref := range list.Elems() {
		if h.p.rules.RefsWithHashes {
			pair := ref
			ref = nil
			i := 0
			for e := range pair.Elems() {
				if i == 0 {
					ref = e
				} else if i > 1 || e.Kind() != canonjson.Object {
					return nil, malformed(field, "must hold pairs of an event ID and its hashes")
				}
				i++
			}
			if i != 2 {
				return nil, malformed(field, "must hold pairs of an event ID and its hashes")
			}
		}
		s, err := h.string(field, ref)
		if err != nil {
			return nil, err
		}
		parts = append(parts, s)
	}
	return parts, nil
}

// name checks or makes the event's and the room's ID.
//
// Spec: rooms/v1#event-ids, rooms/v3#event-ids, rooms/v4#event-ids, rooms/v12#event-format
func (p *PDU) name(h *header) error {
	var err error
	switch p.rules.EventID {
	case roomver.EventIDField:
		if !h.eventID.there {
			return malformed("event_id", "is missing")
		}
		if _, err = id.ParseEvent(string(p.id)); err == nil && p.id.Server() == "" {
			return malformed("event_id", "has no server name")
		}
	case roomver.EventIDHash:
		p.id = id.Event("$" + canonjson.EncodeBase64(p.hash[:]))
	default:
		p.id = id.Event("$" + canonjson.EncodeBase64URL(p.hash[:]))
	}
	if err != nil {
		return &Error{Kind: Malformed, Field: "event_id", Cause: err}
	}
	if p.rules.RoomIDFromCreate && p.typ == TypeCreate && p.isState && p.stateKey == "" && !h.roomID.there {
		p.room = id.RoomFromCreate(p.id)
		return nil
	}
	if !h.roomID.there {
		return malformed("room_id", "is missing")
	}
	if _, err := id.ParseRoom(string(p.room)); err != nil {
		return &Error{Kind: Malformed, Field: "room_id", Cause: err}
	}
	if _, hashed := p.room.CreateEvent(); hashed != p.rules.RoomIDFromCreate {
		return malformed("room_id", "is not of the form that rooms of version %s have", p.rules.Version)
	}
	return nil
}
