package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/summary"
	"shotline/jobs/wholefile"
	"shotline/orchestrator/api"
)

// sheetWidth is the width of images on a contact sheet, in pixels. It is twice
// the width of a card, for screens with high resolution.
const sheetWidth = 720

// maxImageBytes is the size limit of an image, in bytes.
const maxImageBytes = 64 << 20

// writeSheetFile writes a contact sheet. It downloads the images from the vendor
// into a folder next to the file, NAME_pictures. If an image cannot be
// downloaded, the sheet has a note in its place, and a message goes to warnings.
// All files get the mode; if keepMode is set, a sheet that exists keeps its own.
func writeSheetFile(ctx context.Context, path string, mode fs.FileMode, keepMode bool, store jobs.Store, vendor *client.Client, batch string, warnings io.Writer) error {
	s, err := summary.Load(ctx, store, batch, clock.Now())
	if err != nil {
		return err
	}
	target, err := wholefile.Resolve(path)
	if err != nil {
		return outError(err)
	}
	sheetMode := mode
	if keepMode && target.Info != nil {
		sheetMode = 0
	}
	folder := strings.TrimSuffix(path, filepath.Ext(path)) + "_pictures"
	if err := os.MkdirAll(folder, api.FolderMode(mode)); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	fetched := func(j jobs.Job) (string, error) {
		name := strconv.FormatInt(j.ID.Row, 10) + ".png"
		image, err := fetchImage(ctx, vendor, j)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if err != nil {
			fmt.Fprintf(warnings, "no image of %s: %s\n", j.ID, printable(err.Error()))
			return "", nil
		}
		err = wholefile.Write(filepath.Join(folder, name), mode, func(w io.Writer) error {
			_, err := w.Write(image)
			return err
		})
		return filepath.ToSlash(filepath.Join(filepath.Base(folder), name)), err
	}
	return outError(wholefile.Write(path, sheetMode, func(w io.Writer) error {
		return summary.WriteHTML(w, s, summary.Sheet{Next: summary.Cards(ctx, store, batch, fetched)})
	}))
}

// fetchImage downloads the image of a job. It retries like the client's output
// policy: a large batch is likely to reach the rate limit, and the image of a job
// that has just ended might not be ready.
func fetchImage(ctx context.Context, vendor *client.Client, j jobs.Job) ([]byte, error) {
	policy := client.OutputRetryPolicy(rand.Float64)
	for attempt := 1; ; attempt++ {
		image, err := readImage(ctx, vendor, j.ScreenshotID)
		if err == nil {
			return image, nil
		}
		if errors.Is(err, client.ErrNotReady) && clock.Now().Sub(j.ClosedAt) > client.OutputGrace {
			return nil, err
		}
		delay, again := policy.Next(err, attempt)
		if !again || clock.Sleep(ctx, min(delay, time.Minute)) != nil {
			return nil, err
		}
	}
}

func readImage(ctx context.Context, vendor *client.Client, screenshot string) ([]byte, error) {
	download, err := vendor.Thumbnail(ctx, screenshot, client.ThumbnailOptions{Format: "png", Width: sheetWidth})
	if err != nil {
		return nil, err
	}
	defer download.Body.Close()
	image, err := io.ReadAll(io.LimitReader(download.Body, maxImageBytes+1))
	if err == nil && len(image) > maxImageBytes {
		err = fmt.Errorf("image is larger than %d MiB", maxImageBytes>>20)
	}
	return image, err
}
