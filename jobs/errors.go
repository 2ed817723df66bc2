package jobs

import (
	"errors"
	"fmt"
)

// Errors that a store returns, wrapped with operation and key; test with
// errors.Is.
var (
	// ErrNotFound: no such batch or job.
	ErrNotFound = errors.New("not found")
	// ErrExists: a batch with this id is there already.
	ErrExists = errors.New("exists already")
	// ErrInvalid: the argument cannot be what it claims to be.
	ErrInvalid = errors.New("invalid")
	// ErrState: the batch or job is not in a state that allows this.
	ErrState = errors.New("state does not allow this")
	// ErrLeaseLost: the lease ended, or somebody else took it over.
	ErrLeaseLost = errors.New("lease lost")
	// ErrUnavailable: the store cannot keep anything now (disk full, locked,
	// read-only); trying again later may help.
	ErrUnavailable = errors.New("store unavailable")
	// ErrNewer: the store was written by a newer version.
	ErrNewer = errors.New("written by a newer version")
	// ErrCorrupt: the store's file is damaged or is not ours.
	ErrCorrupt = errors.New("damaged or not a shotline database")
)

// ErrNoRoom: the disk is so full that what is left is kept for webhooks and for
// the work that was taken on before; nothing new is taken in.
var ErrNoRoom = errors.New("not enough free space on the disk")

// RowLimitError says that there are more rows than a batch may have.
type RowLimitError struct {
	Row   int // the first that is too many, counted from 1
	Line  int // of the input; 0 when it has none
	Limit int
}

func (e *RowLimitError) Error() string {
	at := ""
	if e.Line > 0 {
		at = fmt.Sprintf(" (line %d)", e.Line)
	}
	return fmt.Sprintf("row %d%s: a batch has at most %d rows; split the input, or raise --max-rows", e.Row, at, e.Limit)
}

// ErrUnasked: the vendor gave no answer about jobs that timed out or were
// canceled with a screenshot, which were therefore not retried.
var ErrUnasked = errors.New("the vendor could not be asked")

// KeyTakenError says that the batch's Key has made a batch before.
type KeyTakenError struct {
	Batch string
	Same  bool // by the same request
}

func (e *KeyTakenError) Error() string {
	if e.Same {
		return fmt.Sprintf("the same request made batch %s", e.Batch)
	}
	return fmt.Sprintf("another request with this key made batch %s", e.Batch)
}
