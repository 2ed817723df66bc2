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

// programs are the names a Chromium goes by on PATH, the freest first.
var programs = []string{
	"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
	"headless-shell", "chrome-headless-shell",
}

// usualPlaces are where installers put a browser without putting it on PATH.
// A leading ~ stands for the home directory.
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

// probeTimeout bounds one candidate's answer to --version. A browser needs a
// fraction of a second; on a cold disk or behind snap it can be several.
const probeTimeout = 10 * time.Second

// Find looks for a Chromium or Chrome that runs: the file named by CHROME_PATH,
// else the first on PATH, else in the usual places on Linux and macOS, that
// answers --version. A stub that only tells how to install a browser is passed
// over; a found browser costs one such call. A CHROME_PATH that names no
// browser is an answer, not a hint: Find then reports false rather than
// picking one that was not asked for.
func Find() (path string, ok bool) {
	return finder{getenv: os.Getenv, lookPath: exec.LookPath, runs: runs}.find()
}

// finder holds what Find asks of the machine.
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

// runs reports whether the program at path says that it is a Chromium or a
// Chrome.
func runs(path string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	probe := exec.CommandContext(ctx, path, "--version")
	probe.Env = environment(os.Environ())
	probe.WaitDelay = time.Second // should a child of a stub keep the pipe open
	version, err := probe.Output()
	return err == nil && bytes.Contains(version, []byte("Chrom"))
}
