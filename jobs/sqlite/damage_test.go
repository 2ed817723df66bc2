package sqlite

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
)

// copyLikeCrash copies a database that is in use, with its log and shared memory.
// The copy is in the state that a crash would leave.
func copyLikeCrash(t *testing.T, s *Store, path string) {
	t.Helper()
	for _, suffix := range []string{"", walSuffix, shmSuffix} {
		data, err := os.ReadFile(s.path + suffix)
		must(t, err)
		must(t, os.WriteFile(path+suffix, data, 0o600))
	}
}

// checkpoint moves the log into the database.
func checkpoint(t *testing.T, path string) {
	t.Helper()
	execute(t, raw(t, path), `PRAGMA wal_checkpoint(TRUNCATE)`)
}

func overwrite(t *testing.T, path string, at int64, data string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt([]byte(data), at)
	must(t, errors.Join(err, f.Close()))
}

// rootPage returns the offset of the first page of a table or an index.
func rootPage(t *testing.T, path, name string) (at int64) {
	t.Helper()
	db := raw(t, path)
	must(t, db.QueryRow(`SELECT (rootpage - 1) * (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE name = ?`, name).Scan(&at))
	must(t, db.Close())
	return at
}

// pageCount reads the page count from a copy, so that the log does not change.
func pageCount(t *testing.T, path string) (pages uint32) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy.db")
	for _, suffix := range []string{"", walSuffix} {
		data, err := os.ReadFile(path + suffix)
		must(t, err)
		must(t, os.WriteFile(copied+suffix, data, 0o600))
	}
	must(t, raw(t, copied).QueryRow(`PRAGMA page_count`).Scan(&pages))
	return pages
}

func TestDamagedFilesAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		damage  func(t *testing.T, path string)
		message string // part of the error; if empty, the file opens and all rows are there
	}{
		"untouched":            {func(*testing.T, string) {}, ""},
		"garbage header":       {func(t *testing.T, path string) { overwrite(t, path, 0, "garbage garbage garbage") }, "not a database"},
		"odd page size":        {func(t *testing.T, path string) { overwrite(t, path, 16, "\x10\x01") }, "page size of 4097"},
		"shorter than its log": {func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) }, "it is empty, although"},
		"short, all in its log": {func(t *testing.T, path string) {
			// A crash during a checkpoint leaves the file like this: the first page is
			// written and contains the new page count, but other pages are missing.
			pages := pageCount(t, path)
			overwrite(t, path, 28, string(binary.BigEndian.AppendUint32(nil, pages)))
			if info, err := os.Stat(path); err != nil || info.Size() >= int64(pages)*4096 {
				t.Fatalf("the file is not shorter than its page count: %v", err)
			}
		}, ""},
		"cut short": {func(t *testing.T, path string) {
			checkpoint(t, path)
			info, err := os.Stat(path)
			must(t, err)
			must(t, os.Truncate(path, info.Size()-5000))
		}, "it is cut short"},
		"cut to a few bytes": {func(t *testing.T, path string) { checkpoint(t, path); must(t, os.Truncate(path, 10)) }, "not a database"},
		"damaged table": {func(t *testing.T, path string) {
			checkpoint(t, path)
			overwrite(t, path, rootPage(t, path, "inbox"), strings.Repeat("\xff", 4096))
		}, "Tree"},
		"damaged index": {func(t *testing.T, path string) {
			checkpoint(t, path)
			overwrite(t, path, rootPage(t, path, "jobs_queued"), strings.Repeat("\xff", 4096))
		}, "Tree"},
		"damaged schema": {func(t *testing.T, path string) {
			checkpoint(t, path)
			overwrite(t, path, 100, strings.Repeat("\xff", 3000))
		}, "malformed"},
		"log of another database": {func(t *testing.T, path string) {
			overwrite(t, path, 18, "\x01\x01") // as in a backup
		}, "is the log of another database"},
		"log missing":         {func(t *testing.T, path string) { must(t, os.Remove(path+walSuffix)) }, "-wal is missing"},
		"log emptied":         {func(t *testing.T, path string) { must(t, os.Truncate(path+walSuffix, 0)) }, "-wal is missing"},
		"shm missing":         {func(t *testing.T, path string) { must(t, os.Remove(path+shmSuffix)) }, ""},
		"shm garbage":         {func(t *testing.T, path string) { overwrite(t, path+shmSuffix, 0, strings.Repeat("x", 500)) }, ""},
		"empty log and shm":   {emptyLog, ""},
		"shm without content": {func(t *testing.T, path string) { emptyLog(t, path); must(t, os.Remove(path+walSuffix)) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			s := openAt(t, filepath.Join(folder, "running.db"))
			fill(t, s, "b1", 300)
			path := filepath.Join(folder, "a.db")
			copyLikeCrash(t, s, path)
			test.damage(t, path)
			before, err := os.ReadFile(path)
			must(t, err)
			opened, err := Open(t.Context(), path, WithCheck())
			if test.message == "" {
				must(t, err)
				if b, err := opened.Tally(t.Context(), "b1"); err != nil || b.Rows != 300 {
					t.Errorf("got %d rows, %v", b.Rows, err)
				}
				must(t, opened.Close())
				return
			}
			if err == nil {
				must(t, opened.Close())
			}
			if !errors.Is(err, jobs.ErrCorrupt) {
				t.Fatalf("got %v", err)
			}
			for _, part := range []string{path, test.message, "shotline backup"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not contain %q", err, part)
				}
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the refused file was changed")
			}
		})
	}
}

// emptyLog moves everything into the database and leaves an empty log.
func emptyLog(t *testing.T, path string) {
	t.Helper()
	db := raw(t, path)
	execute(t, db, `PRAGMA wal_checkpoint(TRUNCATE)`)
	folder := t.TempDir()
	for _, suffix := range []string{walSuffix, shmSuffix} {
		must(t, os.Rename(path+suffix, filepath.Join(folder, "kept"+suffix)))
	}
	must(t, db.Close())
	for _, suffix := range []string{walSuffix, shmSuffix} {
		must(t, os.Rename(filepath.Join(folder, "kept"+suffix), path+suffix))
	}
}

// untilChecked repeats do until the store has verified the damage that do ran
// into.
func untilChecked(t *testing.T, do func() error) error {
	t.Helper()
	for {
		err := do()
		if !errors.Is(err, jobs.ErrUnavailable) || errors.Is(err, jobs.ErrCorrupt) {
			return err
		}
		must(t, pause(t.Context(), time.Millisecond))
	}
}

// TestDamageFoundLaterStopsWrites checks that writes stop after a reader has
// found damage in a database that is open.
func TestDamageFoundLaterStopsWrites(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	first := openAt(t, path)
	fill(t, first, "b1", 3000)
	must(t, first.Close())
	at := rootPage(t, path, "jobs")
	overwrite(t, path, at, strings.Repeat("\xff", 4096))

	s := openAt(t, path) // without WithCheck, as a large file is opened
	if _, err := s.Batch(t.Context(), "b1"); err != nil {
		t.Fatalf("read an intact page: %v", err)
	}
	_, err := s.AppendDelivery(t.Context(), delivery("1", jobs.OutcomeDone))
	must(t, err)
	err = untilChecked(t, func() error { _, err := s.Tally(t.Context(), "b1"); return err })
	if !errors.Is(err, jobs.ErrCorrupt) || !strings.Contains(err.Error(), path) {
		t.Fatalf("read a damaged page: %v", err)
	}
	for name, write := range map[string]func() error{
		"append": func() error {
			_, err := s.AppendDelivery(t.Context(), delivery("1", jobs.OutcomeDone))
			return err
		},
		"lease": func() error {
			_, err := s.Lease(t.Context(), "b1", "w", 1, noon, noon.Add(time.Minute))
			return err
		},
	} {
		if err := write(); !errors.Is(err, jobs.ErrCorrupt) || !strings.Contains(err.Error(), "shotline backup") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMovedFilesStopWrites(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{"", walSuffix} {
		t.Run("file"+suffix, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "a.db")
			s := openAt(t, path)
			fill(t, s, "b1", 1)
			appendOne := func() error {
				_, err := s.AppendDelivery(t.Context(), delivery("1", jobs.OutcomeDone))
				return err
			}
			must(t, appendOne())
			must(t, os.Rename(path+suffix, path+suffix+".away"))
			if err := appendOne(); !errors.Is(err, jobs.ErrUnavailable) || !strings.Contains(err.Error(), path+suffix+" was moved or removed") {
				t.Errorf("moved away: %v", err)
			}
			must(t, os.WriteFile(path+suffix, nil, 0o600))
			if err := appendOne(); !errors.Is(err, jobs.ErrUnavailable) || !strings.Contains(err.Error(), "was replaced") {
				t.Errorf("replaced: %v", err)
			}
			must(t, os.Rename(path+suffix+".away", path+suffix))
			must(t, appendOne())
			if _, err := os.Stat(path + suffix + ".away"); !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
		})
	}
}
