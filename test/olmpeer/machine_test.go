package olmpeer

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm"
	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/megolm"
	"github.com/hanse-im/hanse/e2ee/olm/sas"
)

const (
	theirUser, theirDevice = "@rust:example.org", "RUSTDEV"
	ourUser, ourDevice     = "@hanse:example.org", "HANSEDEV"
	testRoom               = "!room:example.org"
)

// device is our device in a conversation with the SDK's machine.
type device struct {
	t        testing.TB
	sdk      *sdk
	account  *olm.Account
	theirs   peerKeys
	sessions map[string]*olm.Session
}

type request struct {
	ID   string `json:"id"`
	Type int    `json:"type"`
	Body string `json:"body"`
}

// newDevice starts a machine that knows our device and has claimed a key of it.
func newDevice(t testing.TB) *device {
	t.Helper()
	d := &device{t: t, sdk: newSDK(t), account: must[*olm.Account](t)(olm.NewAccount(nil)), sessions: map[string]*olm.Session{}}
	d.sdk.do("machine", object{"user": theirUser, "device": theirDevice}, &d.theirs)
	d.sdk.do("track", object{"user": ourUser}, nil)
	var query request
	d.sdk.do("query", object{"user": ourUser}, &query)
	keys := d.account.IdentityKeys()
	d.answer(query, object{"failures": object{}, "device_keys": object{ourUser: object{ourDevice: d.sign(object{
		"user_id": ourUser, "device_id": ourDevice,
		"algorithms": []string{"m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"},
		"keys":       object{"curve25519:" + ourDevice: keys.Curve25519.String(), "ed25519:" + ourDevice: keys.Ed25519.String()},
	})}}})
	var claim request
	d.sdk.do("missing", object{"user": ourUser}, &claim)
	created, _, err := d.account.GenerateOneTimeKeys(nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	d.answer(claim, object{"failures": object{}, "one_time_keys": object{ourUser: object{ourDevice: object{
		"signed_curve25519:" + created[0].ID.String(): d.sign(object{"key": created[0].Key.String()}),
	}}}})
	return d
}

func (d *device) answer(r request, response object) {
	d.t.Helper()
	d.sdk.do("answer", object{"request": r, "response": response}, nil)
}

// sign adds our signature. encoding/json sorts the keys of maps, and these
// objects hold nothing that it escapes, so its output is canonical.
func (d *device) sign(o object) object {
	text := must[[]byte](d.t)(json.Marshal(o))
	o["signatures"] = object{ourUser: object{"ed25519:" + ourDevice: d.account.Sign(text).String()}}
	return o
}

type olmContent struct {
	Ciphertext map[string]struct {
		Type int
		Body string
	}
}

type olmPlain struct {
	Sender, Recipient, Type string
	Keys                    map[string]string
	Content                 json.RawMessage
}

// receive decrypts the content of an m.room.encrypted event that was sent to us.
func (d *device) receive(content json.RawMessage) (p olmPlain, err error) {
	d.t.Helper()
	var c olmContent
	fromJSON(d.t, string(content), &c)
	ct, ok := c.Ciphertext[d.account.IdentityKeys().Curve25519.String()]
	if !ok {
		d.t.Fatalf("nothing for us in %s", content)
	}
	m := must[olm.Message](d.t)(olm.ParseMessage(ct.Type, ct.Body))
	plain, err := d.decrypt(m)
	if err != nil {
		return p, err
	}
	fromJSON(d.t, string(plain), &p)
	if p.Sender != theirUser || p.Recipient != ourUser || p.Keys["ed25519"] != d.theirs.Ed25519 {
		d.t.Fatalf("parties of %s", plain)
	}
	return p, nil
}

func (d *device) decrypt(m olm.Message) ([]byte, error) {
	if m.Type == olm.PreKey {
		id := must[string](d.t)(m.SessionID())
		if s := d.sessions[id]; s != nil {
			return s.Decrypt(m)
		}
		s, plain, err := d.account.NewInboundSession(olm.V1, olm.PeerIdentityKey(curveKey(d.t, d.theirs.Curve25519)), m)
		if err == nil {
			d.sessions[id] = s
		}
		return plain, err
	}
	for _, s := range d.sessions {
		if plain, err := s.Decrypt(m); !errors.Is(err, fail.MAC) {
			return plain, err
		}
	}
	return nil, fail.MAC
}

// send makes an encrypted to-device event for the machine.
func (d *device) send(typ string, content any) object {
	d.t.Helper()
	keys := d.account.IdentityKeys()
	plain := must[[]byte](d.t)(json.Marshal(object{
		"type": typ, "content": content, "sender": ourUser, "sender_device": ourDevice, "recipient": theirUser,
		"keys": object{"ed25519": keys.Ed25519.String()}, "recipient_keys": object{"ed25519": d.theirs.Ed25519},
	}))
	for _, s := range d.sessions {
		m := must[olm.Message](d.t)(s.Encrypt(nil, plain))
		return object{"type": "m.room.encrypted", "sender": ourUser, "content": object{
			"algorithm": "m.olm.v1.curve25519-aes-sha2", "sender_key": keys.Curve25519.String(),
			"ciphertext": object{d.theirs.Curve25519: object{"type": int(m.Type), "body": m.Text()}},
		}}
	}
	d.t.Fatal("no session")
	return nil
}

// sync gives events to the machine and returns the types that it made of them.
func (d *device) sync(events ...object) (types []int) {
	d.t.Helper()
	var out []struct{ Type int }
	d.sdk.do("sync", object{"events": events}, &out)
	for _, e := range out {
		types = append(types, e.Type)
	}
	return types
}

const decryptedEvent = 0

// TestSDKOlm sends some thousand messages between us and the SDK's machine in
// random order with loss and duplicates.
func TestSDKOlm(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	rng := rand.New(rand.NewPCG(5, 6))
	type flying struct {
		ours  object
		their json.RawMessage
		done  bool
	}
	var toUs, toThem []*flying
	for step := range 1500 {
		switch n := rng.IntN(6); {
		case n == 0 || len(toUs) == 0:
			var content string
			d.sdk.do("encryptTo", object{"user": ourUser, "device": ourDevice, "type": "org.example.x", "content": object{"n": step}}, &content)
			toUs = append(toUs, &flying{their: json.RawMessage(content)})
		case n < 3:
			f := toUs[len(toUs)-1-rng.IntN(min(len(toUs), 7))]
			p, err := d.receive(f.their)
			if f.done != (err != nil) || err == nil && p.Type != "org.example.x" {
				t.Fatalf("step %d: done %v, %v", step, f.done, err)
			}
			f.done = true
		case n == 3 && len(d.sessions) > 0 || len(toThem) == 0 && len(d.sessions) > 0:
			toThem = append(toThem, &flying{ours: d.send("org.example.y", object{"n": step})})
		case len(toThem) > 0:
			f := toThem[len(toThem)-1-rng.IntN(min(len(toThem), 7))]
			if got := d.sync(f.ours); len(got) != 1 || (got[0] == decryptedEvent) == f.done {
				t.Fatalf("step %d: done %v, the SDK made %v of it", step, f.done, got)
			}
			f.done = true
		}
	}
}

// TestSDKMegolm shares room keys in both directions and decrypts with them.
func TestSDKMegolm(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	var shared []struct {
		Messages map[string]map[string]json.RawMessage
	}
	d.sdk.do("share", object{"room": testRoom, "user": ourUser}, &shared)
	p := must[olmPlain](t)(d.receive(shared[0].Messages[ourUser][ourDevice]))
	var key struct {
		SessionKey string `json:"session_key"`
		SessionID  string `json:"session_id"`
	}
	fromJSON(t, string(p.Content), &key)
	in := must[*megolm.Inbound](t)(megolm.NewInbound(megolm.V1, must[*megolm.SessionKey](t)(megolm.ParseSessionKey(key.SessionKey))))
	if in.SessionID() != key.SessionID {
		t.Error("session ID")
	}
	var texts []string
	for i := range 300 {
		var text string
		d.sdk.do("encryptRoom", object{"room": testRoom, "content": object{"body": fmt.Sprint("message ", i)}}, &text)
		var c struct{ Ciphertext string }
		fromJSON(t, text, &c)
		texts = append(texts, c.Ciphertext)
	}
	for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(len(texts)) {
		m := must[megolm.Decrypted](t)(in.Decrypt(must[megolm.Message](t)(megolm.ParseMessage(texts[i]))))
		if !strings.Contains(string(m.Plaintext), fmt.Sprintf(`"message %d"`, i)) {
			t.Fatalf("%s", m.Plaintext)
		}
	}

	out := must[*megolm.Outbound](t)(megolm.NewOutbound(nil, megolm.V1))
	d.sync(d.send("m.room_key", object{"algorithm": "m.megolm.v1.aes-sha2", "room_id": testRoom,
		"session_id": out.SessionID(), "session_key": out.SessionKey().Text()}))
	var events []object
	for i := range 300 {
		plain := must[[]byte](t)(json.Marshal(object{"type": "m.room.message", "room_id": testRoom, "content": object{"body": fmt.Sprint(i)}}))
		m := must[megolm.Message](t)(out.Encrypt(plain))
		events = append(events, object{"type": "m.room.encrypted", "sender": ourUser, "room_id": testRoom,
			"event_id": fmt.Sprint("$", i), "origin_server_ts": 1, "content": object{
				"algorithm": "m.megolm.v1.aes-sha2", "session_id": out.SessionID(), "device_id": ourDevice,
				"sender_key": d.account.IdentityKeys().Curve25519.String(), "ciphertext": m.Text()}})
	}
	for _, i := range rand.New(rand.NewPCG(2, 2)).Perm(len(events)) {
		if got := d.sdk.text("decryptRoom", object{"room": testRoom, "event": events[i]}); !strings.Contains(got, fmt.Sprintf(`"body":"%d"`, i)) {
			t.Fatalf("%s", got)
		}
	}
}

type verificationMessage struct {
	EventType string `json:"event_type"`
	Body      string `json:"body"`
}

// TestSDKSAS verifies with the SDK: the same emoji and numbers, and MACs that
// both sides accept.
func TestSDKSAS(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for round := range 10 {
		newDevice(t).verify(round, seen)
	}
	if len(seen) < 30 {
		t.Errorf("only %d of the 64 emoji were compared", len(seen))
	}
}

// content is what a to-device request of the machine sends to us.
func (d *device) content(m verificationMessage) (raw json.RawMessage) {
	d.t.Helper()
	var body struct {
		Messages map[string]map[string]json.RawMessage
	}
	fromJSON(d.t, m.Body, &body)
	return body.Messages[ourUser][ourDevice]
}

func (d *device) verify(round int, seen map[int]bool) {
	t := d.t
	var r struct {
		verificationMessage
		Flow string
	}
	d.sdk.do("verify", object{"user": ourUser, "device": ourDevice}, &r)
	say := func(kind string, content object) {
		content["transaction_id"] = r.Flow
		d.sync(object{"type": "m.key.verification." + kind, "sender": ourUser, "content": content})
	}
	say("ready", object{"from_device": ourDevice, "methods": []string{"m.sas.v1"}})
	var start verificationMessage
	d.sdk.do("startSas", object{"user": ourUser, "flow": r.Flow}, &start)
	startContent := d.content(start)

	key := must[*sas.Key](t)(sas.NewKey(nil))
	say("accept", object{"method": "m.sas.v1", "key_agreement_protocol": string(sas.CurveHKDF), "hash": "sha256",
		"message_authentication_code": string(sas.HKDFHMACv2), "short_authentication_string": []string{"emoji", "decimal"},
		"commitment": sas.Commitment(key.Public(), canonical(t, startContent))})
	theirKey := d.fetch("m.key.verification.key")
	say("key", object{"key": key.Public().String()})
	var k struct{ Key string }
	fromJSON(t, string(theirKey), &k)
	est := must[*sas.Established](t)(key.Exchange(curveKey(t, k.Key)))
	us, them := sas.Device{User: ourUser, Device: ourDevice}, sas.Device{User: theirUser, Device: theirDevice}
	code := est.Code(sas.CurveHKDF, sas.Parties{Starter: them, Accepter: us, Transaction: r.Flow})

	var state struct {
		Presentable, Done, Cancelled bool
		Reason                       string
		Emoji                        [][2]string
		Decimals                     [3]int
	}
	d.sdk.do("sas", object{"user": ourUser, "flow": r.Flow}, &state)
	if !state.Presentable || state.Decimals != code.Decimals() {
		t.Fatalf("round %d: %+v, ours %v", round, state, code.Decimals())
	}
	for i, e := range code.Emoji() {
		if state.Emoji[i] != [2]string{e.Symbol, e.Name} {
			t.Errorf("emoji %d: %v, ours %v", i, state.Emoji[i], e)
		}
		seen[e.Number] = true
	}
	var confirmed []verificationMessage
	d.sdk.do("confirm", nil, &confirmed)
	var macs sas.MACs
	for _, m := range confirmed {
		if m.EventType == "m.key.verification.mac" {
			fromJSON(t, string(d.content(m)), &macs)
		}
	}
	known := func(id string) (string, bool) { return d.theirs.Ed25519, id == "ed25519:"+theirDevice }
	if ids, err := est.Verify(sas.HKDFHMACv2, them, us, r.Flow, macs, known); err != nil || len(ids) != 1 {
		t.Fatal(ids, err)
	}
	ours := must[sas.MACs](t)(est.Vouch(sas.HKDFHMACv2, us, them, r.Flow,
		map[string]string{"ed25519:" + ourDevice: d.account.IdentityKeys().Ed25519.String()}))
	say("mac", object{"mac": ours.MAC, "keys": ours.Keys})
	say("done", object{})
	d.sdk.do("sas", object{"user": ourUser, "flow": r.Flow}, &state)
	if !state.Done || state.Cancelled {
		t.Fatalf("round %d: not verified: %+v", round, state)
	}
}

// fetch is the content of the next outgoing request of a type.
func (d *device) fetch(typ string) json.RawMessage {
	d.t.Helper()
	var out []struct {
		request
		EventType string `json:"event_type"`
	}
	d.sdk.do("outgoing", nil, &out)
	for _, r := range out {
		if r.EventType == typ {
			raw := d.content(verificationMessage{Body: r.Body})
			d.sdk.do("answer", object{"request": request{ID: r.ID, Type: r.Type}, "response": object{}}, nil)
			return raw
		}
	}
	d.t.Fatalf("no %s among %d requests", typ, len(out))
	return nil
}

// canonical re-encodes JSON with sorted keys.
func canonical(t testing.TB, raw json.RawMessage) []byte {
	t.Helper()
	var v any
	fromJSON(t, string(raw), &v)
	return must[[]byte](t)(json.Marshal(v))
}

// TestSDKDehydration rehydrates the SDK's devices, and the SDK ours.
func TestSDKDehydration(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	d.sdk.do("bootstrap", nil, nil)
	raw := make([]byte, 32)
	raw[5] = 9
	key := must[*olm.PickleKey](t)(olm.NewPickleKey(raw))
	var body struct {
		DeviceID   string `json:"device_id"`
		DeviceData struct {
			Algorithm    string `json:"algorithm"`
			DevicePickle string `json:"device_pickle"`
			Nonce        string `json:"nonce"`
		} `json:"device_data"`
		DeviceKeys struct {
			Keys map[string]string `json:"keys"`
		} `json:"device_keys"`
	}
	fromJSON(t, d.sdk.text("dehydrate", object{"key": std64(raw)}), &body)
	a := must[*olm.Account](t)(olm.Rehydrate(key, olm.DehydratedDevice{DevicePickle: body.DeviceData.DevicePickle, Nonce: body.DeviceData.Nonce}))
	id := a.IdentityKeys()
	if id.Curve25519.String() != body.DeviceID || id.Ed25519.String() != body.DeviceKeys.Keys["ed25519:"+body.DeviceID] {
		t.Errorf("identity %v", id)
	}
	if _, err := a.RotateFallbackKey(nil); err != nil {
		t.Fatal(err)
	}
	ours := must[olm.DehydratedDevice](t)(a.Dehydrate(nil, key))
	data := object{"algorithm": body.DeviceData.Algorithm, "device_pickle": ours.DevicePickle, "nonce": ours.Nonce}
	d.sdk.do("rehydrate", object{"key": std64(raw), "device": body.DeviceID, "data": data}, nil)
	wrong := make([]byte, 32)
	if err := d.sdk.try("rehydrate", object{"key": std64(wrong), "device": body.DeviceID, "data": data}, nil); err == nil {
		t.Error("the SDK took a wrong key")
	}
}
