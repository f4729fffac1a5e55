package httpx

import (
	"container/list"
	"sync"
	"time"
)

// Limiter lets each key do so much and no more: burst at once, then rate per second.
// It keeps a bounded number of keys and forgets those that were not used for longest,
// which is to their good. It is safe for concurrent use.
type Limiter struct {
	rate  float64
	burst float64
	max   int
	now   func() time.Time

	mu   sync.Mutex
	keys map[string]*list.Element
	used *list.List // of *bucket, the last used in front
}

type bucket struct {
	key   string
	level float64 // what is left
	at    time.Time
}

// NewLimiter is a limiter for up to keys keys; now is the clock.
func NewLimiter(rate, burst float64, keys int, now func() time.Time) *Limiter {
	return &Limiter{rate: rate, burst: burst, max: max(1, keys), now: now, keys: map[string]*list.Element{}, used: list.New()}
}

// Allow takes one from what key may do. If nothing is left it takes nothing and tells
// after what time there will be.
func (l *Limiter) Allow(key string) (ok bool, retryAfter time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	element := l.keys[key]
	if element == nil {
		for len(l.keys) >= l.max {
			oldest := l.used.Remove(l.used.Back()).(*bucket)
			delete(l.keys, oldest.key)
		}
		element = l.used.PushFront(&bucket{key: key, level: l.burst, at: now})
		l.keys[key] = element
	}
	l.used.MoveToFront(element)
	b := element.Value.(*bucket)
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.level = min(l.burst, b.level+passed*l.rate)
	}
	b.at = now
	if b.level < 1 {
		return false, time.Duration((1 - b.level) / l.rate * float64(time.Second))
	}
	b.level--
	return true, 0
}
