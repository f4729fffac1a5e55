package eventauth_test

import (
	_ "embed"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/roomver"
)

//go:embed testdata/rules.tsv
var rulesText string

// page is the rules of one version's page: number to text.
func page(t *testing.T, version int) map[string]string {
	t.Helper()
	out := map[string]string{}
	for i, text := range strings.Split(strings.TrimSpace(rulesText), "\n") {
		f := strings.SplitN(text, "\t", 3)
		if len(f) != 3 {
			t.Fatalf("rules.tsv:%d: not three fields", i+1)
		}
		from, to, ranged := strings.Cut(f[0], "-")
		if !ranged {
			to = from
		}
		first, err1 := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil {
			t.Fatalf("rules.tsv:%d: %q", i+1, f[0])
		}
		if first <= version && version <= last {
			out[f[1]] = f[2]
		}
	}
	return out
}

// The numbers that refusals carry are those of the pages: each line of the
// outline stands under the same number there, and the pages have no others.
//
// Spec: rooms/v1#authorisation-rules, rooms/v3#authorisation-rules, rooms/v6#authorisation-rules,
// Spec: rooms/v7#authorisation-rules, rooms/v8#authorisation-rules, rooms/v10#authorisation-rules,
// Spec: rooms/v11#authorisation-rules, rooms/v12#authorisation-rules
func TestOutline(t *testing.T) {
	t.Parallel()
	for i, rules := range roomver.All() {
		left := page(t, i+1)
		if len(left) < 60 {
			t.Fatalf("version %s: %d rules on the page", rules.Version, len(left))
		}
		for _, l := range eventauth.Outline(rules) {
			text, ok := left[l.Number]
			delete(left, l.Number)
			if l.Gap {
				if ok {
					t.Errorf("version %s: %s is no gap", rules.Version, l.Number)
				}
				continue
			}
			if !strings.Contains(text, l.Says) {
				t.Errorf("version %s: rule %s is %q and does not say %q", rules.Version, l.Number, text, l.Says)
			}
			rejects := strings.Contains(text, "eject") || strings.Contains(text, "only if")
			if l.Refuses && !rejects {
				t.Errorf("version %s: rule %s refuses nothing: %q", rules.Version, l.Number, text)
			}
			if !l.Refuses && strings.HasSuffix(text, "eject.") {
				t.Errorf("version %s: rule %s is never used: %q", rules.Version, l.Number, text)
			}
		}
		if len(left) > 0 {
			t.Errorf("version %s: not in the outline: %v", rules.Version, slices.Sorted(maps.Keys(left)))
		}
	}
	if n := eventauth.Number(255, roomver.All()[0]); n != "" {
		t.Errorf("a rule that there is not has the number %s", n)
	}
}

// Each rule of each version that can refuse is seen to refuse by a test.
func TestEveryRuleRefuses(t *testing.T) {
	t.Parallel()
	cases := allCases(t)
	for i, rules := range roomver.All() {
		// Tested with rooms of their own.
		tested := map[string]bool{}
		if rules.RoomIDFromCreate {
			tested["4"] = true // TestHashedRooms
		}
		for _, list := range cases {
			for _, c := range list {
				tested[c.want.of(i+1)] = true
			}
		}
		for _, c := range authEventCases() {
			tested[c.want.of(i+1)] = true
		}
		for _, l := range eventauth.Outline(rules) {
			if l.Refuses && !l.Gap && !tested[l.Number] {
				t.Errorf("version %s: no test is refused by rule %s: %s", rules.Version, l.Number, l.Says)
			}
		}
	}
}
