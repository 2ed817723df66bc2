package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"shotline/jobs"
	"shotline/jobs/csvfile"
)

// Submit returns a job that is on disk and will be brought to its end. A request
// that cannot become a job is jobs.ErrInvalid, and the error names the field. The
// job is queued: see Await.
func (e *Engine) Submit(ctx context.Context, r Request) (jobs.Job, error) {
	job, err := within(ctx, e.calls, func(ctx context.Context) (jobs.Job, error) { return e.submit(ctx, r) })
	if err != nil {
		return job, fmt.Errorf("submit: %w", err)
	}
	return job, nil
}

func (e *Engine) submit(ctx context.Context, r Request) (jobs.Job, error) {
	spec, err := e.cfg.spec(r)
	if err != nil {
		return jobs.Job{}, err
	}
	request, flaws := Row{r.URL, r.Params, r.Tags, r.Metadata}.request()
	if err := firstFlaw(flaws); err != nil {
		return jobs.Job{}, err
	}
	job, err := e.store.AddJob(ctx, spec, request, clock.Now())
	var taken *jobs.KeyTakenError
	if errors.As(err, &taken) && taken.Same {
		return e.store.Job(ctx, jobs.ID{Batch: taken.Batch, Row: 1})
	}
	return job, err
}

// SubmitBatch makes a batch of all rows, with what spec says of all of them, once
// they are all there; rows are asked for as they are kept, so that there may be
// hundreds of thousands. A row that cannot become a job is kept as rejected, with
// the reason, and one that is equal to an earlier one as duplicate. On any error,
// the end of ctx or of the engine included, nothing of the batch stays. Rows that
// wait for something should end with ctx: Stop waits for the row asked for.
//
// An empty spec.ID is made up. One that the program gives makes of repeated calls
// one batch: the second is jobs.ErrExists. A Single batch is Submit's to make.
func (e *Engine) SubmitBatch(ctx context.Context, spec jobs.BatchSpec, rows iter.Seq[Row]) (jobs.Batch, error) {
	batch, err := within(ctx, e.calls, func(ctx context.Context) (jobs.Batch, error) { return e.submitBatch(ctx, spec, rows) })
	if err != nil {
		return batch, fmt.Errorf("submit batch: %w", err)
	}
	return batch, nil
}

func (e *Engine) submitBatch(ctx context.Context, spec jobs.BatchSpec, rows iter.Seq[Row]) (jobs.Batch, error) {
	if spec.ID == "" {
		spec.ID = NewID()
	}
	if spec.Single {
		return jobs.Batch{}, invalid("Single", errors.New("a batch of one job is made by Submit"))
	}
	if err := e.cfg.checkSpec(spec); err != nil {
		return jobs.Batch{}, err
	}
	params, err := plain(spec.Params)
	if err != nil {
		return jobs.Batch{}, invalid("params", err)
	}
	var flaws []*csvfile.FieldError
	if spec.Params, flaws = csvfile.CheckParams(params); len(flaws) == 0 {
		spec.Tags, flaws = csvfile.CheckTags(spec.Tags)
	}
	if err := firstFlaw(flaws); err != nil {
		return jobs.Batch{}, err
	}
	next, stop := iter.Pull(rows)
	defer stop()
	line := 0
	return e.orchestrator.ImportBatch(ctx, spec, func() (jobs.Request, error) {
		row, ok := next()
		if !ok {
			return jobs.Request{}, io.EOF
		}
		line++
		request, _ := row.request()
		request.Line = line
		return request, nil
	})
}
