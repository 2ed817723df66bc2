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

// apiError is a response with success=false.
type apiError struct {
	status     int
	code       string
	text       string
	fields     map[string][]string // problems by parameter; may be nil
	retryAfter int                 // seconds; 0 if the error names no delay
	delayIn    string              // body, header or both; empty means body, as documented
	allow      string              // value of the Allow header; empty unless the method was wrong
}

// Error returns the text that the API's caller sees.
func (e *apiError) Error() string { return e.text }

// Errors that do not depend on the request.
var (
	errKey        = &apiError{status: http.StatusUnauthorized, code: "INVALID_API_KEY", text: "Invalid or missing API key"}
	errPath       = &apiError{status: http.StatusNotFound, code: "NOT_FOUND", text: "No such endpoint"}
	errUnknown    = &apiError{status: http.StatusNotFound, code: "NOT_FOUND", text: "Screenshot not found"}
	errNotReady   = &apiError{status: http.StatusNotFound, code: "NOT_FOUND", text: "Screenshot not found or not ready"}
	errProcessing = &apiError{status: http.StatusConflict, code: "NOT_READY", text: "The screenshot is still processing"}
	errCredits    = &apiError{status: http.StatusUnprocessableEntity, code: "INSUFFICIENT_CREDITS", text: "Not enough credits"}
	errFull       = &apiError{status: http.StatusTooManyRequests, code: "RATE_LIMIT_EXCEEDED", text: "Too many screenshots in progress", retryAfter: 1}
	errClosed     = &apiError{status: http.StatusServiceUnavailable, code: "UNAVAILABLE", text: "The sandbox is shutting down"}
	errInternal   = &apiError{status: http.StatusInternalServerError, code: "INTERNAL_ERROR", text: "Internal error"}
)

// missingParam returns the error for a required parameter that is missing.
func missingParam(name string) *apiError {
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

// answer handles one API call. It returns a rawAnswer, a value that becomes the
// data of the envelope, or an error.
type answer func(r *http.Request, q url.Values) (any, error)

// rawAnswer is a response that is sent without the envelope.
type rawAnswer interface{ write(w http.ResponseWriter) }

// file is a rendered output as a response.
type file struct {
	kind        string // MIME type
	data        []byte
	disposition string // Content-Disposition; may be empty
}

// wrongMethod returns the error for a call with the wrong HTTP method.
func wrongMethod(allowed string) *apiError {
	return &apiError{
		status: http.StatusMethodNotAllowed,
		code:   "METHOD_NOT_ALLOWED",
		text:   "Only " + allowed + " is allowed here",
		allow:  allowed,
	}
}

// api returns the handler of an endpoint. The handler counts the call under name,
// checks the method and the key, and writes the response. Internal errors are
// logged here and nowhere else.
func (s *Server) api(name string, e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.store.countCall(name)
		data, err := s.call(r, name, e)
		if err != nil {
			refusal := asAPIError(err)
			s.store.countError(refusal.code)
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
		if !s.cfg.NoEnvelope {
			data = map[string]any{"success": true, "data": data}
		}
		writeJSON(w, http.StatusOK, data)
	})
}

// asAPIError returns the apiError that err wraps, or errInternal if there is
// none.
func asAPIError(err error) *apiError {
	if refusal := new(apiError); errors.As(err, &refusal) {
		return refusal
	}
	return errInternal
}

// call runs the checks that all endpoints share and then the endpoint.
func (s *Server) call(r *http.Request, name string, e endpoint) (any, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &apiError{status: http.StatusBadRequest, code: "BAD_REQUEST", text: "The query string is malformed"}
	}
	if !s.validKey(r, q) {
		return nil, errKey
	}
	// HEAD is refused as well. Otherwise a HEAD request could create a screenshot
	// whose response body is lost.
	if r.Method != e.method {
		return nil, wrongMethod(e.method)
	}
	if answer, faulty, err := s.applyReadFaults(name, e, q); faulty {
		return answer, err
	}
	return e.answer(r, q)
}

// validKey reports whether the request has the right key, in constant time. A key
// in the header takes precedence over one in the query, so a wrong header fails
// even if the query has the right key.
func (s *Server) validKey(r *http.Request, q url.Values) bool {
	key := r.Header.Get("X-API-KEY")
	if key == "" {
		key = q.Get("key")
	}
	return subtle.ConstantTimeCompare([]byte(key), []byte(s.cfg.APIKey)) == 1
}

// writeError writes an error response and returns the request id in it.
func (s *Server) writeError(w http.ResponseWriter, e *apiError) (request string) {
	request = s.requestID()
	body := map[string]any{
		"success": false, "error": e.text, "code": e.code, "details": map[string]string{"request_id": request},
	}
	if s.cfg.NoEnvelope && (e.status == http.StatusBadRequest || e.status == http.StatusTooManyRequests) {
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

// requestID returns a new id for a refused request. Ids do not repeat, even after
// a restart.
func (s *Server) requestID() string {
	mac := hmac.New(sha256.New, s.linkKey)
	fmt.Fprintf(mac, "request %d", s.requests.Add(1))
	return "req_" + hex.EncodeToString(mac.Sum(nil)[:8])
}

// writeJSON writes value as a JSON response. The values of this package can
// always be marshaled. A write error means that the client has disconnected.
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
	// Keep HTML from a rendered page from running in the sandbox's origin.
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "sandbox")
	if f.disposition != "" {
		w.Header().Set("Content-Disposition", f.disposition)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(f.data)))
	_, _ = w.Write(f.data)
}
