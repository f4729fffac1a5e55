package event

import (
	"strconv"

	"github.com/hanse-im/hanse/matrix/canonjson"
)

// ClientFormat says what the client form of an event has in it.
type ClientFormat struct {
	// NoRoom leaves room_id out, as sync does.
	NoRoom bool
	// Unsigned is the unsigned part: a JSON object, or nil for none. The PDU's own
	// is for servers only.
	Unsigned []byte
}

// AppendClient appends the event as clients see it. For a redaction, redacts
// stands in both places, whichever the room version has.
//
// Spec: client-server-api#room-event-format, rooms/v11#moving-the-redacts-property-of-mroomredaction-events-to-a-content-property
func (p *PDU) AppendClient(dst []byte, f ClientFormat) []byte {
	dst = append(dst, `{"content":`...)
	if p.redacts != "" && !p.content.Get("redacts").Exists() {
		dst = append(dst, addMember(p.content, "redacts", canonjson.AppendString(nil, string(p.redacts)))...)
	} else {
		dst = append(dst, p.content...)
	}
	dst = canonjson.AppendString(append(dst, `,"event_id":`...), string(p.id))
	dst = strconv.AppendInt(append(dst, `,"origin_server_ts":`...), p.ts, 10)
	if p.redacts != "" {
		dst = canonjson.AppendString(append(dst, `,"redacts":`...), string(p.redacts))
	}
	if !f.NoRoom {
		dst = canonjson.AppendString(append(dst, `,"room_id":`...), string(p.room))
	}
	dst = canonjson.AppendString(append(dst, `,"sender":`...), string(p.sender))
	if p.isState {
		dst = canonjson.AppendString(append(dst, `,"state_key":`...), p.stateKey)
	}
	dst = canonjson.AppendString(append(dst, `,"type":`...), p.typ)
	if f.Unsigned != nil {
		dst = append(append(dst, `,"unsigned":`...), f.Unsigned...)
	}
	return append(dst, '}')
}

// AppendStripped appends the event as stripped state: content, sender, state_key
// and type.
//
// Spec: client-server-api#stripped-state
func (p *PDU) AppendStripped(dst []byte) []byte {
	dst = append(append(dst, `{"content":`...), p.content...)
	dst = canonjson.AppendString(append(dst, `,"sender":`...), string(p.sender))
	dst = canonjson.AppendString(append(dst, `,"state_key":`...), p.stateKey)
	dst = canonjson.AppendString(append(dst, `,"type":`...), p.typ)
	return append(dst, '}')
}
