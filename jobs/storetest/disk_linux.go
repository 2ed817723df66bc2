package storetest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// diskEnv names the test that has the disk, in the environment of the test's
// process.
const diskEnv = "SHOTLINE_TEST_DISK"

// Disk is a file system in memory in which a test can cause faults. It exists on
// Linux only.
type Disk struct {
	t   *testing.T
	dir string
}

// WithDisk runs a test with a disk of size bytes. The test runs in a separate
// process. The process has its own mounts, which no other process sees and which
// end with it. If the user is not root, the process is root of a user namespace.
// The test is skipped if the system allows neither.
func WithDisk(t *testing.T, size int64, test func(t *testing.T, d *Disk)) {
	t.Helper()
	if os.Getenv(diskEnv) != t.Name() {
		runWithMounts(t)
		return
	}
	d := &Disk{t: t, dir: t.TempDir()}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal("make mounts private:", err)
	}
	if err := syscall.Mount("tmpfs", d.dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatal("mount a disk:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.dir, syscall.MNT_DETACH); err != nil {
			t.Error("unmount:", err)
		}
	})
	test(t, d)
}

// runWithMounts runs the calling test in a process that may mount.
func runWithMounts(t *testing.T) {
	t.Helper()
	cmd := childProcess(t)
	cmd.Env = append(cmd.Env, diskEnv+"="+t.Name())
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	err := run(t, cmd)
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EINVAL):
		t.Skip("needs to mount a small disk, which this system does not allow:", err)
	case err != nil:
		t.Fatal(err)
	}
}

// childProcess returns a process that runs the calling test, and that ends with
// this one.
func childProcess(t *testing.T) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var pattern []string
	for _, name := range strings.Split(t.Name(), "/") {
		pattern = append(pattern, "^"+regexp.QuoteMeta(name)+"$")
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run="+strings.Join(pattern, "/"), "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// run fails the test if it failed in cmd. It returns an error if cmd could not
// start.
func run(t *testing.T, cmd *exec.Cmd) error {
	t.Helper()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) || err == nil && !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("in a separate process: %v\n%s", err, out)
	}
	return err
}

// Path returns the path of a file on the disk.
func (d *Disk) Path(name string) string { return filepath.Join(d.dir, name) }

// Fill uses all the free space.
func (d *Disk) Fill() {
	d.t.Helper()
	f, err := os.Create(d.Path("ballast"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		_, err := f.Write(block)
		switch {
		case errors.Is(err, syscall.ENOSPC):
			block = block[:len(block)/2]
		case err != nil:
			d.t.Fatal(err)
		}
	}
}

// Free releases the space that Fill used.
func (d *Disk) Free() {
	d.t.Helper()
	if err := os.Remove(d.Path("ballast")); err != nil {
		d.t.Fatal(err)
	}
}

// ReadOnly makes the disk refuse or accept writes. No file on it may be open for
// writing.
func (d *Disk) ReadOnly(on bool) {
	d.t.Helper()
	flags := uintptr(syscall.MS_REMOUNT)
	if on {
		flags |= syscall.MS_RDONLY
	}
	if err := syscall.Mount("", d.dir, "", flags, ""); err != nil {
		d.t.Fatal("remount:", err)
	}
}

// Cap makes writes beyond size bytes of a file fail with an I/O error, in the
// whole process. If size is 0, it removes the limit.
func (d *Disk) Cap(size uint64) {
	d.t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		d.t.Fatal(err)
	}
	if limit.Cur = size; size == 0 {
		limit.Cur = limit.Max
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		d.t.Fatal(err)
	}
}
