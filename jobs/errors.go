package jobs

import (
	"errors"
	"fmt"
	"time"
)

// Errors that a store returns, wrapped with the operation and the key. Test for
// them with errors.Is.
var (
	// ErrNotFound means that there is no such batch or job.
	ErrNotFound = errors.New("not found")
	// ErrExists means that a batch with this id exists already.
	ErrExists = errors.New("exists already")
	// ErrInvalid means that an argument is malformed or out of range.
	ErrInvalid = errors.New("invalid")
	// ErrState means that the state of the batch or job does not allow the
	// operation.
	ErrState = errors.New("state does not allow this")
	// ErrLeaseLost means that the lease expired or that another owner took it over.
	ErrLeaseLost = errors.New("lease lost")
	// ErrUnavailable means that the store cannot write now (disk full, locked,
	// read-only). A later attempt might succeed.
	ErrUnavailable = errors.New("store unavailable")
	// ErrNewer means that a newer version wrote the store.
	ErrNewer = errors.New("written by a newer version")
	// ErrCorrupt means that the store's file is damaged or belongs to another
	// program.
	ErrCorrupt = errors.New("damaged or not a shotline database")
)

// ErrNoRoom means that the disk is nearly full. The remaining space is reserved
// for webhooks and for work that was accepted before, so new work is refused.
var ErrNoRoom = errors.New("not enough free space on the disk")

// RowLimitError reports that the input has more rows than a batch can have.
type RowLimitError struct {
	Row   int // first row beyond the limit, counted from 1
	Line  int // line in the input; 0 if it has none
	Limit int
}

func (e *RowLimitError) Error() string {
	at := ""
	if e.Line > 0 {
		at = fmt.Sprintf(" (line %d)", e.Line)
	}
	rows := "rows"
	if e.Limit == 1 {
		rows = "row"
	}
	return fmt.Sprintf("row %d%s: a batch has at most %d %s; split the input, or raise --max-rows", e.Row, at, e.Limit, rows)
}

// ErrUnchecked means that jobs were not retried because the vendor gave no answer
// about them: they timed out, or they were canceled and have a screenshot.
var ErrUnchecked = errors.New("the vendor could not be queried")

// KeyTakenError reports that a batch with the same Key exists.
type KeyTakenError struct {
	Batch string
	Same  bool // true if the same request created it
}

func (e *KeyTakenError) Error() string {
	if e.Same {
		return fmt.Sprintf("the same request made batch %s", e.Batch)
	}
	return fmt.Sprintf("another request with this key made batch %s", e.Batch)
}

// SameRowsError reports that another batch has the same rows.
type SameRowsError struct {
	Batch     string
	CreatedAt time.Time
}

func (e *SameRowsError) Error() string {
	return fmt.Sprintf("batch %s of %s has the same rows", e.Batch, e.CreatedAt.Local().Format("2006-01-02 15:04"))
}
