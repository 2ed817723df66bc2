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

// Submit stores a request and returns its job, which is queued; see Await. The
// engine brings it to its end even after a crash. A request that cannot become a
// job is jobs.ErrInvalid, and the error names the field.
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

// SubmitBatch makes a batch of rows with the options of spec. The batch opens
// when all rows are stored. Rows are read as they are stored, so that there can
// be hundreds of thousands. A row that cannot become a job is stored as rejected,
// with the reason, and one that equals an earlier one as duplicate. On any error,
// including the end of ctx or of the engine, nothing of the batch remains. An
// iterator that blocks should return when ctx ends, because Stop waits for the
// current row.
//
// If spec.ID is empty, SubmitBatch makes an id. If the program sets one, a second
// call with it returns jobs.ErrExists. For a Single batch use Submit.
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
