package chrome

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The script that installs the dependencies of the tests looks for a browser in
// the same places as Find. A package that cannot be installed does not prevent
// the installation of the others.
func TestDeps(t *testing.T) {
	source, err := os.ReadFile("../../../.ci/deps")
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	words := strings.Fields(strings.ReplaceAll(text, ";", " "))
	for _, program := range programs {
		if !slices.Contains(words, program) {
			t.Errorf(".ci/deps does not look for %s on PATH", program)
		}
	}
	for _, place := range usualPlaces {
		written := strings.Replace(place, "~", "$HOME", 1)
		if !strings.Contains(string(source), written) {
			t.Errorf(".ci/deps does not look at %s", place)
		}
		text = strings.ReplaceAll(text, written, "/nowhere")
	}

	// This apt-get logs its arguments. Some packages are not available, and
	// chromium-browser installs a working program.
	const apt = `echo "$*" >>"$0.log"
case "$*" in
*redis-server|*chromium) exit 100 ;;
*chromium-browser) printf '#!/bin/sh\necho Chromium 1\n' >"${0%/*}/chromium-browser" && /bin/chmod +x "${0%/*}/chromium-browser" ;;
esac`
	const cache = `case $2 in chromium) echo "  Candidate: (none)" ;; *) echo "  Candidate: 1" ;; esac`
	// These packages check what the command prints.
	const checkers = "bash zsh fish systemd nginx caddy prometheus"
	cases := []struct {
		name   string
		tools  map[string]string // programs on PATH in addition to apt-get and apt-cache
		env    []string
		calls  string // packages of the calls of apt-get install
		output string
	}{
		{"as root", map[string]string{"id": "echo 0"}, nil,
			"redis-server gcc libc6-dev curl jq nodejs python3 strace fonts-dejavu-core chromium-browser", "could not install redis-server"},
		{"as root with checkers", map[string]string{"id": "echo 0"}, nil,
			"redis-server gcc libc6-dev curl jq nodejs python3 strace " + checkers + " fonts-dejavu-core chromium-browser", "could not install redis-server"},
		{"stub on PATH", map[string]string{"id": "echo 0", "chromium": "echo use snap; exit 1", "redis-server": "", "cc": "", "curl": "", "jq": "", "nodejs": "", "python3": "", "strace": ""}, nil,
			"fonts-dejavu-core chromium-browser", "missing: chromium"},
		{"as a user", map[string]string{"id": "echo 1000"}, nil,
			"", "for p in redis-server gcc libc6-dev curl jq nodejs python3 strace chromium-browser fonts-dejavu-core; do sudo apt-get install"},
		{"Debian", map[string]string{"id": "echo 0", "apt-cache": `echo "  Candidate: 1"`, "redis-server": "", "cc": "", "curl": "", "jq": "", "nodejs": "", "python3": "", "strace": ""}, nil,
			"fonts-dejavu-core chromium chromium-sandbox chromium-browser", "installing chromium-sandbox"},
		{"Debian as a user", map[string]string{"id": "echo 1000", "apt-cache": `echo "  Candidate: 1"`, "redis-server": "", "cc": "", "curl": "", "jq": "", "nodejs": "", "python3": "", "strace": ""}, nil,
			"", "for p in chromium chromium-sandbox fonts-dejavu-core; do"},
		{"nothing missing", map[string]string{"id": "echo 0", "chrome": "echo Google Chrome 1", "redis-server": "", "gcc": "", "curl": "", "jq": "", "node": "", "python3": "", "strace": ""}, nil, "", ""},
		{"CHROME_PATH", map[string]string{"id": "echo 0", "chrome": "echo Google Chrome 1", "redis-server": "", "gcc": "", "curl": "", "jq": "", "node": "", "python3": "", "strace": ""},
			[]string{"CHROME_PATH=/nowhere"}, "", "CHROME_PATH=/nowhere names no browser"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			bin := t.TempDir()
			grep, err := exec.LookPath("grep")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(grep, filepath.Join(bin, "grep")); err != nil {
				t.Fatal(err)
			}
			program := func(name, script string) {
				if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			program("apt-get", apt)
			program("apt-cache", cache)
			for name, script := range c.tools {
				program(name, script)
			}
			args := []string{"-c", text, "deps"}
			if strings.Contains(c.calls, checkers) {
				args = append(args, "checkers")
			}
			script := exec.CommandContext(t.Context(), "/bin/sh", args...)
			script.Env = append(c.env, "PATH="+bin, "HOME=/nowhere")
			output, err := script.CombinedOutput()
			if err != nil {
				t.Errorf("script failed: %v", err)
			}
			if !strings.Contains(string(output), c.output) || c.output == "" && len(output) > 0 {
				t.Errorf("output is %q, want %q", output, c.output)
			}
			log, _ := os.ReadFile(filepath.Join(bin, "apt-get.log")) // missing if it was never called
			var packages []string
			for line := range strings.Lines(string(log)) {
				words := strings.Fields(line)
				if words[0] == "install" {
					packages = append(packages, words[len(words)-1])
				}
			}
			if got := strings.Join(packages, " "); got != c.calls {
				t.Errorf("installed %q, want %q", got, c.calls)
			}
		})
	}
}
