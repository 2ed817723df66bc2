package sandbox

import (
	"sync"
	"time"
)

// batch is a list of URLs that the sandbox works through, a few rows at a time.
// The lock of batches guards the fields that change, except those of
// webhookSource, which the store's lock guards.
type batch struct {
	webhookSource
	order // shared by all rows; its URL is empty

	status     string
	err        string
	finishedAt time.Time
	rows       []batchRow
	next       int // number of rows that have been started
	processed  int // number of rows that have ended
	failed     int
}

// batchRow is one row of a batch.
type batchRow struct {
	url  string // as given
	shot int64  // id of its screenshot; 0 if it has none yet
	done bool   // the row has ended
	err  string // why the row failed
}

// batchCancelled is the error of a batch that was cancelled.
const batchCancelled = "Cancelled"

// batches holds the batches that the sandbox remembers. The number of batches and
// the total number of their rows are limited. Its methods are safe for concurrent
// use.
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

// add stores a new batch and assigns its id. If a limit is reached, it removes
// the oldest batches. It returns errFull if the oldest batch has not ended.
func (b *batches) add(created *batch) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.all) > 0 && (len(b.all) >= maxBatches || b.rows+len(created.rows) > b.maxRows) {
		if b.all[0].status == statusProcessing {
			return errFull
		}
		b.rows -= len(b.all[0].rows)
		b.all[0] = nil
		b.all = b.all[1:]
	}
	created.id = b.nextID
	b.nextID++
	b.rows += len(created.rows)
	b.all = append(b.all, created)
	return nil
}

// find returns the batch with the given id, or nil if there is none.
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

// startRow returns the next row to start. It returns false if the batch has
// ended, if no row is left, or if atOnce rows are in progress.
func (b *batches) startRow(target *batch, atOnce int) (row int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if target.status != statusProcessing || target.next == len(target.rows) || target.next-target.processed >= atOnce {
		return 0, false
	}
	target.next++
	return target.next - 1, true
}

// setShot records the screenshot of a row.
func (b *batches) setShot(target *batch, row int, shot int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	target.rows[row].shot = shot
}

// status returns the API's status of a row.
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

// endRow records the end of a row. shot is 0 if the row never became a
// screenshot.
func (b *batches) endRow(target *batch, row int, shot int64, failure string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &target.rows[row]
	r.done, r.shot, r.err = true, shot, failure
	target.processed++
	if failure != "" {
		target.failed++
	}
}

// finish ends a batch if all its rows have ended. It returns true to exactly one
// caller.
func (b *batches) finish(target *batch) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if target.status != statusProcessing || target.processed < len(target.rows) {
		return false
	}
	target.status, target.finishedAt = statusFinished, b.now()
	return true
}

// cancel ends a batch immediately. Rows that were started continue. It returns
// false if the batch had already ended.
func (b *batches) cancel(target *batch) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if target.status != statusProcessing {
		return false
	}
	target.status, target.err, target.finishedAt = statusError, batchCancelled, b.now()
	return true
}
