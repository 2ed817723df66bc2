//go:build unix

package sqlite

import (
	"os"
	"strconv"
	"syscall"
)

// fileNumber is the number of a file in its file system.
func fileNumber(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", nil
	}
	return strconv.FormatUint(uint64(stat.Ino), 10), nil
}
