package event

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// ErrContentHash says that an event is not what its sender hashed: probably only
// a redacted copy of it was given.
var ErrContentHash = errors.New("the content hash does not match")

// contentHash hashes canonical JSON without unsigned, signatures and hashes.
//
// Spec: server-server-api#calculating-the-content-hash-for-an-event
func contentHash(text canonjson.Value) (sum [32]byte) {
	h := sha256.New()
	sep := byte('{')
	for k, v := range text.Members() {
		switch string(k) {
		case `"unsigned"`, `"signatures"`, `"hashes"`:
			continue
		}
		h.Write([]byte{sep})
		// Members stand side by side in canonical JSON: key, colon, value.
		h.Write(k[:len(k)+1+len(v)])
		sep = ','
	}
	if sep == '{' {
		h.Write([]byte{sep})
	}
	h.Write([]byte{'}'})
	h.Sum(sum[:0])
	return sum
}

// CheckContentHash returns ErrContentHash unless the event's hashes hold the
// SHA-256 of its content.
//
// Spec: server-server-api#validating-hashes-and-signatures-on-received-events
func (p *PDU) CheckContentHash() error {
	var buf [64]byte
	text, ok := canonjson.Value(p.json).Path("hashes", "sha256").AppendStr(buf[:0])
	if !ok {
		return ErrContentHash
	}
	want, err := canonjson.DecodeBase64(string(text))
	if err != nil || len(want) != sha256.Size || [32]byte(want) != contentHash(p.json) {
		return ErrContentHash
	}
	return nil
}

// referenceHash hashes the redacted event without signatures.
//
// Spec: server-server-api#calculating-the-reference-hash-for-an-event
func referenceHash(rules *roomver.Rules, typ string, text []byte) [32]byte {
	var buf [2048]byte
	return sha256.Sum256(appendRedacted(buf[:0], rules, typ, text, false))
}

// SignedBytes is what the event's signatures cover: the redacted event without
// signatures and unsigned, in canonical form. It is new.
//
// Spec: server-server-api#signing-events
func (p *PDU) SignedBytes() []byte {
	return appendRedacted(nil, p.rules, p.typ, p.json, false)
}

// VerifySignature checks the signature that server made with the key of the
// given ID. It returns nil, canonjson.ErrNoSignature, canonjson.ErrKey or
// canonjson.ErrSignature. Whether the key was valid at the event's time is the
// caller's to know.
func (p *PDU) VerifySignature(server id.Server, key id.Key, pub ed25519.PublicKey) error {
	text, ok := p.signatures.Path(string(server), string(key)).Str()
	if !ok {
		return canonjson.ErrNoSignature
	}
	sig, err := canonjson.DecodeBase64(text)
	if err != nil {
		return canonjson.ErrSignature
	}
	return canonjson.VerifyEd25519(pub, p.SignedBytes(), sig)
}

// SignatureKeys are the IDs of the Ed25519 keys with which server has signed.
func (p *PDU) SignatureKeys(server id.Server) []id.Key {
	var out []id.Key
	for k := range p.signatures.Get(string(server)).Members() {
		text, _ := k.Str()
		if key, err := id.ParseKey(text); err == nil && key.Algorithm() == "ed25519" {
			out = append(out, key)
		}
	}
	return out
}

// RequiredSigners are the servers whose signatures an event must have, without
// repetition: the sender's unless it is a third-party invite, in old versions
// the one in the event ID, and the one that vouches for a restricted join, where
// any member event names one.
//
// Spec: server-server-api#validating-hashes-and-signatures-on-received-events, rooms/v8#authorisation-rules
func (p *PDU) RequiredSigners() []id.Server {
	var out []id.Server
	add := func(s id.Server) {
		for _, o := range out {
			if o == s {
				return
			}
		}
		out = append(out, s)
	}
	member, err := p.Member()
	isMember := p.typ == TypeMember && err == nil
	if !isMember || member.Membership != Invite || !member.ThirdPartyInvite.Exists() {
		add(p.sender.Server())
	}
	if p.rules.SignedByEventIDServer {
		add(p.id.Server())
	}
	if isMember && member.AuthorisedVia != "" {
		add(member.AuthorisedVia.Server())
	}
	return out
}
