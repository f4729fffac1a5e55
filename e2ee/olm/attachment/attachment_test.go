package attachment

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

func encrypt(t testing.TB, plain []byte) ([]byte, Info) {
	t.Helper()
	e, err := NewEncrypter(nil, iotest.HalfReader(bytes.NewReader(plain)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Info(); !errors.Is(err, fail.State) {
		t.Error("the hash was given before the end")
	}
	ct, err := io.ReadAll(e)
	if err != nil {
		t.Fatal(err)
	}
	info, err := e.Info()
	if err != nil {
		t.Fatal(err)
	}
	return ct, info
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 15, 16, 17, 100_000, 1 << 20} {
		plain := make([]byte, n)
		rand.Read(plain)
		ct, info := encrypt(t, plain)
		if len(ct) != n || n > 16 && bytes.Equal(ct, plain) {
			t.Fatal("ciphertext")
		}
		text, _ := json.Marshal(info)
		var back Info
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader, iotest.HalfReader} {
			if n > 200_000 {
				wrap = func(r io.Reader) io.Reader { return r }
			}
			d, err := NewDecrypter(back, wrap(bytes.NewReader(ct)))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(d); err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("%d bytes: %v", n, err)
			}
		}
		if got, err := Open(back, bytes.NewReader(ct), int64(n)); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if n > 0 {
			if _, err := Open(back, bytes.NewReader(ct), int64(n-1)); !errors.Is(err, fail.Size) {
				t.Error(err)
			}
		}
	}
}

// TestIV: the counter half of the IV is zero and no two files share a key.
//
// Spec: client-server-api/modules/end_to_end_encryption#sending-encrypted-attachments
func TestIV(t *testing.T) {
	t.Parallel()
	_, a := encrypt(t, nil)
	_, b := encrypt(t, nil)
	if !strings.HasSuffix(a.IV, "AAAAAAAAAA") || len(a.IV) != 22 || a.Key.Key == b.Key.Key || a.IV == b.IV {
		t.Errorf("IVs %s, %s", a.IV, b.IV)
	}
	if a.Version != "v2" || a.Key.Algorithm != "A256CTR" || !a.Key.Extract || a.Key.Type != "oct" {
		t.Errorf("info")
	}
	if s := fmt.Sprintf("%v %+v %#v %v", a, a, a, a.Key); strings.Contains(s, a.Key.Key) {
		t.Error("the key is printed")
	}
	e, _ := NewEncrypter(nil, nil)
	d, _ := NewDecrypter(a, nil)
	if s := fmt.Sprintf("%v %+v %#v %v %+v %#v", e, e, e, d, d, d); strings.Contains(s, e.info.Key.Key) || len(s) > 200 {
		t.Errorf("a stream prints as %q", s)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	ct, info := encrypt(t, []byte("some file"))
	changed := bytes.Clone(ct)
	changed[3] ^= 1
	for _, b := range [][]byte{changed, ct[:5], append(bytes.Clone(ct), 0), nil} {
		if got, err := Open(info, bytes.NewReader(b), 1000); !errors.Is(err, fail.MAC) || got != nil {
			t.Errorf("%v", err)
		}
	}
	with := func(change func(*Info)) error {
		c := info
		c.Hashes = map[string]string{"sha256": info.Hashes["sha256"]}
		change(&c)
		_, err := NewDecrypter(c, nil)
		return err
	}
	for i, c := range []struct {
		err  error
		want fail.Class
	}{
		{with(func(i *Info) { i.Version = "v1" }), fail.Version},
		{with(func(i *Info) { i.Key.Algorithm = "A128CTR" }), fail.Version},
		{with(func(i *Info) { i.Key.Key = "AAAA" }), fail.Format},
		{with(func(i *Info) { i.Key.Key = "+" }), fail.Encoding},
		{with(func(i *Info) { i.IV = "AAAA" }), fail.Format},
		{with(func(i *Info) { i.Hashes = nil }), fail.Format},
		{with(func(i *Info) { i.Hashes["sha256"] = "AA" }), fail.Format},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("case %d: %v, want %v", i, c.err, c.want)
		}
	}
	d, _ := NewDecrypter(info, iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := io.ReadAll(d); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
}
