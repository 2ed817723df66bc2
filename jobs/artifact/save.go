package artifact

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"
)

// Source is the content of a file.
type Source struct {
	io.Reader
	Type   string    // media type
	Length int64     // bytes; -1 if the length is not known
	Time   time.Time // becomes the time of the file; if zero, that is the present
}

// ContentError means that the content of a file is not complete. It might be
// complete if it is fetched again.
type ContentError struct{ text string }

func (e *ContentError) Error() string { return e.text }

// buffers are reused, because a buffer is larger than many files.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// Save writes a file, and replaces one of the same name when the new one is
// complete and on disk. The name must come from a Template. If the content is
// empty, has another size than announced, or lacks the end that its type
// requires, the error is a *ContentError. If the disk is the cause, it is a
// *DiskError; it wraps ErrLink if only a symbolic link is. After an error nothing has changed. The name of the file is durable
// after the next Sync.
func (f *Folder) Save(name string, from Source) (size int64, err error) {
	part := path.Join(f.parts, rand.Text())
	file, err := f.root.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, f.mode)
	if err != nil {
		return 0, &DiskError{"save", name, err}
	}
	size, err = write(file, name, from)
	if err == nil {
		err = onDisk(name, file.Chmod(f.mode)) // independent of the umask
	}
	if err == nil && !from.Time.IsZero() {
		_ = f.root.Chtimes(part, from.Time, from.Time) // without it, RemoveOld keeps the file
	}
	if err == nil {
		err = onDisk(name, file.Sync())
	}
	err = errors.Join(err, onDisk(name, file.Close()))
	if err == nil {
		if err = f.place(part, name); err != nil {
			err = onDisk(name, f.linkCause(name, err))
		}
	}
	if err != nil {
		_ = f.root.Remove(part) // Close removes it otherwise
		return 0, err
	}
	return size, nil
}

// onDisk returns an error of the disk as a *DiskError.
func onDisk(name string, err error) error {
	if err == nil {
		return nil
	}
	return &DiskError{"save", name, err}
}

// write copies the content to the file and checks it.
func write(file *os.File, name string, from Source) (size int64, err error) {
	buffer := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buffer)
	end := ending{want: endings[from.Type]}
	for {
		n, err := from.Read(buffer[:])
		if n > 0 {
			size += int64(n)
			end.add(buffer[:n])
			if _, err := file.Write(buffer[:n]); err != nil {
				return 0, onDisk(name, err)
			}
		}
		switch {
		case err == nil:
			continue
		case err != io.EOF:
			return 0, err
		case size == 0:
			return 0, &ContentError{"the file is empty"}
		case from.Length >= 0 && size != from.Length:
			return 0, &ContentError{fmt.Sprintf("the file has %d bytes, but %d were announced", size, from.Length)}
		case from.Length < 0 && !end.complete():
			return 0, &ContentError{"the file is cut off: its end is missing"}
		}
		return size, nil
	}
}

// place gives an incomplete file its name.
func (f *Folder) place(part, name string) error {
	if err := f.makeFolder(name); err != nil {
		return err
	}
	err := f.root.Rename(part, filepath.FromSlash(name))
	if errors.Is(err, os.ErrNotExist) {
		// Somebody has removed the folder since it was created.
		f.mu.Lock()
		clear(f.known)
		f.mu.Unlock()
		if err = f.makeFolder(name); err == nil {
			err = f.root.Rename(part, filepath.FromSlash(name))
		}
	}
	if err == nil {
		f.mu.Lock()
		f.changed[path.Dir(name)] = true
		f.mu.Unlock()
	}
	return err
}

// Replace writes a file such as a report, completely or not at all. The name need
// not come from a Template.
func (f *Folder) Replace(name string, content func(io.Writer) error) error {
	part := path.Join(f.parts, rand.Text())
	file, err := f.root.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, f.mode)
	if err != nil {
		return &DiskError{"write", name, err}
	}
	if err = content(file); err == nil {
		err = errors.Join(file.Chmod(f.mode), file.Sync())
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = f.place(part, name)
	}
	if err != nil {
		_ = f.root.Remove(part)
		return &DiskError{"write", name, err}
	}
	return f.Sync()
}
