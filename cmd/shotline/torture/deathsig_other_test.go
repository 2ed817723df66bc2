//go:build !linux

package torture

import "os/exec"

// dieWithUs has no effect here: when the test's process is killed, what it
// started goes on.
func dieWithUs(*exec.Cmd) {}
