package api

import (
	"context"
	"crypto/sha256"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"shotline/jobs"
)

type rerunBatch struct {
	BatchPath
	Key string `header:"Idempotency-Key" doc:"If two requests have the same key, the second one changes nothing and returns the batch of the first"`
}

func (s *server) registerRerunBatch() {
	rerun := operation(http.MethodPost, "/v1/batches/{id}/rerun", "rerunBatch", "batches", "Create a batch of the rows of a batch",
		http.StatusNotFound, http.StatusConflict, http.StatusInsufficientStorage)
	rerun.DefaultStatus = http.StatusAccepted
	rerun.Description = "The new batch has the same rows, params, tags, apps, callback_url, timeout, priority and source. Its rerun_of is the id of the old one. Rejected rows are rejected again. With an Idempotency-Key, the same request again returns the same batch, with 200."
	s.addResponse(&rerun, http.StatusOK, "An earlier, identical request created this batch", acceptedType)
	huma.Register(s.api, rerun, s.rerunBatch)
}

func (s *server) rerunBatch(ctx context.Context, in *rerunBatch) (*createdBatch, error) {
	if err := checkKey(in.Key); err != nil {
		return nil, err
	}
	old, err := s.importedBatch(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	liftWriteDeadline(ctx)
	up := upload{spec: jobs.RerunSpec(old, s.NewID()), rows: jobs.NewRereader(ctx, s.Store, old.ID).Next}
	if in.Key != "" {
		up.spec.Key = jobs.Key{Scope: callerOf(ctx), Name: in.Key, Hash: rerunHash(old.ID)}
	}
	return s.importBatch(ctx, up)
}

// rerunHash identifies a request to repeat a batch.
func rerunHash(batch string) [sha256.Size]byte { return sha256.Sum256([]byte("rerun " + batch)) }
