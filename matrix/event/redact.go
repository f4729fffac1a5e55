package event

import (
	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// Redact is the event as the redaction algorithm of its room version leaves it.
// Its ID and signatures stay good. A redacted event gives an equal one.
//
// Spec: client-server-api#redactions, rooms/v11#redactions
func (p *PDU) Redact() *PDU {
	text := appendRedacted(make([]byte, 0, len(p.json)), p.rules, p.typ, p.json, true)
	r := &PDU{
		rules: p.rules, json: text, id: p.id, room: p.room, typ: p.typ, stateKey: p.stateKey, isState: p.isState,
		sender: p.sender, depth: p.depth, ts: p.ts, refs: p.refs, prevs: p.prevs, hash: p.hash,
		content: canonjson.Value(text).Get("content"), signatures: canonjson.Value(text).Get("signatures"),
	}
	if p.rules.RedactsInContent && p.rules.Redaction.KeepRedacts {
		r.redacts = p.redacts
	}
	return r
}

// appendRedacted writes the redacted form of canonical JSON, which is canonical
// again as members keep their order.
func appendRedacted(dst []byte, rules *roomver.Rules, typ string, text canonjson.Value, signatures bool) []byte {
	dst = append(dst, '{')
	from := len(dst)
	for k, v := range text.Members() {
		switch string(k) {
		case `"auth_events"`, `"depth"`, `"event_id"`, `"hashes"`, `"origin_server_ts"`, `"prev_events"`, `"room_id"`, `"sender"`, `"state_key"`, `"type"`:
		case `"content"`:
			dst = append(separate(dst, from), `"content":`...)
			dst = appendRedactedContent(dst, rules, typ, v)
			continue
		case `"signatures"`:
			if !signatures {
				continue
			}
		case `"membership"`, `"origin"`, `"prev_state"`:
			if !rules.Redaction.KeepOrigin {
				continue
			}
		default:
			continue
		}
		dst = append(separate(dst, from), k[:len(k)+1+len(v)]...)
	}
	return append(dst, '}')
}

func separate(dst []byte, from int) []byte {
	if len(dst) > from {
		dst = append(dst, ',')
	}
	return dst
}

func appendRedactedContent(dst []byte, rules *roomver.Rules, typ string, content canonjson.Value) []byte {
	if typ == TypeCreate && rules.Redaction.KeepCreateContent {
		return append(dst, content...)
	}
	dst = append(dst, '{')
	from := len(dst)
	for k, v := range content.Members() {
		if typ == TypeMember && rules.Redaction.KeepThirdPartySigned && string(k) == `"third_party_invite"` {
			if v.Kind() == canonjson.Object {
				dst = append(separate(dst, from), `"third_party_invite":{`...)
				if signed := v.Get("signed"); signed.Exists() {
					dst = append(append(dst, `"signed":`...), signed...)
				}
				dst = append(dst, '}')
			}
			continue
		}
		if keepsContent(&rules.Redaction, typ, string(k)) {
			dst = append(separate(dst, from), k[:len(k)+1+len(v)]...)
		}
	}
	return append(dst, '}')
}

// keepsContent reports whether a member of the content, its key in quotes,
// survives redaction.
func keepsContent(r *roomver.Redaction, typ, key string) bool {
	switch typ {
	case TypeMember:
		return key == `"membership"` || (key == `"join_authorised_via_users_server"` && r.KeepAuthorisedVia)
	case TypeCreate:
		return key == `"creator"`
	case TypeJoinRules:
		return key == `"join_rule"` || (key == `"allow"` && r.KeepAllow)
	case TypePowerLevels:
		switch key {
		case `"ban"`, `"events"`, `"events_default"`, `"kick"`, `"redact"`, `"state_default"`, `"users"`, `"users_default"`:
			return true
		case `"invite"`:
			return r.KeepInviteLevel
		}
	case TypeAliases:
		return key == `"aliases"` && r.KeepAliases
	case TypeHistoryVisibility:
		return key == `"history_visibility"`
	case TypeRedaction:
		return key == `"redacts"` && r.KeepRedacts
	}
	return false
}
