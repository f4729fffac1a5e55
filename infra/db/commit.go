package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
)

// Pending is a write that was handed in.
type Pending struct {
	ctx  context.Context
	f    func(*Tx) error
	done chan struct{}
	err  error
}

// Wait waits until the write is on disk or has failed. If ctx ends first its error
// is returned, and the write may still be made.
func (p *Pending) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		select {
		case <-p.done:
			return p.err
		default:
			return ctx.Err()
		}
	}
}

// Done is closed when the write is on disk or has failed.
func (p *Pending) Done() <-chan struct{} { return p.done }

// Update runs a write and waits until it is on disk. If f fails, nothing of it is
// kept and its error is handed back. Other callers' writes share the commit. If ctx
// ends while the write waits for its turn, it is not made.
func (d *DB) Update(ctx context.Context, f func(*Tx) error) error {
	return d.submit(ctx, f).Wait(context.WithoutCancel(ctx))
}

// Submit hands a write in and returns at once. Writes are made in the order in
// which they were handed in, so a caller that holds a lock while it calls Submit
// decides about the order. The write is made whatever becomes of the caller.
func (d *DB) Submit(f func(*Tx) error) *Pending {
	return d.submit(context.Background(), f)
}

func (d *DB) submit(ctx context.Context, f func(*Tx) error) *Pending {
	p := &Pending{ctx: ctx, f: f, done: make(chan struct{})}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		p.finish(ErrClosed)
		return p
	}
	d.queue = append(d.queue, p)
	d.poke()
	return p
}

func (p *Pending) finish(err error) {
	p.err = err
	close(p.done)
}

func (d *DB) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// take is the next batch, nil when the database is closed and nothing is left.
func (d *DB) take() []*Pending {
	for {
		d.mu.Lock()
		n := min(len(d.queue), d.max)
		batch := d.queue[:n:n]
		d.queue = d.queue[n:]
		if len(d.queue) == 0 {
			d.queue = nil
		}
		closed := d.closed
		d.mu.Unlock()
		if n > 0 {
			return batch
		}
		if closed {
			return nil
		}
		<-d.wake
	}
}

// commit is the one goroutine that writes.
func (d *DB) commit() {
	defer close(d.done)
	w := &writer{connection: connection{pool: d.writers}, d: d}
	defer w.drop()
	for {
		batch := d.take()
		if batch == nil {
			return
		}
		w.write(batch)
	}
}

// writer is the one connection that writes.
type writer struct {
	connection
	d *DB
}

// The steps around writes, by engine alike.
const (
	sqlSavepoint = "SAVEPOINT one"
	sqlRelease   = "RELEASE SAVEPOINT one"
	sqlRollback  = "ROLLBACK TO SAVEPOINT one"
)

// write makes a batch durable and tells everybody what became of it.
func (w *writer) write(batch []*Pending) {
	errs := make([]error, len(batch))
	err := w.transaction(batch, errs)
	if err != nil {
		// Nothing of the batch is kept, not even of those that went well.
		err = classify(err)
		w.drop()
	}
	for i, p := range batch {
		if errs[i] == nil {
			errs[i] = err
		}
		p.finish(errs[i])
	}
}

// transaction runs a batch. errs takes the errors of single writes; the error
// returned is that of the transaction as a whole.
func (w *writer) transaction(batch []*Pending, errs []error) error {
	ctx := context.Background()
	if err := w.open(ctx); err != nil {
		return err
	}
	begin := "BEGIN"
	if w.d.engine == SQLite {
		begin = "BEGIN IMMEDIATE"
	}
	if _, err := w.conn.ExecContext(ctx, begin); err != nil {
		return err
	}
	for i, p := range batch {
		if errs[i] = p.ctx.Err(); errs[i] != nil {
			continue
		}
		if err := w.exec(ctx, sqlSavepoint); err != nil {
			return w.abort(err)
		}
		if errs[i] = w.run(p); errs[i] != nil {
			errs[i] = classify(errs[i])
			if err := w.exec(ctx, sqlRollback); err != nil {
				return w.abort(errors.Join(errs[i], err))
			}
		}
		if err := w.exec(ctx, sqlRelease); err != nil {
			return w.abort(err)
		}
	}
	if _, err := w.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return w.abort(err)
	}
	return nil
}

func (w *writer) abort(err error) error {
	_, _ = w.conn.ExecContext(context.Background(), "ROLLBACK") // it may be over already
	return err
}

func (w *writer) exec(ctx context.Context, query string) error {
	s, err := w.statement(ctx, query)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(ctx)
	return err
}

// run calls one write; a panic in it fails it alone.
func (w *writer) run(p *Pending) (err error) {
	ctx := context.WithoutCancel(p.ctx) // a broken query would break the connection
	tx := &Tx{ctx: ctx, engine: w.d.engine, prepare: func(query string) (*sql.Stmt, error) { return w.statement(ctx, query) }}
	defer func() {
		tx.over = true
		if r := recover(); r != nil {
			err = fmt.Errorf("db: a write panicked: %v\n%s", r, debug.Stack())
		}
	}()
	return p.f(tx)
}
