package receiver

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"shotline/receiver/signature"
)

// Result is the result of one request. It is used as a label of metrics.
type Result string

// The results.
const (
	Accepted       Result = "accepted"
	WrongMethod    Result = "method"
	WrongEncoding  Result = "encoding"
	TooLarge       Result = "too_large"
	Aborted        Result = "aborted" // the sender disconnected or was too slow
	WrongSignature Result = "signature"
	Malformed      Result = "malformed"
	NotStored      Result = "not_kept" // the inbox failed
	Busy           Result = "busy"     // Config.MaxInFlight is used up
	WrongPath      Result = "path"     // see HandleWrongPath
)

// Results lists all results.
var Results = []Result{
	Accepted, WrongMethod, WrongEncoding, TooLarge, Aborted, WrongSignature, Malformed, NotStored, Busy, WrongPath,
}

var statuses = map[Result]int{
	Accepted:       http.StatusOK,
	WrongMethod:    http.StatusMethodNotAllowed,
	WrongEncoding:  http.StatusUnsupportedMediaType,
	TooLarge:       http.StatusRequestEntityTooLarge,
	Aborted:        http.StatusBadRequest, // 408 if the sender was too slow, see status
	WrongSignature: http.StatusUnauthorized,
	Malformed:      http.StatusBadRequest,
	NotStored:      http.StatusServiceUnavailable,
	Busy:           http.StatusServiceUnavailable,
	WrongPath:      http.StatusNotFound,
}

var (
	jsonType = []string{"application/json"} // shared to avoid an allocation per response
	accepted = []byte(`{"status":"accepted"}` + "\n")
)

// respond writes the response. It does not reveal internal errors.
func (r Result) respond(w http.ResponseWriter, err error) {
	h := w.Header()
	h["Content-Type"] = jsonType
	if r == Accepted {
		_, _ = w.Write(accepted) // ignore the error: a disconnected sender will repeat the webhook
		return
	}
	if r.bodyUnread(err) {
		h.Set("Connection", "close") // otherwise net/http would read the rest of the body before it responds
	}
	text := ""
	switch r {
	case WrongMethod:
		h.Set("Allow", http.MethodPost)
	case NotStored, Busy:
		h.Set("Retry-After", "2")
		text = "cannot be stored now, send it again"
	case WrongPath:
		text = "webhooks are accepted at another path"
	}
	if text == "" {
		text = err.Error()
	}
	body, _ := json.Marshal(map[string]string{"error": text}) // cannot fail
	body = append(body, '\n')
	h.Set("Content-Length", strconv.Itoa(len(body))) // lets the client read the whole response while the rest of the body is unread
	w.WriteHeader(r.status(err))
	_, _ = w.Write(body)
}

// status returns the HTTP status for a result. It is 408 if the sender was too
// slow, so that the sender repeats the request.
func (r Result) status(err error) int {
	if errors.Is(err, errSlow) {
		return http.StatusRequestTimeout
	}
	return statuses[r]
}

// bodyUnread reports whether the body might not have been read to its end.
func (r Result) bodyUnread(err error) bool {
	switch r {
	case WrongMethod, WrongEncoding, TooLarge, Aborted, Busy, WrongPath:
		return true
	case WrongSignature:
		return !errors.Is(err, signature.ErrMismatch) // a mismatch is detected only after the whole body was read
	}
	return false
}
