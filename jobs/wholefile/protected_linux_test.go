package wholefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

func TestProtectedFileStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	must(t, os.WriteFile(path, []byte("old"), 0o400))
	if os.Geteuid() == 0 {
		// Permissions do not apply to root, so this thread accesses files as nobody. The
		// thread ends with the test, because it is never unlocked.
		const nobody = 65534
		for _, name := range []string{filepath.Dir(dir), dir, path} {
			must(t, os.Chown(name, nobody, nobody))
		}
		runtime.LockOSThread()
		must(t, syscall.Setfsuid(nobody))
		t.Cleanup(func() { must(t, syscall.Setfsuid(0)) }) // the folder above might be root's
	}
	if err := Write(path, 0, text("new")); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
	if got := read(t, path, path); got != "old" {
		t.Errorf("the file has %q", got)
	}
}
