package chrome

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFind(t *testing.T) {
	cases := []struct {
		name      string
		env       map[string]string
		installed []string
		stubs     []string // installed programs that are not browsers
		want      string
	}{
		{"nothing", nil, nil, nil, ""},
		{"on PATH", nil, []string{"google-chrome"}, nil, "google-chrome"},
		{"chromium before chrome", nil, []string{"google-chrome", "chromium"}, nil, "chromium"},
		{"in a usual place", nil, []string{"/snap/bin/chromium"}, nil, "/snap/bin/chromium"},
		{"PATH before usual places", nil, []string{"/snap/bin/chromium", "chrome"}, nil, "chrome"},
		{"in the home directory", map[string]string{"HOME": "/home/me"},
			[]string{"/home/me/Applications/Chromium.app/Contents/MacOS/Chromium"}, nil,
			"/home/me/Applications/Chromium.app/Contents/MacOS/Chromium"},
		{"named", map[string]string{"CHROME_PATH": "/opt/mine"}, []string{"/opt/mine", "chromium"}, nil, "/opt/mine"},
		{"named but missing", map[string]string{"CHROME_PATH": "/opt/mine"}, []string{"chromium"}, nil, ""},
		{"a stub is skipped", nil, []string{"chromium-browser", "/snap/bin/chromium"}, []string{"chromium-browser"}, "/snap/bin/chromium"},
		{"only stubs", nil, []string{"chromium", "google-chrome"}, []string{"chromium", "google-chrome"}, ""},
		{"a named stub", map[string]string{"CHROME_PATH": "/opt/mine"}, []string{"/opt/mine", "chromium"}, []string{"/opt/mine"}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			probes := 0
			f := finder{
				getenv: func(name string) string { return c.env[name] },
				lookPath: func(name string) (string, error) {
					if slices.Contains(c.installed, name) {
						return name, nil
					}
					return "", os.ErrNotExist
				},
				runs: func(path string) bool {
					probes++
					return !slices.Contains(c.stubs, path)
				},
			}
			got, ok := f.find()
			if got = map[bool]string{true: got}[ok]; got != c.want {
				t.Errorf("found %q, want %q", got, c.want)
			}
			if most := len(c.stubs) + 1; probes > most {
				t.Errorf("started %d programs, want at most %d", probes, most)
			}
		})
	}
}

func TestRuns(t *testing.T) {
	for script, want := range map[string]bool{
		"echo Chromium 156.0":             true,
		"echo Google Chrome 156.0":        true,
		"echo Chromium 156.0; exit 1":     false,
		"echo please install me by snap":  false,
		"echo Chromium comes by snap >&2": false,
	} {
		path := filepath.Join(t.TempDir(), "browser")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if got := runs(path); got != want {
			t.Errorf("runs(%q) = %v, want %v", script, got, want)
		}
	}
}
