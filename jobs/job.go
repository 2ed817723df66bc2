package jobs

import "time"

// Params are vendor parameters by name, passed through unchanged. Values have the
// types that encoding/json decodes to: string, bool, float64, []any,
// map[string]any.
type Params map[string]any

// Request is a URL to capture with its options, before it becomes a job.
type Request struct {
	Line     int      // line in the input, counted from 1; 0 if it has none
	URL      string   // normalised, http or https
	Params   Params   // vendor parameters of this row only
	Tags     []string // the user's tags; none begins with TagPrefix
	Metadata Metadata // the caller's own fields
	Cells    []string // the raw input row in the input's columns; nil if it is only the URL
	Reject   string   // why the row cannot become a job; empty if it can
	Job      ID       // job of an earlier batch whose result the input row shows; zero if it shows none; not stored

	// Options that override those of the batch.
	CallbackURL string        // receives the job's events; empty: none
	Timeout     time.Duration // 0: the batch's
	Priority    *int          // -MaxPriority to MaxPriority; nil: the batch's
}

// Job is one request being brought to its end. A zero time means not yet.
type Job struct {
	ID            ID
	Line          int
	URL           string
	Params        Params
	Tags          []string
	Metadata      Metadata
	Cells         []string
	State         State
	Attempt       int // submissions begun, including the current one; 0 before the first
	ScreenshotID  string
	ImageURL      string
	Error         string
	ClosedBy      Provenance
	Cost          *float64 // credits; nil if the vendor has not reported it
	Late          bool     // closed by a result that arrived after the job had ended
	DoubleCharged int      // screenshots paid for in addition to the wanted one
	Conflicts     int      // results that contradicted the recorded one
	FirstResult   Outcome  // of the newest attempt with a conflict: the result that was recorded first
	VendorSays    Outcome  // of that attempt: the vendor's verdict, which can be processing or unknown
	Corrected     bool     // the vendor refuted the first result, and State is its verdict
	DuplicateOf   int64    // row whose outcome this duplicate shows
	CreatedAt     time.Time
	SubmittedAt   time.Time // when the response to the current attempt's create arrived; if none did, the time of its intent
	ClosedAt      time.Time
	Deadline      time.Time
	CancelAskedAt time.Time     // when somebody asked to cancel the job while a create was under way
	Timeout       time.Duration // overrides the batch's; 0: the batch's
	Priority      *int          // overrides the batch's; nil: the batch's
}

// JobFilter selects a page of jobs. The zero filter selects all.
type JobFilter struct {
	Batch  string
	States []State
	After  ID  // exclusive; jobs come in order of batch creation and row
	Limit  int // at most 1000; 0 means 100
}

// JobSearch selects a page of a search. The zero search selects all jobs.
type JobSearch struct {
	JobFilter
	Text  string // part of the URL; ASCII letters match in either case
	Error string // part of the error, matched in the same way
	// Spellings are other forms of Text, such as the one in which a URL is stored. A
	// URL matches if it contains Text or one of them.
	Spellings []string
	// Tags must all be present, on the row or on its batch. They match as a whole.
	// An empty tag is ignored.
	Tags []string
	// Since and Until limit when the row came in: at Since or later, before Until.
	Since, Until time.Time
	// Metadata are values by name. Each is a text, or a number, true, false or null
	// in its JSON notation.
	Metadata map[string]string
	// Shielded excludes secrets from the search: the part of a URL before an @, and
	// errors that contain such a part.
	Shielded bool
	Newest   bool // newest first instead of oldest first
	Scan     int  // most rows to examine for one page; 0 means 100,000
}
