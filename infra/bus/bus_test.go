package bus_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hanse-im/hanse/infra/bus"
)

func woken(s *bus.Sub) bool {
	select {
	case <-s.Woken():
		return true
	default:
		return false
	}
}

func TestBus(t *testing.T) {
	t.Parallel()
	b := bus.New()
	b.Publish("nobody") // nobody minds
	one, two := b.Subscribe("a", "b", "a"), b.Subscribe("b")
	if woken(one) || woken(two) {
		t.Error("woken by what was before")
	}
	b.Publish("a")
	b.Publish("a", "a")
	if !woken(one) || woken(one) || woken(two) {
		t.Error("one wakes once for all")
	}
	b.Publish("b", "c")
	if !woken(one) || !woken(two) {
		t.Error("both wait for b")
	}
	if !b.Waiting("a") || b.Waiting("c") {
		t.Error("Waiting")
	}
	one.Close()
	one.Close()
	b.Publish("a", "b")
	if woken(one) || !woken(two) || b.Waiting("a") {
		t.Error("a closed subscription is woken, or another is not")
	}
}

// No wake-up is lost: a counter that is read after each one reaches the end.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	b := bus.New()
	const readers, writers, each = 20, 4, 500
	var counter atomic.Int64
	var ready, done sync.WaitGroup
	ready.Add(readers)
	for range readers {
		done.Go(func() {
			sub := b.Subscribe("counter")
			defer sub.Close()
			ready.Done()
			for counter.Load() < writers*each {
				<-sub.Woken()
			}
		})
	}
	ready.Wait()
	for range writers {
		done.Go(func() {
			for range each {
				counter.Add(1)
				b.Publish("counter")
			}
		})
	}
	done.Wait()
	if b.Waiting("counter") {
		t.Error("subscriptions are left")
	}
}

// An idle subscription is small.
func TestIdleIsSmall(t *testing.T) {
	const n = 10_000
	b := bus.New()
	subs := make([]*bus.Sub, n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range subs {
		subs[i] = b.Subscribe(fmt.Sprint("user:@", i, ":example.org"))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if per := (after.HeapAlloc - before.HeapAlloc) / n; per > 1024 {
		t.Errorf("%d bytes for each subscription", per)
	}
	for _, s := range subs {
		s.Close()
	}
}

func BenchmarkWake2000(b *testing.B) {
	bb := bus.New()
	for range 2000 {
		bb.Subscribe("room")
	}
	b.ReportAllocs()
	for b.Loop() {
		bb.Publish("room")
	}
}
