package db

import (
	"context"
	"database/sql"
	"errors"
	"iter"
)

// Tx is the inside of View or Update. It is for one goroutine and only until the
// function it was given to returns.
type Tx struct {
	ctx     context.Context
	engine  Engine
	prepare func(query string) (*sql.Stmt, error)
	over    bool
}

// ErrNoRows says that a query for one row found none.
var ErrNoRows = sql.ErrNoRows

var errOver = errors.New("db: a transaction was used after its end")

// Context is the context of the caller of View or Update.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Engine is the kind of the database.
func (tx *Tx) Engine() Engine { return tx.engine }

func (tx *Tx) statement(query string) (*sql.Stmt, error) {
	if tx.over {
		return nil, errOver
	}
	return tx.prepare(query)
}

// Exec runs a statement that gives no rows.
func (tx *Tx) Exec(query string, args ...any) error {
	_, err := tx.ExecCount(query, args...)
	return err
}

// ExecCount runs a statement and tells how many rows it changed.
func (tx *Tx) ExecCount(query string, args ...any) (int64, error) {
	s, err := tx.statement(query)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(tx.ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// Get reads the one row that a query gives into dest. It returns ErrNoRows if
// there is none.
func (tx *Tx) Get(query string, args []any, dest ...any) error {
	s, err := tx.statement(query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(tx.ctx, args...).Scan(dest...)
}

// Row is one row of a query.
type Row struct{ rows *sql.Rows }

// Scan reads the row's columns. Bytes are copied.
func (r Row) Scan(dest ...any) error { return r.rows.Scan(dest...) }

// Query goes through the rows of a query. An error ends it and comes with the last
// step. No other statement may run while it goes on: gather first, then write.
//
//	for row, err := range tx.Query(`SELECT id FROM room_rooms`) {
//		if err != nil { return err }
//		…
//	}
func (tx *Tx) Query(query string, args ...any) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		s, err := tx.statement(query)
		if err != nil {
			yield(Row{}, err)
			return
		}
		rows, err := s.QueryContext(tx.ctx, args...)
		if err != nil {
			yield(Row{}, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			if !yield(Row{rows}, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(Row{}, err)
		}
	}
}

// Args is the arguments of Get.
func Args(args ...any) []any { return args }
