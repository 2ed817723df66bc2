package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// filled returns the context of a serve command after its settings are filled.
func filled(t *testing.T, args ...string) (c *cli.Context, err error) {
	t.Helper()
	app := newApp(streams{})
	app.Command("serve").Action = func(own *cli.Context) error { c = own; return nil }
	err = app.Run(append([]string{"shotline", "serve"}, args...))
	return c, err
}

// TestSecretFiles checks that every secret can come from a file.
func TestSecretFiles(t *testing.T) {
	folder := t.TempDir()
	write := func(text string) string {
		path := filepath.Join(folder, "secret")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	flags := newApp(streams{}).Command("serve").Flags
	documented := section(t, "cmd/shotline/README.md", "## Configuration")
	for _, name := range secretSettings {
		flag := findFlag(flags, name)
		plain, variable := variableOf(flag), secretVariable(flag)
		if !strings.Contains(documented, "`"+variable+"`") {
			t.Errorf("the README does not name %s", variable)
		}
		t.Run(name, func(t *testing.T) {
			for _, unset := range []string{plain, variable} {
				t.Setenv(unset, "")
			}
			value := func(c *cli.Context) []string {
				if isRepeatable(flag) {
					return c.StringSlice(name)
				}
				return []string{c.String(name)}
			}
			wantErr := func(text string) {
				t.Helper()
				if _, err := filled(t); exitCode(err) != exitUsage || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("got %v, want %q", err, text)
				}
			}
			t.Setenv(variable, write("\ufeffhunter2 \r\n"))
			if c, err := filled(t); err != nil || !slices.Equal(value(c), []string{"hunter2"}) {
				t.Errorf("file with a line end: %v", err)
			}
			if c, err := filled(t, "--"+name, "own"); err != nil || !slices.Equal(value(c), []string{"own"}) {
				t.Errorf("the command line does not take precedence: %v", err)
			}
			write("hunter2\nhunter3,hunter4\n\n")
			if !isRepeatable(flag) {
				wantErr(variable + ": " + filepath.Join(folder, "secret") + " has several lines: want one")
			} else if c, err := filled(t); err != nil || !slices.Equal(value(c), []string{"hunter2", "hunter3", "hunter4"}) {
				t.Errorf("file with three values: %v", err)
			}
			write("\n")
			wantErr(variable + ": " + filepath.Join(folder, "secret") + " is empty")
			write(strings.Repeat("hunter2", 10000))
			wantErr("has more than 65536 bytes")
			write("\xff\xfeh\x00")
			wantErr("is in UTF-16")
			t.Setenv(variable, filepath.Join(folder, "none"))
			wantErr(variable + ": stat " + filepath.Join(folder, "none") + ": no such file")
			t.Setenv(plain, "hunter2")
			wantErr("both " + plain + " and " + variable + " are set")
		})
	}
}
