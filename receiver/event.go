package receiver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"shotline/jobs"
)

// HeaderEvent is the canonical name of the header that contains the event,
// according to the vendor's product page. The header is not signed.
const HeaderEvent = "X-Screenshotcenter-Event"

// Errors of Decode. They never contain parts of the body.
var (
	// ErrMalformed means that the body is not one JSON object with fields of the
	// documented types.
	ErrMalformed = errors.New("malformed")
	// ErrNoID means that the body is about a screenshot but does not contain its
	// id.
	ErrNoID = errors.New("screenshot_id missing")
)

// Limits for values from a body, in bytes. If an id is longer, the body is
// refused. If an image URL is longer, it is omitted. Other text is truncated.
const (
	maxID       = 200
	maxEvent    = 200
	maxReason   = 1000
	maxImageURL = 8192
)

// payload has the fields of both documented dialects. A field is raw if it can
// have several types, or if an unexpected type should not cause a refusal.
type payload struct {
	event, status                        string
	id, imageURL, error, reason, message rawValue
}

// rawValue is the JSON text of a value. It is empty if the value is null or
// missing.
type rawValue []byte

// Decode reads a webhook in either of the vendor's dialects. The delivery refers
// to body and does not copy it. ReceivedAt is left zero.
//
// The outcome depends only on signed data:
//
//  1. If the body has an event, the event decides. screenshot.completed and
//     screenshot.finished mean done, screenshot.failed means failed. Other
//     events (such as batch.finished, app.upload.finished or future ones) close
//     nothing, regardless of the status.
//  2. If the body has no event, its status decides: done and finished mean done,
//     failed and error mean failed.
//  3. If the body has neither, the delivery closes nothing.
//
// The event header is not signed: anyone who has seen a signed body can send it
// again with another header. The header therefore never decides the outcome, not
// even for a body without event and status. If the body has no event, however,
// the header provides the name of the event. If that event is not about a
// screenshot, such as batch.finished, the body's status closes nothing.
//
// A body with contradictory event and status closes nothing. The delivery is
// stored, and the vendor is queried when the job is overdue, so that a
// contradiction neither marks a failed job as done nor discards a paid image.
//
// An id is required unless the event has a name that does not begin with
// "screenshot.". The id is a string or a whole number and is kept exactly as
// written. It is refused if it is not valid UTF-8 or contains the replacement
// character, because two different ids could otherwise look the same.
//
// Member names must match exactly; others, such as EVENT, are ignored. A body
// that contains event, status or screenshot_id twice is refused, even if the
// values are equal or null. If another member is repeated, the last value that is
// not null counts. Null means the same as a missing member. The error is
// ErrMalformed or ErrNoID.
func Decode(body []byte, header http.Header) (jobs.Delivery, error) {
	// Unmarshal accepts null as an empty object.
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return jobs.Delivery{}, fmt.Errorf("%w: body is not a JSON object", ErrMalformed)
	}
	if !json.Valid(body) {
		return jobs.Delivery{}, syntaxError(body)
	}
	p, err := read(body)
	if err != nil {
		return jobs.Delivery{}, err
	}
	id, err := screenshotID(p.id)
	if err != nil {
		return jobs.Delivery{}, err
	}
	event := p.event
	if event == "" {
		event = first(header[HeaderEvent])
	}
	if id == "" && aboutScreenshot(event) {
		return jobs.Delivery{}, ErrNoID
	}
	d := jobs.Delivery{
		Event:        oneLine(event, maxEvent),
		ScreenshotID: id,
		Outcome:      outcome(p, event),
		ImageURL:     imageURL(p.imageURL),
		Body:         body,
	}
	if d.Outcome == jobs.OutcomeFailed {
		d.Error = reason(p)
	}
	return d, nil
}

// read reads the documented members of a JSON object.
func read(body []byte) (p payload, err error) {
	var event, status rawValue
	var seen struct{ event, status, id bool }
	members := object{text: body}
	for name, value, more := members.next(); more; name, value, more = members.next() {
		repeated := false
		switch string(unescaped(name)) {
		case "event":
			event, repeated, seen.event = value, seen.event, true
		case "status":
			status, repeated, seen.status = value, seen.status, true
		case "screenshot_id":
			p.id, repeated, seen.id = value.orEmpty(), seen.id, true
		case "image_url":
			p.imageURL = value.or(p.imageURL)
		case "error":
			p.error = value.or(p.error)
		case "reason":
			p.reason = value.or(p.reason)
		case "message":
			p.message = value.or(p.message)
		}
		if repeated {
			return p, fmt.Errorf("%w: %s is given twice", ErrMalformed, unescaped(name))
		}
	}
	if p.event, err = stringMember("event", event.orEmpty()); err != nil {
		return p, err
	}
	p.status, err = stringMember("status", status.orEmpty())
	return p, err
}

// or returns v, or other if v is null.
func (v rawValue) or(other rawValue) rawValue {
	if v[0] == 'n' {
		return other
	}
	return v
}

// orEmpty returns v, or an empty value if v is null.
func (v rawValue) orEmpty() rawValue {
	if len(v) > 0 && v[0] == 'n' {
		return nil
	}
	return v
}

// stringMember returns the value of a member that must be a string.
func stringMember(name string, value rawValue) (string, error) {
	if len(value) > 0 && value[0] != '"' {
		return "", fmt.Errorf("%w: %s is not a string", ErrMalformed, name)
	}
	return text(value), nil
}

// unescaped decodes the escapes in a name: "st\u0061tus" is status.
func unescaped(name []byte) []byte {
	if bytes.IndexByte(name, '\\') < 0 {
		return name
	}
	return []byte(text(slices.Concat(rawValue{'"'}, name, rawValue{'"'})))
}

// outcome applies the rules documented at Decode. The parameter named is the
// event from the body or the header.
func outcome(p payload, named string) jobs.Outcome {
	byEvent, byStatus := eventOutcome(p.event), statusOutcome(p.status)
	switch {
	case !aboutScreenshot(named):
		return jobs.OutcomeNone
	case p.event == "":
		return byStatus
	case byStatus != jobs.OutcomeNone && byStatus != byEvent:
		return jobs.OutcomeNone
	}
	return byEvent
}

// aboutScreenshot reports whether an event is about one screenshot. This includes
// a missing event, because the first documented dialect has no other events.
func aboutScreenshot(event string) bool {
	return event == "" || strings.HasPrefix(event, "screenshot.")
}

func eventOutcome(event string) jobs.Outcome {
	switch event {
	case "screenshot.completed", "screenshot.finished":
		return jobs.OutcomeDone
	case "screenshot.failed":
		return jobs.OutcomeFailed
	}
	return jobs.OutcomeNone
}

func statusOutcome(status string) jobs.Outcome {
	switch status {
	case "done", "finished":
		return jobs.OutcomeDone
	case "failed", "error":
		return jobs.OutcomeFailed
	}
	return jobs.OutcomeNone
}

// screenshotID returns the id as text, or "" if it is missing.
func screenshotID(raw rawValue) (string, error) {
	if len(raw) == 0 {
		return "", nil
	}
	var id string
	switch c := raw[0]; {
	case c == '"':
		id = text(raw)
	case c >= '0' && c <= '9':
		// Keep the digits of a number, because a float64 would round large ones.
		if bytes.ContainsAny(raw, ".eE") {
			return "", fmt.Errorf("%w: screenshot_id is not a whole number", ErrMalformed)
		}
		id = string(raw)
	default:
		return "", fmt.Errorf("%w: screenshot_id is neither a string nor a whole number", ErrMalformed)
	}
	switch {
	case strings.TrimSpace(id) == "":
		return "", ErrNoID
	case len(id) > maxID:
		return "", fmt.Errorf("%w: screenshot_id is longer than %d bytes", ErrMalformed, maxID)
	case strings.ContainsFunc(id, unprintable):
		return "", fmt.Errorf("%w: screenshot_id contains unprintable characters", ErrMalformed)
	case strings.ContainsRune(id, utf8.RuneError):
		return "", fmt.Errorf("%w: screenshot_id is not UTF-8", ErrMalformed)
	}
	return id, nil
}

// reason returns why a screenshot failed. The vendor does not document the field,
// so reason tries the likely ones: error, as text or as an object with a message,
// then reason, then message.
func reason(p payload) string {
	candidates := []string{text(p.error)}
	if len(p.error) > 0 && p.error[0] == '{' {
		candidates = append(candidates, text(messageOf(p.error)))
	}
	for _, s := range append(candidates, text(p.reason), text(p.message)) {
		if s = oneLine(s, maxReason); s != "" {
			return s
		}
	}
	return ""
}

// messageOf returns the member "message" of an object.
func messageOf(raw rawValue) (message rawValue) {
	members := object{text: raw}
	for name, value, more := members.next(); more; name, value, more = members.next() {
		if string(unescaped(name)) == "message" {
			message = value.or(message)
		}
	}
	return message
}

// imageURL returns a URL only if it is an HTTP or HTTPS address, because users
// will click on it.
func imageURL(raw rawValue) string {
	s := text(raw)
	web := strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
	if !web || len(s) > maxImageURL || strings.ContainsFunc(s, unprintable) {
		return ""
	}
	return s
}

// text returns the content of a JSON string, or "" for other values.
func text(raw rawValue) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// oneLine makes outside text suitable for one line of a report: at most limit
// bytes, no unprintable characters and no surrounding space.
func oneLine(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unprintable(r) {
			return ' '
		}
		return r
	}, truncate(s, limit))
	return strings.TrimSpace(truncate(s, limit)) // an invalid byte has become the three bytes of the replacement character
}

// truncate shortens s to at most limit bytes without splitting a character.
func truncate(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

func unprintable(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }

// syntaxError returns an error with the position of a JSON syntax error. Unlike
// the error of encoding/json, it does not quote the body.
func syntaxError(body []byte) error {
	var raw json.RawMessage
	if err, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(body, &raw)); ok {
		return fmt.Errorf("%w: not JSON at byte %d", ErrMalformed, err.Offset)
	}
	return fmt.Errorf("%w: not JSON", ErrMalformed)
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
