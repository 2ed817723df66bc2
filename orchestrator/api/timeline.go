package api

import (
	"context"
	"errors"
	"net/http"

	"shotline/jobs"
	"shotline/jobs/timeline"
)

// Timeline is what happened to a job.
type Timeline struct {
	ID      jobs.ID          `json:"id" example:"b7k2m9q4x1-17"`
	Entries []timeline.Entry `json:"entries" nullable:"false"`
}

func (s *server) getTimeline(ctx context.Context, in *JobPath) (*struct{ Body Timeline }, error) {
	id, err := parseJob(in.ID)
	if err != nil {
		return nil, err
	}
	entries, err := timeline.Of(ctx, s.visibleStore(ctx), id, s.Now())
	if errors.Is(err, jobs.ErrNotFound) {
		return nil, problem(http.StatusNotFound, "there is no job "+in.ID)
	}
	if err != nil {
		return nil, s.failed(ctx, "read the timeline of job "+in.ID, err, "job", in.ID)
	}
	return &struct{ Body Timeline }{Timeline{id, entries}}, nil
}

// History implements Store.
func (s shieldedStore) History(ctx context.Context, id jobs.ID) (jobs.History, error) {
	h, err := s.Store.History(ctx, id)
	h.Job, h.Batch = shieldJob(h.Job), shieldBatch(h.Batch)
	for i := range h.Deliveries {
		d := &h.Deliveries[i]
		d.Error, d.AsideError = hideCredentials(d.Error), hideCredentials(d.AsideError)
	}
	for i := range h.Callbacks {
		h.Callbacks[i].Error = hideCredentials(h.Callbacks[i].Error)
	}
	for i := range h.Files {
		h.Files[i].Error = hideCredentials(h.Files[i].Error)
	}
	return h, err
}
