package pushrule

import (
	"strings"
	"unicode/utf8"
)

// Glob is a compiled pattern: * stands for any characters, ? for one. It ignores
// case, as the simple mapping to lower case of Unicode has it.
//
// Spec: appendices#glob-style-matching
type Glob struct {
	tokens []rune // in lower case; star and anyRune stand for * and ?
	// stars has a bit for each *; masks has, for each character, a bit for each token
	// that it matches. Those not in it match what anyRune has.
	stars   []uint64
	masks   map[rune][]uint64
	literal string // the pattern in lower case, if it has neither
	plain   bool
}

const (
	star    rune = -1
	anyRune rune = -2
)

// CompileGlob compiles a pattern. Any text is one.
func CompileGlob(pattern string) Glob {
	lower := strings.ToLower(pattern)
	if !strings.ContainsAny(lower, "*?") {
		return Glob{literal: lower, plain: true}
	}
	g := Glob{}
	for _, r := range lower {
		switch r {
		case '*':
			if n := len(g.tokens); n == 0 || g.tokens[n-1] != star {
				g.tokens = append(g.tokens, star)
			}
		case '?':
			g.tokens = append(g.tokens, anyRune)
		default:
			g.tokens = append(g.tokens, r)
		}
	}
	g.index()
	return g
}

// index makes the masks of the tokens.
func (g *Glob) index() {
	words := len(g.tokens)/64 + 1
	g.stars, g.masks = make([]uint64, words), map[rune][]uint64{anyRune: make([]uint64, words)}
	for i, token := range g.tokens {
		switch {
		case token == star:
			g.stars[i/64] |= 1 << (i % 64)
		case g.masks[token] == nil:
			g.masks[token] = make([]uint64, words)
		}
	}
	for i, token := range g.tokens {
		for r, mask := range g.masks {
			if token == anyRune || (token == r && token != star) {
				mask[i/64] |= 1 << (i % 64)
			}
		}
	}
}

// Match reports whether the pattern matches all of s. Time: at most the product
// of the lengths.
func (g Glob) Match(s string) bool { return g.matchLower(strings.ToLower(s)) }

func (g Glob) matchLower(s string) bool {
	if g.plain {
		return s == g.literal
	}
	// One * needs no more than to remember where it stood: a later one makes
	// earlier choices irrelevant.
	t, back, backAt := 0, -1, 0
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case t < len(g.tokens) && g.tokens[t] == star:
			back, backAt = t, i
			t++
			continue
		case t < len(g.tokens) && (g.tokens[t] == anyRune || g.tokens[t] == r):
			t++
			i += n
			continue
		case back < 0:
			return false
		}
		_, skip := utf8.DecodeRuneInString(s[backAt:])
		backAt += skip
		i, t = backAt, back+1
	}
	for t < len(g.tokens) && g.tokens[t] == star {
		t++
	}
	return t == len(g.tokens)
}

// MatchWord reports whether the pattern matches a part of s that starts and ends
// at a word boundary. Time: the length of s for each 64 characters of the pattern.
//
// Spec: client-server-api/modules/push#conditions
func (g Glob) MatchWord(s string) bool { return g.matchWordLower(strings.ToLower(s)) }

func (g Glob) matchWordLower(s string) bool {
	if g.plain {
		return containsWord(s, g.literal)
	}
	// All places in the pattern that the text so far may have reached, at once: bit
	// i stands for the place before token i, the last one for the end.
	var small [4]uint64
	var at []uint64
	if n := len(g.tokens)/64 + 1; n <= len(small) {
		at = small[:n]
	} else {
		at = make([]uint64, n)
	}
	end := len(g.tokens)
	before := rune(0)
	for i := 0; ; {
		r, n := utf8.DecodeRuneInString(s[i:])
		if i == 0 || i == len(s) || !word(before) || !word(r) {
			at[0] |= 1
			g.pass(at)
			if at[end/64]&(1<<(end%64)) != 0 {
				return true
			}
		}
		if i == len(s) {
			return false
		}
		g.step(at, r)
		before = r
		i += n
	}
}

// step moves all places on over one character of the text.
func (g Glob) step(at []uint64, r rune) {
	match, ok := g.masks[r]
	if !ok {
		match = g.masks[anyRune]
	}
	carry := uint64(0)
	for w := range at {
		moved := at[w] & match[w]
		at[w] = at[w]&g.stars[w] | moved<<1 | carry
		carry = moved >> 63
	}
	g.pass(at)
}

// pass lets places before a * stand behind it as well; no two of them are adjacent.
func (g Glob) pass(at []uint64) {
	carry := uint64(0)
	for w := range at {
		over := at[w] & g.stars[w]
		at[w] |= over<<1 | carry
		carry = over >> 63
	}
}

// containsWord finds a literal between word boundaries; both are in lower case.
func containsWord(s, literal string) bool {
	if literal == "" {
		return true // the start of the value is a boundary
	}
	for from := 0; ; {
		i := strings.Index(s[from:], literal)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(literal)
		if boundaryAt(s, i) && boundaryAt(s, end) {
			return true
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		from = i + n
	}
}

func boundaryAt(s string, i int) bool {
	if i == 0 || i == len(s) {
		return true
	}
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	after, _ := utf8.DecodeRuneInString(s[i:])
	return !word(before) || !word(after)
}

func word(r rune) bool {
	return r == '_' || (r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z')
}
