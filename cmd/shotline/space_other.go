//go:build !linux && !darwin && !freebsd

package main

import "errors"

// freeSpace is not supported on this system.
func freeSpace(string) (free, total int64, err error) { return 0, 0, errors.ErrUnsupported }
