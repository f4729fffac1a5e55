package db

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Migration files are named NNNN_what.sql, numbered from 1 without gaps. A file
// holds statements that end with a semicolon at the end of a line, for both
// engines; one behind a line "-- only: sqlite" or "-- only: postgres" is for that
// engine alone. A line "-- compatible: N" says that programs that know the schema
// up to number N can go on using it after this file; without it, only programs that
// know this file can.
var migrationName = regexp.MustCompile(`^(\d{4})_[a-z0-9_]+\.sql$`)

type migration struct {
	number     int
	name       string
	text       string
	sum        string
	compatible int
}

// Migrate brings the tables of one part of the program to where files say. Each
// file runs in a transaction of its own. It is an error if a file that has run was
// changed since, and if the schema was made by a newer program that says that this
// one cannot use it: nothing is changed then.
func (d *DB) Migrate(ctx context.Context, part string, files fs.FS) error {
	want, err := readMigrations(files)
	if err != nil {
		return fmt.Errorf("migrations of %s: %w", part, err)
	}
	if err := d.Update(ctx, func(tx *Tx) error {
		return tx.Exec(d.translate(`CREATE TABLE IF NOT EXISTS db_migrations (part TEXT NOT NULL, number BIGINT NOT NULL, sum TEXT NOT NULL, compatible BIGINT NOT NULL, PRIMARY KEY (part, number))`))
	}); err != nil {
		return fmt.Errorf("migrations of %s: %w", part, err)
	}
	done, err := d.migrated(ctx, part)
	if err != nil {
		return fmt.Errorf("migrations of %s: %w", part, err)
	}
	for i, m := range done {
		if i < len(want) {
			if want[i].sum != m.sum {
				return fmt.Errorf("migrations of %s: %s was changed after it had run; add a new file instead", part, want[i].name)
			}
		} else if m.compatible > len(want) {
			return fmt.Errorf("the tables of %s are at version %d, made by a newer hanse; this one knows them up to %d: use the newer program, or a backup", part, len(done), len(want))
		}
	}
	for _, m := range want[min(len(done), len(want)):] {
		if err := d.Update(ctx, func(tx *Tx) error { return d.apply(tx, part, m) }); err != nil {
			return fmt.Errorf("migrations of %s: %s: %w", part, m.name, err)
		}
	}
	return nil
}

func (d *DB) migrated(ctx context.Context, part string) (done []migration, err error) {
	err = d.View(ctx, func(tx *Tx) error {
		for row, err := range tx.Query(`SELECT number, sum, compatible FROM db_migrations WHERE part = $1 ORDER BY number`, part) {
			if err != nil {
				return err
			}
			var m migration
			if err := row.Scan(&m.number, &m.sum, &m.compatible); err != nil {
				return err
			}
			done = append(done, m)
		}
		return nil
	})
	return done, err
}

func (d *DB) apply(tx *Tx, part string, m migration) error {
	for _, s := range statementsOf(m.text, d.engine) {
		if err := tx.Exec(d.translate(s)); err != nil {
			return fmt.Errorf("%.80q: %w", s, err)
		}
	}
	return tx.Exec(`INSERT INTO db_migrations (part, number, sum, compatible) VALUES ($1, $2, $3, $4)`, part, m.number, m.sum, m.compatible)
}

func readMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var out []migration
	for _, name := range names {
		parts := migrationName.FindStringSubmatch(name)
		if parts == nil {
			return nil, fmt.Errorf("%s is not named NNNN_what.sql", name)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		n, _ := strconv.Atoi(parts[1])
		if n != len(out)+1 {
			return nil, fmt.Errorf("%s is number %d of the files", name, len(out)+1)
		}
		sum := sha256.Sum256(text)
		m := migration{number: n, name: name, text: string(text), sum: hex.EncodeToString(sum[:16]), compatible: n}
		for line := range strings.Lines(m.text) {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "-- compatible:"); ok {
				if m.compatible, err = strconv.Atoi(strings.TrimSpace(rest)); err != nil || m.compatible < 1 || m.compatible > n {
					return nil, fmt.Errorf("%s: compatible must be a number up to %d", name, n)
				}
			}
		}
		out = append(out, m)
	}
	if len(out) == 0 {
		return nil, errors.New("there are none")
	}
	return out, nil
}

// statementsOf cuts a file into the statements for one engine.
func statementsOf(text string, engine Engine) []string {
	var out []string
	var statement strings.Builder
	skip := false
	for line := range strings.Lines(text) {
		bare := strings.TrimSpace(line)
		if only, ok := strings.CutPrefix(bare, "-- only:"); ok {
			skip = Engine(strings.TrimSpace(only)) != engine
			continue
		}
		if bare == "" || strings.HasPrefix(bare, "--") {
			continue
		}
		statement.WriteString(line)
		if !strings.HasSuffix(bare, ";") {
			continue
		}
		if !skip {
			out = append(out, strings.TrimSuffix(strings.TrimSpace(statement.String()), ";"))
		}
		statement.Reset()
		skip = false
	}
	if rest := strings.TrimSpace(statement.String()); rest != "" && !skip {
		out = append(out, rest)
	}
	return out
}

var textType = regexp.MustCompile(`\bTEXT\b`)

// translate turns the common SQL of table definitions into the engine's: text is
// ordered by its bytes on both.
func (d *DB) translate(s string) string {
	if d.engine == PostgreSQL {
		return textType.ReplaceAllString(s, `TEXT COLLATE "C"`)
	}
	return s
}
