package storetest

import (
	_ "embed"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// modelled names the folder whose files go through the model of the page cache,
// in the process of the test that uses it.
const modelled = "SHOTLINE_CACHE_DIR"

//go:embed testdata/pagecache.c
var pageCacheModel []byte

// PageCache is a folder on a disk that can lose what was not synced, and whose
// syncs and reads can fail. Only calls of the C library, which SQLite uses, go
// through it, not those of Go. Linux only.
type PageCache struct {
	t   *testing.T
	dir string
}

// WithPageCache runs a test with such a folder, in a process of its own.
func WithPageCache(t *testing.T, test func(t *testing.T, c *PageCache)) {
	t.Helper()
	if dir := os.Getenv(modelled); dir != "" {
		test(t, &PageCache{t, dir})
		return
	}
	dir, library := t.TempDir(), filepath.Join(t.TempDir(), "pagecache.so")
	source := library + ".c"
	if err := os.WriteFile(source, pageCacheModel, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "cc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl", "-lpthread").CombinedOutput(); err != nil {
		t.Fatalf("compile the model of the page cache: %v\n%s", err, out)
	}
	cmd := again(t)
	cmd.Env = append(cmd.Env, modelled+"="+dir, "LD_PRELOAD="+library)
	if err := run(t, cmd); err != nil {
		t.Fatal(err)
	}
}

// Path is a file's path in the folder.
func (c *PageCache) Path(name string) string { return filepath.Join(c.dir, name) }

// FailSyncs makes syncs of a file fail, or succeed again. What a failed sync
// was to write is not written by a later one.
func (c *PageCache) FailSyncs(name string, on bool) { c.fault(name+".failsync", on, "") }

// FailReads makes reads of a file fail, or succeed again.
func (c *PageCache) FailReads(name string, on bool) { c.fault(name+".failread", on, "") }

// FailOneRead makes a read of a file fail, after so many that succeed. The
// function tells whether it has failed, and lifts the fault if it has not.
func (c *PageCache) FailOneRead(name string, after int) (failed func() bool) {
	c.fault(name+".failonce", true, strconv.Itoa(after))
	return func() bool {
		_, err := os.Stat(c.Path(name + ".failonce"))
		c.fault(name+".failonce", false, "")
		return errors.Is(err, fs.ErrNotExist)
	}
}

// fault makes the file that turns a fault on, which appears with its text, or
// removes it.
func (c *PageCache) fault(name string, on bool, text string) {
	c.t.Helper()
	path, fresh := c.Path(name), filepath.Join(c.t.TempDir(), name)
	if !on {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.t.Fatal(err)
		}
		return
	}
	if err := errors.Join(os.WriteFile(fresh, []byte(text), 0o600), os.Rename(fresh, path)); err != nil {
		c.t.Fatal(err)
	}
}

// PowerCut copies what is left of a database when the power fails now.
func (c *PageCache) PowerCut(name, to string) {
	c.t.Helper()
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(c.Path(name + suffix + ".disk"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(to+suffix, data, 0o600)
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
}
