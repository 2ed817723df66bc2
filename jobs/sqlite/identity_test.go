package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// identityOf opens a file, reads its identity and closes it.
func identityOf(t *testing.T, path string) string {
	t.Helper()
	s, err := Open(t.Context(), path)
	must(t, err)
	id, err := s.Identity(t.Context())
	must(t, err)
	must(t, s.Close())
	return id
}

func TestCopyHasNewIdentity(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "a.db")
	id := identityOf(t, path)
	if other := identityOf(t, filepath.Join(t.TempDir(), "a.db")); other == id {
		t.Error("two databases have the same id")
	}
	s := openAt(t, path)
	_, err := s.Backup(t.Context(), filepath.Join(folder, "backup.db"), false)
	must(t, err)
	must(t, s.Close())
	data, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(folder, "copy.db"), data, 0o600))
	seen := map[string]string{id: "the database"}
	for _, name := range []string{"backup.db", "copy.db"} {
		other := identityOf(t, filepath.Join(folder, name))
		if owner := seen[other]; owner != "" {
			t.Errorf("%s has the id of %s", name, owner)
		}
		if again := identityOf(t, filepath.Join(folder, name)); again != other {
			t.Errorf("%s: identity changed from %s to %s", name, other, again)
		}
		seen[other] = name
	}
	moved := filepath.Join(folder, "moved.db")
	must(t, os.Rename(path, moved))
	if again := identityOf(t, moved); again != id {
		t.Errorf("identity after a move within the file system: got %s, want %s", again, id)
	}
}

// TestRestoredBackupHasNewIdentity checks that a backup gets a new identity even
// if it replaces the content of the original file.
func TestRestoredBackupHasNewIdentity(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path, backup := filepath.Join(folder, "a.db"), filepath.Join(folder, "backup.db")
	s := openAt(t, path)
	id, err := s.Identity(t.Context())
	must(t, err)
	_, err = s.Backup(t.Context(), backup, false)
	must(t, err)
	must(t, s.Close())
	data, err := os.ReadFile(backup)
	must(t, err)
	must(t, os.WriteFile(path, data, 0o600)) // the same file with new content
	if restored := identityOf(t, path); restored == id {
		t.Error("the restored database has the id of the original")
	}
}

func TestExistingIdentityNeedsNoWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	id := identityOf(t, path)
	s := openAt(t, path)
	must(t, s.writeDB.Close()) // any use of the writer fails now
	if again, err := s.Identity(context.WithoutCancel(t.Context())); err != nil || again != id {
		t.Errorf("got %s, %v, want %s", again, err, id)
	}
}
