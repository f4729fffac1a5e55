package olm

import (
	"errors"
	"sync"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

// TestConcurrentUse uses one account and one pair of sessions from several
// goroutines: every message is decrypted once, no key is given out twice. The
// race detector watches.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	const workers, each = 4, 8
	a, b := settled(t)
	account := mustAccount(t)
	key := pickleKey(t, 1)
	messages := make(chan Message, workers*each)
	ids := make(chan KeyID, workers*each)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				m, err := a.Encrypt(nil, []byte("x"))
				if err != nil {
					t.Error(err)
				}
				messages <- m
				created, _, err := account.GenerateOneTimeKeys(nil, 1)
				if err != nil {
					t.Error(err)
				}
				ids <- created[0].ID
				account.Sign([]byte("x"))
				account.RotateFallbackKey(nil)
				account.Pickle(nil, key)
				a.Pickle(nil, key)
			}
		})
	}
	wg.Wait()
	close(messages)
	close(ids)
	seen := map[KeyID]bool{}
	for id := range ids {
		if seen[id] {
			t.Errorf("ID %d twice", id)
		}
		seen[id] = true
	}
	var mu sync.Mutex
	decrypted := 0
	for range workers {
		wg.Go(func() {
			for m := range messages {
				if _, err := b.Decrypt(m); err != nil {
					t.Error(err)
				}
				if _, err := b.Decrypt(m); !errors.Is(err, fail.Index) {
					t.Errorf("again: %v", err)
				}
				mu.Lock()
				decrypted++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if decrypted != workers*each {
		t.Errorf("%d messages", decrypted)
	}
}
