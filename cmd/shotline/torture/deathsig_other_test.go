//go:build !linux

package torture

import "os/exec"

// killWithParent does nothing on this system. If the test process is killed, the
// processes that it started continue.
func killWithParent(*exec.Cmd) {}
