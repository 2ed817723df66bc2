package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"shotline/jobs"
)

// checkLimit is the largest file that is checked page by page at opening: some
// 0.2 s of reading.
const checkLimit = 32 << 20

// damageError tells whoever looks after the machine what is wrong with the
// file, and what helps. It is jobs.ErrCorrupt.
type damageError struct {
	path string
	what error
}

func (e *damageError) Error() string {
	if errors.Is(e.what, errForeign) {
		return fmt.Sprintf("database %s cannot be used: %v", e.path, e.what)
	}
	return fmt.Sprintf("database %[1]s cannot be used: %[2]v; stop all that uses it, move %[1]s, %[1]s-wal and %[1]s-shm away "+
		"and put a backup made by `shotline backup` in its place", e.path, e.what)
}

func (e *damageError) Unwrap() []error { return []error{jobs.ErrCorrupt, e.what} }

// asDamage returns err as a damageError, unless it is one.
func asDamage(path string, err error) error {
	var damage *damageError
	if errors.As(err, &damage) {
		return err
	}
	return &damageError{path, err}
}

// damage remembers the first sign that the file itself is damaged, whoever
// came upon it. After that nothing may be written: the inbox would take in
// what is lost with the file, and money would be spent on its word.
type damage struct {
	path  string
	first atomic.Pointer[damageError]
}

// notice returns err, worded as damage if it is that.
func (d *damage) notice(err error) error {
	if err == nil || !errors.Is(explain(err), jobs.ErrCorrupt) {
		return err
	}
	var found *damageError
	if !errors.As(err, &found) {
		found = &damageError{d.path, explain(err)}
	}
	d.first.CompareAndSwap(nil, found)
	return found
}

// refusal is nil as long as nothing is known to be wrong.
func (d *damage) refusal() error {
	if found := d.first.Load(); found != nil {
		return found
	}
	return nil
}

// quickCheck reads a small file's pages and what holds them together.
func (s *Store) quickCheck(ctx context.Context) error {
	if sizeOf(s.path) > checkLimit {
		return nil
	}
	var verdict string
	if err := s.readDB.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", jobs.ErrCorrupt, verdict)
	}
	return nil
}

// pool is the read-only connections. It notices damage.
type pool struct {
	*sql.DB
	damage *damage
}

// QueryRowContext is that of sql.DB.
func (p *pool) QueryRowContext(ctx context.Context, query string, args ...any) scanner {
	return noticingRow{p.DB.QueryRowContext(ctx, query, args...), p.damage}
}

type noticingRow struct {
	row    *sql.Row
	damage *damage
}

func (r noticingRow) Scan(dest ...any) error { return r.damage.notice(r.row.Scan(dest...)) }
