// Package dbtest gives tests real databases: a SQLite file of their own, and a
// database of their own in a PostgreSQL server that is started for the test
// program. It is imported by tests only.
//
//	func TestX(t *testing.T) {
//		dbtest.Each(t, func(t *testing.T, d *db.DB) { … })
//	}
//
// PostgreSQL comes from Debian's package postgresql. Where it is not installed,
// that half is skipped and says so; with HANSE_REQUIRE_POSTGRES=1 it fails.
package dbtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hanse-im/hanse/infra/db"
)

// Each runs a test on both engines, in parallel, each on a fresh database.
func Each(t *testing.T, test func(t *testing.T, d *db.DB)) {
	t.Helper()
	for _, engine := range []db.Engine{db.SQLite, db.PostgreSQL} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			test(t, Open(t, Address(t, engine)))
		})
	}
}

// Open opens a database and closes it when the test ends.
func Open(t testing.TB, address string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), address, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close database: %v", err)
		}
	})
	return d
}

// Address is the address of a fresh database, which goes when the test ends.
func Address(t testing.TB, engine db.Engine) string {
	t.Helper()
	if engine == db.SQLite {
		return filepath.Join(t.TempDir(), "test.db")
	}
	s, err := server()
	if errors.Is(err, errNoPostgres) && os.Getenv("HANSE_REQUIRE_POSTGRES") == "" {
		t.Skipf("%v; install Debian's package postgresql", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s.create(t)
}

var errNoPostgres = errors.New("no PostgreSQL server is installed on this machine")

// server starts the one server of the test program.
var server = sync.OnceValues(start)

type postgres struct {
	socket string
	last   atomic.Int64
}

func start() (*postgres, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		return nil, errNoPostgres
	}
	bin := filepath.Dir(found[len(found)-1])
	dir, err := os.MkdirTemp("", "hanse-pg-")
	if err != nil {
		return nil, err
	}
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT, Setpgid: true}
	if os.Getuid() == 0 { // PostgreSQL does not run as root
		u, err := user.Lookup("postgres")
		if err != nil {
			return nil, err
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			return nil, err
		}
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "hanse", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = &syscall.SysProcAttr{Credential: attr.Credential}, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	// The server must go when this program goes, however it ends. The kernel sends
	// its signal when the thread ends that started it: so that thread never does.
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		cmd := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "max_connections=200", "-c", "shared_buffers=64MB")
		cmd.SysProcAttr, cmd.Dir = attr, dir
		if err := cmd.Start(); err != nil {
			failed <- err
			return
		}
		failed <- cmd.Wait()
	}()
	s := &postgres{socket: dir}
	for range 300 {
		d, err := db.Open(context.Background(), s.address("postgres"), db.Options{})
		if err == nil {
			return s, d.Close()
		}
		select {
		case err := <-failed:
			return nil, fmt.Errorf("postgres ended: %w", err)
		case <-time.After(50 * time.Millisecond): // the server gives no sign when it is ready
		}
	}
	return nil, errors.New("postgres did not start within 15 seconds")
}

func (s *postgres) address(name string) string {
	return "postgres:///" + name + "?" + url.Values{"host": {s.socket}, "user": {"hanse"}, "sslmode": {"disable"}}.Encode()
}

func (s *postgres) create(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test%d", s.last.Add(1))
	s.admin(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { s.admin(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return s.address(name)
}

// admin runs a statement that no transaction may hold, through psql.
func (s *postgres) admin(t testing.TB, statement string) {
	t.Helper()
	out, err := exec.Command("psql", "-h", s.socket, "-U", "hanse", "-d", "postgres", "-qc", statement).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", statement, err, strings.TrimSpace(string(out)))
	}
}
