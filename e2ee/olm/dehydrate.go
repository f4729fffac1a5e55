package olm

import (
	"crypto/cipher"
	"io"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/b64"
	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
	"github.com/hanse-im/hanse/e2ee/olm/internal/ed"
	"github.com/hanse-im/hanse/e2ee/olm/internal/pickle"
)

// DehydratedDevice is an account that was put away on the server, as the
// "device_data" of a dehydrated device holds it.
//
// Spec: msc-open/3814-dehydrated-devices-with-ssss#device-dehydration-format
type DehydratedDevice struct {
	// DevicePickle is "device_pickle", unpadded base64.
	DevicePickle string
	// Nonce is "nonce", unpadded base64.
	Nonce string
}

// The layout's version. Deviates: the proposal says 0x80000000, because the
// clients in use write and read 1; both are read here.
const (
	dehydratedVersion    = 1
	dehydratedVersionMSC = 0x80000000
)

// Dehydrate encrypts the account's private keys under the dehydration key. The
// device needs a fallback key and has to be cross-signed by the caller. Errors:
// fail.State for an account that came from libolm, whose seed is unknown;
// fail.Random.
func (a *Account) Dehydrate(r io.Reader, key *PickleKey) (DehydratedDevice, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.signing.HasSeed {
		return DehydratedDevice{}, fail.New(fail.State, "dehydrate an account without a seed")
	}
	b := make([]byte, 0, 4+32+32+4+32*len(a.oneTime.keys)+33+chacha20poly1305.Overhead)
	b = pickle.AppendU32(b, dehydratedVersion)
	b = append(b, a.identity.Secret[:]...)
	b = append(b, a.signing.Seed[:]...)
	b = pickle.AppendU32(b, uint32(len(a.oneTime.keys)))
	for i := range a.oneTime.keys {
		b = append(b, a.oneTime.keys[i].pair.Secret[:]...)
	}
	b = pickle.AppendBool(b, a.fallback.current != nil)
	if k := a.fallback.current; k != nil {
		b = append(b, k.pair.Secret[:]...)
	}
	defer clear(b[:cap(b)])
	var nonce [chacha20poly1305.NonceSize]byte
	if err := curve.Random(r, nonce[:]); err != nil {
		return DehydratedDevice{}, err
	}
	sealed := dehydrationCipher(key).Seal(nil, nonce[:], b, nil)
	return DehydratedDevice{DevicePickle: b64.Encode(sealed), Nonce: b64.Encode(nonce[:])}, nil
}

func dehydrationCipher(key *PickleKey) cipher.AEAD {
	c, err := chacha20poly1305.New(key.k[:])
	if err != nil {
		panic("olm: the key has 32 bytes: " + err.Error())
	}
	return c
}

// Rehydrate reads a dehydrated device. All its keys count as published. Errors:
// fail.Encoding, fail.Format, fail.Size, fail.MAC, fail.Version.
func Rehydrate(key *PickleKey, d DehydratedDevice) (*Account, error) {
	if len(d.DevicePickle) > pickle.MaxSize {
		return nil, fail.New(fail.Size, "dehydrated device")
	}
	sealed, err := b64.Decode("dehydrated device", d.DevicePickle)
	if err != nil {
		return nil, err
	}
	var nonce [chacha20poly1305.NonceSize]byte
	if err := b64.DecodeFixed("dehydrated device nonce", nonce[:], d.Nonce); err != nil {
		return nil, err
	}
	plain, err := dehydrationCipher(key).Open(nil, nonce[:], sealed, nil)
	if err != nil {
		return nil, fail.New(fail.MAC, "dehydrated device")
	}
	defer clear(plain)
	r := pickle.NewReader("dehydrated device", plain)
	if v := r.U32(); v != dehydratedVersion && v != dehydratedVersionMSC {
		return nil, fail.New(fail.Version, "dehydrated device")
	}
	var seed [32]byte
	defer clear(seed[:])
	a := new(Account)
	r.Bytes(a.identity.Secret[:])
	r.Bytes(seed[:])
	keys := make([]heldKey, r.Count(MaxOneTimeKeys, 32))
	for i := range keys {
		keys[i] = heldKey{id: KeyID(i), published: true}
		r.Bytes(keys[i].pair.Secret[:])
	}
	if r.Bool() {
		a.fallback.current = &heldKey{published: true}
		r.Bytes(a.fallback.current.pair.Secret[:])
		a.fallback.next = 1
	}
	if err := r.Done(); err != nil {
		return nil, err
	}
	a.signing = ed.FromSeed(&seed)
	a.oneTime.next = KeyID(len(keys))
	computePublics(a, keys)
	return a, a.adopt(keys)
}
