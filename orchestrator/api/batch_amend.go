package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"syscall"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"shotline/jobs"
	"shotline/jobs/jobjson"
)

type amendBatch struct {
	BatchPath
	By        string `query:"by" doc:"Find the row of the batch by its value in this column, or in this field of its metadata, not by its job_id"`
	Again     bool   `query:"again" doc:"Also capture rows again that are done and now have another URL, parameters or tags"`
	URLColumn string `query:"url_column" doc:"Name or number of the column with the URLs; default: its name or its content decides"`
	request   *http.Request
}

// Resolve keeps the request; see createBatch.
func (in *amendBatch) Resolve(ctx huma.Context) []error {
	in.request, _ = humago.Unwrap(ctx)
	return nil
}

// AmendRequest is the body of a request to amend rows of a batch.
type AmendRequest struct {
	Jobs []AmendedRow `json:"jobs" minItems:"1" nullable:"false"`
}

// AmendedRow is the new request of a row.
type AmendedRow struct {
	JobID string `json:"job_id,omitempty" example:"b7k2m9q4x1-1" doc:"The job of the row; required without by"`
	RowRequest
}

const amendPath = "/v1/batches/{id}/rows"

func (s *server) registerAmendBatch() {
	amend := operation(http.MethodPost, amendPath, "amendBatch", "batches", "Put corrected rows back into a batch",
		http.StatusBadRequest, http.StatusNotFound, http.StatusRequestTimeout, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusInsufficientStorage)
	amend.Description = "First all rows are checked. If one of them cannot be used, nothing changes. Then the rows are changed in short transactions; if the request is interrupted, the same request continues. Rows that are missing stay as they are. Params and tags of the batch stay as they are."
	huma.Register(s.api, amend, s.amendBatch)
	s.api.OpenAPI().Paths[amendPath].Post.RequestBody = amendBody(s.api.OpenAPI().Components.Schemas) // see registerCreateBatch
}

// amendBody describes the content types of corrected rows.
func amendBody(registry huma.Registry) *huma.RequestBody {
	body := batchBody(registry)
	body.Description = "The same formats as for a new batch. A table has all columns of the batch, such as a results file; a batch without columns takes JSON, too. Rows have a column or a field job_id, or the column or the field of metadata that by names."
	body.Content["application/json"].Schema = registry.Schema(reflect.TypeFor[AmendRequest](), true, "")
	body.Content["text/csv"].Example = "sku,url,job_id\nA-17,https://example.com/,b7k2m9q4x1-1\n"
	body.Content["application/x-ndjson"].Example = "{\"job_id\":\"b7k2m9q4x1-1\",\"url\":\"https://example.com/\"}\n"
	fields := body.Content["multipart/form-data"].Schema.Properties
	for name := range fields {
		if name != "file" && name != "url_column" {
			delete(fields, name)
		}
	}
	return body
}

func (s *server) amendBatch(ctx context.Context, in *amendBatch) (*struct{ Body jobjson.Amended }, error) {
	if _, err := s.importedBatch(ctx, in.ID); err != nil {
		return nil, err
	}
	answer := &struct{ Body jobjson.Amended }{}
	err := s.withUpload(ctx, in.request, RowOptions{URLColumn: in.URLColumn}, &upload{amends: true}, func(up *upload) error {
		rows := s.checkingRoom(up.rows)
		done, err := s.Work.AmendBatch(ctx, in.ID, rows, jobs.AmendOptions{Columns: up.spec.Columns, Fields: up.fields, By: in.By, Again: in.Again, TempDir: s.SpoolDir})
		answer.Body = jobjson.AmendedFrom(in.ID, done, up.notes[:min(len(up.notes), maxNotes)])
		return s.amendError(ctx, in.ID, up, err)
	})
	return answer, err
}

// amendOptions say what an option would do, at the end of an error.
var amendOptions = map[jobs.AmendOption]string{
	jobs.AmendBy:    ", or find the rows by a column of yours or a field of their metadata with by=NAME",
	jobs.AmendAgain: ": again=true allows that",
}

// amendError converts an error of AmendBatch to a problem.
func (s *server) amendError(ctx context.Context, batch string, up *upload, err error) error {
	var wrong *jobs.AmendError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jobs.ErrUnchecked):
		s.Logger.Warn("some rows were not retried", "batch", batch, "error", err)
		return nil // the answer counts these rows
	case errors.As(err, &wrong):
		status := http.StatusUnprocessableEntity
		if errors.Is(err, jobs.ErrState) {
			status = http.StatusConflict
		}
		location, text := "body", wrong.Error()
		if up.isJSON && wrong.Line > 0 {
			location, text = jobLocation(wrong.Line), wrong.Reason
			if wrong.First > 0 {
				text += ", first in " + jobLocation(wrong.First)
			}
		}
		text += amendOptions[wrong.Option]
		return problem(status, text, &huma.ErrorDetail{Location: location, Message: text})
	case errors.Is(err, jobs.ErrState):
		return problem(http.StatusConflict, "batch "+batch+" has changed in the meantime: send the same request again")
	case errors.Is(err, syscall.ENOSPC):
		return s.noRoom("amend batch "+batch, err)
	}
	return s.failed(ctx, "amend batch "+batch, err, "batch", batch)
}

// jobLocation returns the location of a job in a JSON body. Numbers count from 1.
func jobLocation(number int) string { return fmt.Sprintf("body.jobs[%d]", number-1) }

// checkOptions returns an error if the rows amend a batch, and options are given
// that the batch has already. At is their location, such as query.
func (up *upload) checkOptions(given RowOptions, at string) error {
	if given.URLColumn = ""; up.amends && given.isSet() {
		return problem(http.StatusUnprocessableEntity, at+": the batch keeps its own options; only url_column can be given")
	}
	return nil
}
