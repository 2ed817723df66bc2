package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"shotline/client/sandbox"
	"shotline/client/sandbox/pages"
)

// TestSettingsAreTrimmed checks that white space around a value is ignored if it
// comes from a flag, a file or the environment.
func TestSettingsAreTrimmed(t *testing.T) {
	hooks, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	vendor, err := startSandbox(sandbox.Config{
		APIKey: testKey, WebhookURL: "http://" + hooks + WebhookPath, WebhookSecret: testSecret,
		Renderer: &sandbox.PlainRenderer{Fail: pages.Fail},
	}, "127.0.0.1:0", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = vendor.stop() })
	redis := newRedisServer(t)
	settings := map[string]string{
		"api-key": testKey, "base-url": vendor.url + "/api/v1", "redis-url": "redis://" + redis.address,
		"rate": "50", "concurrency": "4", "settle": "2s", "log-level": "error", "app-id": "12",
		"webhook-secret": testSecret, "listen": hooks,
	}
	flags := findAll(t, "run", settings)
	const before, after = "\ufeff \t\r\n", " \t\r\n\ufeff\u200b"
	folder := t.TempDir()
	db, config := filepath.Join(folder, "shotline.db"), filepath.Join(folder, "c.yaml")
	var args []string
	file := "\ufeffdb: \"" + db + "\"\r\n"
	for name, value := range settings {
		args = append(args, "--"+name, before+value+after)
		file += name + ": \"" + escaped.Replace(before+value+after) + "\"\r\n"
	}
	if err := os.WriteFile(config, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(source string, args ...string) {
		t.Helper()
		code, stdout, stderr := invoke(t, append([]string{"run", "https://shop.shotline.test/", "--timeout", "30s"}, args...)...)
		if code != exitOK || !strings.Contains(stdout, "closed by   webhook 1") {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", source, code, stdout, stderr)
		}
	}
	check("flags", append(args, "--db", db)...)
	check("file", "--config", config)
	for name, value := range settings {
		for _, variable := range flags[name] {
			t.Setenv(variable, before+value+after)
		}
	}
	t.Setenv("SHOTLINE_DB", "\ufeff"+db+"\r\n")
	check("environment")
}

var escaped = strings.NewReplacer("\n", `\n`, "\r", `\r`, "\t", `\t`)

// findAll returns the environment variables of the settings.
func findAll(t *testing.T, command string, settings map[string]string) map[string][]string {
	t.Helper()
	variables := map[string][]string{}
	for name := range settings {
		flag, is := findFlag(newApp(streams{}).Command(command).Flags, name).(cli.DocGenerationFlag)
		if !is {
			t.Fatalf("%s has no flag %s", command, name)
		}
		variables[name] = flag.GetEnvVars()
		if variable, list := listVariables[name]; list {
			variables[name] = []string{variable}
		}
		if len(variables[name]) == 0 {
			t.Fatalf("%s cannot be set in the environment", name)
		}
	}
	return variables
}

// TestQuantityErrors sets every flag of every command that takes a number or a
// duration to a wrong value: on the command line, in a file and in the
// environment.
func TestQuantityErrors(t *testing.T) {
	want := func(source string, args []string, texts ...string) {
		t.Helper()
		code, _, stderr := invoke(t, args...)
		for _, text := range texts {
			if code != exitUsage || !strings.Contains(stderr, text) || strings.Contains(stderr, "parse error") {
				t.Errorf("%s, %v: exit code %d, stderr %q; want %d and %q", source, args, code, stderr, exitUsage, text)
			}
		}
	}
	seen := 0
	for _, command := range newApp(streams{}).Commands {
		for _, flag := range command.Flags {
			bad, hint := "fast", "such as"
			switch flag.(type) {
			case durationFlag:
				bad, hint = "5", "such as 5s or 5m"
			case intFlag, floatFlag:
			default:
				continue
			}
			seen++
			name := flag.Names()[0]
			want("flag", []string{command.Name, "--" + name, bad}, "--"+name+" \""+bad+"\": want a", hint)
			if flag := findSetting(command.Flags, "config"); flag != nil {
				config := filepath.Join(t.TempDir(), "c.yaml")
				if err := os.WriteFile(config, []byte("\n"+name+": "+bad), 0o600); err != nil {
					t.Fatal(err)
				}
				want("file", []string{command.Name, "--config", config}, "line 2: "+name+": want a", hint)
			}
			for _, variable := range flag.(cli.DocGenerationFlag).GetEnvVars() {
				before, given := os.LookupEnv(variable)
				if err := os.Setenv(variable, bad); err != nil {
					t.Fatal(err)
				}
				want("environment", []string{command.Name}, variable+": want a", hint)
				if given {
					os.Setenv(variable, before)
				} else {
					os.Unsetenv(variable)
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("checked %d flags, want at least 20", seen)
	}
	want("flag", []string{"serve", "--concurrency", "99999999999999999999"}, "--concurrency \"99999999999999999999\": the number is too large")
	want("flag", []string{"list", "--json=maybe"}, "--json=maybe: want true or false")
}

// TestAddressErrors checks that the error describes the fault without the
// address.
func TestAddressErrors(t *testing.T) {
	t.Setenv("SCREENSHOTCENTER_API_KEY", "k")
	for _, test := range []struct{ flag, value, wantErr string }{
		{"base-url", "hunter2:8070/api/v1", "has no scheme"},
		{"base-url", "http://hunter2:port/api", "want HOST or HOST:PORT after ://"},
		{"base-url", "http://hunter2 x/api", "contains a space"},
		{"base-url", "http://hunter2/%zz", "a % that is not part of an escape"},
		{"base-url", "hunter2!://x", "is not a scheme such as https"},
		{"redis-url", "hunter2:6379", "it has no scheme; want redis://"},
		{"redis-url", "http://hunter2:6379", "its scheme is not one for Redis; want redis://"},
		{"redis-url", "redis://:hunter2/x@h", "it cannot be parsed (special characters in a password must be escaped, such as @ as %40); want redis://"},
		{"redis-url", "redis://h/hunter2", "its database is not a number; want redis://"},
		{"redis-url", "redis:// hunter2", "it contains a space or a line break; want redis://"},
	} {
		code, _, stderr := invoke(t, "run", "https://a.test/", "--db", filepath.Join(t.TempDir(), "a.db"), "--"+test.flag, test.value)
		if code != exitUsage || !strings.Contains(stderr, "--"+test.flag+" cannot be used: ") || !strings.Contains(stderr, test.wantErr) || strings.Contains(stderr, "hunter2") {
			t.Errorf("--%s %s: exit code %d, stderr %q, want %d and %q", test.flag, test.value, code, stderr, exitUsage, test.wantErr)
		}
	}
}
