package id_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/id"
)

// Spec: appendices#server-name
func TestServer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in, host string
		port     uint16
		literal  string
	}{
		{"matrix.org", "matrix.org", 0, ""},
		{"matrix.org:8888", "matrix.org", 8888, ""},
		{"1.2.3.4", "1.2.3.4", 0, "1.2.3.4"},
		{"1.2.3.4:1234", "1.2.3.4", 1234, "1.2.3.4"},
		{"[1234:5678::abcd]", "[1234:5678::abcd]", 0, "1234:5678::abcd"},
		{"[1234:5678::abcd]:5678", "[1234:5678::abcd]", 5678, "1234:5678::abcd"},
		{"[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]", 0, "::ffff:1.2.3.4"},
		{"localhost", "localhost", 0, ""},
		{"MATRIX.org:1", "MATRIX.org", 1, ""},
		{"xn--bcher-kva.example:65535", "xn--bcher-kva.example", 65535, ""},
		{"1234", "1234", 0, ""},
		{"1.2.3.4.example", "1.2.3.4.example", 0, ""},
		{strings.Repeat("a", 255), strings.Repeat("a", 255), 0, ""},
	} {
		s, err := id.ParseServer(c.in)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		port, ok := s.Port()
		if s.Host() != c.host || port != c.port || ok != (c.port != 0) {
			t.Errorf("%s: host %s, port %d, %v", c.in, s.Host(), port, ok)
		}
		if ip, ok := s.Literal(); ok != (c.literal != "") || (ok && ip.String() != c.literal) {
			t.Errorf("%s: literal %v, %v", c.in, ip, ok)
		}
	}
	for in, at := range map[string]int{
		"": 0, ":80": 0, "a:": 2, "a:0": 2, "a:65536": 2, "a:123456": 2, "a:8o": 2, "a:-1": 2, "a b": 1, "a/b": 1, "a_b": 1, "é.example": 0,
		"[::1": 1, "[]": 1, "[": 1, "[::1]x": 6, "[1.2.3.4]": 1, "[fe80::1%eth0]": 1, "[::1]:": 6, "1.2.3.256": 0, "1.2.3": 0, "1.2.3.4.5": 0, "1.2..4": 0,
		"a\x00": 1, "a:80:80": 1, "user@host": 4, strings.Repeat("a", 256): 255,
	} {
		s, err := id.ParseServer(in)
		var e *id.Error
		if !errors.As(err, &e) || s != "" {
			t.Errorf("server %q was accepted as %q", in, s)
		} else if in != "[::1" && in != "[" && e.Offset != at {
			t.Errorf("%v; want byte %d", e, at)
		}
	}
}

// Spec: appendices#user-identifiers
func TestUser(t *testing.T) {
	t.Parallel()
	longest := "@" + strings.Repeat("a", 255-len("@:example.org")) + ":example.org"
	for _, in := range []string{"@alice:example.org", "@a-z0.9_=/+x:1.2.3.4:80", "@x:[::1]:8448", longest} {
		u, err := id.ParseUser(in)
		if err != nil || string(u) != in {
			t.Errorf("%q, %v", u, err)
		}
		if built, err := id.NewUser(u.Localpart(), u.Server()); built != u || err != nil {
			t.Errorf("%s is rebuilt as %s, %v", u, built, err)
		}
		if !u.Compliant() {
			t.Errorf("%s is compliant", u)
		}
	}
	// Historical ones are refused for new users and accepted otherwise.
	for _, in := range []string{"@:example.org", "@Alice:example.org", "@a b:example.org", "@é😀:example.org", "@a\x01:example.org", "@a@b#!:example.org"} {
		if u, err := id.ParseUser(in); err == nil {
			t.Errorf("%q was accepted for a new user", u)
		}
		u, err := id.ParseUserHistorical(in)
		if err != nil || string(u) != in {
			t.Errorf("historical: %v", err)
		}
		if want := in == "@Alice:example.org" || in == "@a@b#!:example.org"; u.Compliant() != want {
			t.Errorf("%q: compliant is %v", in, !want)
		}
	}
	for _, in := range []string{"", "@", "alice:example.org", "@alice", "@alice:", "@alice:exa mple", "@a\x00b:example.org", "@a\xff:example.org",
		"@alice:example.org:port", "#alice:example.org", longest[:1] + "a" + longest[1:], "@a:b:80:90"} {
		if u, err := id.ParseUserHistorical(in); err == nil {
			t.Errorf("%q was accepted as %q", in, u)
		}
		if u, err := id.ParseUser(in); err == nil {
			t.Errorf("%q was accepted as %q", in, u)
		}
	}
}

// Spec: appendices#mapping-from-other-character-sets
func TestMapLocalpart(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"Alice": "alice", "#": "=23", "á": "=c3=a1", "a=b": "a=3db", "a_b/c+d.e-f9": "a_b/c+d.e-f9", "": "", "a b": "a=20b"} {
		if got := id.MapLocalpart(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

// Spec: appendices#room-ids, appendices#event-ids
func TestRoomAndEvent(t *testing.T) {
	t.Parallel()
	const hash = "acR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJk"
	r, err := id.ParseRoom("!" + hash)
	if err != nil || r.Server() != "" || r.Opaque() != hash {
		t.Errorf("%s: server %q, opaque %q, %v", r, r.Server(), r.Opaque(), err)
	}
	if e, ok := r.CreateEvent(); !ok || e != id.Event("$"+hash) || id.RoomFromCreate(e) != r {
		t.Errorf("create event of %s: %s, %v", r, e, ok)
	}
	r, err = id.ParseRoom("!opaque:example.org:80")
	if err != nil || r.Server() != "example.org:80" || r.Opaque() != "opaque" {
		t.Errorf("%s: %v", r, err)
	}
	if e, ok := r.CreateEvent(); ok {
		t.Errorf("%s has the create event %s", r, e)
	}
	for _, in := range []string{"$opaque:example.org", "$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk", "$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg", "$143273582443PhrSn:example.org"} {
		if e, err := id.ParseEvent(in); err != nil || string(e) != in {
			t.Errorf("%s, %v", e, err)
		}
	}
	if e := id.Event("$a:b.c"); e.Server() != "b.c" || e.Opaque() != "a" {
		t.Errorf("server %q, opaque %q", e.Server(), e.Opaque())
	}
	for _, rest := range []string{"", ":example.org", "a:", "a:b c", "a\x00", "a\xff", strings.Repeat("a", 255)} {
		if r, err := id.ParseRoom("!" + rest); err == nil {
			t.Errorf("room %q was accepted", r)
		}
		if e, err := id.ParseEvent("$" + rest); err == nil {
			t.Errorf("event %q was accepted", e)
		}
	}
	if _, err := id.ParseRoom("$" + hash); err == nil {
		t.Error("an event was accepted as a room")
	}
}

// Spec: appendices#room-aliases
func TestAlias(t *testing.T) {
	t.Parallel()
	a, err := id.ParseAlias("#größe 😀:example.org")
	if err != nil || a.Localpart() != "größe 😀" || a.Server() != "example.org" {
		t.Errorf("%v", err)
	}
	if b, err := id.NewAlias(a.Localpart(), a.Server()); b != a || err != nil {
		t.Errorf("%s, %v", b, err)
	}
	for _, in := range []string{"", "#", "#:example.org", "#a", "a:example.org", "#a:", "#a\x00:example.org", "#" + strings.Repeat("a", 255) + ":b"} {
		if a, err := id.ParseAlias(in); err == nil {
			t.Errorf("alias %q was accepted", a)
		}
	}
	if a, err := id.NewAlias("a:b", "example.org"); err == nil {
		t.Errorf("alias %q was built", a)
	}
}

func TestDeviceKeyMXC(t *testing.T) {
	t.Parallel()
	k, err := id.NewKey("signed_curve25519", "AAAA:é")
	if err != nil || k.Algorithm() != "signed_curve25519" || k.Identifier() != "AAAA:é" {
		t.Errorf("%s, %v", k, err)
	}
	for _, in := range []string{"", "a", ":b", "a:", "A:b", "a-b:c", "a:\x01", "a:" + strings.Repeat("b", 255)} {
		if k, err := id.ParseKey(in); err == nil {
			t.Errorf("key %q was accepted", k)
		}
	}
	for _, in := range []string{"", "a\nb", "\x7f", "a\xff", strings.Repeat("d", 256)} {
		if d, err := id.ParseDevice(in); err == nil {
			t.Errorf("device %q was accepted", d)
		}
	}
	m, err := id.NewMXC("[::1]:80", "AbC-_9")
	if err != nil || m != "mxc://[::1]:80/AbC-_9" || m.Server() != "[::1]:80" || m.MediaID() != "AbC-_9" {
		t.Errorf("%s, %v", m, err)
	}
	for _, in := range []string{"", "mxc://", "mxc://a", "mxc://a/", "mxc:///b", "http://a/b", "MXC://a/b", "mxc://a/b/c", "mxc://a/..", "mxc://127.0.0.1/../../etc/passwd", "mxc://a/b?c", "mxc://a/%2e", "mxc://a b/c", "mxc://a/" + strings.Repeat("m", 256)} {
		if m, err := id.ParseMXC(in); err == nil {
			t.Errorf("media %q was accepted", m)
		}
	}
}

// Every example of appendices#matrix-uri-scheme and appendices#matrixto-navigation.
func TestLink(t *testing.T) {
	t.Parallel()
	alias := id.Link{Alias: "#somewhere:example.org"}
	room := id.Link{Room: "!somewhere:example.org", Via: []id.Server{"elsewhere.ca"}}
	event := id.Link{Room: "!somewhere:example.org", Event: "$event:example.org", Via: []id.Server{"elsewhere.ca"}}
	user := id.Link{User: "@alice:example.org"}
	for in, want := range map[string]id.Link{
		"matrix:r/somewhere:example.org":                                                         alias,
		"matrix:roomid/somewhere:example.org?via=elsewhere.ca":                                   room,
		"matrix:roomid/somewhere:example.org/e/event?via=elsewhere.ca":                           {Room: room.Room, Event: "$event", Via: room.Via},
		"matrix:u/alice:example.org?action=chat":                                                 {User: user.User, Action: id.ActionChat},
		"https://matrix.to/#/%23somewhere:example.org":                                           alias,
		"https://matrix.to/#/!somewhere:example.org?via=elsewhere.ca":                            room,
		"https://matrix.to/#/!somewhere:example.org/$event:example.org?via=elsewhere.ca":         event,
		"https://matrix.to/#/@alice:example.org":                                                 user,
		"https://matrix.to/#/%23somewhere%3Aexample.org":                                         alias,
		"https://matrix.to/#/%21somewhere%3Aexample.org?via=elsewhere.ca":                        room,
		"https://matrix.to/#/%21somewhere%3Aexample.org/%24event%3Aexample.org?via=elsewhere.ca": event,
		"https://matrix.to/#/%40alice%3Aexample.org":                                             user,
		// Beyond the examples.
		"https://matrix.to/#/#somewhere:example.org":                        alias,
		"MATRIX:room/somewhere:example.org":                                 alias,
		"matrix://authority/user/alice:example.org#fragment":                user,
		"matrix:r/somewhere:example.org?action=join&x.y=z&via=%20":          {Alias: alias.Alias, Action: id.ActionJoin},
		"matrix:u/alice:example.org?action=join":                            user,
		"https://matrix.to/#/@alice:example.org?action=chat":                user,
		"https://matrix.to/#/!somewhere:example.org/$a/b+c":                 {Room: room.Room, Event: "$a/b+c"},
		"matrix:roomid/acR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJk/e/a%2Fb": {Room: "!acR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJk", Event: "$a/b"},
	} {
		got, err := id.ParseLink(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", in, got, err, want)
			continue
		}
		for _, out := range []string{got.MatrixURI(), got.MatrixTo()} {
			again, err := id.ParseLink(out)
			if again.Action == id.ActionNone {
				again.Action = got.Action // matrix.to has none
			}
			if err != nil || !reflect.DeepEqual(again, got) {
				t.Errorf("%s becomes %s, which reads %+v, %v", in, out, again, err)
			}
		}
	}
	for _, in := range []string{"", "matrix:", "matrix:u", "matrix:u/", "matrix:x/y", "matrix:e/event", "matrix:u/alice:example.org/e/x", "matrix:roomid/a:b/u/c:d",
		"matrix:u/%zz:b", "matrix:r/a:b/e", "https://matrix.to/#/", "https://matrix.to/#/+group:example.org", "https://matrix.to/#/@a:b/$c", "https://matrix.to/#/%zz",
		"https://example.org/#/@a:b", "matrix:u/alice", "matrix:roomid/a:b/e/", "matrix:u/" + strings.Repeat("a", 5000)} {
		if l, err := id.ParseLink(in); err == nil {
			t.Errorf("link %q was accepted: %+v", in, l)
		}
	}
}

// Methods of values that were never parsed return nothing and do not panic.
func TestZeroValues(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "x", "@", ":", "[", "[]", "mxc:", "[:"} {
		_ = id.User(s).Localpart() + string(id.User(s).Server()) + id.Room(s).Opaque() + string(id.Room(s).Server()) + id.Event(s).Opaque() + id.Alias(s).Localpart() +
			id.Key(s).Algorithm() + id.Key(s).Identifier() + string(id.MXC(s).Server()) + id.MXC(s).MediaID() + id.Server(s).Host()
		id.Room(s).CreateEvent()
		id.Server(s).Port()
		id.Server(s).Literal()
		_ = id.RoomFromCreate(id.Event(s))
	}
	if (id.Link{}).MatrixTo() != "" || (id.Link{}).MatrixURI() != "" {
		t.Error("a link to nothing is written")
	}
}

func TestParsingAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		if _, err := id.ParseUser("@alice:example.org:8448"); err != nil {
			t.Fatal(err)
		}
		if _, err := id.ParseRoom("!abc:[::1]"); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"@alice:example.org", "!a:b", "$acR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJk", "#a:1.2.3.4:5", "[::1]:80", "mxc://a/b", "ed25519:1", "@:x", "1.2.3.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if u, err := id.ParseUserHistorical(s); err == nil {
			if "@"+u.Localpart()+":"+string(u.Server()) != s {
				t.Fatalf("user %q falls apart", s)
			}
			if _, err := id.ParseServer(string(u.Server())); err != nil {
				t.Fatal(err)
			}
		} else if _, err := id.ParseUser(s); err == nil {
			t.Fatalf("%q is good for a new user and not for an old one", s)
		}
		if a, err := id.ParseAlias(s); err == nil {
			if b, err := id.NewAlias(a.Localpart(), a.Server()); b != a || err != nil {
				t.Fatalf("alias %q is rebuilt as %q, %v", a, b, err)
			}
		}
		if r, err := id.ParseRoom(s); err == nil {
			if e, ok := r.CreateEvent(); ok && id.RoomFromCreate(e) != r {
				t.Fatalf("room %q", s)
			}
		}
		if m, err := id.ParseMXC(s); err == nil {
			if n, err := id.NewMXC(m.Server(), m.MediaID()); n != m || err != nil {
				t.Fatalf("media %q is rebuilt as %q, %v", m, n, err)
			}
		}
		if k, err := id.ParseKey(s); err == nil {
			if l, err := id.NewKey(k.Algorithm(), k.Identifier()); l != k || err != nil {
				t.Fatalf("key %q is rebuilt as %q, %v", k, l, err)
			}
		}
		_, _ = id.ParseEvent(s)
		if d, err := id.ParseDevice(s); err == nil && string(d) != s {
			t.Fatal(d)
		}
		if name, err := id.ParseServer(s); err == nil {
			name.Host()
			name.Port()
			name.Literal()
		}
	})
}

func FuzzLink(f *testing.F) {
	for _, s := range []string{"matrix:r/somewhere:example.org", "matrix:roomid/a:b/e/c?via=d&via=e", "matrix:u/a:b?action=chat", "https://matrix.to/#/%23a%3Ab", "https://matrix.to/#/!a:b/$c?via=d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := id.ParseLink(s)
		if err != nil {
			return
		}
		again, err := id.ParseLink(l.MatrixURI())
		if err != nil || !reflect.DeepEqual(again, l) {
			t.Fatalf("%q reads %+v, is written %q, reads %+v, %v", s, l, l.MatrixURI(), again, err)
		}
		again, err = id.ParseLink(l.MatrixTo())
		again.Action = l.Action
		if err != nil || !reflect.DeepEqual(again, l) {
			t.Fatalf("%q reads %+v, is written %q, reads %+v, %v", s, l, l.MatrixTo(), again, err)
		}
	})
}

func FuzzServer(f *testing.F) {
	for _, s := range []string{"matrix.org", "1.2.3.4:80", "[::1]:8448", "[1234:5678::abcd]", "a:65536", "256.1.1.1", "[", "a_b", "xn--bcher-kva.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := id.ParseServer(s)
		if err != nil {
			return
		}
		whole := name.Host()
		if port, ok := name.Port(); ok {
			again, err := id.ParseServer(fmt.Sprintf("%s:%d", whole, port))
			if p, _ := again.Port(); err != nil || p != port {
				t.Fatalf("%q is %q with port %d, and %v", s, whole, port, err)
			}
		} else if whole != s {
			t.Fatalf("%q has the host %q", s, whole)
		}
		if again, err := id.ParseServer(whole); err != nil || again.Host() != whole {
			t.Fatalf("the host %q of %q: %v", whole, s, err)
		}
		if ip, ok := name.Literal(); ok && !ip.IsValid() {
			t.Fatalf("%q is the address %v", s, ip)
		}
	})
}
