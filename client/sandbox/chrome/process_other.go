//go:build !linux

package chrome

import "os/exec"

// ownProcessGroup does nothing on this system: the browser is in the process
// group of this program and receives its Ctrl-C.
func ownProcessGroup(*exec.Cmd) {}

// processTree returns nil on this system. Only the heap limit of V8 applies to
// pages.
func processTree(int) []process { return nil }

func endProcess(int) {}
