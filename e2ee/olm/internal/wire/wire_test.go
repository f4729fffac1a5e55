package wire

import (
	"bytes"
	"errors"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

// TestReader reads what was written, and refuses each kind of other encoding.
func TestReader(t *testing.T) {
	t.Parallel()
	for _, v := range []uint32{0, 1, 127, 128, 300, 1 << 21, 1<<32 - 1} {
		b := AppendString(AppendInt(nil, 0x10, v), 0x22, []byte("text"))
		if len(b) != SizeInt(uint64(v))+SizeString(4) {
			t.Errorf("%d: size", v)
		}
		r := NewReader("x", b)
		tag, ok := r.Next()
		if !ok || tag != 0x10 || r.Int() != v {
			t.Errorf("%d does not come back", v)
		}
		if tag, ok = r.Next(); !ok || tag != 0x22 || string(r.String()) != "text" {
			t.Error("string")
		}
		if _, ok = r.Next(); ok || r.Err() != nil {
			t.Error(r.Err())
		}
		r.Require(0x10, 0x22)
		if r.Require(0x0a); !errors.Is(r.Err(), fail.Format) {
			t.Error(r.Err())
		}
	}
	for _, b := range [][]byte{{0x10}, {0x10, 0x80}, {0x10, 0x80, 0x00}, {0x10, 0x80, 0x80, 0x80, 0x80, 0x10}, {0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 1}} {
		r := NewReader("x", b)
		r.Next()
		if r.Int(); !errors.Is(r.Err(), fail.Format) {
			t.Errorf("%x: %v", b, r.Err())
		}
	}
	for _, b := range [][]byte{{0x80}, {0xff}, {0x00}, {0x07}} {
		r := NewReader("x", b)
		if _, ok := r.Next(); ok || !errors.Is(r.Err(), fail.Format) {
			t.Errorf("tag %x: %v", b, r.Err())
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(AppendString(AppendInt(nil, 0x10, 7), 0x22, []byte("text")))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader("x", b)
		var out []byte
		for {
			tag, ok := r.Next()
			if !ok {
				break
			}
			if tag&7 == 0 {
				out = AppendInt(out, tag, r.Int())
			} else {
				out = AppendString(out, tag, r.String())
			}
		}
		// The encoding is unique: what was read writes the same.
		if r.Err() == nil && !bytes.Equal(out, b) {
			t.Errorf("%x reads and writes as %x", b, out)
		}
	})
}
