// Package sqlite implements jobs.Store in one SQLite file. All SQL of Shotline is
// in this package. None of it is visible to other packages.
//
// An overview for newcomers:
//
//   - One connection writes. A goroutine (writer.go) takes the waiting operations
//     and runs them in one BEGIN IMMEDIATE … COMMIT. Callers get their results
//     after the COMMIT, which is durable (WAL, synchronous=FULL). If an operation
//     fails for its own reason, its savepoint undoes only this operation.
//   - A pool of read-only connections serves jobs.Reader. With WAL they can read
//     while the writer writes.
//   - Every final state is set by settle and finish in close.go, for many jobs at
//     a time. Results are inserted into a temporary table. The guard in the WHERE
//     clause picks those that can close a job. Counters, events and the ends of
//     batches follow in the same transaction.
//   - Deliveries are appended to the inbox (deliveries.go) and applied shortly
//     afterwards (inbox.go). The cursor of the inbox moves in the transaction
//     that applies them.
//   - Files of jobs follow from orders and the event log (downloads.go). They are
//     claimed, named and settled in filework.go.
//   - Callbacks are generated from the event log. Readers (readers.go), each with
//     its own cursor, turn events into callbacks (callbacks.go), so that closing
//     a job writes only its event.
//   - Between transactions the writer moves the log into the database
//     (checkpoint.go). If that fails, nothing is written until the whole log has
//     been moved again (logindex.go). SQLite itself moves the log only when the
//     last connection closes.
//   - Before each transaction the file is checked (connection.go, files.go).
//     After an I/O error the writer's connection is replaced. If the file was
//     moved or is known to be damaged (damage.go, inspect.go), nothing more is
//     written to it. If SQLite reports damage, the report is verified first
//     (examine.go).
//   - Counts over all rows and retention (recount.go, prune.go) read first. They
//     take the write lock only if counters are wrong or rows have to be removed.
//
// Several processes can open one file. They communicate only through the file:
// News (news.go) polls SQLite's counter of commits.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"shotline/jobs"
)

// Values without the options.
const (
	defaultBusyTimeout = 5 * time.Second
	defaultReaders     = 4
	defaultCache       = 64 << 10 // KiB
)

// readerCache limits the page cache of a reader, in KiB.
const readerCache = 16 << 10

// writerBusyTimeout is short. SQLite waits for another process's lock with longer
// and longer sleeps, and would miss the moments in which an import releases it.
// The writer tries again after each short timeout.
const writerBusyTimeout = time.Millisecond

// writerPragmas are the pragmas that the DSN cannot set.
var writerPragmas = []string{
	"PRAGMA temp_store = MEMORY",
	fmt.Sprintf("PRAGMA busy_timeout = %d", writerBusyTimeout.Milliseconds()),
}

// Store is a jobs.Store in a SQLite file. It is safe for concurrent use.
type Store struct {
	path    string
	writeDB *sql.DB
	writer  *writer
	readDB  *pool
	version *sql.Conn // PRAGMA data_version is relative to this connection

	file      *openFile // the database as this process has it open; nil if opening failed earlier
	leave     func()    // releases file
	damage    *damage   // known damage of the file
	examiner  *examiner
	files     files    // the files that were opened
	index     *os.File // the index of the log, in shared memory
	abandoned bool     // whether a crash left the log
	unused    bool     // whether the file was not in WAL mode when it was opened, so that it is a backup

	log *slog.Logger

	busy        time.Duration // how long a write waits for another process's lock
	importPause time.Duration // between the short transactions of an import or of Prune
	moveFrom    int64         // number of frames in the log from which it is moved

	maxHeld int // most held deliveries

	commitHook func(committed bool) error // can be nil

	// failApply makes applying a range of the inbox fail. Only tests set it.
	failApply func(first, last int64) error

	closeOnce sync.Once
	closeErr  error
}

var (
	_ jobs.Store       = (*Store)(nil)
	_ jobs.BackupStore = (*Store)(nil)
)

type settings struct {
	busy       time.Duration
	readers    int
	commitHook func(committed bool) error
	check      bool
	cache      int
	log        *slog.Logger
	moveFrom   int64
	maxHeld    int
}

// Option changes how Open opens a store.
type Option func(*settings)

// WithBusyTimeout sets how long a write waits for another process's lock before
// it fails with jobs.ErrUnavailable. If the caller's context ends earlier, its
// own wait ends then.
func WithBusyTimeout(d time.Duration) Option { return func(s *settings) { s.busy = d } }

// WithReaders sets how many reads can run at the same time.
func WithReaders(n int) Option { return func(s *settings) { s.readers = max(n, 1) } }

// WithCommitHook sets a function that the writing goroutine calls before and
// after every COMMIT. If the call before it returns an error, the transaction is
// rolled back and all operations that share it get the error. The hook is for
// simulating crashes and failing disks.
func WithCommitHook(hook func(committed bool) error) Option {
	return func(s *settings) { s.commitHook = hook }
}

// WithCache sets how many KiB of pages the writer caches. A reader caches at most
// as many. A process that only adds rows needs few.
func WithCache(kib int) Option { return func(s *settings) { s.cache = kib } }

// WithLogger sets the logger for problems that are not reported to any caller:
// the log could not be moved into the database, or damage was reported. The later
// outcome of both is logged as well.
func WithLogger(log *slog.Logger) Option { return func(s *settings) { s.log = log } }

// WithMaxHeld limits the number of held deliveries; see jobs.Inbox. The default
// is jobs.DefaultMaxHeld.
func WithMaxHeld(n int) Option { return func(s *settings) { s.maxHeld = max(n, 1) } }

// WithCheck makes Open read and check all pages of a file of up to 32 MiB. A
// larger file would delay the start too long. Damage in it is found when the
// damaged page is needed.
func WithCheck() Option { return func(s *settings) { s.check = true } }

// Open opens the store at path. It creates the file or updates its schema if
// necessary. Errors contain the path. They are jobs.ErrUnavailable (no such
// folder, no permission, locked, disk full), jobs.ErrCorrupt (damaged, or the
// database of another program) or jobs.ErrNewer. The context limits only the
// opening.
//
// If the store finds out later that its file is damaged, it stops writing: every
// write fails with jobs.ErrCorrupt until the file is replaced and opened again.
// While the store verifies a report of damage, writes fail with
// jobs.ErrUnavailable.
func Open(ctx context.Context, path string, opts ...Option) (*Store, error) {
	set := settings{busy: defaultBusyTimeout, readers: defaultReaders, cache: defaultCache, log: slog.New(slog.DiscardHandler),
		moveFrom: moveFrom, maxHeld: jobs.DefaultMaxHeld}
	for _, opt := range opts {
		opt(&set)
	}
	s, err := openAgain(ctx, path, set)
	switch {
	case err == nil:
		return s, nil
	case reportsDamage(err):
		return nil, &damageError{path, err}
	default:
		return nil, fmt.Errorf("open database %s: %w", path, explain(err))
	}
}

// openTries is how often opening a file must fail before the file counts as
// damaged or unreadable. A single failure might be a temporary read error of the
// disk.
const openTries = 3

// openAgain opens the store. It tries again if something could not be read or
// seemed to be damaged. It reports damage only if the whole file can be read.
func openAgain(ctx context.Context, path string, set settings) (*Store, error) {
	for try := 1; ; try++ {
		s, err := open(ctx, path, set)
		damaged := reportsDamage(err) && !errors.Is(err, errForeign)
		if err == nil || !damaged && !readFailed(err) {
			return s, err
		}
		if try < openTries {
			if stopped := pause(ctx, 20*time.Millisecond); stopped != nil {
				return nil, err
			}
			continue
		}
		if !damaged {
			return nil, err
		}
		file, leave, failed := opened.enter(path, func() error { return nil })
		if failed == nil {
			failed = file.readThrough(ctx, path)
			leave()
		}
		return nil, errors.Join(failed, err)
	}
}

func open(ctx context.Context, path string, set settings) (_ *Store, err error) {
	s := &Store{path: path, log: set.log, busy: set.busy, importPause: 5 * time.Millisecond, moveFrom: set.moveFrom,
		maxHeld: set.maxHeld, commitHook: set.commitHook}
	s.examiner = newExaminer()
	s.damage = &damage{path: path, log: set.log, check: s.examine}
	defer func() {
		if err != nil {
			s.closeHandles()
		}
	}()
	s.file, s.leave, err = opened.enter(path, func() (err error) {
		if err := checkFile(path); err != nil {
			return err
		}
		if err := inspect(ctx, path); err != nil {
			return err
		}
		if s.unused, err = inRollbackForm(path); err != nil {
			return err
		}
		s.abandoned, err = abandoned(path)
		return err
	})
	if err != nil {
		return nil, err
	}
	// SQLite needs no mutex: database/sql lets only one goroutine at a time use a
	// connection.
	busy := fmt.Sprintf("_busy_timeout=%d", set.busy.Milliseconds())
	s.writeDB = openDB(path, "mode=rwc", busy, "_synchronous=FULL", "_foreign_keys=on",
		"_txlock=immediate", fmt.Sprintf("_cache_size=-%d", set.cache), "_mutex=no")
	s.writeDB.SetMaxOpenConns(1)
	if err := prepareSchema(ctx, s.writeDB, set.busy); err != nil {
		return nil, err
	}
	s.writeDB.SetMaxIdleConns(-1) // a connection that the writer returns might be in a bad state
	conn, err := s.connectWriter(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.moveAbandoned(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if s.files, err = filesAt(path); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if s.index, err = s.file.hold(path + shmSuffix); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s.writer = startWriter(conn, s)

	readDB := openDB(path, "mode=ro", busy, "_query_only=on",
		fmt.Sprintf("_cache_size=-%d", min(set.cache, readerCache)), "_stmt_cache_size=64", "_mutex=no")
	s.readDB = &pool{readDB, s.damage}
	s.readDB.SetMaxOpenConns(set.readers + 1) // one is reserved for data_version
	s.readDB.SetMaxIdleConns(set.readers + 1)
	s.version, err = s.readDB.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if set.check {
		if err := s.quickCheck(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// connectWriter opens a connection with all settings that durability depends on,
// and verifies them.
func (s *Store) connectWriter(ctx context.Context) (*sql.Conn, error) {
	conn, err := s.writeDB.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if err := prepareWriter(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// checkFile returns the specific reason if a path cannot be opened. SQLite would
// only report "unable to open database file".
func checkFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
		}
		return f.Close()
	case err != nil:
		return fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
	case info.IsDir():
		return fmt.Errorf("%w: it is a directory", jobs.ErrUnavailable)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: it is not a regular file", jobs.ErrUnavailable)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
	}
	return f.Close()
}

// prepareWriter sets and verifies the settings that durability depends on.
func prepareWriter(ctx context.Context, conn *sql.Conn) error {
	for _, pragma := range writerPragmas {
		if _, err := conn.ExecContext(ctx, pragma); err != nil {
			return fmt.Errorf("%s: %w", pragma, err)
		}
	}
	var journal string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&journal); err != nil {
		return fmt.Errorf("read journal_mode: %w", err)
	}
	var synchronous int
	if err := conn.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&synchronous); err != nil {
		return fmt.Errorf("read synchronous: %w", err)
	}
	if journal != "wal" || synchronous != 2 {
		return fmt.Errorf("%w: journal_mode is %s and synchronous is %d, want wal and 2 (FULL)",
			jobs.ErrUnavailable, journal, synchronous)
	}
	_, err := conn.ExecContext(ctx, scratchTables)
	return err
}

// Close stops the writer after all waiting operations, and closes all
// connections. Calls after Close fail; writes return jobs.ErrUnavailable.
func (s *Store) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.closeHandles() })
	return s.closeErr
}

// closeHandles closes the readers first. SQLite moves the log when the last
// connection closes, and a read-only connection could not do that. If the log
// could not be moved, the readers close last, so that the log is kept until the
// database is opened again.
func (s *Store) closeHandles() error {
	s.examiner.stop()
	var unmoved error
	if s.writer != nil {
		s.writer.stop()
		unmoved = s.writer.moveRest()
	}
	var errs []error
	if unmoved != nil { // not an error for the caller, because all committed work is on disk
		s.log.Warn("write-ahead log not moved into the database; it is kept and moved when the database is opened again",
			"database", s.path, "error", unmoved)
		errs = append(errs, s.closeWriter(), s.closeReaders())
	} else {
		errs = append(errs, s.closeReaders(), s.closeWriter())
	}
	if s.leave != nil {
		s.leave()
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close database %s: %w", s.path, err)
	}
	return nil
}

func (s *Store) closeReaders() error {
	var errs []error
	if s.version != nil {
		errs = append(errs, s.version.Close())
	}
	if s.readDB != nil {
		errs = append(errs, s.readDB.Close())
	}
	return errors.Join(errs...)
}

func (s *Store) closeWriter() error {
	var errs []error
	if s.writer != nil {
		errs = append(errs, s.writer.close())
		if s.unused && s.writer.operations.Load() == 0 {
			s.leaveWAL()
		}
	}
	if s.writeDB != nil {
		errs = append(errs, s.writeDB.Close())
	}
	return errors.Join(errs...)
}
