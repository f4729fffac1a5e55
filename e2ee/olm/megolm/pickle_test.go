package megolm

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm"
	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

func pickleKey(t testing.TB, fill byte) *olm.PickleKey {
	t.Helper()
	k, err := olm.NewPickleKey(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestPickles moves both ends through every format in the middle of a session.
func TestPickles(t *testing.T) {
	t.Parallel()
	key := pickleKey(t, 1)
	for _, v := range []Version{V1, V2} {
		out, in := pair(t, v)
		for i := range 6 {
			m := encrypt(t, out, "x")
			if d, err := in.Decrypt(m); err != nil || d.Index != uint32(i) {
				t.Fatal(err)
			}
			data, err := out.Pickle(nil, key)
			if err != nil {
				t.Fatal(err)
			}
			inData, err := in.Pickle(nil, key)
			if err != nil {
				t.Fatal(err)
			}
			if out, err = UnpickleOutbound(key, data); err != nil {
				t.Fatal(err)
			}
			if in, err = UnpickleInbound(key, inData); err != nil || in.cache.latest(&in.first).index != uint32(i) || !in.Owned() {
				t.Fatal(err)
			}
			_, err = UnpickleOutbound(pickleKey(t, 2), data)
			wantClass(t, err, fail.MAC)
			_, err = UnpickleInbound(key, data)
			wantClass(t, err, fail.Format)
			for n := range data {
				if _, err := UnpickleOutbound(key, data[:n]); err == nil {
					t.Fatal("a cut pickle was read")
				}
			}
		}
		text, err := out.ToLibolm([]byte("k"))
		if v == V2 {
			wantClass(t, err, fail.Version)
			continue
		}
		back, err2 := OutboundFromLibolm([]byte("k"), text)
		if err != nil || err2 != nil || back.SessionID() != out.SessionID() || back.Index() != out.Index() {
			t.Fatal(err, err2)
		}
		_, err = OutboundFromLibolm([]byte("l"), text)
		wantClass(t, err, fail.MAC)
		_, err = InboundFromLibolm([]byte("k"), text)
		wantClass(t, err, fail.Format)
	}
}

// TestVodozemacPickles reads state that vodozemac wrote and goes on with it.
func TestVodozemacPickles(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../testdata/vodozemac.json")
	if err != nil {
		t.Fatal(err)
	}
	type message struct {
		Index         uint32
		Text, Message string
	}
	var f struct {
		Megolm []struct {
			Version                     Version
			Session_ID                  string
			Outbound, Inbound, Imported string
			Messages                    []message
			After                       message
		}
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	key := pickleKey(t, 7)
	for _, c := range f.Megolm {
		out, err := OutboundFromVodozemac(key, c.Outbound)
		if err != nil || out.Version() != c.Version || out.Index() != 300 || out.SessionID() != c.Session_ID {
			t.Fatal(err)
		}
		in, err := InboundFromVodozemac(key, c.Inbound)
		if err != nil || !in.Owned() {
			t.Fatal(err)
		}
		imported, err := InboundFromVodozemac(key, c.Imported)
		if err != nil || imported.Owned() || imported.FirstKnownIndex() != 100 || in.Compare(imported) != Better {
			t.Fatal(err)
		}
		for _, m := range append(c.Messages, c.After) {
			parsed, err := ParseMessage(m.Message)
			if err != nil {
				t.Fatal(err)
			}
			if d, err := in.Decrypt(parsed); err != nil || string(d.Plaintext) != m.Text || d.Index != m.Index {
				t.Fatalf("%q, %v", d.Plaintext, err)
			}
			_, err = imported.Decrypt(parsed)
			if m.Index < 100 {
				wantClass(t, err, fail.Index)
			} else if err != nil {
				t.Fatal(err)
			}
		}
		// Ed25519 is deterministic: our message at the same state is theirs.
		if m := encrypt(t, out, c.After.Text); m.Text() != c.After.Message {
			t.Error("another message than vodozemac's from the same state")
		}
	}
}
