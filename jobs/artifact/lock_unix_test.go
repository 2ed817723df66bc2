//go:build unix

package artifact

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestLocksThatAreNoFiles checks that a folder can be used whose leftovers have a
// lock that is no regular file, and that they stay.
func TestLocksThatAreNoFiles(t *testing.T) {
	t.Parallel()
	for name, create := range map[string]func(lock string) error{
		"FIFO":        func(lock string) error { return syscall.Mkfifo(lock, 0o600) },
		"folder":      func(lock string) error { return os.Mkdir(lock, 0o700) },
		"link out":    func(lock string) error { return os.Symlink("/dev/null", lock) },
		"link circle": func(lock string) error { return os.Symlink(lockName, lock) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			parts := filepath.Join(dir, partsPrefix+"other")
			if err := os.Mkdir(parts, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := create(filepath.Join(parts, lockName)); err != nil {
				t.Fatal(err)
			}
			f := openTestFolder(t, dir)
			if _, err := f.Save("a.png", text("x")); err != nil {
				t.Error(err)
			}
			if _, err := os.Lstat(filepath.Join(parts, lockName)); err != nil {
				t.Error(err)
			}
		})
	}
}
