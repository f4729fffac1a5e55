package olm

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
	"github.com/hanse-im/hanse/e2ee/olm/internal/curve"
	"github.com/hanse-im/hanse/e2ee/olm/internal/ed"
	"github.com/hanse-im/hanse/e2ee/olm/internal/pickle"
)

type vzAccount struct {
	SigningKey pickle.SigningKeyJSON `json:"signing_key"`
	Identity   pickle.BytesJSON      `json:"diffie_hellman_key"`
	OneTime    struct {
		Next    uint64                      `json:"next_key_id"`
		OldNext uint64                      `json:"key_id"`
		Public  map[string]pickle.BytesJSON `json:"public_keys"`
		Private map[string]pickle.BytesJSON `json:"private_keys"`
	} `json:"one_time_keys"`
	Fallback struct {
		Next     uint64      `json:"key_id"`
		Current  *vzFallback `json:"fallback_key"`
		Previous *vzFallback `json:"previous_fallback_key"`
	} `json:"fallback_keys"`
}

type vzFallback struct {
	ID        uint64           `json:"key_id"`
	Key       pickle.BytesJSON `json:"key"`
	Published bool             `json:"published"`
}

// AccountFromVodozemac reads an account in vodozemac's own encrypted JSON.
// Errors: fail.Encoding, fail.Format, fail.Size, fail.MAC. About 1 ms for 50
// one-time keys, whose public halves are not stored.
func AccountFromVodozemac(key *PickleKey, text string) (*Account, error) {
	var v vzAccount
	if err := pickle.OpenVodozemac(&key.k, "vodozemac account", text, &v); err != nil {
		return nil, err
	}
	signing, err := ed.FromJSON(&v.SigningKey)
	if err != nil {
		return nil, err
	}
	a := &Account{signing: signing}
	ok := v.Identity.Fill(a.identity.Secret[:])
	if len(v.OneTime.Private) > MaxOneTimeKeys {
		return nil, fail.New(fail.Size, "one-time keys of a vodozemac account")
	}
	keys := make([]heldKey, 0, len(v.OneTime.Private))
	for id, secret := range v.OneTime.Private {
		n, err := strconv.ParseUint(id, 10, 64)
		k := heldKey{id: KeyID(n)}
		_, unpublished := v.OneTime.Public[id]
		k.published = !unpublished
		ok = secret.Fill(k.pair.Secret[:]) && err == nil && ok
		keys = append(keys, k)
	}
	a.oneTime.next = KeyID(max(v.OneTime.Next, v.OneTime.OldNext))
	a.fallback.next = KeyID(v.Fallback.Next)
	a.fallback.current = v.Fallback.Current.held(&ok)
	a.fallback.previous = v.Fallback.Previous.held(&ok)
	if !ok {
		return nil, fail.New(fail.Format, "vodozemac account")
	}
	computePublics(a, keys)
	return a, a.adopt(keys)
}

func (f *vzFallback) held(ok *bool) *heldKey {
	if f == nil {
		return nil
	}
	k := &heldKey{id: KeyID(f.ID), published: f.Published}
	*ok = f.Key.Fill(k.pair.Secret[:]) && *ok
	return k
}

// computePublics fills in the public halves that vodozemac does not store.
func computePublics(a *Account, keys []heldKey) {
	pairs := make([]curve.Private, len(keys))
	for i := range keys {
		pairs[i].Secret = keys[i].pair.Secret
	}
	curve.PublicMany(pairs)
	for i := range keys {
		keys[i].pair.Public = pairs[i].Public
	}
	clear(pairs)
	a.identity = curve.FromSecret(&a.identity.Secret)
	for _, k := range []*heldKey{a.fallback.current, a.fallback.previous} {
		if k != nil {
			k.pair = curve.FromSecret(&k.pair.Secret)
		}
	}
}

type vzSession struct {
	Keys struct {
		Identity pickle.BytesJSON `json:"identity_key"`
		Base     pickle.BytesJSON `json:"base_key"`
		OneTime  pickle.BytesJSON `json:"one_time_key"`
	} `json:"session_keys"`
	Sending struct {
		Type string `json:"type"`
		// Of an inactive ratchet; its ratchet key is that of the newest chain.
		Root struct {
			Key pickle.BytesJSON `json:"key"`
		} `json:"root_key"`
		// Of an active one.
		Active *struct {
			Root    pickle.BytesJSON `json:"root_key"`
			Ratchet pickle.BytesJSON `json:"ratchet_key"`
		} `json:"active_ratchet"`
		Chain *vzChainKey `json:"symmetric_key_ratchet"`
	} `json:"sending_ratchet"`
	Receiving struct {
		Inner []struct {
			Ratchet pickle.BytesJSON `json:"ratchet_key"`
			Chain   vzChainKey       `json:"hkdf_ratchet"`
			Skipped struct {
				Inner []vzChainKey `json:"inner"`
			} `json:"skipped_message_keys"`
		} `json:"inner"`
	} `json:"receiving_chains"`
	Config pickle.ConfigJSON `json:"config"`
}

type vzChainKey struct {
	Key   pickle.BytesJSON `json:"key"`
	Index json.Number      `json:"index"`
}

func (k *vzChainKey) fill(key *[32]byte, index *uint32) bool {
	n, err := strconv.ParseUint(k.Index.String(), 10, 32)
	*index = uint32(n)
	return k.Key.Fill(key[:]) && err == nil
}

// SessionFromVodozemac reads a session in vodozemac's own encrypted JSON.
// Errors: fail.Encoding, fail.Format, fail.Size, fail.MAC, fail.Version.
func SessionFromVodozemac(key *PickleKey, text string) (*Session, error) {
	var v vzSession
	if err := pickle.OpenVodozemac(&key.k, "vodozemac session", text, &v); err != nil {
		return nil, err
	}
	version, err := v.Config.Number()
	if err != nil {
		return nil, err
	}
	s := &Session{version: Version(version)}
	ok := v.Keys.Identity.Fill(s.keys.identity[:]) &&
		v.Keys.Base.Fill(s.keys.base[:]) && v.Keys.OneTime.Fill(s.keys.oneTime[:]) &&
		len(v.Receiving.Inner) <= MaxChains
	if !ok || !s.fillChains(&v) || !s.fillSender(&v) {
		return nil, fail.New(fail.Format, "vodozemac session")
	}
	s.received = len(s.chains) > 0
	return s, s.check()
}

// fillChains takes over the receiving chains, which vodozemac stores with the
// newest last.
func (s *Session) fillChains(v *vzSession) bool {
	for _, in := range v.Receiving.Inner {
		var c receiverChain
		if !in.Ratchet.Fill(c.ratchet[:]) || !in.Chain.fill(&c.key, &c.index) ||
			len(in.Skipped.Inner) > MaxSkippedKeys {
			return false
		}
		for i := range in.Skipped.Inner {
			var k skippedKey
			if !in.Skipped.Inner[i].fill(&k.key, &k.index) {
				return false
			}
			c.skipped = append(c.skipped, k)
		}
		s.chains = slices.Insert(s.chains, 0, c)
	}
	return true
}

func (s *Session) fillSender(v *vzSession) bool {
	switch v.Sending.Type {
	case "inactive":
		return v.Sending.Root.Key.Fill(s.root[:])
	case "active":
		if v.Sending.Active == nil || v.Sending.Chain == nil {
			return false
		}
		s.sender = new(senderChain)
		var secret [32]byte
		ok := v.Sending.Active.Root.Fill(s.root[:]) && v.Sending.Active.Ratchet.Fill(secret[:]) &&
			v.Sending.Chain.fill(&s.sender.key, &s.sender.index)
		s.sender.ratchet = curve.FromSecret(&secret)
		clear(secret[:])
		return ok
	}
	return false
}
