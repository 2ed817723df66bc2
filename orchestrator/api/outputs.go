package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"shotline/client"
	"shotline/jobs"
)

// Outputs fetches the images and documents of screenshots. A *client.Client
// implements it.
type Outputs interface {
	Thumbnail(ctx context.Context, id string, o client.ThumbnailOptions) (*client.Download, error)
	HTML(ctx context.Context, id string) (*client.Download, error)
	PDF(ctx context.Context, id string) (*client.Download, error)
}

// output is a kind of file that a screenshot can have.
type output struct {
	name   string
	types  []string // accepted content types; any other becomes application/octet-stream
	fetch  func(ctx context.Context, from Outputs, id string) (*client.Download, error)
	detect func(contentType string, head []byte) (string, bool)
	inline bool   // shown in the browser; false: downloaded
	param  string // create parameter that requests it; empty: every screenshot has it
}

var outputs = []output{
	{"image", []string{"image/png", "image/jpeg", "image/webp", "image/gif", "image/avif"},
		func(ctx context.Context, from Outputs, id string) (*client.Download, error) {
			return from.Thumbnail(ctx, id, client.ThumbnailOptions{})
		}, client.ImageType, true, ""},
	// HTML is downloaded, so that a foreign page does not run on the API's origin.
	{"html", []string{"text/html"}, func(ctx context.Context, from Outputs, id string) (*client.Download, error) {
		return from.HTML(ctx, id)
	}, client.PageType, false, "html"},
	{"pdf", []string{"application/pdf"}, func(ctx context.Context, from Outputs, id string) (*client.Download, error) { return from.PDF(ctx, id) }, client.DocumentType, false, "pdf"},
}

// notReadyRetry is the Retry-After, in seconds, of an output that is not ready.
const notReadyRetry = 5

const anyBytes = "application/octet-stream"

// extensions are the file name extensions by content type.
var extensions = map[string]string{
	"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/gif": ".gif", "image/avif": ".avif",
	"text/html": ".html", "application/pdf": ".pdf", anyBytes: ".bin",
}

type getOutput struct {
	ID          string   `path:"id" example:"b7k2m9q4x1-1"`
	IfNoneMatch []string `header:"If-None-Match" doc:"ETags of the versions that you have"`
}

// outputAnswer is an output, or the status 304 without one.
type outputAnswer struct {
	Status int
	ETag   string `header:"ETag"`
	Cache  string `header:"Cache-Control"`
	Type   string `header:"Content-Type"`
	Name   string `header:"Content-Disposition"`
	Length string `header:"Content-Length"`
	Body   func(huma.Context)
}

func (s *server) outputRoutes() {
	for _, kind := range outputs {
		get := operation(http.MethodGet, "/v1/jobs/{id}/"+kind.name, "get"+strings.ToUpper(kind.name[:1])+kind.name[1:], "jobs",
			"Get the "+kind.name+" of a job that is done", http.StatusNotFound, http.StatusConflict, http.StatusBadGateway)
		get.Description = "The file comes from the vendor, or from the disk of the server if it is kept there. If If-None-Match contains its ETag, the vendor is not queried."
		get.Responses = plainResponse(http.StatusOK, "The file", append([]string{anyBytes}, kind.types...)...)
		get.Responses["304"] = &huma.Response{Description: "You have the current version"}
		huma.Register(s.api, get, func(ctx context.Context, in *getOutput) (*outputAnswer, error) { return s.getOutput(ctx, kind, in) })
	}
}

func (s *server) getOutput(ctx context.Context, kind output, in *getOutput) (*outputAnswer, error) {
	j, err := s.outputJob(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	tag := outputTag(j, kind)
	answer := &outputAnswer{Status: http.StatusOK, ETag: `"` + tag + `"`, Cache: "private, no-cache"}
	if tagMatches(in.IfNoneMatch, answer.ETag) {
		answer.Status = http.StatusNotModified
		answer.Body = func(out huma.Context) { out.SetStatus(http.StatusNotModified) }
		return answer, nil
	}
	liftWriteDeadline(ctx)
	body, err := s.open(ctx, j, kind, tag)
	if err != nil {
		return nil, err
	}
	answer.Type = body.ContentType
	disposition := "attachment"
	if kind.inline {
		disposition = "inline"
	}
	answer.Name = fmt.Sprintf(`%s; filename="%s%s"`, disposition, j.ID, extensions[body.ContentType])
	if body.Length >= 0 {
		answer.Length = strconv.FormatInt(body.Length, 10)
	}
	answer.Body = func(out huma.Context) {
		defer body.Body.Close()
		out.SetStatus(http.StatusOK)
		if out.Method() == http.MethodHead {
			return
		}
		if _, err := io.Copy(newDeadlineWriter(ctx, out.BodyWriter()), body.Body); err != nil {
			s.Logger.Warn("output interrupted", "job", j.ID.String(), "kind", kind.name, "error", err)
			panic(http.ErrAbortHandler) // so that the incomplete file does not look complete
		}
	}
	return answer, nil
}

// outputJob returns the job whose output is requested, if it is done. For a
// duplicate, that is the original job.
func (s *server) outputJob(ctx context.Context, id string) (jobs.Job, error) {
	j, err := s.job(ctx, id)
	if err == nil && j.State == jobs.Duplicate {
		j, err = s.job(ctx, jobs.ID{Batch: j.ID.Batch, Row: j.DuplicateOf}.String())
	}
	switch {
	case err != nil:
		return j, err
	case j.State.Open():
		return j, problem(http.StatusConflict, fmt.Sprintf("job %s is %s", j.ID, j.State))
	case j.State != jobs.Done || j.ScreenshotID == "":
		return j, problem(http.StatusNotFound, fmt.Sprintf("job %s is %s and has no image", j.ID, j.State))
	}
	return j, nil
}

// outputTag returns the ETag of an output, without quotes. Different outputs have
// different tags.
func outputTag(j jobs.Job, kind output) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %s %d %s", j.ScreenshotID, j.ID, j.Attempt, kind.name))
	return hex.EncodeToString(sum[:12])
}

// tagMatches reports whether an If-None-Match header contains the tag.
func tagMatches(header []string, tag string) bool {
	for _, given := range header {
		given = strings.TrimPrefix(strings.TrimSpace(given), "W/")
		if given == tag || given == "*" {
			return true
		}
	}
	return false
}

// open opens an output, from the disk if it is kept or saved there, and otherwise
// from the vendor.
func (s *server) open(ctx context.Context, j jobs.Job, kind output, tag string) (*client.Download, error) {
	if kept := s.images.open(j, kind, tag); kept != nil {
		return kept, nil
	}
	if saved := s.openSaved(ctx, j, kind); saved != nil {
		return saved, nil
	}
	body, err := s.fetch(ctx, j, kind)
	if err != nil {
		return nil, s.outputError(ctx, j, kind, err)
	}
	mediaType, _, err := mime.ParseMediaType(body.ContentType)
	body.ContentType = anyBytes
	if err == nil && slices.Contains(kind.types, mediaType) {
		body.ContentType = mediaType
	}
	return s.images.save(j, kind, tag, body), nil
}

// outputError returns the problem of an output that could not be fetched.
func (s *server) outputError(ctx context.Context, j jobs.Job, kind output, err error) error {
	var limited *client.RateLimitError
	switch {
	case errors.Is(err, client.ErrNotReady) && s.outputExpected(ctx, j, kind):
		return retryLater(problem(http.StatusServiceUnavailable, fmt.Sprintf("the vendor does not have the %s of job %s ready yet: try again later", kind.name, j.ID)), notReadyRetry)
	case errors.Is(err, client.ErrNotFound):
		return problem(http.StatusNotFound, fmt.Sprintf("the vendor has no %s of job %s", kind.name, j.ID))
	case errors.As(err, &limited):
		return retryLater(problem(http.StatusServiceUnavailable, "the vendor limits the rate of requests: try again later"), max(1, int(math.Ceil(limited.Delay.Seconds()))))
	case ctx.Err() != nil:
		return problem(http.StatusServiceUnavailable, "the request was interrupted")
	}
	s.Logger.Warn("fetching an output failed", "job", j.ID.String(), "kind", kind.name, "error", err)
	return problem(http.StatusBadGateway, "the file could not be fetched from the vendor")
}
