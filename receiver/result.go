package receiver

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"shotline/receiver/signature"
)

// Result is what became of one request; a label for metrics.
type Result string

// The results.
const (
	Accepted       Result = "accepted"
	WrongMethod    Result = "method"
	WrongEncoding  Result = "encoding"
	TooLarge       Result = "too_large"
	Aborted        Result = "aborted" // the sender went away or was too slow
	WrongSignature Result = "signature"
	Malformed      Result = "malformed"
	NotKept        Result = "not_kept" // trouble with our disk
	Busy           Result = "busy"     // Config.MaxInFlight is used up
	WrongPath      Result = "path"     // see Misdirected
)

// Results lists every result.
var Results = []Result{
	Accepted, WrongMethod, WrongEncoding, TooLarge, Aborted, WrongSignature, Malformed, NotKept, Busy, WrongPath,
}

var statuses = map[Result]int{
	Accepted:       http.StatusOK,
	WrongMethod:    http.StatusMethodNotAllowed,
	WrongEncoding:  http.StatusUnsupportedMediaType,
	TooLarge:       http.StatusRequestEntityTooLarge,
	Aborted:        http.StatusBadRequest, // 408 to those who may still listen, see status
	WrongSignature: http.StatusUnauthorized,
	Malformed:      http.StatusBadRequest,
	NotKept:        http.StatusServiceUnavailable,
	Busy:           http.StatusServiceUnavailable,
	WrongPath:      http.StatusNotFound,
}

var (
	jsonType = []string{"application/json"} // shared, so that a good answer needs no allocation
	accepted = []byte(`{"status":"accepted"}` + "\n")
)

// answer writes the response. Whatever went wrong inside of us is not told.
func (r Result) answer(w http.ResponseWriter, err error) {
	h := w.Header()
	h["Content-Type"] = jsonType
	if r == Accepted {
		_, _ = w.Write(accepted) // a sender that is gone will send it again
		return
	}
	if r.leavesBody(err) {
		h.Set("Connection", "close") // else net/http would read on before it answers
	}
	text := ""
	switch r {
	case WrongMethod:
		h.Set("Allow", http.MethodPost)
	case NotKept, Busy:
		h.Set("Retry-After", "2")
		text = "cannot be kept now, send it again"
	case WrongPath:
		text = "webhooks are taken at another path"
	}
	if text == "" {
		text = err.Error()
	}
	body, _ := json.Marshal(map[string]string{"error": text}) // cannot fail
	body = append(body, '\n')
	h.Set("Content-Length", strconv.Itoa(len(body))) // the answer is whole before the rest of the body is read
	w.WriteHeader(r.status(err))
	_, _ = w.Write(body)
}

// status is the HTTP status for a result. Whoever was too slow is asked to repeat.
func (r Result) status(err error) int {
	if errors.Is(err, errSlow) {
		return http.StatusRequestTimeout
	}
	return statuses[r]
}

// leavesBody reports whether the request may not have been read to its end.
func (r Result) leavesBody(err error) bool {
	switch r {
	case WrongMethod, WrongEncoding, TooLarge, Aborted, Busy, WrongPath:
		return true
	case WrongSignature:
		return !errors.Is(err, signature.ErrMismatch) // which it takes the whole body to see
	}
	return false
}
