package artifact

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"shotline/jobs"
)

// timePrecision is by how much the time of a file can differ from the time that
// Save gave it: some file systems store only every second one.
const timePrecision = 2 * time.Second

// RemoveOld removes an earlier version of the file with a name. It does nothing if
// that is the same file, if it does not exist, if its folder is ErrLink, or if its size or time is not that
// of the version: then somebody has changed it. The removal is durable after the
// next Sync.
func (f *Folder) RemoveOld(old jobs.OldFile, name string) error {
	file := filepath.FromSlash(old.Name)
	info, err := f.root.Lstat(file)
	if errors.Is(err, fs.ErrNotExist) || err != nil && errors.Is(f.linkCause(old.Name, err), ErrLink) {
		return nil
	}
	if err != nil {
		return &DiskError{"remove", old.Name, err}
	}
	if !info.Mode().IsRegular() || info.Size() != old.Size || info.ModTime().Sub(old.SavedAt).Abs() > timePrecision {
		return nil
	}
	// Where case is ignored, one file has several names.
	if present, err := f.root.Lstat(filepath.FromSlash(name)); err == nil && os.SameFile(info, present) {
		return nil
	}
	if err := f.root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &DiskError{"remove", old.Name, err}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed[path.Dir(old.Name)] = true
	return nil
}
