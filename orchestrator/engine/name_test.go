package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"shotline/jobs"
	"shotline/jobs/sqlite"
)

func nameOf(t *testing.T, path string) string {
	t.Helper()
	store, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	options, err := Config{}.queue(t.Context(), store)
	if err != nil || options.Exclusive {
		t.Fatal(options, err)
	}
	name := options.Name
	if !regexp.MustCompile(`^shotline-[a-z0-9]{12}$`).MatchString(name) {
		t.Errorf("name %q", name)
	}
	return name
}

// The path is not enough: databases on two hosts can have the same path.
func TestQueueNameDependsOnTheDatabaseNotThePath(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "shotline.db")
	first := nameOf(t, path)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(folder, link); err != nil {
		t.Fatal(err)
	}
	if name := nameOf(t, filepath.Join(link, "shotline.db")); name != first {
		t.Errorf("by another path %s, want %s", name, first)
	}
	moved := filepath.Join(folder, "moved.db")
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	if name := nameOf(t, path); name == first {
		t.Error("another database with the same path has the same queue")
	}
	if name := nameOf(t, moved); name != first {
		t.Errorf("after the move: got %s, want %s", name, first)
	}
}

// unidentified is a store that cannot read its id.
type unidentified struct{ err error }

func (s unidentified) Identity(context.Context) (string, error) { return "", s.err }

func TestStoreWithoutAnIDGetsItsOwnQueue(t *testing.T) {
	t.Parallel()
	one, err := Config{}.queue(t.Context(), unidentified{err: jobs.ErrUnavailable})
	other, otherErr := Config{}.queue(t.Context(), unidentified{err: jobs.ErrUnavailable})
	if err != nil || otherErr != nil || one.Name == other.Name || !one.Exclusive || !other.Exclusive {
		t.Errorf("%+v and %+v: %v, %v", one, other, err, otherErr)
	}
	if options, err := (Config{}).queue(t.Context(), unidentified{err: jobs.ErrCorrupt}); !errors.Is(err, jobs.ErrCorrupt) {
		t.Errorf("%+v, %v", options, err)
	}
}
