package artifact

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// ErrLink means that a folder in the name of a file is a symbolic link that cannot
// be followed. Only the files below it are concerned.
var ErrLink = errors.New("a symbolic link out of the folder, or to itself")

// linkCause returns an error that wraps ErrLink if a folder in the name of a file
// is such a link, otherwise err. Package os has no error for links that lead out
// of a Root.
func (f *Folder) linkCause(name string, err error) error {
	for at := range name {
		if name[at] != '/' {
			continue
		}
		folder := filepath.FromSlash(name[:at])
		info, lstatErr := f.root.Lstat(folder)
		if lstatErr != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			continue
		}
		if _, statErr := f.root.Stat(folder); statErr != nil && !errors.Is(statErr, fs.ErrNotExist) {
			return fmt.Errorf("%s is %w: remove it, or use another folder", name[:at], ErrLink)
		}
	}
	return err
}
