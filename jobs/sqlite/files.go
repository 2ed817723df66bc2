package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"shotline/jobs"
)

// The files beside a database, while it is in use and after a crash.
const (
	walSuffix = "-wal"
	shmSuffix = "-shm"
)

// files are those that were opened. SQLite goes on writing into them when
// somebody moves or removes them, and all of that would be lost.
type files struct {
	path    string
	db, wal fs.FileInfo
}

func filesAt(path string) (files, error) {
	db, err := os.Stat(path)
	if err != nil {
		return files{}, err
	}
	wal, err := os.Stat(path + walSuffix)
	return files{path, db, wal}, err
}

// unchanged is nil while the names still lead to the files.
func (f files) unchanged() error {
	return errors.Join(sameFile(f.path, f.db), sameFile(f.path+walSuffix, f.wal))
}

func sameFile(path string, opened fs.FileInfo) error {
	now, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s was moved or removed while in use; restart once it is in its place", jobs.ErrUnavailable, path)
	case err != nil:
		return fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
	case !os.SameFile(now, opened):
		return fmt.Errorf("%w: %s was replaced while in use; restart to use the new one", jobs.ErrUnavailable, path)
	}
	return nil
}
