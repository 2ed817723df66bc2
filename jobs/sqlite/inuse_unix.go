//go:build unix

package sqlite

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// shmInUse is the byte of the shared memory that each process locks while it has
// the database open.
const shmInUse = 128

// inUse reports whether another process has a database open. The file is the
// shared memory of the database.
func inUse(file *os.File) (bool, error) {
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: shmInUse, Len: 1}
	if err := syscall.FcntlFlock(file.Fd(), syscall.F_GETLK, &lock); err != nil {
		return false, err
	}
	return lock.Type != syscall.F_UNLCK, nil
}

// abandoned reports whether there is a log that nobody uses, because a crash left
// it. It must not be called while a store of this process has the database open.
func abandoned(path string) (bool, error) {
	if sizeOf(path+walSuffix) <= walHeaderSize {
		return false, nil
	}
	file, err := os.OpenFile(path+shmSuffix, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	used, err := inUse(file)
	return !used, errors.Join(err, file.Close())
}
