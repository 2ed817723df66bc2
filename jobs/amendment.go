package jobs

import (
	"bytes"
	"encoding/json"
	"fmt"
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

// The names of fields in AmendOptions.
const (
	ParamField    = "params."
	MetadataField = "metadata."
	TagsField     = "tags"
	TimeoutField  = "timeout"
	PriorityField = "priority"
)

// AmendOptions are the options of an amendment of a batch by a file.
type AmendOptions struct {
	// Columns are the columns of the requests' Cells; nil if they have none. If the
	// batch has columns, all of them must be among these.
	Columns []string
	// Fields are the indexes of the columns that set the fields of the requests.
	// The names of fields are ParamField and MetadataField, each with the name of a
	// value, and TagsField, TimeoutField and PriorityField. The index is -1 if
	// several columns set a field. If there are Columns, a row keeps the fields for
	// which there is none, and those whose cell is the same as before.
	Fields map[string]int
	// By is the column whose value names the row. If it is empty, Request.Job does.
	// If the requests or the rows of the batch have no cells, it is the name of a
	// field of their metadata.
	By string
	// Again allows that a done job gets another request, which is paid for.
	Again bool
	// TempDir is the folder of the temporary file. If it is empty, os.TempDir is.
	TempDir string
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
// parameters and tags are equal. The screenshot does not depend on the other
// fields.
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

// AmendOption names an option of AmendOptions.
type AmendOption string

// The options that an AmendError can name.
const (
	AmendBy    AmendOption = "by"
	AmendAgain AmendOption = "again"
)

// AmendError says why a request cannot be used to amend a batch, in which nothing
// was changed.
type AmendError struct {
	Line   int // of the request; 0: the whole input
	Reason string
	Option AmendOption // with which the request could be used; empty: none. The caller spells it
	First  int         // line of an earlier request for the same row; 0: there is none
	Cause  error       // ErrState if the state of the job does not allow it; otherwise nil
}

// Error returns the reason with its lines.
func (e *AmendError) Error() string {
	text := e.Reason
	if e.First > 0 {
		text += fmt.Sprintf(", first in line %d", e.First)
	}
	if e.Line > 0 {
		text = fmt.Sprintf("line %d: %s", e.Line, text)
	}
	return text
}

// Unwrap returns Cause.
func (e *AmendError) Unwrap() error { return e.Cause }
