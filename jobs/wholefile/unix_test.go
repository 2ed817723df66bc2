//go:build unix

package wholefile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestWriteKeepsOwner gives the file to another owner, which only root can do.
// Other users keep it.
func TestWriteKeepsOwner(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a")
	must(t, os.WriteFile(path, []byte("old"), 0o600))
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 {
		uid, gid = 4711, 4712
	}
	must(t, os.Chown(path, uid, gid))
	must(t, Write(path, 0, text("new")))
	info, err := os.Stat(path)
	must(t, err)
	if got := info.Sys().(*syscall.Stat_t); int(got.Uid) != uid || int(got.Gid) != gid || info.Mode() != 0o600 {
		t.Errorf("got owner %d:%d, mode %v", got.Uid, got.Gid, info.Mode())
	}
}

// TestDescriptorIsNotReplaced checks that the name of an open descriptor does not
// replace the file behind it.
func TestDescriptorIsNotReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a")
	file, err := os.Create(path)
	must(t, err)
	defer file.Close()
	name := filepath.Join("/proc/self/fd", strconv.Itoa(int(file.Fd())))
	if _, err := os.Stat(name); err != nil {
		t.Skip("no /proc")
	}
	if err := Write(name, 0, text("x")); !errors.Is(err, ErrNotRegular) {
		t.Errorf("got %v", err)
	}
	if info, err := file.Stat(); err != nil || info.Sys().(*syscall.Stat_t).Nlink != 1 {
		t.Errorf("the file was replaced: %v", err)
	}
}

// TestErrorsNameTheLink checks that the error of a link into a folder that does not
// exist names the link.
func TestErrorsNameTheLink(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "link.csv")
	must(t, os.Symlink("none/results.csv", link))
	if _, err := Resolve(link); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), link+": ") {
		t.Errorf("got %v", err)
	}
}

// TestErrorsNameTheFile lets a write fail and checks that the error is about the
// file and not about the temporary one.
func TestErrorsNameTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "results.csv")
	err := Write(path, 0, func(w io.Writer) error {
		if err := w.(destination).file.Close(); err != nil {
			return err
		}
		_, err := io.WriteString(w, "x")
		return err
	})
	if !errors.Is(err, fs.ErrClosed) || !strings.Contains(err.Error(), "write "+path+":") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file exists: %v", err)
	}
}
