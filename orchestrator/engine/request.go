package engine

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"shotline/jobs"
	"shotline/jobs/csvfile"
)

// Request is a request for one screenshot.
type Request struct {
	URL      string            // the page; https if it has no scheme
	Params   jobs.Params       // create parameters of the vendor, such as size or width; unknown ones are passed through
	Tags     []string          // tags of the screenshot
	Metadata map[string]string // fields of the program's own, stored with the job

	CallbackURL string        // called when the job ends; needs Config.Callbacks
	Timeout     time.Duration // how long the screenshot can take; if it is 0, Config.JobTimeout
	Priority    int           // -jobs.MaxPriority to jobs.MaxPriority; higher ones are submitted first
	// Key is an id of the program's own that makes repeated calls return one job.
	// The same request gets the job of the first call, a different request a
	// *jobs.KeyTakenError. It is remembered for a week. If it is empty, every call
	// makes a job.
	Key string
}

// Row is a request for one screenshot of a batch; see Request.
type Row struct {
	URL      string
	Params   jobs.Params
	Tags     []string
	Metadata map[string]string
}

// keyScope separates the keys of Go programs from those of the HTTP API's tokens,
// whose names contain no dot.
const keyScope = "engine.Submit"

// spec returns the batch for a request that comes alone.
func (c Config) spec(r Request) (spec jobs.BatchSpec, err error) {
	spec = jobs.BatchSpec{ID: NewID(), JobTimeout: r.Timeout, Priority: r.Priority, CallbackURL: r.CallbackURL}
	if r.Key != "" {
		canonical, err := json.Marshal(r)
		if err != nil {
			return spec, invalid("Params", err)
		}
		spec.Key = jobs.Key{Scope: keyScope, Name: r.Key, Hash: sha256.Sum256(canonical)}
	}
	return spec, c.checkSpec(spec)
}

// checkSpec checks the fields that the store does not check.
func (c Config) checkSpec(spec jobs.BatchSpec) error {
	if spec.JobTimeout < 0 {
		return invalid("Timeout", fmt.Errorf("%s is negative", spec.JobTimeout))
	}
	switch {
	case spec.CallbackURL == "":
		return nil
	case c.Callbacks == nil:
		return invalid("CallbackURL", errors.New("this engine delivers no callbacks: set Config.Callbacks"))
	}
	if err := c.Callbacks.CheckURL(spec.CallbackURL); err != nil {
		return invalid("CallbackURL", err)
	}
	return nil
}

// request returns the request that a row of a file with the same fields would
// make. flaws are the reasons why it cannot become a job.
func (r Row) request() (request jobs.Request, flaws []*csvfile.FieldError) {
	params, err := plain(r.Params)
	request, flaws = csvfile.Fields{URL: r.URL, Params: params, Tags: r.Tags, Metadata: jobs.TextMetadata(r.Metadata)}.Request()
	if err != nil {
		request.Reject = err.Error()
		flaws = append(flaws, &csvfile.FieldError{Field: "params", Err: err})
	}
	return request, flaws
}

// plain gives parameters the types of decoded JSON: a Go program might pass the
// int 800, which JSON decodes as a float64.
func plain(params jobs.Params) (jobs.Params, error) {
	if params == nil {
		return nil, nil
	}
	data, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	var same jobs.Params
	return same, json.Unmarshal(data, &same)
}

// invalid returns a jobs.ErrInvalid that names a field.
func invalid(field string, err error) error {
	return fmt.Errorf("%w: %s: %w", jobs.ErrInvalid, field, err)
}

func firstFlaw(flaws []*csvfile.FieldError) error {
	if len(flaws) == 0 {
		return nil
	}
	return invalid(flaws[0].Field, flaws[0].Err)
}
