package orchestrator

import (
	"context"
	"errors"
	"time"

	"shotline/client"
	"shotline/jobs"
)

// askPending asks the vendor about all jobs of a batch that have been pending
// since before, however many, and lets the overdue ones among them go as
// CheckDeadlines does. Free is false when another process is just asking.
func (o *Orchestrator) askPending(ctx context.Context, batch string, before time.Time, pending int) (free bool, err error) {
	claim, err := o.claim(ctx, askAbout+batch, askTime)
	if err != nil || claim == nil {
		return false, err
	}
	defer claim.release(ctx)
	b, err := o.store.Batch(ctx, batch)
	if err != nil {
		return true, err
	}
	// Whoever had the claim before may have left nothing.
	pending = min(pending, int(b.Counts.Of(jobs.Pending)))
	var told *told
	if pending > pollChunk && listingPays(b.Counts, pending) {
		if told, err = o.listBatch(ctx, b, claim); err != nil {
			return true, err
		}
	}
	var failures []error
	for after := int64(0); ctx.Err() == nil; {
		portion, err := o.store.Pending(ctx, batch, before, after, pollChunk)
		if err != nil || len(portion) == 0 {
			return true, errors.Join(append(failures, err)...)
		}
		after = portion[len(portion)-1].ID.Row
		claim.renew(ctx)
		if err := o.askPortion(ctx, b, portion, told); err != nil {
			failures = append(failures, err)
			if stopsAll(ctx, err) {
				return true, errors.Join(failures...)
			}
		}
	}
	return true, errors.Join(append(failures, ctx.Err())...)
}

// askPortion asks about some jobs of a batch, except for those that a listing
// has just told of. A look-up that failed leaves overdue ones to CheckDeadlines.
func (o *Orchestrator) askPortion(ctx context.Context, b jobs.Batch, portion []jobs.Job, told *told) error {
	var missing []jobs.Job
	var err error
	if told == nil {
		missing, err = o.lookUp(ctx, b, portion, true)
	} else {
		m := newMatcher(portion)
		for _, j := range portion {
			if told.of(j) {
				delete(m.missing, j.ID)
			}
		}
		missing, err = o.askSingly(ctx, b, m, portion, o.recorder(ctx, b))
	}
	if err != nil {
		return err
	}
	return o.closeOverdue(ctx, b, portion, missing)
}

// listBatch records all that a listing of the batch's tag shows, a page at a
// time, and remembers of which submissions it told.
func (o *Orchestrator) listBatch(ctx context.Context, b jobs.Batch, claim *claim) (*told, error) {
	told := &told{}
	err := o.list(ctx, client.ListOptions{Tag: jobs.BatchTag(b.ID)}, b.ID, func(shots []client.Screenshot) (bool, error) {
		claim.renew(ctx)
		observations := newMatcher(nil).match(shots)
		for _, observation := range observations {
			if observation.Job.Batch == b.ID {
				told.add(observation.Job.Row, observation.Attempt)
			}
		}
		return true, o.record(ctx, b, observations)
	})
	return told, err
}

// told is of which submissions of a batch a listing told: a bit a row, for
// each attempt.
type told struct{ rows map[int][]uint64 }

func (t *told) add(row int64, attempt int) {
	if t.rows == nil {
		t.rows = map[int][]uint64{}
	}
	bits := t.rows[attempt]
	if missing := int(row/64) + 1 - len(bits); missing > 0 {
		bits = append(bits, make([]uint64, missing)...)
	}
	bits[row/64] |= 1 << (row % 64)
	t.rows[attempt] = bits
}

func (t *told) of(j jobs.Job) bool {
	bits := t.rows[j.Attempt]
	word := int(j.ID.Row / 64)
	return word < len(bits) && bits[word]&(1<<(j.ID.Row%64)) != 0
}
