//go:build !linux

package chrome

import "os/exec"

// ownProcessGroup does nothing here: the browser shares the program's group
// and sees its Ctrl-C.
func ownProcessGroup(*exec.Cmd) {}

// processTree knows none here: what bounds a page is V8's heap alone.
func processTree(int) []process { return nil }

func endProcess(int) {}
