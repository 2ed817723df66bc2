package input

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"shotline/jobs/csvfile"
)

// FileError is an error of one of several files.
type FileError struct {
	Name string
	Err  error
}

func (e *FileError) Error() string { return e.Name + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *FileError) Unwrap() error { return e.Err }

// OpenFiles opens files by name. The name - is standard input. If an input is an
// index of sitemaps, its parts are opened, too, from the same folder. Errors are
// of the type *FileError. Only the first file stays open, and inputs that cannot be
// opened twice; the reader opens each other file again for its rows.
func OpenFiles(names []string, stdin io.Reader, opts Options) (*Reader, error) {
	var files []*file
	seen := map[string]bool{}
	for _, name := range names {
		seen[filepath.Clean(name)] = true
	}
	for queue := slices.Clone(names); len(queue) > 0; {
		name := queue[0]
		queue = queue[1:]
		f, parts, err := openNamed(name, stdin, opts)
		if err == nil && parts != nil {
			parts, err = beside(name, parts, seen)
			err = errors.Join(err, f.close())
			queue = append(parts, queue...)
		} else if err == nil {
			if files = append(files, f); len(files) > 1 && f.reopenable {
				err = f.close()
			}
		}
		if err != nil {
			for _, opened := range files {
				err = errors.Join(err, opened.close())
			}
			return nil, err
		}
	}
	if len(files) == 0 {
		return nil, &FileError{strings.Join(names, ", "), csvfile.ErrEmpty}
	}
	r := newReader(files)
	r.opts = opts
	return r, nil
}

const standardInput = "standard input"

func openNamed(name string, stdin io.Reader, opts Options) (*file, []string, error) {
	if name == "-" {
		f, parts, err := open(stdin, opts)
		if err != nil {
			return nil, nil, &FileError{standardInput, err}
		}
		f.name = standardInput
		return f, parts, nil
	}
	opened, err := os.Open(name)
	if err != nil {
		return nil, nil, err // it contains the name
	}
	info, err := opened.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("is a directory: give the files in it, such as %s", filepath.Join(name, "*.csv"))
	}
	if err != nil {
		return nil, nil, errors.Join(&FileError{name, err}, opened.Close())
	}
	f, parts, err := open(opened, opts)
	if err != nil {
		return nil, nil, errors.Join(&FileError{name, err}, opened.Close())
	}
	f.name, f.closers, f.reopenable = name, append([]io.Closer{opened}, f.closers...), info.Mode().IsRegular()
	return f, parts, nil
}

// reopen opens a file again that was closed.
func (f *file) reopen(opts Options) error {
	again, parts, err := openNamed(f.name, nil, opts)
	if err != nil {
		return err
	}
	if parts != nil || again.url != f.url || !slices.Equal(again.header, f.header) {
		return errors.Join(&FileError{f.name, errors.New("was changed while the files were read")}, again.close())
	}
	f.rows, f.closers = again.rows, again.closers
	return nil
}

// beside returns the paths of the parts of an index of sitemaps. It skips parts
// that are inputs already.
func beside(index string, parts []string, seen map[string]bool) (paths []string, err error) {
	var missing []string
	given := make(map[string]bool, len(seen)) // file names of the inputs, in any folder
	for path := range seen {
		given[filepath.Base(path)] = true
	}
	for _, part := range parts {
		found := ""
		for _, name := range []string{part, strings.TrimSuffix(part, ".gz"), part + ".gz"} {
			path := filepath.Join(filepath.Dir(index), filepath.Base(name))
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				found = path
				break
			}
		}
		switch {
		case found == "" && !given[part]:
			missing = append(missing, part)
		case found != "" && !seen[filepath.Clean(found)]:
			seen[filepath.Clean(found)] = true
			paths = append(paths, found)
		}
	}
	if len(missing) > 0 {
		more := ""
		if len(missing) > 3 {
			more = fmt.Sprintf(" and %d more", len(missing)-3)
		}
		return nil, &FileError{index, refused("an index of sitemaps", fmt.Sprintf("its parts are not beside it: download %s%s into the same folder, or give them instead",
			strings.Join(missing[:min(len(missing), 3)], ", "), more))}
	}
	return paths, nil
}
