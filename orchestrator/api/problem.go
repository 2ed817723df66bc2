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

// Every error response is a problem document (RFC 9457). Its member "errors"
// lists the wrong fields.

const problemType = "application/problem+json"

// retrySoon is the Retry-After, in seconds, of problems that pass by themselves.
const retrySoon = 5

// retryRoom is the Retry-After, in seconds, of a full disk, on which somebody
// must free some space.
const retryRoom = 60

// writeProblem writes a problem document outside of huma operations.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail}) // fails only if the client disconnected
}

// problem returns a problem document as the error of an operation.
func problem(status int, detail string, fields ...error) error {
	return huma.NewError(status, detail, fields...)
}

// invalid returns the problem of a request with one wrong field, at a location
// such as body.url or query.cursor.
func invalid(location string, err error) error {
	return problem(http.StatusUnprocessableEntity, err.Error(), &huma.ErrorDetail{Location: location, Message: err.Error()})
}

// retryLater adds a Retry-After header to a problem.
func retryLater(err error, seconds int) error {
	return huma.ErrorWithHeaders(err, http.Header{"Retry-After": {strconv.Itoa(seconds)}})
}

// failed converts an error of the store or of Work to a problem. Internal errors
// are logged with the attributes attrs, such as the job's ID. The problem does
// not contain their details.
func (s *server) failed(ctx context.Context, op string, err error, attrs ...any) error {
	attrs = append(attrs, "error", err)
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		return problem(http.StatusNotFound, op+": not found")
	case errors.Is(err, jobs.ErrNoRoom):
		return s.noRoom(op, err)
	case errors.Is(err, jobs.ErrUnavailable):
		s.Logger.With("for", op).Warn("request failed", attrs...)
		return retryLater(problem(http.StatusServiceUnavailable, "the database cannot be written at the moment: try again later"), retrySoon)
	case ctx.Err() != nil:
		return problem(http.StatusServiceUnavailable, "the request was interrupted") // the client disconnected
	}
	s.Logger.With("for", op).Error("request failed", attrs...)
	return problem(http.StatusInternalServerError, "internal error: see the log of the server")
}

// noRoom returns the problem of a request that needs disk space that is reserved
// for webhooks.
func (s *server) noRoom(op string, err error) error {
	s.Logger.Warn("request failed", "for", op, "error", err)
	return retryLater(problem(http.StatusInsufficientStorage, "the disk of the server is nearly full and no new work is accepted: free some space there, then try again"), retryRoom)
}

// tooManyRows returns the problem of a batch that exceeds the limit of rows.
func tooManyRows(err *jobs.RowLimitError) error {
	location := "body"
	if err.Line == 0 {
		location = fmt.Sprintf("body.jobs[%d]", err.Row-1)
	}
	return problem(http.StatusRequestEntityTooLarge, err.Error(), &huma.ErrorDetail{Location: location, Message: err.Error()})
}

// redactProblem is a transformer of huma. It removes the invalid values from a
// problem, because they might be secrets, and copies the first error to the
// detail.
func redactProblem(_ huma.Context, _ string, v any) (any, error) {
	doc, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	if doc.Status == http.StatusUnsupportedMediaType && len(doc.Errors) > 0 { // the errors name the type that was sent, not the expected one
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

// recoverPanics writes a problem document if a handler panics. It also counts all
// responses.
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
				panic(http.ErrAbortHandler) // abort the connection, so that the incomplete response does not look complete
			}
			writeProblem(sw, http.StatusInternalServerError, "internal error: see the log of the server")
		}()
		next.ServeHTTP(sw, r)
	})
}

// count counts a response by its route. The path would give every job its own
// metric.
func (s *server) count(r *http.Request, sw *statusWriter) {
	route := "none"
	if _, pattern := s.mux.Handler(r); pattern != "" {
		_, route, _ = strings.Cut(pattern, " ")
	}
	s.Metrics.apiRequests.WithLabelValues(route, strconv.Itoa(max(sw.status, http.StatusOK))).Inc()
}

// statusWriter records the status of a response. It is 0 before the response
// begins.
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

// Unwrap is used by http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
