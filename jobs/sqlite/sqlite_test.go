package sqlite

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"shotline/jobs"
	"shotline/jobs/storetest"
)

// TestMain runs many tests at the same time on any machine, because they mostly
// wait for the disk. A -parallel flag on the command line takes precedence.
func TestMain(m *testing.M) {
	if appends := os.Getenv(appendsVariable); appends != "" {
		if err := appendOneByOne(appends); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

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

// file is a database for the suite of the contract, which closes the stores that
// it opens.
type file struct{ path string }

var writeNew = storetest.Template(func(path string) (jobs.Store, error) {
	return Open(context.Background(), path)
})

// newFile returns a file that holds a database without rows. Other tests create
// databases by running all migrations.
func newFile(t *testing.T, name string) file {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	writeNew(t, path)
	return file{path}
}

func (f file) Open(t *testing.T) jobs.Store {
	t.Helper()
	s, err := Open(t.Context(), f.path, WithMaxHeld(storetest.MaxHeld))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Meddle changes a counter, as a user might with the sqlite3 program.
func (f file) Meddle(t *testing.T, batch string, state jobs.State, by int64) {
	t.Helper()
	_, err := raw(t, f.path).Exec(fmt.Sprintf(`UPDATE batches SET %[1]s = %[1]s + ? WHERE id = ?`, state), by, batch)
	must(t, err)
}

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		return newFile(t, "contract.db")
	})
}

func TestLives(t *testing.T) {
	t.Parallel()
	storetest.RunLives(t, func(t *testing.T) storetest.Harness {
		return newFile(t, "lives.db")
	})
}
