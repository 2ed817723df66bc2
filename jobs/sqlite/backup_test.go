package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

// fileNames returns the names of the files in a folder.
func fileNames(t *testing.T, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	must(t, err)
	var found []string
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	return strings.Join(found, " ")
}

// checkCounters checks that the counters of all batches equal a count over the
// rows. It returns the number of rows.
func checkCounters(t *testing.T, s *Store) (rows int64) {
	t.Helper()
	batches, err := s.Batches(t.Context(), "", 1000)
	must(t, err)
	for _, b := range batches {
		tally, err := s.Tally(t.Context(), b.ID)
		must(t, err)
		b.Counts.APICalls = tally.APICalls // the rows do not contain it
		if diff := cmp.Diff(b.Counts, tally); diff != "" {
			t.Errorf("batch %s (-counters +rows):\n%s", b.ID, diff)
		}
		rows += tally.Rows
	}
	return rows
}

// TestBackupUnderLoad makes backups while other goroutines write, and opens each
// backup as a database.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
	const n = 2000
	fill(t, s, "b1", n)
	submit(t, s, "b1", n)
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	load.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_, err := s.AppendDelivery(t.Context(), delivery(fmt.Sprintf("b1-%d", i%n+1), jobs.OutcomeDone))
			if err == nil {
				_, err = s.ApplyInbox(t.Context(), noon.Add(time.Minute), 7)
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	load.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			fill(t, s, fmt.Sprintf("more%d", i), 5)
		}
	})
	folder := t.TempDir()
	for i := range 3 {
		path := filepath.Join(folder, fmt.Sprintf("copy%d.db", i))
		made, err := s.Backup(t.Context(), path, false)
		must(t, err)
		if made.Path != path || made.Bytes != sizeOf(path) || made.Batches < 1 {
			t.Errorf("got %+v", made)
		}
		copied := openAt(t, path, WithCheck())
		if rows := checkCounters(t, copied); rows != made.Jobs || rows < n {
			t.Errorf("the copy has %d rows, Backup returned %d", rows, made.Jobs)
		}
		must(t, copied.Close())
	}
	cancel()
	load.Wait()
	if got := fileNames(t, folder); got != "copy0.db copy1.db copy2.db" {
		t.Errorf("files left: %s", got)
	}
	checkCounters(t, s)
}

func TestBackupRejectsNamesThatSQLiteUses(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "a.db")
	s := openAt(t, path)
	fill(t, s, "b1", 3)
	before := fileNames(t, folder)
	for _, suffix := range []string{"-journal", "-wal", "-shm"} {
		for _, force := range []bool{false, true} {
			if _, err := s.Backup(t.Context(), path+suffix, force); !errors.Is(err, jobs.ErrInvalid) {
				t.Errorf("to a.db%s, force %t: %v", suffix, force, err)
			}
		}
	}
	if got := fileNames(t, folder); got != before {
		t.Errorf("the folder has %s, want %s", got, before)
	}
	other := filepath.Join(t.TempDir(), "a.db-journal")
	if _, err := s.Backup(t.Context(), other, false); err != nil {
		t.Errorf("into another folder: %v", err)
	}
}

func TestBackupReplacesOnlyWithForce(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "a.db")
	s := openAt(t, path)
	fill(t, s, "b1", 3)
	there := filepath.Join(folder, "there.db")
	must(t, os.WriteFile(there, []byte("content"), 0o600))
	if _, err := s.Backup(t.Context(), there, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("existing file without force: %v", err)
	}
	if data, _ := os.ReadFile(there); string(data) != "content" {
		t.Errorf("the file was changed to %q", data)
	}
	alias := filepath.Join(folder, "alias.db")
	must(t, os.Symlink(path, alias))
	for _, own := range []string{path, path + walSuffix, alias, folder} {
		if _, err := s.Backup(t.Context(), own, true); !errors.Is(err, jobs.ErrInvalid) {
			t.Errorf("over %s of the database itself: %v", own, err)
		}
	}
	if _, err := s.Backup(t.Context(), there, true); err != nil {
		t.Errorf("with force: %v", err)
	}
	if rows := checkCounters(t, openAt(t, there)); rows != 3 {
		t.Errorf("got %d rows", rows)
	}
	if _, err := s.Backup(t.Context(), filepath.Join(folder, "none", "a.db"), false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into a missing folder: %v", err)
	}
}

// TestBackupOpenedTwice checks that two stores can have a backup open. The store
// that closes first cannot restore the original journal mode of the file, and
// must not disturb the other store.
func TestBackupOpenedTwice(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := openAt(t, filepath.Join(folder, "a.db"))
	fill(t, s, "b1", 3)
	backup := filepath.Join(folder, "backup.db")
	_, err := s.Backup(t.Context(), backup, false)
	must(t, err)
	first, second := openAt(t, backup), openAt(t, backup)
	must(t, first.Close())
	fill(t, second, "b2", 4)
	must(t, second.Close())
	if rows := checkCounters(t, openAt(t, backup, WithCheck())); rows != 7 {
		t.Errorf("got %d rows", rows)
	}
}

func TestPublishReplacesNothing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	partial, taken := filepath.Join(folder, "x.partial"), filepath.Join(folder, "x")
	must(t, os.WriteFile(partial, []byte("new"), 0o600))
	must(t, os.WriteFile(taken, []byte("old"), 0o600))
	if err := publish(partial, taken, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	if data, _ := os.ReadFile(taken); string(data) != "old" {
		t.Errorf("the file was changed to %q", data)
	}
}

// TestInterruptedBackupLeavesNothing cancels the context during the copy.
func TestInterruptedBackupLeavesNothing(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
	big := delivery("1", jobs.OutcomeDone)
	big.Body = make([]byte, 1<<20)
	for range 3 * backupStep * 4096 / len(big.Body) {
		_, err := s.AppendDelivery(t.Context(), big)
		must(t, err)
	}
	folder := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := s.Backup(ctx, filepath.Join(folder, "copy.db"), false)
		done <- err
	}()
	for fileNames(t, folder) == "" {
		select {
		case err := <-done:
			t.Fatalf("the backup ended before it created a file: %v", err)
		default:
			must(t, pause(t.Context(), 100*time.Microsecond))
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := fileNames(t, folder); got != "" {
		t.Errorf("files left: %s", got)
	}
	if _, err := s.Backup(t.Context(), filepath.Join(folder, "copy.db"), false); err != nil {
		t.Errorf("next backup: %v", err)
	}
}

func TestBackupOfADamagedDatabaseFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	first := openAt(t, path)
	fill(t, first, "b1", 3000)
	must(t, first.Close())
	overwrite(t, path, rootPage(t, path, "jobs"), strings.Repeat("\xff", 4096))
	folder := t.TempDir()
	_, err := openAt(t, path).Backup(t.Context(), filepath.Join(folder, "copy.db"), false)
	if !errors.Is(err, jobs.ErrCorrupt) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if got := fileNames(t, folder); got != "" {
		t.Errorf("files left: %s", got)
	}
}

// TestRestoreNextToOldLog puts a backup in the place of a database whose log
// still exists. Opening must fail, because SQLite would move the log into the
// backup.
func TestRestoreNextToOldLog(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := openAt(t, filepath.Join(folder, "running.db"))
	fill(t, s, "b1", 10)
	backup := filepath.Join(folder, "backup.db")
	_, err := s.Backup(t.Context(), backup, false)
	must(t, err)
	inspected := openAt(t, backup) // a user might open the backup before restoring it
	checkCounters(t, inspected)
	must(t, inspected.Close())
	fill(t, s, "b2", 300)
	path := filepath.Join(folder, "a.db")
	copyLikeCrash(t, s, path)
	data, err := os.ReadFile(backup)
	must(t, err)
	must(t, os.WriteFile(path, data, 0o600))

	opened, err := Open(t.Context(), path)
	if err == nil {
		opened.Close()
	}
	if !errors.Is(err, jobs.ErrCorrupt) || !strings.Contains(err.Error(), path+"-wal is the log of another database") {
		t.Fatalf("got %v", err)
	}
	must(t, os.Remove(path+walSuffix))
	must(t, os.Remove(path+shmSuffix))
	restored := openAt(t, path)
	if rows := checkCounters(t, restored); rows != 10 {
		t.Errorf("got %d rows, want the 10 of the backup", rows)
	}
	fill(t, restored, "b3", 5) // the restored database can be written
	must(t, restored.Close())
	if rows := checkCounters(t, openAt(t, path)); rows != 15 {
		t.Errorf("got %d rows after another batch, want 15", rows)
	}
}
