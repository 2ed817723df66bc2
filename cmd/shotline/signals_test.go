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
// tests themselves were started by nohup: a child inherits an ignored signal, but
// not a caught one.
func catchHangups(t *testing.T) {
	t.Helper()
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(caught) })
}

// hangUp sends a SIGHUP to a process.
func hangUp(t *testing.T, p *exec.Cmd) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// TestServeGoesOnAfterAHangup: a SIGHUP is logged, and serve answers as before.
func TestServeGoesOnAfterAHangup(t *testing.T) {
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
	stage.until("serve answers", healthy)
	hangUp(t, serve.process)
	stage.until("the signal is logged", func() bool {
		log, err := os.ReadFile(serve.log.Name())
		return err == nil && strings.Contains(string(log), "SIGHUP")
	})
	if !healthy() {
		t.Error("serve does not answer after a SIGHUP")
	}
	serve.end(syscall.SIGTERM)
	if code := serve.process.ProcessState.ExitCode(); code != exitOK {
		t.Errorf("ended with %d after SIGHUP and SIGTERM", code)
	}
}

// TestCommandEndsByAHangup: a command says that it was interrupted, and ends with
// the code that SIGTERM gives. Started with SIGHUP ignored, it goes on.
func TestCommandEndsByAHangup(t *testing.T) {
	t.Parallel()
	catchHangups(t)
	program, err := exec.LookPath("shotline")
	if err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(t.TempDir(), "shotline.db")
	if code, _, told := invoke(t, "submit", "--db", db, "https://a.test/"); code != exitOK {
		t.Fatal(told)
	}
	store, err := openStore(t.Context(), db, jobs.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	batches, err := store.Batches(t.Context(), "", 1)
	if err != nil || store.Close() != nil {
		t.Fatal(err)
	}
	wait := func(command ...string) (code int, told string) {
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
			t.Error("it does not begin to wait")
		}
		hangUp(t, p)
		if strings.Contains(command[0], "nohup") {
			if err := p.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
		_ = p.Wait()
		return p.ProcessState.ExitCode(), log.told.String()
	}
	if code, told := wait(program); code != exitGaveUp || !strings.Contains(told, "interrupted: 1 of 1 rows") {
		t.Errorf("SIGHUP ended it with %d and %q, want %d", code, told, exitGaveUp)
	}
	// What nohup does; then only the SIGTERM that follows ends it.
	if code, told := wait("nohup", program); code != exitGaveUp || !strings.Contains(told, "interrupted: 1 of 1 rows") {
		t.Errorf("under nohup it ended with %d and %q, want %d", code, told, exitGaveUp)
	}
}

// signaled closes waits once it was told that the command waits.
type signaled struct {
	told  strings.Builder
	waits chan struct{}
}

func (s *signaled) Write(p []byte) (int, error) {
	before := strings.Contains(s.told.String(), "no serve is running")
	s.told.Write(p)
	if !before && strings.Contains(s.told.String(), "no serve is running") {
		close(s.waits)
	}
	return len(p), nil
}
