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

// Request asks for one picture.
type Request struct {
	URL      string            // the page; without a scheme https is meant
	Params   jobs.Params       // create parameters of the vendor, such as size or width; unknown ones are passed through
	Tags     []string          // of the screenshot
	Metadata map[string]string // fields of the program's own, kept with the job

	CallbackURL string        // told when the job ends; needs Config.Callbacks
	Timeout     time.Duration // how long the screenshot may take; that of the Config when zero
	Priority    int           // -jobs.MaxPriority to jobs.MaxPriority; higher ones are submitted first
	// Key, of the program's own, makes of repeated calls one job: the same request
	// gets the first one's, another request a *jobs.KeyTakenError. It is remembered
	// for a week. Empty: every call makes a job.
	Key string
}

// Row asks for one picture of a batch; see Request.
type Row struct {
	URL      string
	Params   jobs.Params
	Tags     []string
	Metadata map[string]string
}

// keyScope sets the keys of Go programs apart from those of the HTTP API's
// tokens, whose names hold no dot.
const keyScope = "engine.Submit"

// spec is the batch of a request by itself.
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

// checkSpec checks what the store does not.
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

// request is what a row of a file with the same fields would make; flaws are why it
// cannot become a job.
func (r Row) request() (request jobs.Request, flaws []*csvfile.FieldError) {
	params, err := plain(r.Params)
	request, flaws = csvfile.Fields{URL: r.URL, Params: params, Tags: r.Tags, Metadata: jobs.TextMetadata(r.Metadata)}.Request()
	if err != nil {
		request.Reject = err.Error()
		flaws = append(flaws, &csvfile.FieldError{Field: "params", Err: err})
	}
	return request, flaws
}

// plain gives parameters the types that JSON has: of a program's numbers, 800 is
// an int.
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

// invalid is jobs.ErrInvalid that names a field.
func invalid(field string, err error) error {
	return fmt.Errorf("%w: %s: %w", jobs.ErrInvalid, field, err)
}

func firstFlaw(flaws []*csvfile.FieldError) error {
	if len(flaws) == 0 {
		return nil
	}
	return invalid(flaws[0].Field, flaws[0].Err)
}
