//go:build linux || darwin || freebsd

package main

import "syscall"

// freeSpace is how many bytes of a path's file system this process may still
// use, and how many there are.
func freeSpace(path string) (free, total int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize), nil
}
