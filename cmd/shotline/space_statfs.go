//go:build linux || darwin || freebsd

package main

import "syscall"

// freeSpace returns how many bytes of the path's file system this process can
// still use, and how many the file system has.
func freeSpace(path string) (free, total int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize), nil
}
