package artifact

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"shotline/jobs"
)

// openTestFolder opens a folder that is closed when the test ends.
func openTestFolder(t *testing.T, name string) *Folder {
	t.Helper()
	f, err := OpenFolder(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// text returns a source of unknown type.
func text(content string) Source {
	return Source{Reader: strings.NewReader(content), Length: int64(len(content))}
}

// listFiles returns the files below a folder, except the lock of a process.
func listFiles(t *testing.T, root string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && entry.Name() != lockName {
			relative, _ := filepath.Rel(root, name)
			names = append(names, filepath.ToSlash(relative))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// TestSaveReplacesWholeFiles checks that a file appears under its name only when
// it is complete, and that a failed one leaves nothing.
func TestSaveReplacesWholeFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "folder")
	f := openTestFolder(t, dir)
	if size, err := f.Save("a/b/c.png", text("first")); err != nil || size != 5 {
		t.Fatal(size, err)
	}
	broken := errors.New("connection lost")
	for name, from := range map[string]Source{
		"empty":            {Reader: strings.NewReader(""), Length: -1},
		"shorter":          {Reader: strings.NewReader("ab"), Length: 3},
		"longer":           {Reader: strings.NewReader("abcd"), Length: 3},
		"interrupted":      {Reader: io.MultiReader(strings.NewReader("ab"), iotest.ErrReader(broken)), Length: -1},
		"PNG without end":  {Reader: strings.NewReader("\x89PNG\r\n\x1a\n...."), Type: "image/png", Length: -1},
		"JPEG without end": {Reader: strings.NewReader("\xff\xd8\xff...."), Type: "image/jpeg", Length: -1},
		"PDF without end":  {Reader: strings.NewReader("%PDF-1.4 ..."), Type: "application/pdf", Length: -1},
	} {
		_, err := f.Save("a/b/c.png", from)
		var disk *DiskError
		if err == nil || errors.As(err, &disk) {
			t.Errorf("%s: got error %v, want one that is not of the disk", name, err)
		}
		if name == "interrupted" && !errors.Is(err, broken) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	if got := listFiles(t, dir); !slices.Equal(got, []string{"a/b/c.png"}) {
		t.Errorf("the folder has %q", got)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "a/b/c.png")); string(got) != "first" {
		t.Errorf("the file has %q", got)
	}
	for name, from := range map[string]Source{
		"known length": text("second"),
		"complete PNG": {Reader: iotest.OneByteReader(strings.NewReader("\x89PNG\r\n\x1a\n....IEND\xaeB`\x82")), Type: "image/png", Length: -1},
		"complete PDF": {Reader: strings.NewReader("%PDF" + strings.Repeat(".", 200_000) + "%%EOF\r\n"), Type: "application/pdf", Length: -1},
		"other type":   {Reader: strings.NewReader("x"), Type: "text/html", Length: -1},
	} {
		if _, err := f.Save("a/b/c.png", from); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if size, exists := f.Size("a/b/c.png"); !exists || size == 0 {
		t.Errorf("size %d, exists %v", size, exists)
	}
	for _, name := range []string{"a/b", "a/b/none.png", "../x"} {
		if _, exists := f.Size(name); exists {
			t.Errorf("%s exists", name)
		}
	}
	if err := f.Sync(); err != nil {
		t.Error(err)
	}
}

// TestSaveInRemovedFolder checks that a folder that somebody removes is created
// again.
func TestSaveInRemovedFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := openTestFolder(t, dir)
	for range 2 {
		if _, err := f.Save("a/b/c.png", text("x")); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(dir, "a")); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNothingLeavesTheFolder checks that symbolic links and names cannot lead out
// of the folder.
func TestNothingLeavesTheFolder(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Skip("cannot create symbolic links:", err)
	}
	f := openTestFolder(t, dir)
	if err := os.Symlink("circle", filepath.Join(dir, "circle")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link/x.png", "link/a/x.png", "circle/x.png"} {
		if _, err := f.Save(name, text("x")); !errors.Is(err, ErrLink) {
			t.Errorf("%s: got error %v, want ErrLink", name, err)
		}
		if err := f.RemoveOld(jobs.OldFile{Name: name}, "other.png"); err != nil {
			t.Errorf("%s: got error %v for an earlier version", name, err)
		}
	}
	for _, name := range []string{"link/x.png", "../x.png", "a/../../x.png", "/x.png"} {
		var disk *DiskError
		if _, err := f.Save(name, text("x")); !errors.As(err, &disk) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	if got := listFiles(t, outside); len(got) > 0 {
		t.Errorf("outside are %q", got)
	}
	if got := listFiles(t, filepath.Dir(dir)); slices.Contains(got, "x.png") {
		t.Errorf("above the folder are %q", got)
	}
}

// TestModes checks the permissions of files and folders.
func TestModes(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "d")
	f, err := OpenFolder(dir, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Save("a/b.png", text("x")); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"a": 0o755, "a/b.png": 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, want %v (%v)", name, info.Mode().Perm(), want, err)
		}
	}
}

// TestLeftoversAreRemoved checks that incomplete files of a dead process are
// removed, and those of a live one are not.
func TestLeftoversAreRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alive := openTestFolder(t, dir)
	for _, name := range []string{"dead/lock", "dead/part"} {
		name = filepath.Join(dir, partsPrefix+name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, partsPrefix+"starting"), 0o700); err != nil {
		t.Fatal(err)
	}
	other, err := OpenFolder(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alive.Save("a.png", text("x")); err != nil {
		t.Errorf("the live process cannot save: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if want := []string{alive.parts, "a.png"}; !slices.Equal(names, want) {
		t.Errorf("the folder has %q, want %q", names, want)
	}
}

// TestFolderThatCannotBeWritten checks the errors of OpenFolder.
func TestFolderThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		file:                         "create folder " + file + ": not a directory",
		filepath.Join(file, "below"): "not a directory",
		closed:                       "write to folder " + closed + ": permission denied",
	} {
		if name == closed && os.Geteuid() == 0 {
			continue // the superuser can write everywhere
		}
		_, err := OpenFolder(name, 0)
		var disk *DiskError
		if !errors.As(err, &disk) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", name, err, want)
		}
	}
}
