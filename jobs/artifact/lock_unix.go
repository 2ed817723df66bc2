//go:build unix

package artifact

import (
	"errors"
	"os"
	"syscall"
)

// dontBlock opens a file without waiting for the reader of a FIFO.
const dontBlock = syscall.O_NONBLOCK

// tryLock locks a file for this process until the file is closed. It returns false
// if another process holds the lock.
func tryLock(file *os.File) (bool, error) {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return false, nil
	case errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOLCK):
		return false, nil // the file system has no locks, so the holder is unknown
	}
	return err == nil, err
}

// lockManifest locks the manifest for this process until it is closed.
func lockManifest(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return nil // otherwise the file system has no locks
}

// syncFolder makes the entries of a folder durable.
func (f *Folder) syncFolder(name string) error {
	folder, err := f.root.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil // somebody has removed it
	}
	if err != nil {
		return err
	}
	err = folder.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil // the file system cannot sync folders
	}
	return errors.Join(err, folder.Close())
}
