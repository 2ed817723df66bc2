package client

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ErrNotFound matches, with errors.Is, an APIError with status 404.
var ErrNotFound = errors.New("not found")

// ErrUnauthorized matches, with errors.Is, an APIError with status 401 or 403 or
// with the code INVALID_API_KEY.
var ErrUnauthorized = errors.New("unauthorized")

// ErrNoCredits matches, with errors.Is, an APIError with status 402 or with a
// code that contains CREDIT. The vendor does not document a code for missing
// credits.
var ErrNoCredits = errors.New("no credits")

// ErrInvalid matches, with errors.Is, an APIError that refuses the request
// because of its parameters: status 400 or 422, or one of the codes
// VALIDATION_ERROR, INVALID_PARAMS and MISSING_PARAMS. The same request will be
// refused again.
var ErrInvalid = errors.New("invalid request")

// ErrNotReady matches, with errors.Is, a NotReadyError.
var ErrNotReady = errors.New("not found or not ready")

// APIError is an unsuccessful response of the vendor. Its texts are the vendor's,
// shortened to one line, without the API key.
type APIError struct {
	Op        string              // operation, such as "create screenshot"
	Status    int                 // HTTP status
	Code      string              // the vendor's code, such as VALIDATION_ERROR; might be empty
	Message   string              // the vendor's text; might be empty
	Fields    map[string][]string // errors by parameter; might be nil
	RequestID string              // the vendor's id of the request, for its support; might be empty
}

func (e *APIError) Error() string {
	if e.RequestID == "" {
		return e.Reason()
	}
	return e.Reason() + " (request " + e.RequestID + ")"
}

// Reason returns the text of Error without the request id, so that equal refusals
// of different requests have equal texts.
func (e *APIError) Reason() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: HTTP %d", e.Op, e.Status)
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	names := make([]string, 0, len(e.Fields))
	for name := range e.Fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "; %s: %s", name, strings.Join(e.Fields[name], ", "))
	}
	return b.String()
}

// Is reports whether the error matches ErrNotFound, ErrUnauthorized, ErrNoCredits
// or ErrInvalid.
func (e *APIError) Is(target error) bool {
	switch target {
	case ErrInvalid:
		return (e.Status == http.StatusBadRequest || e.Status == http.StatusUnprocessableEntity ||
			slices.Contains(codesInvalid, e.Code) && e.Status < 500) && !e.Is(ErrUnauthorized) && !e.Is(ErrNoCredits)
	case ErrNotFound:
		return e.Status == http.StatusNotFound
	case ErrUnauthorized:
		return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden ||
			e.Code == codeInvalidKey && e.Status < 500
	case ErrNoCredits:
		return e.Status == http.StatusPaymentRequired || strings.Contains(e.Code, codeCredits) && e.Status < 500
	}
	return false
}

// RateLimitError is a response with status 429, or a 2xx response with the code
// for it. The vendor did nothing and requests a pause.
type RateLimitError struct {
	Delay time.Duration // how long to pause; 0 if the vendor did not specify it
	API   *APIError
}

func (e *RateLimitError) Error() string {
	if e.Delay == 0 {
		return e.API.Error()
	}
	return fmt.Sprintf("%v (retry after %s)", e.API, e.Delay)
}

// Unwrap returns the APIError.
func (e *RateLimitError) Unwrap() error { return e.API }

// NotReadyError is a response with status 404, or with the code NOT_READY, to a
// request for a screenshot's image, HTML, PDF or video. The vendor sends the same
// response for "not found" and "not ready", so ErrNotFound matches some of these
// errors as well. If a screenshot has just finished, its outputs might appear
// shortly and the call should be repeated, as RetryPolicy does.
type NotReadyError struct{ API *APIError }

func (e *NotReadyError) Error() string { return e.API.Error() }

// Is reports whether target is ErrNotReady.
func (e *NotReadyError) Is(target error) bool { return target == ErrNotReady }

// Unwrap returns the APIError.
func (e *NotReadyError) Unwrap() error { return e.API }

// notReady returns a NotReadyError if err means that the output does not exist
// yet. Otherwise it returns err.
func notReady(err error) error {
	refused, ok := err.(*APIError)
	if ok && (refused.Status == http.StatusNotFound || refused.Status < 500 && refused.Code == codeNotReady) {
		return &NotReadyError{API: refused}
	}
	return err
}

// InDoubtError is returned only by Create and CreateBatch. The request was sent,
// or might have been sent, and there is no usable response, so it is unknown
// whether it took effect and was charged. Err is a *CallError or, if the response
// is inconclusive (3xx, 408, 5xx, a refusal in a 2xx that contains an id), an
// *APIError or a *RateLimitError.
type InDoubtError struct{ Err error }

func (e *InDoubtError) Error() string {
	return e.Err.Error() + " (in doubt: it may have taken effect)"
}

// Unwrap returns Err.
func (e *InDoubtError) Unwrap() error { return e.Err }

// NotSentError means that no byte of the request was sent and none will be: the
// host was not found, the connection or the TLS handshake failed, or the context
// ended before a connection was free.
type NotSentError struct{ Err error }

func (e *NotSentError) Error() string { return e.Err.Error() + " (not sent)" }

// Unwrap returns Err.
func (e *NotSentError) Unwrap() error { return e.Err }

// CallError is a call without a usable response: the connection broke, the call
// timed out, or the response was too large or invalid. errors.Is and errors.As
// match the cause, such as context.DeadlineExceeded. The cause is not available
// through Unwrap, because its text might contain the key.
type CallError struct {
	Op    string // operation, such as "list screenshots"
	text  string
	cause error
}

func (e *CallError) Error() string { return e.Op + ": " + e.text }

// Format prints the text for every verb, so that no verb prints the cause.
func (e *CallError) Format(s fmt.State, _ rune) { fmt.Fprint(s, e.Error()) }

// Is reports whether the cause is target.
func (e *CallError) Is(target error) bool { return errors.Is(e.cause, target) }

// As finds the first error in the cause that matches target.
func (e *CallError) As(target any) bool { return errors.As(e.cause, target) }

// ParamError means that a parameter is invalid. Nothing was sent.
type ParamError struct {
	Name   string // name of the parameter
	Reason string // why it is invalid
}

func (e *ParamError) Error() string { return fmt.Sprintf("parameter %q: %s", e.Name, e.Reason) }
