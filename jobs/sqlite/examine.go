package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"shotline/jobs"
)

// checkLimit is the size of the largest file that is checked page by page, at
// opening and at each report of damage. Reading it takes about 0.2 s.
const checkLimit = 32 << 20

// Pauses between checks if the file cannot be read.
const (
	checkAgainAfter  = 50 * time.Millisecond
	checkAgainAtMost = 5 * time.Second
)

// deepChecks are the checks of larger files, by depth. At depth 0 only the
// statement that failed is run again. If reports repeat, the whole file is
// checked.
var deepChecks = [maxDepth + 1]string{"", `PRAGMA quick_check(1)`, `PRAGMA integrity_check(1)`}

// examiner checks reports of damage, one at a time.
type examiner struct {
	ctx    context.Context // canceled when the store closes
	cancel context.CancelFunc
	done   chan struct{} // holds a token while a check runs
}

func newExaminer() *examiner {
	ctx, cancel := context.WithCancel(context.Background())
	return &examiner{ctx, cancel, make(chan struct{}, 1)}
}

// stop ends a running check and waits for it.
func (e *examiner) stop() {
	e.cancel()
	e.done <- struct{}{}
}

// examine checks a report until there is a result. There is none as long as the
// disk cannot read the data.
func (s *Store) examine(report damageReport) {
	select {
	case s.examiner.done <- struct{}{}:
	case <-s.examiner.ctx.Done():
		return
	}
	defer func() { <-s.examiner.done }()
	ctx := s.examiner.ctx
	for wait := checkAgainAfter; ; wait = min(2*wait, checkAgainAtMost) {
		rerun, err := s.examineOnce(ctx, report)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			s.damage.clear(report, rerun)
			return
		case reportsDamage(err):
			s.damage.confirm(err)
			return
		}
		if wait == checkAgainAfter {
			s.log.Error("could not check the database, will try again", "database", s.path, "error", err)
		}
		if pause(ctx, wait) != nil {
			return
		}
	}
}

// examineOnce checks a report on a separate connection. It returns nil if there
// is no damage. It returns an error that reports damage only if two checks found
// damage and the whole file could be read in between. See checkFile about rerun.
func (s *Store) examineOnce(ctx context.Context, report damageReport) (rerun bool, err error) {
	rerun, err = s.checkFile(ctx, report)
	if err == nil || !reportsDamage(err) {
		return rerun, err
	}
	if err := s.file.readThrough(ctx, s.path); err != nil {
		return false, err
	}
	return s.checkFile(ctx, report)
}

// checkFile checks the data that the report is about. It reports whether it could
// run the statement itself again.
func (s *Store) checkFile(ctx context.Context, report damageReport) (rerun bool, err error) {
	db := openDB(s.path, "mode=ro", fmt.Sprintf("_busy_timeout=%d", s.busy.Milliseconds()), "_query_only=on", "_mutex=no")
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	var entries int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&entries); err != nil {
		return false, fmt.Errorf("read schema: %w", err)
	}
	if report.statement != nil {
		rows, err := db.QueryContext(ctx, report.statement.query, report.statement.args...)
		err = eachRow(rows, err, func(scanner) error { return nil })
		if reportsDamage(err) || readFailed(err) {
			return true, err
		}
		rerun = err == nil // any other error means that this connection cannot run it
	}
	check := deepChecks[report.depth]
	if sizeOf(s.path) <= checkLimit {
		check = deepChecks[max(report.depth, 1)]
	}
	if check == "" {
		return rerun, nil
	}
	return rerun, checkResult(db.QueryRowContext(ctx, check))
}

// checkResult reads the result of a check.
func checkResult(row *sql.Row) error {
	var verdict string
	if err := row.Scan(&verdict); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", jobs.ErrCorrupt, verdict)
	}
	return nil
}

// quickCheck checks the pages of a small file and the structures that connect
// them.
func (s *Store) quickCheck(ctx context.Context) error {
	if sizeOf(s.path) > checkLimit {
		return nil
	}
	return checkResult(s.readDB.DB.QueryRowContext(ctx, deepChecks[1]))
}

// readThrough returns nil if the whole database and its whole log can be read.
func (f *openFile) readThrough(ctx context.Context, path string) error {
	for _, name := range []string{path, path + walSuffix} {
		file, err := f.hold(name)
		if errors.Is(err, os.ErrNotExist) && name != path {
			continue
		}
		if err == nil {
			err = readAll(ctx, file)
		}
		if err != nil {
			return fmt.Errorf("%w: %s cannot be read: %w", jobs.ErrUnavailable, name, err)
		}
	}
	return nil
}

func readAll(ctx context.Context, file *os.File) error {
	block := make([]byte, 1<<20)
	for at := int64(0); ctx.Err() == nil; {
		n, err := file.ReadAt(block, at)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if at += int64(n); err != nil {
			return fmt.Errorf("at byte %d: %w", at, err)
		}
	}
	return ctx.Err()
}
