package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"shotline/jobs"
	"shotline/jobs/input"
	"shotline/jobs/jobjson"
)

// maxUploads is the number of batch bodies that may be received at once.
const maxUploads = 4

type createBatch struct {
	Key    string `header:"Idempotency-Key" doc:"If two requests have the same key, the second one changes nothing and returns the batch of the first"`
	DryRun bool   `query:"dry_run" doc:"Only report what would happen, with 200: nothing is stored or sent"`
	RowOptions
	request *http.Request
}

// Resolve keeps the request, so that its body can be read without huma, which
// would read it into memory.
func (in *createBatch) Resolve(ctx huma.Context) []error {
	in.request, _ = humago.Unwrap(ctx)
	return nil
}

type createdBatch struct {
	Status   int
	Location string `header:"Location" doc:"Path of the batch; absent in a dry run"`
	Body     jobjson.Accepted
}

func (s *server) registerCreateBatch() {
	create := operation(http.MethodPost, "/v1/batches", "createBatch", "batches", "Create a batch",
		http.StatusBadRequest, http.StatusRequestTimeout, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusInsufficientStorage)
	create.DefaultStatus = http.StatusAccepted
	create.Description = "Either the whole batch is created or nothing. With an Idempotency-Key, the same bytes sent again return the same batch, with 200. If the first request is still being received, the second is refused with 409: try again. If the server of the first request was killed, the second takes its place after 15 seconds. Another request with the same key is refused with 409."
	s.addResponse(&create, http.StatusOK, "An earlier, identical request created this batch, or the request was a dry run", acceptedType)
	huma.Register(s.api, create, s.createBatch)
	// Describe the body after the registration. Otherwise huma would read it into
	// memory.
	s.api.OpenAPI().Paths["/v1/batches"].Post.RequestBody = batchBody(s.api.OpenAPI().Components.Schemas)
}

// upload is a body with rows that was received.
type upload struct {
	*spool
	spec   jobs.BatchSpec
	fields map[string]int // see jobs.AmendOptions
	rows   func() (jobs.Request, error)
	notes  []string // for the response

	closeRows func() error // can be nil
	amends    bool         // the rows amend a batch, and have no options for a new one
	gzip      bool         // the content encoding of a list
	charset   string       // of the content type of a list; can be empty
	objects   bool         // the body is JSON Lines
	isJSON    bool         // the body is one JSON object
}

func (s *server) createBatch(ctx context.Context, in *createBatch) (*createdBatch, error) {
	if err := checkKey(in.Key); err != nil {
		return nil, err
	}
	var created *createdBatch
	err := s.withUpload(ctx, in.request, in.RowOptions, &upload{}, func(up *upload) (err error) {
		if in.DryRun {
			created, err = s.previewBatch(ctx, *up)
			return err
		}
		if in.Key != "" {
			up.spec.Key = jobs.Key{Scope: callerOf(ctx), Name: in.Key, Hash: up.hash()}
		}
		created, err = s.importBatch(ctx, *up)
		return err
	})
	return created, err
}

// withUpload receives a body with rows and calls use with it.
func (s *server) withUpload(ctx context.Context, request *http.Request, options RowOptions, up *upload, use func(*upload) error) error {
	release, err := s.uploads.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	liftWriteDeadline(ctx)
	if up.spool, err = newSpool(s.SpoolDir, s.MaxBatch, s.Room); err != nil {
		return s.bodyError(ctx, &spoolError{err})
	}
	defer up.close()
	if err := s.receive(ctx, request, options, up); err != nil {
		return err
	}
	if up.closeRows != nil {
		defer up.closeRows()
	}
	return use(up)
}

// receive spools the body and parses the options.
func (s *server) receive(ctx context.Context, request *http.Request, options RowOptions, up *upload) error {
	if request.ContentLength > s.MaxBatch {
		return s.bodyError(ctx, errTooLarge)
	}
	kind, params, err := mime.ParseMediaType(request.Header.Get("Content-Type"))
	if err != nil {
		kind = ""
	}
	isList := kind == "text/csv" || kind == "application/x-ndjson" || kind == "application/jsonl"
	switch coding := request.Header.Get("Content-Encoding"); {
	case coding == "", coding == "identity":
	case coding == "gzip" && isList:
		up.gzip = true
	case isList:
		return problem(http.StatusUnsupportedMediaType, "the body must not be compressed, except with gzip")
	default:
		return problem(http.StatusUnsupportedMediaType, "the body must not be compressed")
	}
	up.addToHash("batch " + kind)
	body := newDeadlineReader(ctx, request.Body)
	switch {
	case isList:
		up.objects = kind != "text/csv"
		if up.charset = params["charset"]; up.charset != "" {
			if err := input.CheckEncoding(up.charset); err != nil {
				return problem(http.StatusUnsupportedMediaType, "charset: "+err.Error())
			}
			up.addToHash("charset " + up.charset)
		}
		return s.receiveList(ctx, options, body, up)
	case kind != "application/json" && kind != "multipart/form-data":
		return problem(http.StatusUnsupportedMediaType, "want application/json, text/csv, application/x-ndjson or multipart/form-data")
	case options.isSet() && up.amends && kind == "application/json":
		return invalid("query.url_column", errors.New("url_column: only for text/csv and application/x-ndjson"))
	case options.isSet():
		return problem(http.StatusUnprocessableEntity, "options in the query are only for text/csv and application/x-ndjson: put them into the body")
	case kind == "application/json":
		up.isJSON = true
		return s.receiveJSON(ctx, body, up)
	}
	return s.receiveForm(ctx, body, params["boundary"], up)
}

// receiveList spools a body that has only rows. Its options are in the query.
func (s *server) receiveList(ctx context.Context, params RowOptions, body io.Reader, up *upload) error {
	if err := up.checkOptions(params, "query"); err != nil {
		return err
	}
	options, err := params.options("query")
	if err != nil {
		return err
	}
	if up.spec, err = s.batchSpec(options, "query"); err != nil {
		return err
	}
	up.notes = paramNotes("param", options.Params)
	if err := options.addToHash(up.spool); err != nil {
		return s.failed(ctx, "hash the options", err)
	}
	if _, err := io.Copy(up, body); err != nil {
		return s.bodyError(ctx, err)
	}
	return s.openList(ctx, params.URLColumn, up)
}

// openList opens the rows of a spooled table or list. If the number of lines shows
// that there might be too many rows, it counts them before any is imported.
func (s *server) openList(ctx context.Context, urlColumn string, up *upload) error {
	up.addToHash("url_column " + urlColumn)
	if up.gzip && !up.beginsWith("\x1f\x8b") { // otherwise the content shows whether it is compressed
		return problem(http.StatusBadRequest, "the body is not compressed with gzip")
	}
	open := input.Options{Encoding: up.charset, URLColumn: urlColumn, Objects: up.objects, Amends: up.amends, CheckURL: s.CheckURL, TempDir: s.SpoolDir, MaxSize: s.MaxBatch}
	rows, err := input.Open(up.reader(), open)
	if err == nil && s.MaxRows > 0 && (up.lines >= s.MaxRows || rows.Repacked()) {
		if err := countRows(rows, s.MaxRows); err != nil {
			rows.Close()
			return err
		}
		if err := rows.Close(); err != nil {
			return s.failed(ctx, "close the rows of a body", err)
		}
		rows, err = input.Open(up.reader(), open)
	}
	switch {
	case errors.Is(err, input.ErrCopy):
		return s.bodyError(ctx, &spoolError{err})
	case errors.Is(err, input.ErrTooLarge):
		return s.bodyError(ctx, errTooLarge)
	case err != nil:
		return invalid("body", err)
	}
	up.closeRows = rows.Close
	up.spec.Columns, up.spec.Dialect = rows.Columns(), rows.Dialect()
	up.fields = rows.Fields()
	up.rows, up.notes = rows.Next, append(up.notes, rows.Notes()...)
	return nil
}

// checkingRoom returns a function that checks the free disk space between the
// calls of next.
func (s *server) checkingRoom(next func() (jobs.Request, error)) func() (jobs.Request, error) {
	remaining := 0
	return func() (jobs.Request, error) {
		if remaining <= 0 {
			if err := s.Room(); err != nil {
				return jobs.Request{}, err
			}
			remaining = roomCheckInterval
		}
		request, err := next()
		remaining -= request.Size()
		return request, err
	}
}

// countRows fails if there are more rows than the limit. It ignores errors of the
// reader, because the import reports them.
func countRows(rows *input.Reader, most int) error {
	for n := 1; ; n++ {
		request, err := rows.Next()
		if err != nil {
			return nil
		}
		if n > most {
			return tooManyRows(&jobs.RowLimitError{Row: n, Line: request.Line, Limit: most})
		}
	}
}

// previewBatch reports what importBatch would do.
func (s *server) previewBatch(ctx context.Context, up upload) (*createdBatch, error) {
	p, err := s.Work.PreviewBatch(ctx, up.spec, up.rows)
	if err != nil {
		return nil, s.failed(ctx, "preview a batch", err)
	}
	var balance *float64
	if s.Balance != nil {
		if credits, err := s.Balance(ctx); err == nil {
			balance = &credits
		} else {
			s.Logger.Warn("the balance of a dry run is not known", "error", err)
		}
	}
	return &createdBatch{Status: http.StatusOK, Body: jobjson.Previewed(p, up.notes[:min(len(up.notes), maxNotes)], balance)}, nil
}

func (s *server) importBatch(ctx context.Context, up upload) (*createdBatch, error) {
	status := http.StatusAccepted
	b, err := s.Work.ImportBatch(ctx, up.spec, s.checkingRoom(up.rows))
	var taken *jobs.KeyTakenError
	switch {
	case errors.As(err, &taken) && taken.Same:
		status = http.StatusOK
		b, err = s.Store.Batch(ctx, taken.Batch)
		if err == nil && b.State == jobs.BatchImporting || errors.Is(err, jobs.ErrNotFound) { // not found: the first import has just failed
			return nil, retryLater(problem(http.StatusConflict, fmt.Sprintf("the same request is still creating batch %s: try again later", taken.Batch)), retrySoon)
		}
	case taken != nil:
		return nil, errOtherRequest()
	}
	if err != nil {
		return nil, s.failed(ctx, "create a batch", err)
	}
	return &createdBatch{status, "/v1/batches/" + b.ID, jobjson.AcceptedFrom(b, up.notes[:min(len(up.notes), maxNotes)])}, nil
}
