package id

import (
	"net/url"
	"strings"
)

// Action is what a link asks the reader's client to do.
type Action string

// The actions of links.
const (
	// ActionNone only shows what the link points to.
	ActionNone Action = ""
	// ActionJoin asks to join the room.
	ActionJoin Action = "join"
	// ActionChat asks to start a direct chat with the user.
	ActionChat Action = "chat"
)

// Link points to a user, a room by ID or alias, or an event in a room. Exactly
// one of User, Room and Alias is set.
//
// Spec: appendices#uris
type Link struct {
	User  User
	Room  Room
	Alias Alias
	// Event is an event of the room; it may be empty.
	Event Event
	// Via are servers through which the room can be reached.
	Via []Server
	// Action is meant for matrix: URIs; matrix.to links have none.
	Action Action
}

const (
	linkKind  = "Matrix link"
	matrixTo  = "https://matrix.to/#/"
	matrixURI = "matrix:"
)

// ParseLink reads a matrix: URI or a matrix.to link. Servers in via that are no
// server names and unknown parameters are passed over, as are actions that do
// not fit what the link points to.
//
// Spec: appendices#matrix-uri-scheme, appendices#matrixto-navigation
func ParseLink(s string) (Link, error) {
	const longest = 4096
	if len(s) > longest {
		return Link{}, bad(linkKind, s, longest, "longer than 4096 bytes")
	}
	if len(s) >= len(matrixURI) && strings.EqualFold(s[:len(matrixURI)], matrixURI) {
		return parseURI(s)
	}
	for _, prefix := range []string{matrixTo, "http" + matrixTo[len("https"):]} {
		if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
			return parseMatrixTo(s, len(prefix))
		}
	}
	return Link{}, bad(linkKind, s, 0, "must start with matrix: or "+matrixTo)
}

// sigils are the entity types of matrix: URIs, with those of its drafts.
var sigils = map[string]string{"u": "@", "user": "@", "r": "#", "room": "#", "roomid": "!", "e": "$", "event": "$"}

func parseURI(s string) (Link, error) {
	path, _, _ := strings.Cut(s[len(matrixURI):], "#")
	path, query, _ := strings.Cut(path, "?")
	at := len(matrixURI)
	if rest, ok := strings.CutPrefix(path, "//"); ok { // an authority, unused
		_, rest, _ = strings.Cut(rest, "/")
		at += len(path) - len(rest)
		path = rest
	}
	parts := strings.Split(path, "/")
	if len(parts) != 2 && len(parts) != 4 {
		return Link{}, bad(linkKind, s, at, "must be type/id, or type/id/e/event")
	}
	var ids []string
	for i := 0; i < len(parts); i += 2 {
		sigil, ok := sigils[parts[i]]
		if !ok || (sigil == "$") != (i > 0) {
			return Link{}, bad(linkKind, s, at, "type must be u, r or roomid, and e for an event in a room")
		}
		text, err := url.PathUnescape(parts[i+1])
		if err != nil {
			return Link{}, bad(linkKind, s, at+len(parts[i])+1, "invalid percent-encoding")
		}
		ids = append(ids, sigil+text)
		at += len(parts[i]) + len(parts[i+1]) + 2
	}
	l, err := newLink(s, ids)
	if err != nil {
		return Link{}, err
	}
	l.readQuery(query)
	return l, nil
}

func parseMatrixTo(s string, from int) (Link, error) {
	path, query, _ := strings.Cut(s[from:], "?")
	first, second, two := strings.Cut(path, "/")
	texts := []string{first}
	if two && second != "" {
		texts = append(texts, second) // a slash in it belongs to the event's ID
	}
	for i, text := range texts {
		plain, err := url.PathUnescape(text)
		if err != nil {
			return Link{}, bad(linkKind, s, from, "invalid percent-encoding")
		}
		texts[i] = plain
	}
	l, err := newLink(s, texts)
	if err != nil {
		return Link{}, err
	}
	l.readQuery(query)
	l.Action = ActionNone
	return l, nil
}

func newLink(s string, ids []string) (l Link, err error) {
	switch first := ids[0]; {
	case strings.HasPrefix(first, "@"):
		l.User, err = ParseUserHistorical(first)
	case strings.HasPrefix(first, "!"):
		l.Room, err = ParseRoom(first)
	case strings.HasPrefix(first, "#"):
		l.Alias, err = ParseAlias(first)
	default:
		err = bad(linkKind, s, 0, "must point to a user, a room or an alias")
	}
	if err == nil && len(ids) > 1 {
		if l.User != "" {
			return Link{}, bad(linkKind, s, 0, "a user has no events")
		}
		l.Event, err = ParseEvent(ids[1])
	}
	if err != nil {
		return Link{}, err
	}
	return l, nil
}

// readQuery takes over the parameters that are known and fit.
func (l *Link) readQuery(query string) {
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		value, err := url.QueryUnescape(value)
		if err != nil {
			continue
		}
		switch name {
		case "via":
			if server, err := ParseServer(value); err == nil {
				l.Via = append(l.Via, server)
			}
		case "action":
			if a := Action(value); (a == ActionJoin && l.User == "") || (a == ActionChat && l.User != "") {
				l.Action = a
			}
		}
	}
}

// MatrixURI is the link as a matrix: URI.
//
// Spec: appendices#matrix-uri-scheme
func (l Link) MatrixURI() string {
	var path string
	switch {
	case l.User != "":
		path = "u/" + escape(string(l.User[1:]))
	case l.Alias != "":
		path = "r/" + escape(string(l.Alias[1:]))
	case l.Room != "":
		path = "roomid/" + escape(string(l.Room[1:]))
	default:
		return ""
	}
	if l.Event != "" {
		path += "/e/" + escape(string(l.Event[1:]))
	}
	return matrixURI + path + l.query(l.Action)
}

// MatrixTo is the link as a matrix.to link, which cannot hold an action.
//
// Spec: appendices#matrixto-navigation
func (l Link) MatrixTo() string {
	path := escape(string(l.User) + string(l.Alias) + string(l.Room))
	if path == "" {
		return ""
	}
	if l.Event != "" {
		path += "/" + escape(string(l.Event))
	}
	return matrixTo + path + l.query(ActionNone)
}

func (l Link) query(a Action) string {
	var parts []string
	for _, server := range l.Via {
		parts = append(parts, "via="+escape(string(server)))
	}
	if a != ActionNone {
		parts = append(parts, "action="+string(a))
	}
	if len(parts) == 0 {
		return ""
	}
	return "?" + strings.Join(parts, "&")
}

// escape percent-encodes what could be misread in a path or a query; colons and
// the sigils @, ! and $ stay readable.
func escape(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strings.IndexByte("-._~:@!$", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}
