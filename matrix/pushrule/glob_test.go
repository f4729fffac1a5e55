package pushrule_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/pushrule"
)

// slowMatch is the definition: each character in turn, * tried at every length.
func slowMatch(pattern, s []rune) bool {
	if len(pattern) == 0 {
		return len(s) == 0
	}
	if pattern[0] == '*' {
		for i := range len(s) + 1 {
			if slowMatch(pattern[1:], s[i:]) {
				return true
			}
		}
		return false
	}
	return len(s) > 0 && (pattern[0] == '?' || pattern[0] == s[0]) && slowMatch(pattern[1:], s[1:])
}

// slowWord tries every part of s that starts and ends at a boundary.
func slowWord(pattern, s []rune) bool {
	word := func(r rune) bool { return r == '_' || (r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') }
	boundary := func(i int) bool { return i == 0 || i == len(s) || !word(s[i-1]) || !word(s[i]) }
	for from := range len(s) + 1 {
		for to := from; to <= len(s); to++ {
			if boundary(from) && boundary(to) && slowMatch(pattern, s[from:to]) {
				return true
			}
		}
	}
	return false
}

func lower(s string) []rune { return []rune(strings.ToLower(s)) }

func TestGlobAgainstTwin(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 1))
	letters := []rune("aAb*? -é")
	text := func(n int) string {
		var b strings.Builder
		for range rnd.IntN(n) {
			b.WriteRune(letters[rnd.IntN(len(letters))])
		}
		return b.String()
	}
	for range 30_000 {
		pattern, s := text(6), text(9)
		g := pushrule.CompileGlob(pattern)
		if got, want := g.Match(s), slowMatch(lower(pattern), lower(s)); got != want {
			t.Fatalf("%q on %q: %v", pattern, s, got)
		}
		if got, want := g.MatchWord(s), slowWord(lower(pattern), lower(s)); got != want {
			t.Fatalf("%q within %q: %v", pattern, s, got)
		}
	}
}

// Patterns that make backtracking explode take no longer than others.
func TestGlobIsNotExponential(t *testing.T) {
	t.Parallel()
	pattern, s := strings.Repeat("*a", 500)+"b", strings.Repeat("a", 60_000)
	g := pushrule.CompileGlob(pattern)
	if g.Match(s) || g.MatchWord(s) {
		t.Error("there is no b")
	}
}

// Long patterns cross the words of the index.
func TestLongGlob(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 62, 63, 64, 65, 127, 128, 129, 300} {
		text := strings.Repeat("ab", n)[:n]
		for pattern, want := range map[string]bool{text + "?": true, "*" + text + "x": true, "?" + text: false, text + "*y": false, strings.Repeat("?", n) + "x*": true, strings.Repeat("*?", n): true} {
			s := "-" + text + "x-"
			if got := pushrule.CompileGlob(pattern).MatchWord(s); got != want && n > 1 {
				t.Errorf("%d: %.20q: %v", n, pattern, got)
			}
		}
	}
}

func FuzzGlob(f *testing.F) {
	for _, p := range []string{"", "*", "?", "a*b", "*a*", "ex*ple", "lunc?*", "\xff*", "é?"} {
		f.Add(p, "An example event.")
		f.Add(p, "")
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 12 || len(s) > 24 {
			pushrule.CompileGlob(pattern).Match(s)
			pushrule.CompileGlob(pattern).MatchWord(s)
			return
		}
		if strings.ToValidUTF8(pattern+s, "") != pattern+s {
			return // events hold valid UTF-8 only
		}
		g := pushrule.CompileGlob(pattern)
		if got := g.Match(s); got != slowMatch(lower(pattern), lower(s)) {
			t.Fatalf("%q on %q: %v", pattern, s, got)
		}
		if got := g.MatchWord(s); got != slowWord(lower(pattern), lower(s)) {
			t.Fatalf("%q within %q: %v", pattern, s, got)
		}
	})
}

// FuzzParse: rules that are read are written and read alike, and evaluating them
// does not panic.
func FuzzParse(f *testing.F) {
	f.Add(pushrule.Defaults(me).JSON())
	f.Add([]byte(`{"global":{"content":[{"rule_id":"a","pattern":"*x?","actions":["notify",{"set_tweak":"sound"}]}],"underride":[{"rule_id":"b","conditions":[{"kind":"room_member_count","is":">1"}],"actions":[]}]}}`))
	p := newEvent(f, "m.room.message", "-", `{"body":"hello"}`)
	f.Fuzz(func(t *testing.T, text []byte) {
		canonical, err := canonjson.Append(nil, text, canonjson.Strict)
		if err != nil {
			return
		}
		rules, err := pushrule.Parse(canonical)
		if err != nil {
			return
		}
		written := rules.JSON()
		again, err := pushrule.Parse(written)
		if err != nil || string(again.JSON()) != string(written) || canonjson.Check(written, canonjson.Strict) != nil {
			t.Fatalf("%s is written %s, %v", text, written, err)
		}
		pushrule.Compile(rules, me).Evaluate(pushrule.NewEvent(p), room(3, 0), pushrule.User{ID: me, DisplayName: "x"})
		pushrule.Merge(me, rules)
	})
}

// One message for a room of 10,000 local users with the predefined rules.
func BenchmarkEvaluate10000(b *testing.B) {
	shared := pushrule.Compile(pushrule.Defaults(me), me)
	p, r := newEvent(b, "m.room.message", "-", `{"body":"Good morning, how are you all today?","msgtype":"m.text","m.mentions":{"user_ids":["@user77:example.org"]}}`), room(10_000, 0)
	users := make([]pushrule.User, 10_000)
	for i := range users {
		users[i] = pushrule.User{ID: id.User(fmt.Sprintf("@user%d:example.org", i)), DisplayName: fmt.Sprint("User ", i)}
	}
	b.ReportAllocs()
	for b.Loop() {
		e := pushrule.NewEvent(p)
		notified := 0
		for _, u := range users {
			if shared.Evaluate(e, r, u).Notify {
				notified++
			}
		}
		if notified != len(users) {
			b.Fatal(notified)
		}
	}
}
