// Package id has the identifiers of Matrix: users, rooms, events, aliases,
// devices, servers, keys, media and links to them.
//
// Each kind is a string type of its own, so that a room cannot be passed where a
// user belongs; it compares with ==, is a map key, and is a JSON string. The
// Parse functions check one against its grammar and return a substring of their
// argument; the New functions build one from its parts. Methods are for parsed
// values; on anything else they return zero values and never panic. Lengths are
// in bytes, as the specification counts them.
//
//	user, err := id.ParseUser("@alice:example.org")
//	server := user.Server()
//
// Spec: appendices#identifier-grammar
package id

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxLength is the longest that a user ID, room ID, event ID or alias may be, in
// bytes, with its sigil and server.
const MaxLength = 255

type (
	// Server is a server name: host and optional port. Case counts.
	Server string
	// User is a user ID, "@localpart:server".
	User string
	// Room is a room ID, "!opaque:server", or "!" and the create event's hash.
	Room string
	// Event is an event ID, "$opaque:server" or "$" and the event's hash.
	Event string
	// Alias is a room alias, "#localpart:server".
	Alias string
	// Device is a device ID, an opaque string.
	Device string
	// Key is a key identifier, "algorithm:identifier".
	Key string
	// MXC is the address of media, "mxc://server/media".
	MXC string
)

// Error says why a string is no identifier.
type Error struct {
	// Kind is what it was to be: "user ID", "server name" …
	Kind string
	// Input is the string, cut after 64 bytes.
	Input string
	// Offset is the byte at which it goes wrong.
	Offset int
	// Reason is for people.
	Reason string
}

// Error gives kind, input, place and reason.
func (e *Error) Error() string {
	return fmt.Sprintf("%s %q: at byte %d: %s", e.Kind, e.Input, e.Offset, e.Reason)
}

func bad(kind, input string, offset int, reason string) *Error {
	const shown = 64
	if len(input) > shown {
		input = input[:shown] + "…"
	}
	return &Error{Kind: kind, Input: strings.ToValidUTF8(input, "\ufffd"), Offset: offset, Reason: reason}
}

// sigilled checks what all identifiers with a sigil have in common.
func sigilled(kind string, sigil byte, s string) *Error {
	switch {
	case s == "" || s[0] != sigil:
		return bad(kind, s, 0, "must start with "+string(sigil))
	case len(s) > MaxLength:
		return bad(kind, s, MaxLength, "longer than 255 bytes")
	}
	for i, r := range s {
		if r == 0 {
			return bad(kind, s, i, "holds a NUL")
		}
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return bad(kind, s, i, "invalid UTF-8")
			}
		}
	}
	return nil
}

// withServer checks sigil, first colon and server name; the localpart may hold
// anything but a colon and NUL. It returns the place of the colon.
func withServer(kind string, sigil byte, s string) (colon int, err error) {
	if err := sigilled(kind, sigil, s); err != nil {
		return 0, err
	}
	colon = strings.IndexByte(s, ':')
	if colon < 0 {
		return 0, bad(kind, s, len(s), "has no colon and server name")
	}
	if at, reason := checkServer(s[colon+1:]); reason != "" {
		return 0, bad(kind, s, colon+1+at, reason)
	}
	return colon, nil
}

// localpart is what stands between sigil and first colon, or all behind the sigil.
func localpart(s string) string {
	if s == "" {
		return ""
	}
	local, _, _ := strings.Cut(s[1:], ":")
	return local
}

// server is what stands behind the first colon.
func server(s string) Server {
	_, name, _ := strings.Cut(s, ":")
	return Server(name)
}

// ParseUser checks a user ID against the grammar for new users: a localpart of
// a-z, 0-9 and ._=-/+ that is not empty.
//
// Spec: appendices#user-identifiers
func ParseUser(s string) (User, error) {
	colon, err := withServer("user ID", '@', s)
	if err != nil {
		return "", err
	}
	if colon == 1 {
		return "", bad("user ID", s, 1, "the localpart is empty")
	}
	if i := badLocalpart(s[1:colon]); i >= 0 {
		return "", bad("user ID", s, 1+i, "a localpart holds only a-z, 0-9 and ._=-/+")
	}
	return User(s), nil
}

// ParseUserHistorical checks a user ID as events and requests of other servers
// may hold it: any localpart without colon and NUL, also an empty one.
//
// Spec: appendices#historical-user-ids
func ParseUserHistorical(s string) (User, error) {
	if _, err := withServer("user ID", '@', s); err != nil {
		return "", err
	}
	return User(s), nil
}

// NewUser is the user with the given localpart on a server.
func NewUser(localpart string, server Server) (User, error) {
	return ParseUser("@" + localpart + ":" + string(server))
}

// badLocalpart is the place of the first byte that a new user's localpart must
// not have, or -1.
func badLocalpart(s string) int {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte("._=-/+", c) < 0 {
			return i
		}
	}
	return -1
}

// Localpart is the part between @ and the first colon.
func (u User) Localpart() string { return localpart(string(u)) }

// Server is the server that the user belongs to.
func (u User) Server() Server { return server(string(u)) }

// Compliant reports whether the ID may be shown outside of events: its localpart
// is not empty and within U+0021 to U+007E.
//
// Spec: appendices#historical-user-ids
func (u User) Compliant() bool {
	local := u.Localpart()
	for i := range len(local) {
		if local[i] < 0x21 || local[i] > 0x7e {
			return false
		}
	}
	return local != ""
}

// MapLocalpart turns any name into a localpart that the grammar allows: letters
// are lower-cased, other bytes are written as = and their hexadecimal value.
//
// Spec: appendices#mapping-from-other-character-sets
func MapLocalpart(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'A' && c <= 'Z':
			b.WriteByte(c + 'a' - 'A')
		case c == '=' || badLocalpart(string(rune(c))) >= 0 || c >= utf8.RuneSelf:
			fmt.Fprintf(&b, "=%02x", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// ParseRoom checks a room ID of either form: "!opaque:server", or "!" and an
// opaque part without a server. Which of them a room has depends on its version.
//
// Spec: appendices#room-ids
func ParseRoom(s string) (Room, error) {
	if err := opaqueOrServer("room ID", '!', s); err != nil {
		return "", err
	}
	return Room(s), nil
}

// RoomFromCreate is the ID of the room that the event creates, where room IDs
// are made from create events.
//
// Spec: rooms/v12#event-format
func RoomFromCreate(create Event) Room {
	if create == "" {
		return ""
	}
	return Room("!" + create[1:])
}

// opaqueOrServer checks an identifier whose server name may be missing.
func opaqueOrServer(kind string, sigil byte, s string) error {
	if strings.IndexByte(s, ':') >= 0 {
		colon, err := withServer(kind, sigil, s)
		if err == nil && colon == 1 {
			return bad(kind, s, 1, "the opaque part is empty")
		}
		return err
	}
	if err := sigilled(kind, sigil, s); err != nil {
		return err
	}
	if len(s) == 1 {
		return bad(kind, s, 1, "the opaque part is empty")
	}
	return nil
}

// Opaque is the part behind ! and before the first colon, if there is one.
func (r Room) Opaque() string { return localpart(string(r)) }

// Server is the server that created the room; empty for an ID without one.
func (r Room) Server() Server { return server(string(r)) }

// CreateEvent is the ID of the event that created the room, where the room's ID
// is made from it; ok is false if it has a server name.
func (r Room) CreateEvent() (create Event, ok bool) {
	if len(r) < 2 || strings.IndexByte(string(r), ':') >= 0 {
		return "", false
	}
	return Event("$" + r[1:]), true
}

// ParseEvent checks an event ID of any format: "$opaque:server" or "$" and an
// opaque part, which is the event's hash in base64 for events that exist.
//
// Spec: appendices#event-ids
func ParseEvent(s string) (Event, error) {
	if err := opaqueOrServer("event ID", '$', s); err != nil {
		return "", err
	}
	return Event(s), nil
}

// Server is the server that made up the ID; empty where the ID is a hash.
func (e Event) Server() Server { return server(string(e)) }

// Opaque is the part behind $ and before the first colon, if there is one.
func (e Event) Opaque() string { return localpart(string(e)) }

// ParseAlias checks a room alias.
//
// Spec: appendices#room-aliases
func ParseAlias(s string) (Alias, error) {
	colon, err := withServer("room alias", '#', s)
	if err != nil {
		return "", err
	}
	if colon == 1 {
		return "", bad("room alias", s, 1, "the localpart is empty")
	}
	return Alias(s), nil
}

// NewAlias is the alias with the given localpart on a server.
func NewAlias(localpart string, server Server) (Alias, error) {
	if i := strings.IndexByte(localpart, ':'); i >= 0 {
		return "", bad("room alias", localpart, i, "a localpart holds no colon")
	}
	return ParseAlias("#" + localpart + ":" + string(server))
}

// Localpart is the part between # and the first colon.
func (a Alias) Localpart() string { return localpart(string(a)) }

// Server is the server that keeps the alias.
func (a Alias) Server() Server { return server(string(a)) }

// ParseDevice checks a device ID: 1 to 255 bytes of valid UTF-8 without control
// characters. The specification makes device IDs opaque; the bounds are ours.
func ParseDevice(s string) (Device, error) {
	if s == "" {
		return "", bad("device ID", s, 0, "is empty")
	}
	if len(s) > MaxLength {
		return "", bad("device ID", s, MaxLength, "longer than 255 bytes")
	}
	for i, r := range s {
		if r < 0x20 || r == 0x7f {
			return "", bad("device ID", s, i, "holds a control character")
		}
		if _, n := utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && n == 1 {
			return "", bad("device ID", s, i, "invalid UTF-8")
		}
	}
	return Device(s), nil
}

// ParseKey checks a key identifier: an algorithm of a-z, 0-9 and _, a colon, and
// an identifier that is not empty. Identifiers of server keys hold only letters,
// digits and _, those of devices are device IDs.
//
// Spec: appendices#signing-details
func ParseKey(s string) (Key, error) {
	const kind = "key ID"
	if len(s) > MaxLength {
		return "", bad(kind, s, MaxLength, "longer than 255 bytes")
	}
	colon := strings.IndexByte(s, ':')
	if colon < 0 {
		return "", bad(kind, s, len(s), "has no colon")
	}
	if colon == 0 {
		return "", bad(kind, s, 0, "the algorithm is empty")
	}
	for i := range colon {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return "", bad(kind, s, i, "an algorithm holds only a-z, 0-9 and _")
		}
	}
	if _, err := ParseDevice(s[colon+1:]); err != nil {
		return "", bad(kind, s, colon+1+err.(*Error).Offset, "identifier: "+err.(*Error).Reason)
	}
	return Key(s), nil
}

// NewKey is the key ID of an algorithm and an identifier.
func NewKey(algorithm, identifier string) (Key, error) {
	return ParseKey(algorithm + ":" + identifier)
}

// Algorithm is the part before the first colon.
func (k Key) Algorithm() string {
	algorithm, _, _ := strings.Cut(string(k), ":")
	return algorithm
}

// Identifier is the part behind the first colon.
func (k Key) Identifier() string {
	_, identifier, _ := strings.Cut(string(k), ":")
	return identifier
}

// ParseMXC checks the address of media. A media ID holds only letters, digits,
// _ and -, so it is safe in paths.
//
// Spec: client-server-api/modules/content_repo#matrix-content-mxc-uris
func ParseMXC(s string) (MXC, error) {
	const kind, scheme = "mxc URI", "mxc://"
	rest, ok := strings.CutPrefix(s, scheme)
	if !ok {
		return "", bad(kind, s, 0, "must start with mxc://")
	}
	name, media, ok := strings.Cut(rest, "/")
	if at, reason := checkServer(name); reason != "" {
		return "", bad(kind, s, len(scheme)+at, reason)
	}
	if !ok || media == "" {
		return "", bad(kind, s, len(s), "has no media ID")
	}
	from := len(scheme) + len(name) + 1
	if len(media) > MaxLength {
		return "", bad(kind, s, from+MaxLength, "the media ID is longer than 255 bytes")
	}
	for i := range len(media) {
		c := media[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return "", bad(kind, s, from+i, "a media ID holds only letters, digits, _ and -")
		}
	}
	return MXC(s), nil
}

// NewMXC is the address of media on a server.
func NewMXC(server Server, media string) (MXC, error) {
	return ParseMXC("mxc://" + string(server) + "/" + media)
}

// Server is the server that has the media.
func (m MXC) Server() Server {
	name, _, _ := strings.Cut(strings.TrimPrefix(string(m), "mxc://"), "/")
	return Server(name)
}

// MediaID is the part behind the server.
func (m MXC) MediaID() string {
	_, media, _ := strings.Cut(strings.TrimPrefix(string(m), "mxc://"), "/")
	return media
}
