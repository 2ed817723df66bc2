package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/artifact"
	"shotline/jobs/number"
)

var downloadFlag = &cli.StringFlag{Name: "download", Usage: "save the images and other outputs of done jobs in this `DIR`"}

// keepFiles is what --download and --name say.
type keepFiles struct {
	folder string // absolute; empty if nothing is ordered
	name   string // template
}

// keepFilesFrom parses --download and --name, and checks that the folder can be
// written. The template must suit batches with each of these sets of columns. If
// there are none, it can have any columns.
func (w *work) keepFilesFrom(c *cli.Context, columnSets ...[]string) (k keepFiles, err error) {
	if findFlag(c.Command.Flags, downloadFlag.Name) == nil {
		return k, nil
	}
	w.FileRoom, w.Space = roomForFiles, func() error { return enoughFree(w.database) }
	if w.Downloads.Mode, err = imageMode(c); err != nil {
		return k, err
	}
	dir := c.String(downloadFlag.Name)
	if dir == "" {
		if c.IsSet(fileNameFlag.Name) {
			return k, badUsage("--%s needs --%s", fileNameFlag.Name, downloadFlag.Name)
		}
		return k, nil
	}
	k.name = c.String(fileNameFlag.Name)
	if _, err := artifact.ParseOpenTemplate(k.name); err != nil {
		return k, badUsage("--%s: %w", fileNameFlag.Name, err)
	}
	for _, columns := range columnSets {
		if err := k.check(columns, c.Command.Name); err != nil {
			return k, err
		}
	}
	if k.folder, err = filepath.Abs(dir); err != nil {
		return k, badUsage("--%s %s: %w", downloadFlag.Name, dir, err)
	}
	folder, err := artifact.OpenFolder(k.folder, w.Downloads.Mode)
	if err != nil {
		return k, badUsage("--%s: %w", downloadFlag.Name, err)
	}
	manifest, err := artifact.ExtendManifest(folder)
	switch {
	case err == nil:
		err = manifest.Close()
	case errors.Is(err, artifact.ErrLocked):
		err = nil // by a process that also keeps a manifest
	default:
		err = badUsage("--%s %s: %w", downloadFlag.Name, dir, err)
	}
	return k, errors.Join(err, folder.Close())
}

// check checks the template for a batch with these columns.
func (k keepFiles) check(columns []string, of string) error {
	if _, err := artifact.ParseTemplate(k.name, columns); err != nil {
		return badUsage("--%s: %w (%s)", fileNameFlag.Name, err, of)
	}
	return nil
}

// order orders the files of a batch, or of all batches for "".
func (k keepFiles) order(ctx context.Context, store jobs.Store, batch string) error {
	if k.folder == "" {
		return nil
	}
	return store.OrderDownload(ctx, jobs.DownloadOrder{Batch: batch, Folder: k.folder, Name: k.name}, clock.Now())
}

// filesEvery is how often awaitFiles counts.
const filesEvery = 500 * time.Millisecond

// awaitFiles waits until all files of an ended batch are saved or given up, and
// prints how many were saved. If their download is not ordered, it does nothing.
func awaitFiles(ctx context.Context, c *cli.Context, store jobs.Store, batch string) error {
	orders, err := store.DownloadOrders(ctx, batch)
	if err != nil || len(orders) == 0 {
		return err
	}
	p := newProgress(c.App.ErrWriter)
	p.noun, p.verb = "file", ""
	defer p.end()
	var counts jobs.FileCounts
	for first := true; ; first = false {
		more := true
		for more && err == nil {
			_, more, err = store.WantFiles(ctx, clock.Now(), 500)
		}
		if err == nil {
			counts, err = store.CountFiles(ctx, batch)
		}
		if err == nil {
			ended := counts.Saved + counts.Gone + counts.Failed
			if first {
				p.before, p.savedBefore = ended, counts.Saved
			}
			p.files(ended, ended+counts.Wanted, counts.Saved, counts.Gone+counts.Failed)
			if counts.Wanted == 0 {
				break
			}
			err = clock.Sleep(ctx, filesEvery)
		}
		switch {
		case err == nil:
		case c.Context.Err() != nil:
			return &exitError{exitFailed, fmt.Errorf("interrupted: %s of batch %s not saved yet; to continue, run `%s`",
				number.Of(counts.Wanted, "file"), batch, continueCommand(c, batch))}
		case ctx.Err() != nil:
			return &exitError{exitGaveUp, fmt.Errorf("stopped waiting: %s of batch %s not saved yet; to continue, run `%s`",
				number.Of(counts.Wanted, "file"), batch, continueCommand(c, batch))}
		default:
			return err
		}
	}
	p.end()
	fmt.Fprintf(c.App.ErrWriter, "%s saved in %s (%.1f MB)\n", number.Of(counts.Saved, "file"), printable(orders[0].Folder), float64(counts.Bytes)/1e6)
	if counts.Gone+counts.Failed == 0 {
		return nil
	}
	if err := printMissing(ctx, c, store, batch, counts.Gone+counts.Failed); err != nil {
		return err
	}
	return &exitError{code: exitFlawed}
}

// printMissing prints the first files that could not be saved, and why.
func printMissing(ctx context.Context, c *cli.Context, store jobs.Store, batch string, missing int64) error {
	b, err := store.Batch(ctx, batch)
	if err != nil {
		return err
	}
	left := maxMissing
	for after := int64(0); after < b.Counts.Rows && left > 0; after += 500 {
		files, err := store.FilesOf(ctx, batch, after, after+500)
		if err != nil {
			return err
		}
		for _, f := range files {
			if f.State != jobs.FileSaved && left > 0 {
				left--
				fmt.Fprintf(c.App.ErrWriter, "%s of %s: %s\n", f.Output, f.Job, printable(f.Error))
			}
		}
	}
	if more := missing - int64(maxMissing-left); more > 0 {
		fmt.Fprintf(c.App.ErrWriter, "and %d more\n", more)
	}
	fmt.Fprintf(c.App.ErrWriter, "to try again, run `%s` with the same --%s and --%s\n", continueCommand(c, batch), downloadFlag.Name, fileNameFlag.Name)
	return nil
}

// finishManifests sorts the manifests of the batches' files, and writes their
// tables. If another process writes to a folder, that manifest stays as it is.
func (w work) finishManifests(ctx context.Context, batches []string) error {
	orders, err := w.Store.DownloadOrders(ctx, batches...)
	if err != nil {
		return err
	}
	done := map[string]bool{}
	for _, o := range orders {
		if done[o.Folder] {
			continue
		}
		done[o.Folder] = true
		if err := w.finishManifest(ctx, o.Folder); err != nil && !errors.Is(err, artifact.ErrLocked) {
			return fmt.Errorf("%s: %w", o.Folder, err)
		}
	}
	return nil
}

func (w work) finishManifest(ctx context.Context, dir string) (err error) {
	folder, err := artifact.OpenFolder(dir, w.Downloads.Mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	manifest, err := openManifest(ctx, folder)
	if err != nil {
		return err
	}
	return errors.Join(manifest.Finish(), manifest.Close())
}

// orderFiles orders the files of the batches that a run awaits.
func (w work) orderFiles(ctx context.Context, batches []string) error {
	for _, id := range batches {
		if err := w.keep.order(ctx, w.Store, id); err != nil {
			return err
		}
	}
	return nil
}

// orderAllFiles orders the files of all batches for --download, or removes this
// order if the flag is set to nothing. Without the flag the order of an earlier
// serve stands.
func orderAllFiles(c *cli.Context, w work) error {
	if w.keep.folder == "" && c.IsSet(downloadFlag.Name) {
		return w.Store.OrderDownload(c.Context, jobs.DownloadOrder{}, clock.Now())
	}
	if err := w.keep.order(c.Context, w.Store, ""); err != nil {
		return err
	}
	orders, err := w.Store.DownloadOrders(c.Context, "")
	if err != nil || len(orders) == 0 {
		return err
	}
	template, err := artifact.ParseOpenTemplate(orders[0].Name)
	if err != nil {
		return err
	}
	w.Logger.Info("saving the files of all batches", "folder", orders[0].Folder, "name", orders[0].Name, "columns", template.Columns())
	return nil
}
