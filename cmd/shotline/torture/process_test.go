package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// process is a program that the test started. It is killed when the test ends, or
// when the test process ends.
type process struct {
	name    string
	log     string // file with its standard error
	cmd     *exec.Cmd
	stopped atomic.Bool   // set before the test ends the process
	ended   chan struct{} // closed after Wait returned
	result  error         // of Wait; valid after ended is closed
}

// launcher starts all processes from one thread that exists as long as the test.
// On Linux, the end of the parent thread counts as the end of the parent.
type launcher chan func()

func newLauncher(t *testing.T) launcher {
	l := make(launcher)
	go func() {
		runtime.LockOSThread()
		for start := range l {
			start()
		}
	}()
	t.Cleanup(func() { close(l) })
	return l
}

func (l launcher) start(cmd *exec.Cmd) error {
	killWithParent(cmd)
	result := make(chan error)
	l <- func() { result <- cmd.Start() }
	return <-result
}

// start starts a program in the background. Its standard error goes to a log
// file.
func (r *rig) start(name string, stdin io.Reader, stdout io.Writer, program string, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(r.folder, name+".log"), ended: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = r.folder, r.env, stdin, stdout, log
	p.cmd.WaitDelay = time.Second
	if err := r.launcher.start(p.cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.result = p.cmd.Wait()
		close(p.ended)
	}()
	r.t.Cleanup(p.kill)
	return p, nil
}

// kill ends the process with SIGKILL, as a power failure would, and waits for its
// end.
func (p *process) kill() { p.signal(syscall.SIGKILL) }

// signal sends a signal that ends the process, and waits for its end.
func (p *process) signal(s syscall.Signal) {
	p.stopped.Store(true)
	_ = p.cmd.Process.Signal(s) // fails if it has already ended
	<-p.ended
}

// running reports whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// tail returns the last lines of the log.
func (p *process) tail(lines int) string {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// commandTimeout is the time limit of a command. It is long enough for every
// command without a wait.
const commandTimeout = 60 * time.Second

// shotline runs a command and waits for its end.
func (r *rig) shotline(stdin io.Reader, args ...string) (out string, code int, err error) {
	var stdout bytes.Buffer
	name := fmt.Sprintf("command-%04d-%s", r.commands.Add(1), args[0])
	p, err := r.start(name, stdin, &stdout, r.binary, args...)
	if err != nil {
		return "", 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	select {
	case <-p.ended:
	case <-ctx.Done():
		p.kill()
		return "", 0, fmt.Errorf("shotline %s did not end within %s:\n%s", strings.Join(args, " "), commandTimeout, p.tail(20))
	}
	var exit *exec.ExitError
	if errors.As(p.result, &exit) {
		code = exit.ExitCode()
	} else if p.result != nil {
		return "", 0, p.result
	}
	if code != 0 {
		err = fmt.Errorf("shotline %s: exit code %d:\n%s", strings.Join(args, " "), code, p.tail(20))
	} else {
		_ = os.Remove(p.log) // there are thousands of them, and they are not needed
	}
	return stdout.String(), code, err
}
