package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestInitConfig checks that the configuration file has every setting of serve,
// that serve reads the given values from it, and that it has no secrets.
func TestInitConfig(t *testing.T) {
	for _, variable := range []string{"SCREENSHOTCENTER_API_KEY", "SHOTLINE_API_LISTEN", "WEBHOOK_SECRET"} {
		t.Setenv(variable, "") // restores the variable after the test
		os.Unsetenv(variable)
	}
	t.Setenv("SHOTLINE_CALLBACK_SECRET", "hunter2")
	file := filepath.Join(t.TempDir(), "c.yaml")
	given := []string{
		"--db", "my shots.db", "--app-id", "12=/a, b", "--app-id", "13", "--rate", "2.5", "--concurrency", "7", "--settle", "90s",
		"--listen", ":9090", "--webhook-path", "/ä/#1", "--name", `{host}/"{row}".{ext}`, "--download", "- x: y", "--insecure-no-secret", "--image-mode", "0640", "--api-listen", "",
	}
	init := append([]string{"init", "--out", file}, given...)
	if code, _, stderr := invoke(t, init...); code != exitOK || stderr != "wrote "+file+"\n" {
		t.Fatalf("exit code %d, stderr %q", code, stderr)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "hunter2") {
		t.Error("the file contains a secret")
	}
	fromFile, err := filled(t, "--config", file)
	if err != nil {
		t.Fatal(err)
	}
	fromFlags, err := filled(t, given...)
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range newApp(streams{}).Command("serve").Flags {
		name := flag.Names()[0]
		if name == configFlag.Name {
			continue
		}
		if a, b := fromFile.String(name), fromFlags.String(name); a != b || !slices.Equal(fromFile.StringSlice(name), fromFlags.StringSlice(name)) {
			t.Errorf("--%s is %q from the file, %q from flags", name, a, b)
		}
		if secret := secretVariable(flag); secret != "" {
			if !strings.Contains(string(data), secret+".\n") || regexp.MustCompile(`(?m)^(# )?`+name+`:`).Match(data) {
				t.Errorf("the file sets --%s, or does not name %s", name, secret)
			}
		} else if !regexp.MustCompile(`(?m)^(# )?` + name + `:`).Match(data) {
			t.Errorf("the file lacks %s", name)
		}
	}
	for line := range strings.Lines(string(data)) {
		if len([]rune(line)) > helpWidth+1 && strings.HasPrefix(line, "# ") {
			t.Errorf("a comment is too long: %s", line)
		}
	}

	// The defaults in the comments are what serve uses without them.
	uncommented := regexp.MustCompile(`(?m)^# [a-z-]+:( .*)?$`).ReplaceAllStringFunc(string(data), func(line string) string {
		name, _, _ := strings.Cut(line[2:], ":")
		if findFlag(settingFlags(), name) == nil {
			return line
		}
		return line[2:]
	})
	if strings.Count(uncommented, "#") > strings.Count(string(data), "#")-15 {
		t.Fatal("there are too few defaults")
	}
	if err := os.WriteFile(file, []byte(uncommented), 0o600); err != nil {
		t.Fatal(err)
	}
	withDefaults, err := filled(t, "--config", file)
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range newApp(streams{}).Command("serve").Flags {
		name := flag.Names()[0]
		a, b := withDefaults.String(name), fromFlags.String(name)
		if _, isDuration := flag.(durationFlag); isDuration {
			a, b = withDefaults.Duration(name).String(), fromFlags.Duration(name).String()
		}
		if name != configFlag.Name && a != b {
			t.Errorf("--%s is %q with the defaults of the file, %q without", name, a, b)
		}
	}

	// It replaces a file only with --force.
	if code, _, stderr := invoke(t, init...); code != exitUsage || !strings.Contains(stderr, "exists: choose another name, or replace it with --force") {
		t.Errorf("again: exit code %d, stderr %q", code, stderr)
	}
	if code, _, _ := invoke(t, append(init, "--force")...); code != exitOK {
		t.Errorf("with --force: exit code %d", code)
	}
	if now, err := os.ReadFile(file); err != nil || string(now) != string(data) {
		t.Errorf("with --force: %v, the file differs", err)
	}
	if code, stdout, stderr := invoke(t, append([]string{"init", "--out", "-"}, given...)...); code != exitOK || stdout != string(data) || stderr != "" {
		t.Errorf("to standard output: exit code %d, stderr %q, %d bytes", code, stderr, len(stdout))
	}
}

func TestInitErrors(t *testing.T) {
	t.Setenv("SHOTLINE_DB", "")
	for want, args := range map[string][]string{
		"init ngnix: want systemd, cron":       {"ngnix"},
		"init takes systemd, cron":             {"nginx", "caddy"},
		"--db my.db: want a path from the":     {"systemd", "--db", "my.db"},
		"--public-url: want https://HOST":      {"nginx", "--public-url", "http://hunter2@a.test/"},
		`--listen "8080": want HOST:PORT`:      {"nginx", "--listen", "8080"},
		`--webhook-path "x": it does not`:      {"caddy", "--webhook-path", "x"},
		"has a line break":                     {"cron", "--settle", "1s", "--base-url", "http://a.test/\n* * * * * x"},
		"--settle \"soon\": want a duration":   {"--settle", "soon"},
		"flag provided but not defined: -api-": {"--api-key", "hunter2"},
	} {
		code, stdout, stderr := invoke(t, append([]string{"init"}, args...)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, want) || strings.Contains(stderr, "hunter2") {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q, want %q", args, code, stdout, stderr, want)
		}
	}
}

// TestInitMetrics checks that the rules and the dashboard name only metrics that
// serve has, and most of its metrics.
func TestInitMetrics(t *testing.T) {
	known := map[string]bool{}
	for _, row := range docTable(t, "cmd/shotline/README.md", "## Metrics", "metric") {
		for _, name := range row.names {
			known[name] = true
		}
	}
	seen := map[string]bool{}
	for _, kind := range []string{"prometheus", "grafana"} {
		_, text, _ := invoke(t, "init", kind)
		for _, name := range regexp.MustCompile(`shotline_[a-z_]+`).FindAllString(text, -1) {
			name = strings.TrimSuffix(name, "_bucket")
			seen[name] = true
			if !known[name] {
				t.Errorf("%s: there is no metric %s", kind, name)
			}
		}
	}
	if len(seen) < len(known)/2 {
		t.Errorf("%d of %d metrics are shown", len(seen), len(known))
	}
}
