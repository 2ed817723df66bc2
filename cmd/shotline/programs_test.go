package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// program returns the command line of a program in testdata/programs, such as
// order.py, which is in the folder order. If the program is in Go, it is built.
func program(t *testing.T, name string) (argv []string) {
	t.Helper()
	extension := filepath.Ext(name)
	file, err := filepath.Abs(filepath.Join("../../testdata/programs", strings.TrimSuffix(name, extension), name))
	if err != nil {
		t.Fatal(err)
	}
	switch extension {
	case ".go":
		binary := filepath.Join(t.TempDir(), name+".exe")
		if output, err := exec.CommandContext(t.Context(), findProgram(t, []string{"go"}), "build", "-o", binary, filepath.Dir(file)).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, output)
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

// programCommand returns a command that runs in its own folder. The command is
// killed when the test ends, or after two minutes.
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
