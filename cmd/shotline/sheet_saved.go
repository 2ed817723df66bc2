package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"shotline/jobs"
	"shotline/jobs/artifact"
)

// maxSavedLine is the maximum length of a line of that file, in bytes.
const maxSavedLine = 1 << 20

// savedImages are the images of a batch that `shotline download` has saved. Unlike
// an artifact.Manifest it only reads, also while a download is writing. Only the
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
