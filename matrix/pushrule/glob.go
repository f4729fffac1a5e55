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
	tokens  []rune // in lower case; star and anyRune stand for * and ?
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
	return g
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
// at a word boundary. Time: at most the product of the lengths.
//
// Spec: client-server-api/modules/push#conditions
func (g Glob) MatchWord(s string) bool { return g.matchWordLower(strings.ToLower(s)) }

func (g Glob) matchWordLower(s string) bool {
	if g.plain {
		return containsWord(s, g.literal)
	}
	// All places in the pattern that the text so far may have reached, at once.
	at, next := make([]bool, len(g.tokens)+1), make([]bool, len(g.tokens)+1)
	before := rune(0)
	for i := 0; ; {
		r, n := utf8.DecodeRuneInString(s[i:])
		boundary := i == 0 || i == len(s) || !word(before) || !word(r)
		if boundary {
			g.reach(at, 0)
			if at[len(g.tokens)] {
				return true
			}
		}
		if i == len(s) {
			return false
		}
		clear(next)
		for t, token := range g.tokens {
			if !at[t] {
				continue
			}
			if token == star {
				g.reach(next, t)
			} else if token == anyRune || token == r {
				g.reach(next, t+1)
			}
		}
		at, next = next, at
		before = r
		i += n
	}
}

// reach marks a place in the pattern, and the one behind it if a * stands there.
func (g Glob) reach(at []bool, t int) {
	at[t] = true
	if t < len(g.tokens) && g.tokens[t] == star {
		at[t+1] = true
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
