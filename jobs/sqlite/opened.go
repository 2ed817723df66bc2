package sqlite

import (
	"io/fs"
	"os"
	"slices"
	"sync"
)

// opened are the files that stores of this process have open. It belongs to the
// process because POSIX locks do: whoever closes a descriptor of a file, even one
// of their own, ends all locks that the process has on it, those of SQLite
// included, and another process would then take the log away beneath it. So nobody
// looks into a file beside SQLite while a store has it.
var opened openFiles

type openFiles struct {
	mu    sync.Mutex
	files []*openFile
}

// openFile is one file, whatever its names, and how many stores have it.
type openFile struct {
	info   fs.FileInfo
	stores int
	held   map[string]*os.File // by path
}

// enter counts a store of the file at path, until leave. Look may open and close
// the file; it is called unless a store has it already.
func (o *openFiles) enter(path string, look func() error) (f *openFile, leave func(), err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f = o.find(path)
	if f == nil {
		if err := look(); err != nil {
			return nil, nil, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, nil, err
		}
		f = &openFile{info: info, held: map[string]*os.File{}}
		o.files = append(o.files, f)
	}
	f.stores++
	return f, sync.OnceFunc(func() { o.leave(f) }), nil
}

// shared reports whether more stores than one have the file.
func (f *openFile) shared() bool {
	opened.mu.Lock()
	defer opened.mu.Unlock()
	return f.stores > 1
}

// hold opens one of the files at once, or finds it open. It is closed when no
// store has the database any more, and not before, because of the locks.
func (f *openFile) hold(path string) (*os.File, error) {
	opened.mu.Lock()
	defer opened.mu.Unlock()
	if file, ok := f.held[path]; ok {
		return file, nil
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	f.held[path] = file
	return file, nil
}

// find returns nil when no store has the file.
func (o *openFiles) find(path string) *openFile {
	info, err := os.Stat(path)
	if err != nil {
		return nil // look says why
	}
	for _, f := range o.files {
		if os.SameFile(f.info, info) {
			return f
		}
	}
	return nil
}

func (o *openFiles) leave(f *openFile) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if f.stores--; f.stores == 0 {
		for _, file := range f.held {
			file.Close() // nothing was written that must last
		}
		o.files = slices.DeleteFunc(o.files, func(other *openFile) bool { return other == f })
	}
}
