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

// cacheEnv names the folder whose files go through the model of the page cache.
// It is set in the process of the test that uses the folder.
const cacheEnv = "SHOTLINE_CACHE_DIR"

//go:embed testdata/pagecache.c
var pageCacheModel []byte

// PageCache is a folder on a disk that can lose data that was not synced, and
// whose syncs and reads can fail. It affects calls of the C library, which SQLite
// makes, and not those of Go. It exists on Linux only.
type PageCache struct {
	t   *testing.T
	dir string
}

// WithPageCache runs a test with such a folder, in a separate process.
func WithPageCache(t *testing.T, test func(t *testing.T, c *PageCache)) {
	t.Helper()
	if dir := os.Getenv(cacheEnv); dir != "" {
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
	cmd := childProcess(t)
	cmd.Env = append(cmd.Env, cacheEnv+"="+dir, "LD_PRELOAD="+library)
	if err := run(t, cmd); err != nil {
		t.Fatal(err)
	}
}

// Path returns the path of a file in the folder.
func (c *PageCache) Path(name string) string { return filepath.Join(c.dir, name) }

// FailSyncs makes syncs of a file fail, or succeed again. A later sync does not
// write the data of a failed one.
func (c *PageCache) FailSyncs(name string, on bool) { c.fault(name+".failsync", on, "") }

// FailReads makes reads of a file fail, or succeed again.
func (c *PageCache) FailReads(name string, on bool) { c.fault(name+".failread", on, "") }

// FailOneRead makes one read of a file fail, after the given number of successful
// reads. The function failed reports whether it has failed. If it has not, failed
// removes the fault.
func (c *PageCache) FailOneRead(name string, after int) (failed func() bool) {
	c.fault(name+".failonce", true, strconv.Itoa(after))
	return func() bool {
		_, err := os.Stat(c.Path(name + ".failonce"))
		c.fault(name+".failonce", false, "")
		return errors.Is(err, fs.ErrNotExist)
	}
}

// fault creates or removes the file that enables a fault. It writes the text
// before the file gets its name, so the fault is never enabled without it.
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

// PowerCut copies the data of a database that would survive a power failure now.
func (c *PageCache) PowerCut(name, to string) {
	c.t.Helper()
	for _, suffix := range []string{"", "-wal"} {
		from, err := os.Open(c.Path(name + suffix + ".disk"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			c.t.Fatal(err)
		}
		copied, err := os.Create(to + suffix)
		if err == nil {
			_, err = copied.ReadFrom(from) // by the kernel
			err = errors.Join(err, copied.Close())
		}
		if err := errors.Join(err, from.Close()); err != nil {
			c.t.Fatal(err)
		}
	}
}
