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

// damageError reports that the file is damaged, and says how to replace it with a
// backup. It is jobs.ErrCorrupt.
type damageError struct {
	path  string
	cause error
}

func (e *damageError) Error() string {
	if errors.Is(e.cause, errForeign) {
		return fmt.Sprintf("database %s cannot be used: %v", e.path, e.cause)
	}
	return fmt.Sprintf("database %[1]s cannot be used: %[2]v; stop every process that uses it, move %[1]s, %[1]s-wal and %[1]s-shm away "+
		"and put a backup made by `shotline backup` in its place", e.path, e.cause)
}

func (e *damageError) Unwrap() []error { return []error{jobs.ErrCorrupt, e.cause} }

// damage records whether the file is damaged. SQLite also reports damage if the
// disk could not read a part of the file for a moment. Therefore a report, by any
// connection, stops writes only until the file has been checked; see examine.go.
// If the check finds damage, nothing is written any more. Otherwise the inbox
// would accept deliveries that are lost with the file, and wrong data could cause
// paid creates.
type damage struct {
	path  string
	log   *slog.Logger
	check func(damageReport) // runs in its own goroutine until it calls clear or confirm, or the store closes

	mu        sync.Mutex
	found     *damageError    // nil unless a check found damage
	suspected *suspectedError // nil unless a report is being checked
	cleared   time.Time       // when a check last found no damage without running the statement again
	depth     int             // of that check
	settled   chan struct{}   // closed when the running check ends

	reports atomic.Int64
}

// suspectedError reports that the file is being checked for damage. It is
// jobs.ErrUnavailable.
type suspectedError struct {
	path  string
	cause error
}

func (e *suspectedError) Error() string {
	return fmt.Sprintf("%v: SQLite reported damage in database %s, which is being checked: %v", jobs.ErrUnavailable, e.path, e.cause)
}

// Unwrap leaves out jobs.ErrCorrupt, which the cause might be.
func (e *suspectedError) Unwrap() []error {
	var failure sqlite3.Error
	if errors.As(e.cause, &failure) {
		return []error{jobs.ErrUnavailable, failure}
	}
	return []error{jobs.ErrUnavailable}
}

// damageReport is a report of damage that has to be checked.
type damageReport struct {
	statement *statementError // the statement that failed; nil if it is unknown
	depth     int             // of the check
}

// If a check found no damage without running the statement again, and another
// report follows within deepenWithin, the next check is one level deeper, up to
// maxDepth.
const (
	deepenWithin = 10 * time.Minute
	maxDepth     = 2
)

// statementError is an error together with the statement that failed.
type statementError struct {
	query string
	args  []any
	err   error
}

func (e *statementError) Error() string { return e.err.Error() }
func (e *statementError) Unwrap() error { return e.err }

// ofStatement adds the statement to err if err reports damage.
func ofStatement(err error, query string, args []any) error {
	if err == nil || !reportsDamage(err) {
		return err
	}
	return &statementError{query, args, err}
}

// notice returns err. If err reports damage, notice starts a check unless one is
// running, and returns an error that is jobs.ErrUnavailable, or jobs.ErrCorrupt
// if a check has found damage.
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
	report := damageReport{}
	errors.As(err, &report.statement)
	if time.Since(d.cleared) < deepenWithin {
		report.depth = min(d.depth+1, maxDepth)
	}
	d.suspected, d.settled = &suspectedError{d.path, err}, make(chan struct{})
	d.log.Warn("SQLite reported damage: writes and webhooks are refused until the database has been checked", "database", d.path, "error", err)
	go d.check(report)
	return d.suspected
}

// noticeRead is notice for readers, which can wait for the result of the check.
func (d *damage) noticeRead(ctx context.Context, err error) error {
	return d.verdict(ctx, d.notice(err))
}

// clear ends a check that found no damage.
func (d *damage) clear(report damageReport, rerun bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.suspected = nil
	close(d.settled)
	if !rerun {
		d.cleared, d.depth = time.Now(), report.depth
	}
	d.log.Info("the database is in order: writes and webhooks are accepted again", "database", d.path)
}

// confirm ends a check that found damage.
func (d *damage) confirm(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found, d.suspected = &damageError{d.path, err}, nil
	close(d.settled)
}

// verdictWait is the longest time that verdict waits.
const verdictWait = time.Second

// verdict waits a short time for the check if err is a suspicion of damage. So
// even a caller that makes only one call learns of the damage. It returns err
// unless the check found damage.
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

// refusal returns nil if the file is neither known nor suspected to be damaged.
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

// pool holds the read-only connections. It passes reports of damage on to damage.
type pool struct {
	*sql.DB
	damage *damage
}

// QueryRowContext queries one row, like that of sql.DB.
func (p *pool) QueryRowContext(ctx context.Context, query string, args ...any) scanner {
	return noticingRow{ctx, p.DB.QueryRowContext(ctx, query, args...), p.damage, query, args}
}

type noticingRow struct {
	ctx    context.Context // of this query
	row    *sql.Row
	damage *damage
	query  string
	args   []any
}

func (r noticingRow) Scan(dest ...any) error {
	return r.damage.noticeRead(r.ctx, ofStatement(r.row.Scan(dest...), r.query, r.args))
}
