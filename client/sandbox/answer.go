package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// apiError is an answer with success=false.
type apiError struct {
	status     int
	code       string
	text       string
	fields     map[string][]string // what is wrong, by parameter; may be nil
	retryAfter int                 // seconds, 0 when the error does not name a delay
	delayIn    string              // body, header or both; empty: body, as documented
	allow      string              // the method that would do; empty unless that is the error
}

// Error returns the text that the caller of the API sees.
func (e *apiError) Error() string { return e.text }

// Errors that do not depend on the request.
var (
	errKey      = &apiError{status: http.StatusUnauthorized, code: "INVALID_API_KEY", text: "Invalid or missing API key"}
	errPath     = &apiError{status: http.StatusNotFound, code: "NOT_FOUND", text: "No such endpoint"}
	errUnknown  = &apiError{status: http.StatusNotFound, code: "NOT_FOUND", text: "Screenshot not found"}
	errNotReady = &apiError{status: http.StatusNotFound, code: "NOT_FOUND", text: "Screenshot not found or not ready"}
	errWorking  = &apiError{status: http.StatusConflict, code: "NOT_READY", text: "The screenshot is still processing"}
	errCredits  = &apiError{status: http.StatusUnprocessableEntity, code: "INSUFFICIENT_CREDITS", text: "Not enough credits"}
	errFull     = &apiError{status: http.StatusTooManyRequests, code: "RATE_LIMIT_EXCEEDED", text: "Too many screenshots in progress", retryAfter: 1}
	errClosed   = &apiError{status: http.StatusServiceUnavailable, code: "UNAVAILABLE", text: "The sandbox is shutting down"}
	errInternal = &apiError{status: http.StatusInternalServerError, code: "INTERNAL_ERROR", text: "Internal error"}
)

// missing is the answer to a call without a parameter it needs.
func missing(name string) *apiError {
	return &apiError{
		status: http.StatusBadRequest,
		code:   "MISSING_PARAMS",
		text:   "Missing required parameter: " + name,
		fields: map[string][]string{name: {"is required"}},
	}
}

// endpoint is one path of the API.
type endpoint struct {
	method string
	answer answer
}

// answer answers one API call: with a rawAnswer, with anything else, which
// becomes the envelope's data, or with an error.
type answer func(r *http.Request, q url.Values) (any, error)

// rawAnswer is sent without envelope.
type rawAnswer interface{ write(w http.ResponseWriter) }

// file is what was rendered.
type file struct {
	kind        string // MIME type
	data        []byte
	disposition string // Content-Disposition; may be empty
}

// wrongMethod is the answer to a call by another method than the endpoint's.
func wrongMethod(allowed string) *apiError {
	return &apiError{
		status: http.StatusMethodNotAllowed,
		code:   "METHOD_NOT_ALLOWED",
		text:   "Only " + allowed + " is allowed here",
		allow:  allowed,
	}
}

// api turns an endpoint into a handler: it counts the call under name, checks
// method and key, and writes the answer. Errors of the server itself are
// logged here and nowhere else.
func (s *Server) api(name string, e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.books.countCall(name)
		data, err := s.ask(r, name, e)
		if err != nil {
			refusal := refusalOf(err)
			s.books.countError(refusal.code)
			request := s.writeError(w, refusal)
			if refusal == errInternal {
				s.cfg.Logger.Error("sandbox call failed", "endpoint", name, "request", request, "error", err)
			}
			return
		}
		if raw, ok := data.(rawAnswer); ok {
			raw.write(w)
			return
		}
		if !s.cfg.BareAnswers {
			data = map[string]any{"success": true, "data": data}
		}
		writeJSON(w, http.StatusOK, data)
	})
}

// refusalOf is an error as the caller sees it: what is not worded for him is
// an internal error.
func refusalOf(err error) *apiError {
	if refusal := new(apiError); errors.As(err, &refusal) {
		return refusal
	}
	return errInternal
}

// ask runs the checks that all endpoints share, then the endpoint.
func (s *Server) ask(r *http.Request, name string, e endpoint) (any, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &apiError{status: http.StatusBadRequest, code: "BAD_REQUEST", text: "The query string is malformed"}
	}
	if !s.keyHolds(r, q) {
		return nil, errKey
	}
	// HEAD is refused as well: a create must not happen without its answer.
	if r.Method != e.method {
		return nil, wrongMethod(e.method)
	}
	if answer, spoilt, err := s.spoilRead(name, e, q); spoilt {
		return answer, err
	}
	return e.answer(r, q)
}

// keyHolds compares the caller's key in constant time. A header wins over the
// query, so that a wrong header is not rescued by a right query.
func (s *Server) keyHolds(r *http.Request, q url.Values) bool {
	key := r.Header.Get("X-API-KEY")
	if key == "" {
		key = q.Get("key")
	}
	return subtle.ConstantTimeCompare([]byte(key), []byte(s.cfg.APIKey)) == 1
}

// writeError answers with an error and returns the id that it gave the request.
func (s *Server) writeError(w http.ResponseWriter, e *apiError) (request string) {
	request = s.requestID()
	body := map[string]any{
		"success": false, "error": e.text, "code": e.code, "details": map[string]string{"request_id": request},
	}
	if s.cfg.BareAnswers && (e.status == http.StatusBadRequest || e.status == http.StatusTooManyRequests) {
		delete(body, "success")
	}
	if len(e.fields) > 0 {
		body["fields"] = e.fields
	}
	if e.retryAfter > 0 && e.delayIn != "header" {
		body["retry_after"] = e.retryAfter
	}
	if e.retryAfter > 0 && (e.delayIn == "header" || e.delayIn == "both") {
		w.Header().Set("Retry-After", strconv.Itoa(e.retryAfter))
	}
	if e.allow != "" {
		w.Header().Set("Allow", e.allow)
	}
	writeJSON(w, e.status, body)
	return request
}

// requestID is a new name for a request that is refused. No two are equal, also
// after a restart.
func (s *Server) requestID() string {
	mac := hmac.New(sha256.New, s.linkKey)
	fmt.Fprintf(mac, "request %d", s.requests.Add(1))
	return "req_" + hex.EncodeToString(mac.Sum(nil)[:8])
}

// writeJSON cannot fail on the values this package gives it; an error while
// writing means the caller has gone.
func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func (f file) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", f.kind)
	// What pages left here must not run as if it were ours.
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "sandbox")
	if f.disposition != "" {
		w.Header().Set("Content-Disposition", f.disposition)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(f.data)))
	_, _ = w.Write(f.data)
}
