package main

import (
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"shotline/jobs"
)

// catchHangups makes SIGHUP end the processes that the test starts, even if the
// test itself runs under nohup. A child inherits ignored signals, but not caught
// ones.
func catchHangups(t *testing.T) {
	t.Helper()
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(caught) })
}

// hangUp sends SIGHUP to a process.
func hangUp(t *testing.T, p *exec.Cmd) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// TestServeSurvivesHangup checks that serve logs a SIGHUP and continues to
// respond.
func TestServeSurvivesHangup(t *testing.T) {
	t.Parallel()
	catchHangups(t)
	stage := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	serve := stage.killable()
	healthy := func() bool {
		response, err := http.Get(serve.api + "/healthz")
		if err != nil {
			return false
		}
		return response.Body.Close() == nil && response.StatusCode == http.StatusOK
	}
	stage.until("serve responds", healthy)
	hangUp(t, serve.process)
	stage.until("the signal is logged", func() bool {
		log, err := os.ReadFile(serve.log.Name())
		return err == nil && strings.Contains(string(log), "SIGHUP")
	})
	if !healthy() {
		t.Error("serve does not respond after SIGHUP")
	}
	serve.end(syscall.SIGTERM)
	if code := serve.process.ProcessState.ExitCode(); code != exitOK {
		t.Errorf("exit code %d after SIGHUP and SIGTERM", code)
	}
}

// TestHangupEndsCommand checks that SIGHUP interrupts a command with the same
// exit code as SIGTERM. If SIGHUP was ignored at its start, the command
// continues.
func TestHangupEndsCommand(t *testing.T) {
	t.Parallel()
	catchHangups(t)
	program, err := exec.LookPath("shotline")
	if err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(t.TempDir(), "shotline.db")
	if code, _, stderr := invoke(t, "submit", "--db", db, "https://a.test/"); code != exitOK {
		t.Fatal(stderr)
	}
	store, err := openStore(t.Context(), db, jobs.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	batches, err := store.Batches(t.Context(), "", 1)
	if err != nil || store.Close() != nil {
		t.Fatal(err)
	}
	wait := func(command ...string) (code int, stderr string) {
		log := &signaled{waits: make(chan struct{})}
		p := exec.CommandContext(t.Context(), command[0], append(command[1:], "wait", "--db", db, batches[0].ID)...)
		p.Stderr = log
		p.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-log.waits:
		case <-time.After(20 * time.Second):
			t.Error("the command does not begin to wait")
		}
		hangUp(t, p)
		if strings.Contains(command[0], "nohup") {
			if err := p.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
		_ = p.Wait()
		return p.ProcessState.ExitCode(), log.stderr.String()
	}
	if code, stderr := wait(program); code != exitGaveUp || !strings.Contains(stderr, "has 1 of 1 row open") {
		t.Errorf("after SIGHUP: exit code %d, stderr %q; want %d", code, stderr, exitGaveUp)
	}
	// nohup ignores SIGHUP, so only the SIGTERM that follows ends the command.
	if code, stderr := wait("nohup", program); code != exitGaveUp || !strings.Contains(stderr, "has 1 of 1 row open") {
		t.Errorf("under nohup: exit code %d, stderr %q; want %d", code, stderr, exitGaveUp)
	}
}

// signaled is a log. It closes waits when it receives the note that precedes the
// wait.
type signaled struct {
	stderr strings.Builder
	waits  chan struct{}
}

func (s *signaled) Write(p []byte) (int, error) {
	before := strings.Contains(s.stderr.String(), "no serve is running")
	s.stderr.Write(p)
	if !before && strings.Contains(s.stderr.String(), "no serve is running") {
		close(s.waits)
	}
	return len(p), nil
}
