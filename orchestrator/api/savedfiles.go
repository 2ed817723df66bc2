package api

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"shotline/client"
	"shotline/jobs"
)

// openSaved returns an output that was saved as a file by an ordered download, and
// nil if there is none, or if the file was changed or moved since.
func (s *server) openSaved(ctx context.Context, j jobs.Job, kind output) *client.Download {
	files, err := s.Store.FilesOf(ctx, j.ID.Batch, j.ID.Row-1, j.ID.Row)
	if err != nil {
		s.Logger.Warn("reading the records of files failed", "job", j.ID.String(), "error", err)
		return nil
	}
	for _, f := range files {
		if f.State != jobs.FileSaved || string(f.Output) != kind.name || f.Shot != 1 || f.Screenshot != j.ScreenshotID {
			continue
		}
		file, err := os.OpenInRoot(f.Folder, filepath.FromSlash(f.Name))
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				s.Logger.Warn("reading a saved file failed", "job", j.ID.String(), "error", err)
			}
			return nil
		}
		mediaType := f.Type
		if !slices.Contains(kind.types, mediaType) {
			mediaType = anyBytes
		}
		info, err := file.Stat()
		if err != nil || !info.Mode().IsRegular() || info.Size() != f.Size || !isKind(file, mediaType, kind) {
			file.Close()
			return nil
		}
		return &client.Download{Body: file, ContentType: mediaType, Length: f.Size}
	}
	return nil
}
