//go:build linux || darwin

package sqlite

import (
	"fmt"
	"os"
	"syscall"
)

// fileNumber returns the number of a file in its file system together with the id
// of the file system. The number of the file alone is not enough, because the
// first files of two new file systems get the same numbers.
func fileNumber(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", nil
	}
	var system syscall.Statfs_t
	if err := syscall.Statfs(path, &system); err != nil {
		return "", fmt.Errorf("identify the file system of %s: %w", path, err)
	}
	return fmt.Sprintf("%d of %v", stat.Ino, system.Fsid), nil
}
