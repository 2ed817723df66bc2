package orchestrator

import (
	"context"
	"errors"
	"sync"

	"shotline/jobs"
)

// left are imports of this process that failed and could not be removed, since
// the disk was full, say. Nobody goes on with them: they need not get stale first.
type left struct {
	mu      sync.Mutex
	batches []string
}

func (l *left) add(batch string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batches = append(l.batches, batch)
}

// take returns all of them, and forgets them.
func (l *left) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	batches := l.batches
	l.batches = nil
	return batches
}

// removeLeftImports tries again what a failed import could not do.
func (o *Orchestrator) removeLeftImports(ctx context.Context) error {
	var failures []error
	for _, batch := range o.left.take() {
		err := o.removeImport(ctx, batch)
		if err != nil {
			o.left.add(batch)
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// removeImport is content when it went on, or another removes it.
func (o *Orchestrator) removeImport(ctx context.Context, batch string) error {
	err := o.store.RemoveImport(ctx, batch)
	if errors.Is(err, jobs.ErrState) || errors.Is(err, jobs.ErrNotFound) {
		return nil
	}
	if err == nil {
		o.log.Warn("removed an import that was left half-way", "batch", batch)
	}
	return err
}
