package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	codeInvalidKey  = "INVALID_API_KEY"
	codeRateLimited = "RATE_LIMIT_EXCEEDED"
	codeCredits     = "CREDIT" // matched as a part of the code
	codeNotReady    = "NOT_READY"

	maxText   = 300 // runes of vendor text in an error
	maxFields = 20  // parameters in an error, and texts per parameter
	maxDelay  = 24 * time.Hour

	hiddenKey     = "[key]"
	hiddenAddress = "[address]"
	textCut       = "…"
	noFieldText   = "not accepted"
)

// codesInvalid are the codes for an invalid request.
var codesInvalid = []string{"VALIDATION_ERROR", "INVALID_PARAMS", "MISSING_PARAMS"}

// refusalBody is an error response. The documented form is
//
//	{"success":false,"error":"…","code":"…","fields":{…},"retry_after":…,"details":{"request_id":"…"}}
//
// Some responses lack "success", and a gateway or another version might send
// other variations.
type refusalBody struct {
	message string
	code    string
	fields  map[string][]string
	delay   time.Duration
	request string // request id
}

// readRefusal reads an error response. It never fails: if the body is not a JSON
// object, the message is the whole body.
func readRefusal(body []byte) refusalBody {
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		return refusalBody{message: string(body)}
	}
	r := refusalBody{
		message: text(object["error"]),
		code:    text(object["code"]),
		fields:  readFields(object["fields"]),
		delay:   seconds(text(object["retry_after"])),
		request: requestID(object),
	}
	var nested map[string]json.RawMessage
	if json.Unmarshal(object["error"], &nested) == nil {
		r.message = text(nested["message"])
		if r.request == "" {
			r.request = requestID(nested)
		}
		if r.code == "" {
			r.code = text(nested["code"])
		}
	}
	if r.message == "" {
		r.message = text(object["message"])
	}
	return r
}

// requestID returns the vendor's request id, from "details" or from the object
// itself.
func requestID(object map[string]json.RawMessage) string {
	var details map[string]json.RawMessage
	_ = json.Unmarshal(object["details"], &details) // if details is not an object, it has no id
	if id := text(details["request_id"]); id != "" {
		return id
	}
	return text(object["request_id"])
}

func readFields(raw json.RawMessage) map[string][]string {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil || len(object) == 0 {
		return nil
	}
	fields := make(map[string][]string)
	for name, value := range object {
		if len(fields) == maxFields {
			break
		}
		list := texts(value)
		if len(list) == 0 {
			list = []string{noFieldText}
		}
		fields[name] = list[:min(len(list), maxFields)]
	}
	return fields
}

// apiError returns the error for a refusal: a RateLimitError for a 429 or the
// corresponding code, otherwise an APIError.
func (c *Client) apiError(op string, resp *http.Response, body []byte) error {
	r := readRefusal(body)
	api := &APIError{
		Op: op, Status: resp.StatusCode, Code: c.clean(r.code), Message: c.clean(r.message), RequestID: c.clean(r.request),
	}
	if resp.StatusCode >= 300 && resp.StatusCode <= 399 {
		// The body of a redirect is a page for humans.
		api.Message = c.clean("redirected"+redirectTarget(resp)) + ", which is not followed; check the base URL"
	}
	if len(r.fields) > 0 {
		api.Fields = make(map[string][]string, len(r.fields))
	}
	for name, complaints := range r.fields {
		for _, complaint := range complaints {
			name := c.clean(name)
			api.Fields[name] = append(api.Fields[name], c.clean(complaint))
		}
	}
	limited := resp.StatusCode == http.StatusTooManyRequests ||
		resp.StatusCode <= 299 && r.code == codeRateLimited
	if !limited {
		return api
	}
	delay := r.delay
	if delay == 0 {
		delay = c.retryAfter(resp.Header.Get("Retry-After"))
	}
	return &RateLimitError{Delay: delay, API: api}
}

// redirectTarget describes the host that a redirect points to. It omits the rest
// of the address, which might contain our query or be a signed link.
func redirectTarget(resp *http.Response) string {
	target, err := resp.Location()
	if err != nil || target.Hostname() == "" {
		return ""
	}
	return fmt.Sprintf(" to %s (%s)", target.Host, target.Scheme)
}

// retryAfter reads a Retry-After header, which contains seconds or a date.
func (c *Client) retryAfter(header string) time.Duration {
	if date, err := http.ParseTime(header); err == nil {
		return min(max(date.Sub(c.now()), 0), maxDelay)
	}
	return seconds(header)
}

func seconds(s string) time.Duration {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(n) || n <= 0 {
		return 0
	}
	if n > maxDelay.Seconds() {
		return maxDelay
	}
	return time.Duration(n * float64(time.Second))
}

// callError returns an error for a call without a response. http.Client includes
// the address, and with it the query, in its errors; callError keeps only the
// cause.
func (c *Client) callError(op string, cause error) *CallError {
	var addressed *url.Error
	if errors.As(cause, &addressed) {
		cause = addressed.Err
	}
	text := addresses.ReplaceAllLiteralString(cause.Error(), hiddenAddress)
	return &CallError{Op: op, text: c.clean(text), cause: cause}
}

// addresses matches addresses in errors. They might be signed links, or our own
// address with its query: net/http quotes a Location header that it cannot parse.
var addresses = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"]*`)

// keyPattern returns an expression that matches a key in which any character
// might be escaped as in a URL or in JSON. The vendor, or a proxy in front of it,
// might quote the request in an escaped form.
func keyPattern(key string) *regexp.Regexp {
	var pattern strings.Builder
	for i := range len(key) {
		fmt.Fprintf(&pattern, `(?:\\?%s|%%(?i:%02x))`, regexp.QuoteMeta(key[i:i+1]), key[i])
	}
	return regexp.MustCompile(pattern.String())
}

// redact replaces the key with a placeholder.
func (c *Client) redact(s string) string { return c.keyPattern.ReplaceAllLiteralString(s, hiddenKey) }

// clean prepares text from outside for an error: it removes the key, joins the
// lines, limits the length and makes it valid UTF-8. It removes the key first, so
// that cutting the text cannot leave a part of the key.
func (c *Client) clean(s string) string {
	s = c.redact(strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if runes := []rune(s); len(runes) > maxText {
		s = string(runes[:maxText]) + textCut
	}
	return s
}
