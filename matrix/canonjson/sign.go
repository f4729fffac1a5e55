package canonjson

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrNoSignature says that the named entity has not signed with the named key.
var ErrNoSignature = errors.New("no such signature")

// ErrNoObject says that only objects can be signed.
var ErrNoObject = errors.New("not a JSON object that could be signed")

// Signature is one signature on a JSON object.
type Signature struct {
	// Entity is who signed: a server name or a user ID.
	Entity string
	// KeyID is the signing key identifier, "algorithm:identifier".
	KeyID string
	// Signature is decoded from base64.
	Signature []byte
}

// Signatures lists the signatures of an object, ordered by entity and key. An
// object without any gives none; signatures that are not as the specification
// has them are an error, which names the place.
func Signatures(obj []byte) ([]Signature, error) {
	text, err := Append(nil, obj, Strict)
	if err != nil {
		return nil, err
	}
	v := Value(text).Get("signatures")
	if !v.Exists() {
		return nil, nil
	}
	if v.Kind() != Object {
		return nil, errors.New("signatures: must be an object")
	}
	var out []Signature
	for entity, keys := range v.Members() {
		name, _ := entity.Str()
		if keys.Kind() != Object {
			return nil, fmt.Errorf("signatures of %.64q: must be an object", name)
		}
		for key, sig := range keys.Members() {
			id, _ := key.Str()
			encoded, ok := sig.Str()
			if !ok {
				return nil, fmt.Errorf("signatures of %.64q, key %.64q: must be a string", name, id)
			}
			raw, err := DecodeBase64(encoded)
			if err != nil {
				return nil, fmt.Errorf("signatures of %.64q, key %.64q: %w", name, id, err)
			}
			out = append(out, Signature{Entity: name, KeyID: id, Signature: raw})
		}
	}
	return out, nil
}

// AppendSigned appends the bytes of an object that its signatures cover: its
// canonical form without signatures and unsigned. It returns ErrNoObject, or a
// *SyntaxError for what Strict mode refuses.
//
// Spec: appendices#signing-details
func AppendSigned(dst, obj []byte) ([]byte, error) {
	text, err := Append(nil, obj, Strict)
	if err != nil {
		return nil, err
	}
	if Value(text).Kind() != Object {
		return nil, ErrNoObject
	}
	return appendWithout(dst, text, "signatures", "unsigned"), nil
}

// appendWithout copies an object but for some members.
func appendWithout(dst []byte, obj Value, keys ...string) []byte {
	dst = append(dst, '{')
	first := true
	for k, v := range obj.Members() {
		if slices.ContainsFunc(keys, k.EqualStr) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(append(dst, k...), ':'), v...)
	}
	return append(dst, '}')
}

// Sign signs a JSON object for entity with the key of the given ID and returns
// its canonical form with the signature added. Other signatures and unsigned
// stay as they are; an earlier signature with the same key is replaced.
//
// Spec: appendices#signing-details
func Sign(obj []byte, entity, keyID string, key ed25519.PrivateKey) ([]byte, error) {
	text, err := Append(nil, obj, Strict)
	if err != nil {
		return nil, err
	}
	if Value(text).Kind() != Object {
		return nil, ErrNoObject
	}
	sig := ed25519.Sign(key, appendWithout(nil, text, "signatures", "unsigned"))
	return WithSignature(text, entity, keyID, sig, Strict)
}

// WithSignature is an object, which Append has accepted in the given mode, with
// one more signature, in canonical form.
func WithSignature(obj []byte, entity, keyID string, sig []byte, mode Mode) ([]byte, error) {
	all := Value(obj).Get("signatures")
	if all.Exists() && all.Kind() != Object {
		return nil, errors.New("signatures: must be an object")
	}
	own := all.Get(entity)
	if own.Exists() && own.Kind() != Object {
		return nil, fmt.Errorf("signatures of %.64q: must be an object", entity)
	}
	text := appendWithout(nil, own, keyID)
	text = appendMember(text, keyID, appendString(nil, EncodeBase64(sig)))
	text = appendMember(appendWithout(nil, all, entity), entity, text)
	text = appendMember(appendWithout(nil, obj, "signatures"), "signatures", text)
	return Append(make([]byte, 0, len(text)), text, mode)
}

// appendMember adds a member to the object that ends dst.
func appendMember(dst []byte, key string, value []byte) []byte {
	dst = dst[:len(dst)-1]
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(appendString(dst, key), ':')
	return append(append(dst, value...), '}')
}

// AppendString appends s as a JSON string in canonical form. Invalid UTF-8 is
// replaced by U+FFFD.
func AppendString(dst []byte, s string) []byte { return appendString(dst, s) }

func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		dst = appendRune(dst, r)
	}
	return append(dst, '"')
}

// Verify checks the signature that entity made on a JSON object with the key of
// the given ID. It returns nil, ErrNoSignature, ErrKey or ErrSignature, or an
// error that says why the object or the signature cannot be read.
//
// Spec: appendices#checking-for-a-signature
func Verify(obj []byte, entity, keyID string, pub ed25519.PublicKey) error {
	checked, err := Append(nil, obj, Strict)
	if err != nil {
		return err
	}
	if Value(checked).Kind() != Object {
		return ErrNoObject
	}
	if !strings.HasPrefix(keyID, "ed25519:") {
		return fmt.Errorf("key %.64q: unknown algorithm", keyID)
	}
	sig := Value(checked).Path("signatures", entity, keyID)
	if !sig.Exists() {
		return ErrNoSignature
	}
	text, ok := sig.Str()
	if !ok {
		return fmt.Errorf("signature of %.64q: must be a string", entity)
	}
	raw, err := DecodeBase64(text)
	if err != nil {
		return fmt.Errorf("signature of %.64q: %w", entity, err)
	}
	return VerifyEd25519(pub, appendWithout(nil, checked, "signatures", "unsigned"), raw)
}
