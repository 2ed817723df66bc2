package jobs

import (
	"slices"
	"strings"
	"time"
)

// BatchState is the state of a batch.
type BatchState string

// The states of a batch. Submission does not see a batch that is importing.
const (
	BatchImporting BatchState = "importing"
	BatchOpen      BatchState = "open"
	BatchPaused    BatchState = "paused"
	BatchFinished  BatchState = "finished"
)

// App is a connected vendor app to notify, with an optional storage path
// template.
type App struct {
	ID           string `json:"id"`
	PathTemplate string `json:"path_template,omitempty"`
}

// ParseApp parses ID or ID=path-template. The id can be empty.
func ParseApp(text string) App {
	id, template, _ := strings.Cut(strings.TrimSpace(text), "=")
	return App{id, template}
}

// MaxPriority is the highest priority of a batch; the lowest is its negative.
const MaxPriority = 100

// BatchSpec holds the values that a batch is created with.
type BatchSpec struct {
	ID         string        // [a-z0-9], 1 to 20 characters
	Source     string        // file name or other origin, for people
	Columns    []string      // header of the input; nil if it had none
	Dialect    Dialect       // how the input was written; the results are written in the same way
	Params     Params        // vendor parameters for all rows; a row's own override them
	Tags       []string      // user tags for all rows, placed before the row's
	Apps       []App         // empty: those of the submitting process
	JobTimeout time.Duration // 0: that of the submitting process
	Priority   int           // -MaxPriority to MaxPriority; jobs of higher priority are submitted first
	Single     bool          // created for a single job that did not come in a batch
	Budget     *float64      // credits that the batch may cost; nil: no limit. See Budgets
	// CallbackURL receives the batch's events or, if the batch is Single, the
	// job's. Empty means none.
	CallbackURL string
	// RerunOf is the batch whose rows this one repeats. Empty means none.
	RerunOf string
	// Key identifies the request that creates the batch, so that a repeated request
	// does not create a second one. The zero Key means none. A batch that is read
	// has no Key.
	Key Key
}

// Key is an idempotency key. At most one batch has the same scope and name, for
// as long as Retention keeps keys.
type Key struct {
	Scope string // owner of the name
	Name  string
	Hash  [32]byte // of the request; the same name with another hash is a mistake of the caller
}

// Batch is a set of jobs that came in together and are summarized together.
type Batch struct {
	BatchSpec
	State       BatchState
	PauseReason string // not empty if an error, such as a refused key, paused the batch
	Counts      Counts
	Reserved    float64 // credits for creates whose cost is not known yet, see Budgets
	Revision    int     // grows when the batch finishes, and with each transaction that brings late results, corrections, or figures that the newest summary lacks
	Summarized  int     // newest revision with a stored summary
	Generation  int64
	CreatedAt   time.Time
	FinishedAt  time.Time
}

// Counts are a batch's totals. They change in the same transactions as the jobs
// and always equal a count over the rows.
type Counts struct {
	Rows          int64
	ByState       map[State]int64
	ByProvenance  map[Provenance]int64
	Late          int64
	Corrected     int64
	DoubleCharged int64
	Cost          *float64 // credits; nil if the vendor reported none
	APICalls      int64    // vendor calls made for this batch
}

// Of returns the number of jobs in a state.
func (c Counts) Of(s State) int64 { return c.ByState[s] }

// Open returns the number of jobs that have not ended.
func (c Counts) Open() int64 { return c.Of(Queued) + c.Of(Submitting) + c.Of(Pending) }

// Accepted returns the number of rows that became jobs.
func (c Counts) Accepted() int64 { return c.Rows - c.Of(Duplicate) - c.Of(Rejected) }

// Flawed returns the number of rows that ended without an image.
func (c Counts) Flawed() int64 {
	return c.Of(Failed) + c.Of(TimedOut) + c.Of(Canceled) + c.Of(Rejected)
}

// Except counts the rows that are in none of these states, by their state.
func (c Counts) Except(states []State) map[State]int64 {
	others := map[State]int64{}
	for state, n := range c.ByState {
		if n > 0 && !slices.Contains(states, state) {
			others[state] = n
		}
	}
	return others
}
