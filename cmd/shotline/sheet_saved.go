package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/artifact"
	"shotline/jobs/number"
)

// maxSavedLine is the maximum length of a line of that file, in bytes.
const maxSavedLine = 1 << 20

// savedImages are the images of a batch in a folder with a manifest. Unlike an
// artifact.Manifest it only reads, also while another process is writing. Only the
// position of each entry is in memory.
type savedImages struct {
	dir     string
	file    *os.File
	offsets map[int64]int64 // of the newest entry by row
}

// openSavedImages reads the list of a folder. Another process can be writing it,
// so the last line can be incomplete.
func openSavedImages(dir, batch string) (_ *savedImages, err error) {
	s := &savedImages{dir: dir, offsets: map[int64]int64{}}
	if s.file, err = os.Open(filepath.Join(dir, artifact.ManifestName)); err != nil {
		return nil, err
	}
	if err := s.load(batch); err != nil {
		return nil, errors.Join(err, s.file.Close())
	}
	return s, nil
}

func (s *savedImages) load(batch string) error {
	in := bufio.NewReaderSize(s.file, maxSavedLine)
	offset := int64(0)
	for number := 1; ; number++ {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s line %d: %w", artifact.ManifestName, number, err)
		}
		var entry artifact.Entry
		if err := json.Unmarshal(line, &entry); err != nil {
			return fmt.Errorf("%s line %d is not an entry of a download: %w", artifact.ManifestName, number, err)
		}
		if entry.Job.Batch == batch && entry.Output == jobs.OutputImage && entry.Shot <= 1 {
			s.offsets[entry.Job.Row] = offset
		}
		offset += int64(len(line))
	}
}

// shownTypes are the types of images that browsers show.
var shownTypes = []string{"image/png", "image/jpeg", "image/webp", "image/gif", "image/avif"}

// find returns the path of the image of a job. It returns "" if there is none, or
// if it is of an older attempt.
func (s *savedImages) find(j jobs.Job) (string, error) {
	offset, known := s.offsets[j.ID.Row]
	if !known {
		return "", nil
	}
	line, err := bufio.NewReaderSize(io.NewSectionReader(s.file, offset, maxSavedLine), 1<<10).ReadBytes('\n')
	if err != nil {
		return "", err
	}
	var entry artifact.Entry
	if err := json.Unmarshal(line, &entry); err != nil {
		return "", fmt.Errorf("%s: %w", artifact.ManifestName, err)
	}
	name := filepath.FromSlash(entry.File)
	path := filepath.Join(s.dir, name)
	if entry.State != jobs.FileSaved || entry.Screenshot != j.ScreenshotID || !slices.Contains(shownTypes, entry.Type) || !filepath.IsLocal(name) || !isFile(path) {
		return "", nil
	}
	return path, nil
}

func (s *savedImages) close() error { return s.file.Close() }

// recordedPage is how many rows recordedImages reads at a time.
const recordedPage = 500

// recordedImages are the images of a batch that the database knows as files.
type recordedImages struct {
	filesOf     func(after, last int64) ([]jobs.File, error)
	after, last int64 // rows of page
	page        map[int64]jobs.File
}

func newRecordedImages(ctx context.Context, store jobs.Store, batch string) *recordedImages {
	return &recordedImages{filesOf: func(after, last int64) ([]jobs.File, error) { return store.FilesOf(ctx, batch, after, last) }}
}

// find returns the path of the image of a job. It returns "" if there is none, or
// if somebody has changed or moved it.
func (r *recordedImages) find(j jobs.Job) (string, error) {
	row := j.ID.Row
	if row <= r.after || row > r.last {
		n := int64(1)
		if row > r.last && row <= r.last+recordedPage {
			n = recordedPage // the rows are asked for in their order
		}
		files, err := r.filesOf(row-1, row-1+n)
		if err != nil {
			return "", err
		}
		r.after, r.last, r.page = row-1, row-1+n, map[int64]jobs.File{}
		for _, f := range files {
			if f.Output == jobs.OutputImage && f.Shot == 1 && f.State == jobs.FileSaved {
				r.page[f.Job.Row] = f
			}
		}
	}
	f, found := r.page[row]
	name := filepath.FromSlash(f.Name)
	if !found || f.Screenshot != j.ScreenshotID || !slices.Contains(shownTypes, f.Type) || !filepath.IsLocal(name) {
		return "", nil
	}
	path := filepath.Join(f.Folder, name)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() != f.Size {
		return "", nil
	}
	return path, nil
}

// hiddenImages returns the folder that has most of the saved images of a batch that
// a sheet does not show, and how many it has. The function image returns the
// address that the sheet shows.
func hiddenImages(ctx context.Context, store jobs.Store, batch string, image func(jobs.Job) (string, error)) (folder string, n int64, err error) {
	files, err := store.CountFiles(ctx, batch)
	if err != nil || files.Saved == 0 {
		return "", 0, err
	}
	recorded := newRecordedImages(ctx, store, batch)
	hidden := map[string]int64{}
	err = eachRow(ctx, store, batch, func(j jobs.Job) error {
		if j.State != jobs.Done {
			return nil
		}
		if shown, err := image(j); err != nil || shown != "" {
			return err
		}
		path, err := recorded.find(j)
		if path != "" {
			hidden[recorded.page[j.ID.Row].Folder]++
		}
		return err
	})
	for _, name := range slices.Sorted(maps.Keys(hidden)) {
		if hidden[name] > n {
			folder, n = name, hidden[name]
		}
	}
	return folder, n, err
}

// hintHidden prints how a sheet shows saved images that it does not show now. The
// text more is of flags that are necessary, too.
func hintHidden(c *cli.Context, store jobs.Store, batch, more string, image func(jobs.Job) (string, error)) error {
	folder, n, err := hiddenImages(c.Context, store, batch, image)
	if err != nil || n == 0 {
		return err
	}
	images, them := "images are", "them"
	if n == 1 {
		images, them = "image is", "it"
	}
	folder = printable(folder)
	_, err = fmt.Fprintf(c.App.ErrWriter, "%s %s saved in %s: %s--%s %s shows %s\n", number.Grouped(n), images, folder, more, picturesFromFlag.Name, folder, them)
	return err
}
