package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mattn/go-sqlite3"

	"shotline/jobs"
)

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

// damage is what is known of damage to the file. SQLite reports damage also when
// the disk could not read a part of the file for a moment. So a report, whoever
// came upon it, ends all writes only until the file has been checked; see
// examine.go. If the check finds damage nothing is written any more: the inbox
// would take in what is lost with the file, and money would be spent on its word.
type damage struct {
	path  string
	log   *slog.Logger
	check func(suspicion) // in a goroutine of its own, until settled

	mu        sync.Mutex
	found     *damageError    // nil unless a check found damage
	suspected *suspectedError // nil unless a report is being checked
	cleared   time.Time       // when a report was found to be no damage, without its statement
	depth     int             // of the last check
	settled   chan struct{}   // closed when the check that runs has ended

	reports atomic.Int64
}

// suspectedError says that a report is being checked. It is jobs.ErrUnavailable.
type suspectedError struct {
	path string
	what error
}

func (e *suspectedError) Error() string {
	return fmt.Sprintf("%v: SQLite reported damage in database %s, which is being checked: %v", jobs.ErrUnavailable, e.path, e.what)
}

// Unwrap leaves out that what was reported may be jobs.ErrCorrupt.
func (e *suspectedError) Unwrap() []error {
	var failure sqlite3.Error
	if errors.As(e.what, &failure) {
		return []error{jobs.ErrUnavailable, failure}
	}
	return []error{jobs.ErrUnavailable}
}

// suspicion is a report that is to be checked.
type suspicion struct {
	statement *statementError // that reported it, if it is known
	depth     int             // of the check
}

// A report that follows on another within relapse, which was checked without
// running its statement again, is checked deeper: up to deepest.
const (
	relapse = 10 * time.Minute
	deepest = 2
)

// statementError is an error with the statement that it is of.
type statementError struct {
	query string
	args  []any
	err   error
}

func (e *statementError) Error() string { return e.err.Error() }
func (e *statementError) Unwrap() error { return e.err }

// ofStatement keeps the statement with a report of damage.
func ofStatement(err error, query string, args []any) error {
	if err == nil || !reportsDamage(err) {
		return err
	}
	return &statementError{query, args, err}
}

// notice returns err. If it reports damage that is checked, and the error is
// jobs.ErrUnavailable, or jobs.ErrCorrupt if a check has found damage.
func (d *damage) notice(err error) error {
	if err == nil || !reportsDamage(err) || errors.As(err, new(*suspectedError)) {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.found != nil {
		return d.found
	}
	if d.suspected != nil {
		return d.suspected
	}
	d.reports.Add(1)
	s := suspicion{}
	errors.As(err, &s.statement)
	if time.Since(d.cleared) < relapse {
		s.depth = min(d.depth+1, deepest)
	}
	d.suspected, d.settled = &suspectedError{d.path, err}, make(chan struct{})
	d.log.Warn("SQLite reported damage: writes and webhooks are refused until the database has been checked", "database", d.path, "error", err)
	go d.check(s)
	return d.suspected
}

// noticeRead is notice for readers, which have time for the verdict.
func (d *damage) noticeRead(ctx context.Context, err error) error {
	return d.verdict(ctx, d.notice(err))
}

// clear ends a suspicion: the check found the file in order.
func (d *damage) clear(s suspicion, rerun bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.suspected = nil
	close(d.settled)
	if !rerun {
		d.cleared, d.depth = time.Now(), s.depth
	}
	d.log.Info("the database is in order: writes and webhooks are taken again", "database", d.path)
}

// confirm records the damage that a check found.
func (d *damage) confirm(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found, d.suspected = &damageError{d.path, err}, nil
	close(d.settled)
}

// verdictWait bounds how long verdict waits.
const verdictWait = time.Second

// verdict waits for a check that err speaks of, but not for long, so that whoever
// does but one thing hears of damage. It returns err unless that was found.
func (d *damage) verdict(ctx context.Context, err error) error {
	if !errors.As(err, new(*suspectedError)) {
		return err
	}
	d.mu.Lock()
	settled := d.settled
	d.mu.Unlock()
	timer := time.NewTimer(verdictWait)
	defer timer.Stop()
	select {
	case <-settled:
	case <-timer.C:
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.found != nil {
		return d.found
	}
	return err
}

// refusal is nil as long as nothing is known or suspected to be wrong.
func (d *damage) refusal() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.found != nil:
		return d.found
	case d.suspected != nil:
		return d.suspected
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
	return noticingRow{ctx, p.DB.QueryRowContext(ctx, query, args...), p.damage, query, args}
}

type noticingRow struct {
	ctx    context.Context // of the one query
	row    *sql.Row
	damage *damage
	query  string
	args   []any
}

func (r noticingRow) Scan(dest ...any) error {
	return r.damage.noticeRead(r.ctx, ofStatement(r.row.Scan(dest...), r.query, r.args))
}
