package sandbox

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

var (
	errNoBatch         = &apiError{status: http.StatusNotFound, code: "NOT_FOUND", text: "Batch not found"}
	errBatchProcessing = &apiError{status: http.StatusConflict, code: "NOT_READY", text: "The batch is still processing"}
	errFinished        = &apiError{status: http.StatusConflict, code: "ALREADY_FINISHED", text: "The batch has ended"}
)

// maxCancelBody is the maximum size of the body of a cancel, in bytes.
const maxCancelBody = 64 << 10

// batchEndpoints returns the endpoints of the vendor's batches.
func (s *Server) batchEndpoints() map[string]endpoint {
	return map[string]endpoint{
		"batch/create":   {http.MethodPost, s.createBatch},
		"batch/info":     {http.MethodGet, s.batchInfo},
		"batch/list":     {http.MethodGet, s.listBatches},
		"batch/cancel":   {http.MethodPost, s.cancelBatch},
		"batch/download": {http.MethodGet, s.downloadBatch},
	}
}

// batchObject is a batch in an API response. Values that are not yet known are
// null.
type batchObject struct {
	ID        int64   `json:"id"`
	Status    string  `json:"status"`
	Error     *string `json:"error"`
	Started   int64   `json:"started"`  // Unix time in seconds
	Finished  *int64  `json:"finished"` // Unix time in seconds
	Country   string  `json:"country"`
	Count     int     `json:"count"`
	Processed int     `json:"processed"`
	Failed    int     `json:"failed"`
	ZipURL    *string `json:"zip_url"` // a request for it needs the key

	Screenshots []batchRowObject `json:"screenshots,omitempty"` // only in /batch/info
}

// batchRowObject is a row of a batch in /batch/info. It contains the screenshot's
// id twice: under the name that the help page uses, and under the name that
// screenshot objects use.
type batchRowObject struct {
	ScreenshotID *int64  `json:"screenshot_id"` // null until the row has a screenshot
	ID           *int64  `json:"id"`
	URL          string  `json:"url"`
	Status       string  `json:"status"`
	Error        *string `json:"error"`
}

// batchObject returns a batch as an API response shows it.
func (s *Server) batchObject(b *batch) batchObject {
	s.batches.mu.Lock()
	defer s.batches.mu.Unlock()
	o := batchObject{
		ID: b.id, Status: b.status, Error: orNull(b.err), Started: b.createdAt.Unix(), Finished: unix(b.finishedAt),
		Country: b.country, Count: len(b.rows), Processed: b.processed, Failed: b.failed,
	}
	if b.status != statusProcessing {
		o.ZipURL = orNull(s.base.Load().url + archivePath(b.id))
	}
	return o
}

func (o batchObject) withStatus(status string) receipt {
	o.Status = status
	return o
}

// batchReceipt is the response to a batch that was created with JSON.
type batchReceipt struct {
	BatchID int64  `json:"batch_id"`
	Status  string `json:"status"`
	Count   int    `json:"count"`
}

func (b batchReceipt) withStatus(status string) receipt {
	b.Status = status
	return b
}

func unix(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	seconds := t.Unix()
	return &seconds
}

// batchInfo handles GET /batch/info.
func (s *Server) batchInfo(_ *http.Request, q url.Values) (any, error) {
	b, err := s.lookUpBatch(q.Get("id"))
	if err != nil {
		return nil, err
	}
	o := s.batchObject(b)
	o.Screenshots = s.rowObjects(b)
	return o, nil
}

// rowObjects returns the rows of a batch as /batch/info shows them. A valid URL
// is normalized, as it is in screenshot objects; any other URL stays as given.
func (s *Server) rowObjects(b *batch) []batchRowObject {
	rows := s.batches.rowsOf(b)
	shown := make([]batchRowObject, len(rows))
	for i, row := range rows {
		shown[i] = batchRowObject{URL: row.url, Status: row.status(), Error: orNull(row.err)}
		if normal, err := normaliseURL(row.url); err == nil {
			shown[i].URL = normal
		}
		if row.shot != 0 {
			shown[i].ScreenshotID, shown[i].ID = &row.shot, &row.shot
		}
	}
	return shown
}

// listBatches handles GET /batch/list. It lists the newest batches first.
func (s *Server) listBatches(_ *http.Request, q url.Values) (any, error) {
	p := &params{query: q}
	f := p.page(s.cfg.ListLimit)
	if err := p.err(); err != nil {
		return nil, err
	}
	shown := []batchObject{}
	for _, b := range s.batches.page(f.offset, f.limit, s.cfg.Now()) {
		shown = append(shown, s.batchObject(b))
	}
	return shown, nil
}

// page returns batches, newest first. It leaves out those that the list-lag fault
// still hides.
func (b *batches) page(offset, limit int, now time.Time) []*batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []*batch
	for _, one := range slices.Backward(b.all) {
		switch {
		case one.plan != nil && now.Before(one.plan.listedAt):
		case offset > 0:
			offset--
		case len(found) < limit:
			found = append(found, one)
		}
	}
	return found
}

// cancelBatch handles POST /batch/cancel. The id is in a JSON object, regardless
// of the content type, or in the query.
func (s *Server) cancelBatch(r *http.Request, q url.Values) (any, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxCancelBody))
	if err != nil {
		return nil, badBody("The body is cut off or too large")
	}
	id := q.Get("id")
	if len(body) > 0 {
		var object struct {
			ID json.RawMessage `json:"id"`
		}
		if err := json.Unmarshal(body, &object); err != nil {
			return nil, badBody("The body is not a JSON object")
		}
		if object.ID != nil {
			id = strings.Join(optionTexts(object.ID), "")
		}
	}
	b, err := s.lookUpBatch(id)
	if err != nil {
		return nil, err
	}
	if !s.batches.cancel(b) {
		return nil, errFinished
	}
	return s.batchObject(b), nil
}

// lookUpBatch returns the batch whose id is text.
func (s *Server) lookUpBatch(text string) (*batch, error) {
	id, err := readID(text)
	if err != nil {
		return nil, err
	}
	b := s.batches.find(id)
	if b == nil {
		return nil, errNoBatch
	}
	return b, nil
}
