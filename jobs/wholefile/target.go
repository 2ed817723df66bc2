package wholefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxLinks is how many symbolic links Resolve follows, as many as Linux does.
const maxLinks = 40

// ErrNotRegular is the error for a name that does not belong to a regular file.
var ErrNotRegular = errors.New("not a regular file")

// Target is a regular file that is to be written.
type Target struct {
	Path string      // the name of the file itself, not of a symbolic link to it
	Info fs.FileInfo // nil if the file does not exist
}

// Resolve returns the file that is written under the name path. It follows
// symbolic links, also those to a file that does not exist yet. If the file
// exists, the process must be permitted to write it.
func Resolve(path string) (Target, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return Target{}, fmt.Errorf("%s is %w but %s", path, ErrNotRegular, kind(info.Mode()))
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return Target{}, err
	case err != nil:
		info = nil
	}
	name := path
	for range maxLinks {
		folder, base := filepath.Split(name)
		if base == "" {
			return Target{}, fmt.Errorf("%s is %w but the name of a folder", path, ErrNotRegular)
		}
		if folder == "" {
			folder = "."
		}
		if folder, err = filepath.EvalSymlinks(folder); err != nil {
			return Target{}, fmt.Errorf("%s: %w", path, err)
		}
		if strings.HasPrefix(folder, "/proc/") {
			return Target{}, fmt.Errorf("%s is %w but an open file of this process: give the name of the file", path, ErrNotRegular)
		}
		name = filepath.Join(folder, base)
		link, err := os.Readlink(name)
		switch {
		case err != nil:
			return Target{Path: name, Info: info}, checkWritable(name, info)
		case filepath.IsAbs(link):
			name = link
		default:
			name = folder + string(filepath.Separator) + link // not cleaned, because link can contain ".." after a symbolic link
		}
	}
	return Target{}, fmt.Errorf("%s: too many symbolic links", path)
}

// checkWritable returns an error if the file exists but must not be written. A
// rename would replace even a file that is protected against writing.
func checkWritable(name string, info fs.FileInfo) error {
	if info == nil {
		return nil
	}
	file, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return file.Close()
}

// kind names the kind of a file that is not regular.
func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}

// Inherit gives a new file the mode of the file that it replaces, and its owner
// and group as far as the process is permitted to. Inherit does nothing if there
// is no such file.
func (t Target) Inherit(file *os.File) error {
	if t.Info == nil {
		return nil
	}
	// The owner first, because changing it can clear bits of the mode.
	if err := inheritOwner(file, t.Info); err != nil {
		return err
	}
	return file.Chmod(t.Info.Mode().Perm())
}
