//go:build unix

package wholefile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// inheritOwner sets the owner and group of a file to those of another one, as far
// as the process is permitted to: only root can set the owner, and other users
// can set a group that they are members of. Otherwise the file keeps those of the
// process.
func inheritOwner(file *os.File, of fs.FileInfo) error {
	want, known := of.Sys().(*syscall.Stat_t)
	info, err := file.Stat()
	if err != nil || !known {
		return err
	}
	if got, ok := info.Sys().(*syscall.Stat_t); !ok || got.Uid == want.Uid && got.Gid == want.Gid {
		return nil
	}
	owner := -1
	if os.Geteuid() == 0 {
		owner = int(want.Uid)
	}
	// EINVAL: the id has no meaning in the user namespace of the process.
	if err := file.Chown(owner, int(want.Gid)); err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}
