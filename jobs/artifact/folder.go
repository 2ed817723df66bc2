package artifact

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
)

// DefaultMode is the default mode of files. Only their owner can read them,
// because the pages might be private.
const DefaultMode fs.FileMode = 0o600

const (
	// partsPrefix begins the name of the folder that holds the incomplete files of
	// one process. No template makes such a name, because it begins with a dot.
	partsPrefix = ".shotline-"
	lockName    = "lock"
)

// Folder is a folder of files that are written completely or not at all. Nothing
// outside of it is read or written, also not through symbolic links. Its methods
// are safe for concurrent use.
type Folder struct {
	root  *os.Root
	mode  fs.FileMode // of files
	parts string      // folder of the incomplete files of this process
	lock  *os.File    // held while this process might have incomplete files

	mu      sync.Mutex
	known   map[string]bool // folders that exist; only a cache
	changed map[string]bool // folders with files that Sync has not recorded yet
}

// maxKnown limits the cache of folders.
const maxKnown = 10_000

// DiskError is an error of the disk, as opposed to one of the content.
type DiskError struct {
	Op   string // such as "save"
	Name string
	Err  error
}

func (e *DiskError) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Name, cause(e.Err)) }
func (e *DiskError) Unwrap() error { return e.Err }

// cause returns the error without the names of temporary files.
func cause(err error) error {
	var pathError *fs.PathError
	var linkError *os.LinkError
	switch {
	case errors.As(err, &pathError):
		return pathError.Err
	case errors.As(err, &linkError):
		return linkError.Err
	}
	return err
}

// OpenFolder opens a folder, and creates it if it does not exist. It checks that
// files can be written there, and removes what a process that died has left. If
// mode is 0, files have DefaultMode.
func OpenFolder(name string, mode fs.FileMode) (_ *Folder, err error) {
	if mode == 0 {
		mode = DefaultMode
	}
	f := &Folder{mode: mode, known: map[string]bool{".": true}, changed: map[string]bool{}}
	if err := os.MkdirAll(name, f.folderMode()); err != nil {
		return nil, &DiskError{"create folder", name, err}
	}
	if f.root, err = os.OpenRoot(name); err != nil {
		return nil, &DiskError{"open folder", name, err}
	}
	if err = f.removeLeftovers(); err == nil {
		err = f.createParts()
	}
	if err != nil {
		return nil, errors.Join(&DiskError{"write to folder", name, err}, f.root.Close())
	}
	return f, nil
}

// folderMode returns the mode of folders. Everyone who may read the files may
// enter the folder.
func (f *Folder) folderMode() fs.FileMode { return f.mode | 0o700 | f.mode&0o444>>2 }

// Path returns the path of the folder.
func (f *Folder) Path() string { return f.root.Name() }

// createParts creates the folder of the incomplete files, and locks it.
func (f *Folder) createParts() (err error) {
	f.parts = partsPrefix + rand.Text()
	if err := f.root.Mkdir(f.parts, 0o700); err != nil {
		return err
	}
	f.lock, err = f.root.OpenFile(path.Join(f.parts, lockName), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = tryLock(f.lock)
	}
	if err == nil {
		// Fail now and not after the first download if the disk is full.
		_, err = f.lock.WriteString("incomplete files of shotline\n")
	}
	if err == nil {
		err = f.lock.Sync()
	}
	if err != nil {
		if f.lock != nil {
			err = errors.Join(err, f.lock.Close())
		}
		return errors.Join(err, f.root.RemoveAll(f.parts))
	}
	return nil
}

// removeLeftovers removes the incomplete files of processes that have died.
func (f *Folder) removeLeftovers() error {
	folder, err := f.root.Open(".")
	if err != nil {
		return err
	}
	defer folder.Close()
	for {
		entries, err := folder.ReadDir(1000)
		for _, entry := range entries {
			if entry.IsDir() && strings.HasPrefix(entry.Name(), partsPrefix) {
				f.removeIfDead(entry.Name())
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// removeIfDead removes a folder of incomplete files if no process holds its lock.
// After an error the folder stays: it only takes space.
func (f *Folder) removeIfDead(parts string) {
	name := path.Join(parts, lockName)
	info, err := f.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		// Its process died before it wrote the lock, or is just starting. Only an
		// empty folder can be removed in this way.
		_ = f.root.Remove(parts)
		return
	}
	if err != nil || !info.Mode().IsRegular() {
		return // no process of shotline has made it
	}
	lock, err := f.root.OpenFile(name, os.O_WRONLY|dontBlock, 0)
	if err != nil {
		return
	}
	defer lock.Close()
	if dead, err := tryLock(lock); dead && err == nil {
		_ = f.root.RemoveAll(parts)
	}
}

// Size returns the size of a file. The result exists is false if there is no
// regular file of that name.
func (f *Folder) Size(name string) (size int64, exists bool) {
	info, err := f.root.Stat(filepath.FromSlash(name))
	if err != nil || !info.Mode().IsRegular() {
		return 0, false
	}
	return info.Size(), true
}

// makeFolder creates the folder of a file.
func (f *Folder) makeFolder(name string) error {
	folder := path.Dir(name)
	f.mu.Lock()
	known := f.known[folder]
	f.mu.Unlock()
	if known {
		return nil
	}
	if err := f.root.MkdirAll(filepath.FromSlash(folder), f.folderMode()); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.known) >= maxKnown {
		clear(f.known)
	}
	for ; !f.known[folder]; folder = path.Dir(folder) {
		f.known[folder] = true
		f.changed[path.Dir(folder)] = true // it has a new entry
	}
	return nil
}

// Sync makes the names of all files that were saved before durable. It is separate
// from Save, so that one call does it for many files.
func (f *Folder) Sync() error {
	f.mu.Lock()
	changed := f.changed
	f.changed = map[string]bool{}
	f.mu.Unlock()
	for name := range changed {
		if err := f.syncFolder(name); err != nil {
			f.mu.Lock()
			for again := range changed {
				f.changed[again] = true
			}
			f.mu.Unlock()
			return &DiskError{"sync folder", name, err}
		}
	}
	return nil
}

// Close removes the folder of incomplete files. No Save may be in progress.
func (f *Folder) Close() error {
	return errors.Join(f.Sync(), f.root.RemoveAll(f.parts), f.lock.Close(), f.root.Close())
}
