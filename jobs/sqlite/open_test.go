package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"
	"github.com/pressly/goose/v3"

	"shotline/jobs"
)

// raw opens a database without the store.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", dsn(path, "_busy_timeout=100"))
	must(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func execute(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func TestWriterIsDurable(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
	for pragma, want := range map[string]string{
		"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1", "temp_store": "2",
		"application_id": fmt.Sprint(applicationID), "busy_timeout": "1", "cache_size": "-65536", "wal_autocheckpoint": "0",
	} {
		var got string
		must(t, s.write(t.Context(), func(tx *tx) error { return tx.get([]any{&got}, "PRAGMA "+pragma) }))
		if got != want {
			t.Errorf("%s is %s, want %s", pragma, got, want)
		}
	}
	if _, err := s.readDB.Exec(`DELETE FROM inbox`); err == nil {
		t.Error("a reader can write")
	}
}

func TestOpenRefuses(t *testing.T) {
	folder := t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }
	must(t, os.WriteFile(at("text.db"), []byte(strings.Repeat("not a database\n", 400)), 0o600))
	execute(t, raw(t, at("foreign.db")), `CREATE TABLE things (id INTEGER)`)
	execute(t, raw(t, at("other.db")), `PRAGMA application_id = 42`, `CREATE TABLE goose_db_version (version_id INTEGER)`)
	must(t, openAt(t, at("newer.db")).Close())
	execute(t, raw(t, at("newer.db")), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`)
	must(t, os.Mkdir(at("folder.db"), 0o700))

	for _, tt := range []struct {
		path string
		want error
		text string
	}{
		{"text.db", jobs.ErrCorrupt, "not a database"},
		{"foreign.db", jobs.ErrCorrupt, "another program's"},
		{"other.db", jobs.ErrCorrupt, "another program's"},
		{"newer.db", jobs.ErrNewer, "version 999"},
		{"folder.db", jobs.ErrUnavailable, "directory"},
		{"missing/a.db", jobs.ErrUnavailable, "no such file"},
	} {
		t.Run(tt.path, func(t *testing.T) {
			before, _ := os.ReadFile(at(tt.path))
			s, err := Open(t.Context(), at(tt.path))
			if err == nil {
				s.Close()
			}
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), at(tt.path)) {
				t.Errorf("got %v, want %v with %q and the path", err, tt.want, tt.text)
			}
			if advised := strings.Contains(err.Error(), "shotline backup"); advised != (tt.path == "text.db") {
				t.Errorf("advice to restore a backup: %t: %v", advised, err)
			}
			if after, _ := os.ReadFile(at(tt.path)); string(after) != string(before) {
				t.Error("the refused file was changed")
			}
		})
	}
}

func TestPathWithSpecialCharacters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a? 100% #1 ü.db")
	openAt(t, path)
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// TestErrorsOfSQLite covers errors that a test cannot cause on every machine: a
// full disk, and a read-only file if the tests run as root.
func TestErrorsOfSQLite(t *testing.T) {
	for code, want := range map[sqlite3.ErrNo]error{
		sqlite3.ErrFull: jobs.ErrUnavailable, sqlite3.ErrReadonly: jobs.ErrUnavailable, sqlite3.ErrIoErr: jobs.ErrUnavailable,
		sqlite3.ErrBusy: jobs.ErrUnavailable, sqlite3.ErrCantOpen: jobs.ErrUnavailable,
		sqlite3.ErrCorrupt: jobs.ErrUnavailable, sqlite3.ErrNotADB: jobs.ErrUnavailable, // until a check has found damage
	} {
		err := wrapError(fmt.Errorf("inside: %w", sqlite3.Error{Code: code}), "do %d things", 2)
		if !errors.Is(err, want) || errors.Is(err, jobs.ErrCorrupt) || !strings.HasPrefix(err.Error(), "do 2 things: ") || !broken(err) || ofData(err) {
			t.Errorf("%v: got %v, want %v", code, err, want)
		}
	}
	if constraint := error(sqlite3.Error{Code: sqlite3.ErrConstraint}); broken(constraint) || !ofData(constraint) {
		t.Error("a failed constraint must fail only its operation, because of its data")
	}
	if program := error(sqlite3.Error{Code: sqlite3.ErrError}); ofData(program) {
		t.Error("an error in a statement must not count as caused by the data")
	}
}

// TestReadOnlyDatabase makes the writer's connection reject writes, as a
// read-only file would.
func TestReadOnlyDatabase(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
	if _, err := s.writer.conn.ExecContext(t.Context(), `PRAGMA query_only = ON`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AppendDelivery(t.Context(), delivery("1", jobs.OutcomeDone)); !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("append: %v", err)
	}
}

func TestConcurrentOpensOfANewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.db")
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			s, err := Open(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if err := s.CreateBatch(t.Context(), jobs.BatchSpec{ID: fmt.Sprintf("b%d", i)}, noon); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, err := openAt(t, path).Batches(t.Context(), "", 10)
	if err != nil || len(list) != 6 {
		t.Errorf("%d batches, %v", len(list), err)
	}
}

func TestOpenLockedDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locked.db")
	other := raw(t, path)
	execute(t, other, `PRAGMA locking_mode = EXCLUSIVE`, `BEGIN EXCLUSIVE`, `CREATE TABLE t (a)`)
	began := time.Now()
	s, err := Open(t.Context(), path, WithBusyTimeout(50*time.Millisecond))
	if err == nil {
		s.Close()
	}
	if !errors.Is(err, jobs.ErrUnavailable) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "locked") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
}

// TestOlderSchemaIsMigrated opens a file of the first version that has a batch,
// and continues to work on the batch.
func TestOlderSchemaIsMigrated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old.db")
	old := raw(t, path)
	folder, err := fs.Sub(migrations, "migrations")
	must(t, err)
	provider, err := goose.NewProvider(goose.DialectSQLite3, old, folder, goose.WithLogger(goose.NopLogger()))
	must(t, err)
	_, err = provider.UpTo(t.Context(), 1)
	must(t, err)
	execute(t, old,
		`INSERT INTO batches (id, state, rows, queued, failed, by_webhook, revision, touched_at, created_at)
			VALUES ('b1', 'open', 2, 1, 1, 1, 0, 1, 1)`,
		`INSERT INTO jobs (seq, state, attempt, closed_by, closed_at, screenshot_id, url, created_at)
			VALUES ((1 << 32) + 1, 'failed', 1, 'webhook', 2, 's1', 'https://a.test/', 1)`,
		`INSERT INTO jobs (seq, state, url, created_at) VALUES ((1 << 32) + 2, 'queued', 'https://b.test/', 1)`)
	must(t, old.Close())

	s := openAt(t, path)
	now := time.Now()
	effects, err := s.Retry(t.Context(), []jobs.Retry{{Job: jobs.ID{Batch: "b1", Row: 1}, Attempt: 1, From: jobs.Retriable}}, now)
	must(t, err)
	if len(effects.Retried) != 1 {
		t.Errorf("retried %v", effects.Retried)
	}
	effects, err = s.Cancel(t.Context(), []jobs.ID{{Batch: "b1", Row: 1}, {Batch: "b1", Row: 2}}, now)
	must(t, err)
	if len(effects.Closed) != 2 || len(effects.Finished) != 1 {
		t.Errorf("canceled %+v, finished %v", effects.Closed, effects.Finished)
	}
}

// TestSecondStoreKeepsLocks opens the same file twice in one process. That must
// not release the locks of the first store: another process would assume that the
// file is not in use, and remove its log.
func TestSecondStoreKeepsLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	must(t, openAt(t, path).Close()) // if the file exists already, its log begins empty
	first := openAt(t, path)
	openAt(t, path)
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), appendsVariable+"=1", fileVariable+"="+path)
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	must(t, first.Announce(t.Context(), jobs.Worker{ID: "w1", SeenAt: time.Now()}))
}
