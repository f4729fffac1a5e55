package db_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/hanse-im/hanse/infra/db"
	"github.com/hanse-im/hanse/infra/db/dbtest"
)

const schema = `CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT NOT NULL, data BYTEA, flag BOOLEAN NOT NULL DEFAULT FALSE);`

func files(texts ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i, text := range texts {
		m[fmt.Sprintf("%04d_x.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func migrate(t testing.TB, d *db.DB) {
	t.Helper()
	if err := d.Migrate(t.Context(), "things", files(schema)); err != nil {
		t.Fatal(err)
	}
}

func put(id int64, name string) func(*db.Tx) error {
	return func(tx *db.Tx) error {
		return tx.Exec(`INSERT INTO things (id, name, data) VALUES ($1, $2, $3)`, id, name, []byte(name))
	}
}

func names(t testing.TB, d *db.DB) (out []string) {
	t.Helper()
	if err := d.View(t.Context(), func(tx *db.Tx) error {
		for row, err := range tx.Query(`SELECT name FROM things ORDER BY id`) {
			if err != nil {
				return err
			}
			var name string
			if err := row.Scan(&name); err != nil {
				return err
			}
			out = append(out, name)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestReadAndWrite(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		ctx := t.Context()
		if err := d.Update(ctx, put(1, "a")); err != nil {
			t.Fatal(err)
		}
		var data []byte
		var flag bool
		if err := d.View(ctx, func(tx *db.Tx) error {
			return tx.Get(`SELECT data, flag FROM things WHERE $2 = name AND id = $1`, db.Args(1, "a"), &data, &flag)
		}); err != nil || !bytes.Equal(data, []byte("a")) || flag {
			t.Errorf("%q, %v, %v", data, flag, err)
		}
		if err := d.View(ctx, func(tx *db.Tx) error {
			return tx.Get(`SELECT data FROM things WHERE id = $1`, db.Args(9), &data)
		}); !errors.Is(err, db.ErrNoRows) {
			t.Errorf("a row that is not there: %v", err)
		}
		if err := d.Update(ctx, put(1, "again")); !db.IsConflict(err) || errors.Is(err, db.ErrUnavailable) {
			t.Errorf("the same key twice: %v", err)
		}
		if err := d.View(ctx, put(2, "b")); err == nil {
			t.Error("View wrote")
		}
		if err := d.Update(ctx, func(tx *db.Tx) error { return tx.Exec(`NO SQL`) }); err == nil || db.IsConflict(err) {
			t.Errorf("no SQL: %v", err)
		}
		var n int64
		if err := d.Update(ctx, func(tx *db.Tx) (err error) {
			n, err = tx.ExecCount(`UPDATE things SET name = $2 WHERE id = $1`, 1, "c")
			return err
		}); err != nil || n != 1 {
			t.Errorf("%d rows, %v", n, err)
		}
		if got := names(t, d); !slices.Equal(got, []string{"c"}) {
			t.Errorf("%q", got)
		}
		var kept *db.Tx
		if err := d.Update(ctx, func(tx *db.Tx) error { kept = tx; return nil }); err != nil || kept.Exec(`SELECT 1`) == nil {
			t.Errorf("a transaction was used after its end, %v", err)
		}
		if kept.Context() == nil || kept.Engine() != d.Engine() {
			t.Error("a transaction without context")
		}
	})
}

// Text is ordered by its bytes on both engines.
func TestOrderOfText(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		want := []string{"A", "B", "_", "a", "b", "ä", "😀"}
		for i, name := range []string{"b", "😀", "A", "_", "ä", "B", "a"} {
			if err := d.Update(t.Context(), put(int64(i), name)); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		if err := d.View(t.Context(), func(tx *db.Tx) error {
			for row, err := range tx.Query(`SELECT name FROM things ORDER BY name`) {
				var name string
				if err := errors.Join(err, row.Scan(&name)); err != nil {
					return err
				}
				got = append(got, name)
			}
			return nil
		}); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// Writes share commits, and one that fails, in whatever way, takes nobody with it.
func TestSharedCommits(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		const writers, each = 16, 40
		broken := errors.New("changed my mind")
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					n := int64(w*each + i)
					err := d.Update(t.Context(), func(tx *db.Tx) error {
						if err := put(n, fmt.Sprint(n))(tx); err != nil {
							return err
						}
						switch n % 5 {
						case 0:
							return broken
						case 1:
							panic("no more")
						case 2:
							return tx.Exec(`INSERT INTO nowhere VALUES (1)`)
						}
						return nil
					})
					if (err == nil) != (n%5 > 2) || (n%5 == 0 && !errors.Is(err, broken)) {
						t.Errorf("write %d: %v", n, err)
					}
				}
			})
		}
		wg.Wait()
		if got := names(t, d); len(got) != writers*each*2/5 {
			t.Errorf("%d rows of %d", len(got), writers*each*2/5)
		}
	})
}

// Submit keeps the order in which it is called.
func TestSubmitKeepsOrder(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		var order []int
		var all []*db.Pending
		for i := range 300 {
			all = append(all, d.Submit(func(tx *db.Tx) error {
				order = append(order, i)
				return put(int64(i), "x")(tx)
			}))
		}
		for _, p := range all {
			if err := p.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			<-p.Done()
		}
		if !slices.IsSorted(order) || len(order) != 300 {
			t.Errorf("order %v", order)
		}
	})
}

// A reader sees one moment.
func TestSnapshots(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		count := func(tx *db.Tx) (n int) {
			if err := tx.Get(`SELECT COUNT(*) FROM things`, nil, &n); err != nil {
				t.Error(err)
			}
			return n
		}
		if err := d.View(t.Context(), func(tx *db.Tx) error {
			before := count(tx)
			if err := d.Update(t.Context(), put(1, "a")); err != nil {
				return err
			}
			if after := count(tx); after != before {
				t.Errorf("%d rows, then %d", before, after)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := d.View(t.Context(), func(tx *db.Tx) error {
			if n := count(tx); n != 1 {
				t.Errorf("%d rows", n)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestContextAndClose(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.Update(over, put(1, "a")); !errors.Is(err, context.Canceled) {
			t.Errorf("a write of somebody who left: %v", err)
		}
		if err := d.View(over, func(*db.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("a read of somebody who left: %v", err)
		}
		hold, held := make(chan struct{}), make(chan struct{})
		slow := d.Submit(func(*db.Tx) error { close(held); <-hold; return nil })
		<-held
		if err := slow.Wait(over); !errors.Is(err, context.Canceled) {
			t.Errorf("waiting: %v", err)
		}
		last := d.Submit(put(2, "b"))
		close(hold)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := last.Wait(t.Context()); err != nil {
			t.Errorf("a write that was handed in before the end: %v", err)
		}
		if err := d.Update(t.Context(), put(3, "c")); !errors.Is(err, db.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestMigrations(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		one := schema + "\n-- a comment\n"
		two := "ALTER TABLE things ADD COLUMN more TEXT NOT NULL DEFAULT '';\n-- only: sqlite\nCREATE TABLE here_only (\n  engine TEXT\n);\n-- only: postgres\nCREATE TABLE there_only (\n  engine TEXT\n);\n-- compatible: 1\n"
		three := "CREATE TABLE more (id BIGINT PRIMARY KEY);\n"
		for range 2 {
			if err := d.Migrate(ctx, "things", files(one, two)); err != nil {
				t.Fatal(err)
			}
		}
		table := map[db.Engine]string{db.SQLite: "here_only", db.PostgreSQL: "there_only"}[d.Engine()]
		if err := d.Update(ctx, func(tx *db.Tx) error { return tx.Exec(`INSERT INTO ` + table + ` VALUES ('x')`) }); err != nil {
			t.Error(err)
		}
		if err := d.Migrate(ctx, "things", files(one)); err != nil {
			t.Errorf("an older program that is compatible: %v", err)
		}
		if err := d.Migrate(ctx, "others", files("CREATE TABLE others (id BIGINT PRIMARY KEY);")); err != nil {
			t.Errorf("another part: %v", err)
		}
		if err := d.Migrate(ctx, "things", files(one, two, three)); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			files fstest.MapFS
			want  string
		}{
			"older program":     {files(one, two), "newer hanse"},
			"changed file":      {files(one+" ", two, three), "was changed"},
			"failing file":      {files(one, two, three, "CREATE TABLE halfway (id BIGINT);\nNO SQL;\n"), "NO SQL"},
			"no files":          {fstest.MapFS{}, "none"},
			"gap":               {fstest.MapFS{"0002_x.sql": {}}, "number 1"},
			"name":              {fstest.MapFS{"x.sql": {}}, "NNNN"},
			"bad compatibility": {files("-- compatible: 7\n"), "compatible"},
		} {
			if err := d.Migrate(ctx, "things", c.files); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := d.View(ctx, func(tx *db.Tx) error { return tx.Exec(`SELECT * FROM halfway`) }); err == nil {
			t.Error("half of a failing file was kept")
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "sqlite:", "a?b", filepath.Join(t.TempDir(), "no", "such", "folder", "x.db"), "postgres:///x?host=/nonexistent"} {
		if d, err := db.Open(t.Context(), address, db.Options{}); err == nil {
			d.Close()
			t.Errorf("%q was opened", address)
		}
	}
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if d, err := db.Open(t.Context(), file, db.Options{}); err == nil {
		if err := d.Update(t.Context(), func(tx *db.Tx) error { return tx.Exec(`CREATE TABLE x (id BIGINT)`) }); !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("a text file was written to: %v", err)
		}
		d.Close()
	}
}

// A full disk fails the writes that it cannot take and none before; when there is
// room again, the same database goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("this machine does not let tests mount a small file system: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	d := dbtest.Open(t, filepath.Join(dir, "x.db"))
	migrate(t, d)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", 20_000)
	acknowledged := 0
	for i := range int64(200) {
		err := d.Update(t.Context(), put(i, text))
		if err == nil {
			acknowledged++
			continue
		}
		if !errors.Is(err, db.ErrUnavailable) {
			t.Fatalf("write %d: %v", i, err)
		}
		break
	}
	if acknowledged == 200 {
		t.Fatal("the disk was never full")
	}
	if got := names(t, d); len(got) != acknowledged {
		t.Errorf("%d rows, %d were acknowledged", len(got), acknowledged)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := d.Update(t.Context(), put(1000, "after")); err != nil {
		t.Errorf("after there is room again: %v", err)
	}
	if got := names(t, d); len(got) != acknowledged+1 {
		t.Errorf("%d rows, want %d", len(got), acknowledged+1)
	}
}

func BenchmarkSmallUpdates(b *testing.B) {
	d := dbtest.Open(b, filepath.Join(b.TempDir(), "x.db"))
	migrate(b, d)
	var next struct {
		sync.Mutex
		n int64
	}
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			next.Lock()
			next.n++
			n := next.n
			next.Unlock()
			if err := d.Update(context.Background(), put(n, "a small row")); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkBatchedRows(b *testing.B) {
	d := dbtest.Open(b, filepath.Join(b.TempDir(), "x.db"))
	migrate(b, d)
	n := int64(0)
	for b.Loop() {
		if err := d.Update(context.Background(), func(tx *db.Tx) error {
			for range 100 {
				n++
				if err := put(n, "a small row")(tx); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(100*b.N)/b.Elapsed().Seconds(), "rows/s")
}
