package megolm

import (
	"encoding/binary"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/b64"
	"github.com/hanse-im/hanse/e2ee/olm/internal/ed"
)

const (
	exportedLen = 1 + 4 + ratchetLen + 32
	sharedLen   = exportedLen + signatureLen

	exportVersion = 1
	shareVersion  = 2
)

// SessionKey is what an outbound session hands to the other devices: the
// ratchet at one index and the public key, signed by the session. It is a
// secret and prints as its name alone; Text gives it.
type SessionKey struct{ raw [sharedLen]byte }

// ParseSessionKey reads the "session_key" of an m.room_key event and checks
// its signature. Errors: fail.Encoding, fail.Format, fail.Version, fail.Key,
// fail.Signature. About 45 µs.
//
// Spec: olm-megolm/megolm#session-sharing-format
func ParseSessionKey(text string) (*SessionKey, error) {
	raw, err := decodeKey("Megolm session key", text, sharedLen, shareVersion)
	if err != nil {
		return nil, err
	}
	k := &SessionKey{raw: [sharedLen]byte(raw)}
	clear(raw)
	if err := ed.Verify(k.public(), k.raw[:exportedLen], k.raw[exportedLen:]); err != nil {
		return nil, err
	}
	return k, nil
}

func decodeKey(what, text string, size int, version byte) ([]byte, error) {
	if len(text) > 2*sharedLen {
		return nil, fail.New(fail.Format, what+" length")
	}
	raw, err := b64.DecodeSecret(what, []byte(text))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			clear(raw)
		}
	}()
	switch {
	case len(raw) == 0:
		err = fail.New(fail.Format, what+" length")
	case raw[0] != version:
		err = fail.New(fail.Version, what)
	case len(raw) != size:
		err = fail.New(fail.Format, what+" length")
	case !ed.StrictKey((*[32]byte)(raw[exportedLen-32 : exportedLen])):
		err = fail.New(fail.Key, what)
	}
	return raw, err
}

// Text is the key itself in unpadded base64, for an m.room_key event.
func (k *SessionKey) Text() string { return string(b64.EncodeSecret(k.raw[:])) }

// SessionID is the ID of the session: the unpadded base64 of its public key.
func (k *SessionKey) SessionID() string { return b64.Encode(k.public()[:]) }

// Index is the index from which the key decrypts.
func (k *SessionKey) Index() uint32 { return binary.BigEndian.Uint32(k.raw[1:]) }

func (k *SessionKey) public() *[32]byte {
	return (*[32]byte)(k.raw[exportedLen-32 : exportedLen])
}

// String does not show the key.
func (k *SessionKey) String() string { return "megolm.SessionKey(" + k.SessionID() + ")" }

// GoString does not show the key.
func (k *SessionKey) GoString() string { return k.String() }

// Wipe clears the key.
func (k *SessionKey) Wipe() { clear(k.raw[:]) }

// ExportedKey is a copy of an inbound session at one index, without a
// signature: nothing shows that it comes from the session's owner. It is a
// secret and prints as its name alone; Text gives it.
type ExportedKey struct{ raw [exportedLen]byte }

// ParseExportedKey reads the "session_key" of a backup, a key file or an
// m.forwarded_room_key event. Errors: fail.Encoding, fail.Format,
// fail.Version, fail.Key.
//
// Spec: olm-megolm/megolm#session-export-format
func ParseExportedKey(text string) (*ExportedKey, error) {
	raw, err := decodeKey("exported Megolm session", text, exportedLen, exportVersion)
	if err != nil {
		return nil, err
	}
	k := &ExportedKey{raw: [exportedLen]byte(raw)}
	clear(raw)
	return k, nil
}

// Text is the key itself in unpadded base64.
func (k *ExportedKey) Text() string { return string(b64.EncodeSecret(k.raw[:])) }

// SessionID is the ID that the session claims to have.
func (k *ExportedKey) SessionID() string { return b64.Encode(k.raw[exportedLen-32:]) }

// Index is the index from which the key decrypts.
func (k *ExportedKey) Index() uint32 { return binary.BigEndian.Uint32(k.raw[1:]) }

// String does not show the key.
func (k *ExportedKey) String() string { return "megolm.ExportedKey(" + k.SessionID() + ")" }

// GoString does not show the key.
func (k *ExportedKey) GoString() string { return k.String() }

// Wipe clears the key.
func (k *ExportedKey) Wipe() { clear(k.raw[:]) }

// writeKey lays out what both formats have in common.
func writeKey(raw []byte, version byte, r *ratchet, public *[32]byte) {
	raw[0] = version
	binary.BigEndian.PutUint32(raw[1:], r.index)
	copy(raw[5:], r.parts[:])
	copy(raw[5+ratchetLen:], public[:])
}

func readKey(raw []byte) (r ratchet, public [32]byte) {
	r.index = binary.BigEndian.Uint32(raw[1:])
	copy(r.parts[:], raw[5:])
	copy(public[:], raw[5+ratchetLen:])
	return r, public
}
