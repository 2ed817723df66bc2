package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// serving returns the context of a serve command with --listen on its command
// line.
func serving(t testing.TB) (c *cli.Context) {
	t.Helper()
	app := newApp(streams{})
	command := app.Command("serve")
	command.Before, command.Action = nil, func(own *cli.Context) error { c = own; return nil }
	if err := app.Run([]string{"shotline", "serve", "--listen", "127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConfigFile(t *testing.T) {
	for _, variable := range []string{"SCREENSHOTCENTER_API_KEY", "SHOTLINE_CONFIG"} {
		t.Setenv(variable, "") // restores the variable after the test
		os.Unsetenv(variable)
	}
	for name, tc := range map[string]struct {
		text string
		key  string
		list []string // value of webhook-secret
		err  string
	}{
		"a text":                 {"api-key: abc", "abc", nil, ""},
		"digits":                 {"api-key: 0123\nwebhook-secret: [0x1F, 1_000, 1e3, 'a,b']", "0123", []string{"0x1F", "1_000", "1e3", "a,b"}, ""},
		"a block":                {"api-key: |-\n  abc\n", "abc", nil, ""},
		"without a value":        {"api-key:\nwebhook-secret: [~, b]", "", []string{"b"}, ""},
		"nothing":                {"# nothing\n", "", nil, ""},
		"of another command":     {"fault: x=1\napi-key: abc", "abc", nil, ""},
		"set already":            {"listen: 127.0.0.1:2", "", nil, ""},
		"not a flag":             {"api-keys: hunter2", "", nil, `line 1: "api-keys" is not a flag`},
		"a name that is a value": {"? [hunter2]\n: x", "", nil, "[2:1]"},
		"an invalid name":        {"hunter2 x: 1", "", nil, "line 1: key is not the name of a flag"},
		"a mapping":              {"\napi-key: {hunter2: x}", "", nil, "line 2: want a text"},
		"a list for one":         {"api-key: [hunter2, b]", "", nil, "line 1: api-key takes one value, not 2"},
		"a byte order mark":      {"\ufeffapi-key: abc\r\nwebhook-secret: \"\ufeffa\\n\"\r\n", "abc", []string{"a"}, ""},
		"UTF-16":                 {"\xff\xfea\x00p\x00i\x00", "", nil, "UTF-16: save it as UTF-8"},
		"two documents":          {"api-key: a\n---\napi-key: hunter2", "", nil, "more than one YAML document"},
		"a list":                 {"- hunter2", "", nil, "want flag names as keys"},
		"broken":                 {"api-key: hunter2\nwebhook-secret: [hunter2", "", nil, "[2:17]"},
		"a bad duration":         {"settle: soon", "", nil, "line 1: settle"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "c.yaml")
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			c := serving(t)
			if err := c.Set("config", path); err != nil {
				t.Fatal(err)
			}
			err := loadConfigFile(c)
			if tc.err != "" {
				if exitCode(err) != exitUsage || !strings.Contains(err.Error(), tc.err) || strings.Contains(err.Error(), "hunter2") {
					t.Fatalf("got %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil || c.String("api-key") != tc.key || !slices.Equal(c.StringSlice("webhook-secret"), tc.list) || c.String("listen") != "127.0.0.1:1" {
				t.Fatalf("key %q, secrets %q, listen %q, %v", c.String("api-key"), c.StringSlice("webhook-secret"), c.String("listen"), err)
			}
		})
	}
}

// FuzzConfigFile puts a secret into a file with arbitrary surroundings. Errors
// must not contain the secret, the command line must take precedence, and every
// value must come from the file.
func FuzzConfigFile(f *testing.F) {
	const secret = "hunter2canary"
	for _, seed := range [][2]string{
		{"listen: x", "db: a"}, {"a: [", "]"}, {"\"", "\": 1"}, {"? |", "  x"}, {"a: &x 1", "b: *x"}, {"---\n", "...\n"}, {"api-key: {", "}"},
		{"listen: &a [*a]", ""}, {"<<: 1", "!!x y: z"}, {"\xff", "\x00"}, {"webhook-secret: >", "- x"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		text := before + "\nwebhook-secret: " + secret + "\n" + after
		c := serving(t)
		settings, err := readSettings([]byte(text))
		for _, s := range settings {
			err = errors.Join(err, fillFlag(c, s))
			for _, value := range s.values {
				if !strings.ContainsAny(text, "\\'\"|>\r\n\t ") && !strings.Contains(text, value) {
					t.Fatalf("value %q is not in file %q", value, text)
				}
			}
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Fatalf("the error contains the secret: %q", err)
		}
		if c.String("listen") != "127.0.0.1:1" {
			t.Fatalf("listen address is %q", c.String("listen"))
		}
	})
}
