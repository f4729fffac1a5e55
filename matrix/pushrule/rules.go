// Package pushrule decides who is notified of an event and how: the push rules of
// users, the predefined ones among them.
//
// A Ruleset is what a user has, as it stands in account data. Compile turns it
// into a form that is evaluated for many events; NewEvent prepares an event once
// for the rules of many users. Evaluating allocates nothing.
//
// The package does no I/O and keeps no state. Rulesets are values: changing one
// gives a new one. Compiled rules are safe for concurrent use, a prepared Event is
// for one goroutine.
//
//	rules := pushrule.Compile(pushrule.Merge(user, stored), user)
//	e := pushrule.NewEvent(pdu)
//	outcome := rules.Evaluate(e, &room, pushrule.User{ID: user, DisplayName: name})
//	if outcome.Notify { … }
//
// Spec: client-server-api/modules/push#push-rules
package pushrule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/id"
)

// Kind names a kind of rules. Rules are checked kind by kind, in this order.
type Kind uint8

// The kinds of rules.
const (
	Override Kind = iota
	Content
	Room
	Sender
	Underride
	Kinds // their number
)

var kindNames = [Kinds]string{"override", "content", "room", "sender", "underride"}

// String is the kind's name in the API.
func (k Kind) String() string {
	if k < Kinds {
		return kindNames[k]
	}
	return "unknown"
}

// ParseKind finds a kind by its name.
func ParseKind(name string) (Kind, bool) {
	i := slices.Index(kindNames[:], name)
	return Kind(max(i, 0)), i >= 0
}

// Ruleset is a user's push rules: for each kind a list in order of priority.
type Ruleset [Kinds][]Rule

// Rule says what happens with the events that it matches.
type Rule struct {
	// ID is unique within the kind; predefined ones start with a dot.
	ID string
	// Default: the rule is predefined by the server.
	Default bool
	// Enabled: only enabled rules match.
	Enabled bool
	// Conditions, all of which must hold; of override and underride rules only.
	Conditions []Condition
	// Pattern is what content.body must contain; of content rules only.
	Pattern string
	Actions []Action
}

// The kinds of conditions.
const (
	EventMatch                   = "event_match"
	EventPropertyIs              = "event_property_is"
	EventPropertyContains        = "event_property_contains"
	ContainsDisplayName          = "contains_display_name"
	RoomMemberCount              = "room_member_count"
	SenderNotificationPermission = "sender_notification_permission"
)

// Condition is one condition. Which members count depends on its kind; one of a
// kind that is not known never holds.
type Condition struct {
	Kind    string
	Key     string
	Pattern string
	// Value is a JSON value that is no object or array.
	Value canonjson.Value
	Is    string
	// text is the condition as it was read, so that members which nobody here
	// knows are given back.
	text canonjson.Value
}

// Action is one action of a rule: to notify, or to set a tweak.
type Action struct {
	// Notify is the action "notify"; else Tweak names what is set.
	Notify bool
	Tweak  string
	// Value is what the tweak is set to; absent if nothing was said.
	Value canonjson.Value
}

// Actions that the predefined rules use.
var (
	notify    = Action{Notify: true}
	highlight = Action{Tweak: "highlight"}
	sound     = Action{Tweak: "sound", Value: canonjson.Value(`"default"`)}
	ring      = Action{Tweak: "sound", Value: canonjson.Value(`"ring"`)}
)

func match(key, pattern string) Condition {
	return Condition{Kind: EventMatch, Key: key, Pattern: pattern}
}

func is(key string, value []byte) Condition {
	return Condition{Kind: EventPropertyIs, Key: key, Value: value}
}

func predefined(name string, actions []Action, conditions ...Condition) Rule {
	return Rule{ID: ".m.rule." + name, Default: true, Enabled: true, Conditions: conditions, Actions: actions}
}

// Defaults are the predefined rules of a user.
//
// Spec: client-server-api/modules/push#predefined-rules
func Defaults(user id.User) Ruleset {
	master := predefined("master", nil)
	master.Enabled = false
	own := canonjson.AppendString(nil, string(user))
	return Ruleset{
		// Spec: client-server-api/modules/push#default-override-rules
		Override: {
			master,
			predefined("suppress_notices", nil, match("content.msgtype", "m.notice")),
			predefined("invite_for_me", []Action{notify, sound}, match("type", "m.room.member"), match("content.membership", "invite"), match("state_key", string(user))),
			predefined("member_event", nil, match("type", "m.room.member")),
			predefined("is_user_mention", []Action{notify, sound, highlight}, Condition{Kind: EventPropertyContains, Key: `content.m\.mentions.user_ids`, Value: own}),
			predefined("is_room_mention", []Action{notify, highlight}, is(`content.m\.mentions.room`, []byte("true")), Condition{Kind: SenderNotificationPermission, Key: "room"}),
			predefined("tombstone", []Action{notify, highlight}, match("type", "m.room.tombstone"), match("state_key", "")),
			predefined("reaction", nil, match("type", "m.reaction")),
			predefined("room.server_acl", nil, match("type", "m.room.server_acl"), match("state_key", "")),
			predefined("suppress_edits", nil, is(`content.m\.relates_to.rel_type`, []byte(`"m.replace"`))),
		},
		// Spec: client-server-api/modules/push#default-underride-rules
		Underride: {
			predefined("call", []Action{notify, ring}, match("type", "m.call.invite")),
			predefined("encrypted_room_one_to_one", []Action{notify, sound}, Condition{Kind: RoomMemberCount, Is: "2"}, match("type", "m.room.encrypted")),
			predefined("room_one_to_one", []Action{notify, sound}, Condition{Kind: RoomMemberCount, Is: "2"}, match("type", "m.room.message")),
			predefined("message", []Action{notify}, match("type", "m.room.message")),
			predefined("encrypted", []Action{notify}, match("type", "m.room.encrypted")),
		},
	}
}

// isMaster: this rule stays ahead of all others.
func isMaster(r Rule) bool { return r.Default && r.ID == ".m.rule.master" }

// Merge is a user's stored rules on top of the predefined ones of today: rules of
// the user's own stay as they are, of the predefined ones the stored switch and
// actions count; what is no longer predefined is dropped, what is new is added.
func Merge(user id.User, stored Ruleset) Ruleset {
	out := Defaults(user)
	for k := range out {
		var own []Rule
		for _, r := range stored[k] {
			if !r.Default {
				own = append(own, r)
				continue
			}
			if i := slices.IndexFunc(out[k], func(d Rule) bool { return d.ID == r.ID }); i >= 0 {
				out[k][i].Enabled, out[k][i].Actions = r.Enabled, r.Actions
			}
		}
		at := 0
		if len(out[k]) > 0 && isMaster(out[k][0]) {
			at = 1
		}
		out[k] = slices.Insert(out[k], at, own...)
	}
	return out
}

// Error says why rules cannot be read or changed.
type Error struct {
	// NotFound: there is no such rule; else the request can never be right.
	NotFound bool
	// Reason is for people.
	Reason string
}

// Error gives the reason.
func (e *Error) Error() string { return e.Reason }

func invalid(format string, args ...any) error { return &Error{Reason: fmt.Sprintf(format, args...)} }

// Find is a rule and its place, -1 if there is none.
func (s Ruleset) Find(k Kind, ruleID string) (Rule, int) {
	for i, r := range s[k] {
		if r.ID == ruleID {
			return r, i
		}
	}
	return Rule{}, -1
}

// change is a copy of the rules with one of them edited.
func (s Ruleset) change(k Kind, ruleID string, edit func(*Rule)) (Ruleset, error) {
	_, i := s.Find(k, ruleID)
	if i < 0 {
		return s, &Error{NotFound: true, Reason: fmt.Sprintf("there is no %s rule %.64q", k, ruleID)}
	}
	s[k] = slices.Clone(s[k])
	edit(&s[k][i])
	return s, nil
}

// SetEnabled switches a rule on or off.
func (s Ruleset) SetEnabled(k Kind, ruleID string, enabled bool) (Ruleset, error) {
	return s.change(k, ruleID, func(r *Rule) { r.Enabled = enabled })
}

// SetActions replaces the actions of a rule.
func (s Ruleset) SetActions(k Kind, ruleID string, actions []Action) (Ruleset, error) {
	return s.change(k, ruleID, func(r *Rule) { r.Actions = slices.Clone(actions) })
}

// Delete removes a rule of the user's own.
func (s Ruleset) Delete(k Kind, ruleID string) (Ruleset, error) {
	r, i := s.Find(k, ruleID)
	switch {
	case i < 0:
		return s, &Error{NotFound: true, Reason: fmt.Sprintf("there is no %s rule %.64q", k, ruleID)}
	case r.Default:
		return s, invalid("the rule %s is predefined and cannot be deleted, only switched off", ruleID)
	}
	s[k] = slices.Delete(slices.Clone(s[k]), i, i+1)
	return s, nil
}

// Bounds of one user's rules.
const (
	// MaxRules is how many a user may have beside the predefined ones of a kind.
	MaxRules = 1000
	// MaxSize is the longest that all of them may be as JSON, in bytes.
	MaxSize = 256 << 10
)

// Put adds or replaces a rule of the user's own. It becomes the next more
// important one of the rule before, or the next less important one of the rule
// after, if one is named; before counts if both are. Else a new rule becomes the
// most important one of the user's own, and one that is replaced keeps its place.
// A new rule is enabled, one that is replaced stays as it was.
//
// Spec: client-server-api/modules/push#push-rules-api
func (s Ruleset) Put(k Kind, r Rule, before, after string) (Ruleset, error) {
	if err := checkRule(k, r); err != nil {
		return s, err
	}
	old, at := s.Find(k, r.ID)
	r.Default, r.Enabled = false, true
	if at >= 0 {
		r.Enabled = old.Enabled
	} else if len(s[k]) > MaxRules {
		return s, invalid("there are more than %d rules already: delete some", MaxRules)
	}
	rules := slices.Clone(s[k])
	if at >= 0 {
		rules = slices.Delete(rules, at, at+1)
	}
	if beside := before + after; beside != "" {
		if before != "" {
			beside = before
		}
		i := slices.IndexFunc(rules, func(r Rule) bool { return r.ID == beside })
		switch {
		case i < 0:
			return s, &Error{NotFound: true, Reason: fmt.Sprintf("there is no other %s rule %.64q to put it beside", k, beside)}
		case rules[i].Default:
			return s, invalid("a rule cannot be put beside the predefined rule %s", beside)
		}
		if at = i; before == "" {
			at = i + 1
		}
	} else if at < 0 {
		if at = 0; len(rules) > 0 && isMaster(rules[0]) {
			at = 1
		}
	}
	grown := s
	grown[k] = slices.Insert(rules, at, r)
	if len(grown.GlobalJSON()) > MaxSize {
		return s, invalid("the rules together are longer than %d KiB: delete some", MaxSize>>10)
	}
	return grown, nil
}

// checkRule refuses rules that users may not make.
func checkRule(k Kind, r Rule) error {
	switch {
	case k >= Kinds:
		return invalid("unknown kind of rule")
	case r.ID == "":
		return invalid("the rule ID is empty")
	case len(r.ID) > id.MaxLength:
		return invalid("the rule ID is longer than %d bytes", id.MaxLength)
	case r.ID[0] == '.':
		return invalid("rule IDs that start with a dot belong to predefined rules")
	case strings.ContainsAny(r.ID, `/\`):
		return invalid("a rule ID must not hold / or \\")
	}
	switch k {
	case Room:
		if _, err := id.ParseRoom(r.ID); err != nil {
			return invalid("the ID of a room rule is the room's ID: %v", err)
		}
	case Sender:
		if _, err := id.ParseUserHistorical(r.ID); err != nil {
			return invalid("the ID of a sender rule is the sender's ID: %v", err)
		}
	case Content:
		if r.Pattern == "" {
			return invalid("a content rule needs a pattern")
		}
	}
	if len(r.Pattern) > maxPattern {
		return invalid("the pattern is longer than %d bytes", maxPattern)
	}
	if k != Override && k != Underride && len(r.Conditions) > 0 {
		return invalid("%s rules have no conditions", k)
	}
	if len(r.Conditions) > maxConditions {
		return invalid("more than %d conditions", maxConditions)
	}
	for _, c := range r.Conditions {
		if len(c.Pattern) > maxPattern || len(c.Key) > maxPattern {
			return invalid("a condition is longer than %d bytes", maxPattern)
		}
	}
	return nil
}

// Bounds on a single rule.
const (
	maxPattern    = 256
	maxConditions = 100
)
