package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"shotline/jobs"
)

// Suffixes of the files beside a database that is in use or was left by a crash.
const (
	walSuffix = "-wal"
	shmSuffix = "-shm"
)

// files are the files that were opened. If somebody moves or removes them, SQLite
// continues to write to them, and those writes would be lost.
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

// unchanged returns nil if the opened files still have their names.
func (f files) unchanged() error {
	return errors.Join(sameFile(f.path, f.db), sameFile(f.path+walSuffix, f.wal))
}

func sameFile(path string, opened fs.FileInfo) error {
	now, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s was moved or removed while in use; restart after moving it back", jobs.ErrUnavailable, path)
	case err != nil:
		return fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
	case !os.SameFile(now, opened):
		return fmt.Errorf("%w: %s was replaced while in use; restart to use the new one", jobs.ErrUnavailable, path)
	}
	return nil
}

// leaveWAL restores the rollback form of a backup that was only read. If it has
// this form, inspect can refuse another database's log beside it. If another
// process has the file open, leaveWAL has no effect. No data is lost then.
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
