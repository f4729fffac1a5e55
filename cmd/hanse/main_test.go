package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// specEvent is the signed event of the specification's test vectors.
//
// Spec: appendices#event-signing
const specEvent = `{"auth_events":[],"content":{},"depth":3,"hashes":{"sha256":"5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos"},"origin":"domain","origin_server_ts":1000000,"prev_events":[],"room_id":"!x:domain","sender":"@a:domain","signatures":{"domain":{"ed25519:1":"KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg"}},"type":"X"}`

func TestCommands(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(file, []byte(specEvent), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, args, in, want string
		no, wrong            bool
	}{
		{"event from a file", "event --room-version 4 " + file, "", "matches", false, false},
		{"event from standard input", "event --room-version 4", specEvent, "must be signed by  [domain]", false, false},
		{"changed event", "event --room-version 4", strings.Replace(specEvent, `"content":{}`, `"content":{"a":1}`, 1), "does not match", true, false},
		{"no event", "event", "{}", "this is no event of room version 12", true, false},
		{"unknown version", "event --room-version 99", specEvent, "", false, true},
		{"two files", "event a b", "", "", false, true},
		{"no such file", "event " + file + "x", "", "", false, true},
		{"versions", "versions", "", "infinite", false, false},
		{"versions of something", "versions 1", "", "", false, true},
		{"help", "help", "", "hanse event", false, false},
		{"nothing", "", "", "hanse event", false, false},
		{"unknown command", "serve-tea", "", "", false, true},
	} {
		var out strings.Builder
		err := run(strings.Fields(c.args), strings.NewReader(c.in), &out)
		if errors.Is(err, errNo) != c.no || (err != nil && !c.no) != c.wrong || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %v, printed %q", c.name, err, out.String())
		}
	}
}
