package chrome

import (
	"os"
	"slices"
	"testing"
)

func TestFind(t *testing.T) {
	cases := []struct {
		name      string
		env       map[string]string
		installed []string
		want      string
	}{
		{"nothing", nil, nil, ""},
		{"on PATH", nil, []string{"google-chrome"}, "google-chrome"},
		{"chromium before chrome", nil, []string{"google-chrome", "chromium"}, "chromium"},
		{"a usual place", nil, []string{"/snap/bin/chromium"}, "/snap/bin/chromium"},
		{"PATH before a usual place", nil, []string{"/snap/bin/chromium", "chrome"}, "chrome"},
		{"at home", map[string]string{"HOME": "/home/me"},
			[]string{"/home/me/Applications/Chromium.app/Contents/MacOS/Chromium"},
			"/home/me/Applications/Chromium.app/Contents/MacOS/Chromium"},
		{"named", map[string]string{"CHROME_PATH": "/opt/mine"}, []string{"/opt/mine", "chromium"}, "/opt/mine"},
		{"named but not there", map[string]string{"CHROME_PATH": "/opt/mine"}, []string{"chromium"}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := finder{
				getenv: func(name string) string { return c.env[name] },
				lookPath: func(name string) (string, error) {
					if slices.Contains(c.installed, name) {
						return name, nil
					}
					return "", os.ErrNotExist
				},
			}
			got, ok := f.find()
			if got = map[bool]string{true: got}[ok]; got != c.want {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}
