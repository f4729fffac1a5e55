package main

import (
	"sync"

	"github.com/hanse-im/hanse/e2ee/olm"
	"github.com/hanse-im/hanse/e2ee/olm/megolm"
)

// operations are the rows. vodozemac's ratios were measured with version 0.10.
var operations = []operation{
	{name: "account with 50 one-time keys", peer: "account50", goal: 9, vodozemac: 9.0, prepare: prepareAccount},
	{name: "outbound session", peer: "outbound", goal: 4.5, vodozemac: 4.1, prepare: prepareOutbound},
	{name: "inbound session and first decrypt", peer: "inbound", goal: 3.5, vodozemac: 2.9, prepare: prepareInbound},
	{name: "Olm encrypt 100 B, steady", peer: "encrypt100", goal: 4, vodozemac: 0.8, prepare: prepareEncrypt},
	{name: "Olm decrypt 100 B, steady", peer: "decrypt100", goal: 7, vodozemac: 7.1, prepare: prepareDecrypt},
	{name: "ping-pong round trip", peer: "pingpong", goal: 6, vodozemac: 5.6, prepare: preparePingPong},
	{name: "Megolm create", peer: "megolm-create", goal: 2, vodozemac: 2.1, prepare: prepareMegolmCreate},
	{name: "Megolm encrypt 100 B", peer: "megolm-encrypt100", goal: 2.1, vodozemac: 2.1, prepare: prepareMegolmEncrypt(100)},
	{name: "Megolm encrypt 4 KiB", peer: "megolm-encrypt4096", goal: 6, vodozemac: 6.4, prepare: prepareMegolmEncrypt(4096)},
	{name: "Megolm decrypt 100 B", peer: "megolm-decrypt100", goal: 2.6, vodozemac: 3.4, prepare: prepareMegolmDecrypt(100, 1)},
	{name: "Megolm decrypt 4 KiB", peer: "megolm-decrypt4096", goal: 6, vodozemac: 7.2, prepare: prepareMegolmDecrypt(4096, 1)},
	{name: "Megolm decrypt 100 B, batch on two cores, time passed", peer: "megolm-decrypt100", goal: 4.5, prepare: prepareMegolmDecrypt(100, 2), wall: true},
	{name: "Megolm advance by 2^16 − 1", peer: "megolm-advance", goal: 5, vodozemac: 5.5, prepare: prepareAdvance},
	{name: "Megolm inbound pickle", peer: "megolm-pickle", goal: 5, vodozemac: 5.2, prepare: preparePickle},
	{name: "Megolm inbound unpickle", peer: "megolm-unpickle", goal: 5, vodozemac: 2.6, prepare: prepareUnpickle},
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newAccount() *olm.Account { return must(olm.NewAccount(nil)) }

func preKey(a *olm.Account) olm.PeerPreKey {
	created, _, err := a.GenerateOneTimeKeys(nil, 1)
	if err != nil {
		panic(err)
	}
	a.MarkKeysAsPublished()
	return olm.PeerPreKey(created[0].Key)
}

func identity(a *olm.Account) olm.PeerIdentityKey {
	return olm.PeerIdentityKey(a.IdentityKeys().Curve25519)
}

func encrypt(s *olm.Session, plain []byte) (olm.MessageType, string) {
	m := must(s.Encrypt(nil, plain))
	return m.Type, m.Text()
}

func decrypt(s *olm.Session, t olm.MessageType, text string) {
	must(s.Decrypt(must(olm.ParseMessage(int(t), text))))
}

func prepareAccount(n int) func() {
	return func() {
		for range n {
			a := newAccount()
			keys, _, err := a.GenerateOneTimeKeys(nil, 50)
			if err != nil {
				panic(err)
			}
			for _, k := range keys {
				_ = k.Key.String()
			}
		}
	}
}

func prepareOutbound(n int) func() {
	a, b := newAccount(), newAccount()
	id, key := identity(b), preKey(b)
	idText, keyText := olm.Curve25519Key(id).String(), olm.Curve25519Key(key).String()
	return func() {
		for range n {
			id := must(olm.ParseCurve25519Key(idText))
			key := must(olm.ParseCurve25519Key(keyText))
			must(a.NewOutboundSession(nil, olm.V1, olm.PeerIdentityKey(id), olm.PeerPreKey(key)))
		}
	}
}

func prepareInbound(n int) func() {
	a, b := newAccount(), newAccount()
	texts := make([]string, n)
	for i := range texts {
		s := must(a.NewOutboundSession(nil, olm.V1, identity(b), preKey(b)))
		_, texts[i] = encrypt(s, make([]byte, 100))
	}
	from := identity(a)
	return func() {
		for _, text := range texts {
			if _, _, err := b.NewInboundSession(olm.V1, from, must(olm.ParseMessage(0, text))); err != nil {
				panic(err)
			}
		}
	}
}

// settled is a session that both sides have used.
func settled() (a, b *olm.Session) {
	x, y := newAccount(), newAccount()
	a = must(x.NewOutboundSession(nil, olm.V1, identity(y), preKey(y)))
	m := must(a.Encrypt(nil, []byte("x")))
	b, _, err := y.NewInboundSession(olm.V1, identity(x), m)
	if err != nil {
		panic(err)
	}
	must(a.Decrypt(must(b.Encrypt(nil, []byte("x")))))
	return a, b
}

func prepareEncrypt(n int) func() {
	a, _ := settled()
	plain := make([]byte, 100)
	encrypt(a, plain)
	return func() {
		for range n {
			encrypt(a, plain)
		}
	}
}

func prepareDecrypt(n int) func() {
	a, b := settled()
	decryptOne := func() (olm.MessageType, string) { return encrypt(a, make([]byte, 100)) }
	t, text := decryptOne()
	decrypt(b, t, text)
	texts := make([]string, n)
	for i := range texts {
		_, texts[i] = decryptOne()
	}
	return func() {
		for _, text := range texts {
			decrypt(b, olm.Normal, text)
		}
	}
}

func preparePingPong(n int) func() {
	a, b := settled()
	plain := make([]byte, 100)
	return func() {
		for range n {
			t, text := encrypt(a, plain)
			decrypt(b, t, text)
			t, text = encrypt(b, plain)
			decrypt(a, t, text)
		}
	}
}

func newOutbound() *megolm.Outbound { return must(megolm.NewOutbound(nil, megolm.V1)) }

func newInbound(o *megolm.Outbound) *megolm.Inbound {
	return must(megolm.NewInbound(megolm.V1, must(megolm.ParseSessionKey(o.SessionKey().Text()))))
}

func prepareMegolmCreate(n int) func() {
	return func() {
		for range n {
			newOutbound()
		}
	}
}

func prepareMegolmEncrypt(size int) func(n int) func() {
	return func(n int) func() {
		o, plain := newOutbound(), make([]byte, size)
		return func() {
			for range n {
				_ = must(o.Encrypt(plain)).Text()
			}
		}
	}
}

// prepareMegolmDecrypt decrypts on a number of goroutines.
func prepareMegolmDecrypt(size, workers int) func(n int) func() {
	return func(n int) func() {
		o := newOutbound()
		in := newInbound(o)
		texts := make([]string, n)
		for i := range texts {
			texts[i] = must(o.Encrypt(make([]byte, size))).Text()
		}
		one := func(part []string) {
			for _, text := range part {
				must(in.Decrypt(must(megolm.ParseMessage(text))))
			}
		}
		if workers == 1 {
			return func() { one(texts) }
		}
		return func() {
			var wg sync.WaitGroup
			for w := range workers {
				wg.Go(func() { one(texts[w*n/workers : (w+1)*n/workers]) })
			}
			wg.Wait()
		}
	}
}

func prepareAdvance(n int) func() {
	in := newInbound(newOutbound())
	return func() {
		for range n {
			_ = must(in.ExportAt(1<<16 - 1)).Text()
		}
	}
}

func pickleKey() *olm.PickleKey { return must(olm.NewPickleKey(make([]byte, 32))) }

func preparePickle(n int) func() {
	in, key := newInbound(newOutbound()), pickleKey()
	return func() {
		for range n {
			must(in.Pickle(nil, key))
		}
	}
}

func prepareUnpickle(n int) func() {
	key := pickleKey()
	data := must(newInbound(newOutbound()).Pickle(nil, key))
	return func() {
		for range n {
			must(megolm.UnpickleInbound(key, data))
		}
	}
}
