//go:build !unix

package main

import "math"

// descriptors returns how many files and connections this process can have open.
// No limit is known on this system.
func descriptors() int { return math.MaxInt32 }
