package olmpeer

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm/attachment"
	"github.com/hanse-im/hanse/e2ee/olm/channel"
	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/pk"
	"github.com/hanse-im/hanse/e2ee/olm/secret"
)

// sdk is the Rust crypto SDK behind sdk.mjs.
type sdk struct {
	t testing.TB
	p *Peer
}

func newSDK(t testing.TB) *sdk { return &sdk{t, script(t, "sdk.mjs")} }

type object = map[string]any

// try runs an operation and decodes its answer to out, which may be nil.
func (s *sdk) try(op string, args object, out any) error {
	s.t.Helper()
	if args == nil {
		args = object{}
	}
	args["op"] = op
	line := must[[]byte](s.t)(json.Marshal(args))
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	must[int](s.t)(fmt.Fprintf(s.p.in, "%s\n", line))
	text, err := s.p.out.ReadString('\n')
	if err != nil {
		s.t.Fatalf("sdk ended at %s: %v", op, err)
	}
	var answer struct {
		OK  json.RawMessage
		Err *string
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		s.t.Fatalf("%s: %q: %v", op, text, err)
	}
	if answer.Err != nil {
		return errors.New(op + ": " + *answer.Err)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer.OK, out)
}

func (s *sdk) do(op string, args object, out any) {
	s.t.Helper()
	if err := s.try(op, args, out); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sdk) text(op string, args object) (out string) {
	s.t.Helper()
	s.do(op, args, &out)
	return out
}

func std64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// TestECIES makes channels with the SDK in both roles.
func TestECIES(t *testing.T) {
	t.Parallel()
	s := newSDK(t)
	for i := range 10 {
		ours := must[*channel.ECIES](t)(channel.NewECIES(nil))
		theirs := curveKey(t, s.text("eciesNew", nil))
		var c *channel.ECIESChannel
		var err error
		if i%2 == 0 {
			var first string
			if c, first, err = ours.Outbound(theirs, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if got := s.text("eciesIn", object{"message": first}); got != "hello" {
				t.Fatalf("%q", got)
			}
		} else {
			var plain []byte
			if c, plain, err = ours.Inbound(s.text("eciesOut", object{"key": ours.Public().String(), "text": "hello"})); err != nil || string(plain) != "hello" {
				t.Fatalf("%q, %v", plain, err)
			}
		}
		var codes [2]int
		s.do("eciesCode", nil, &codes)
		if c.CheckCode().OldText() != fmt.Sprintf("%02d", codes[0]) || c.CheckCode().Text() != fmt.Sprintf("%02d", codes[1]) {
			t.Errorf("codes %v, ours %s and %s", codes, c.CheckCode().OldText(), c.CheckCode().Text())
		}
		for j := range 5 {
			text := fmt.Sprint("message ", j)
			if got := s.text("eciesDecrypt", object{"message": must[string](t)(c.Encrypt([]byte(text)))}); got != text {
				t.Errorf("%q", got)
			}
			if got := must[[]byte](t)(c.Decrypt(s.text("eciesEncrypt", object{"text": text}))); string(got) != text {
				t.Errorf("%q", got)
			}
		}
	}
}

// TestBackups opens backups of each side on the other.
func TestBackups(t *testing.T) {
	t.Parallel()
	s := newSDK(t)
	for n := range 20 {
		dec := must[*pk.Decryption](t)(pk.NewDecryption(nil))
		raw := dec.Secret()
		key := std64(raw[:])
		if got := s.text("pkPublic", object{"secret": key}); got != dec.Public().String() {
			t.Fatal(got)
		}
		text := `{"session_key":"` + strings.Repeat("é", n*5) + `"}`
		m := must[pk.Message](t)(pk.Encrypt(nil, dec.Public(), []byte(text)))
		if got := s.text("pkDecrypt", object{"secret": key, "m": m}); got != text {
			t.Errorf("%q", got)
		}
		var back pk.Message
		s.do("pkEncrypt", object{"key": dec.Public().String(), "text": text}, &back)
		if got := must[[]byte](t)(dec.Decrypt(back)); string(got) != text {
			t.Errorf("%q", got)
		}
	}
}

// TestAttachments opens files of each side on the other.
func TestAttachments(t *testing.T) {
	t.Parallel()
	s := newSDK(t)
	for _, n := range []int{0, 1, 16, 4097, 300_000} {
		plain := make([]byte, n)
		rand.Read(plain)
		enc := must[*attachment.Encrypter](t)(attachment.NewEncrypter(nil, bytes.NewReader(plain)))
		ct := must[[]byte](t)(io.ReadAll(enc))
		info := string(must[[]byte](t)(json.Marshal(must[attachment.Info](t)(enc.Info()))))
		if got := s.text("attachmentDecrypt", object{"data": std64(ct), "info": info}); got != std64(plain) {
			t.Errorf("the SDK read another file of %d bytes", n)
		}
		var theirs struct{ Data, Info string }
		s.do("attachmentEncrypt", object{"data": std64(plain)}, &theirs)
		var their attachment.Info
		fromJSON(t, theirs.Info, &their)
		ct = must[[]byte](t)(base64.StdEncoding.DecodeString(theirs.Data))
		if got, err := attachment.Open(their, bytes.NewReader(ct), int64(n)); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestKeyFiles opens key files of each side on the other.
func TestKeyFiles(t *testing.T) {
	t.Parallel()
	s := newSDK(t)
	file := must[[]byte](t)(secret.SealKeyFile(nil, "passphrase", 1000, []byte("[]")))
	if got := s.text("keysOpen", object{"file": string(file), "pass": "passphrase"}); got != "[]" {
		t.Errorf("%q", got)
	}
	theirs := s.text("keysSeal", object{"text": "[]", "pass": "päss", "rounds": 500})
	if got, err := secret.OpenKeyFile("päss", []byte(theirs)); err != nil || string(got) != "[]" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := secret.OpenKeyFile("pass", []byte(theirs)); !errors.Is(err, fail.MAC) {
		t.Error(err)
	}
}
