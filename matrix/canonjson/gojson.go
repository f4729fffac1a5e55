package canonjson

import (
	"github.com/go-json-experiment/json"
)

// Marshal is the canonical encoding of a Go value. Field names and options are
// those of package json, version 2. It returns a *SyntaxError for values that
// canonical JSON cannot hold, such as fractions, and json's errors for types that
// no JSON can.
func Marshal(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return Append(make([]byte, 0, len(text)), text, Strict)
}

// Unmarshal decodes one JSON value into a Go value. The text must pass Check in
// Strict mode, else a *SyntaxError tells where it does not. Names are matched by
// case. Members that v has no field for are left out. Errors of types are json's
// *SemanticError, which names the place and the types.
func Unmarshal(src []byte, v any) error {
	if err := Check(src, Strict); err != nil {
		return err
	}
	return json.Unmarshal(src, v)
}
