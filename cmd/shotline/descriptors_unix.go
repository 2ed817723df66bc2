//go:build unix

package main

import (
	"math"
	"syscall"
)

// descriptors returns how many files and connections this process can have open.
func descriptors() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return minDescriptors
	}
	return int(min(uint64(limit.Cur), math.MaxInt32)) // Cur is signed on some systems
}
