package wholefile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func text(content string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, content); return err }
}

// read returns the content of a file and checks that nothing else is in its
// folder but the given names.
func read(t *testing.T, path string, names ...string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	if len(entries) != len(names) {
		t.Errorf("the folder has %v, want %v", entries, names)
	}
	return string(data)
}

func TestWrite(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, strings.Repeat("n", 255)) // the longest name
	must(t, Write(path, 0, text("one")))
	before, err := os.Stat(path)
	must(t, err)
	must(t, os.Chmod(path, 0o640))
	must(t, Write(path, 0, text("two")))
	after, err := os.Stat(path)
	must(t, err)
	if got := read(t, path, path); got != "two" || after.Mode() != 0o640 {
		t.Errorf("got %q with mode %v, want two and 0640", got, after.Mode())
	}
	if os.SameFile(before, after) {
		t.Error("the file was changed in place")
	}
	must(t, Write(path, 0o604, text("three")))
	if after, err = os.Stat(path); err != nil || after.Mode() != 0o604 {
		t.Errorf("got mode %v, %v, want 0604", after.Mode(), err)
	}
	failed := errors.New("failed")
	err = Write(path, 0, func(w io.Writer) error { _ = text("four")(w); return failed })
	if got := read(t, path, path); got != "three" || !errors.Is(err, failed) {
		t.Errorf("after an error the file has %q, error %v", got, err)
	}
}

// TestWriteFollowsLinks checks links to files in other folders, also to files
// that do not exist, with ".." behind a link to a folder.
func TestWriteFollowsLinks(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(root, "real", "deep"), 0o700))
	must(t, os.Symlink(filepath.Join("real", "deep"), filepath.Join(root, "folder")))
	for name, link := range map[string]string{
		"plain": "real/plain", "absolute": filepath.Join(root, "real", "absolute"), "up": "folder/../up", "twice": "plain2",
	} {
		must(t, os.Symlink(link, filepath.Join(root, name)))
	}
	must(t, os.Symlink("real/twice", filepath.Join(root, "plain2")))
	for _, name := range []string{"plain", "absolute", "up", "twice"} {
		for _, content := range []string{"new", "old"} {
			must(t, Write(filepath.Join(root, name), 0, text(content)))
			data, err := os.ReadFile(filepath.Join(root, "real", name))
			if err != nil || string(data) != content {
				t.Errorf("%s: the target has %q, %v", name, data, err)
			}
			if info, err := os.Lstat(filepath.Join(root, name)); err != nil || info.Mode()&fs.ModeSymlink == 0 {
				t.Errorf("%s is no longer a link: %v, %v", name, info.Mode(), err)
			}
		}
	}
	must(t, os.Symlink("around", filepath.Join(root, "around")))
	if err := Write(filepath.Join(root, "around"), 0, text("x")); err == nil {
		t.Error("wrote to a link to itself")
	}
}

func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for path, want := range map[string]error{
		folder:                             ErrNotRegular,
		filepath.Join(folder, "new") + "/": ErrNotRegular,
		filepath.Join(folder, "none", "x"): fs.ErrNotExist,
		os.DevNull:                         ErrNotRegular,
	} {
		err := Write(path, 0, func(io.Writer) error { t.Errorf("%s: content was requested", path); return nil })
		if !errors.Is(err, want) || !strings.Contains(err.Error(), strings.TrimSuffix(path, "/x")) {
			t.Errorf("%s: got %v, want %v", path, err, want)
		}
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) > 0 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
}
