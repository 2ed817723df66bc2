package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// killable is a serve in its own process, at fixed addresses, that can be killed
// and restarted.
type killable struct {
	t       *testing.T
	program string
	args    []string
	api     string
	log     *os.File
	process *exec.Cmd
}

func (s *stage) killable(flags ...string) *killable {
	s.t.Helper()
	if testing.Short() {
		s.t.Skip("kills whole processes")
	}
	program, err := exec.LookPath("shotline")
	if err != nil {
		s.t.Fatal(err)
	}
	return s.killableBy([]string{program}, flags...)
}

// killableBy is like killable, but with another program or with a command that
// starts it.
func (s *stage) killableBy(command []string, flags ...string) *killable {
	s.t.Helper()
	api, err := freeAddress()
	if err != nil {
		s.t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(s.t.TempDir(), "serve.log"))
	if err != nil {
		s.t.Fatal(err)
	}
	k := &killable{t: s.t, program: command[0], api: "http://" + api, log: log, args: slices.Concat(command[1:], []string{
		"serve", "--db", s.db, "--listen", s.hooks, "--api-listen", api, "--app-id", "12", "--webhook-secret", testSecret,
		"--api-key", testKey, "--base-url", s.vendor.url + "/api/v1"}, flags)}
	k.start()
	s.t.Cleanup(func() {
		k.end(syscall.SIGKILL)
		if s.t.Failed() {
			if text, err := os.ReadFile(log.Name()); err == nil {
				s.t.Logf("serve:\n%s", text)
			}
		}
		log.Close()
	})
	return k
}

func (k *killable) start() {
	k.process = exec.Command(k.program, k.args...)
	k.process.Stdout, k.process.Stderr = k.log, k.log
	k.process.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	if err := k.process.Start(); err != nil {
		k.t.Error(err)
	}
}

func (k *killable) end(how os.Signal) {
	_ = k.process.Process.Signal(how)
	_ = k.process.Wait() // reports the signal
}
