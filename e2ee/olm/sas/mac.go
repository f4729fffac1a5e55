package sas

import (
	"crypto/subtle"
	"maps"
	"slices"
	"strings"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

// MACs are the "mac" and "keys" of an m.key.verification.mac message.
type MACs struct {
	// MAC holds the MAC of each key by its ID, such as ed25519:DEVICE.
	MAC map[string]string `json:"mac"`
	// Keys is the MAC of the list of key IDs.
	Keys string `json:"keys"`
}

// Vouch makes the MACs by which from vouches for its own keys. keys holds the
// public keys in unpadded base64 by key ID. The error has the class
// fail.Version, for an unknown method.
//
// Spec: client-server-api/modules/end_to_end_encryption#mac-calculation
func (e *Established) Vouch(m Method, from, to Device, transaction string, keys map[string]string) (MACs, error) {
	base := macInfo(from, to, transaction)
	out := MACs{MAC: make(map[string]string, len(keys))}
	for id, key := range keys {
		mac, err := e.mac(m, base+id, key)
		if err != nil {
			return MACs{}, err
		}
		out.MAC[id] = mac
	}
	list, err := e.mac(m, base+keyList, idList(keys))
	out.Keys = list
	return out, err
}

const keyList = "KEY_IDS"

func macInfo(from, to Device, transaction string) string {
	return "MATRIX_KEY_VERIFICATION_MAC" + from.User + from.Device + to.User + to.Device + transaction
}

func idList(keys map[string]string) string {
	return strings.Join(slices.Sorted(maps.Keys(keys)), ",")
}

// Verify checks the MACs that from sent to us and returns the IDs of the keys
// that it vouched for, sorted. known gives the public key, in unpadded base64,
// that we hold for a key ID of that user, from a source of its own (a
// /keys/query answer whose signatures were checked); IDs that it does not know
// are passed over, as the specification allows. A key ID is never itself taken
// for a key.
//
// Errors: fail.MAC if the list or any known key has a wrong MAC: cancel with
// m.key_mismatch; fail.Mismatch if no key is known; fail.Version.
//
// Spec: client-server-api/modules/end_to_end_encryption#short-authentication-string-sas-verification
func (e *Established) Verify(m Method, from, to Device, transaction string, got MACs, known func(id string) (key string, ok bool)) ([]string, error) {
	base := macInfo(from, to, transaction)
	if err := e.check(m, base+keyList, idList(got.MAC), got.Keys); err != nil {
		return nil, err
	}
	var verified []string
	for _, id := range slices.Sorted(maps.Keys(got.MAC)) {
		key, ok := known(id)
		if !ok {
			continue
		}
		if err := e.check(m, base+id, key, got.MAC[id]); err != nil {
			return nil, err
		}
		verified = append(verified, id)
	}
	if len(verified) == 0 {
		return nil, fail.New(fail.Mismatch, "SAS MACs for no key that is known")
	}
	return verified, nil
}

func (e *Established) check(m Method, info, value, got string) error {
	want, err := e.mac(m, info, value)
	if err != nil {
		return err
	}
	// Some clients pad their base64.
	got = strings.TrimRight(got, "=")
	if subtle.ConstantTimeCompare([]byte(want), []byte(got)) != 1 {
		return fail.New(fail.MAC, "SAS MAC")
	}
	return nil
}
