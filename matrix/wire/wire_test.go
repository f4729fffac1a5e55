package wire_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/wire"
)

// Examples of the specification's definitions: each decodes into its struct and
// gives the same JSON again.
func TestExamples(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		into any
		text string
	}{
		"error":          {&wire.Error{}, `{"errcode":"M_LIMIT_EXCEEDED","error":"Too many requests","retry_after_ms":2000}`},
		"soft logout":    {&wire.Error{}, `{"errcode":"M_UNKNOWN_TOKEN","error":"Soft logged out","soft_logout":true}`},
		"user limit":     {&wire.Error{}, `{"can_upgrade":true,"errcode":"M_USER_LIMIT_EXCEEDED","error":"You have exceeded your storage quota of 10GB","info_uri":"https://example.com/homeserver/about?limit_type=quota"}`},
		"backup version": {&wire.Error{}, `{"current_version":"42","errcode":"M_WRONG_ROOM_KEYS_VERSION","error":"Wrong backup version."}`},
		"versions":       {&wire.Versions{}, `{"unstable_features":{"org.example.my_feature":true},"versions":["r0.0.1","v1.1"]}`},
		"well-known":     {&wire.WellKnownClient{}, `{"m.homeserver":{"base_url":"https://matrix.example.com"},"m.identity_server":{"base_url":"https://identity.example.com"}}`},
		"challenge":      {&wire.AuthChallenge{}, `{"completed":["example.type.foo"],"errcode":"M_FORBIDDEN","error":"Invalid password","flows":[{"stages":["example.type.foo","example.type.bar"]}],"params":{"example.type.baz":{"example_key":"foobar"}},"session":"xxxxxx"}`},
		"login flows":    {&wire.LoginFlows{}, `{"flows":[{"type":"m.login.password"},{"get_login_token":true,"type":"m.login.token"}]}`},
		"login":          {&wire.LoginRequest{}, `{"identifier":{"type":"m.id.user","user":"cheeky_monkey"},"initial_device_display_name":"Jungle Phone","password":"ilovebananas","type":"m.login.password"}`},
		"session":        {&wire.Session{}, `{"access_token":"abc123","device_id":"GHTYAJCE","expires_in_ms":60000,"refresh_token":"def456","user_id":"@cheeky_monkey:matrix.org"}`},
		"refresh":        {&wire.RefreshRequest{}, `{"refresh_token":"some_token"}`},
		"refreshed":      {&wire.RefreshResponse{}, `{"access_token":"a_new_token","expires_in_ms":60000,"refresh_token":"another_new_token"}`},
		"who am I":       {&wire.WhoAmI{}, `{"device_id":"ABC1234","user_id":"@joe:example.org"}`},
		"device keys":    {&wire.DeviceKeys{}, `{"algorithms":["m.olm.v1.curve25519-aes-sha2"],"device_id":"JLAFKJWSCS","keys":{"curve25519:JLAFKJWSCS":"3C5BFWi2Y8MaVvjM8M22DBmh24PmgR0nPvJOIArzgyI"},"signatures":{"@alice:example.com":{"ed25519:JLAFKJWSCS":"dSO80A01XiigH3uBiDVx/EjzaoycHcjq9lfQX0uWsqxl2giMIiSPR8a4d291W1ihKJL/a+myXS367WT6NAIcBA"}},"unsigned":{"device_display_name":"x"},"user_id":"@alice:example.com"}`},
		"keys upload":    {&wire.KeysUpload{}, `{"device_keys":{"a":1},"fallback_keys":{"signed_curve25519:AAAAGj":{"fallback":true,"key":"k"}},"one_time_keys":{"signed_curve25519:AAAAHg":{"key":"k"}}}`},
		"keys uploaded":  {&wire.KeysUploaded{}, `{"one_time_key_counts":{"signed_curve25519":20}}`},
		"keys query":     {&wire.KeysQuery{}, `{"device_keys":{"@alice:example.com":[]},"timeout":10000}`},
		"keys found":     {&wire.KeysFound{}, `{"device_keys":{"@alice:example.com":{"JLAFKJWSCS":{"x":1}}},"failures":{"down.example":{}},"master_keys":{"@alice:example.com":{"y":2}}}`},
		"keys claim":     {&wire.KeysClaim{}, `{"one_time_keys":{"@alice:example.com":{"JLAFKJWSCS":"signed_curve25519"}},"timeout":10000}`},
		"keys claimed":   {&wire.KeysClaimed{}, `{"one_time_keys":{"@alice:example.com":{"JLAFKJWSCS":{"signed_curve25519:AAAAHg":{"key":"k"}}}}}`},
		"cross-signing":  {&wire.CrossSigningKey{}, `{"keys":{"ed25519:base64+master+public+key":"base64+master+public+key"},"usage":["master"],"user_id":"@alice:example.com"}`},
		"server keys":    {&wire.ServerKeys{}, `{"old_verify_keys":{"ed25519:0ldk3y":{"expired_ts":1532645052628,"key":"VGhpcyBzaG91bGQgYmUgeW91ciBvbGQga2V5J3MgZWQyNTUxOSBwYXlsb2FkLg"}},"server_name":"example.org","signatures":{"example.org":{"ed25519:auto2":"x"}},"valid_until_ts":1652262000000,"verify_keys":{"ed25519:abc123":{"key":"VGhpcyBzaG91bGQgYmUgYSByZWFsIGVkMjU1MTkgcGF5bG9hZA"}}}`},
		"transaction":    {&wire.Transaction{}, `{"edus":[{"content":{"key":"value"},"edu_type":"m.presence"}],"origin":"matrix.org","origin_server_ts":1234567890,"pdus":[{"room_id":"!a:b"}]}`},
		"what became":    {&wire.TransactionResult{}, `{"pdus":{"$failed:example.org":{"error":"You are not allowed to send a message to this room."},"$good:example.org":{}}}`},
		"authentication": {&wire.AuthData{}, `{"session":"xxxxx","type":"m.login.dummy"}`},
	} {
		if err := canonjson.Unmarshal([]byte(c.text), c.into); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := canonjson.Marshal(reflect.ValueOf(c.into).Elem().Interface())
		if err != nil || string(got) != c.text {
			t.Errorf("%s: %s, %v\nwant %s", name, got, err, c.text)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	e := wire.NewError(wire.Forbidden, "you are not in room %s", "!a:b")
	if e.Error() != "M_FORBIDDEN: you are not in room !a:b" {
		t.Error(e)
	}
	for code, want := range map[wire.Code]int{wire.UnknownToken: 401, wire.Forbidden: 403, wire.NotFound: 404, wire.CannotOverwriteMedia: 409, wire.TooLarge: 413, wire.LimitExceeded: 429,
		wire.Unknown: 500, wire.BadStatus: 502, wire.NotYetUploaded: 504, wire.BadJSON: 400, "ORG.EXAMPLE_ODD": 400} {
		if got := code.Status(); got != want {
			t.Errorf("%s comes with %d, want %d", code, got, want)
		}
	}
}

func TestWellKnownCheck(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		`{"m.homeserver":{"base_url":"https://a.example/x"}}`:                                                     true,
		`{"m.homeserver":{"base_url":"http://[::1]:8008"}}`:                                                       true,
		`{"m.homeserver":{"base_url":""}}`:                                                                        false,
		`{"m.homeserver":{"base_url":"javascript:alert(1)"}}`:                                                     false,
		`{"m.homeserver":{"base_url":"https://"}}`:                                                                false,
		`{"m.homeserver":{"base_url":"https://a.example"},"m.identity_server":{"base_url":"file:///etc/passwd"}}`: false,
		`{"m.homeserver":{"base_url":"https://a.example"},"m.identity_server":{"base_url":"https://id.example"}}`: true,
	} {
		var w wire.WellKnownClient
		if err := canonjson.Unmarshal([]byte(text), &w); err != nil {
			t.Fatal(err)
		}
		if err := w.Check(); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// The strict reading of requests: what is no such request changes nothing.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		into any
		text string
	}{
		"types":          {&wire.LoginRequest{}, `{"type":1}`},
		"duplicate":      {&wire.LoginRequest{}, `{"type":"a","type":"b"}`},
		"fraction":       {&wire.KeysQuery{}, `{"timeout":1.5,"device_keys":{}}`},
		"list for a map": {&wire.KeysQuery{}, `{"device_keys":[]}`},
		"not an object":  {&wire.Transaction{}, `[]`},
		"too deep":       {&wire.KeysUpload{}, `{"device_keys":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`},
	} {
		if err := canonjson.Unmarshal([]byte(c.text), c.into); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
