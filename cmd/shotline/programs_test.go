package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// plainFolder is where plainProgram builds. It is empty if nothing was built.
var plainFolder string

var plain = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "shotline")
	if err != nil {
		return "", err
	}
	plainFolder = folder
	program := filepath.Join(folder, "shotline.exe") // the extension that Windows needs
	return program, goBuild(context.Background(), program, "shotline/cmd/shotline")
})

// plainProgram returns the path of shotline without the race detector. It is built
// once for all tests.
func plainProgram(t *testing.T) string {
	t.Helper()
	program, err := plain()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// goBuild builds a program without debug information, which takes half as long to
// link.
func goBuild(ctx context.Context, binary, source string) error {
	output, err := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", binary, source).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build %s: %w\n%s", source, err, output)
	}
	return nil
}

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
		findProgram(t, []string{"go"})
		binary := filepath.Join(t.TempDir(), name+".exe")
		if err := goBuild(t.Context(), binary, filepath.Dir(file)); err != nil {
			t.Fatal(err)
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
