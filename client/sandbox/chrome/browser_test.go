package chrome

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"shotline/client/sandbox"
)

func (r *Renderer) pid() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current.pid
}

// processes returns the processes in /proc whose command line contains all the
// words.
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

// ownTempDir gives the programs of this test their own temporary directory. The
// path of t.TempDir is too long for sockets.
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

// TestBrowserLife tests crashes, kills and Close with one Renderer. Each step
// continues with the state after the previous one.
func TestBrowserLife(t *testing.T) {
	dir := ownTempDir(t)
	r := start(t, Config{Tabs: 1, AllowPrivate: loopback})
	page := serveHTML(t, "<p>hello")
	render := func(url string) error {
		_, err := r.Render(t.Context(), sandbox.RenderRequest{URL: url, Device: sandbox.Device{ScreenWidth: 100, ScreenHeight: 100}})
		return err
	}

	t.Run("a crashed tab fails only its render", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("finds the tab's process by way of /proc")
		}
		pid := r.pid()
		crashing := serveFunc(t, func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path == "/" {
				fmt.Fprint(w, `<p>text<img src="/hangs.png">`)
				return
			}
			for _, tab := range processes(t, "--user-data-dir="+dir, "--type=renderer") {
				_ = syscall.Kill(tab, syscall.SIGKILL) // an idle process might have ended already
			}
			<-req.Context().Done()
		})
		if err := render(crashing); !errors.Is(err, errTabCrashed) {
			t.Errorf("crashing page: error %v, want errTabCrashed", err)
		}
		if err := render(page); err != nil {
			t.Errorf("next page: %v", err)
		}
		if r.pid() != pid {
			t.Error("the browser was restarted after a tab crashed")
		}
	})

	t.Run("a crash during a render", func(t *testing.T) {
		pid := r.pid()
		killed := make(chan time.Time, 1)
		url := serveFunc(t, func(w http.ResponseWriter, req *http.Request) {
			killed <- time.Now()
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
			<-req.Context().Done()
		})
		if err := render(url); err == nil || !strings.Contains(err.Error(), "browser exited") {
			t.Errorf("render while the browser is killed: error %v", err)
		}
		// This usually takes about 50 ms. It must not depend on a timeout.
		if took := time.Since(<-killed); took > openTimeout/3 {
			t.Errorf("the exit was noticed only after %v", took)
		}
	})

	t.Run("a killed browser is replaced", func(t *testing.T) {
		pid := r.pid() // dead, or alive if only this subtest runs
		_ = syscall.Kill(pid, syscall.SIGKILL)
		if err := render(page); err != nil {
			t.Fatalf("render in a new browser: %v", err)
		}
		second := r.pid()
		if second == pid {
			t.Error("the browser was not restarted")
		}
		if err := syscall.Kill(second, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if err := render(page); err != nil { // the exit might not have been noticed yet
			t.Fatalf("render right after the kill: %v", err)
		}
	})

	t.Run("close ends a running render and leaves nothing", func(t *testing.T) {
		if runtime.GOOS == "linux" && len(processes(t, dir)) == 0 {
			t.Fatal("no browser processes found, so the test cannot check that they end")
		}
		pid := r.pid()
		arrived := make(chan struct{}, 1)
		hanging := serveFunc(t, func(w http.ResponseWriter, req *http.Request) {
			arrived <- struct{}{}
			<-req.Context().Done()
		})
		failed := make(chan error, 1)
		go func() { failed <- render(hanging) }()
		<-arrived
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-failed:
			if err == nil {
				t.Error("the render succeeded after Close")
			}
		case <-time.After(openTimeout):
			t.Error("the render did not end after Close")
		}
		if err := r.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("browser process %d still exists: %v", pid, err)
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
		if err := render(page); !errors.Is(err, errClosed) {
			t.Errorf("render after Close: error %v, want errClosed", err)
		}
	})
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
		{"program that exits immediately", Config{Path: path}, "cannot open display"},
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

func TestProcessGetsFlagsAndNoSecrets(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads the process's command line and environment in /proc")
	}
	r := shared(t)
	read := func(file string) []string {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(r.pid()), file))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(string(text), "\x00")
	}
	argv := read("cmdline")
	for _, flag := range sharedFlags {
		if !slices.Contains(argv, flag) {
			t.Errorf("%s is not in %q", flag, argv)
		}
	}
	environ := read("environ")
	if !slices.Contains(environ, "PATH="+os.Getenv("PATH")) {
		t.Errorf("no PATH in %q", environ)
	}
	for _, variable := range environ {
		if strings.Contains(variable, secret) {
			t.Errorf("the environment of the browser contains %s", variable)
		}
	}
	warned := strings.Contains(sharedLog, "level=WARN") && strings.Count(sharedLog, "--no-sandbox") == 1
	if root := os.Getuid() == 0; warned != root || slices.Contains(argv, "--no-sandbox") != root {
		t.Errorf("as root %v: argv %q, log %q", root, argv, sharedLog)
	}
}

func TestEnvironment(t *testing.T) {
	got := environment([]string{
		"PATH=/bin", "HOME=/h", "LANG=el", "LC_ALL=C", "XDG_RUNTIME_DIR=/r", "FONTCONFIG_FILE=f", "DISPLAY=:0",
		"WEBHOOK_SECRET=s", "SCREENSHOTCENTER_API_KEY=k", "PATHS=1", "HOMER=1", "xdg_x=1", "LC=1", "=x",
	})
	want := []string{"PATH=/bin", "HOME=/h", "LANG=el", "LC_ALL=C", "XDG_RUNTIME_DIR=/r", "FONTCONFIG_FILE=f", "DISPLAY=:0"}
	if !slices.Equal(got, want) {
		t.Errorf("environment is %q, want %q", got, want)
	}
}
