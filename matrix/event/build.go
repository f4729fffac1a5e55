package event

import (
	"crypto/ed25519"
	"strconv"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// Ref refers to an event from prev_events or auth_events.
type Ref struct {
	ID id.Event
	// Hash is the event's reference hash; only versions whose references carry
	// hashes look at it.
	Hash [32]byte
}

// RefTo is the reference to an event.
func RefTo(p *PDU) Ref { return Ref{ID: p.id, Hash: p.hash} }

// Builder is an event that this server is about to make.
type Builder struct {
	// Room is empty for a create event whose ID becomes the room's.
	Room id.Room
	// ID is the event's ID in versions that let the server choose it, else empty.
	ID     id.Event
	Type   string
	Sender id.User
	// StateKey is nil for an event that is no state event.
	StateKey *string
	// Content is a JSON object; nil stands for an empty one.
	Content []byte
	// Redacts is the event to be redacted, for m.room.redaction. It is put where
	// the room version has it.
	Redacts    id.Event
	PrevEvents []Ref
	AuthEvents []Ref
	Depth      int64
	// OriginServerTS is in milliseconds since 1970.
	OriginServerTS int64
	// Unsigned is a JSON object or nil.
	Unsigned []byte
}

// Build hashes and signs the event for server and gives it as Parse would; what
// Parse would refuse is refused with the same *Error. Content that holds numbers
// which the version's JSON cannot is BadJSON.
//
// Spec: server-server-api#adding-hashes-and-signatures-to-outgoing-events
func (b Builder) Build(rules *roomver.Rules, server id.Server, key id.Key, private ed25519.PrivateKey) (*PDU, error) {
	for _, n := range [...]int64{b.Depth, b.OriginServerTS} {
		if rules.StrictJSON && (n > canonjson.MaxInt || n < canonjson.MinInt) {
			return nil, malformed("depth and origin_server_ts", "beyond ±(2^53−1)")
		}
	}
	content := b.Content
	if content == nil {
		content = []byte("{}")
	}
	content, err := canonjson.Append(nil, content, jsonMode(rules))
	if err != nil {
		return nil, &Error{Kind: BadJSON, Field: "content", Cause: err}
	}
	if canonjson.Value(content).Kind() != canonjson.Object {
		return nil, malformed("content", "must be an object")
	}
	if b.Redacts != "" && rules.RedactsInContent && !canonjson.Value(content).Get("redacts").Exists() {
		content = addMember(content, "redacts", canonjson.AppendString(nil, string(b.Redacts)))
		content, _ = canonjson.Append(nil, content, jsonMode(rules)) // it was accepted before
	}
	var unsigned []byte
	if b.Unsigned != nil {
		if unsigned, err = canonjson.Append(nil, b.Unsigned, jsonMode(rules)); err != nil {
			return nil, &Error{Kind: BadJSON, Field: "unsigned", Cause: err}
		}
	}
	size := 1024 + len(content) + len(unsigned)
	if size > 2*MaxSize {
		return nil, &Error{Kind: TooLarge, Reason: "longer than 65536 bytes"}
	}
	bare := b.write(make([]byte, 0, size), rules, content, nil, nil, nil)
	hash := contentHash(bare)
	hashes := append(canonjson.AppendString([]byte(`{"sha256":`), canonjson.EncodeBase64(hash[:])), '}')
	hashed := b.write(bare[:0], rules, content, hashes, nil, nil)
	sig := ed25519.Sign(private, appendRedacted(make([]byte, 0, size), rules, b.Type, hashed, false))
	signatures := append(canonjson.AppendString([]byte{'{'}, string(server)), ":{"...)
	signatures = append(canonjson.AppendString(signatures, string(key)), ':')
	signatures = append(canonjson.AppendString(signatures, canonjson.EncodeBase64(sig)), "}}"...)
	return newPDU(rules, b.write(hashed[:0], rules, content, hashes, signatures, unsigned))
}

// write gives the event in canonical form: the members stand in order here.
func (b Builder) write(dst []byte, rules *roomver.Rules, content, hashes, signatures, unsigned []byte) []byte {
	str := func(name, value string) {
		dst = append(append(dst, name...), ':')
		dst = append(canonjson.AppendString(dst, value), ',')
	}
	raw := func(name string, value []byte) {
		if value != nil {
			dst = append(append(dst, name...), ':')
			dst = append(append(dst, value...), ',')
		}
	}
	dst = append(dst, `{"auth_events":`...)
	dst = append(appendRefs(dst, rules, b.AuthEvents), ',')
	raw(`"content"`, content)
	dst = append(strconv.AppendInt(append(dst, `"depth":`...), b.Depth, 10), ',')
	if rules.EventID == roomver.EventIDField {
		str(`"event_id"`, string(b.ID))
	}
	raw(`"hashes"`, hashes)
	dst = append(strconv.AppendInt(append(dst, `"origin_server_ts":`...), b.OriginServerTS, 10), ',')
	dst = append(dst, `"prev_events":`...)
	dst = append(appendRefs(dst, rules, b.PrevEvents), ',')
	if b.Redacts != "" && !rules.RedactsInContent {
		str(`"redacts"`, string(b.Redacts))
	}
	if b.Room != "" {
		str(`"room_id"`, string(b.Room))
	}
	str(`"sender"`, string(b.Sender))
	raw(`"signatures"`, signatures)
	if b.StateKey != nil {
		str(`"state_key"`, *b.StateKey)
	}
	str(`"type"`, b.Type)
	raw(`"unsigned"`, unsigned)
	dst[len(dst)-1] = '}'
	return dst
}

func appendRefs(dst []byte, rules *roomver.Rules, refs []Ref) []byte {
	dst = append(dst, '[')
	for i, r := range refs {
		if i > 0 {
			dst = append(dst, ',')
		}
		if !rules.RefsWithHashes {
			dst = canonjson.AppendString(dst, string(r.ID))
			continue
		}
		dst = append(canonjson.AppendString(append(dst, '['), string(r.ID)), `,{"sha256":`...)
		dst = append(canonjson.AppendString(dst, canonjson.EncodeBase64(r.Hash[:])), "}]"...)
	}
	return append(dst, ']')
}

// addMember puts a member at the end of an object.
func addMember(obj []byte, name string, value []byte) []byte {
	dst := append([]byte(nil), obj[:len(obj)-1]...)
	if len(dst) > 1 {
		dst = append(dst, ',')
	}
	dst = append(canonjson.AppendString(dst, name), ':')
	return append(append(dst, value...), '}')
}

// HashAndSign adds content hash and signature to an object that is to become an
// event, such as the template that another server gives for a join. It returns
// the canonical form; whether that is an event is Parse's to say. Hashes that
// stand there are replaced, signatures kept.
//
// Spec: server-server-api#adding-hashes-and-signatures-to-outgoing-events
func HashAndSign(rules *roomver.Rules, obj []byte, server id.Server, key id.Key, private ed25519.PrivateKey) ([]byte, error) {
	mode := jsonMode(rules)
	text, err := canonjson.Append(nil, obj, mode)
	if err != nil {
		return nil, &Error{Kind: BadJSON, Cause: err}
	}
	if canonjson.Value(text).Kind() != canonjson.Object {
		return nil, &Error{Kind: Malformed, Reason: "must be an object"}
	}
	sum := contentHash(text)
	hashes := append(canonjson.AppendString([]byte(`{"sha256":`), canonjson.EncodeBase64(sum[:])), '}')
	hashed := []byte{'{'}
	for k, v := range canonjson.Value(text).Members() {
		if !k.EqualStr("hashes") {
			hashed = append(separate(hashed, 1), k[:len(k)+1+len(v)]...)
		}
	}
	hashed = addMember(append(hashed, '}'), "hashes", hashes)
	if hashed, err = canonjson.Append(nil, hashed, mode); err != nil {
		return nil, &Error{Kind: BadJSON, Cause: err}
	}
	typ, _ := canonjson.Value(hashed).Get("type").Str()
	sig := ed25519.Sign(private, appendRedacted(nil, rules, typ, hashed, false))
	return canonjson.WithSignature(hashed, string(server), string(key), sig, mode)
}

// Sign is the event with server's signature added, as servers do that take part
// in an invitation or vouch for a restricted join.
//
// Spec: server-server-api#signing-events
func (p *PDU) Sign(server id.Server, key id.Key, private ed25519.PrivateKey) (*PDU, error) {
	sig := ed25519.Sign(private, p.SignedBytes())
	text, err := canonjson.WithSignature(p.json, string(server), string(key), sig, jsonMode(p.rules))
	if err != nil {
		return nil, &Error{Kind: Malformed, Field: "signatures", Cause: err}
	}
	return newPDU(p.rules, text)
}

// WithUnsigned is the event with another unsigned part: a JSON object, or nil for
// none. Hash, ID and signatures stay good.
func (p *PDU) WithUnsigned(unsigned []byte) (*PDU, error) {
	text := []byte{'{'}
	for k, v := range canonjson.Value(p.json).Members() {
		if !k.EqualStr("unsigned") {
			text = append(separate(text, 1), k[:len(k)+1+len(v)]...)
		}
	}
	text = append(text, '}')
	if unsigned != nil {
		var err error
		if text, err = canonjson.Append(nil, addMember(text, "unsigned", unsigned), jsonMode(p.rules)); err != nil {
			return nil, &Error{Kind: BadJSON, Field: "unsigned", Cause: err}
		}
	}
	return newPDU(p.rules, text)
}
