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

// checkLimit is the largest file that is checked page by page at opening, and at
// each report of damage: some 0.2 s of reading.
const checkLimit = 32 << 20

// Pauses between checks while the file cannot be read.
const (
	checkAgainAfter  = 50 * time.Millisecond
	checkAgainAtMost = 5 * time.Second
)

// The checks of larger files. The first reports are checked by the statement that
// failed, and by going on; if they come again, all of the file is.
var deepChecks = [deepest + 1]string{"", `PRAGMA quick_check(1)`, `PRAGMA integrity_check(1)`}

// examiner checks reports of damage, one at a time.
type examiner struct {
	ctx    context.Context // ends when the store closes
	cancel context.CancelFunc
	done   chan struct{} // holds a token while a check runs
}

func newExaminer() *examiner {
	ctx, cancel := context.WithCancel(context.Background())
	return &examiner{ctx, cancel, make(chan struct{}, 1)}
}

// stop ends a check, and waits for it.
func (e *examiner) stop() {
	e.cancel()
	e.done <- struct{}{}
}

// examine checks a report until it is known what it was. While the disk cannot
// read what is asked for, nothing is known.
func (s *Store) examine(what suspicion) {
	select {
	case s.examiner.done <- struct{}{}:
	case <-s.examiner.ctx.Done():
		return
	}
	defer func() { <-s.examiner.done }()
	ctx := s.examiner.ctx
	for wait := checkAgainAfter; ; wait = min(2*wait, checkAgainAtMost) {
		rerun, err := s.examineOnce(ctx, what)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			s.damage.clear(what, rerun)
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

// examineOnce is nil if a check over a connection of its own finds no damage. It
// is damage what is found twice, while all of the file can be read.
func (s *Store) examineOnce(ctx context.Context, what suspicion) (rerun bool, err error) {
	rerun, err = s.tryFile(ctx, what)
	if err == nil || !reportsDamage(err) {
		return rerun, err
	}
	if err := s.file.readThrough(ctx, s.path); err != nil {
		return false, err
	}
	return s.tryFile(ctx, what)
}

// tryFile reads what the report was about. It reports whether that was the
// statement itself.
func (s *Store) tryFile(ctx context.Context, what suspicion) (rerun bool, err error) {
	db := openDB(s.path, "mode=ro", fmt.Sprintf("_busy_timeout=%d", s.busy.Milliseconds()), "_query_only=on", "_mutex=no")
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	var entries int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&entries); err != nil {
		return false, fmt.Errorf("read schema: %w", err)
	}
	if what.statement != nil {
		rows, err := db.QueryContext(ctx, what.statement.query, what.statement.args...)
		err = eachRow(rows, err, func(scanner) error { return nil })
		if reportsDamage(err) || readFailed(err) {
			return true, err
		}
		rerun = err == nil // or it needs what the connection of its own lacks
	}
	check := deepChecks[what.depth]
	if sizeOf(s.path) <= checkLimit {
		check = deepChecks[max(what.depth, 1)]
	}
	if check == "" {
		return rerun, nil
	}
	return rerun, passes(db.QueryRowContext(ctx, check))
}

// passes reads the verdict of a check.
func passes(row *sql.Row) error {
	var verdict string
	if err := row.Scan(&verdict); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", jobs.ErrCorrupt, verdict)
	}
	return nil
}

// quickCheck reads a small file's pages and what holds them together.
func (s *Store) quickCheck(ctx context.Context) error {
	if sizeOf(s.path) > checkLimit {
		return nil
	}
	return passes(s.readDB.DB.QueryRowContext(ctx, deepChecks[1]))
}

// readThrough is nil if all of the database and of its log can be read.
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
