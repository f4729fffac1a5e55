package wire

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hanse-im/hanse/matrix/id"
)

// Signatures are signatures by user or server and key.
type Signatures map[string]map[id.Key]string

// DeviceKeys are the identity keys of a device, signed by it.
//
// Spec: client-server-api/modules/end_to_end_encryption#device-keys
type DeviceKeys struct {
	UserID     id.User           `json:"user_id"`
	DeviceID   id.Device         `json:"device_id"`
	Algorithms []string          `json:"algorithms"`
	Keys       map[id.Key]string `json:"keys"`
	Signatures Signatures        `json:"signatures"`
	Unsigned   jsontext.Value    `json:"unsigned,omitzero"`
}

// KeysUpload publishes device keys, one-time keys and fallback keys. Each stays
// the text that was signed.
//
// Spec: client-server-api/modules/end_to_end_encryption#key-management-api
type KeysUpload struct {
	DeviceKeys   jsontext.Value            `json:"device_keys,omitzero"`
	OneTimeKeys  map[id.Key]jsontext.Value `json:"one_time_keys,omitempty"`
	FallbackKeys map[id.Key]jsontext.Value `json:"fallback_keys,omitempty"`
}

// KeysUploaded tells how many one-time keys of each algorithm the server holds.
type KeysUploaded struct {
	OneTimeKeyCounts map[string]int `json:"one_time_key_counts"`
}

// KeysQuery asks for the keys of devices; an empty list stands for all of a user.
// Timeout is in milliseconds.
//
// Spec: client-server-api/modules/end_to_end_encryption#key-management-api
type KeysQuery struct {
	Timeout    int64                   `json:"timeout,omitzero"`
	DeviceKeys map[id.User][]id.Device `json:"device_keys"`
}

// KeysFound answers KeysQuery. Failures are servers that could not be reached.
type KeysFound struct {
	Failures        map[id.Server]jsontext.Value             `json:"failures,omitempty"`
	DeviceKeys      map[id.User]map[id.Device]jsontext.Value `json:"device_keys,omitempty"`
	MasterKeys      map[id.User]jsontext.Value               `json:"master_keys,omitempty"`
	SelfSigningKeys map[id.User]jsontext.Value               `json:"self_signing_keys,omitempty"`
	UserSigningKeys map[id.User]jsontext.Value               `json:"user_signing_keys,omitempty"`
}

// KeysClaim asks for one one-time key for each device, of the named algorithm.
// Timeout is in milliseconds.
//
// Spec: client-server-api/modules/end_to_end_encryption#key-management-api
type KeysClaim struct {
	Timeout     int64                            `json:"timeout,omitzero"`
	OneTimeKeys map[id.User]map[id.Device]string `json:"one_time_keys"`
}

// KeysClaimed answers KeysClaim.
type KeysClaimed struct {
	Failures    map[id.Server]jsontext.Value                        `json:"failures,omitempty"`
	OneTimeKeys map[id.User]map[id.Device]map[id.Key]jsontext.Value `json:"one_time_keys"`
}

// The usages of cross-signing keys.
const (
	UsageMaster      = "master"
	UsageSelfSigning = "self_signing"
	UsageUserSigning = "user_signing"
)

// CrossSigningKey is one of a user's cross-signing keys.
//
// Spec: client-server-api/modules/end_to_end_encryption#cross-signing
type CrossSigningKey struct {
	UserID     id.User           `json:"user_id"`
	Usage      []string          `json:"usage"`
	Keys       map[id.Key]string `json:"keys"`
	Signatures Signatures        `json:"signatures,omitempty"`
}

// ServerKeys are the signing keys that a server publishes. ValidUntilTS and
// ExpiredTS are milliseconds since 1970.
//
// Spec: server-server-api#publishing-keys
type ServerKeys struct {
	ServerName    id.Server               `json:"server_name"`
	VerifyKeys    map[id.Key]VerifyKey    `json:"verify_keys"`
	OldVerifyKeys map[id.Key]OldVerifyKey `json:"old_verify_keys,omitempty"`
	Signatures    Signatures              `json:"signatures,omitempty"`
	ValidUntilTS  int64                   `json:"valid_until_ts"`
}

// VerifyKey is a public key in unpadded base64.
type VerifyKey struct {
	Key string `json:"key"`
}

// OldVerifyKey is a public key that is no longer used to sign.
type OldVerifyKey struct {
	ExpiredTS int64  `json:"expired_ts"`
	Key       string `json:"key"`
}

// Transaction is a batch of events from one server to another; events stay the
// text that was signed. OriginServerTS is milliseconds since 1970.
//
// Spec: server-server-api#transactions
type Transaction struct {
	Origin         id.Server        `json:"origin"`
	OriginServerTS int64            `json:"origin_server_ts"`
	PDUs           []jsontext.Value `json:"pdus"`
	EDUs           []EDU            `json:"edus,omitempty"`
}

// Bounds of a transaction.
//
// Spec: server-server-api#transactions
const (
	MaxTransactionPDUs = 50
	MaxTransactionEDUs = 100
)

// EDU is an ephemeral message between servers.
//
// Spec: server-server-api#edus
type EDU struct {
	Type    string         `json:"edu_type"`
	Content jsontext.Value `json:"content"`
}

// TransactionResult says for each event of a transaction what became of it: an
// empty object, or one with error.
type TransactionResult struct {
	PDUs map[id.Event]PDUResult `json:"pdus"`
}

// PDUResult is what became of one event; Error is empty if it was taken in.
type PDUResult struct {
	Error string `json:"error,omitzero"`
}
