package sqlite

import (
	"io/fs"
	"os"
	"slices"
	"sync"
)

// opened lists the files that stores of this process have open. It is global
// because POSIX locks belong to the process: when any descriptor of a file is
// closed, the process loses all its locks on that file, including SQLite's.
// Another process could then remove the log while it is in use. So while a store
// has a file open, nothing but SQLite may open and close it.
var opened openFiles

type openFiles struct {
	mu    sync.Mutex
	files []*openFile
}

// openFile is one file, under any of its names, with the number of stores that
// have it open.
type openFile struct {
	info   fs.FileInfo
	stores int
	held   map[string]*os.File // descriptors by path
}

// enter registers a store of the file at path until leave is called. If no store
// has the file open yet, enter first calls look, which can safely open and close
// the file.
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

// shared reports whether more than one store has the file open.
func (f *openFile) shared() bool {
	opened.mu.Lock()
	defer opened.mu.Unlock()
	return f.stores > 1
}

// hold returns a descriptor of one of the database's files and opens it on the
// first call. Because of the locks it stays open until no store has the database
// open any more.
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

// find returns nil if no store has the file open.
func (o *openFiles) find(path string) *openFile {
	info, err := os.Stat(path)
	if err != nil {
		return nil // look reports the reason
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
			file.Close() // nothing was written to it that must be durable
		}
		o.files = slices.DeleteFunc(o.files, func(other *openFile) bool { return other == f })
	}
}
