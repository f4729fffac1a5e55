package stream

import (
	"errors"
	"strconv"
	"strings"
)

// Token is a position in every stream. The zero token is before everything.
type Token [Kinds]Position

// ErrToken says that a text is not a token of this server.
var ErrToken = errors.New("not a sync token of this server")

const tokenPrefix = "s"

// String is the form that clients keep: opaque to them, parsed by ParseToken.
func (t Token) String() string {
	b := make([]byte, 0, 64)
	b = append(b, tokenPrefix...)
	for k, p := range t {
		if k > 0 {
			b = append(b, '_')
		}
		b = strconv.AppendInt(b, int64(p), 10)
	}
	return string(b)
}

// ParseToken reads what String wrote, also by an older version that knew fewer
// streams: those start at 0. It returns ErrToken for anything else.
func ParseToken(s string) (Token, error) {
	var t Token
	rest, ok := strings.CutPrefix(s, tokenPrefix)
	if !ok || len(s) > 20*int(Kinds)+1 {
		return Token{}, ErrToken
	}
	k := 0
	for part := range strings.SplitSeq(rest, "_") {
		p, err := strconv.ParseUint(part, 10, 63)
		if err != nil || k >= int(Kinds) || part != strconv.FormatUint(p, 10) {
			return Token{}, ErrToken
		}
		t[k] = Position(p)
		k++
	}
	return t, nil
}
