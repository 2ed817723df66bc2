//go:build unix

package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestOutWritesIntoTheFile checks --out for every kind of file: a device and a
// FIFO get the bytes, a link stays a link, and a file keeps its mode.
func TestOutWritesIntoTheFile(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	if code, _, stderr := invoke(t, "submit", "https://a.test/"); code != exitOK {
		t.Fatal(stderr)
	}
	_, batch, _ := invoke(t, "list", "--json")
	_, batch, _ = strings.Cut(batch, `"batch_id":"`)
	batch, _, _ = strings.Cut(batch, `"`)
	if code, _, stderr := invoke(t, "cancel", batch); code != exitOK { // reports about an open batch change over time
		t.Fatal(stderr)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(syscall.Mkfifo("pipe", 0o600))
	must(os.Mkdir("real", 0o700))
	must(os.Symlink("real/latest", "latest"))
	must(os.Symlink(os.DevNull, "nothing"))
	must(os.WriteFile("private", []byte("old"), 0o600))
	must(os.WriteFile("public", []byte("old"), 0o644))
	kinds := func() string {
		var all []string
		for _, name := range []string{"pipe", "latest", "nothing", "private", "public", os.DevNull} {
			info, err := os.Lstat(name)
			must(err)
			all = append(all, name+" "+info.Mode().String())
		}
		return strings.Join(all, ", ")
	}
	before := kinds()
	for _, command := range []string{"results", "summary"} {
		_, want, _ := invoke(t, command, batch)
		got := make(chan string, 1)
		go func() {
			data, _ := os.ReadFile("pipe")
			got <- string(data)
		}()
		for _, name := range []string{"pipe", "latest", "nothing", "private", "public", os.DevNull, "/dev/full"} {
			code, stdout, stderr := invoke(t, command, batch, "--out", name)
			switch {
			case name == "/dev/full":
				if _, err := os.Stat(name); err == nil && (code != exitFailed || !strings.Contains(stderr, "--out: ") || !strings.Contains(stderr, "no space left")) {
					t.Errorf("%s to %s: exit code %d, stderr %q", command, name, code, stderr)
				}
			case code != exitOK || stdout != "":
				t.Errorf("%s to %s: exit code %d, stdout %q, stderr %q", command, name, code, stdout, stderr)
			}
		}
		if text := <-got; text != want {
			t.Errorf("%s: the reader of the FIFO got %q, want %q", command, text, want)
		}
		for _, name := range []string{"real/latest", "private", "public"} {
			if data, err := os.ReadFile(name); err != nil || string(data) != want {
				t.Errorf("%s: %s has %q, %v; want %q", command, name, data, err, want)
			}
			must(os.WriteFile(name, []byte("old"), 0))
		}
		for _, name := range []string{folder, "shotline.db", "shotline.db-wal", "new/"} {
			if name == "shotline.db-wal" {
				must(os.WriteFile(name, nil, 0o600))
			}
			if code, _, stderr := invoke(t, command, batch, "--out", name); code != exitUsage || !strings.Contains(stderr, "--out") {
				t.Errorf("%s to %s: exit code %d, stderr %q", command, name, code, stderr)
			}
		}
		for _, name := range []string{"/dev/stdout", "/dev/fd/1"} {
			if code, stdout, stderr := invoke(t, command, batch, "--out", name); code != exitOK || stdout != want {
				t.Errorf("%s to %s: exit code %d, stdout %q, stderr %q", command, name, code, stdout, stderr)
			}
		}
	}

	for _, name := range []string{"private", "public", "latest"} {
		if code, _, stderr := invoke(t, "backup", "--force", name); code != exitOK {
			t.Errorf("backup to %s: exit code %d, stderr %q", name, code, stderr)
		}
	}
	if code, _, stderr := invoke(t, "status", batch, "--db", "real/latest"); code != exitOK {
		t.Errorf("the backup behind the link: exit code %d, stderr %q", code, stderr)
	}
	for _, name := range []string{"pipe", "nothing", os.DevNull, "real"} {
		if code, _, stderr := invoke(t, "backup", "--force", name); code != exitUsage || !strings.Contains(stderr, "not a regular file") {
			t.Errorf("backup to %s: exit code %d, stderr %q", name, code, stderr)
		}
	}
	must(os.Remove("real/latest"))
	if code, _, stderr := invoke(t, "backup", "latest"); code != exitOK {
		t.Errorf("backup to a link without a file: exit code %d, stderr %q", code, stderr)
	}
	if code, _, stderr := invoke(t, "backup", "latest"); code != exitUsage || !strings.Contains(stderr, "latest exists") {
		t.Errorf("backup to a link without --force: exit code %d, stderr %q", code, stderr)
	}
	if code, _, stderr := invoke(t, "summary", batch, "--format", "html", "--pictures", "--api-key", "k", "--out", "pipe"); code != exitUsage || !strings.Contains(stderr, "a FIFO") {
		t.Errorf("a sheet with images to a FIFO: exit code %d, stderr %q", code, stderr)
	}
	if after := kinds(); after != before {
		t.Errorf("got %s, want %s", after, before)
	}
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".partial") || strings.HasSuffix(path, "_pictures") {
			t.Errorf("%s was left", path)
		}
		return err
	})
	must(err)
}

// TestOutNeedsAReader checks that a FIFO without a reader does not block a command
// forever.
func TestOutNeedsAReader(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	unused := func(io.Writer) error { t.Error("content was requested"); return nil }
	if err := outError(writeThrough(t.Context(), pipe, unused)); !errors.Is(err, errNoReader) || !strings.Contains(err.Error(), "--out: write "+pipe) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := writeThrough(ctx, pipe, unused); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: got %v", err)
	}
}
