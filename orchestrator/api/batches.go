package api

import (
	"context"
	"errors"
	"net/http"

	"shotline/jobs"
)

// batch reads a batch that is named.
func (s *server) batch(ctx context.Context, id string) (jobs.Batch, error) {
	b, err := s.Store.Batch(ctx, id)
	if errors.Is(err, jobs.ErrNotFound) {
		return b, problem(http.StatusNotFound, "there is no batch "+shortened(id))
	}
	if err != nil {
		return b, s.failed(ctx, "read batch "+id, err)
	}
	return b, nil
}
