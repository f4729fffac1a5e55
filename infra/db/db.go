// Package db keeps the program's truth: in SQLite, or in PostgreSQL once that is
// outgrown. It is the only importer of database drivers.
//
// There is one SQL text for both: parameters are $1, $2 …, types are BIGINT, TEXT,
// BYTEA and BOOLEAN. What both share is upsert with excluded, RETURNING, UPDATE …
// FROM, partial indexes, row values. What differs is hidden here, or stands behind
// a line "-- only: postgres" in a migration.
//
// Reads run in View, each on a snapshot of its own. Writes run in Update or Submit:
// one committer takes whatever is waiting, runs each write within one transaction
// and its own savepoint, in the order in which they were handed in, and releases
// all of them after one commit to the disk. So a write that fails takes nobody
// with it, a thousand small writes cost a few flushes, and what Update has answered
// survives a loss of power.
//
//	err := d.Update(ctx, func(tx *db.Tx) error {
//		return tx.Exec(`INSERT INTO room_txns (scope, id, event) VALUES ($1, $2, $3)`, scope, id, event)
//	})
//
// Bind []byte to BYTEA columns, never string: SQLite would keep its type.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Engine names a kind of database.
type Engine string

// The engines.
const (
	SQLite     Engine = "sqlite"
	PostgreSQL Engine = "postgres"
)

// Options are what operators may tune; the zero value is right for most.
type Options struct {
	// Readers is how many reads run at once; 0 for twice the processors, at least 4.
	Readers int
	// CacheBytes is the page cache of each SQLite connection; 0 for 16 MiB.
	CacheBytes int64
	// BatchMax bounds the writes of one commit; 0 for 512.
	BatchMax int
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	engine  Engine
	readers *sql.DB
	writers *sql.DB
	// idle are the connections for reading that nobody uses.
	idle chan *connection
	max  int

	mu     sync.Mutex
	queue  []*Pending
	wake   chan struct{}
	closed bool
	done   chan struct{}
}

// ErrClosed says that the database was closed.
var ErrClosed = errors.New("the database is closed")

// ErrUnavailable says that the database cannot work now: the disk is full or
// failing, or the server is away. The same request may succeed later; nothing of it
// was kept.
var ErrUnavailable = errors.New("the database is unavailable")

// Open opens the database at address: a path, sqlite:path, or a postgres:// URL.
// A SQLite file is created if it does not exist.
func Open(ctx context.Context, address string, o Options) (*DB, error) {
	if o.Readers == 0 {
		o.Readers = max(4, 2*runtime.NumCPU())
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 16 << 20
	}
	if o.BatchMax == 0 {
		o.BatchMax = 512
	}
	d := &DB{max: o.BatchMax, wake: make(chan struct{}, 1), done: make(chan struct{})}
	var err error
	if strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://") {
		d.engine = PostgreSQL
		err = d.openPostgres(address, o)
	} else {
		d.engine = SQLite
		err = d.openSQLite(strings.TrimPrefix(address, "sqlite:"), o)
	}
	if err == nil {
		err = d.ping(ctx)
	}
	if err != nil {
		d.closePools()
		return nil, fmt.Errorf("open database: %w", err)
	}
	d.idle = make(chan *connection, o.Readers)
	for range o.Readers {
		d.idle <- &connection{pool: d.readers}
	}
	go d.commit()
	return d, nil
}

func (d *DB) openSQLite(path string, o Options) error {
	if path == "" || strings.ContainsAny(path, "?#") {
		return fmt.Errorf("%q is no path for a database file", path)
	}
	q := url.Values{}
	for _, p := range []string{"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "temp_store(2)",
		fmt.Sprintf("cache_size(-%d)", o.CacheBytes>>10), "journal_size_limit(67108864)", "wal_autocheckpoint(4000)"} {
		q.Add("_pragma", p)
	}
	q.Set("_txlock", "immediate")
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
	var err error
	if d.writers, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	d.writers.SetMaxOpenConns(1)
	q.Set("_txlock", "deferred")
	q.Add("_pragma", "query_only(1)")
	dsn = "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
	if d.readers, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	d.readers.SetMaxOpenConns(o.Readers)
	d.readers.SetMaxIdleConns(o.Readers)
	return nil
}

func (d *DB) openPostgres(address string, o Options) error {
	var err error
	if d.writers, err = sql.Open("pgx", address); err != nil {
		return err
	}
	d.writers.SetMaxOpenConns(1)
	if d.readers, err = sql.Open("pgx", address); err != nil {
		return err
	}
	d.readers.SetMaxOpenConns(o.Readers)
	d.readers.SetMaxIdleConns(o.Readers)
	d.readers.SetConnMaxLifetime(time.Hour)
	return nil
}

// ping makes sure that both pools work; the writer first, as it creates the file.
func (d *DB) ping(ctx context.Context) error {
	if err := d.writers.PingContext(ctx); err != nil {
		return err
	}
	return d.readers.PingContext(ctx)
}

// Engine is the kind of the database.
func (d *DB) Engine() Engine { return d.engine }

// Close waits for the writes that were handed in and closes the database. It may
// be called twice.
func (d *DB) Close() error {
	d.mu.Lock()
	first := !d.closed
	d.closed = true
	d.mu.Unlock()
	if first {
		d.poke()
	}
	<-d.done
	if !first {
		return nil
	}
	for range cap(d.idle) { // waits for reads that are under way
		(<-d.idle).drop()
	}
	return d.closePools()
}

func (d *DB) closePools() error {
	var errs []error
	for _, pool := range []*sql.DB{d.readers, d.writers} {
		if pool != nil {
			errs = append(errs, pool.Close())
		}
	}
	return errors.Join(errs...)
}

// View runs a read on a snapshot: it sees all that was committed when it started
// and nothing that comes after. Errors of f are handed back; the disk's and the
// server's are wrapped in ErrUnavailable. f must not call View: readers that wait
// for readers would wait for ever.
func (d *DB) View(ctx context.Context, f func(*Tx) error) error {
	var c *connection
	select {
	case c = <-d.idle:
	case <-ctx.Done():
		return ctx.Err()
	case <-d.done:
		return ErrClosed
	}
	defer func() { d.idle <- c }()
	err := classify(c.read(ctx, d.engine, f))
	if err != nil && (errors.Is(err, ErrUnavailable) || ctx.Err() != nil) {
		c.drop() // whatever state it is in; the next read opens a new one
	}
	return err
}

func (c *connection) read(ctx context.Context, engine Engine, f func(*Tx) error) error {
	if err := c.open(ctx); err != nil {
		return err
	}
	begin := "BEGIN"
	if engine == PostgreSQL {
		begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	}
	if _, err := c.conn.ExecContext(ctx, begin); err != nil {
		return err
	}
	defer func() {
		if c.conn != nil {
			if _, err := c.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); err != nil {
				c.drop()
			}
		}
	}()
	tx := &Tx{ctx: ctx, engine: engine, prepare: func(query string) (*sql.Stmt, error) { return c.statement(ctx, query) }}
	defer func() { tx.over = true }()
	return f(tx)
}

// connection is one connection with its prepared statements, whose number is
// bounded by the SQL constants of the program. It is for one goroutine at a time.
type connection struct {
	pool  *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func (c *connection) open(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	conn, err := c.pool.Conn(ctx)
	if err != nil {
		return err
	}
	c.conn, c.stmts = conn, map[string]*sql.Stmt{}
	return nil
}

func (c *connection) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if s := c.stmts[query]; s != nil {
		return s, nil
	}
	s, err := c.conn.PrepareContext(ctx, query)
	if err == nil {
		c.stmts[query] = s
	}
	return s, err
}

// drop gives the connection up for good, whatever state it is in.
func (c *connection) drop() {
	if c.conn == nil {
		return
	}
	for _, s := range c.stmts {
		s.Close()
	}
	_ = c.conn.Raw(func(any) error { return errDrop })
	c.conn.Close()
	c.conn = nil
}
