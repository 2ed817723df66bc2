// Package sqlite keeps the contract of jobs.Store in one SQLite file. All SQL
// of Shotline is in this package; nothing of it shows outside.
//
// How it works, for a newcomer:
//
//   - One connection writes. A goroutine (writer.go) takes whatever waits and
//     runs it in one BEGIN IMMEDIATE … COMMIT; callers get their answer after
//     the COMMIT, which is durable (WAL, synchronous=FULL). An operation that
//     fails for a reason of its own is undone alone, by its savepoint.
//   - A pool of read-only connections answers jobs.Reader. WAL lets them read
//     beside the writer.
//   - Every final state goes through settle and finish in close.go, set-based:
//     results are laid into a temporary table, the guard of the WHERE clause
//     picks those that may close a job, and counters, events and the ends of
//     batches follow in the same transaction.
//   - Deliveries are appended to the inbox (deliveries.go) and applied a moment
//     later (inbox.go) under a cursor that moves in the same transaction.
//   - Callbacks are generated from the log of events. Readers (readers.go), each
//     with a cursor of its own, turn events into callbacks (callbacks.go), so that
//     closing a job writes only its event.
//   - Between two transactions the writer moves the log into the database
//     (checkpoint.go). If that fails, nothing is written until all of the log has
//     been moved again (logindex.go). SQLite itself never does it, except when
//     the last connection closes.
//   - Before each transaction the file is looked at (connection.go, files.go):
//     after an I/O error the writer's connection is opened anew. A file that was
//     moved gets no more writes, nor does one that is known to be damaged
//     (damage.go, inspect.go). If SQLite reports damage that is checked first
//     (examine.go).
//   - Counts over all rows and retention (recount.go, prune.go) read first, and
//     take the write lock only for what is wrong or has to go.
//
// Several processes may open one file. They communicate only through it: News
// (news.go) polls SQLite's counter of commits.
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

// Defaults of the options.
const (
	DefaultBusyTimeout = 5 * time.Second
	DefaultReaders     = 4
	DefaultCache       = 64 << 10
)

// readerCache is how many KiB of pages a reader keeps at most.
const readerCache = 16 << 10

// writerBusyTimeout is short: SQLite would wait for another process's lock in
// longer and longer sleeps, and miss the moments in which an import lets it go.
// The writer asks again at every end of a short one.
const writerBusyTimeout = time.Millisecond

// writerPragmas are those that the DSN cannot set.
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
	version *sql.Conn // PRAGMA data_version compares with this connection's past

	file      *openFile // what this process has open of the database; nil when it did not get that far
	leave     func()    // ends that
	damage    *damage   // what is known to be wrong with the file itself
	examiner  *examiner
	files     files    // those that were opened
	index     *os.File // the index of the log, in shared memory
	abandoned bool     // a crash left the log
	unused    bool     // the file was not in WAL mode when it was opened: it is a backup

	log *slog.Logger

	busy        time.Duration // how long a write waits for another process's lock
	importPause time.Duration // between the short transactions of an import, and of retention
	moveFrom    int64         // frames in the log from which it is moved

	maxHeld int // deliveries

	commitHook func(committed bool) error // may be nil

	// failApply, set by tests only, makes applying a range of the inbox fail.
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

// Option changes how a store is opened.
type Option func(*settings)

// WithBusyTimeout sets how long a write waits for another process's lock
// before it fails with jobs.ErrUnavailable. A caller's context ends its own
// wait earlier.
func WithBusyTimeout(d time.Duration) Option { return func(s *settings) { s.busy = d } }

// WithReaders sets how many reads run at the same time.
func WithReaders(n int) Option { return func(s *settings) { s.readers = max(n, 1) } }

// WithCommitHook has hook called around every COMMIT, in the goroutine that
// writes: before it, when an error rolls the transaction back and goes to all
// who share it, and after it. It is for simulating crashes and failing disks.
func WithCommitHook(hook func(committed bool) error) Option {
	return func(s *settings) { s.commitHook = hook }
}

// WithCache sets how many KiB of pages the writer keeps at hand, and each reader
// no more than that: what does nothing but add rows needs few.
func WithCache(kib int) Option { return func(s *settings) { s.cache = kib } }

// WithLogger has the store log what no caller is told of: that the log could not
// be moved into the database, reports of damage, and what became of both.
func WithLogger(log *slog.Logger) Option { return func(s *settings) { s.log = log } }

// WithMaxHeld bounds the held deliveries, see jobs.Inbox; jobs.DefaultMaxHeld.
func WithMaxHeld(n int) Option { return func(s *settings) { s.maxHeld = max(n, 1) } }

// WithCheck has the pages of a file of up to 32 MiB read and checked before it
// is used. Of a larger one, which would keep a start waiting, damage shows when
// the damaged page is needed.
func WithCheck() Option { return func(s *settings) { s.check = true } }

// Open opens the store at path, creating the file or bringing its schema up to
// date where needed. Errors name the path and are jobs.ErrUnavailable (no such
// folder, no permission, locked, disk full), jobs.ErrCorrupt (damaged, or some
// other program's database) or jobs.ErrNewer. The context bounds the opening
// only.
//
// A store that finds its file damaged later writes nothing any more: every
// write fails with jobs.ErrCorrupt until the file is replaced and opened anew.
// While it checks a report of damage, writes fail with jobs.ErrUnavailable.
func Open(ctx context.Context, path string, opts ...Option) (*Store, error) {
	set := settings{busy: DefaultBusyTimeout, readers: DefaultReaders, cache: DefaultCache, log: slog.New(slog.DiscardHandler),
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

// openTries is how often a file must fail to open before it is taken for damaged
// or unreadable: the disk may have failed to read for a moment.
const openTries = 3

// openAgain opens the store, again if something could not be read or looked
// damaged. It returns a report of damage only if all of the file can be read.
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
	// database/sql lets one goroutine at a time use a connection: it needs no mutex.
	busy := fmt.Sprintf("_busy_timeout=%d", set.busy.Milliseconds())
	s.writeDB = openDB(path, "mode=rwc", busy, "_synchronous=FULL", "_foreign_keys=on",
		"_txlock=immediate", fmt.Sprintf("_cache_size=-%d", set.cache), "_mutex=no")
	s.writeDB.SetMaxOpenConns(1)
	if err := prepareSchema(ctx, s.writeDB, set.busy); err != nil {
		return nil, err
	}
	s.writeDB.SetMaxIdleConns(-1) // one that the writer gives back may be in no good state
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
	s.readDB.SetMaxOpenConns(set.readers + 1) // one is kept for data_version
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

// connectWriter opens a connection with all that durability depends on set and
// asserted.
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

// checkFile gives the plain reasons why a path cannot be opened, which SQLite
// would all call "unable to open database file".
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

// prepareWriter sets and asserts what durability depends on.
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

// Close ends the writer after what waits in it, and closes all connections.
// Calls after Close fail, writes with jobs.ErrUnavailable.
func (s *Store) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.closeHandles() })
	return s.closeErr
}

// closeHandles closes readers first: the connection that closes last moves the
// log, which a read-only one could not. If the log could not be moved they close
// last, so that it is kept until the database is opened again.
func (s *Store) closeHandles() error {
	s.examiner.stop()
	var unmoved error
	if s.writer != nil {
		s.writer.stop()
		unmoved = s.writer.moveRest()
	}
	var errs []error
	if unmoved != nil { // no error of the caller's, whose work is done and on disk
		s.log.Warn("could not move the write-ahead log into the database: it stays beside it and is moved when the database is opened again",
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
