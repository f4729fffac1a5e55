package pushrule

import (
	"github.com/hanse-im/hanse/matrix/canonjson"
)

// Parse reads rules as account data and the API hold them: the content of
// m.push_rules, {"global": {"override": […], …}}. Actions of old, dont_notify and
// coalesce, are left out, as are actions and kinds that are not known. It returns
// an *Error for what has not the shape of rules.
//
// Spec: client-server-api/modules/push#push-rules-events
func Parse(content canonjson.Value) (Ruleset, error) {
	var out Ruleset
	global := content.Get("global")
	if content.Kind() != canonjson.Object || (global.Exists() && global.Kind() != canonjson.Object) {
		return out, invalid("push rules must be an object with the object global in it")
	}
	for k := range Kinds {
		list := global.Get(k.String())
		if list.Exists() && list.Kind() != canonjson.Array {
			return Ruleset{}, invalid("global.%s must be a list", k)
		}
		for v := range list.Elems() {
			ruleID, ok := v.Get("rule_id").Str()
			if !ok {
				return Ruleset{}, invalid("global.%s: a rule has no rule_id", k)
			}
			r, err := ParseRule(k, ruleID, v)
			if err != nil {
				return Ruleset{}, err
			}
			r.Default, _ = v.Get("default").Bool()
			r.Enabled, _ = v.Get("enabled").Bool()
			out[k] = append(out[k], r)
		}
	}
	return out, nil
}

// ParseRule reads a rule as the request that makes one has it: conditions, pattern
// and actions. The ID comes from the path.
//
// Spec: client-server-api/modules/push#push-rules-api
func ParseRule(k Kind, ruleID string, v canonjson.Value) (Rule, error) {
	r := Rule{ID: ruleID, Enabled: true}
	if v.Kind() != canonjson.Object {
		return Rule{}, invalid("rule %.64q must be an object", ruleID)
	}
	var err error
	if r.Actions, err = ParseActions(v.Get("actions")); err != nil {
		return Rule{}, err
	}
	if p := v.Get("pattern"); p.Exists() && k == Content {
		var ok bool
		if r.Pattern, ok = p.Str(); !ok {
			return Rule{}, invalid("rule %.64q: pattern must be a string", ruleID)
		}
	}
	conditions := v.Get("conditions")
	if k != Override && k != Underride || !conditions.Exists() {
		return r, nil
	}
	if conditions.Kind() != canonjson.Array {
		return Rule{}, invalid("rule %.64q: conditions must be a list", ruleID)
	}
	for c := range conditions.Elems() {
		if c.Kind() != canonjson.Object || c.Get("kind").Kind() != canonjson.String {
			return Rule{}, invalid("rule %.64q: a condition must be an object with a kind", ruleID)
		}
		r.Conditions = append(r.Conditions, parseCondition(c))
	}
	return r, nil
}

func parseCondition(v canonjson.Value) Condition {
	c := Condition{Value: clone(v.Get("value")), text: clone(v)}
	c.Kind, _ = v.Get("kind").Str()
	c.Key, _ = v.Get("key").Str()
	c.Is, _ = v.Get("is").Str()
	var ok bool
	if c.Pattern, ok = v.Get("pattern").Str(); !ok && c.Kind == EventMatch {
		c.Kind = "" // without a pattern nothing can match
	}
	return c
}

// clone keeps rules from holding on to the text that they were read from.
func clone(v canonjson.Value) canonjson.Value {
	if v == nil {
		return nil
	}
	return append(canonjson.Value(nil), v...)
}

// ParseActions reads a list of actions.
//
// Spec: client-server-api/modules/push#actions
func ParseActions(v canonjson.Value) ([]Action, error) {
	if v.Kind() != canonjson.Array {
		return nil, invalid("actions must be a list")
	}
	var out []Action
	for a := range v.Elems() {
		switch {
		case a.EqualStr("notify"):
			out = append(out, notify)
		case a.Kind() == canonjson.String: // dont_notify, coalesce, unknown
		case a.Kind() == canonjson.Object:
			tweak, ok := a.Get("set_tweak").Str()
			if !ok {
				return nil, invalid("an action that is an object must have set_tweak")
			}
			out = append(out, Action{Tweak: tweak, Value: clone(a.Get("value"))})
		default:
			return nil, invalid("an action must be a string or an object")
		}
	}
	return out, nil
}

// JSON is the content of m.push_rules.
//
// Spec: client-server-api/modules/push#push-rules-events
func (s Ruleset) JSON() []byte {
	return append(append([]byte(`{"global":`), s.GlobalJSON()...), '}')
}

// GlobalJSON is the rules without what is around them in account data.
func (s Ruleset) GlobalJSON() []byte {
	dst := []byte{'{'}
	for i, k := range []Kind{Content, Override, Room, Sender, Underride} {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(canonjson.AppendString(dst, k.String()), ':', '[')
		for n, r := range s[k] {
			if n > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, r.JSON(k)...)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// JSON is the rule as clients see it, in canonical form.
func (r Rule) JSON(k Kind) []byte {
	dst := append([]byte(`{"actions":`), ActionsJSON(r.Actions)...)
	if k == Override || k == Underride {
		dst = append(dst, `,"conditions":[`...)
		for i, c := range r.Conditions {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = c.appendJSON(dst)
		}
		dst = append(dst, ']')
	}
	dst = appendBool(append(dst, `,"default":`...), r.Default)
	dst = appendBool(append(dst, `,"enabled":`...), r.Enabled)
	if k == Content {
		dst = canonjson.AppendString(append(dst, `,"pattern":`...), r.Pattern)
	}
	dst = canonjson.AppendString(append(dst, `,"rule_id":`...), r.ID)
	return append(dst, '}')
}

func (c Condition) appendJSON(dst []byte) []byte {
	if c.text != nil {
		return append(dst, c.text...)
	}
	member := func(name, value string) {
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = canonjson.AppendString(append(canonjson.AppendString(dst, name), ':'), value)
	}
	dst = append(dst, '{')
	if c.Kind == RoomMemberCount {
		member("is", c.Is)
	}
	if c.Key != "" {
		member("key", c.Key)
	}
	member("kind", c.Kind)
	if c.Kind == EventMatch {
		member("pattern", c.Pattern)
	}
	if c.Value.Exists() {
		dst = append(append(dst, `,"value":`...), c.Value...)
	}
	return append(dst, '}')
}

// ActionsJSON is a list of actions as clients see it.
func ActionsJSON(actions []Action) []byte {
	dst := []byte{'['}
	for i, a := range actions {
		if i > 0 {
			dst = append(dst, ',')
		}
		if a.Notify {
			dst = append(dst, `"notify"`...)
			continue
		}
		dst = canonjson.AppendString(append(dst, `{"set_tweak":`...), a.Tweak)
		if a.Value.Exists() {
			dst = append(append(dst, `,"value":`...), a.Value...)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, "true"...)
	}
	return append(dst, "false"...)
}
