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

// An import shares SQLite's unfair write lock with webhooks of other processes:
// its transactions are short, and it lets the lock go for a moment in between.
const (
	importChunk = 1500
	importBytes = 4 << 20 // of rows that wait in memory: one may have a megabyte
	importPause = 2 * time.Millisecond
)

// importBeat is how often an import shows that it is alive, also while it waits
// for its input: only one whose process is gone is left half-way.
const importBeat = leftImport / 3

// ErrInput: the rows could not be read to their end.
var ErrInput = errors.New("bad input")

// UnremovedError says that an import failed, and that its rows could not be removed
// either: they are when the import is stale.
type UnremovedError struct {
	Batch string
	Err   error // why they could not be removed
}

func (e *UnremovedError) Error() string {
	return fmt.Sprintf("remove the unfinished import: %v (batch %s; serve or reconcile removes it later)", e.Err, e.Batch)
}

// Unwrap returns Err.
func (e *UnremovedError) Unwrap() error { return e.Err }

// Requests is where rows come from. Next returns io.EOF after the last.
type Requests interface {
	Next() (jobs.Request, error)
}

// Import makes a batch of all requests and opens it. On any error, the end of
// ctx included, nothing of the batch stays, or the error says so by an
// *UnremovedError. It takes the place of an import by
// the same request, going by the key, whose process is gone. Progress, when not
// nil, is told the number of rows kept so far.
func Import(ctx context.Context, store jobs.Imports, spec jobs.BatchSpec, requests Requests, clock Clock, progress func(rows int)) (jobs.Batch, error) {
	ticker := time.NewTicker(importBeat)
	defer ticker.Stop()
	return importAlive(ctx, store, spec, requests, clock, progress, ticker.C)
}

// importAlive shows that it is alive at each beat.
func importAlive(ctx context.Context, store jobs.Imports, spec jobs.BatchSpec, requests Requests, clock Clock, progress func(rows int), beat <-chan time.Time) (jobs.Batch, error) {
	if err := createBatch(ctx, store, spec, clock); err != nil {
		return jobs.Batch{}, fmt.Errorf("import: %w", err)
	}
	touching, stop := context.WithCancel(ctx)
	var toucher sync.WaitGroup
	defer toucher.Wait()
	defer stop()
	toucher.Go(func() { keepTouching(touching, store, spec.ID, clock, beat) })
	batch, err := importRows(ctx, store, spec.ID, requests, clock, progress)
	if !errors.Is(err, ErrInput) && (errors.Is(err, jobs.ErrNotFound) || errors.Is(err, jobs.ErrState)) {
		return jobs.Batch{}, fmt.Errorf("import: %w: it was silent for so long that it was removed", jobs.ErrUnavailable)
	}
	if err != nil {
		// Also when ctx has ended: what is half done must not stay.
		removeErr := store.RemoveImport(context.WithoutCancel(ctx), spec.ID)
		if removeErr != nil && !errors.Is(removeErr, jobs.ErrNotFound) {
			err = errors.Join(err, &UnremovedError{spec.ID, removeErr})
		}
		return jobs.Batch{}, fmt.Errorf("import: %w", err)
	}
	return batch, nil
}

// createBatch removes what the same request left half-way before. An import that
// is removed although it is alive, since its beats came too late, ends with an
// error; one under the same id would go on in the other's rows.
func createBatch(ctx context.Context, store jobs.Imports, spec jobs.BatchSpec, clock Clock) error {
	err := store.CreateBatch(ctx, spec, clock.Now())
	var taken *jobs.KeyTakenError
	if !errors.As(err, &taken) || !taken.Same || taken.Batch == spec.ID {
		return err
	}
	left, err := store.StaleImports(ctx, clock.Now().Add(-leftImport))
	if err != nil {
		return err
	}
	if slices.Contains(left, taken.Batch) {
		err := store.RemoveImport(ctx, taken.Batch)
		if err != nil && !errors.Is(err, jobs.ErrState) && !errors.Is(err, jobs.ErrNotFound) { // it is open, or another removed it
			return err
		}
	}
	return store.CreateBatch(ctx, spec, clock.Now()) // in any case: by now the key may be free, or another batch's
}

// keepTouching goes on until ctx ends. What it fails at, the next rows tell of.
func keepTouching(ctx context.Context, store jobs.Imports, batch string, clock Clock, beat <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat:
			_ = store.AppendRequests(ctx, batch, nil, clock.Now())
		}
	}
}

func importRows(ctx context.Context, store jobs.Imports, batch string, requests Requests, clock Clock, progress func(rows int)) (jobs.Batch, error) {
	rows, bytes, released := 0, 0, time.Time{} // when the lock was
	chunk := make([]jobs.Request, 0, importChunk)
	flush := func() error {
		if len(chunk) == 0 {
			return nil
		}
		// Reading the rows took a part of the pause. The clock may have been set back.
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
		clear(chunk) // what they refer to is let go
		chunk, bytes = chunk[:0], 0
		if progress != nil {
			progress(rows)
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
	return store.OpenBatch(ctx, batch, clock.Now())
}
