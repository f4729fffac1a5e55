package stream_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/hanse-im/hanse/server/stream"
)

func TestPublishedNeverSkips(t *testing.T) {
	t.Parallel()
	s := stream.NewSet(stream.Token{stream.Events: 7})
	a, b, c := s.Reserve(stream.Events), s.Reserve(stream.Events), s.Reserve(stream.Events)
	var called []stream.Position
	note := func(p stream.Position) func() { return func() { called = append(called, p) } }

	c.Finish(note(c.Position))
	b.Finish(nil)
	if got := s.Published(stream.Events); got != 7 || len(called) != 0 {
		t.Fatalf("published %d, called %v before the first was finished", got, called)
	}
	a.Finish(note(a.Position))
	if got := s.Published(stream.Events); got != 10 {
		t.Fatalf("published %d, want 10", got)
	}
	if len(called) != 2 || called[0] != 8 || called[1] != 10 {
		t.Fatalf("callbacks in order %v, want [8 10]", called)
	}
	a.Finish(func() { t.Error("called for a position that was finished before") })
}

func TestConcurrentPublish(t *testing.T) {
	t.Parallel()
	s := stream.NewSet(stream.Token{})
	var wg sync.WaitGroup
	const each, writers = 500, 8
	for range writers {
		wg.Go(func() {
			for range each {
				ticket := s.Reserve(stream.Receipts)
				if rand.IntN(2) == 0 {
					if p := s.Published(stream.Receipts); p >= ticket.Position {
						t.Errorf("position %d is open, but %d is published", ticket.Position, p)
					}
				}
				ticket.Finish(nil)
			}
		})
	}
	wg.Wait()
	if got := s.Now()[stream.Receipts]; got != each*writers {
		t.Fatalf("published %d, want %d", got, each*writers)
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	full := stream.Token{1, 22, 333, 0, 5, 9223372036854775807, 7}
	got, err := stream.ParseToken(full.String())
	if err != nil || got != full {
		t.Fatalf("ParseToken(%q) = %v, %v", full, got, err)
	}
	if got, err := stream.ParseToken("s5_6"); err != nil || got != (stream.Token{5, 6}) {
		t.Errorf("a shorter token of an older version: %v, %v", got, err)
	}
	for _, bad := range []string{"", "s", "5", "s-1", "s1_", "s1__2", "s01", "s+1", "s1_2_3_4_5_6_7_8_9_10", "s9223372036854775808", "t1", "s1 ", "s1_2\x00"} {
		if got, err := stream.ParseToken(bad); err == nil {
			t.Errorf("ParseToken(%q) = %v, want an error", bad, got)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add("s1_2_3")
	f.Add("s")
	f.Fuzz(func(t *testing.T, s string) {
		tok, err := stream.ParseToken(s)
		if err != nil {
			return
		}
		if again, err := stream.ParseToken(tok.String()); err != nil || again != tok {
			t.Fatalf("%q → %v → %q → %v, %v", s, tok, tok, again, err)
		}
	})
}
