package torture

import (
	"os/exec"
	"syscall"
)

// killWithParent makes the kernel kill the process when the thread that starts it
// ends.
func killWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
