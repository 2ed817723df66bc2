package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"shotline/jobs"
)

// An import shares SQLite's unfair write lock with webhooks of other processes. So
// its transactions are short, with pauses between them.
const (
	importChunk = 1500
	importBytes = 4 << 20 // of rows in memory, one of which can have a megabyte
	importPause = 2 * time.Millisecond
)

// importBeat is how often an import shows that it is alive, also while it waits for
// its input. An import without heartbeats counts as abandoned.
const importBeat = abandonedImport / 3

// ErrInput is returned if the rows could not be read to their end.
var ErrInput = errors.New("bad input")

// UnremovedError says that an import failed and that its rows could not be removed
// either. They are removed when the import is stale.
type UnremovedError struct {
	Batch string
	Err   error // why they could not be removed
}

func (e *UnremovedError) Error() string {
	return fmt.Sprintf("remove the unfinished import: %v (batch %s; serve or reconcile removes it later)", e.Err, e.Batch)
}

// Unwrap returns Err.
func (e *UnremovedError) Unwrap() error { return e.Err }

// ImportStore is the part of the store that an import needs.
type ImportStore interface {
	CreateBatch(ctx context.Context, spec jobs.BatchSpec, at time.Time) error
	AppendRequests(ctx context.Context, batch string, requests []jobs.Request, at time.Time) error
	CompareRows(ctx context.Context, batch string, since time.Time) (*jobs.SameRowsError, error)
	OpenBatch(ctx context.Context, batch string, at time.Time) (jobs.Batch, error)
	RemoveImport(ctx context.Context, batch string) error
	StaleImports(ctx context.Context, before time.Time) ([]string, error)
}

// Requests is the source of rows. Next returns io.EOF after the last one.
type Requests interface {
	Next() (jobs.Request, error)
}

// Import makes a batch of all requests and opens it. After an error, the end of ctx
// included, nothing of the batch remains, or the error contains an *UnremovedError.
// Import replaces an import of the same request, that is, with the same key, whose
// process is gone.
func Import(ctx context.Context, store ImportStore, spec jobs.BatchSpec, requests Requests, clock Clock, options ImportOptions) (jobs.Batch, error) {
	ticker := time.NewTicker(importBeat)
	defer ticker.Stop()
	return importAlive(ctx, store, spec, requests, clock, options, ticker.C)
}

// ImportOptions say how to import.
type ImportOptions struct {
	// Progress is called with the number of rows stored so far. It can be nil.
	Progress func(rows int)
	// NotWithin refuses rows that another batch has, too, if it was created within
	// this time and imported in this way. The error is then a *jobs.SameRowsError. If
	// NotWithin is 0, rows are not compared.
	NotWithin time.Duration
}

// importAlive sends a heartbeat at each beat.
func importAlive(ctx context.Context, store ImportStore, spec jobs.BatchSpec, requests Requests, clock Clock, options ImportOptions, beat <-chan time.Time) (jobs.Batch, error) {
	if err := createBatch(ctx, store, spec, clock); err != nil {
		return jobs.Batch{}, fmt.Errorf("import: %w", err)
	}
	touching, stop := context.WithCancel(ctx)
	var toucher sync.WaitGroup
	defer toucher.Wait()
	defer stop()
	toucher.Go(func() { keepTouching(touching, store, spec.ID, clock, beat) })
	batch, err := importRows(ctx, store, spec.ID, requests, clock, options)
	if !errors.Is(err, ErrInput) && (errors.Is(err, jobs.ErrNotFound) || errors.Is(err, jobs.ErrState)) {
		return jobs.Batch{}, fmt.Errorf("import: %w: it expired without a heartbeat and was removed", jobs.ErrUnavailable)
	}
	if err != nil {
		// Also if ctx has ended: a part of a batch must not remain.
		removeErr := store.RemoveImport(context.WithoutCancel(ctx), spec.ID)
		if removeErr != nil && !errors.Is(removeErr, jobs.ErrNotFound) {
			err = errors.Join(err, &UnremovedError{spec.ID, removeErr})
		}
		return jobs.Batch{}, fmt.Errorf("import: %w", err)
	}
	return batch, nil
}

// createBatch creates the batch, after it has removed an abandoned import of the same
// request. If that import is still alive and only its heartbeats came too late, it ends
// with an error. An import with the same id is not removed, since a process that is
// still alive would append its rows to the new one.
func createBatch(ctx context.Context, store ImportStore, spec jobs.BatchSpec, clock Clock) error {
	err := store.CreateBatch(ctx, spec, clock.Now())
	var taken *jobs.KeyTakenError
	if !errors.As(err, &taken) || !taken.Same || taken.Batch == spec.ID {
		return err
	}
	left, err := store.StaleImports(ctx, clock.Now().Add(-abandonedImport))
	if err != nil {
		return err
	}
	if slices.Contains(left, taken.Batch) {
		err := store.RemoveImport(ctx, taken.Batch)
		if err != nil && !errors.Is(err, jobs.ErrState) && !errors.Is(err, jobs.ErrNotFound) { // it is open, or another process removed it
			return err
		}
	}
	return store.CreateBatch(ctx, spec, clock.Now()) // in any case: the key might be free by now, or belong to another batch
}

// keepTouching sends heartbeats until ctx ends. Errors are ignored; the next append
// reports them.
func keepTouching(ctx context.Context, store ImportStore, batch string, clock Clock, beat <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat:
			_ = store.AppendRequests(ctx, batch, nil, clock.Now())
		}
	}
}

func importRows(ctx context.Context, store ImportStore, batch string, requests Requests, clock Clock, options ImportOptions) (jobs.Batch, error) {
	rows, bytes, released := 0, 0, time.Time{} // released: when the lock was
	chunk := make([]jobs.Request, 0, importChunk)
	flush := func() error {
		if len(chunk) == 0 {
			return nil
		}
		// Reading the rows took a part of the pause. The clock might have been set back.
		if left := min(importPause, importPause-clock.Now().Sub(released)); left > 0 {
			if err := clock.Sleep(ctx, left); err != nil {
				return err
			}
		}
		if err := store.AppendRequests(ctx, batch, chunk, clock.Now()); err != nil {
			return err
		}
		released = clock.Now()
		rows += len(chunk)
		clear(chunk) // so that the rows can be collected
		chunk, bytes = chunk[:0], 0
		if options.Progress != nil {
			options.Progress(rows)
		}
		return nil
	}
	for {
		request, err := requests.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, jobs.ErrNoRoom) {
			return jobs.Batch{}, err
		}
		if err != nil {
			return jobs.Batch{}, fmt.Errorf("%w: %w", ErrInput, err)
		}
		chunk = append(chunk, request)
		bytes += request.Size()
		if len(chunk) == importChunk || bytes >= importBytes {
			if err := flush(); err != nil {
				return jobs.Batch{}, err
			}
		}
	}
	if err := flush(); err != nil {
		return jobs.Batch{}, err
	}
	if options.NotWithin > 0 {
		same, err := store.CompareRows(ctx, batch, clock.Now().Add(-options.NotWithin))
		if err != nil {
			return jobs.Batch{}, err
		}
		if same != nil {
			return jobs.Batch{}, same
		}
	}
	return store.OpenBatch(ctx, batch, clock.Now())
}

// ImportBatch makes a batch of all requests and opens it, see Import. An import that
// failed and could not be removed is removed by the next sweep.
func (o *Orchestrator) ImportBatch(ctx context.Context, spec jobs.BatchSpec, next func() (jobs.Request, error)) (jobs.Batch, error) {
	b, err := Import(ctx, o.store, spec, nextRequest(next), o.clock, ImportOptions{})
	var unremoved *UnremovedError
	if errors.As(err, &unremoved) {
		o.failedImports.add(unremoved.Batch)
	}
	return b, err
}

// nextRequest is the Requests of a function.
type nextRequest func() (jobs.Request, error)

func (n nextRequest) Next() (jobs.Request, error) { return n() }
