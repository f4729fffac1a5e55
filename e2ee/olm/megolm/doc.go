// Package megolm is Megolm, the ratchet that messages in rooms are encrypted
// with. An Outbound session encrypts what one device sends; its SessionKey,
// sent to the others over Olm, makes the Inbound session that decrypts it.
// SessionKeys and ExportedKeys travel; Inbound sessions can be compared and
// merged when the same session comes by two ways.
//
// What it never does: decide which device a session belongs to, or that a
// message comes from an event's sender; that is bound by the Olm message that
// brought the key. It does not remember which messages it decrypted: a message
// can be decrypted again, and a caller that must notice a replay gives each to
// a ReplayLog or keeps index and event ID itself
// (Spec: olm-megolm/megolm#message-replays).
//
// Invariants: a failed call changes nothing; a signature is checked before the
// ratchet moves; an Inbound session never loses the ability to decrypt from
// FirstKnownIndex on, unless AdvanceTo is called.
//
// Outbound and Inbound are safe for concurrent use. Inbound.Decrypt checks the
// signature, which is nine tenths of its time, outside the lock, so several
// goroutines decrypt a timeline in parallel on one session.
//
//	out, _ := megolm.NewOutbound(nil, megolm.V1)
//	in, _ := megolm.NewInbound(megolm.V1, out.SessionKey())
//	msg, _ := out.Encrypt([]byte("hello"))
//	plain, _ := in.Decrypt(msg) // plain.Plaintext, plain.Index
package megolm
