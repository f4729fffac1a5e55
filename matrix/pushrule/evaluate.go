package pushrule

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
)

// Compiled is a ruleset made ready to be evaluated.
type Compiled struct {
	rules []compiledRule
}

type compiledRule struct {
	kind       Kind
	id         string
	conditions []check
	outcome    Outcome
}

// check is one condition.
type check struct {
	op    op
	key   string // canonical path
	glob  Glob
	value canonjson.Value
	// own: the value or pattern is the user's own ID.
	own  bool
	n    int
	test func(members, n int) bool
	text string
}

type op uint8

const (
	opNever op = iota
	opMatch
	opMatchWord
	opIs
	opContains
	opDisplayName
	opMembers
	opPermission
	opRoom
	opSender
)

// Outcome is what a user gets of an event.
type Outcome struct {
	// Rule is the ID of the rule that matched, Kind its kind; the ID is empty if
	// none did.
	Rule string
	Kind Kind
	// Notify: the user is to be notified.
	Notify bool
	// Highlight and Sound are the tweaks of these names; Sound is empty for none.
	Highlight bool
	Sound     string
	// Actions are all actions of the rule; they must not be changed.
	Actions []Action
}

// Compile makes the rules of a user ready. Rules that are switched off, and those
// that can never match, cost nothing afterwards.
func Compile(s Ruleset, user id.User) *Compiled {
	c := &Compiled{}
	for k := range Kinds {
		for _, r := range s[k] {
			if !r.Enabled {
				continue
			}
			compiled := compiledRule{kind: k, id: r.ID, outcome: outcomeOf(k, r)}
			switch k {
			case Content:
				compiled.conditions = []check{{op: opMatchWord, key: "content.body", glob: CompileGlob(r.Pattern)}}
			case Room:
				compiled.conditions = []check{{op: opRoom, text: r.ID}}
			case Sender:
				compiled.conditions = []check{{op: opSender, text: r.ID}}
			default:
				for _, condition := range r.Conditions {
					compiled.conditions = append(compiled.conditions, compileCondition(condition, user))
				}
			}
			never := false
			for _, check := range compiled.conditions {
				never = never || check.op == opNever
			}
			if !never {
				c.rules = append(c.rules, compiled)
			}
		}
	}
	return c
}

func outcomeOf(k Kind, r Rule) Outcome {
	o := Outcome{Rule: r.ID, Kind: k, Actions: r.Actions}
	for _, a := range r.Actions {
		switch {
		case a.Notify:
			o.Notify = true
		case a.Tweak == "highlight":
			off, isBool := a.Value.Bool()
			o.Highlight = !isBool || off
		case a.Tweak == "sound":
			o.Sound, _ = a.Value.Str()
		}
	}
	return o
}

func compileCondition(c Condition, user id.User) check {
	out := check{key: canonicalPath(c.Key)}
	switch c.Kind {
	case EventMatch:
		out.op, out.glob = opMatch, CompileGlob(c.Pattern)
		out.own = c.Pattern == string(user)
		if out.key == "content.body" {
			out.op, out.own = opMatchWord, false
		}
	case EventPropertyIs, EventPropertyContains:
		out.op = opIs
		if c.Kind == EventPropertyContains {
			out.op = opContains
		}
		out.value, out.own = c.Value, c.Value.EqualStr(string(user))
		if !simple(c.Value) {
			out.op = opNever
		}
	case ContainsDisplayName:
		out.op = opDisplayName
	case RoomMemberCount:
		out.op = opMembers
		if out.test, out.n = compileCount(c.Is); out.test == nil {
			out.op = opNever
		}
	case SenderNotificationPermission:
		out.op, out.text = opPermission, c.Key
	}
	return out
}

// simple reports whether a value can be compared with.
func simple(v canonjson.Value) bool {
	switch v.Kind() {
	case canonjson.String, canonjson.Bool, canonjson.Null:
		return true
	case canonjson.Number:
		_, ok := v.Int()
		return ok
	}
	return false
}

func compileCount(text string) (func(members, n int) bool, int) {
	for _, c := range []struct {
		prefix string
		test   func(members, n int) bool
	}{
		{"==", func(m, n int) bool { return m == n }},
		{"<=", func(m, n int) bool { return m <= n }},
		{">=", func(m, n int) bool { return m >= n }},
		{"<", func(m, n int) bool { return m < n }},
		{">", func(m, n int) bool { return m > n }},
		{"", func(m, n int) bool { return m == n }},
	} {
		if rest, ok := strings.CutPrefix(text, c.prefix); ok {
			n, err := strconv.ParseUint(rest, 10, 31)
			if err != nil || rest[0] == '+' {
				return nil, 0
			}
			return c.test, int(n)
		}
	}
	return nil, 0
}

// canonicalPath writes a path with the escapes that are needed and no others.
//
// Spec: appendices#dot-separated-property-paths
func canonicalPath(key string) string {
	names := splitPath(key)
	for i, n := range names {
		names[i] = escapeName(n)
	}
	return strings.Join(names, ".")
}

func splitPath(key string) []string {
	var names []string
	var name strings.Builder
	for i := 0; i < len(key); i++ {
		switch {
		case key[i] == '\\' && i+1 < len(key) && (key[i+1] == '.' || key[i+1] == '\\'):
			i++
			name.WriteByte(key[i])
		case key[i] == '.':
			names = append(names, name.String())
			name.Reset()
		default:
			name.WriteByte(key[i])
		}
	}
	return append(names, name.String())
}

func escapeName(n string) string {
	return strings.NewReplacer(`\`, `\\`, `.`, `\.`).Replace(n)
}

// Event is an event made ready for the rules of many users. It is for one
// goroutine.
type Event struct {
	pdu        *event.PDU
	content    canonjson.Value
	properties map[string]*property
}

// property is a member of the event, read once.
type property struct {
	value canonjson.Value
	text  string // a string's content
	lower string
	isStr bool
	// strings are the strings of an array that has many.
	strings map[string]bool
}

// NewEvent prepares an event. Its properties are read when a rule asks for them.
func NewEvent(p *event.PDU) *Event {
	return &Event{pdu: p, content: p.Content(), properties: map[string]*property{}}
}

// Decrypted prepares an encrypted event whose content the caller has decrypted:
// rules see the given content, the rest is the event's.
func Decrypted(p *event.PDU, content canonjson.Value) *Event {
	return &Event{pdu: p, content: content, properties: map[string]*property{}}
}

func (e *Event) property(path string) *property {
	if p, ok := e.properties[path]; ok {
		return p
	}
	p := e.read(path)
	e.properties[path] = p
	return p
}

func (e *Event) read(path string) *property {
	text := func(s string) *property {
		return &property{value: canonjson.AppendString(nil, s), text: s, lower: strings.ToLower(s), isStr: true}
	}
	switch path {
	case "type":
		return text(e.pdu.Type())
	case "sender":
		return text(string(e.pdu.Sender()))
	case "room_id":
		return text(string(e.pdu.Room()))
	case "event_id":
		return text(string(e.pdu.ID()))
	case "state_key":
		if key, ok := e.pdu.StateKey(); ok {
			return text(key)
		}
		return nil
	}
	names := splitPath(path)
	if names[0] != "content" || len(names) < 2 {
		return nil
	}
	p := &property{value: e.content.Path(names[1:]...)}
	if !p.value.Exists() {
		return nil
	}
	p.text, p.isStr = p.value.Str()
	p.lower = strings.ToLower(p.text)
	if p.value.Kind() == canonjson.Array {
		p.strings = map[string]bool{}
		for v := range p.value.Elems() {
			if s, ok := v.Str(); ok {
				p.strings[s] = true
			}
		}
	}
	return p
}

// RoomState is what rules ask of the room.
type RoomState struct {
	// Members is the number of joined members.
	Members int
	// SenderPower is the power of the event's sender.
	SenderPower int64
	// Need is the power that notifying in a way needs, such as "room".
	Need func(key string) int64
}

// User is whose rules are evaluated.
type User struct {
	ID id.User
	// DisplayName is the user's name in the room; empty for none.
	DisplayName string
}

// Evaluate finds the first rule that matches; without one, and for the user's own
// events, the outcome is zero. Compiled rules may be evaluated for another user
// than they were compiled for, if their only mention of the user is the one of the
// predefined rules: so users without rules of their own can share them. It
// allocates nothing once the event's properties have been read, but for patterns in
// the body of more than 255 characters.
//
// Spec: client-server-api/modules/push#push-rules
func (c *Compiled) Evaluate(e *Event, r *RoomState, u User) Outcome {
	if e.pdu.Sender() == u.ID {
		return Outcome{}
	}
	for i := range c.rules {
		rule := &c.rules[i]
		holds := true
		for n := range rule.conditions {
			if !rule.conditions[n].holds(e, r, u) {
				holds = false
				break
			}
		}
		if holds {
			return rule.outcome
		}
	}
	return Outcome{}
}

func (c *check) holds(e *Event, r *RoomState, u User) bool {
	switch c.op {
	case opRoom:
		return string(e.pdu.Room()) == c.text
	case opSender:
		return string(e.pdu.Sender()) == c.text
	case opMembers:
		return c.test(r.Members, c.n)
	case opPermission:
		return r.Need != nil && r.SenderPower >= r.Need(c.text)
	case opDisplayName:
		return u.DisplayName != "" && e.mentions(u.DisplayName)
	}
	p := e.property(c.key)
	if p == nil {
		return false
	}
	switch c.op {
	case opMatch:
		if c.own {
			return p.isStr && p.text == string(u.ID)
		}
		return p.isStr && c.glob.matchLower(p.lower)
	case opMatchWord:
		return p.isStr && c.glob.matchWordLower(p.lower)
	case opIs:
		if c.own {
			return p.isStr && p.text == string(u.ID)
		}
		return same(p.value, c.value)
	case opContains:
		if p.strings == nil {
			return false
		}
		if c.own {
			return p.strings[string(u.ID)]
		}
		for v := range p.value.Elems() {
			if same(v, c.value) {
				return true
			}
		}
	}
	return false
}

// mentions finds a display name in the body.
func (e *Event) mentions(name string) bool {
	p := e.property("content.body")
	return p != nil && p.isStr && containsWord(p.lower, strings.ToLower(name))
}

// same compares values that are no arrays or objects; types are not converted.
func same(a, b canonjson.Value) bool {
	if a.Kind() != b.Kind() || !simple(a) {
		return false
	}
	if bytes.Equal(a, b) {
		return true
	}
	s, ok := b.Str()
	return ok && a.EqualStr(s)
}
