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

// names are the files of a folder.
func names(t *testing.T, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	must(t, err)
	var found []string
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	return strings.Join(found, " ")
}

// sound asserts that the counters of all batches equal a count over the rows.
func sound(t *testing.T, s *Store) (rows int64) {
	t.Helper()
	batches, err := s.Batches(t.Context(), "", 1000)
	must(t, err)
	for _, b := range batches {
		tally, err := s.Tally(t.Context(), b.ID)
		must(t, err)
		b.Counts.APICalls = tally.APICalls // the rows do not know
		if diff := cmp.Diff(b.Counts, tally); diff != "" {
			t.Errorf("batch %s (-counters +rows):\n%s", b.ID, diff)
		}
		rows += tally.Rows
	}
	return rows
}

// TestBackupWhileAllGoesOn copies under load and opens the copy as a database.
func TestBackupWhileAllGoesOn(t *testing.T) {
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
			t.Errorf("made %+v", made)
		}
		copied := openAt(t, path, WithCheck())
		if rows := sound(t, copied); rows != made.Jobs || rows < n {
			t.Errorf("%d rows in the copy, told of %d", rows, made.Jobs)
		}
		must(t, copied.Close())
	}
	cancel()
	load.Wait()
	if got := names(t, folder); got != "copy0.db copy1.db copy2.db" {
		t.Errorf("left %s", got)
	}
	sound(t, s)
}

func TestBackupReplacesNothingUnasked(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "a.db")
	s := openAt(t, path)
	fill(t, s, "b1", 3)
	there := filepath.Join(folder, "there.db")
	must(t, os.WriteFile(there, []byte("precious"), 0o600))
	if _, err := s.Backup(t.Context(), there, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if data, _ := os.ReadFile(there); string(data) != "precious" {
		t.Errorf("the file holds %q", data)
	}
	alias := filepath.Join(folder, "alias.db")
	must(t, os.Symlink(path, alias))
	for _, own := range []string{path, path + walSuffix, alias, folder} {
		if _, err := s.Backup(t.Context(), own, true); !errors.Is(err, jobs.ErrInvalid) {
			t.Errorf("over %s: %v", own, err)
		}
	}
	if _, err := s.Backup(t.Context(), there, true); err != nil {
		t.Errorf("by force: %v", err)
	}
	if rows := sound(t, openAt(t, there)); rows != 3 {
		t.Errorf("%d rows", rows)
	}
	if _, err := s.Backup(t.Context(), filepath.Join(folder, "none", "a.db"), false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into no folder: %v", err)
	}
}

// TestLookingAtABackupInTurns: the first to close cannot give it its form back
// while another one has it open, and must not harm that one.
func TestLookingAtABackupInTurns(t *testing.T) {
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
	if rows := sound(t, openAt(t, backup, WithCheck())); rows != 7 {
		t.Errorf("%d rows", rows)
	}
}

func TestPublishTakesNoNameThatIsTaken(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	partial, taken := filepath.Join(folder, "x.partial"), filepath.Join(folder, "x")
	must(t, os.WriteFile(partial, []byte("new"), 0o600))
	must(t, os.WriteFile(taken, []byte("old"), 0o600))
	if err := publish(partial, taken, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	if data, _ := os.ReadFile(taken); string(data) != "old" {
		t.Errorf("holds %q", data)
	}
}

// TestInterruptedBackupLeavesNothing: the context ends amid the copy.
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
	for names(t, folder) == "" {
		select {
		case err := <-done:
			t.Fatalf("over before it had begun: %v", err)
		default:
			must(t, pause(t.Context(), 100*time.Microsecond))
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := names(t, folder); got != "" {
		t.Errorf("left %s", got)
	}
	if _, err := s.Backup(t.Context(), filepath.Join(folder, "copy.db"), false); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestBackupOfADamagedDatabaseIsNotKept(t *testing.T) {
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
	if got := names(t, folder); got != "" {
		t.Errorf("left %s", got)
	}
}

// TestRestoreBesideAnOldLog: the log of the database that a backup replaces
// would be moved into the backup.
func TestRestoreBesideAnOldLog(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := openAt(t, filepath.Join(folder, "running.db"))
	fill(t, s, "b1", 10)
	backup := filepath.Join(folder, "backup.db")
	_, err := s.Backup(t.Context(), backup, false)
	must(t, err)
	looked := openAt(t, backup) // somebody looks at it first
	sound(t, looked)
	must(t, looked.Close())
	fill(t, s, "b2", 300)
	path := filepath.Join(folder, "a.db")
	crashed(t, s, path)
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
	if rows := sound(t, restored); rows != 10 {
		t.Errorf("%d rows, want those of the backup", rows)
	}
	fill(t, restored, "b3", 5) // it is a database like any other
	must(t, restored.Close())
	if rows := sound(t, openAt(t, path)); rows != 15 {
		t.Errorf("%d rows after more work", rows)
	}
}
