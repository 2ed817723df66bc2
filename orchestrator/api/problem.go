package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"shotline/jobs"
)

// Every answer that is no success is a problem document, RFC 9457, with what is
// wrong field by field under "errors".

const problemType = "application/problem+json"

// retrySoon is the Retry-After of what will mend itself, in seconds.
const retrySoon = 5

// retryRoom is that of a disk on which somebody has to free some space.
const retryRoom = 60

// writeProblem answers outside of any operation.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail}) // whoever left does not need it
}

// problem is an answer of an operation.
func problem(status int, detail string, fields ...error) error {
	return huma.NewError(status, detail, fields...)
}

// invalid is the answer to a request of which one thing is wrong, at a location
// such as body.url or query.cursor.
func invalid(location string, err error) error {
	return problem(http.StatusUnprocessableEntity, err.Error(), &huma.ErrorDetail{Location: location, Message: err.Error()})
}

// retryLater adds a Retry-After to a problem.
func retryLater(err error, seconds int) error {
	return huma.ErrorWithHeaders(err, http.Header{"Retry-After": {strconv.Itoa(seconds)}})
}

// failed is where errors of the store and of work become answers. What is wrong
// with us is logged, with about, such as the job's id, and told without details.
func (s *server) failed(ctx context.Context, op string, err error, attrs ...any) error {
	attrs = append(attrs, "error", err)
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		return problem(http.StatusNotFound, op+": not found")
	case errors.Is(err, jobs.ErrNoRoom):
		return s.noRoom(op, err)
	case errors.Is(err, jobs.ErrUnavailable):
		s.Logger.With("for", op).Warn("request failed", attrs...)
		return retryLater(problem(http.StatusServiceUnavailable, "the database cannot be written at the moment: try again"), retrySoon)
	case ctx.Err() != nil:
		return problem(http.StatusServiceUnavailable, "the request was interrupted") // whoever asked is gone
	}
	s.Logger.With("for", op).Error("request failed", attrs...)
	return problem(http.StatusInternalServerError, "internal error: see the log of the server")
}

// noRoom answers what would need space that is kept for webhooks.
func (s *server) noRoom(op string, err error) error {
	s.Logger.Warn("request failed", "for", op, "error", err)
	return retryLater(problem(http.StatusInsufficientStorage, "the disk of the server is nearly full and no new work is accepted: free some space there, then try again"), retryRoom)
}

// tooManyRows answers a batch beyond the limit of rows.
func tooManyRows(err *jobs.RowLimitError) error {
	location := "body"
	if err.Line == 0 {
		location = fmt.Sprintf("body.jobs[%d]", err.Row-1)
	}
	return problem(http.StatusRequestEntityTooLarge, err.Error(), &huma.ErrorDetail{Location: location, Message: err.Error()})
}

// discreet is for huma.Config.Transformers: it keeps the values at fault, which
// may be secrets, out of problems, and says at once what is wrong.
func redactProblem(_ huma.Context, _ string, v any) (any, error) {
	doc, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	if doc.Status == http.StatusUnsupportedMediaType && len(doc.Errors) > 0 { // which tell what came, not what is wanted
		doc.Detail, doc.Errors = "want application/json", nil
	}
	if len(doc.Errors) > 0 && doc.Detail == "validation failed" {
		doc.Detail = doc.Errors[0].Location + ": " + doc.Errors[0].Message
	}
	doc.Detail = shortened(doc.Detail)
	for _, detail := range doc.Errors {
		detail.Value = nil
		detail.Message = shortened(detail.Message)
		detail.Location = shortened(detail.Location)
	}
	return doc, nil
}

func shortened(text string) string {
	const most = 300
	if len(text) <= most {
		return text
	}
	end := most
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// recovered answers for a handler that panics.
func (s *server) recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sw := &statusWriter{ResponseWriter: w}
		defer func() { s.count(r, sw) }()
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler {
				panic(cause)
			}
			s.Logger.Error("API handler panicked", "method", r.Method, "path", r.URL.Path, "panic", cause, "stack", string(debug.Stack()))
			if sw.status != 0 {
				panic(http.ErrAbortHandler) // half an answer must not look like a whole one
			}
			writeProblem(sw, http.StatusInternalServerError, "internal error: see the log of the server")
		}()
		next.ServeHTTP(sw, r)
	})
}

// count counts an answer by its route: paths of jobs would be without number.
func (s *server) count(r *http.Request, sw *statusWriter) {
	route := "none"
	if _, pattern := s.mux.Handler(r); pattern != "" {
		_, route, _ = strings.Cut(pattern, " ")
	}
	s.Metrics.apiRequests.WithLabelValues(route, strconv.Itoa(max(sw.status, http.StatusOK))).Inc()
}

// watched knows the status of an answer, 0 before it has begun.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
