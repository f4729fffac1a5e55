package channel

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

	"github.com/hanse-im/hanse/e2ee/olm"
	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

// Intent is what the device that shows a QR code wants.
type Intent byte

const (
	// NewDevice wants to log in.
	NewDevice Intent = 0
	// ExistingDevice wants to help another log in.
	ExistingDevice Intent = 1
)

// The prefixes of QR codes: that of the specification and that in use before
// the proposal is part of it.
const (
	StablePrefix   = "MATRIX"
	UnstablePrefix = "IO_ELEMENT_MSC4388"

	qrType = 3
)

// QRCode is what the QR code of a login says.
type QRCode struct {
	Intent       Intent
	Key          olm.Curve25519Key
	RendezvousID string
	BaseURL      string
}

// Bytes is the content of the QR code behind the prefix. Errors: fail.Size for
// an ID over 255 bytes or a URL over 65,535.
//
// Spec: msc-open/4388-secure-qr-channel#qr-code-format
func (q QRCode) Bytes(prefix string) ([]byte, error) {
	if len(q.RendezvousID) > 0xff || len(q.BaseURL) > 0xffff {
		return nil, fail.New(fail.Size, "QR code")
	}
	b := append([]byte(prefix), qrType, byte(q.Intent))
	b = append(b, q.Key[:]...)
	b = append(append(b, byte(len(q.RendezvousID))), q.RendezvousID...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(q.BaseURL)))
	return append(b, q.BaseURL...), nil
}

// ParseQRCode reads the content of a QR code with either prefix. Errors:
// fail.Format, fail.Version for a code of another type or intent.
func ParseQRCode(b []byte) (q QRCode, err error) {
	rest, ok := bytes.CutPrefix(b, []byte(StablePrefix))
	if !ok {
		if rest, ok = bytes.CutPrefix(b, []byte(UnstablePrefix)); !ok {
			return q, fail.New(fail.Format, "QR code prefix")
		}
	}
	if len(rest) < 2 || rest[0] != qrType || rest[1] > 1 {
		return q, fail.New(fail.Version, "QR code")
	}
	q.Intent = Intent(rest[1])
	rest = rest[2:]
	if len(rest) < len(q.Key)+1 {
		return q, fail.New(fail.Format, "QR code length")
	}
	copy(q.Key[:], rest)
	rest = rest[len(q.Key):]
	id, rest, ok := take(rest[1:], int(rest[0]))
	if !ok || len(rest) < 2 {
		return q, fail.New(fail.Format, "QR code length")
	}
	url, rest, ok := take(rest[2:], int(binary.BigEndian.Uint16(rest)))
	if !ok || len(rest) != 0 || !utf8.Valid(id) || !utf8.Valid(url) {
		return q, fail.New(fail.Format, "QR code")
	}
	q.RendezvousID, q.BaseURL = string(id), string(url)
	return q, nil
}

func take(b []byte, n int) (head, rest []byte, ok bool) {
	if n > len(b) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}
