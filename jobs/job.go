package jobs

import (
	"encoding/json"
	"time"
)

// Params are vendor parameters by name, passed through untouched. Values are
// what encoding/json makes: string, bool, float64, []any, map[string]any.
type Params map[string]any

// Request is what somebody asked for, before it is a job.
type Request struct {
	Line     int      // line in the input, counted from 1; 0 when there is none
	URL      string   // normalised, http or https
	Params   Params   // vendor parameters of this row alone
	Tags     []string // the user's tags, none with TagPrefix
	Metadata Metadata // the caller's own fields
	Cells    []string // the raw input row in the input's columns; nil when it is just the URL
	Reject   string   // why the row cannot become a job; empty when it can

	// What the row wants otherwise than its batch.
	CallbackURL string        // called for the job's events; empty: none
	Timeout     time.Duration // 0: the batch's
	Priority    *int          // -MaxPriority to MaxPriority; nil: the batch's
}

// Job is one request being brought to its end. Zero times mean not yet.
type Job struct {
	ID            ID
	Line          int
	URL           string
	Params        Params
	Tags          []string
	Metadata      Metadata
	Cells         []string
	State         State
	Attempt       int // submissions begun, the current one included; 0 before the first
	ScreenshotID  string
	ImageURL      string
	Error         string
	ClosedBy      Provenance
	Cost          *float64 // credits; nil when the vendor has not told
	Late          bool     // closed by a result that came after the job had ended
	DoubleCharged int      // screenshots paid for beyond the one that was wanted
	Conflicts     int      // results that contradicted the recorded one
	FirstResult   Outcome  // after a conflict, of the newest attempt that had one: the result that was recorded first
	VendorSays    Outcome  // of that attempt: what the vendor answered, which may be processing or unknown
	Corrected     bool     // the state is the vendor's word, and the first result was false
	DuplicateOf   int64    // row whose outcome this duplicate shows
	CreatedAt     time.Time
	SubmittedAt   time.Time // when the current attempt's create was answered, or, if no answer came, its intent
	ClosedAt      time.Time
	Deadline      time.Time
	CancelAskedAt time.Time     // when somebody asked to cancel while a create was under way
	Timeout       time.Duration // of its own; 0: its batch's
	Priority      *int          // of its own; nil: its batch's
}

// MarshalJSON writes the job's Form.
func (j Job) MarshalJSON() ([]byte, error) { return json.Marshal(j.Form()) }

// JobFilter selects jobs for a page. The zero filter selects all.
type JobFilter struct {
	Batch  string
	States []State
	After  ID  // exclusive; jobs come in order of batch creation and row
	Limit  int // at most 1000; 0 means 100
}

// JobSearch selects jobs for a page of a search. The zero search selects all.
type JobSearch struct {
	JobFilter
	Text  string // in the URL, whatever the case of ASCII letters
	Error string // in the error, likewise
	// Tags are all there, of the row or of its batch: whole ones, not parts. An empty one is none.
	Tags []string
	// Since and Until are when the row came in: from Since on, before Until.
	Since, Until time.Time
	// Metadata are values by name, each a text or a number, true, false or null as
	// it was written.
	Metadata map[string]string
	// Shielded: what stands in a URL before an @ is not looked at, nor is an error
	// that holds one.
	Shielded bool
	Newest   bool // in the opposite order, newest first
	Scan     int  // look at no more rows than this for one page; 0 means 100,000
}
