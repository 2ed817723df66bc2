package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"shotline/jobs"
	"shotline/jobs/finding"
	"shotline/jobs/jobjson"
)

// BatchPath is the path parameter of a batch.
type BatchPath struct {
	ID string `path:"id" example:"b7k2m9q4x1"`
}

type getBatch struct {
	BatchPath
	WaitQuery
}

type batchAnswer struct{ Body jobjson.Batch }

// BatchDetails is a batch with what holds it.
type BatchDetails struct {
	jobjson.Batch
	Findings []finding.Finding `json:"findings,omitempty" nullable:"false" doc:"What holds the batch, the most important first; absent if nothing does"`
}

type listBatches struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor string `query:"cursor" doc:"The next of the previous page"`
}

// BatchPage is a page of batches.
type BatchPage struct {
	Batches []jobjson.Batch `json:"batches" nullable:"false"`
	Next    string          `json:"next,omitempty" doc:"The cursor of the next page; absent on the last page"`
}

type retryBatch struct {
	BatchPath
	State []string `query:"state" enum:"failed,timed_out,canceled" default:"failed,timed_out" doc:"Retry the jobs that ended in one of these states"`
}

type resumeBatch struct {
	BatchPath
	Budget string `query:"budget" doc:"First set the budget of the batch to this number of credits, or none to remove it"`
}

// BatchRetried counts the jobs of a retry by its result.
type BatchRetried struct {
	BatchID string `json:"batch_id"`
	Queued  int    `json:"queued" doc:"Jobs that are queued again, as their next attempt"`
	Done    int    `json:"done" doc:"Jobs that are done after all: their image was found, or arrived in the meantime"`
	Left    int    `json:"left" doc:"Jobs that are no longer in a state that can be retried"`
	Unasked int    `json:"unasked" doc:"Jobs that were not retried because they might have an image and the vendor could not be queried"`
	Waiting int    `json:"waiting" doc:"Jobs that wait again for the screenshot that they had when they were canceled, because the vendor is still working on it"`

	LeftAlone map[jobs.State]int64 `json:"left_alone,omitempty" doc:"Rows in other states than the requested ones, by state"`
}

// BatchCanceled counts the jobs of a cancellation by its result.
type BatchCanceled struct {
	BatchID   string `json:"batch_id"`
	Canceled  int    `json:"canceled" doc:"Jobs that were canceled at once"`
	Canceling int    `json:"canceling" doc:"Jobs that will be canceled when their create is settled"`
	Ended     int    `json:"ended" doc:"Jobs that had ended before"`
}

func (s *server) batchRoutes() {
	s.registerCreateBatch()
	s.registerAmendBatch()
	s.registerRerunBatch()
	huma.Register(s.api, operation(http.MethodGet, "/v1/batches", "listBatches", "batches", "List batches, newest first"), s.listBatches)
	huma.Register(s.api, operation(http.MethodGet, "/v1/batches/{id}", "getBatch", "batches", "Get a batch", http.StatusNotFound), s.getBatch)

	retry := operation(http.MethodPost, "/v1/batches/{id}/retry", "retryBatch", "batches", "Queue jobs again that ended without an image", http.StatusNotFound, http.StatusConflict)
	retry.Description = "Shotline first queries the vendor about jobs that timed out. Jobs whose image exists after all are done."
	huma.Register(s.api, retry, s.retryBatch)

	cancel := operation(http.MethodPost, "/v1/batches/{id}/cancel", "cancelBatch", "batches", "Cancel all jobs that have not ended", http.StatusNotFound, http.StatusConflict)
	huma.Register(s.api, cancel, s.cancelBatch)

	pause := operation(http.MethodPost, "/v1/batches/{id}/pause", "pauseBatch", "batches", "Stop submitting the jobs of a batch", http.StatusNotFound, http.StatusConflict)
	huma.Register(s.api, pause, s.pauseBatch)

	resume := operation(http.MethodPost, "/v1/batches/{id}/resume", "resumeBatch", "batches", "Resume submitting the jobs of a batch", http.StatusNotFound, http.StatusConflict)
	huma.Register(s.api, resume, s.resumeBatch)
}

func (s *server) listBatches(ctx context.Context, in *listBatches) (*struct{ Body BatchPage }, error) {
	const scope = "batches"
	before := ""
	if in.Cursor != "" {
		var err error
		if before, err = openCursor(in.Cursor, scope); err != nil {
			return nil, invalid("query.cursor", errCursor)
		}
	}
	found, err := s.visibleStore(ctx).Batches(ctx, before, in.Limit)
	if errors.Is(err, jobs.ErrNotFound) {
		return nil, invalid("query.cursor", errCursor)
	}
	if err != nil {
		return nil, s.failed(ctx, "list batches", err)
	}
	page := BatchPage{Batches: make([]jobjson.Batch, len(found))}
	for i, b := range found {
		page.Batches[i] = jobjson.FromBatch(b)
	}
	if len(found) == in.Limit {
		page.Next = newCursor(found[len(found)-1].ID, scope)
	}
	return &struct{ Body BatchPage }{page}, nil
}

func (s *server) getBatch(ctx context.Context, in *getBatch) (*struct{ Body BatchDetails }, error) {
	wait, err := in.time()
	if err != nil {
		return nil, err
	}
	b, err := s.batch(ctx, in.ID)
	if err == nil && wait > 0 && b.State != jobs.BatchFinished {
		b, err = waitFor(ctx, s, wait, "batch", in.ID, func(ctx context.Context) (jobs.Batch, error) { return s.Work.AwaitBatch(ctx, b.ID) })
	}
	if err != nil {
		return nil, err
	}
	if readOnly(ctx) {
		b = shieldBatch(b)
	}
	held, err := finding.OfBatch(ctx, s.Store, b, s.Now())
	if err != nil {
		return nil, s.failed(ctx, "find out what holds batch "+in.ID, err, "batch", in.ID)
	}
	return &struct{ Body BatchDetails }{BatchDetails{jobjson.FromBatch(b), held}}, nil
}

func (s *server) retryBatch(ctx context.Context, in *retryBatch) (*struct{ Body BatchRetried }, error) {
	b, err := s.importedBatch(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	states := make([]jobs.State, len(in.State))
	for i, state := range in.State {
		states[i] = jobs.State(state)
	}
	liftWriteDeadline(ctx)
	done, err := s.Work.RetryBatch(ctx, in.ID, states)
	if errors.Is(err, jobs.ErrUnchecked) {
		s.Logger.Warn("batch retry skipped some jobs", "batch", in.ID, "error", err)
		err = nil // done counts the jobs that were not checked
	}
	if err != nil {
		return nil, s.failed(ctx, "retry batch "+in.ID, err, "batch", in.ID)
	}
	return &struct{ Body BatchRetried }{BatchRetried{in.ID, done.Queued, done.Done, done.Skipped, done.Unchecked, done.Waiting, b.Counts.Except(states)}}, nil
}

func (s *server) cancelBatch(ctx context.Context, in *BatchPath) (*struct{ Body BatchCanceled }, error) {
	if _, err := s.importedBatch(ctx, in.ID); err != nil {
		return nil, err
	}
	liftWriteDeadline(ctx)
	done, err := s.Work.CancelBatch(ctx, in.ID)
	if err != nil {
		return nil, s.failed(ctx, "cancel batch "+in.ID, err, "batch", in.ID)
	}
	return &struct{ Body BatchCanceled }{BatchCanceled{in.ID, done.Canceled, done.Canceling, done.Ended}}, nil
}

func (s *server) pauseBatch(ctx context.Context, in *BatchPath) (*batchAnswer, error) {
	return s.changedBatch(ctx, in.ID, s.Store.Pause(ctx, in.ID, "", s.Now()))
}

func (s *server) resumeBatch(ctx context.Context, in *resumeBatch) (*batchAnswer, error) {
	if in.Budget != "" {
		credits, err := jobs.ParseBudget(in.Budget)
		if err != nil {
			return nil, invalid("query.budget", fmt.Errorf("budget: %w", err))
		}
		err = s.Store.SetBudget(ctx, in.ID, credits)
		if errors.Is(err, jobs.ErrInvalid) {
			return nil, invalid("query.budget", err)
		}
		if err != nil {
			return s.changedBatch(ctx, in.ID, err)
		}
	}
	return s.changedBatch(ctx, in.ID, s.Store.Resume(ctx, in.ID, s.Now()))
}

// changedBatch returns the batch after an action that returned err.
func (s *server) changedBatch(ctx context.Context, id string, err error) (*batchAnswer, error) {
	if err != nil && !errors.Is(err, jobs.ErrState) && !errors.Is(err, jobs.ErrNotFound) {
		return nil, s.failed(ctx, "change batch "+id, err, "batch", id)
	}
	b, readErr := s.batch(ctx, id)
	switch {
	case readErr != nil:
		return nil, readErr
	case err != nil:
		return nil, problem(http.StatusConflict, fmt.Sprintf("batch %s is %s", id, b.State))
	}
	return &batchAnswer{jobjson.FromBatch(b)}, nil
}

// batch returns the batch with this ID from a path or a search.
func (s *server) batch(ctx context.Context, id string) (jobs.Batch, error) {
	b, err := s.visibleStore(ctx).Batch(ctx, id)
	if errors.Is(err, jobs.ErrNotFound) {
		return b, problem(http.StatusNotFound, "there is no batch "+shortened(id))
	}
	if err != nil {
		return b, s.failed(ctx, "read batch "+id, err, "batch", id)
	}
	return b, nil
}

// importedBatch returns a batch if all its rows are stored.
func (s *server) importedBatch(ctx context.Context, id string) (jobs.Batch, error) {
	b, err := s.batch(ctx, id)
	if err == nil && b.State == jobs.BatchImporting {
		err = problem(http.StatusConflict, "batch "+id+" is still importing")
	}
	return b, err
}
