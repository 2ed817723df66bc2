package wholefile

import (
	"cmp"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Write writes the file path. If mode is 0, an existing file keeps its mode, and
// the umask decides about the mode of a new one. If write returns an error, or
// the content cannot be stored, Write changes nothing and removes what was
// written.
func Write(path string, mode fs.FileMode, write func(io.Writer) error) error {
	target, err := Resolve(path)
	if err != nil {
		return err
	}
	initial := cmp.Or(mode, 0o666)
	if target.Info != nil {
		initial = target.Info.Mode().Perm() &^ 0o077 // until Inherit has set the owner
	}
	folder := filepath.Dir(target.Path)
	// The name of the file is not part of the temporary name, because it might
	// have the maximum length already.
	temporary := filepath.Join(folder, ".shotline-"+rand.Text()+".partial")
	file, err := os.OpenFile(temporary, os.O_RDWR|os.O_CREATE|os.O_EXCL, initial)
	if err != nil {
		return pathError("create a file beside", path, err)
	}
	err = target.Inherit(file)
	if mode != 0 {
		err = errors.Join(err, file.Chmod(mode)) // independent of the umask
	}
	if err == nil {
		err = write(destination{file, path})
	}
	if err == nil {
		err = pathError("sync", path, file.Sync())
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = pathError("replace", path, os.Rename(temporary, target.Path))
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return SyncFolder(folder)
}

// destination writes to a temporary file. Its errors name the file that the
// content is for.
type destination struct {
	file *os.File
	path string
}

// Write implements io.Writer.
func (d destination) Write(data []byte) (int, error) {
	n, err := d.file.Write(data)
	return n, pathError("write", d.path, err)
}

// pathError returns an error of an operation on a temporary file as an error
// about the file path.
func pathError(operation, path string, err error) error {
	var cause error
	var file *fs.PathError
	var link *os.LinkError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &file):
		cause = file.Err
	case errors.As(err, &link):
		cause = link.Err
	default:
		cause = err
	}
	return &fs.PathError{Op: operation, Path: path, Err: cause}
}

// SyncFolder flushes the names in a folder to disk. Some systems cannot do this,
// so an error of the system call is ignored.
func SyncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return nil // a folder that can be written but not read
	}
	_ = folder.Sync()
	return folder.Close()
}
