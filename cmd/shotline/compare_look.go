package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/net/html"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/artifact"
	"shotline/jobs/compare"
	"shotline/jobs/picture"
)

// comparisonLooks compares the pictures and pages of pairs of jobs.
type comparisonLooks struct {
	comparison
	a, b     pictureSide
	vendor   *client.Client // nil: there is no key
	compare  *picture.Comparer
	compared atomic.Int64
	fetched  atomic.Int64
}

// pictureSide finds the saved pictures of a batch.
type pictureSide struct {
	name     string
	batch    jobs.Batch
	saved    *savedImages // of --dir-a or --dir-b; nil: none
	recorded *recordedImages
}

// find returns the path of the saved picture of a job, or "" if there is none. A
// duplicate has the picture of the row that it repeats.
func (s pictureSide) find(j jobs.Job) (string, error) {
	if j.DuplicateOf > 0 {
		j.ID.Row = j.DuplicateOf
	}
	if s.saved != nil {
		path, err := s.saved.find(j)
		if path != "" || err != nil {
			return path, err
		}
	}
	return s.recorded.find(j)
}

// looker returns a looker for two batches.
func (o comparison) looker(store jobs.Store, a, b jobs.Batch) (_ *comparisonLooks, err error) {
	c := o.c
	l := &comparisonLooks{comparison: o, compare: picture.NewComparer(picture.MaxPixels)}
	l.a, l.b = pictureSide{name: "A", batch: a}, pictureSide{name: "B", batch: b}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	for _, s := range []struct {
		*pictureSide
		flag string
	}{{&l.a, dirAFlag.Name}, {&l.b, dirBFlag.Name}} {
		s.recorded = newRecordedImages(c.Context, store, s.batch.ID)
		dir := c.String(s.flag)
		if dir == "" {
			continue
		}
		s.saved, err = openSavedImages(dir, s.batch.ID)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, badUsage("--%s %s: it has no %s: give the folder of shotline download, or of --download", s.flag, dir, artifact.ManifestName)
		case err != nil:
			return nil, fmt.Errorf("--%s %s: %w", s.flag, dir, err)
		}
	}
	key, err := apiKey(c)
	if err != nil {
		if o.pages {
			return nil, err
		}
		return l, nil // pictures that are not saved are named
	}
	l.vendor, err = vendorFrom(c, key)
	return l, err
}

func (l *comparisonLooks) close() (err error) {
	if l.vendor != nil {
		l.vendor.CloseIdleConnections()
	}
	for _, s := range []pictureSide{l.a, l.b} {
		if s.saved != nil {
			err = errors.Join(err, s.saved.close())
		}
	}
	return err
}

func (l *comparisonLooks) progress() string {
	return fmt.Sprintf("%d pictures compared, %d fetched", l.compared.Load(), l.fetched.Load())
}

// Prepare implements compare.Looker. The saved pictures are found one after the
// other, in the order of rows.
func (l *comparisonLooks) Prepare(_ context.Context, a, b jobs.Job) (func(context.Context) (compare.Look, error), error) {
	var paths [2]string
	if l.pictures {
		var err error
		if paths[0], err = l.a.find(a); err != nil {
			return nil, err
		}
		if paths[1], err = l.b.find(b); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) (look compare.Look, err error) {
		if l.pictures {
			err = l.lookAtPictures(ctx, &look, a, b, paths)
		}
		if err == nil && l.pages {
			err = l.lookAtPages(ctx, &look, a, b)
		}
		return look, err
	}, nil
}

// shot is the picture of a job.
type shot struct {
	job  jobs.Job
	path string // of the file if it is saved
	data picture.Source
}

// file is a picture on disk.
type file string

// Open implements picture.Source.
func (f file) Open() (io.ReadCloser, error) { return os.Open(string(f)) }

var errNoKey = errors.New("not saved, and without --api-key it cannot be fetched")

// open makes the picture readable. It fetches one that is not saved.
func (l *comparisonLooks) open(ctx context.Context, s *shot) error {
	if s.path != "" {
		s.data = file(s.path)
		return nil
	}
	if l.vendor == nil {
		return errNoKey
	}
	data, err := fetchOutput(ctx, s.job, func() (*client.Download, error) {
		return l.vendor.Thumbnail(ctx, s.job.ScreenshotID, client.ThumbnailOptions{})
	})
	if err != nil {
		return err
	}
	l.fetched.Add(1)
	s.data = picture.Bytes(data)
	return nil
}

// lookAtPictures compares the pictures of two jobs.
func (l *comparisonLooks) lookAtPictures(ctx context.Context, look *compare.Look, a, b jobs.Job, paths [2]string) error {
	l.compared.Add(1)
	shots := [2]shot{{job: a, path: paths[0]}, {job: b, path: paths[1]}}
	for i := range shots {
		if err := l.open(ctx, &shots[i]); err != nil {
			if concernsAllRows(ctx, err) {
				return err
			}
			note(look, []string{l.a.name, l.b.name}[i], err)
		}
	}
	if look.Reason != "" {
		return l.keep(look, shots)
	}
	result, err := l.compare.Compare(ctx, shots[0].data, shots[1].data, func(r picture.Result, draw func() image.Image) error {
		if look.Changed = r.Share > l.threshold; !look.Changed || l.page == nil {
			return nil
		}
		name := fmt.Sprintf("%s%d-%d-difference.png", l.page.pictures.prefix, a.ID.Row, b.ID.Row)
		look.Difference = path.Join(filepath.Base(l.page.pictures.path), name)
		return l.page.pictures.write(name, func(w io.Writer) error {
			return (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, draw())
		})
	})
	var wrong *picture.Error
	switch {
	case errors.As(err, &wrong):
		name := l.a.name
		if wrong.Second {
			name = l.b.name
		}
		note(look, name, err)
	case err != nil:
		return err
	}
	look.Share, look.Pixels = result.Share, result.Changed
	look.A.Width, look.A.Height, look.B.Width, look.B.Height = result.A.X, result.A.Y, result.B.X, result.B.Y
	if !look.Changed && look.Reason == "" {
		return nil
	}
	return l.keep(look, shots)
}

// keep gives the pictures of a look their addresses in the page. Those that were
// fetched are written beside the page.
func (l *comparisonLooks) keep(look *compare.Look, shots [2]shot) error {
	for i, shown := range []*compare.Shown{&look.A, &look.B} {
		s := shots[i]
		switch {
		case s.data == nil:
		case l.page == nil:
			shown.Image = s.path
		case s.path != "":
			address, err := relativeTo(l.page.path, s.path)
			if err != nil {
				return err
			}
			shown.Image = address
		default:
			data := s.data.(picture.Bytes)
			kind, _ := client.ImageType("", data[:min(len(data), 512)])
			name := fmt.Sprintf("%s%s%d.%s", l.page.pictures.prefix, []string{"a", "b"}[i], s.job.ID.Row, artifact.Extension(jobs.OutputImage, kind))
			shown.Image = path.Join(filepath.Base(l.page.pictures.path), name)
			err := l.page.pictures.write(name, func(w io.Writer) error {
				_, err := w.Write(data)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// note adds to a look why something of a batch could not be compared.
func note(look *compare.Look, side string, err error) {
	reason := printable(reasonOf(err))
	switch look.Reason {
	case "":
		look.Reason = side + ": " + reason
	case "A: " + reason:
		look.Reason = "A and B: " + reason
	default:
		look.Reason += "; " + side + ": " + reason
	}
}

func reasonOf(err error) string {
	switch {
	case errors.Is(err, client.ErrNotFound):
		return "the vendor does not have it any more"
	case errors.Is(err, fs.ErrNotExist):
		return "the saved file was removed"
	}
	return err.Error()
}

// concernsAllRows reports whether an error is not one of a single picture.
func concernsAllRows(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, client.ErrUnauthorized)
}

// lookAtPages compares the final URLs of two jobs and, if both have their HTML, the
// titles.
func (l *comparisonLooks) lookAtPages(ctx context.Context, look *compare.Look, a, b jobs.Job) error {
	sides := []struct {
		name  string
		job   jobs.Job
		shown *compare.Shown
	}{{l.a.name, a, &look.A}, {l.b.name, b, &look.B}}
	titled := true
	for _, s := range sides {
		info, err := callVendor(ctx, s.job, func() (client.Screenshot, error) { return l.vendor.Info(ctx, s.job.ScreenshotID) })
		if err != nil {
			if concernsAllRows(ctx, err) {
				return err
			}
			note(look, s.name, fmt.Errorf("the final URL: %s", reasonOf(err)))
			titled = false
			continue
		}
		s.shown.FinalURL = info.FinalURL
		titled = titled && info.HasHTML
	}
	for _, s := range sides {
		if !titled {
			break
		}
		page, err := fetchOutput(ctx, s.job, func() (*client.Download, error) { return l.vendor.HTML(ctx, s.job.ScreenshotID) })
		if err != nil {
			if concernsAllRows(ctx, err) {
				return err
			}
			note(look, s.name, fmt.Errorf("the HTML: %s", reasonOf(err)))
			break
		}
		s.shown.Title = titleOf(page)
	}
	return nil
}

// titleOf returns the title of a page as one line.
func titleOf(page []byte) string {
	tokens := html.NewTokenizer(bytes.NewReader(page))
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return ""
		case html.StartTagToken:
			if name, _ := tokens.TagName(); string(name) == "title" && tokens.Next() == html.TextToken {
				return printable(tokens.Token().Data)
			}
		}
	}
}
