package sqlite

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"shotline/jobs"
	"shotline/jobs/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openAt(t testing.TB, path string, opts ...Option) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	s.importPause = 0
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// file is a database for the contract's suite, which closes what it opens.
type file struct{ path string }

func (f file) Open(t *testing.T) jobs.Store {
	t.Helper()
	s, err := Open(t.Context(), f.path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		return file{filepath.Join(t.TempDir(), "contract.db")}
	})
}
