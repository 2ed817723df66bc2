package sqlite

import (
	"context"
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

// leaveWAL gives a backup that was only looked at the form back by which
// inspect refuses another database's log beside it. While another process has
// the file open this cannot be done, and need not: nothing is lost.
func (s *Store) leaveWAL() {
	ctx := context.Background()
	conn, err := s.writeDB.Conn(ctx)
	if err != nil {
		return
	}
	defer conn.Close()
	for _, pragma := range []string{"PRAGMA busy_timeout = 0", "PRAGMA journal_mode = DELETE"} {
		if _, err := conn.ExecContext(ctx, pragma); err != nil {
			return
		}
	}
}
