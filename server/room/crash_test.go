package room_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hanse-im/hanse/infra/db"
	"github.com/hanse-im/hanse/infra/db/dbtest"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/server/room"
	"github.com/hanse-im/hanse/server/stream"
)

// crashFile names the database of a process that is to be killed.
const crashFile = "HANSE_TEST_CRASH_FILE"

// TestMain is the process that is killed, or runs the tests.
func TestMain(m *testing.M) {
	if file := os.Getenv(crashFile); file != "" {
		if err := talk(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// talk opens the rooms, makes two more, and sends into all of them from several
// sides until it is killed. What is acknowledged is printed: transaction and event.
func talk(file string) error {
	ctx := context.Background()
	d, err := db.Open(ctx, file, db.Options{})
	if err != nil {
		return err
	}
	last, err := room.Migrate(ctx, d)
	if err != nil {
		return err
	}
	e, err := room.Open(ctx, room.Config{Server: "example.org", KeyID: "ed25519:1", Key: ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", 32)))}, d, stream.NewSet(stream.Token{stream.Events: last}))
	if err != nil {
		return err
	}
	var rooms []id.Room
	mine, err := e.RoomsOf(ctx, alice)
	if err != nil {
		return err
	}
	for _, m := range mine {
		rooms = append(rooms, m.Room)
	}
	for range 2 {
		r, err := e.Create(ctx, room.CreateRequest{Creator: alice})
		if err != nil {
			return err
		}
		rooms = append(rooms, r)
	}
	var out sync.Mutex
	var wg sync.WaitGroup
	var failed error
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				txn := &room.Txn{Scope: fmt.Sprint(os.Getpid(), "-", w), ID: fmt.Sprint(i)}
				d := room.Draft{Room: rooms[(w+i)%len(rooms)], Sender: alice, Type: "org.example", Content: []byte(`{}`), Txn: txn}
				if key := fmt.Sprint(i % 200); i%2 == 0 {
					d.StateKey = &key
				}
				sent, err := e.Send(ctx, d)
				out.Lock()
				if err != nil {
					failed = err
					out.Unlock()
					return
				}
				fmt.Println(d.Room, txn.Scope, txn.ID, sent.ID())
				out.Unlock()
			}
		})
	}
	wg.Wait()
	return failed
}

// A process that is killed at any moment leaves everything that it acknowledged, once
// each, and nothing torn; the next one goes on at once.
func TestKill(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "crash.db")
	type sent struct {
		room  id.Room
		txn   room.Txn
		event id.Event
	}
	var all []sent
	rnd := rand.New(rand.NewPCG(uint64(os.Getpid()), 1))
	for range 12 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashFile+"="+file)
		cmd.Stderr = os.Stderr
		pipe, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(pipe)
		kill := rnd.IntN(400)
		n := 0
		for lines.Scan() {
			var s sent
			if _, err := fmt.Sscan(lines.Text(), &s.room, &s.txn.Scope, &s.txn.ID, &s.event); err != nil {
				break // the line that the process was killed at
			}
			all = append(all, s)
			if n++; n == kill+1 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // it was killed
		if n <= kill {
			t.Fatalf("the process ended by itself after %d events", n)
		}
	}
	w := open(t, dbtest.Open(t, file))
	w.check(t)
	there := map[id.Event]int{}
	rooms, err := w.RoomsOf(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rooms {
		for _, e := range timeline(t, w, r.Room) {
			there[e.ID()]++
		}
	}
	for _, s := range all {
		if there[s.event] != 1 {
			t.Errorf("event %s was acknowledged and is there %d times", s.event, there[s.event])
		}
	}
	// Whoever did not hear the answer asks again and gets the same event.
	for _, s := range all[len(all)-20:] {
		again, err := w.Send(t.Context(), room.Draft{Room: s.room, Sender: alice, Type: event.TypeMessage, Content: []byte(`{}`), Txn: &s.txn})
		if err != nil || again.ID() != s.event {
			t.Errorf("%v again gives %v, %v", s.txn, again, err)
		}
	}
	t.Logf("%d acknowledged events in %d rooms survived", len(all), len(rooms))
}
