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

// HeaderEvent is the header in which the vendor's product page names the
// event, in canonical form. It is not signed.
const HeaderEvent = "X-Screenshotcenter-Event"

// Errors of Decode. They never hold content of the body.
var (
	// ErrMalformed: the body is not one JSON object with fields of the
	// documented types.
	ErrMalformed = errors.New("malformed")
	// ErrNoID: the body tells of a screenshot but does not name it.
	ErrNoID = errors.New("screenshot_id missing")
)

// Limits of what is taken over from a body, in bytes. An id beyond its limit
// is refused, an image URL left out, other text cut.
const (
	maxID       = 200
	maxEvent    = 200
	maxReason   = 1000
	maxImageURL = 8192
)

// payload is both documented dialects. What may come in several types, or does
// not matter enough to refuse a delivery over, stays raw.
type payload struct {
	event, status                        string
	id, imageURL, error, reason, message given
}

// given is a value of any type, as it is written; empty for null and for a member
// that is not there.
type given []byte

// Decode reads a webhook in either of the vendor's dialects. The delivery
// refers to body, it does not copy it; ReceivedAt is left zero.
//
// The outcome is decided by what is signed, in this order:
//
//  1. The body's event, if it has one. screenshot.completed and
//     screenshot.finished are done, screenshot.failed is failed. Any other
//     event (batch.finished, app.upload.finished, one of next year) closes
//     nothing, whatever status stands beside it.
//  2. Without an event, the body's status: done and finished are done, failed
//     and error are failed.
//  3. Without either, none: the delivery closes nothing.
//
// The event header is not signed: whoever has once seen a signed body can send it
// again with another header. It never decides an outcome, not even for a body
// without event and status. It does name the event of a body that names none, and
// if that is one of another kind, such as batch.finished, the body's status closes
// nothing.
//
// A body whose event and status contradict each other closes nothing: it is
// kept, and the vendor will be asked when the job is overdue. A picture that
// was paid for is neither invented nor thrown away on such a word.
//
// An id is needed unless an event is named that does not begin with
// "screenshot.". It is a string or a whole number and is kept exactly as
// written; one that is not UTF-8, or holds the character that stands for such
// bytes, is refused, since two of them could look the same.
//
// Names of members are those documented, letter by letter; others are passed
// over, EVENT among them. A body that has event, status or screenshot_id twice is
// refused, even with the same value or null; of another repeated member the last
// one that is not null counts. Null is the same as absent. The error is
// ErrMalformed or ErrNoID.
func Decode(body []byte, header http.Header) (jobs.Delivery, error) {
	// Unmarshal takes a bare null for an empty object.
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return jobs.Delivery{}, fmt.Errorf("%w: body is not a JSON object", ErrMalformed)
	}
	if !json.Valid(body) {
		return jobs.Delivery{}, describe(body)
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
		Event:        bounded(event, maxEvent),
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

// read finds the documented members of a JSON object.
func read(body []byte) (p payload, err error) {
	var event, status given
	var seen struct{ event, status, id bool }
	members := object{text: body}
	for name, value, more := members.next(); more; name, value, more = members.next() {
		twice := false
		switch string(unescaped(name)) {
		case "event":
			event, twice, seen.event = value, seen.event, true
		case "status":
			status, twice, seen.status = value, seen.status, true
		case "screenshot_id":
			p.id, twice, seen.id = value.orNothing(), seen.id, true
		case "image_url":
			p.imageURL = value.or(p.imageURL)
		case "error":
			p.error = value.or(p.error)
		case "reason":
			p.reason = value.or(p.reason)
		case "message":
			p.message = value.or(p.message)
		}
		if twice {
			return p, fmt.Errorf("%w: %s is given twice", ErrMalformed, unescaped(name))
		}
	}
	if p.event, err = word("event", event.orNothing()); err != nil {
		return p, err
	}
	p.status, err = word("status", status.orNothing())
	return p, err
}

// or is g, or another value if g is null.
func (g given) or(other given) given {
	if g[0] == 'n' {
		return other
	}
	return g
}

// orNothing is g, or empty if g is null.
func (g given) orNothing() given {
	if len(g) > 0 && g[0] == 'n' {
		return nil
	}
	return g
}

// word is a member that must be a string.
func word(name string, value given) (string, error) {
	if len(value) > 0 && value[0] != '"' {
		return "", fmt.Errorf("%w: %s is not a string", ErrMalformed, name)
	}
	return text(value), nil
}

// unescaped is a name as it is meant: "st\u0061tus" is status.
func unescaped(name []byte) []byte {
	if bytes.IndexByte(name, '\\') < 0 {
		return name
	}
	return []byte(text(slices.Concat(given{'"'}, name, given{'"'})))
}

// outcome applies the order that Decode documents; named is the event of body
// or header.
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

// aboutScreenshot reports whether an event tells of one screenshot. One that
// is not named does: the first documented dialect knows no others.
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

// screenshotID returns the id as text; empty when there is none.
func screenshotID(raw given) (string, error) {
	if len(raw) == 0 {
		return "", nil
	}
	var id string
	switch c := raw[0]; {
	case c == '"':
		id = text(raw)
	case c >= '0' && c <= '9':
		// A number is kept by its digits: a float64 would round large ones.
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
		return "", fmt.Errorf("%w: screenshot_id holds unprintable characters", ErrMalformed)
	case strings.ContainsRune(id, utf8.RuneError):
		return "", fmt.Errorf("%w: screenshot_id is not UTF-8", ErrMalformed)
	}
	return id, nil
}

// reason finds why a screenshot failed. No source says where it stands, so the
// likely places are tried: error, as text or as an object with a message, then
// reason, then message.
func reason(p payload) string {
	candidates := []string{text(p.error)}
	if len(p.error) > 0 && p.error[0] == '{' {
		candidates = append(candidates, text(messageOf(p.error)))
	}
	for _, s := range append(candidates, text(p.reason), text(p.message)) {
		if s = bounded(s, maxReason); s != "" {
			return s
		}
	}
	return ""
}

// messageOf is the message of an object.
func messageOf(raw given) (message given) {
	members := object{text: raw}
	for name, value, more := members.next(); more; name, value, more = members.next() {
		if string(unescaped(name)) == "message" {
			message = value.or(message)
		}
	}
	return message
}

// imageURL keeps web addresses alone: people will click on it.
func imageURL(raw given) string {
	s := text(raw)
	web := strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
	if !web || len(s) > maxImageURL || strings.ContainsFunc(s, unprintable) {
		return ""
	}
	return s
}

// text is the content of a JSON string; empty for anything else.
func text(raw given) string {
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

// bounded makes outside text fit for one line of a report: at most limit bytes,
// nothing unprintable, no space around it.
func bounded(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unprintable(r) {
			return ' '
		}
		return r
	}, cut(s, limit))
	return strings.TrimSpace(cut(s, limit)) // a byte that is no UTF-8 has become three
}

// cut shortens s to limit bytes or a few less, between two characters.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

func unprintable(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }

// describe says where a body is no JSON, without quoting it as encoding/json does.
func describe(body []byte) error {
	var any json.RawMessage
	if syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(body, &any)); ok {
		return fmt.Errorf("%w: not JSON at byte %d", ErrMalformed, syntax.Offset)
	}
	return fmt.Errorf("%w: not JSON", ErrMalformed)
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
