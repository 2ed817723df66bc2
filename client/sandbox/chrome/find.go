package chrome

import (
	"os"
	"os/exec"
	"path/filepath"
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

// Find looks for a Chromium or Chrome: the file named by CHROME_PATH, then
// PATH, then the usual places on Linux and macOS. A CHROME_PATH that names
// nothing executable is an answer, not a hint: Find then reports false rather
// than picking a browser that was not asked for.
func Find() (path string, ok bool) {
	return finder{getenv: os.Getenv, lookPath: exec.LookPath}.find()
}

// finder holds what Find asks of the machine.
type finder struct {
	getenv   func(string) string
	lookPath func(string) (string, error)
}

func (f finder) find() (string, bool) {
	if named := f.getenv("CHROME_PATH"); named != "" {
		path, err := f.lookPath(named)
		return path, err == nil
	}
	for _, name := range programs {
		if path, err := f.lookPath(name); err == nil {
			return path, true
		}
	}
	for _, place := range usualPlaces {
		if place[0] == '~' {
			place = filepath.Join(f.getenv("HOME"), place[1:])
		}
		if path, err := f.lookPath(place); err == nil {
			return path, true
		}
	}
	return "", false
}
