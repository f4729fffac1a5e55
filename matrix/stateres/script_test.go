package stateres_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/eventauth"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/matrix/stateres"
)

var rewrite = flag.Bool("rewrite", false, "write the scripts of testdata with what comes out")

// TestScripts runs the scripts of testdata; testdata/README.md tells how to read
// them.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(text))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
			} else if got != string(text) {
				t.Errorf("%s comes out as\n%s", file, got)
			}
		})
	}
}

// runScript gives the script with its results in place.
func runScript(t *testing.T, text string) string {
	var out strings.Builder
	var rooms []*scriptRoom
	for n, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if strings.HasPrefix(line, "  ") {
			continue // what came out before
		}
		out.WriteString(line + "\n")
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		switch words[0] {
		case "rooms":
			rooms = nil
			for _, version := range words[1:] {
				rules := versions(t, version)
				rooms = append(rooms, &scriptRoom{version: version, dag: newDAG(rules), names: map[id.Event]string{}, states: map[string]stateres.StateMap{}, rejected: set{}})
			}
		case "resolve":
			out.WriteString(resultOf(rooms, func(r *scriptRoom) string { return r.resolve(t, words[1:]) }))
		default:
			for _, r := range rooms {
				if err := r.do(t, line, words); err != nil {
					t.Fatalf("line %d, version %s: %v", n+1, r.version, err)
				}
			}
		}
	}
	return out.String()
}

// resultOf puts together the rooms in which the same comes out.
func resultOf(rooms []*scriptRoom, result func(*scriptRoom) string) string {
	var results []string
	by := map[string][]string{}
	for _, r := range rooms {
		text := result(r)
		if by[text] == nil {
			results = append(results, text)
		}
		by[text] = append(by[text], r.version)
	}
	var out strings.Builder
	for _, text := range results {
		if len(results) > 1 {
			fmt.Fprintf(&out, "  in %s:\n", strings.Join(by[text], ", "))
		}
		out.WriteString(text)
	}
	return out.String()
}

// scriptRoom is the room of a script in one version.
type scriptRoom struct {
	*dag
	version  string
	names    map[id.Event]string
	order    []id.Event
	states   map[string]stateres.StateMap // after events, and such as the script makes up
	rejected set
	last     string
}

// do runs a line that makes an event or a state.
func (r *scriptRoom) do(t *testing.T, line string, words []string) error {
	if words[0] == "state" {
		return r.makeState(words[1:])
	}
	head, what, ok := strings.Cut(line, ": ")
	if !ok {
		return fmt.Errorf("neither a directive nor an event")
	}
	name, after, _ := strings.Cut(head, " after ")
	if after == "" {
		after = r.last
	}
	e := draft{ts: int64(len(r.order)) * 10, name: name}
	before, err := r.before(t, strings.Fields(after), &e)
	if err != nil {
		return err
	}
	what, quoted, _ := strings.Cut(what, `"`)
	quoted, rest, _ := strings.Cut(quoted, `"`)
	args, opts, err := options(strings.Fields(what + " " + rest))
	if err != nil {
		return err
	}
	if err := r.content(&e, args, quoted); err != nil {
		return err
	}
	return r.put(t, &e, name, opts, before)
}

// before is the state that the previous events give.
func (r *scriptRoom) before(t *testing.T, prev []string, e *draft) (stateres.StateMap, error) {
	var states []stateres.StateMap
	for _, name := range prev {
		i := r.find(name)
		if i == "" {
			return nil, fmt.Errorf("no event %s", name)
		}
		e.prev = append(e.prev, i)
		e.depth = max(e.depth, r.events[i].Depth()+1)
		states = append(states, r.states[name])
	}
	if len(states) == 0 {
		return stateres.StateMap{}, nil
	}
	return stateres.ResolveMaps(r.rules, states, r.fetch, nil)
}

func (r *scriptRoom) find(name string) id.Event {
	for e, n := range r.names {
		if n == name {
			return e
		}
	}
	return ""
}

// option is what stands behind an event.
type option struct {
	ts, depth           *int64
	id                  string
	citing              []string
	rejected, unchecked bool
}

func options(words []string) (args []string, o option, err error) {
	for i := 0; i < len(words); i++ {
		next := func() string {
			if i++; i < len(words) {
				return words[i]
			}
			return ""
		}
		number := func() *int64 {
			n, bad := strconv.ParseInt(next(), 10, 64)
			if bad != nil {
				err = bad
			}
			return &n
		}
		switch words[i] {
		case "at":
			o.ts = number()
		case "depth":
			o.depth = number()
		case "id":
			o.id = next()
		case "citing":
			o.citing = strings.Split(next(), ",")
		case "rejected":
			o.rejected = true
		case "unchecked":
			o.unchecked = true
		default:
			args = append(args, words[i])
		}
	}
	return args, o, err
}

func user(name string) string { return "@" + name + ":s" }

var verbs = map[string]string{
	"joins": "join", "leaves": "leave", "knocks": "knock", "invites": "invite", "kicks": "leave", "unbans": "leave", "bans": "ban",
}

// content makes an event out of words: a sender, a verb, and what the verb needs.
func (r *scriptRoom) content(e *draft, words []string, quoted string) error {
	if len(words) < 2 {
		return fmt.Errorf("an event has a sender and a verb")
	}
	e.sender = user(words[0])
	verb, args := words[1], words[2:]
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	if membership, ok := verbs[verb]; ok {
		e.typ, e.key = event.TypeMember, e.sender
		e.content = fmt.Sprintf(`{"membership":%q}`, membership)
		switch {
		case verb == "joins" && arg(0) == "via":
			e.content = fmt.Sprintf(`{"membership":"join","join_authorised_via_users_server":%q}`, user(arg(1)))
		case verb == "joins" && quoted != "":
			e.content = fmt.Sprintf(`{"membership":"join","displayname":%q}`, quoted)
		case arg(0) != "":
			e.key = user(arg(0))
		}
		return nil
	}
	switch verb {
	case "creates":
		e.typ = event.TypeCreate
		e.content = fmt.Sprintf(`{"creator":%q}`, e.sender)
		if arg(0) == "with" {
			e.content = fmt.Sprintf(`{"creator":%q,"additional_creators":[%q]}`, e.sender, user(arg(1)))
		}
	case "power":
		return r.power(e, args)
	case "rule":
		e.typ, e.content = event.TypeJoinRules, fmt.Sprintf(`{"join_rule":%q}`, arg(0))
	case "topic":
		e.typ, e.content = event.TypeTopic, fmt.Sprintf(`{"topic":%q}`, quoted)
	case "name":
		e.typ, e.content = event.TypeName, fmt.Sprintf(`{"name":%q}`, quoted)
	case "sets":
		e.typ, e.key, e.content = arg(0), arg(1), fmt.Sprintf(`{"body":%q}`, quoted)
	default:
		return fmt.Errorf("nobody can %q", verb)
	}
	return nil
}

// power is an m.room.power_levels event: name=level for users, levels of their
// own, and event types. Creators are left out where they have infinite power.
func (r *scriptRoom) power(e *draft, args []string) error {
	users, events, levels := map[string]int{}, map[string]int{}, map[string]any{}
	for _, a := range args {
		name, text, _ := strings.Cut(a, "=")
		n, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		switch {
		case slices.Contains([]string{"ban", "kick", "invite", "redact", "state_default", "users_default", "events_default"}, name):
			levels[name] = n
		case strings.Contains(name, "."):
			events[name] = n
		default:
			users[user(name)] = n
		}
	}
	if r.rules.PrivilegedCreators {
		create, err := r.create.Create()
		if err != nil {
			return err
		}
		for _, u := range create.Creators {
			delete(users, string(u))
		}
	}
	levels["users"], levels["events"] = users, events
	content, err := canonjson.Marshal(levels)
	e.typ, e.content = event.TypePowerLevels, string(content)
	return err
}

// put adds an event to the room, with the auth events that its state gives unless
// the script has others, and checks that it is allowed.
func (r *scriptRoom) put(t *testing.T, e *draft, name string, o option, before stateres.StateMap) error {
	if r.names == nil || r.find(name) != "" {
		return fmt.Errorf("%s is there already", name)
	}
	if o.ts != nil {
		e.ts = *o.ts
	}
	if o.depth != nil {
		e.depth = *o.depth
	}
	e.id = o.id
	state := r.state(before)
	if o.citing != nil {
		for _, c := range o.citing {
			e.auth = append(e.auth, r.find(c))
		}
		if o.citing[0] == "nothing" {
			e.auth = nil
		}
	} else {
		auth, err := eventauth.Select(r.rules, eventauth.SubjectOf(r.build(t, *e)), state)
		if err != nil {
			return err
		}
		for _, a := range auth {
			e.auth = append(e.auth, a.ID())
		}
	}
	p := r.build(t, *e)
	if err := eventauth.Check(p, state); err != nil && !o.unchecked {
		return fmt.Errorf("%s is not allowed: %w", name, err)
	}
	r.names[p.ID()], r.last = name, name
	r.order = append(r.order, p.ID())
	after := maps.Clone(before)
	if o.rejected {
		r.rejected[p.ID()] = true
	} else {
		after[keyOf(p)] = p.ID()
	}
	r.states[name] = after
	return nil
}

// makeState runs "state NAME is EVENT with EVENT… without EVENT…".
func (r *scriptRoom) makeState(words []string) error {
	if len(words) < 3 || words[1] != "is" || r.states[words[2]] == nil {
		return fmt.Errorf("state NAME is EVENT with EVENT… without EVENT…")
	}
	state := maps.Clone(r.states[words[2]])
	add := true
	for _, w := range words[3:] {
		switch w {
		case "with":
			add = true
		case "without":
			add = false
		default:
			p := r.events[r.find(w)]
			if p == nil {
				return fmt.Errorf("no event %s", w)
			}
			delete(state, keyOf(p))
			if add {
				state[keyOf(p)] = p.ID()
			}
		}
	}
	r.states[words[0]] = state
	return nil
}

// resolve resolves states, in every way there is, and tells what they differ in
// and what has come out.
func (r *scriptRoom) resolve(t *testing.T, names []string) string {
	var states []stateres.StateMap
	for _, name := range names {
		if r.states[name] == nil {
			t.Fatalf("no state %s", name)
		}
		states = append(states, r.states[name])
	}
	won := compare(t, r.dag, r.graph(t, r.order), rand.New(rand.NewPCG(1, 2)), states, r.rejected)
	agreed, _ := divide(states)
	all := stateres.StateMap{}
	for _, s := range append(states, won) {
		maps.Copy(all, s)
	}
	var lines []string
	for k := range all {
		if agreed[k] != "" {
			continue
		}
		place := strings.TrimPrefix(k.Type, "m.room.")
		if k.StateKey != "" {
			place += " " + strings.TrimSuffix(strings.TrimPrefix(k.StateKey, "@"), ":s")
		}
		var had []string
		for _, s := range states {
			had = append(had, r.nameOf(s[k]))
		}
		lines = append(lines, fmt.Sprintf("  %-16s %-20s -> %s\n", place, strings.Join(had, " | "), r.nameOf(won[k])))
	}
	if len(lines) == 0 {
		return "  no conflict\n"
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func (r *scriptRoom) nameOf(e id.Event) string {
	if e == "" {
		return "nothing"
	}
	return r.names[e]
}
