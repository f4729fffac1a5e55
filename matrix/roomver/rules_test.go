package roomver_test

import (
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/roomver"
)

// Spec: rooms#feature-matrix, rooms#complete-list-of-room-versions
func TestFeatureMatrix(t *testing.T) {
	t.Parallel()
	all := roomver.All()
	if len(all) != 12 {
		t.Fatalf("%d versions", len(all))
	}
	for i, r := range all {
		n := i + 1
		got, ok := roomver.Lookup(r.Version)
		if !ok || got != r {
			t.Errorf("version %s is not found", r.Version)
		}
		for _, c := range []struct {
			name       string
			has        bool
			from, upto int // the versions that have it, 0: open
		}{
			{"knocking", r.Knocking, 7, 0},
			{"restricted join rules", r.Restricted, 8, 0},
			{"knock_restricted", r.KnockRestricted, 10, 0},
			{"additional creators", r.PrivilegedCreators, 12, 0},
			{"room ID from the create event", r.RoomIDFromCreate, 12, 0},
			{"event ID as a field", r.EventID == roomver.EventIDField, 0, 2},
			{"event ID in standard base64", r.EventID == roomver.EventIDHash, 3, 3},
			{"event ID in URL-safe base64", r.EventID == roomver.EventIDHashURLSafe, 4, 0},
			{"references with hashes", r.RefsWithHashes, 0, 2},
			{"signature of the event ID's server", r.SignedByEventIDServer, 0, 2},
			{"redactions authorised by level", r.RedactionAuth, 0, 2},
			{"aliases authorised by server", r.AliasesAuth, 0, 5},
			{"strict JSON", r.StrictJSON, 6, 0},
			{"key validity", r.KeyValidity, 5, 0},
			{"levels of notifications", r.NotificationLevels, 6, 0},
			{"levels as fractions", r.PowerLevels == roomver.PowerLevelLenient, 0, 5},
			{"levels as strings", r.PowerLevels == roomver.PowerLevelStringy, 6, 9},
			{"levels as integers only", r.PowerLevels == roomver.PowerLevelInteger, 10, 0},
			{"creator in the content", r.CreatorInContent, 0, 10},
			{"redacts in the content", r.RedactsInContent, 11, 0},
			{"state resolution 1", r.StateRes == roomver.StateResV1, 0, 1},
			{"state resolution 2", r.StateRes == roomver.StateResV2, 2, 11},
			{"state resolution 2.1", r.StateRes == roomver.StateResV21, 12, 0},
			{"redaction keeps origin", r.Redaction.KeepOrigin, 0, 10},
			{"redaction keeps aliases", r.Redaction.KeepAliases, 0, 5},
			{"redaction keeps allow", r.Redaction.KeepAllow, 8, 0},
			{"redaction keeps who vouched", r.Redaction.KeepAuthorisedVia, 9, 0},
			{"redaction keeps signed", r.Redaction.KeepThirdPartySigned, 11, 0},
			{"redaction keeps create content", r.Redaction.KeepCreateContent, 11, 0},
			{"redaction keeps invite", r.Redaction.KeepInviteLevel, 11, 0},
			{"redaction keeps redacts", r.Redaction.KeepRedacts, 11, 0},
		} {
			if want := n >= c.from && (c.upto == 0 || n <= c.upto); c.has != want {
				t.Errorf("version %s: %s is %v", r.Version, c.name, c.has)
			}
		}
	}
	if _, ok := roomver.Lookup(roomver.Default); !ok {
		t.Error("the default version is unknown")
	}
	if _, ok := roomver.Lookup("org.example.unknown"); ok {
		t.Error("an unknown version was found")
	}
	all[0] = nil
	if roomver.All()[0] == nil {
		t.Error("All gives its own list away")
	}
}

// Spec: rooms#room-version-grammar
func TestValidIdentifier(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"1": true, "1.2": true, "1.2-beta": true, "com.example.version": true, strings.Repeat("a", 32): true,
		"": false, "A": false, "1 2": false, "é": false, "1_2": false, strings.Repeat("a", 33): false,
	} {
		if got := roomver.ValidIdentifier(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}
