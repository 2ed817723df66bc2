package sandbox

import (
	"sync"
	"time"
)

// batch is a list of pages that the sandbox works through by itself, a few of
// them at a time. What changes is guarded by the batches' lock, but told by the
// books'.
type batch struct {
	told
	order // what all rows share; its address is empty

	status     string
	err        string
	finishedAt time.Time
	rows       []batchRow
	next       int // rows that were begun
	processed  int // rows that have ended
	failed     int
}

// batchRow is one line of the list.
type batchRow struct {
	url  string // as given
	shot int64  // its screenshot; 0 when there is none, or not yet
	done bool   // it has ended
	err  string // why it failed
}

// batchCancelled is the error of a batch that its owner ended.
const batchCancelled = "Cancelled"

// batches is all batches that are remembered, with bounds on their number and
// on that of their rows. Its methods are safe for concurrent use.
type batches struct {
	maxRows int
	now     func() time.Time

	mu     sync.Mutex
	nextID int64
	rows   int
	all    []*batch // oldest first
}

// maxBatches is how many batches are remembered.
const maxBatches = 1000

// add enters a new batch and gives it its id. The oldest ones that have ended
// make room; while none has, it returns errFull.
func (b *batches) add(made *batch) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.all) > 0 && (len(b.all) >= maxBatches || b.rows+len(made.rows) > b.maxRows) {
		if b.all[0].status == statusProcessing {
			return errFull
		}
		b.rows -= len(b.all[0].rows)
		b.all[0] = nil
		b.all = b.all[1:]
	}
	made.id = b.nextID
	b.nextID++
	b.rows += len(made.rows)
	b.all = append(b.all, made)
	return nil
}

// find returns the batch of that id, nil when there is none.
func (b *batches) find(id int64) *batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range b.all {
		if one.id == id {
			return one
		}
	}
	return nil
}

// begin returns the next row to be begun, unless enough of the batch's rows are
// under way.
func (b *batches) begin(of *batch, atOnce int) (row int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if of.status != statusProcessing || of.next == len(of.rows) || of.next-of.processed >= atOnce {
		return 0, false
	}
	of.next++
	return of.next - 1, true
}

// placed enters which screenshot a row became.
func (b *batches) placed(of *batch, row int, shot int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	of.rows[row].shot = shot
}

// status is how far a row has come, in the words of the API.
func (r batchRow) status() string {
	switch {
	case r.err != "":
		return statusError
	case r.done:
		return statusFinished
	case r.shot != 0:
		return statusProcessing
	}
	return statusPending
}

// ended enters how a row ended; shot is 0 when it never became a screenshot.
func (b *batches) ended(of *batch, row int, shot int64, failure string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &of.rows[row]
	r.done, r.shot, r.err = true, shot, failure
	of.processed++
	if failure != "" {
		of.failed++
	}
}

// finish ends a batch all of whose rows have ended. Of all callers only one is
// told true.
func (b *batches) finish(of *batch) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if of.status != statusProcessing || of.processed < len(of.rows) {
		return false
	}
	of.status, of.finishedAt = statusFinished, b.now()
	return true
}

// cancel ends a batch at once; rows that were begun go on. It returns false
// when the batch had ended before.
func (b *batches) cancel(of *batch) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if of.status != statusProcessing {
		return false
	}
	of.status, of.err, of.finishedAt = statusError, batchCancelled, b.now()
	return true
}
