package chrome

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"shotline/client/sandbox"
)

func (r *Renderer) pid() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current.pid
}

// processes returns the processes whose command line mentions all the words,
// by way of /proc.
func processes(t *testing.T, words ...string) []int {
	t.Helper()
	if runtime.GOOS != "linux" {
		return nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
next:
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil {
			continue // it has just ended
		}
		for _, word := range words {
			if !bytes.Contains(line, []byte(word)) {
				continue next
			}
		}
		pids = append(pids, pid)
	}
	return pids
}

// ownTempDir makes the programs of this test keep their temporary files in a
// directory of its own. Its path is short: t.TempDir is too long for sockets.
func ownTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "t")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("TMPDIR", dir)
	return dir
}

func TestBrowserRestartsAfterACrash(t *testing.T) {
	r := start(t, Config{})
	first := r.pid()
	killed := serveFunc(t, func(w http.ResponseWriter, req *http.Request) {
		if err := syscall.Kill(r.pid(), syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		<-req.Context().Done()
	})
	if _, err := r.Render(t.Context(), sandbox.RenderRequest{URL: killed}); err == nil || !strings.Contains(err.Error(), "browser died") {
		t.Errorf("render in a dying browser: %v", err)
	}

	page := serveHTML(t, "<p>hello")
	if _, err := r.Render(t.Context(), sandbox.RenderRequest{URL: page}); err != nil {
		t.Fatalf("render after the crash: %v", err)
	}
	second := r.pid()
	if second == first {
		t.Error("no new browser was started")
	}

	// Killed between two renders, its death perhaps not noticed yet.
	if err := syscall.Kill(second, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Render(t.Context(), sandbox.RenderRequest{URL: page}); err != nil {
		t.Fatalf("render right after the kill: %v", err)
	}
}

func TestTabCrashFailsOnlyItsRender(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("finds the tab's process by way of /proc")
	}
	dir := ownTempDir(t)
	r := start(t, Config{Tabs: 1})
	pid := r.pid()
	crashing := serveFunc(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/" {
			fmt.Fprint(w, `<p>text<img src="/hangs.png">`)
			return
		}
		for _, tab := range processes(t, "--user-data-dir="+dir, "--type=renderer") {
			_ = syscall.Kill(tab, syscall.SIGKILL) // an idle one may have ended by itself
		}
		<-req.Context().Done()
	})
	if _, err := r.Render(t.Context(), sandbox.RenderRequest{URL: crashing}); !errors.Is(err, errTabCrashed) {
		t.Errorf("crashing page: %v", err)
	}
	if _, err := r.Render(t.Context(), sandbox.RenderRequest{URL: serveHTML(t, "<p>hello")}); err != nil {
		t.Errorf("next page: %v", err)
	}
	if r.pid() != pid {
		t.Error("the browser was restarted for a crashed tab")
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	dir := ownTempDir(t)
	r := start(t, Config{})
	page := serveHTML(t, "<p>hello")
	if _, err := r.Render(t.Context(), sandbox.RenderRequest{URL: page}); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" && len(processes(t, dir)) == 0 {
		t.Fatal("the browser's processes are not found, so the test proves nothing")
	}
	pid := r.pid()

	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("browser process %d: %v", pid, err)
	}
	if left := processes(t, dir); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("left in the temporary directory: %s", e.Name())
	}
	if _, err := r.Render(t.Context(), sandbox.RenderRequest{URL: page}); !errors.Is(err, errClosed) {
		t.Errorf("render after Close: %v", err)
	}
}

func TestCloseEndsARunningRender(t *testing.T) {
	r := start(t, Config{})
	arrived := make(chan struct{}, 1)
	page := serveFunc(t, func(w http.ResponseWriter, req *http.Request) {
		arrived <- struct{}{}
		<-req.Context().Done()
	})
	failed := make(chan error, 1)
	go func() {
		_, err := r.Render(t.Context(), sandbox.RenderRequest{URL: page})
		failed <- err
	}()
	<-arrived
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-failed:
		if err == nil {
			t.Error("the render claims success")
		}
	default:
		t.Error("Close returned before the render had ended")
	}
}

func TestNewRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "browser")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho cannot open display >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		cfg  Config
		want string
	}{
		{"no such program", Config{Path: "/nowhere/chromium"}, "start browser /nowhere/chromium"},
		{"program that ends at once", Config{Path: path}, "cannot open display"},
		{"flag without dashes", Config{Path: path, Flags: []string{"lang=el"}}, `"lang=el": must look like`},
		{"flag without a name", Config{Path: path, Flags: []string{"--=x"}}, "must look like"},
		{"debugging port", Config{Path: path, Flags: []string{"--remote-debugging-port=9222"}}, "pipe"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r, err := New(c.cfg)
			if err == nil {
				_ = r.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q, want one with %q", err, c.want)
			}
		})
	}
}

func TestFlagsReachTheBrowser(t *testing.T) {
	r := start(t, Config{Flags: []string{"--user-agent=shotline-test", "--disable-remote-fonts"}})
	agent := make(chan string, 1)
	page := serveFunc(t, func(w http.ResponseWriter, req *http.Request) {
		select {
		case agent <- req.UserAgent():
		default:
		}
		fmt.Fprint(w, "<p>hello")
	})
	if _, err := r.Render(t.Context(), sandbox.RenderRequest{URL: page}); err != nil {
		t.Fatal(err)
	}
	if got := <-agent; got != "shotline-test" {
		t.Errorf("user agent %q", got)
	}
	if runtime.GOOS == "linux" && len(processes(t, "--disable-remote-fonts")) == 0 {
		t.Error("a flag without a value did not reach the command line")
	}
}
