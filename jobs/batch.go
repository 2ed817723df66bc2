package jobs

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// BatchState is where a batch stands.
type BatchState string

// The states of a batch. A batch that is importing is invisible to submission.
const (
	BatchImporting BatchState = "importing"
	BatchOpen      BatchState = "open"
	BatchPaused    BatchState = "paused"
	BatchFinished  BatchState = "finished"
)

// App is a connected vendor app to notify, with an optional storage path
// template of its own.
type App struct {
	ID           string `json:"id"`
	PathTemplate string `json:"path_template,omitempty"`
}

// ParseApp reads ID or ID=path-template. The id may be missing.
func ParseApp(text string) App {
	id, template, _ := strings.Cut(strings.TrimSpace(text), "=")
	return App{id, template}
}

// MaxPriority is the highest priority of a batch; the lowest is its negative.
const MaxPriority = 100

// BatchSpec is what a batch is created with.
type BatchSpec struct {
	ID         string        // from an id source; [a-z0-9], at most 20
	Source     string        // file name or other origin, for people
	Columns    []string      // header of the input; nil when it had none
	Params     Params        // vendor parameters for all rows; a row's own win
	Tags       []string      // user tags for all rows, before the row's
	Apps       []App         // empty: those of the process that submits
	JobTimeout time.Duration // 0: that of the process that submits
	Priority   int           // -MaxPriority to MaxPriority; the jobs of a higher one are submitted first
	Single     bool          // made for its one job, which somebody asked for by itself
	// CallbackURL is called for the batch's events or, of a Single one, for the
	// job's; empty: nothing is.
	CallbackURL string
	// Key is what the caller calls the request that made the batch, so that a
	// repeated request makes no second one. The zero Key is none, and a batch that
	// is read has none.
	Key Key
}

// Key is an idempotency key. Of one scope and name there is one batch, for as
// long as Retention keeps keys.
type Key struct {
	Scope string // whose name it is
	Name  string
	Hash  [32]byte // of the request; the same name for another request is a mistake
}

// Batch is jobs that came in together and are summed up together.
type Batch struct {
	BatchSpec
	State       BatchState
	PauseReason string // non-empty when paused by an error, such as a refused key
	Counts      Counts
	Revision    int // grows whenever the batch finishes, and with each transaction that brings late results, corrections, or figures that the newest summary lacks
	Summarized  int // newest revision with a stored summary
	Generation  int64
	CreatedAt   time.Time
	FinishedAt  time.Time
}

// Counts are a batch's totals. They are kept beside the jobs in the same
// transactions and always equal a count over the rows.
type Counts struct {
	Rows          int64
	ByState       map[State]int64
	ByProvenance  map[Provenance]int64
	Late          int64
	Corrected     int64
	DoubleCharged int64
	Cost          *float64 // credits; nil when the vendor told none
	APICalls      int64    // vendor calls made for this batch
}

// Of returns the number of jobs in a state.
func (c Counts) Of(s State) int64 { return c.ByState[s] }

// Open is the number of jobs that have not ended.
func (c Counts) Open() int64 { return c.Of(Queued) + c.Of(Submitting) + c.Of(Pending) }

// Accepted is the number of rows that became jobs.
func (c Counts) Accepted() int64 { return c.Rows - c.Of(Duplicate) - c.Of(Rejected) }

// Flawed is the number of rows that ended without the picture they asked for.
func (c Counts) Flawed() int64 {
	return c.Of(Failed) + c.Of(TimedOut) + c.Of(Canceled) + c.Of(Rejected)
}

// Except counts the rows in other states than these, by their state.
func (c Counts) Except(states []State) map[State]int64 {
	others := map[State]int64{}
	for state, n := range c.ByState {
		if n > 0 && !slices.Contains(states, state) {
			others[state] = n
		}
	}
	return others
}

// MarshalJSON writes the batch's Form.
func (b Batch) MarshalJSON() ([]byte, error) { return json.Marshal(b.Form()) }
