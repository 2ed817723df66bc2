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
	codeCredits     = "CREDIT" // a part of it
	codeNotReady    = "NOT_READY"

	maxText   = 300 // runes of vendor text in an error
	maxFields = 20  // parameters complained about, and complaints for each
	maxDelay  = 24 * time.Hour

	hiddenKey     = "[key]"
	hiddenAddress = "[address]"
	textCut       = "…"
	noFieldText   = "not accepted"
)

// codesInvalid are the codes of a request that is wrong in itself.
var codesInvalid = []string{"VALIDATION_ERROR", "INVALID_PARAMS", "MISSING_PARAMS"}

// refusalBody is an error answer as documented, {"success":false,"error":"…",
// "code":"…","fields":{…},"retry_after":…,"details":{"request_id":"…"}}, with
// room for the variations that a gateway or another version may bring: some
// answers come without "success".
type refusalBody struct {
	message string
	code    string
	fields  map[string][]string
	delay   time.Duration
	request string // its id
}

// readRefusal never fails: what it cannot read as JSON becomes the message.
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

// requestID is the id that the vendor gave the request, in details or beside it.
func requestID(object map[string]json.RawMessage) string {
	var details map[string]json.RawMessage
	_ = json.Unmarshal(object["details"], &details) // details of another form hold no id
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

// apiError reads a refusal; a 429, or the code for it, becomes a RateLimitError.
func (c *Client) apiError(op string, resp *http.Response, body []byte) error {
	r := readRefusal(body)
	api := &APIError{
		Op: op, Status: resp.StatusCode, Code: c.clean(r.code), Message: c.clean(r.message), RequestID: c.clean(r.request),
	}
	if resp.StatusCode >= 300 && resp.StatusCode <= 399 {
		// Its body is a page for people.
		api.Message = c.clean("redirected"+whereTo(resp)) + ", which is not followed; check the base URL"
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

// whereTo names the host that a redirect leads to. The rest of its address may
// repeat our query, or be a signed link.
func whereTo(resp *http.Response) string {
	target, err := resp.Location()
	if err != nil || target.Hostname() == "" {
		return ""
	}
	return fmt.Sprintf(" to %s (%s)", target.Host, target.Scheme)
}

// retryAfter reads a Retry-After header, in seconds or as a date.
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

// callError wraps the cause of a call without an answer. http.Client puts the
// address, and with it the query, into its errors; only what happened is kept.
func (c *Client) callError(op string, cause error) *CallError {
	var addressed *url.Error
	if errors.As(cause, &addressed) {
		cause = addressed.Err
	}
	text := addresses.ReplaceAllLiteralString(cause.Error(), hiddenAddress)
	return &CallError{Op: op, text: c.clean(text), cause: cause}
}

// addresses may be signed links, or ours with its query: net/http quotes a
// Location header that it cannot parse.
var addresses = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"]*`)

// spellings matches a key as it is, and with any of its characters escaped as in
// a URL or in JSON: the vendor, or whatever stands in front of it, may quote the
// request in its own way.
func spellings(key string) *regexp.Regexp {
	var pattern strings.Builder
	for i := range len(key) {
		fmt.Fprintf(&pattern, `(?:\\?%s|%%(?i:%02x))`, regexp.QuoteMeta(key[i:i+1]), key[i])
	}
	return regexp.MustCompile(pattern.String())
}

// hide puts a word in place of the key.
func (c *Client) hide(s string) string { return c.spellings.ReplaceAllLiteralString(s, hiddenKey) }

// clean makes outside text fit for an error: without the key, on one line,
// short, valid UTF-8. The key goes first, so that no cut can leave half of it.
func (c *Client) clean(s string) string {
	s = c.hide(strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if runes := []rune(s); len(runes) > maxText {
		s = string(runes[:maxText]) + textCut
	}
	return s
}
