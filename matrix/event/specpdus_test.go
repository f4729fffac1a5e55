package event_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
)

// The example PDUs of the room version pages are events of these versions, and keep
// every member.
//
// Spec: rooms/v1#event-format, rooms/v3#event-format, rooms/v4#event-format, rooms/v11#event-format, rooms/v12#event-format
func TestSpecPDUs(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("testdata/spec-pdus.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range bytes.Lines(file) {
		text, err := canonjson.Append(nil, line, canonjson.Strict)
		if err != nil {
			t.Fatal(err)
		}
		v := canonjson.Value(text)
		name, _ := v.Get("name").Str()
		versions, _ := v.Get("versions").Str()
		for _, version := range strings.Fields(versions) {
			n++
			p, err := event.Parse(rulesOf(t, version), v.Get("pdu"))
			if err != nil {
				t.Errorf("%s in version %s: %v", name, version, err)
				continue
			}
			if !bytes.Equal(p.JSON(), v.Get("pdu")) || len(p.PrevEvents()) == 0 || len(p.AuthEvents()) == 0 {
				t.Errorf("%s in version %s: %s", name, version, p.JSON())
			}
			if p.CheckContentHash() == nil {
				t.Errorf("%s in version %s: its hash is made up and matches", name, version)
			}
			if name == "pdu_v4_join_membership" && !slices.Contains(p.RequiredSigners(), id.Server("resident.example.com")) {
				t.Errorf("version %s: signers %v", version, p.RequiredSigners())
			}
		}
	}
	if n != 16 {
		t.Errorf("%d examples", n)
	}
}
