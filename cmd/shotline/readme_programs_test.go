package main

import (
	"bytes"
	"context"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// readmeProgram is one of the programs that the README shows: a block whose first
// line is a comment with the program's name.
func readmeProgram(t *testing.T, name string) []byte {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```\\w+\n((?:#|//) " + regexp.QuoteMeta(name) + "\n.*?)^```$").FindSubmatch(readme)
	if block == nil {
		t.Fatalf("the README has no block that begins with a comment %s", name)
	}
	return block[1]
}

// program is what starts one of the README's programs as it stands there.
func program(t *testing.T, name string) (argv []string) {
	t.Helper()
	text := readmeProgram(t, name)
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	switch filepath.Ext(name) {
	case ".go":
		if formatted, err := format.Source(text); err != nil || !bytes.Equal(formatted, text) {
			t.Errorf("%s is not as gofmt writes it: %v", name, err)
		}
		binary := file + ".exe"
		if said, err := exec.CommandContext(t.Context(), findProgram(t, []string{"go"}), "build", "-o", binary, file).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, said)
		}
		return []string{binary}
	case ".py":
		return []string{findProgram(t, []string{"python3"}), file}
	case ".mjs":
		return []string{findProgram(t, []string{"node", "nodejs"}), file}
	default:
		findProgram(t, []string{"curl"})
		findProgram(t, []string{"jq"})
		return []string{findProgram(t, []string{"sh"}), file}
	}
}

// programCommand runs in a folder of its own, and is ended with the test, or after
// two minutes.
func programCommand(t *testing.T, argv []string, env ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(cmd.Environ(), append(env, "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")...)
	cmd.WaitDelay = time.Second
	return cmd
}
