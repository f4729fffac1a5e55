package canonjson_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/canonjson"
)

var seeds = []string{
	`{}`, `{"one":1,"two":"Two"}`, `{"本": 2, "日": 1}`, `{"a": "\u65E5"}`, `{"a": -0, "b": 1e10}`,
	`{"b":1,"a":{"d":[1,2,{"f":"\ud83d\ude00","e":null}],"c":true}}`, `[1.5,-0.0,1e16,1E-5,123456789012345678901]`,
	`{"a":1,"\u0061":2}`, `"\\\"\n\u0000"`, `{"signatures":{"d":{"ed25519:1":"AAAA"}},"unsigned":{}}`, `[[[[[]]]]]`,
}

// FuzzAppend: what is accepted has one canonical form, which is accepted in turn
// and reads the same.
func FuzzAppend(f *testing.F) {
	for _, s := range seeds {
		for mode := range uint8(3) {
			f.Add([]byte(s), mode)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, m uint8) {
		mode := canonjson.Mode(m % 3)
		out, err := canonjson.Append(nil, in, mode)
		if err != nil {
			return
		}
		again, err := canonjson.Append(nil, out, mode)
		if err != nil || !bytes.Equal(again, out) {
			t.Fatalf("%q → %q → %q, %v", in, out, again, err)
		}
		if mode == canonjson.Normalize {
			if err := canonjson.Check(out, canonjson.Strict); err != nil {
				t.Fatalf("%q → %q: %v", in, out, err)
			}
		}
		walk(t, canonjson.Value(bytes.TrimSpace(in)), canonjson.Value(out), mode)
	})
}

// walk compares the reading of a text with that of its canonical form.
func walk(t *testing.T, in, out canonjson.Value, mode canonjson.Mode) {
	if in.Kind() != out.Kind() {
		t.Fatalf("%q is of kind %d, %q of %d", in, in.Kind(), out, out.Kind())
	}
	a, _ := in.Str()
	if b, ok := out.Str(); ok && (a != b || !out.EqualStr(a) || !in.EqualStr(b)) {
		t.Fatalf("%q reads %q, %q reads %q", in, a, out, b)
	}
	if in.Kind() == canonjson.Object && mode == canonjson.Strict {
		n := 0
		for k, v := range in.Members() {
			key, _ := k.Str()
			walk(t, v, out.Get(key), mode)
			n++
		}
		if n != out.Len() {
			t.Fatalf("%q has %d members, %q has %d", in, n, out, out.Len())
		}
	}
}

// FuzzValue: reading text that nobody checked neither panics nor hangs.
func FuzzValue(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
		f.Add([]byte(s[:len(s)-1]))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var visit func(v canonjson.Value, depth int)
		visit = func(v canonjson.Value, depth int) {
			v.Str()
			v.Int()
			v.Float()
			v.Bool()
			v.Get("a")
			if depth > 20 {
				return
			}
			for k, m := range v.Members() {
				k.Str()
				visit(m, depth+1)
			}
			for e := range v.Elems() {
				visit(e, depth+1)
			}
		}
		visit(in, 0)
	})
}

// FuzzSignatures: no object makes the reader of signatures fail in another way
// than by an error, and a signed object verifies.
func FuzzSignatures(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), "domain")
	}
	key := specKey(f)
	f.Fuzz(func(t *testing.T, in []byte, entity string) {
		_, _ = canonjson.Signatures(in)
		signed, err := canonjson.Sign(in, entity, "ed25519:1", key)
		if err != nil {
			return
		}
		if strings.ToValidUTF8(entity, "\ufffd") != entity {
			return
		}
		if err := canonjson.Verify(signed, entity, "ed25519:1", public(key)); err != nil {
			t.Fatalf("%s: %v", signed, err)
		}
	})
}

// benchEvent is a typical message of about 800 bytes, in canonical form.
var benchEvent = []byte(`{"auth_events":["$p4EgoFEtLhjBgRMHjkJ0bTnWSuJ_KV2PuPyUfNqcCpY","$Kb9pPHwS8DxBsu2WyjpOvZ5HqNJ7Xn1i9HL5LwkQ2xc","$yR6Wn3XQwVxZl5xq3zF5GQpK3tWkqGvQj3nY2zY0m1E"],"content":{"body":"This is a message of the usual length, with a few words in it: not too short, not too long.","msgtype":"m.text"},"depth":1042,"hashes":{"sha256":"thqg7XWGAzYJxpYXpHPNsTBXkQNJCNTKwgHXkyeROlU"},"origin_server_ts":1732443211842,"prev_events":["$XPQ3GkE9xwT1nIbAi4ATkOUnNRsVNWkqEi7uT2kIPxY"],"room_id":"!jkLfMfzTpRCGBkAsdf:matrix.example.org","sender":"@alice.wonderland:matrix.example.org","signatures":{"matrix.example.org":{"ed25519:a_XyZ1":"qvCuRPcSsZ1BSBcFhoqVlpZWvZJbXJmyQJyhDBLtDjzTT6tCMWjQ0RhpKAMwsgMJC9OWGqs7lpAd5NTaKuq3Aw"}},"type":"m.room.message","unsigned":{"age":12}}`)

// spaced is the same event as people would write it: keys in any order, indented.
var spaced = func() []byte {
	v := canonjson.Value(benchEvent)
	var parts []string
	for k, m := range v.Members() {
		parts = append([]string{fmt.Sprintf("\n  %s: %s", k, m)}, parts...)
	}
	return []byte("{" + strings.Join(parts, ",") + "\n}")
}()

func benchmarkHash(b *testing.B, text []byte) {
	var buf []byte
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		out, err := canonjson.Append(buf[:0], text, canonjson.Strict)
		if err != nil {
			b.Fatal(err)
		}
		sha256.Sum256(out)
		buf = out
	}
}

func BenchmarkCanonicalHash(b *testing.B)          { benchmarkHash(b, benchEvent) }
func BenchmarkCanonicalHashUnordered(b *testing.B) { benchmarkHash(b, spaced) }

func BenchmarkGet(b *testing.B) {
	v := canonjson.Value(benchEvent)
	b.ReportAllocs()
	for b.Loop() {
		if !v.Get("type").EqualStr("m.room.message") {
			b.Fatal("wrong")
		}
	}
}
