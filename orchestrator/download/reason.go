package download

import (
	"errors"
	"io/fs"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/artifact"
)

// Reason is a class of errors because of which a file could not be fetched.
type Reason string

// The reasons.
const (
	ReasonNotFound Reason = "not_found" // the vendor does not have it, or not yet
	ReasonRate     Reason = "rate"      // the vendor limits the rate
	ReasonRefused  Reason = "refused"   // another error of the vendor
	ReasonContent  Reason = "content"   // empty, cut off, or of another size than announced
	ReasonSize     Reason = "size"      // larger than allowed
	ReasonDisk     Reason = "disk"      // the file cannot be written under its name
	ReasonNoAnswer Reason = "no_answer" // the vendor cannot be reached, or the connection broke
)

// Reasons lists every reason.
var Reasons = []Reason{ReasonNotFound, ReasonRate, ReasonRefused, ReasonContent, ReasonSize, ReasonDisk, ReasonNoAnswer}

func reasonOf(err error) Reason {
	var disk *artifact.DiskError
	var content *artifact.ContentError
	var size *sizeError
	var limit *client.RateLimitError
	var refused *client.APIError
	switch {
	case errors.As(err, &disk), errors.Is(err, fs.ErrInvalid), errors.Is(err, jobs.ErrExists), errors.Is(err, jobs.ErrNoRoom):
		return ReasonDisk
	case errors.As(err, &content):
		return ReasonContent
	case errors.As(err, &size):
		return ReasonSize
	case errors.Is(err, client.ErrNotFound), errors.Is(err, client.ErrNotReady):
		return ReasonNotFound
	case errors.As(err, &limit):
		return ReasonRate
	case errors.As(err, &refused):
		return ReasonRefused
	}
	return ReasonNoAnswer
}

// Result is what became of a file that a Worker has tried to fetch.
type Result string

// The results.
const (
	Saved   Result = "saved"
	Gone    Result = "gone"    // the vendor no longer has it
	Failed  Result = "failed"  // for good
	Retried Result = "retried" // is tried again later
)

// Results lists every result.
var Results = []Result{Saved, Gone, Failed, Retried}
