package canonjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/matrix/canonjson"
)

// Every example of appendices#examples.
func TestSpecExamples(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"{}", "{}"},
		{"{\n    \"one\": 1,\n    \"two\": \"Two\"\n}", `{"one":1,"two":"Two"}`},
		{`{ "b": "2", "a": "1" }`, `{"a":"1","b":"2"}`},
		{`{"b":"2","a":"1"}`, `{"a":"1","b":"2"}`},
		{
			`{"auth": {"success": true, "mxid": "@john.doe:example.com", "profile": {"display_name": "John Doe",
			"three_pids": [{"medium": "email", "address": "john.doe@example.org"}, {"medium": "msisdn", "address": "123456789"}]}}}`,
			`{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}`,
		},
		{`{"a": "日本語"}`, `{"a":"日本語"}`},
		{`{"本": 2, "日": 1}`, `{"日":1,"本":2}`},
		{`{"a": "\u65E5"}`, `{"a":"日"}`},
		{`{"a": null}`, `{"a":null}`},
		{`{"a": -0, "b": 1e10}`, `{"a":0,"b":10000000000}`},
	} {
		got, err := canonjson.Append(nil, []byte(c.in), canonjson.Normalize)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.in, got, err, c.want)
		}
	}
}

func TestCanonicalForm(t *testing.T) {
	t.Parallel()
	all := []canonjson.Mode{canonjson.Strict, canonjson.Lenient, canonjson.Normalize}
	for _, c := range []struct {
		name, in, want string
		modes          []canonjson.Mode
	}{
		{"scalars", " true ", "true", all},
		{"empty containers", "[ { } , [ ] ]", "[{},[]]", all},
		{"escapes become short", `"\u0041\/\u0022\u005c\u0008\u0009\u000a\u000c\u000d\u0000\u001F\u007f"`, `"A/\"\\\b\t\n\f\r\u0000\u001f` + "\x7f" + `"`, all},
		{"surrogate pair", `"\ud83d\uDE00"`, `"😀"`, all},
		{"line separators stay", `"\u2028\u2029"`, "\"\u2028\u2029\"", all},
		{"keys by code point, not by UTF-16", `{"\ud83d\ude00":1,"\uffee":2}`, `{"` + "\uffee" + `":2,"😀":1}`, all},
		{"escaped keys sort by what they mean", `{"\\":1,"\n":2,"A":3,"]":4,"\"":5}`, `{"\n":2,"\"":5,"A":3,"\\":1,"]":4}`, all},
		{"a prefix comes first", `{"aa":1,"a":2}`, `{"a":2,"aa":1}`, all},
		{"nested objects are ordered too", `{"b":{"d":1,"c":[{"f":1,"e":2}]},"a":0}`, `{"a":0,"b":{"c":[{"e":2,"f":1}],"d":1}}`, all},
		{"bounds", "[9007199254740991,-9007199254740991]", "[9007199254740991,-9007199254740991]", all},
		{"lenient: last duplicate counts", `{"b":1,"a":1,"b":2,"\u0061":3}`, `{"a":3,"b":2}`, []canonjson.Mode{canonjson.Lenient}},
		{"lenient: integers of any size", "[9007199254740992,-123456789012345678901234567890]", "[9007199254740992,-123456789012345678901234567890]", []canonjson.Mode{canonjson.Lenient}},
		{"lenient: doubles", "[1.0,1e2,50.57,1e16,1E-5,0.0001,1e15,-0,-0.0,123456789.125,1.5e300,5e-324]", "[1.0,100.0,50.57,1e+16,1e-05,0.0001,1000000000000000.0,0,-0.0,123456789.125,1.5e+300,5e-324]", []canonjson.Mode{canonjson.Lenient}},
		{"normalize: spellings of integers", "[1.0,12e2,1200e-2,0e9,-0.0,9007199254740991.0]", "[1,1200,12,0,0,9007199254740991]", []canonjson.Mode{canonjson.Normalize}},
	} {
		for _, mode := range c.modes {
			got, err := canonjson.Append(nil, []byte(c.in), mode)
			if err != nil || string(got) != c.want {
				t.Errorf("%s, mode %d: %s, %v; want %s", c.name, mode, got, err, c.want)
			}
		}
	}
	got, err := canonjson.Append([]byte("before:"), []byte(`{"b":1,"a":2}`), canonjson.Strict)
	if err != nil || string(got) != `before:{"a":2,"b":1}` {
		t.Errorf("appending: %s, %v", got, err)
	}
}

// The table of bad inputs: each refused, with the byte at which it goes wrong.
func TestRefused(t *testing.T) {
	t.Parallel()
	const strict, lenient, normalize = canonjson.Strict, canonjson.Lenient, canonjson.Normalize
	all := []canonjson.Mode{strict, lenient, normalize}
	exact := []canonjson.Mode{strict, normalize}
	deep := strings.Repeat("[", canonjson.MaxDepth+1) + strings.Repeat("]", canonjson.MaxDepth+1)
	for _, c := range []struct {
		name, in string
		offset   int64
		modes    []canonjson.Mode
	}{
		{"nothing", "", 0, all},
		{"only space", " \n", 2, all},
		{"two values", "1 2", 2, all},
		{"byte order mark", "\xef\xbb\xbf{}", 0, all},
		{"form feed as space", "\f1", 0, all},
		{"literal in capitals", "True", 0, all},
		{"literal cut short", "[tru]", 1, all},
		{"no closing brace", `{"a":1`, 6, all},
		{"no closing bracket", "[1", 2, all},
		{"comma at the end of an object", `{"a":1,}`, 7, all},
		{"comma at the end of an array", "[1,]", 3, all},
		{"no colon", `{"a" 1}`, 5, all},
		{"key without quotes", "{a:1}", 1, all},
		{"number as key", "{1:1}", 1, all},
		{"comment", "/*x*/1", 0, all},
		{"leading zero", "01", 0, all},
		{"leading zero behind a minus", "-01", 1, all},
		{"plus", "+1", 0, all},
		{"minus alone", "-", 1, all},
		{"no digit behind the point", "[1.]", 3, all},
		{"no digit behind the exponent", "[1e+]", 4, all},
		{"NaN", "NaN", 0, all},
		{"Infinity", "-Infinity", 1, all},
		{"beyond a double", "1e999", 0, []canonjson.Mode{lenient, normalize}},
		{"string without end", `["abc`, 1, all},
		{"backslash at the end", `"\`, 1, all},
		{"unknown escape", `"\x41"`, 1, all},
		{"capital U escape", `"\U0041"`, 1, all},
		{"short unicode escape", `"\u004"`, 1, all},
		{"raw newline in a string", "\"a\nb\"", 2, all},
		{"raw NUL in a string", "\"\x00\"", 1, all},
		{"lone high surrogate", `"\ud800"`, 1, all},
		{"lone low surrogate", `"a\udc00"`, 2, all},
		{"surrogates in the wrong order", `"\udc00\ud800"`, 1, all},
		{"high surrogate before another escape", `"\ud800\u0041"`, 1, all},
		{"surrogate as UTF-8", "\"\xed\xa0\x80\"", 1, all},
		{"overlong UTF-8", "\"\xc0\xaf\"", 1, all},
		{"UTF-8 cut short", "\"\xe2\x82\"", 1, all},
		{"beyond U+10FFFF", "\"\xf4\x90\x80\x80\"", 1, all},
		{"nested too deeply", deep, canonjson.MaxDepth, all},
		{"duplicate key", `{"a":1,"a":2}`, 7, exact},
		{"duplicate key, apart and out of order", `{"b":1,"a":2,"b":3}`, 13, exact},
		{"duplicate key in another spelling", `{"a":1,"\u0061":2}`, 7, exact},
		{"integer too large", "[9007199254740992]", 1, exact},
		{"integer too small", "[-9007199254740992]", 1, exact},
		{"integer of many digits", "100000000000000000000", 0, exact},
		{"fraction", "1.5", 0, exact},
		{"fraction that rounds away", "4503599627370497.5", 0, exact},
		{"tiny", "1e-400", 0, exact},
		{"large exponent", "1e17", 0, exact},
		{"whole number with a point", "1.0", 0, []canonjson.Mode{strict}},
		{"exponent", "1e2", 0, []canonjson.Mode{strict}},
		{"negative zero", "[-0]", 1, []canonjson.Mode{strict}},
	} {
		for _, mode := range c.modes {
			got, err := canonjson.Append(nil, []byte(c.in), mode)
			var syntax *canonjson.SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset != c.offset || got != nil {
				t.Errorf("%s, mode %d: %.40q, %v; want an error at byte %d", c.name, mode, got, err, c.offset)
			}
		}
	}
	if err := canonjson.Check([]byte(deep[1:len(deep)-1]), canonjson.Strict); err != nil {
		t.Errorf("%d levels: %v", canonjson.MaxDepth, err)
	}
}

// The slow and obvious twin: encoding/json into maps, and out in their order.
func TestAgainstTwin(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		text := randomJSON(rnd, 4)
		got, err := canonjson.Append(nil, []byte(text), canonjson.Strict)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		twin := strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(strings.TrimSuffix(want.String(), "\n"))
		if string(got) != twin {
			t.Fatalf("%s:\n got %s\nwant %s", text, got, twin)
		}
	}
}

func randomJSON(rnd *rand.Rand, depth int) string {
	space := func() string { return strings.Repeat(" ", rnd.IntN(2)) + strings.Repeat("\n", rnd.IntN(2)) }
	switch n := rnd.IntN(8); {
	case n == 0:
		return []string{"null", "true", "false"}[rnd.IntN(3)]
	case n == 1:
		return fmt.Sprint(rnd.Int64N(2*canonjson.MaxInt) - canonjson.MaxInt)
	case n < 4 || depth == 0:
		return randomString(rnd)
	case n < 6:
		var b strings.Builder
		b.WriteString("[" + space())
		for i := range rnd.IntN(4) {
			if i > 0 {
				b.WriteString("," + space())
			}
			b.WriteString(randomJSON(rnd, depth-1) + space())
		}
		return b.String() + "]"
	default:
		var b strings.Builder
		b.WriteString("{" + space())
		for i := range rnd.IntN(6) {
			if i > 0 {
				b.WriteString("," + space())
			}
			key := randomString(rnd)
			key = fmt.Sprintf("%s%d\"", key[:len(key)-1], i) // no duplicates
			b.WriteString(key + space() + ":" + space() + randomJSON(rnd, depth-1) + space())
		}
		return b.String() + "}"
	}
}

func randomString(rnd *rand.Rand) string {
	pieces := []string{"a", "b", "Z", "_", ".", " ", "é", "日", "😀", "\u2028", `\"`, `\\`, `\/`, `\n`, `\u00e9`, `\u0001`, `\ud83d\ude00`, `\u0041`}
	var b strings.Builder
	b.WriteByte('"')
	for range rnd.IntN(5) {
		b.WriteString(pieces[rnd.IntN(len(pieces))])
	}
	b.WriteByte('"')
	return b.String()
}

// Objects with very many keys, in the worst order, stay cheap.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	const n = 100_000
	var b strings.Builder
	b.WriteByte('{')
	for i := n; i > 0; i-- {
		fmt.Fprintf(&b, `"k%06d":0,`, i)
	}
	text := b.String()
	got, err := canonjson.Append(nil, []byte(text[:len(text)-1]+"}"), canonjson.Strict)
	if err != nil || !bytes.HasPrefix(got, []byte(`{"k000001":0,"k000002":0,`)) || canonjson.Value(got).Len() != n {
		t.Fatalf("%.60s, %v", got, err)
	}
	_, err = canonjson.Append(nil, []byte(text+`"k050000":1}`), canonjson.Strict)
	var syntax *canonjson.SyntaxError
	if !errors.As(err, &syntax) || syntax.Offset != int64(len(text)) {
		t.Errorf("a duplicate among %d keys: %v", n, err)
	}
}

func TestMarshalUnmarshal(t *testing.T) {
	t.Parallel()
	type thing struct {
		Name string         `json:"name"`
		N    int64          `json:"n,omitzero"`
		More map[string]int `json:"more,omitempty"`
	}
	got, err := canonjson.Marshal(thing{Name: "<é>", More: map[string]int{"b": 1, "a": 2}})
	if err != nil || string(got) != `{"more":{"a":2,"b":1},"name":"<é>"}` {
		t.Errorf("Marshal: %s, %v", got, err)
	}
	if got, err := canonjson.Marshal(0.5); err == nil {
		t.Errorf("Marshal(0.5) = %s", got)
	}
	if got, err := canonjson.Marshal(func() {}); err == nil {
		t.Errorf("Marshal(func) = %s", got)
	}
	var v thing
	if err := canonjson.Unmarshal([]byte(`{"name":"x","NAME":"y","n":3,"other":[]}`), &v); err != nil || v.Name != "x" || v.N != 3 {
		t.Errorf("Unmarshal: %+v, %v", v, err)
	}
	for _, bad := range []string{`{"name":"x","name":"y"}`, `{"name":1}`, `{"n":1.5}`, `{"n":"1"}`, `[]`, `{"name":"x"} x`} {
		if err := canonjson.Unmarshal([]byte(bad), &v); err == nil {
			t.Errorf("Unmarshal(%s) was accepted", bad)
		}
	}
}

func TestBase64(t *testing.T) {
	t.Parallel()
	// Spec: appendices#unpadded-base64
	for plain, want := range map[string]string{"": "", "f": "Zg", "fo": "Zm8", "foo": "Zm9v", "foob": "Zm9vYg", "fooba": "Zm9vYmE", "foobar": "Zm9vYmFy"} {
		padded := want + strings.Repeat("=", (4-len(want)%4)%4)
		if got := canonjson.EncodeBase64([]byte(plain)); got != want {
			t.Errorf("EncodeBase64(%q) = %q", plain, got)
		}
		for _, text := range []string{want, padded} {
			if got, err := canonjson.DecodeBase64(text); err != nil || string(got) != plain {
				t.Errorf("DecodeBase64(%q) = %q, %v", text, got, err)
			}
		}
	}
	if got := canonjson.EncodeBase64URL([]byte{0xfb, 0xff}); got != "-_8" {
		t.Errorf("EncodeBase64URL = %q", got)
	}
	if got, err := canonjson.DecodeBase64URL("-_8="); err != nil || !bytes.Equal(got, []byte{0xfb, 0xff}) {
		t.Errorf("DecodeBase64URL = %x, %v", got, err)
	}
	for _, bad := range []string{"Z", "Zg=", "Zg===", "Zg==Zg", "Zm9v\n", "Zm\n9v", "-_8", "Zm 9v", "====", "=", "Zm9v===="} {
		if got, err := canonjson.DecodeBase64(bad); err == nil {
			t.Errorf("DecodeBase64(%q) = %x, want an error", bad, got)
		}
	}
}
