package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"shotline/jobs"
	"shotline/jobs/sqlite"
)

// TestKilledBackupLeavesNoFile kills a backup shortly after it has started.
func TestKilledBackupLeavesNoFile(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a whole process in the middle of a large backup")
	}
	t.Parallel()
	program, err := exec.LookPath("shotline") // the test binary itself, see TestMain
	if err != nil {
		t.Fatal(err)
	}
	db, folder := filepath.Join(t.TempDir(), "a.db"), t.TempDir()
	store, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	for range 32 {
		if _, err := store.AppendDelivery(t.Context(), jobs.Delivery{Event: "large", Body: make([]byte, 1<<20)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	file := filepath.Join(folder, "copy.db")
	command := func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), program, "backup", file, "--db", db)
		cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
		return cmd
	}
	cmd := command()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for {
		if begun, err := filepath.Glob(filepath.Join(folder, "*.partial")); err != nil || len(begun) > 0 {
			break
		}
		if err := clock.Sleep(t.Context(), time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the backup ended before it was killed")
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a partial backup exists: %v", err)
	}
	if output, err := command().CombinedOutput(); err != nil {
		t.Errorf("the next backup: %v: %s", err, output)
	}
}
