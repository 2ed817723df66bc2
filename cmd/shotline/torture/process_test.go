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

// process is one program that the test started. It ends with the test, at the
// latest with the test's process.
type process struct {
	name   string
	log    string // file of its stderr
	cmd    *exec.Cmd
	asked  atomic.Bool   // we ended it
	ended  chan struct{} // closed when it has been waited for
	result error         // of Wait, once ended is closed
}

// launcher starts all processes from one thread, which lives as long as the
// test: Linux takes the end of the thread for the end of the parent.
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
	dieWithUs(cmd)
	result := make(chan error)
	l <- func() { result <- cmd.Start() }
	return <-result
}

// start runs a program in the background; its stderr goes to a log file.
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

// kill ends the process as a power failure would, and waits for its end.
func (p *process) kill() { p.signal(syscall.SIGKILL) }

// signal asks for the end and waits for it.
func (p *process) signal(s syscall.Signal) {
	p.asked.Store(true)
	_ = p.cmd.Process.Signal(s) // it may have ended
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

// tail is the end of the log.
func (p *process) tail(lines int) string {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// commandTime is ample for every command that is not told to wait.
const commandTime = 60 * time.Second

// shotline runs one command to its end.
func (r *rig) shotline(stdin io.Reader, args ...string) (out string, code int, err error) {
	var stdout bytes.Buffer
	name := fmt.Sprintf("command-%04d-%s", r.commands.Add(1), args[0])
	p, err := r.start(name, stdin, &stdout, r.binary, args...)
	if err != nil {
		return "", 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	select {
	case <-p.ended:
	case <-ctx.Done():
		p.kill()
		return "", 0, fmt.Errorf("shotline %s did not end within %s:\n%s", strings.Join(args, " "), commandTime, p.tail(20))
	}
	var exit *exec.ExitError
	if errors.As(p.result, &exit) {
		code = exit.ExitCode()
	} else if p.result != nil {
		return "", 0, p.result
	}
	if code != 0 {
		err = fmt.Errorf("shotline %s ended with %d:\n%s", strings.Join(args, " "), code, p.tail(20))
	} else {
		_ = os.Remove(p.log) // thousands of these say nothing
	}
	return stdout.String(), code, err
}
