package orchestrator

import (
	"context"
	"errors"
	"time"

	"shotline/client"
	"shotline/jobs"
)

// pendingChunk is how many pending jobs of a batch are read at once.
const pendingChunk = 1000

// claimPending claims the queries about the pending jobs of a batch, and calls query
// with the batch and how many of them are left. It reports false if another process
// has the claim.
func (o *Orchestrator) claimPending(ctx context.Context, batch string, pending int, query func(b jobs.Batch, claim *claim, pending int) error) (free bool, err error) {
	claim, err := o.claim(ctx, queryClaim+batch, queryClaimTime)
	if err != nil || claim == nil {
		return false, err
	}
	defer claim.release(ctx)
	b, err := o.store.Batch(ctx, batch)
	if err != nil {
		return true, err
	}
	// The previous holder of the claim might have closed some.
	return true, query(b, claim, min(pending, int(b.Counts.Of(jobs.Pending))))
}

// pollPending queries the vendor about the jobs of a batch that have been pending
// since before, with one listing or a few calls, and returns how many jobs it
// closed. If another process is querying the vendor about the batch, it leaves the
// work to that.
func (o *Orchestrator) pollPending(ctx context.Context, batch string, before time.Time, pending int) (closed int, err error) {
	_, err = o.claimPending(ctx, batch, pending, func(b jobs.Batch, claim *claim, pending int) error {
		if err := o.pollBatch(ctx, o.lookup(o.vendor, b), claim, before, pending); err != nil {
			return err
		}
		now, err := o.store.Batch(ctx, batch)
		if err != nil {
			return err
		}
		closed = int(now.Counts.ByProvenance[jobs.ByPoll] - b.Counts.ByProvenance[jobs.ByPoll])
		return nil
	})
	return closed, err
}

func (o *Orchestrator) pollBatch(ctx context.Context, l *lookup, claim *claim, before time.Time, pending int) error {
	if pending > pendingChunk {
		_, err := l.listBatch(ctx, claim)
		return err
	}
	wanted, err := o.store.Pending(ctx, l.batch.ID, before, 0, pendingChunk)
	if err != nil {
		return err
	}
	_, err = l.lookUp(ctx, wanted, false)
	return err
}

// queryPending queries the vendor about all jobs of a batch that have been pending
// since before, however many, and closes or extends the overdue ones among them as
// CheckDeadlines does. Free is false if another process is querying the vendor about
// the batch.
func (o *Orchestrator) queryPending(ctx context.Context, q queries, batch string, before time.Time, pending int) (changed changes, free bool, err error) {
	free, err = o.claimPending(ctx, batch, pending, func(b jobs.Batch, claim *claim, pending int) error {
		l := o.lookup(q, b)
		closed, err := o.queryPortions(ctx, l, claim, before, pending)
		changed = l.changes.plus(closed)
		return err
	})
	return changed, free, err
}

// queryPortions queries the vendor in portions. It returns the effects of closing
// overdue jobs.
func (o *Orchestrator) queryPortions(ctx context.Context, l *lookup, claim *claim, before time.Time, pending int) (closed changes, err error) {
	var listed *listedRows
	if pending > pendingChunk && listingPays(l.batch.Counts, pending) {
		if listed, err = l.listBatch(ctx, claim); err != nil {
			return closed, err
		}
	}
	var failures []error
	for after := int64(0); ctx.Err() == nil; {
		portion, err := o.store.Pending(ctx, l.batch.ID, before, after, pendingChunk)
		if err != nil || len(portion) == 0 {
			return closed, errors.Join(append(failures, err)...)
		}
		after = portion[len(portion)-1].ID.Row
		claim.renew(ctx)
		part, err := o.queryPortion(ctx, l, portion, listed)
		closed = closed.plus(part)
		if err != nil {
			failures = append(failures, err)
			if stopsAll(ctx, err) {
				return closed, errors.Join(failures...)
			}
		}
	}
	return closed, errors.Join(append(failures, ctx.Err())...)
}

// queryPortion queries the vendor about some jobs of a batch, except those that a
// listing has just shown. If a query fails, overdue jobs are left to CheckDeadlines.
func (o *Orchestrator) queryPortion(ctx context.Context, l *lookup, portion []jobs.Job, listed *listedRows) (closed changes, err error) {
	var unknown []jobs.Job
	if listed == nil {
		unknown, err = l.lookUp(ctx, portion, true)
	} else {
		m := newMatcher(portion)
		for _, j := range portion {
			if listed.contains(j) {
				delete(m.missing, j.ID)
			}
		}
		unknown, err = l.querySingly(ctx, m, portion, l.recorder(ctx))
	}
	if err != nil {
		return changes{}, err
	}
	return o.closeOverdue(ctx, l.batch, portion, unknown)
}

// listBatch records a whole listing of the batch's tag, a page at a time, and
// returns which submissions it contained.
func (l *lookup) listBatch(ctx context.Context, claim *claim) (*listedRows, error) {
	listed := &listedRows{}
	err := l.list(ctx, client.ListOptions{Tag: jobs.BatchTag(l.batch.ID)}, func(shots []client.Screenshot) (bool, error) {
		claim.renew(ctx)
		observations := newMatcher(nil).match(shots)
		for _, observation := range observations {
			if observation.Job.Batch == l.batch.ID {
				listed.add(observation.Job.Row, observation.Attempt)
			}
		}
		return true, l.record(ctx, observations)
	})
	return listed, err
}

// listedRows is which submissions of a batch a listing contained: one bit per row,
// for each attempt.
type listedRows struct{ attempts map[int][]uint64 }

func (l *listedRows) add(row int64, attempt int) {
	if l.attempts == nil {
		l.attempts = map[int][]uint64{}
	}
	bits := l.attempts[attempt]
	if missing := int(row/64) + 1 - len(bits); missing > 0 {
		bits = append(bits, make([]uint64, missing)...)
	}
	bits[row/64] |= 1 << (row % 64)
	l.attempts[attempt] = bits
}

func (l *listedRows) contains(j jobs.Job) bool {
	bits := l.attempts[j.Attempt]
	word := int(j.ID.Row / 64)
	return word < len(bits) && bits[word]&(1<<(j.ID.Row%64)) != 0
}
