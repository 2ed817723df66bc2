package api

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"shotline/jobs"
	"shotline/jobs/csvfile"
)

// JobRequest is the body of a request to create one job.
type JobRequest struct {
	URL         string        `json:"url" example:"https://example.com/" doc:"The page; if it has no scheme, https is assumed"`
	Params      jobs.Params   `json:"params,omitempty" doc:"Create parameters of the vendor, such as size, width or delay; unknown ones are passed through"`
	Tags        []string      `json:"tags,omitempty" maxItems:"100" doc:"The screenshot's tags"`
	Metadata    jobs.Metadata `json:"metadata,omitempty" maxProperties:"200" doc:"Your own fields, returned unchanged with the job: texts, numbers with all their digits, true, false or null"`
	CallbackURL string        `json:"callback_url,omitempty" doc:"URL that receives the events of the job as signed callbacks"`
	Timeout     string        `json:"timeout,omitempty" example:"5m" doc:"How long the screenshot may take, as a Go duration; default: the timeout of the server"`
	Priority    int           `json:"priority,omitempty" minimum:"-100" maximum:"100" doc:"Jobs with a higher priority are submitted first"`
}

// commonOptions are the options that jobs and batches have in common.
type commonOptions struct {
	CallbackURL string
	Timeout     string
	Priority    int
}

// newSpec returns the spec of a new batch with these options. At is the location
// of their fields, such as body.
func (s *server) newSpec(o commonOptions, at string) (jobs.BatchSpec, error) {
	spec := jobs.BatchSpec{ID: s.NewID(), CallbackURL: o.CallbackURL, Priority: o.Priority}
	if o.CallbackURL != "" {
		if err := s.CheckURL(o.CallbackURL); err != nil {
			return spec, invalid(at+".callback_url", fmt.Errorf("callback_url: %w", err))
		}
	}
	var err error
	if spec.JobTimeout, err = csvfile.ParseTimeout(o.Timeout); err != nil {
		return spec, invalid(at+".timeout", err)
	}
	if err := csvfile.CheckPriority(o.Priority); err != nil {
		return spec, invalid(at+".priority", err)
	}
	return spec, nil
}

// request converts the body to a jobs.Request. It checks the fields like those of
// a row.
func (r JobRequest) request() (jobs.Request, error) {
	request, flaws := csvfile.Fields{URL: r.URL, Params: r.Params, Tags: r.Tags, Metadata: r.Metadata}.Request()
	if len(flaws) == 0 {
		return request, nil
	}
	details := make([]error, len(flaws))
	for i, flaw := range flaws {
		details[i] = &huma.ErrorDetail{Location: "body." + flaw.Field, Message: flaw.Error()}
	}
	return request, problem(http.StatusUnprocessableEntity, flaws[0].Error(), details...)
}

// hash returns a hash that does not depend on how the JSON is written.
func (r JobRequest) hash() (sum [sha256.Size]byte, err error) {
	canonical, err := json.Marshal(r)
	if err != nil {
		return sum, err
	}
	return sha256.Sum256(append([]byte("job\n"), canonical...)), nil
}

// plainJSON normalizes the content type of JSON, which may be written in any case
// and with parameters. A charset is accepted only if it is UTF-8, the encoding of
// JSON.
func plainJSON(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i, given := range r.Header["Content-Type"] {
			kind, params, err := mime.ParseMediaType(given)
			if (err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter)) || kind != "application/json" {
				continue
			}
			if r.ContentLength != 0 && !isUTF8(params) {
				writeProblem(w, http.StatusUnsupportedMediaType, "want application/json in UTF-8")
				return
			}
			r.Header["Content-Type"][i] = kind
		}
		next.ServeHTTP(w, r)
	})
}

// isUTF8 reports whether the parameters of a content type name no charset but
// UTF-8.
func isUTF8(params map[string]string) bool {
	charset := strings.ToLower(params["charset"])
	return charset == "" || charset == "utf-8" || charset == "utf8"
}

// checkKey returns a problem if an Idempotency-Key is not valid.
func checkKey(key string) error {
	if len(key) > 255 {
		return invalid("header.Idempotency-Key", errors.New("the Idempotency-Key is longer than 255 bytes"))
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return invalid("header.Idempotency-Key", errors.New("the Idempotency-Key may contain only printable ASCII characters"))
		}
	}
	return nil
}

// errOtherRequest returns the problem of a key that was used for another request.
func errOtherRequest() error {
	return problem(http.StatusConflict, "this Idempotency-Key was used for a different request",
		&huma.ErrorDetail{Location: "header.Idempotency-Key", Message: "used for a different request"})
}
