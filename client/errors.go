package client

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ErrNotFound matches, by errors.Is, an APIError with status 404.
var ErrNotFound = errors.New("not found")

// ErrUnauthorized matches, by errors.Is, an APIError with status 401 or 403 or
// with the code INVALID_API_KEY.
var ErrUnauthorized = errors.New("unauthorized")

// ErrNoCredits matches, by errors.Is, an APIError with status 402 or with a code
// that speaks of credits. The vendor documents no code for credits that have run
// out.
var ErrNoCredits = errors.New("no credits")

// ErrInvalid matches, by errors.Is, an APIError that refuses the request for
// its parameters: status 400 or 422, or one of the codes VALIDATION_ERROR,
// INVALID_PARAMS and MISSING_PARAMS. The same request will be refused again.
var ErrInvalid = errors.New("invalid request")

// ErrNotReady matches, by errors.Is, a NotReadyError.
var ErrNotReady = errors.New("not found or not ready")

// APIError is an answer of the vendor that is not a success. Its texts are the
// vendor's, shortened, on one line and without the API key.
type APIError struct {
	Op        string              // what was tried, such as "create screenshot"
	Status    int                 // HTTP status; 2xx for a refusal inside a 200 answer
	Code      string              // the vendor's code, such as VALIDATION_ERROR; may be empty
	Message   string              // the vendor's text, or the start of a non-JSON body
	Fields    map[string][]string // complaints by parameter; may be nil
	RequestID string              // the vendor's name for the request, which its support asks for; may be empty
}

func (e *APIError) Error() string {
	if e.RequestID == "" {
		return e.Reason()
	}
	return e.Reason() + " (request " + e.RequestID + ")"
}

// Reason is Error without the request id, so that equal refusals of several
// requests have equal texts.
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

// Is makes errors.Is work with ErrNotFound, ErrUnauthorized, ErrNoCredits and
// ErrInvalid.
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

// RateLimitError is a 429, or a 200 that carries its code: the vendor did nothing
// and asks for a pause.
type RateLimitError struct {
	Delay time.Duration // how long to pause; 0 when the vendor did not say
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

// NotReadyError is the vendor's 404 to a call for a screenshot's picture, HTML,
// PDF or video, or its code NOT_READY. The vendor gives one answer to "not
// found" and "not ready", so that ErrNotFound matches it, too: a call for what a
// screenshot that has just finished is known to have is worth repeating for a
// while. RetryPolicy does so.
type NotReadyError struct{ API *APIError }

func (e *NotReadyError) Error() string { return e.API.Error() }

// Is makes errors.Is work with ErrNotReady.
func (e *NotReadyError) Is(target error) bool { return target == ErrNotReady }

// Unwrap returns the APIError.
func (e *NotReadyError) Unwrap() error { return e.API }

// notReady sorts out the refusals that mean that there is no output yet.
func notReady(err error) error {
	refused, ok := err.(*APIError)
	if ok && (refused.Status == http.StatusNotFound || refused.Status < 500 && refused.Code == codeNotReady) {
		return &NotReadyError{API: refused}
	}
	return err
}

// InDoubtError comes from Create and CreateBatch alone: the request was sent, or
// possibly sent, and no usable answer tells whether it took effect and was
// charged. Err is a *CallError or, for an answer that decides nothing (3xx, 408,
// 5xx, a refusal in a 2xx that names an id), an *APIError or a *RateLimitError.
type InDoubtError struct{ Err error }

func (e *InDoubtError) Error() string {
	return e.Err.Error() + " (in doubt: it may have taken effect)"
}

// Unwrap returns Err.
func (e *InDoubtError) Unwrap() error { return e.Err }

// NotSentError means that no byte of the request left and none will: the host
// was not found, the connection or the TLS handshake failed, or the context was
// done before a connection was free.
type NotSentError struct{ Err error }

func (e *NotSentError) Error() string { return e.Err.Error() + " (not sent)" }

// Unwrap returns Err.
func (e *NotSentError) Unwrap() error { return e.Err }

// CallError is a call that brought no usable answer: a broken connection, a
// timeout, an answer that is too large or makes no sense. errors.Is and
// errors.As look at the cause, for example for context.DeadlineExceeded; the
// cause is not reachable by Unwrap, because its text is not cleaned.
type CallError struct {
	Op    string // what was tried, such as "list screenshots"
	text  string
	cause error
}

func (e *CallError) Error() string { return e.Op + ": " + e.text }

// Format prints the text whatever the verb, so that no verb prints the cause.
func (e *CallError) Format(s fmt.State, _ rune) { fmt.Fprint(s, e.Error()) }

// Is reports whether the cause is target.
func (e *CallError) Is(target error) bool { return errors.Is(e.cause, target) }

// As finds target in the cause.
func (e *CallError) As(target any) bool { return errors.As(e.cause, target) }

// ParamError is a request that was not built because one of its parameters is
// wrong. Nothing was sent.
type ParamError struct {
	Name   string // the parameter
	Reason string // what is wrong with it
}

func (e *ParamError) Error() string { return fmt.Sprintf("parameter %q: %s", e.Name, e.Reason) }
