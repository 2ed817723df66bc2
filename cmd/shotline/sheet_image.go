package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/artifact"
	"shotline/jobs/number"
	"shotline/jobs/summary"
	"shotline/jobs/wholefile"
	"shotline/orchestrator/api"
)

const (
	// sheetWidth is the width of images on a contact sheet, in pixels. It is twice
	// the width of a card, for screens with high resolution.
	sheetWidth = 720
	// maxImageBytes is the size limit of an image, in bytes.
	maxImageBytes = 64 << 20
	// parallelImages is the number of images that are fetched at once.
	parallelImages = 8
	// maxImageWarnings is the number of missing images that are reported one by one.
	maxImageWarnings = 10
)

// sheetImages are the images of a contact sheet as files: those that are saved
// already, and those that are fetched for the sheet.
type sheetImages struct {
	page     string          // path of the sheet
	saved    *savedImages    // in the folder of the sheet or of --pictures-from; nil: none
	recorded *recordedImages // anywhere; nil: none
	vendor   *client.Client  // nil: fetch nothing, and show the images of the vendor
	folder   string          // of fetched images
	mode     fs.FileMode     // of fetched images
	warnings io.Writer
}

// sheetImagesFrom returns the images as the flags say, or nil if the cards show
// the images of the vendor.
func sheetImagesFrom(c *cli.Context, batch string, mode fs.FileMode) (_ *sheetImages, err error) {
	out := c.String(outFlag.Name)
	images := &sheetImages{page: out, folder: besideFile(out, "_pictures"), mode: mode, warnings: c.App.ErrWriter}
	if c.Bool(picturesFlag.Name) {
		key, err := apiKey(c)
		if err != nil {
			return nil, err
		}
		images.vendor, err = client.New(client.WithAPIKey(key), client.WithBaseURL(c.String(baseURLFlag.Name)), client.WithUserAgent("shotline/"+version))
		if err != nil {
			return nil, badUsage("%w", err)
		}
	}
	dir := c.String(picturesFromFlag.Name)
	images.saved, err = openSavedImages(orOutFolder(dir, out), batch)
	switch {
	case errors.Is(err, fs.ErrNotExist) && dir != "":
		return nil, badUsage("--%s %s: it has no %s: give the folder of shotline download, or of --download", picturesFromFlag.Name, dir, artifact.ManifestName)
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	case err != nil && dir == "":
		err = nil // a file of somebody else
	case err != nil:
		return nil, fmt.Errorf("--%s %s: %w", picturesFromFlag.Name, dir, err)
	}
	if images.saved == nil && images.vendor == nil {
		return nil, nil
	}
	return images, nil
}

// orOutFolder returns the folder of the sheet if dir is empty.
func orOutFolder(dir, out string) string {
	if dir == "" {
		return filepath.Dir(out)
	}
	return dir
}

func (i *sheetImages) close() error {
	if i.vendor != nil {
		i.vendor.CloseIdleConnections()
	}
	if i.saved == nil {
		return nil
	}
	return i.saved.close()
}

// plainID matches screenshot ids that can be part of a file name.
var plainID = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)

// file returns the name of a fetched image. It contains the screenshot, because a
// retry replaces the image of a row.
func (i *sheetImages) file(j jobs.Job) string {
	id := j.ScreenshotID
	if !plainID.MatchString(id) {
		sum := sha256.Sum256([]byte(id))
		id = "x" + hex.EncodeToString(sum[:8])
	}
	return filepath.Join(i.folder, strconv.FormatInt(j.ID.Row, 10)+"-"+id+".png")
}

// address returns the address of a job's image relative to the sheet, see
// summary.Card.
func (i *sheetImages) address(j jobs.Job) (string, error) {
	if i.saved != nil {
		path, err := i.saved.find(j)
		if err != nil {
			return "", err
		}
		if path != "" {
			return i.relative(path)
		}
	}
	if i.vendor == nil {
		return vendorImage(j)
	}
	if i.recorded != nil {
		path, err := i.recorded.find(j)
		if err != nil {
			return "", err
		}
		if path != "" {
			return i.relative(path)
		}
	}
	if path := i.file(j); isFile(path) {
		return i.relative(path)
	}
	return "", nil
}

// isOriginal reports whether an address is that of a saved file, and not of an image
// that was fetched for the sheet.
func (i *sheetImages) isOriginal(address string) bool {
	if strings.Contains(address, "://") {
		return false
	}
	fetched, err := i.relative(i.folder)
	return err == nil && path.Dir(address) != fetched
}

func (i *sheetImages) relative(path string) (string, error) { return relativeTo(i.page, path) }

// relativeTo returns the address of a file in a page.
func relativeTo(page, file string) (string, error) {
	folder, err := filepath.Abs(filepath.Dir(page))
	if err != nil {
		return "", err
	}
	if file, err = filepath.Abs(file); err != nil {
		return "", err
	}
	file, err = filepath.Rel(folder, file)
	return filepath.ToSlash(file), err
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Size() > 0
}

// prepare fetches the images that are missing, several at once. An image that
// cannot be fetched is reported, and its card has a note in its place.
func (i *sheetImages) prepare(ctx context.Context, store jobs.Store, s summary.Summary) error {
	if i.vendor == nil {
		return nil
	}
	i.recorded = newRecordedImages(ctx, store, s.BatchID)
	if err := os.MkdirAll(i.folder, api.FolderMode(i.mode)); err != nil {
		return outError(err)
	}
	p := newProgress(i.warnings)
	p.noun, p.verb = "image", ""
	defer p.end()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelImages)
	var mu sync.Mutex
	var present, fetched, missing int64
	count := func(n *int64) {
		mu.Lock()
		defer mu.Unlock()
		*n++
		text := fmt.Sprintf("%d fetched", fetched)
		if missing > 0 {
			text += fmt.Sprintf(", %d missing", missing)
		}
		p.show(present+fetched+missing, s.Done, text)
	}
	err := eachRow(ctx, store, s.BatchID, func(j jobs.Job) error {
		if j.State != jobs.Done {
			return nil
		}
		path, err := i.address(j)
		if err != nil {
			return err
		}
		if path != "" {
			count(&present)
			return nil
		}
		group.Go(func() error {
			err := i.fetch(ctx, j)
			if err == nil {
				count(&fetched)
				return nil
			}
			var disk *fs.PathError
			if ctx.Err() != nil || errors.As(err, &disk) {
				return err
			}
			count(&missing)
			mu.Lock()
			defer mu.Unlock()
			if missing <= maxImageWarnings {
				fmt.Fprintf(i.warnings, "no image of %s: %s\n", j.ID, printable(err.Error()))
			}
			return nil
		})
		return nil
	})
	// An error of a worker cancels the reading, so it comes first.
	if failed := group.Wait(); failed != nil {
		return outError(failed)
	}
	if err == nil && missing > maxImageWarnings {
		fmt.Fprintf(i.warnings, "no image of %s\n", number.Of(missing-maxImageWarnings, "more row"))
	}
	return err
}

// eachRow calls each with every row of a batch.
func eachRow(ctx context.Context, store jobs.Reader, batch string, each func(jobs.Job) error) error {
	for after := int64(0); ; {
		rows, err := store.Rows(ctx, batch, after, listPage)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			if err := each(row.Job); err != nil {
				return err
			}
			after = row.ID.Row
		}
	}
}

// fetch downloads the image of a job into its file.
func (i *sheetImages) fetch(ctx context.Context, j jobs.Job) error {
	image, err := fetchImage(ctx, i.vendor, j)
	if err != nil {
		return err
	}
	return wholefile.Write(i.file(j), i.mode, func(w io.Writer) error {
		_, err := w.Write(image)
		return err
	})
}

// fetchImage downloads the image of a job.
func fetchImage(ctx context.Context, vendor *client.Client, j jobs.Job) ([]byte, error) {
	return fetchOutput(ctx, j, func() (*client.Download, error) {
		return vendor.Thumbnail(ctx, j.ScreenshotID, client.ThumbnailOptions{Format: "png", Width: sheetWidth})
	})
}

// fetchOutput downloads an output of a job into memory.
func fetchOutput(ctx context.Context, j jobs.Job, open func() (*client.Download, error)) ([]byte, error) {
	return callVendor(ctx, j, func() ([]byte, error) { return readOutput(open) })
}

func readOutput(open func() (*client.Download, error)) ([]byte, error) {
	download, err := open()
	if err != nil {
		return nil, err
	}
	defer download.Body.Close()
	output, err := io.ReadAll(io.LimitReader(download.Body, maxImageBytes+1))
	if err == nil && len(output) > maxImageBytes {
		err = fmt.Errorf("it is larger than %d MiB", maxImageBytes>>20)
	}
	return output, err
}

// callVendor queries the vendor about a job. It retries like the client's output
// policy: a large batch is likely to reach the rate limit, and the image of a job
// that has just ended might not be ready.
func callVendor[T any](ctx context.Context, j jobs.Job, call func() (T, error)) (T, error) {
	policy := client.OutputRetryPolicy(rand.Float64)
	for attempt := 1; ; attempt++ {
		answer, err := call()
		if err == nil {
			return answer, nil
		}
		if errors.Is(err, client.ErrNotReady) && clock.Now().Sub(j.ClosedAt) > client.OutputGrace {
			return answer, err
		}
		delay, again := policy.Next(err, attempt)
		if !again || clock.Sleep(ctx, min(delay, time.Minute)) != nil {
			return answer, err
		}
	}
}
