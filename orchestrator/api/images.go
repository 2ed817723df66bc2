package api

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"shotline/client"
	"shotline/jobs"
)

// images is a folder in which outputs are kept as they are fetched the first
// time: BATCH/JOB-KIND-TAG.png. Nil keeps nothing.
type images struct {
	folder string
	mode   fs.FileMode // of files; who may read one may look into the folders
	log    *slog.Logger
}

// DefaultImageMode is the mode of kept pictures: pages may be private.
const DefaultImageMode fs.FileMode = 0o600

// openImages makes the folder if it is not there; nil when its name is empty.
func openImages(folder string, mode fs.FileMode, log *slog.Logger) (*images, error) {
	if folder == "" {
		return nil, nil
	}
	if mode == 0 {
		mode = DefaultImageMode
	}
	if err := os.MkdirAll(folder, FolderMode(mode)); err != nil {
		return nil, err
	}
	return &images{folder, mode, log}, nil
}

// FolderMode is the mode of a folder for files of a mode: whoever may read them may
// enter it.
func FolderMode(files fs.FileMode) fs.FileMode { return files | files&0o444>>2 }

// path is where an output is kept, without its extension. All of it is ours: ids
// have a form, and the tag is a hash.
func (k *images) path(j jobs.Job, kind output, tag string) string {
	return filepath.Join(k.folder, j.ID.Batch, j.ID.String()+"-"+kind.name+"-"+tag)
}

// open returns what is kept, nil when nothing is. A file that is empty or another
// thing than its kind is removed: earlier versions kept whatever came.
func (k *images) open(j jobs.Job, kind output, tag string) *client.Download {
	if k == nil {
		return nil
	}
	for _, mediaType := range slices.Concat(kind.types, []string{anyBytes}) {
		file, err := os.Open(k.path(j, kind, tag) + extensions[mediaType])
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			k.log.Warn("reading a kept output failed", "job", j.ID.String(), "error", err)
			return nil
		}
		info, err := file.Stat()
		if err != nil {
			file.Close()
			return nil
		}
		if !isKind(file, mediaType, kind) {
			file.Close()
			k.log.Warn("kept output is damaged and is fetched again", "job", j.ID.String(), "kind", kind.name, "error", os.Remove(file.Name()))
			continue
		}
		return &client.Download{Body: file, ContentType: mediaType, Length: info.Size()}
	}
	return nil
}

// holds reports whether a file is of the kind. It is read from its beginning then.
func isKind(file *os.File, mediaType string, kind output) bool {
	var head [512]byte
	n, err := io.ReadFull(file, head[:])
	if err != nil && err != io.ErrUnexpectedEOF {
		return false
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return false
	}
	_, ok := kind.detect(mediaType, head[:n])
	return ok
}

// keep returns the download, which is on disk once it was read to its end.
// Trouble with the disk does not disturb the reading.
func (k *images) save(j jobs.Job, kind output, tag string, from *client.Download) *client.Download {
	if k == nil {
		return from
	}
	name := k.path(j, kind, tag) + extensions[from.ContentType]
	err := os.MkdirAll(filepath.Dir(name), FolderMode(k.mode))
	var file *os.File
	if err == nil {
		file, err = os.CreateTemp(filepath.Dir(name), ".part-*")
	}
	if err != nil {
		k.log.Warn("keeping an output failed", "job", j.ID.String(), "error", err)
		return from
	}
	copied := *from
	copied.Body = &savingReader{ReadCloser: from.Body, file: file, mode: k.mode, log: k.log.With("job", j.ID.String()), name: name, want: from.Length}
	return &copied
}

// keeping copies what is read to a file, which gets its name when all is there.
type savingReader struct {
	io.ReadCloser
	log   *slog.Logger
	file  *os.File
	mode  fs.FileMode
	name  string
	want  int64 // bytes, -1 when not known
	got   int64
	whole bool
	err   error // of the disk
}

func (k *savingReader) Read(p []byte) (int, error) {
	n, err := k.ReadCloser.Read(p)
	if n > 0 && k.err == nil {
		_, k.err = k.file.Write(p[:n])
	}
	k.got += int64(n)
	k.whole = k.whole || err == io.EOF && k.got > 0 && (k.want < 0 || k.got == k.want)
	return n, err
}

func (k *savingReader) Close() error {
	err := errors.Join(k.err, k.file.Chmod(k.mode), k.file.Close())
	if err == nil && k.whole {
		err = os.Rename(k.file.Name(), k.name)
	}
	if err != nil || !k.whole {
		err = errors.Join(err, os.Remove(k.file.Name()))
	}
	if err != nil {
		k.log.Warn("keeping an output failed", "file", k.name, "error", err)
	}
	return k.ReadCloser.Close()
}
