package storetest

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"shotline/jobs"
)

// Template returns a function that writes a store without rows to a file. The
// function calls open only once, for a new file, and then writes copies of it,
// because to create the schema takes longer than most tests. It is for stores that
// consist of one file. It is safe for concurrent use.
func Template(open func(path string) (jobs.Store, error)) func(t testing.TB, path string) {
	content := sync.OnceValues(func() ([]byte, error) {
		dir, err := os.MkdirTemp("", "template")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "new.db")
		store, err := open(path)
		if err != nil {
			return nil, err
		}
		if err := store.Close(); err != nil {
			return nil, err
		}
		return os.ReadFile(path)
	})
	return func(t testing.TB, path string) {
		t.Helper()
		data, err := content()
		if err == nil {
			err = os.WriteFile(path, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
