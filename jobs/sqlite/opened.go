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
}

// enter counts a store of the file at path, until leave. Look may open and close
// the file; it is called unless a store has it already.
func (o *openFiles) enter(path string, look func() error) (leave func(), err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.find(path)
	if f == nil {
		if err := look(); err != nil {
			return nil, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		f = &openFile{info: info}
		o.files = append(o.files, f)
	}
	f.stores++
	return sync.OnceFunc(func() { o.leave(f) }), nil
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
		o.files = slices.DeleteFunc(o.files, func(other *openFile) bool { return other == f })
	}
}
