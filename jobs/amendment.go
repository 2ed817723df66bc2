package jobs

import (
	"bytes"
	"encoding/json"
)

// Amendable lists the states of rows that can get a corrected request: all final
// states.
var Amendable = []State{Done, Failed, TimedOut, Canceled, Duplicate, Rejected}

// Amendment gives a row that has ended a corrected request. It takes effect only
// if the row is in one of the states From, all of them Amendable, and in exactly
// this attempt. Waits is used only if the request is the same as before.
type Amendment struct {
	Retry
	Request Request // its Line and Job are not used
}

// AmendCounts counts rows by the result of an amendment. Queued counts only rows
// that have the same request as before.
type AmendCounts struct {
	RetryCounts
	Amended   int // rows that got another request
	Unchanged int // left alone, because they are done, open or ended with this request
	Separated int // duplicates of amended rows that became jobs
}

// SameAs reports whether r asks for the same screenshot as the row j: its URL,
// parameters and tags are equal.
func (r Request) SameAs(j Job) bool {
	return r.Reject == "" && j.State != Rejected && r.URL == j.URL &&
		sameJSON(r.Params, len(r.Params), j.Params, len(j.Params)) && sameJSON(r.Tags, len(r.Tags), j.Tags, len(j.Tags))
}

// sameJSON compares two collections of JSON values. All empty ones are equal.
func sameJSON(a any, lenA int, b any, lenB int) bool {
	if lenA != lenB || lenA == 0 {
		return lenA == lenB
	}
	textA, errA := json.Marshal(a)
	textB, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(textA, textB)
}
