//go:build !linux

package chrome

import "os/exec"

// ownProcessGroup does nothing here: the browser shares the program's group
// and sees its Ctrl-C.
func ownProcessGroup(*exec.Cmd) {}
