package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
)

// outputs stores rendered outputs on disk. Beyond its limits it removes the
// oldest files. Its methods are safe for concurrent use.
type outputs struct {
	dir       string
	temporary bool // close removes dir
	maxCount  int
	maxBytes  int64

	mu    sync.Mutex
	files []outputFile // oldest first
	bytes int64
}

type outputFile struct {
	path string
	size int64
}

// openOutputs opens dir, or a new temporary folder if dir is empty. Outputs might
// show pages that only this machine can reach, so only the current user can read
// the files and a folder that openOutputs creates.
func openOutputs(dir string, maxCount int, maxBytes int64) (*outputs, error) {
	p := &outputs{dir: dir, maxCount: maxCount, maxBytes: maxBytes}
	var err error
	if dir == "" {
		p.temporary = true
		p.dir, err = os.MkdirTemp("", "shotline-sandbox-")
	} else {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("sandbox: open output folder: %w", err)
	}
	return p, nil
}

// files returns the outputs of a rendering by file name: 1.png, 2.png, …, html
// and pdf.
func (r Rendering) files() map[string][]byte {
	files := make(map[string][]byte)
	for i, pic := range r.Shots {
		files[shotFile(i, pic.Format)] = pic.Data
	}
	if r.HTML != nil {
		files[htmlFile] = r.HTML
	}
	if r.PDF != nil {
		files[pdfFile] = r.PDF
	}
	return files
}

const (
	htmlFile = "html"
	pdfFile  = "pdf"
)

// shotFile returns the file name of an image of a screenshot. i counts from 0.
func shotFile(i int, format string) string { return strconv.Itoa(i+1) + "." + format }

func (p *outputs) path(id int64, name string) string {
	return filepath.Join(p.dir, strconv.FormatInt(id, 10)+"-"+name)
}

// save writes an output and removes the oldest files beyond the limits.
func (p *outputs) save(id int64, name string, data []byte) error {
	path := p.path(id, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("save output of %d: %w", id, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files = append(p.files, outputFile{path, int64(len(data))})
	p.bytes += int64(len(data))
	for len(p.files) > 1 && (len(p.files) > p.maxCount || p.bytes > p.maxBytes) {
		oldest := p.files[0]
		p.files = p.files[1:]
		p.bytes -= oldest.size
		if err := os.Remove(oldest.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove old output: %w", err)
		}
	}
	return nil
}

// remove deletes all outputs of a screenshot.
func (p *outputs) remove(id int64, r result) error {
	names := []string{htmlFile, pdfFile}
	for i, pic := range r.images {
		names = append(names, shotFile(i, pic.Format))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range names {
		path := p.path(id, name)
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove output of %d: %w", id, err)
		}
		p.files = slices.DeleteFunc(p.files, func(f outputFile) bool {
			if f.path == path {
				p.bytes -= f.size
			}
			return f.path == path
		})
	}
	return nil
}

// load reads an output. It returns errGone if the output was removed.
func (p *outputs) load(id int64, name string) ([]byte, error) {
	data, err := os.ReadFile(p.path(id, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errGone
	}
	if err != nil {
		return nil, fmt.Errorf("load output of %d: %w", id, err)
	}
	return data, nil
}

var errGone = &apiError{status: http.StatusNotFound, code: "OUTPUT_GONE", text: "The output is no longer stored"}

func (p *outputs) close() error {
	if !p.temporary {
		return nil
	}
	if err := os.RemoveAll(p.dir); err != nil {
		return fmt.Errorf("sandbox: remove output folder: %w", err)
	}
	return nil
}
