package channel

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"io"

	"github.com/hanse-im/hanse/e2ee/olm"
	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/b64"
	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
)

const (
	responseNonceLen = 32
	publicLen        = 32
)

// AAD is the additional data that binds a message to its rendezvous. Errors:
// fail.Size for a base URL over 65,535 bytes or an ID or token over 255.
//
// Spec: msc-open/4388-secure-qr-channel#4-device-s-sends-the-initial-payload
func AAD(baseURL, rendezvousID, sequenceToken string) ([]byte, error) {
	if len(baseURL) > 0xffff || len(rendezvousID) > 0xff || len(sequenceToken) > 0xff {
		return nil, fail.New(fail.Size, "rendezvous")
	}
	b := binary.BigEndian.AppendUint16(nil, uint16(len(baseURL)))
	b = append(b, baseURL...)
	b = append(append(b, byte(len(rendezvousID))), rendezvousID...)
	return append(append(b, byte(len(sequenceToken))), sequenceToken...), nil
}

// Recipient is the key of device G, which shows the QR code.
type Recipient struct {
	key    hpke.PrivateKey
	public olm.Curve25519Key
}

// NewRecipient makes a key. r nil is crypto/rand. The error has the class
// fail.Random.
func NewRecipient(r io.Reader) (*Recipient, error) {
	pair, err := curve.Generate(r)
	if err != nil {
		return nil, err
	}
	defer pair.Wipe()
	private, err := ecdh.X25519().NewPrivateKey(pair.Secret[:])
	if err != nil {
		return nil, fail.New(fail.Key, "channel key")
	}
	key, err := hpke.NewDHKEMPrivateKey(private)
	if err != nil {
		return nil, fail.New(fail.Key, "channel key")
	}
	return &Recipient{key: key, public: olm.Curve25519Key(pair.Public)}, nil
}

// Public is the public key, for the QR code.
func (g *Recipient) Public() olm.Curve25519Key { return g.public }

// String does not show the secret.
func (g *Recipient) String() string { return "channel.Recipient(" + g.public.String() + ")" }

// GoString does not show the secret.
func (g *Recipient) GoString() string { return g.String() }

// exporter is what both HPKE contexts can do.
type exporter interface {
	Export(context string, length int) ([]byte, error)
}

// Initiator is device S between its first message and the answer.
type Initiator struct {
	context *hpke.Sender
	public  [publicLen]byte
	code    CheckCode
	done    bool
}

// String does not show the keys.
func (*Initiator) String() string { return "channel.Initiator" }

// GoString does not show the keys.
func (*Initiator) GoString() string { return "channel.Initiator" }

// Initiate begins a channel to the key of a QR code and encrypts the first
// message. Randomness is crypto/rand's. Errors: fail.Key, fail.Size.
//
// Spec: msc-open/4388-secure-qr-channel#4-device-s-sends-the-initial-payload
func Initiate(to olm.Curve25519Key, plaintext, aad []byte) (s *Initiator, message string, err error) {
	if len(plaintext) > maxMessage/2 {
		return nil, "", fail.New(fail.Size, "channel plaintext")
	}
	peer, err := ecdh.X25519().NewPublicKey(to[:])
	if err != nil {
		return nil, "", fail.New(fail.Key, "channel key")
	}
	public, err := hpke.NewDHKEMPublicKey(peer)
	if err != nil {
		return nil, "", fail.New(fail.Key, "channel key")
	}
	enc, context, err := hpke.NewSender(public, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(loginInfo))
	if err != nil {
		return nil, "", fail.New(fail.Key, "channel key")
	}
	s = &Initiator{context: context, public: [publicLen]byte(enc)}
	if s.code, err = checkCode(context, to, s.public); err != nil {
		return nil, "", err
	}
	ct, err := context.Seal(aad, plaintext)
	if err != nil {
		return nil, "", fail.New(fail.State, "channel message")
	}
	return s, b64.Encode(append(enc, ct...)), nil
}

// checkCode derives the check code.
func checkCode(context exporter, g olm.Curve25519Key, s [publicLen]byte) (c CheckCode, err error) {
	b, err := context.Export(loginInfo+"_CHECKCODE"+string(g[:])+string(s[:]), len(c.bytes))
	if err != nil {
		return c, fail.New(fail.State, "check code")
	}
	copy(c.bytes[:], b)
	return c, nil
}

// Complete reads the answer of device G. Errors: fail.Encoding, fail.Format,
// fail.Size, fail.MAC; another answer may be tried then. fail.State after it
// succeeded.
//
// Spec: msc-open/4388-secure-qr-channel#6-verification-by-device-s
func (s *Initiator) Complete(message string, aad []byte) (*Channel, []byte, error) {
	if s.done {
		return nil, nil, fail.New(fail.State, "channel completed before")
	}
	data, err := decode(message)
	if err != nil {
		return nil, nil, err
	}
	if len(data) < responseNonceLen {
		return nil, nil, fail.New(fail.Format, "answer of a channel")
	}
	response, err := newResponse(s.context, s.public, data[:responseNonceLen])
	if err != nil {
		return nil, nil, err
	}
	plain, err := response.open(data[responseNonceLen:], aad)
	if err != nil {
		return nil, nil, err
	}
	s.done = true
	c := &Channel{code: s.code, seal: func(plain, aad []byte) ([]byte, error) { return s.context.Seal(aad, plain) }, open: response.open}
	return c, plain, nil
}

// Accepted is device G between the first message and its answer.
type Accepted struct {
	context *hpke.Recipient
	public  [publicLen]byte
	code    CheckCode
	done    bool
}

// String does not show the keys.
func (*Accepted) String() string { return "channel.Accepted" }

// GoString does not show the keys.
func (*Accepted) GoString() string { return "channel.Accepted" }

// Accept reads the first message. Errors: fail.Encoding, fail.Format,
// fail.Size, fail.Key, fail.MAC. The key may be used for one channel only; it
// is not used up by a message that fails.
//
// Spec: msc-open/4388-secure-qr-channel#5-device-g-confirms
func (g *Recipient) Accept(message string, aad []byte) (*Accepted, []byte, error) {
	if g.key == nil {
		return nil, nil, fail.New(fail.State, "channel key used before")
	}
	data, err := decode(message)
	if err != nil {
		return nil, nil, err
	}
	if len(data) < publicLen {
		return nil, nil, fail.New(fail.Format, "first message of a channel")
	}
	context, err := hpke.NewRecipient(data[:publicLen], g.key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(loginInfo))
	if err != nil {
		return nil, nil, fail.New(fail.Key, "first message of a channel")
	}
	a := &Accepted{context: context, public: [publicLen]byte(data)}
	plain, err := context.Open(aad, data[publicLen:])
	if err != nil {
		return nil, nil, fail.New(fail.MAC, "first message of a channel")
	}
	if a.code, err = checkCode(context, g.public, a.public); err != nil {
		return nil, nil, err
	}
	g.key = nil
	return a, plain, nil
}

// Respond encrypts the answer and makes the channel. r nil is crypto/rand.
// Errors: fail.Random, fail.Size, fail.State if it was called before.
func (a *Accepted) Respond(r io.Reader, plaintext, aad []byte) (*Channel, string, error) {
	switch {
	case a.done:
		return nil, "", fail.New(fail.State, "channel answered before")
	case len(plaintext) > maxMessage/2:
		return nil, "", fail.New(fail.Size, "channel plaintext")
	}
	var nonce [responseNonceLen]byte
	if err := curve.Random(r, nonce[:]); err != nil {
		return nil, "", err
	}
	response, err := newResponse(a.context, a.public, nonce[:])
	if err != nil {
		return nil, "", err
	}
	ct, err := response.seal(plaintext, aad)
	if err != nil {
		return nil, "", err
	}
	a.done = true
	open := func(data, aad []byte) ([]byte, error) {
		plain, err := a.context.Open(aad, data)
		if err != nil {
			return nil, fail.New(fail.MAC, "channel message")
		}
		return plain, nil
	}
	return &Channel{code: a.code, seal: response.seal, open: open}, b64.Encode(append(nonce[:], ct...)), nil
}

// Channel is an established HPKE channel. Do not trust it before the user has
// compared the CheckCode.
type Channel struct {
	code CheckCode
	seal func(plain, aad []byte) ([]byte, error)
	open func(data, aad []byte) ([]byte, error)
}

// CheckCode is the code of the channel.
func (c *Channel) CheckCode() CheckCode { return c.code }

// Seal encrypts the next message, as unpadded base64. The error has the class
// fail.Size.
func (c *Channel) Seal(plaintext, aad []byte) (string, error) {
	if len(plaintext) > maxMessage/2 {
		return "", fail.New(fail.Size, "channel plaintext")
	}
	ct, err := c.seal(plaintext, aad)
	if err != nil {
		return "", fail.New(fail.State, "channel message")
	}
	return b64.Encode(ct), nil
}

// Open decrypts the next message. Errors: fail.Encoding, fail.Size, fail.MAC;
// the message may be tried again then.
func (c *Channel) Open(message string, aad []byte) ([]byte, error) {
	data, err := decode(message)
	if err != nil {
		return nil, err
	}
	return c.open(data, aad)
}

// String does not show the keys.
func (c *Channel) String() string { return "channel.Channel" }

// GoString does not show the keys.
func (c *Channel) GoString() string { return "channel.Channel" }

// response is the context of the direction that HPKE does not have, from G to
// S, made as Oblivious HTTP makes it.
type response struct {
	key   [32]byte
	base  [12]byte
	count uint64
}

func newResponse(context exporter, public [publicLen]byte, nonce []byte) (*response, error) {
	secret, err := context.Export(loginInfo+" response", 32)
	if err != nil {
		return nil, fail.New(fail.State, "channel answer")
	}
	defer clear(secret)
	salt := append(append(make([]byte, 0, publicLen+responseNonceLen), public[:]...), nonce...)
	prk, err := hkdf.Extract(sha256.New, secret, salt)
	if err != nil {
		return nil, fail.New(fail.State, "channel answer")
	}
	defer clear(prk)
	r := new(response)
	for label, out := range map[string][]byte{"key": r.key[:], "nonce": r.base[:]} {
		b, err := hkdf.Expand(sha256.New, prk, label, len(out))
		if err != nil {
			return nil, fail.New(fail.State, "channel answer")
		}
		copy(out, b)
		clear(b)
	}
	return r, nil
}

// nonce is the base XOR the number of the message, big-endian.
func (r *response) nonce() (n [12]byte) {
	binary.BigEndian.PutUint64(n[4:], r.count)
	for i := range n {
		n[i] ^= r.base[i]
	}
	return n
}

func (r *response) seal(plain, aad []byte) ([]byte, error) {
	out := seal(&r.key, r.nonce(), nil, plain, aad)
	r.count++
	return out, nil
}

func (r *response) open(data, aad []byte) ([]byte, error) {
	plain, err := open(&r.key, r.nonce(), data, aad)
	if err != nil {
		return nil, err
	}
	r.count++
	return plain, nil
}
