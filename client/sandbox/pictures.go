package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"shotline/client/sandbox/raster"
)

// pictures keeps rendered pictures on disk, the oldest giving way when there
// are too many or too large ones.
type pictures struct {
	dir       string
	temporary bool // dir is removed by close
	maxCount  int
	maxBytes  int64

	mu    sync.Mutex
	files []pictureFile // oldest first
	bytes int64
}

type pictureFile struct {
	path string
	size int64
}

// openPictures uses dir, or a temporary folder when dir is empty. A folder it
// makes is its user's alone, as are the pictures: they may show what only this
// machine can see.
func openPictures(dir string, maxCount int, maxBytes int64) (*pictures, error) {
	p := &pictures{dir: dir, maxCount: maxCount, maxBytes: maxBytes}
	var err error
	if dir == "" {
		p.temporary = true
		p.dir, err = os.MkdirTemp("", "shotline-sandbox-")
	} else {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("sandbox: open picture folder: %w", err)
	}
	return p, nil
}

func (p *pictures) path(id int64, format string) string {
	return filepath.Join(p.dir, strconv.FormatInt(id, 10)+"."+format)
}

// save writes the picture and removes the oldest ones beyond the limits.
func (p *pictures) save(id int64, pic Picture) error {
	if !raster.Known(pic.Format) {
		return fmt.Errorf("save picture %d: unknown format %q", id, pic.Format)
	}
	path := p.path(id, pic.Format)
	if err := os.WriteFile(path, pic.Data, 0o600); err != nil {
		return fmt.Errorf("save picture %d: %w", id, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files = append(p.files, pictureFile{path, int64(len(pic.Data))})
	p.bytes += int64(len(pic.Data))
	for len(p.files) > 1 && (len(p.files) > p.maxCount || p.bytes > p.maxBytes) {
		oldest := p.files[0]
		p.files = p.files[1:]
		p.bytes -= oldest.size
		if err := os.Remove(oldest.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove old picture: %w", err)
		}
	}
	return nil
}

// load completes pic with its data. A picture that gave way to newer ones is
// an API error.
func (p *pictures) load(id int64, pic Picture) (Picture, error) {
	data, err := os.ReadFile(p.path(id, pic.Format))
	if errors.Is(err, fs.ErrNotExist) {
		return Picture{}, &apiError{status: http.StatusNotFound, code: "IMAGE_GONE", text: "The picture is no longer kept"}
	}
	if err != nil {
		return Picture{}, fmt.Errorf("load picture %d: %w", id, err)
	}
	pic.Data = data
	return pic, nil
}

func (p *pictures) close() error {
	if !p.temporary {
		return nil
	}
	if err := os.RemoveAll(p.dir); err != nil {
		return fmt.Errorf("sandbox: remove picture folder: %w", err)
	}
	return nil
}
