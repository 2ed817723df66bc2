package orchestrator

import (
	"context"
	"errors"
	"sync"

	"shotline/jobs"
)

// failedImports holds the failed imports of this process that could not be
// removed, because the disk was full, say. They can be removed before they become
// stale, since no process continues them.
type failedImports struct {
	mu      sync.Mutex
	batches []string
}

func (l *failedImports) add(batch string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batches = append(l.batches, batch)
}

// take returns all of them and empties the list.
func (l *failedImports) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	batches := l.batches
	l.batches = nil
	return batches
}

// removeFailedImports removes the batches that failed imports left.
func (o *Orchestrator) removeFailedImports(ctx context.Context) error {
	var failures []error
	for _, batch := range o.failedImports.take() {
		_, err := o.removeImport(ctx, batch)
		if err != nil {
			o.failedImports.add(batch)
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// removeImport reports whether it removed the import. If the import is still
// alive, or another process removes it, that is not an error.
func (o *Orchestrator) removeImport(ctx context.Context, batch string) (removed bool, err error) {
	err = o.store.RemoveImport(ctx, batch)
	if errors.Is(err, jobs.ErrState) || errors.Is(err, jobs.ErrNotFound) {
		return false, nil
	}
	if err == nil {
		o.log.Warn("removed an unfinished import", "batch", batch)
	}
	return err == nil, err
}
