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
func (s *server) failed(ctx context.Context, what string, err error, about ...any) error {
	about = append(about, "error", err)
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		return problem(http.StatusNotFound, what+": not found")
	case errors.Is(err, jobs.ErrNoRoom):
		return s.noRoom(what, err)
	case errors.Is(err, jobs.ErrUnavailable):
		s.Logger.With("for", what).Warn("request failed", about...)
		return retryLater(problem(http.StatusServiceUnavailable, "the database cannot be written at the moment: try again"), retrySoon)
	case ctx.Err() != nil:
		return problem(http.StatusServiceUnavailable, "the request was interrupted") // whoever asked is gone
	}
	s.Logger.With("for", what).Error("request failed", about...)
	return problem(http.StatusInternalServerError, "internal error: see the log of the server")
}

// noRoom answers what would need space that is kept for webhooks.
func (s *server) noRoom(what string, err error) error {
	s.Logger.Warn("request failed", "for", what, "error", err)
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
func discreet(_ huma.Context, _ string, v any) (any, error) {
	told, is := v.(*huma.ErrorModel)
	if !is {
		return v, nil
	}
	if told.Status == http.StatusUnsupportedMediaType && len(told.Errors) > 0 { // which tell what came, not what is wanted
		told.Detail, told.Errors = "want application/json", nil
	}
	if len(told.Errors) > 0 && told.Detail == "validation failed" {
		told.Detail = told.Errors[0].Location + ": " + told.Errors[0].Message
	}
	told.Detail = shortened(told.Detail)
	for _, detail := range told.Errors {
		detail.Value = nil
		detail.Message = shortened(detail.Message)
		detail.Location = shortened(detail.Location)
	}
	return told, nil
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
func (s *server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told := &watched{ResponseWriter: w}
		defer func() { s.count(r, told) }()
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler {
				panic(cause)
			}
			s.Logger.Error("API handler panicked", "method", r.Method, "path", r.URL.Path, "panic", cause, "stack", string(debug.Stack()))
			if told.status != 0 {
				panic(http.ErrAbortHandler) // half an answer must not look like a whole one
			}
			writeProblem(told, http.StatusInternalServerError, "internal error: see the log of the server")
		}()
		next.ServeHTTP(told, r)
	})
}

// count counts an answer by its route: paths of jobs would be without number.
func (s *server) count(r *http.Request, told *watched) {
	route := "none"
	if _, pattern := s.mux.Handler(r); pattern != "" {
		_, route, _ = strings.Cut(pattern, " ")
	}
	s.Metrics.answers.WithLabelValues(route, strconv.Itoa(max(told.status, http.StatusOK))).Inc()
}

// watched knows the status of an answer, 0 before it has begun.
type watched struct {
	http.ResponseWriter
	status int
}

func (w *watched) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
