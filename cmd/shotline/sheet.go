package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/summary"
	"shotline/jobs/wholefile"
	"shotline/orchestrator/api"
)

var (
	captionFlag      = &cli.StringSliceFlag{Name: "caption", Usage: "with html: show this `COLUMN` of the input on each card (repeatable, or comma-separated)"}
	failedFirstFlag  = &cli.BoolFlag{Name: "failed-first", Usage: "with html: rows without an image come first"}
	picturesFlag     = &cli.BoolFlag{Name: "pictures", Usage: "with html and --out: show saved images, and download the others into a folder beside the file (needs --api-key)"}
	picturesFromFlag = &cli.StringFlag{Name: "pictures-from", Usage: "with html and --out: use the images that download, run or serve saved in this `DIR` (default: the folder of the file, if it has any)"}
)

// sheetFile is a contact sheet that is written into a file.
type sheetFile struct {
	store    jobs.Store
	batch    string
	path     string
	mode     fs.FileMode // of new files; 0: that of the umask
	keepMode bool        // a sheet that exists keeps its mode
	sheet    summary.Sheet
	images   *sheetImages // nil: the cards show the images of the vendor
}

// write writes the sheet. If it has many rows, most of it is in a folder beside
// the file, NAME_files. The names of the files are new each time, so that the old
// sheet stays complete until the new one replaces it.
func (f sheetFile) write(ctx context.Context) error {
	s, err := summary.Load(ctx, f.store, f.batch, clock.Now())
	if err != nil {
		return err
	}
	target, err := wholefile.Resolve(f.path)
	if err != nil {
		return outError(err)
	}
	mode := f.mode
	if f.keepMode && target.Info != nil {
		mode = target.Info.Mode().Perm()
	}
	if f.images != nil {
		if err := f.images.prepare(ctx, f.store, s); err != nil {
			return err
		}
		f.sheet.Image, f.sheet.Originals = f.images.address, f.images.isOriginal
	}
	files := sheetFolder{path: besideFile(f.path, "_files"), prefix: strings.ToLower(rand.Text()[:8]) + "-", mode: mode}
	f.sheet.Folder, f.sheet.FilePrefix, f.sheet.WriteFile = filepath.Base(files.path), files.prefix, files.write
	if f.keepMode && target.Info != nil {
		mode = 0
	}
	err = wholefile.Write(f.path, mode, func(w io.Writer) error {
		return summary.WriteHTML(ctx, w, f.store, s, f.sheet)
	})
	if err != nil {
		return outError(errors.Join(err, files.remove(true)))
	}
	return outError(files.remove(false))
}

// besideFile returns the name of a folder that belongs to a file.
func besideFile(path, suffix string) string {
	return strings.TrimSuffix(path, filepath.Ext(path)) + suffix
}

// sheetFolder is the folder of a sheet's files.
type sheetFolder struct {
	path   string
	prefix string // of the files of this sheet
	mode   fs.FileMode
}

func (f sheetFolder) write(name string, content func(io.Writer) error) error {
	mode := fs.FileMode(0o777)
	if f.mode != 0 {
		mode = api.FolderMode(f.mode)
	}
	if err := os.MkdirAll(f.path, mode); err != nil {
		return err
	}
	return wholefile.Write(filepath.Join(f.path, name), f.mode, content)
}

// sheetFileName matches the names of the files of sheets and comparisons.
var sheetFileName = regexp.MustCompile(`^[a-z2-7]{8}-((rows|text)-[0-9]+\.js|page-[0-9]+\.html|([ab][0-9]+|[0-9]+-[0-9]+-difference)\.[a-z]+)$`)

// remove removes the files of this sheet, or those of all others. It also removes
// the folder if it is empty then.
func (f sheetFolder) remove(own bool) error {
	entries, err := os.ReadDir(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if name := entry.Name(); sheetFileName.MatchString(name) && strings.HasPrefix(name, f.prefix) == own {
			err = errors.Join(err, os.Remove(filepath.Join(f.path, name)))
		}
	}
	_ = os.Remove(f.path) // fails if it is not empty
	return err
}

// sheetFrom parses the flags of the contact sheet. It returns an error if they are
// set for another format.
func sheetFrom(c *cli.Context, format string) (summary.Sheet, error) {
	if format != "html" {
		for _, flag := range []cli.Flag{captionFlag, failedFirstFlag, picturesFlag, picturesFromFlag} {
			if name := flag.Names()[0]; c.IsSet(name) {
				return summary.Sheet{}, badUsage("--%s needs --format html", name)
			}
		}
	}
	return summary.Sheet{Captions: listValues(c, captionFlag.Name), FailedFirst: c.Bool(failedFirstFlag.Name)}, nil
}

// writeSheet writes the contact sheet of a batch as the flags say.
func writeSheet(c *cli.Context, store jobs.Store, batch string, sheet summary.Sheet) (err error) {
	b, err := store.Batch(c.Context, batch)
	if err != nil {
		return err
	}
	if err := summary.CheckCaptions(b, sheet.Captions); err != nil {
		return badUsage("--%s: %w", captionFlag.Name, err)
	}
	out := c.String(outFlag.Name)
	alone := toStdout(out)
	if info, err := os.Stat(out); !alone && err == nil && !info.Mode().IsRegular() {
		alone = true
	}
	pictures := c.Bool(picturesFlag.Name)
	if alone {
		if name := picturesFlag.Name; pictures || c.IsSet(picturesFromFlag.Name) {
			if !pictures {
				name = picturesFromFlag.Name
			}
			if !toStdout(out) {
				_, err := wholefile.Resolve(out)
				return outError(err)
			}
			return badUsage("--%s needs --out FILE: the images are beside the file", name)
		}
		s, err := summary.Load(c.Context, store, batch, clock.Now())
		if err != nil {
			return err
		}
		sheet.Image = vendorImage
		if err := hintHidden(c, store, batch, "--"+outFlag.Name+" FILE ", vendorImage); err != nil {
			return err
		}
		return writeOut(c, func(w io.Writer) error { return summary.WriteHTML(c.Context, w, store, s, sheet) })
	}
	if err := checkOut(c, out); err != nil {
		return err
	}
	f := sheetFile{store: store, batch: batch, path: out, keepMode: !c.IsSet(imageModeFlag.Name), sheet: sheet}
	if pictures || c.IsSet(imageModeFlag.Name) {
		if f.mode, err = imageMode(c); err != nil {
			return err
		}
	}
	f.images, err = sheetImagesFrom(c, batch, f.mode)
	if err != nil {
		return err
	}
	f.sheet.Image, f.sheet.LocalImages = vendorImage, pictures
	if f.images != nil {
		defer func() { err = errors.Join(err, f.images.close()) }()
	}
	if !pictures && !c.IsSet(picturesFromFlag.Name) {
		shown := vendorImage
		if f.images != nil {
			shown = f.images.address
		}
		if err := hintHidden(c, store, batch, "", shown); err != nil {
			return err
		}
	}
	return f.write(c.Context)
}

// vendorImage returns the address of a job's image at the vendor.
func vendorImage(j jobs.Job) (string, error) { return j.ImageURL, nil }
