// Package bus wakes those who wait for something to change. It carries no content:
// who is woken reads the truth from where it is kept.
//
// A wake-up is never lost and never blocks who gives it: a subscription remembers that
// there was one until it is taken, however many there were in between. So subscribe
// first, then read, then wait.
//
//	sub := b.Subscribe("user:@alice:example.org")
//	defer sub.Close()
//	for {
//		if changed := read(); changed { … }
//		select {
//		case <-sub.Woken():
//		case <-ctx.Done():
//		}
//	}
//
// It is safe for concurrent use, holds no goroutine, and knows one process only: where
// there are several, a carrier between them calls Publish in each.
package bus

import (
	"hash/maphash"
	"sync"
)

// shards keep publishers of different keys out of each other's way.
const shards = 64

// Bus connects publishers and subscriptions by keys.
type Bus struct {
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu   sync.Mutex
	subs map[string]map[*Sub]struct{}
}

// New is a bus without subscriptions.
func New() *Bus { return &Bus{seed: maphash.MakeSeed()} }

func (b *Bus) shard(key string) *shard { return &b.shards[maphash.String(b.seed, key)%shards] }

// Sub is a subscription to some keys. An idle one takes a few hundred bytes.
type Sub struct {
	bus  *Bus
	keys []string
	wake chan struct{}
	once sync.Once
}

// Subscribe waits for what is published to any of the keys from now on.
func (b *Bus) Subscribe(keys ...string) *Sub {
	s := &Sub{bus: b, keys: keys, wake: make(chan struct{}, 1)}
	for _, key := range keys {
		sh := b.shard(key)
		sh.mu.Lock()
		if sh.subs == nil {
			sh.subs = map[string]map[*Sub]struct{}{}
		}
		if sh.subs[key] == nil {
			sh.subs[key] = map[*Sub]struct{}{}
		}
		sh.subs[key][s] = struct{}{}
		sh.mu.Unlock()
	}
	return s
}

// Publish wakes all subscriptions to any of the keys. It takes time for each of them
// and none for keys that nobody waits for.
func (b *Bus) Publish(keys ...string) {
	for _, key := range keys {
		sh := b.shard(key)
		sh.mu.Lock()
		for s := range sh.subs[key] {
			select {
			case s.wake <- struct{}{}:
			default: // it has been woken and has not looked yet
			}
		}
		sh.mu.Unlock()
	}
}

// Waiting reports whether anybody is subscribed to a key.
func (b *Bus) Waiting(key string) bool {
	sh := b.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return len(sh.subs[key]) > 0
}

// Woken gives one value for all that was published since the last one was taken.
func (s *Sub) Woken() <-chan struct{} { return s.wake }

// Close ends the subscription. It may be called twice.
func (s *Sub) Close() {
	s.once.Do(func() {
		for _, key := range s.keys {
			sh := s.bus.shard(key)
			sh.mu.Lock()
			if delete(sh.subs[key], s); len(sh.subs[key]) == 0 {
				delete(sh.subs, key)
			}
			sh.mu.Unlock()
		}
	})
}
