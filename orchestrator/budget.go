package orchestrator

import (
	"context"
	"errors"
	"maps"
	"time"

	"shotline/client/parameter"
	"shotline/jobs"
)

// budgetWait is how long a batch waits if the rest of its budget is reserved for
// creates under way.
const budgetWait = time.Second

// BudgetStore is for keeping budgets.
type BudgetStore interface {
	OptionCostStore
	ResumeDue(ctx context.Context, at time.Time) ([]string, error)
}

// params returns the parameters of a create: those of the batch, and those of the
// row, which override them.
func params(b jobs.Batch, j jobs.Job) map[string]any {
	joined := make(map[string]any, len(b.Params)+len(j.Params))
	maps.Copy(joined, b.Params)
	maps.Copy(joined, j.Params)
	return joined
}

// optionSet returns the option set of a job's create, see jobs.Lease.
func optionSet(b jobs.Batch, j jobs.Job) string { return parameter.OptionSet(params(b, j)) }

// overBudget stops a slice if err says that a budget does not allow the next
// create, and reports whether it does. The lease is still held.
func (o *Orchestrator) overBudget(s *slice, lease jobs.Lease, err error) bool {
	switch {
	case errors.Is(err, jobs.ErrBudgetReserved):
		s.reserved.Store(true)
	case !errors.Is(err, jobs.ErrBudgetReached):
		return false
	}
	if s.halted.CompareAndSwap(false, true) && !s.reserved.Load() {
		o.log.Warn("batch paused", "batch", s.batch.ID, "job", lease.Job.ID.String(), "reason", jobs.ErrBudgetReached)
	}
	return true
}

// resumeDue continues batches that the daily budget paused on an earlier day.
func (o *Orchestrator) resumeDue(ctx context.Context) error {
	resumed, err := o.store.ResumeDue(ctx, o.clock.Now())
	for _, batch := range resumed {
		o.log.Info("batch continues: a new day has begun for the daily budget", "batch", batch)
	}
	return err
}
