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

// images is a folder in which outputs are kept when they are first fetched, as
// BATCH/JOB-KIND-TAG.png. A nil *images keeps nothing.
type images struct {
	folder string
	mode   fs.FileMode // of files; FolderMode returns that of folders
	log    *slog.Logger
}

// DefaultImageMode is the default mode of kept files. Only their owner can read
// them, because the pages might be private.
const DefaultImageMode fs.FileMode = 0o600

// openImages creates the folder if it does not exist. It returns nil if its name
// is empty.
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

// FolderMode returns the mode of a folder for files of this mode. Everyone who
// may read the files may enter the folder.
func FolderMode(files fs.FileMode) fs.FileMode { return files | files&0o444>>2 }

// path returns the path of a kept output, without its extension. It is safe,
// because IDs have a fixed format and the tag is a hash.
func (k *images) path(j jobs.Job, kind output, tag string) string {
	return filepath.Join(k.folder, j.ID.Batch, j.ID.String()+"-"+kind.name+"-"+tag)
}

// open returns a kept output, and nil if there is none. It removes a file that is
// empty or not of its kind, because earlier versions kept every response of the
// vendor.
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

// isKind reports whether a file contains an output of this kind. It leaves the
// file at its beginning.
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

// save returns a download that is also copied to disk. The copy is kept once the
// download was read completely. Errors of the disk do not disturb the download.
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

// savingReader copies a body to a temporary file while it is read. When the body
// is complete, Close gives the file its final name.
type savingReader struct {
	io.ReadCloser
	log   *slog.Logger
	file  *os.File
	mode  fs.FileMode
	name  string
	want  int64 // expected size in bytes; -1 if it is not known
	got   int64
	whole bool
	err   error // error of the disk
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
