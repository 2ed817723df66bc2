package chrome

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// programs are the names of Chromium and Chrome on PATH, in order of preference.
var programs = []string{
	"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
	"headless-shell", "chrome-headless-shell",
}

// usualPlaces are paths where installers put a browser without adding it to PATH.
// A leading ~ is the home directory.
var usualPlaces = []string{
	"/usr/bin/chromium",
	"/usr/bin/chromium-browser",
	"/usr/bin/google-chrome",
	"/usr/lib/chromium/chromium",
	"/opt/google/chrome/chrome",
	"/snap/bin/chromium",
	"/usr/local/bin/chromium",
	"/headless-shell/headless-shell",
	"/Applications/Chromium.app/Contents/MacOS/Chromium",
	"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
	"~/Applications/Chromium.app/Contents/MacOS/Chromium",
	"~/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
}

// probeTimeout limits the time of a program's response to --version. A browser
// takes a fraction of a second, but several seconds from a cold disk or a snap
// package.
const probeTimeout = 10 * time.Second

// Find returns the path of a Chromium or Chrome that works. If CHROME_PATH is
// set, it checks only that file. Otherwise it searches PATH and then the usual
// places on Linux and macOS. It calls each candidate with --version and skips
// stubs that only explain how to install a browser. If CHROME_PATH is not a
// browser, Find returns false instead of another browser.
func Find() (path string, ok bool) {
	return finder{getenv: os.Getenv, lookPath: exec.LookPath, runs: runs}.find()
}

// finder contains the functions with which Find accesses the system.
type finder struct {
	getenv   func(string) string
	lookPath func(string) (string, error)
	runs     func(path string) bool
}

func (f finder) find() (string, bool) {
	candidates := slices.Concat(programs, usualPlaces)
	if named := f.getenv("CHROME_PATH"); named != "" {
		candidates = []string{named}
	}
	tried := map[string]bool{}
	for _, name := range candidates {
		if name[0] == '~' {
			name = filepath.Join(f.getenv("HOME"), name[1:])
		}
		path, err := f.lookPath(name)
		if err != nil || tried[path] {
			continue
		}
		tried[path] = true
		if f.runs(path) {
			return path, true
		}
	}
	return "", false
}

// runs reports whether the program at path identifies itself as Chromium or
// Chrome.
func runs(path string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	probe := exec.CommandContext(ctx, path, "--version")
	probe.Env = environment(os.Environ())
	probe.WaitDelay = time.Second // a child of a stub might keep the pipe open
	version, err := probe.Output()
	return err == nil && bytes.Contains(version, []byte("Chrom"))
}
