package eventauth

import "github.com/hanse-im/hanse/matrix/event"

// CanRedact decides whether an accepted redaction is to be applied to the event
// that it names, given the room's state before the redaction: its sender has the
// redact level, or the same server made both. Where redactions are authorised by
// rule 11, that is the server in both event IDs, else the server of both senders.
// An event that the redaction does not name, or of another room, is never to be
// redacted. The error is that of ReadLevels.
//
// Spec: rooms/v3#handling-redactions, rooms/v1#authorisation-rules
func CanRedact(redaction, target *event.PDU, state State) (bool, error) {
	if redaction.Type() != event.TypeRedaction || redaction.Redacts() != target.ID() || redaction.Room() != target.Room() {
		return false, nil
	}
	rules := redaction.Rules()
	mine, theirs := redaction.Sender().Server(), target.Sender().Server()
	if rules.RedactionAuth {
		mine, theirs = redaction.ID().Server(), target.ID().Server()
	}
	if mine == theirs {
		return true, nil
	}
	levels, err := ReadLevels(rules, state)
	if err != nil {
		return false, err
	}
	return levels.User(redaction.Sender()) >= levels.Level(event.RedactLevel), nil
}
