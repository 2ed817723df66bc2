package download

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"syscall"
	"time"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/artifact"
)

// Vendor delivers the outputs of screenshots. A *client.Client implements it.
type Vendor interface {
	Thumbnail(ctx context.Context, id string, o client.ThumbnailOptions) (*client.Download, error)
	HTML(ctx context.Context, id string) (*client.Download, error)
	PDF(ctx context.Context, id string) (*client.Download, error)
	Video(ctx context.Context, id string) (*client.Download, error)
}

// maxLimited is how often the vendor may answer that the rate is too high until a
// file fails.
const maxLimited = 100

// open requests an output from the vendor. An image is requested as it was
// captured.
func (r *runner) open(ctx context.Context, f jobs.File) (*client.Download, error) {
	switch f.Output {
	case jobs.OutputHTML:
		return r.Vendor.HTML(ctx, f.Screenshot)
	case jobs.OutputPDF:
		return r.Vendor.PDF(ctx, f.Screenshot)
	case jobs.OutputVideo:
		return r.Vendor.Video(ctx, f.Screenshot)
	}
	var o client.ThumbnailOptions
	if f.Shot > 1 {
		o.Shot = f.Shot
	}
	return r.Vendor.Thumbnail(ctx, f.Screenshot, o)
}

// fetch brings a file to its end. An error concerns all files: the run has to
// stop. The file then stays wanted.
func (r *runner) fetch(ctx context.Context, w *Work) error {
	limited := 0
	for attempt := 1; ; {
		if err := r.pace.wait(ctx); err != nil {
			return err
		}
		w.File.Tries++
		err := r.inTime(ctx, func(ctx context.Context) error { return r.save(ctx, w) })
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if stops(err) {
			return err
		}
		delay, again := r.next(err, w, attempt)
		var limit *client.RateLimitError
		if errors.As(err, &limit) && limited < maxLimited {
			limited++
			r.pace.pause(max(limit.Delay, r.Retry.Base))
			continue // the pause delays the calls of all files
		}
		if !again {
			r.end(w, err)
			return nil
		}
		attempt++
		if err := r.Clock.Sleep(ctx, delay); err != nil {
			return err
		}
	}
}

// next returns whether to try again after an error, and after which delay.
func (r *runner) next(err error, w *Work, attempt int) (time.Duration, bool) {
	var content *artifact.ContentError
	var slow *timeError
	switch {
	case errors.As(err, &content), errors.As(err, &slow):
		err = &client.NotSentError{Err: err} // as if it had not been sent: the same call can bring the whole file
	case errors.Is(err, client.ErrNotReady) && r.Clock.Now().Sub(w.Job.ClosedAt) > client.OutputGrace:
		return 0, false
	}
	return r.Retry.Next(err, attempt)
}

// stops reports whether an error concerns all files.
func stops(err error) bool {
	if errors.Is(err, jobs.ErrNoRoom) {
		return true
	}
	var disk *artifact.DiskError
	if !errors.As(err, &disk) {
		return errors.Is(err, client.ErrUnauthorized)
	}
	for _, ofName := range []error{syscall.EISDIR, syscall.ENOTDIR, syscall.EEXIST, syscall.ENOTEMPTY, syscall.ENAMETOOLONG, syscall.EINVAL, fs.ErrInvalid, artifact.ErrLink} {
		if errors.Is(err, ofName) {
			return false
		}
	}
	return true
}

// end records that a file could not be saved.
func (r *runner) end(w *Work, err error) {
	w.File.State, w.File.Error, w.Reason = jobs.FileFailed, err.Error(), reasonOf(err)
	if errors.Is(err, client.ErrNotFound) && r.Clock.Now().Sub(w.Job.ClosedAt) > client.OutputGrace {
		w.File.State = jobs.FileGone
	}
}

// headSize is how many bytes of a file decide about its type.
const headSize = 512

// save fetches a file once and saves it.
func (r *runner) save(ctx context.Context, w *Work) error {
	if r.Room != nil {
		if err := r.Room(); err != nil {
			return err
		}
	}
	body, err := r.open(ctx, w.File)
	if err != nil {
		return err
	}
	defer body.Body.Close()
	content, err := r.whole(body)
	if err != nil {
		return err
	}
	head := make([]byte, headSize)
	n, err := io.ReadFull(content, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	head = head[:n]
	mediaType := detect(w.File.Output, body.ContentType, head)
	extension := artifact.Extension(w.File.Output, mediaType)
	if !hasExtension(w.File.Name, extension) {
		if err := r.names.assign(ctx, w, extension); err != nil {
			return err
		}
		if r.keep(w) {
			return nil
		}
	}
	now := r.Clock.Now()
	size, err := r.Folder.Save(w.File.Name, artifact.Source{
		Reader: io.MultiReader(bytes.NewReader(head), content), Type: mediaType, Length: body.Length, Time: now,
	})
	if err != nil {
		return err
	}
	w.File.State, w.File.Size, w.File.Type, w.File.Error, w.File.SavedAt = jobs.FileSaved, size, mediaType, "", now
	return nil
}

// hasExtension reports whether a name ends with the extension of a type.
func hasExtension(name, extension string) bool {
	has := strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))
	return has == extension || artifact.SameExtension(has, extension)
}

// detect returns the media type of an output. The first bytes take precedence
// over what the vendor declares.
func detect(output jobs.Output, declared string, head []byte) string {
	switch output {
	case jobs.OutputImage:
		if seen, isImage := client.ImageType("", head); isImage {
			return seen
		}
	case jobs.OutputVideo:
		if seen := http.DetectContentType(head); strings.HasPrefix(seen, "video/") || strings.HasPrefix(seen, "image/") {
			return seen
		}
	}
	if kind, _, err := mime.ParseMediaType(declared); err == nil {
		return kind
	}
	return ""
}

// keep ends a file whose name exists on disk, if such files are to be kept.
func (r *runner) keep(w *Work) bool {
	if !r.NoClobber {
		return false
	}
	size, exists := r.Folder.Size(w.File.Name)
	if !exists {
		return false
	}
	w.Kept = true
	w.File.State, w.File.Size, w.File.Error = jobs.FileSaved, size, ""
	return true
}

// errTooMany wraps the last error of many files in a row.
func errTooMany(n int, last string) error {
	return fmt.Errorf("stopped, because %d files in a row could not be fetched, the last one with: %s", n, last)
}
