package canonjson_test

import (
	"slices"
	"testing"

	"github.com/hanse-im/hanse/matrix/canonjson"
)

func TestValue(t *testing.T) {
	t.Parallel()
	v := canonjson.Value(` {"a": {"b\n": [1, "x\u00e9\"", null, true, -9007199254740991, 1.5]}, "ab" : "plain" , "":{} }`[1:])
	if v.Kind() != canonjson.Object || v.Len() != 3 {
		t.Fatalf("kind %d, %d members", v.Kind(), v.Len())
	}
	if s, ok := v.Get("ab").Str(); s != "plain" || !ok {
		t.Errorf("ab = %q, %v", s, ok)
	}
	list := v.Path("a", "b\n")
	elems := slices.Collect(list.Elems())
	if len(elems) != 6 || list.Len() != 6 {
		t.Fatalf("elements %q", elems)
	}
	if n, ok := elems[0].Int(); n != 1 || !ok {
		t.Errorf("first = %d, %v", n, ok)
	}
	if s, ok := elems[1].Str(); s != `xé"` || !ok || !elems[1].EqualStr(`xé"`) || elems[1].EqualStr("x") {
		t.Errorf("second = %q, %v", s, ok)
	}
	if b, ok := elems[1].AppendStr([]byte("+")); string(b) != `+xé"` || !ok {
		t.Errorf("second appended = %q, %v", b, ok)
	}
	if elems[2].Kind() != canonjson.Null || !elems[2].Exists() {
		t.Error("null is there")
	}
	if b, ok := elems[3].Bool(); !b || !ok {
		t.Error("fourth is true")
	}
	if n, ok := elems[4].Int(); n != canonjson.MinInt || !ok {
		t.Errorf("fifth = %d, %v", n, ok)
	}
	if _, ok := elems[5].Int(); ok {
		t.Error("1.5 is no integer")
	}
	if f, ok := elems[5].Float(); f != 1.5 || !ok {
		t.Errorf("sixth = %v, %v", f, ok)
	}
	if v.Get("nope").Exists() || v.Get("a").Get("b").Exists() || list.Get("x").Exists() || v.Path("ab", "x").Exists() {
		t.Error("what is not there was found")
	}
}

func TestValueOfOtherKind(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "1", `"s"`, "null", "true", "[]", "{}"} {
		v := canonjson.Value(text)
		if _, ok := v.Str(); ok != (v.Kind() == canonjson.String) {
			t.Errorf("%q: Str is %v", text, ok)
		}
		if _, ok := v.Int(); ok != (v.Kind() == canonjson.Number) {
			t.Errorf("%q: Int is %v", text, ok)
		}
		if _, ok := v.Bool(); ok != (v.Kind() == canonjson.Bool) {
			t.Errorf("%q: Bool is %v", text, ok)
		}
		if _, ok := v.Float(); ok != (v.Kind() == canonjson.Number) {
			t.Errorf("%q: Float is %v", text, ok)
		}
		if v.Len() != 0 || v.Get("x").Exists() || v.EqualStr("") {
			t.Errorf("%q has something in it", text)
		}
	}
	for _, text := range []string{"9007199254740992", "-9007199254740992", "10000000000000000", "99999999999999999", "1e2", "1.0", "-"} {
		if n, ok := canonjson.Value(text).Int(); ok {
			t.Errorf("Int of %s = %d", text, n)
		}
	}
}

func TestValueAllocatesNothing(t *testing.T) {
	v := canonjson.Value(`{"content":{"body":"hello","n":[1,2,3]},"sender":"@a:b","\u0074ype":"m"}`)
	if n := testing.AllocsPerRun(100, func() {
		for e := range v.Path("content", "n").Elems() {
			e.Int()
		}
		if !v.Get("sender").EqualStr("@a:b") || v.Get("type").Exists() != true {
			t.Fatal("wrong")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
