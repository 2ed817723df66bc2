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

// diskOf names, in a test's own process, the test that has the disk.
const diskOf = "SHOTLINE_TEST_DISK"

// Disk is a file system of its own, in memory, that a test can bring into
// trouble. Linux only.
type Disk struct {
	t   *testing.T
	dir string
}

// WithDisk runs a test with a disk of size bytes. The test runs in a process
// of its own, whose mounts nobody else sees and which end with it; without
// root it is root of a user namespace there. It is skipped where the system
// allows neither.
func WithDisk(t *testing.T, size int64, test func(t *testing.T, d *Disk)) {
	t.Helper()
	if os.Getenv(diskOf) != t.Name() {
		runAlone(t)
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

// runAlone runs the calling test in a process that may mount.
func runAlone(t *testing.T) {
	t.Helper()
	cmd := again(t)
	cmd.Env = append(cmd.Env, diskOf+"="+t.Name())
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

// again is a process of its own for the calling test, which ends with this one.
func again(t *testing.T) *exec.Cmd {
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

// run fails the test if it failed in cmd, and returns why cmd could not start.
func run(t *testing.T, cmd *exec.Cmd) error {
	t.Helper()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) || err == nil && !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("in a process of its own: %v\n%s", err, out)
	}
	return err
}

// Path is a file's path on the disk.
func (d *Disk) Path(name string) string { return filepath.Join(d.dir, name) }

// Fill takes all the space that is left.
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

// Free gives back what Fill took.
func (d *Disk) Free() {
	d.t.Helper()
	if err := os.Remove(d.Path("ballast")); err != nil {
		d.t.Fatal(err)
	}
}

// ReadOnly makes the disk refuse writes, or take them again. No file on it may
// be open for writing.
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

// Cap makes every write beyond size bytes of a file an I/O error, for the
// whole process; 0 lifts it.
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
