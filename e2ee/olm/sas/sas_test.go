package sas

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm"
	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

var (
	alice = Device{"@alice:example.org", "ALICEDEV"}
	bob   = Device{"@bob:example.org", "BOBDEV"}
)

func exchange(t testing.TB) (a, b *Established) {
	t.Helper()
	ka, err := NewKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	kb, err := NewKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	pa, pb := ka.Public(), kb.Public()
	if a, err = ka.Exchange(pb); err != nil {
		t.Fatal(err)
	}
	if b, err = kb.Exchange(pa); err != nil {
		t.Fatal(err)
	}
	_, err = ka.Exchange(pb)
	if !errors.Is(err, fail.State) {
		t.Errorf("a key was used twice: %v", err)
	}
	return a, b
}

// TestSameCode: both sides derive one code; a swap of parties or another
// transaction derives another.
func TestSameCode(t *testing.T) {
	t.Parallel()
	a, b := exchange(t)
	p := Parties{Starter: alice, Accepter: bob, WeStarted: true, Transaction: "t"}
	theirs := p
	theirs.WeStarted = false
	for _, agreement := range []Agreement{CurveHKDF, CurveOld} {
		code := a.Code(agreement, p)
		if code != b.Code(agreement, theirs) {
			t.Errorf("%s: codes differ", agreement)
		}
		other := p
		other.Transaction = "u"
		if code == a.Code(agreement, other) {
			t.Error("the transaction is not in the code")
		}
		other = p
		other.Starter, other.Accepter = bob, alice
		if code == a.Code(agreement, other) {
			t.Error("the parties are not in the code")
		}
	}
}

// TestCodeBits has codes by hand.
//
// Spec: client-server-api/modules/end_to_end_encryption#sas-method-decimal
func TestCodeBits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		bytes    [6]byte
		decimals [3]int
		emoji    [7]int
	}{
		{[6]byte{}, [3]int{1000, 1000, 1000}, [7]int{}},
		{[6]byte{255, 255, 255, 255, 255, 255}, [3]int{9191, 9191, 9191}, [7]int{63, 63, 63, 63, 63, 63, 63}},
		{[6]byte{0x04, 0x20, 0xc4, 0x14, 0x61, 0xc0}, [3]int{1132, 1000 + 0x310, 1000 + 20<<7 + 0x30}, [7]int{1, 2, 3, 4, 5, 6, 7}},
	} {
		code := Code{c.bytes}
		if got := code.Decimals(); got != c.decimals {
			t.Errorf("%x: decimals %v, want %v", c.bytes, got, c.decimals)
		}
		for i, e := range code.Emoji() {
			if e.Number != c.emoji[i] {
				t.Errorf("%x: emoji %d is %d, want %d", c.bytes, i, e.Number, c.emoji[i])
			}
		}
	}
	for i, e := range emoji {
		if e.Number != i || e.Symbol == "" || e.Name == "" {
			t.Errorf("row %d of the table: %v", i, e)
		}
	}
	if emoji[0].Name != "Dog" || emoji[63].Name != "Pin" {
		t.Error("table")
	}
}

func TestCommitment(t *testing.T) {
	t.Parallel()
	k, _ := NewKey(nil)
	start := []byte(`{"method":"m.sas.v1"}`)
	c := Commitment(k.Public(), start)
	if err := CheckCommitment(c, k.Public(), start); err != nil {
		t.Fatal(err)
	}
	other, _ := NewKey(nil)
	for _, err := range []error{
		CheckCommitment(c, other.Public(), start), CheckCommitment(c, k.Public(), []byte("{}")),
		CheckCommitment("", k.Public(), start), CheckCommitment(c[1:], k.Public(), start),
	} {
		if !errors.Is(err, fail.Mismatch) {
			t.Error(err)
		}
	}
}

// TestBadKeys refuses keys that do not contribute and our own key.
func TestBadKeys(t *testing.T) {
	t.Parallel()
	k, _ := NewKey(nil)
	for _, low := range []olm.Curve25519Key{{}, {1}} {
		if _, err := k.Exchange(low); !errors.Is(err, fail.Key) {
			t.Errorf("%x: %v", low, err)
		}
	}
	if _, err := k.Exchange(k.Public()); !errors.Is(err, fail.Mismatch) {
		t.Error(err)
	}
}

// TestMACs: keys are vouched for, in each method; a MAC for a key ID whose
// name is a key is not taken for that key (CVE-2022-39250); a list that was
// changed is noticed.
func TestMACs(t *testing.T) {
	t.Parallel()
	a, b := exchange(t)
	keys := map[string]string{"ed25519:ALICEDEV": "devicekey", "ed25519:MASTER": "masterkey"}
	known := func(id string) (string, bool) { k, ok := keys[id]; return k, ok }
	for _, m := range []Method{HKDFHMACv2, HKDFHMAC, LongHMAC} {
		macs, err := a.Vouch(m, alice, bob, "txn", keys)
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.Verify(m, alice, bob, "txn", macs, known)
		if err != nil || !slices.Equal(got, []string{"ed25519:ALICEDEV", "ed25519:MASTER"}) {
			t.Fatalf("%s: %v, %v", m, got, err)
		}
		// The peer's device ID is Mallory's master key: it is looked up, not used.
		confused, _ := a.Vouch(m, alice, bob, "txn", map[string]string{"ed25519:MASTER": "devicekey"})
		if _, err := b.Verify(m, alice, bob, "txn", confused, known); !errors.Is(err, fail.MAC) {
			t.Errorf("%s: confused key: %v", m, err)
		}
		for name, change := range map[string]func(MACs){
			"removed": func(c MACs) { delete(c.MAC, "ed25519:MASTER") },
			"added":   func(c MACs) { c.MAC["ed25519:NEW"] = "x" },
			"swapped": func(c MACs) { c.MAC["ed25519:MASTER"] = c.MAC["ed25519:ALICEDEV"] },
		} {
			c, _ := a.Vouch(m, alice, bob, "txn", keys)
			change(c)
			if _, err := b.Verify(m, alice, bob, "txn", c, known); !errors.Is(err, fail.MAC) {
				t.Errorf("%s: %s: %v", m, name, err)
			}
		}
		if _, err := b.Verify(m, bob, alice, "txn", macs, known); !errors.Is(err, fail.MAC) {
			t.Error("MACs work in the other direction")
		}
		none := func(string) (string, bool) { return "", false }
		if _, err := b.Verify(m, alice, bob, "txn", macs, none); !errors.Is(err, fail.Mismatch) {
			t.Error(err)
		}
	}
	if _, err := a.Vouch("hmac-md5", alice, bob, "txn", keys); !errors.Is(err, fail.Version) {
		t.Error(err)
	}
	macs, _ := a.Vouch(HKDFHMACv2, alice, bob, "txn", keys)
	if len(macs.Keys) != 43 || strings.ContainsAny(macs.Keys, "=") {
		t.Errorf("list MAC %q", macs.Keys)
	}
}
