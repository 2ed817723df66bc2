package artifact

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"shotline/jobs"
)

// TestRemoveOld checks that an earlier version of a file is removed only if it is
// still what was saved.
func TestRemoveOld(t *testing.T) {
	t.Parallel()
	saved := time.Date(2026, 3, 4, 5, 6, 7, 8e8, time.UTC)
	for name, test := range map[string]struct {
		change func(path string) error
		old    jobs.OldFile
		stays  bool
	}{
		"as saved":     {},
		"milliseconds": {old: jobs.OldFile{SavedAt: saved.Truncate(time.Millisecond)}},
		"already gone": {change: os.Remove},
		"other size":   {change: func(path string) error { return os.WriteFile(path, []byte("edited"), 0o600) }, stays: true},
		"same size": {change: func(path string) error {
			return os.WriteFile(path, []byte("EDITED"), 0o600)
		}, old: jobs.OldFile{Size: 6}, stays: true},
		"not saved by us": {old: jobs.OldFile{SavedAt: saved.Add(-time.Hour)}, stays: true},
		"outside":         {old: jobs.OldFile{Name: "../x.png"}, stays: true},
	} {
		f := openTestFolder(t, t.TempDir())
		from := text("first")
		from.Time = saved
		size, err := f.Save("a/old.png", from)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(f.Path(), "a", "old.png")
		if test.change != nil {
			if err := test.change(path); err != nil {
				t.Fatal(err)
			}
		}
		old := jobs.OldFile{Name: "a/old.png", Size: size, SavedAt: saved}
		if test.old.Name != "" {
			old.Name = test.old.Name
		}
		if test.old.Size != 0 {
			old.Size = test.old.Size
		}
		if !test.old.SavedAt.IsZero() {
			old.SavedAt = test.old.SavedAt
		}
		if err := f.RemoveOld(old, "a/new.png"); (err != nil) != (name == "outside") {
			t.Errorf("%s: error %v", name, err)
		}
		if _, err := os.Stat(path); (err == nil) != test.stays {
			t.Errorf("%s: stays %v, want %v", name, err == nil, test.stays)
		}
		if err := f.Sync(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRemoveOldKeepsTheNewFile checks a file that has the names of both versions,
// as where case is ignored.
func TestRemoveOldKeepsTheNewFile(t *testing.T) {
	t.Parallel()
	f := openTestFolder(t, t.TempDir())
	from := text("x")
	from.Time = time.Now()
	if _, err := f.Save("a.png", from); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(f.Path(), "a.png"), filepath.Join(f.Path(), "A.png")); err != nil {
		t.Fatal(err)
	}
	if err := f.RemoveOld(jobs.OldFile{Name: "A.png", Size: 1, SavedAt: from.Time}, "a.png"); err != nil {
		t.Fatal(err)
	}
	if _, exists := f.Size("A.png"); !exists {
		t.Error("the file was removed")
	}
}
