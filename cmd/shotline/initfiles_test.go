package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// printed returns what init prints.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := invoke(t, append([]string{"init"}, args...)...)
	if code != exitOK || stdout == "" || stderr != "" {
		t.Fatalf("%v: exit code %d, stderr %q", args, code, stderr)
	}
	return stdout
}

// accepts checks that a program accepts a file.
func accepts(t *testing.T, text string, program string, args ...string) {
	t.Helper()
	program = findProgram(t, []string{program})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "FILE", file)
	}
	command := exec.Command(program, args...)
	command.Env = append(os.Environ(), "HOME="+t.TempDir())
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s\n%s", args, err, out, text)
	}
}

// odd are settings with characters that have a meaning in the files.
var odd = []string{"--db", "/var/lib/shotline/my $shots%.db", "--listen", "0.0.0.0:80", "--api-listen", "[::1]:9091", "--webhook-path", "/a%20b$c;d", "--with-api",
	"--app-id", `12=/"q"\x`, "--base-url", "https://a.test/api?x=%20", "--download", "/srv/it's"}

func TestInitSystemd(t *testing.T) {
	program, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{"defaults": nil, "odd": odd, "a user": {"--user", "root"}} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			args := append([]string{"systemd", "--program", program}, args...)
			all := printed(t, args...)
			write := append([]string{"init", "--out", folder}, args...)
			if code, _, stderr := invoke(t, write...); code != exitOK {
				t.Fatalf("exit code %d, stderr %q", code, stderr)
			}
			verify := []string{"verify"}
			for _, unit := range units {
				path := filepath.Join(folder, unit)
				text, err := os.ReadFile(path)
				if err != nil || !strings.Contains(all, unit+" ----\n"+string(text)) {
					t.Errorf("%s: %v, or it is not printed", unit, err)
				}
				verify = append(verify, path)
			}
			if code, _, stderr := invoke(t, write...); code != exitUsage || !strings.Contains(stderr, "exists") {
				t.Errorf("again: exit code %d, stderr %q", code, stderr)
			}
			out, err := exec.Command(findProgram(t, []string{"systemd-analyze"}), verify...).CombinedOutput()
			if err != nil || strings.Contains(string(out), folder) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	text := printed(t, append([]string{"systemd", "--program", program}, odd...)...)
	for _, want := range []string{`"--db=/var/lib/shotline/my $$shots%%.db"`, `"--app-id=12=/\"q\"\\x"`, `ReadWritePaths="/srv/it's"`, "AmbientCapabilities=CAP_NET_BIND_SERVICE",
		"DynamicUser=yes", "ProtectSystem=strict", "StateDirectory=shotline", "LimitNOFILE=", "LoadCredential=api-key:", "Restart=on-failure", "WEBHOOK_SECRET_FILE=%d/webhook-secret"} {
		if !strings.Contains(text, want) {
			t.Errorf("the units lack %s", want)
		}
	}
	if text := printed(t, "systemd", "--user", "shots"); strings.Contains(text, "DynamicUser") || !strings.Contains(text, "\nUser=shots\n") {
		t.Error("--user has no effect")
	}
}

// cronLine matches a line of a crontab: a variable, or five fields and a command.
var cronLine = regexp.MustCompile(`^([A-Z_]+=\S+|([0-9*,/-]+ ){5}(.+))$`)

func TestInitCron(t *testing.T) {
	folder := t.TempDir()
	database := filepath.Join(folder, "it's 100%.db")
	if code, _, stderr := invoke(t, "submit", "https://a.test/", "--db", database); code != exitOK {
		t.Fatal(stderr)
	}
	program, err := exec.LookPath("shotline")
	if err != nil {
		t.Fatal(err)
	}
	text := printed(t, "cron", "--db", database, "--backup", filepath.Join(folder, "b.db"), "--program", program, "--request-timeout", "3s")
	var commands []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		match := cronLine.FindStringSubmatch(line)
		if match == nil {
			t.Errorf("not a line of a crontab: %q", line)
		} else if match[3] != "" {
			commands = append(commands, match[3])
		}
	}
	if len(commands) != 2 || !strings.Contains(commands[0], "--request-timeout=3s") {
		t.Fatalf("commands: %q", commands)
	}
	for _, command := range commands {
		if strings.Contains(strings.ReplaceAll(command, `\%`, ""), "%") {
			t.Errorf("cron ends the command at a %%: %s", command)
		}
		run := exec.Command("/bin/sh", "-c", strings.ReplaceAll(command, `\%`, "%")) // as cron does
		run.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
		if out, err := run.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "b.db")); err != nil {
		t.Error(err)
	}
}

func TestInitNginx(t *testing.T) {
	folder := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"privkey.pem": {Type: "PRIVATE KEY", Bytes: private}, "fullchain.pem": {Type: "CERTIFICATE", Bytes: public}} {
		if err := os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, args := range map[string][]string{"defaults": nil, "odd": odd} {
		t.Run(name, func(t *testing.T) {
			text := printed(t, append([]string{"nginx", "--public-url", "https://shots.example.com"}, args...)...)
			text = strings.ReplaceAll(text, "/etc/letsencrypt/live/shots.example.com", folder)
			text = "pid " + folder + "/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n" + text + "}\n"
			accepts(t, text, "nginx", "-t", "-q", "-p", folder, "-c", "FILE")
		})
	}
	text := printed(t, append([]string{"nginx"}, odd...)...)
	for _, want := range []string{"proxy_pass http://127.0.0.1:80;", "proxy_pass http://[::1]:9091;", "proxy_buffering off;", "client_max_body_size 256m;"} {
		if !strings.Contains(text, want) {
			t.Errorf("the server lacks %s", want)
		}
	}
	if strings.Contains(printed(t, "nginx"), "8081") {
		t.Error("the API is forwarded without --with-api")
	}
}

func TestInitCaddy(t *testing.T) {
	for name, args := range map[string][]string{"defaults": nil, "odd": odd} {
		t.Run(name, func(t *testing.T) {
			accepts(t, printed(t, append([]string{"caddy"}, args...)...), "caddy", "adapt", "--config", "FILE", "--adapter", "caddyfile", "--validate")
		})
	}
}

func TestInitPrometheus(t *testing.T) {
	accepts(t, printed(t, "prometheus"), "promtool", "check", "rules", "FILE")
}

func TestInitGrafana(t *testing.T) {
	var dashboard struct {
		Title  string
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(printed(t, "grafana")), &dashboard); err != nil || dashboard.Title == "" || len(dashboard.Panels) < 10 {
		t.Fatalf("%v, %d panels", err, len(dashboard.Panels))
	}
	// The expressions are checked as those of rules.
	rules := "groups:\n- name: dashboard\n  rules:\n"
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			expression, err := json.Marshal(target.Expr)
			if err != nil {
				t.Fatal(err)
			}
			rules += "  - {record: 'a:b', labels: {panel: " + strings.ReplaceAll(panel.Title, " ", "_")[:4] + "}, expr: " + string(expression) + "}\n"
		}
	}
	accepts(t, rules, "promtool", "check", "rules", "FILE")
}
