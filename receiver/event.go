package receiver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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
	Event        string `json:"event"`
	Status       string `json:"status"`
	ScreenshotID given  `json:"screenshot_id"`
	ImageURL     given  `json:"image_url"`
	Error        given  `json:"error"`
	Reason       given  `json:"reason"`
	Message      given  `json:"message"`
}

// given is a field of any type, as it is written. A null leaves what an earlier
// field of the same name gave, as it does with a string.
type given json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (g *given) UnmarshalJSON(raw []byte) error {
	if raw[0] != 'n' {
		*g = append((*g)[:0], raw...)
	}
	return nil
}

// Decode reads a webhook in either of the vendor's dialects. The delivery
// refers to body, it does not copy it; ReceivedAt is left zero.
//
// The outcome is decided in this order, what is signed before what is not:
//
//  1. The body's event, if it has one. screenshot.completed and
//     screenshot.finished are done, screenshot.failed is failed. Any other
//     event (batch.finished, app.upload.finished, one of next year) closes
//     nothing, whatever status stands beside it.
//  2. Without an event, the body's status: done and finished are done, failed
//     and error are failed. A header that names an event of another kind, such
//     as batch.finished, makes it close nothing.
//  3. Without either, the event header.
//
// A body whose event and status contradict each other closes nothing: it is
// kept, and the vendor will be asked when the job is overdue. A picture that
// was paid for is neither invented nor thrown away on such a word.
//
// An id is needed unless an event is named that does not begin with
// "screenshot.". It is a string or a whole number and is kept exactly as
// written. Unknown fields are passed over; null is the same as absent; of a
// repeated field the last one that is not null counts. The error is
// ErrMalformed or ErrNoID.
func Decode(body []byte, header http.Header) (jobs.Delivery, error) {
	// Unmarshal takes a bare null for an empty object.
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return jobs.Delivery{}, fmt.Errorf("%w: body is not a JSON object", ErrMalformed)
	}
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		return jobs.Delivery{}, describe(err)
	}
	id, err := screenshotID(p.ScreenshotID)
	if err != nil {
		return jobs.Delivery{}, err
	}
	event := p.Event
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
		ImageURL:     imageURL(p.ImageURL),
		Body:         body,
	}
	if d.Outcome == jobs.OutcomeFailed {
		d.Error = reason(p)
	}
	return d, nil
}

// outcome applies the order that Decode documents; named is the event of body
// or header.
func outcome(p payload, named string) jobs.Outcome {
	byEvent, byStatus := eventOutcome(named), statusOutcome(p.Status)
	switch {
	case !aboutScreenshot(named):
		return jobs.OutcomeNone
	case p.Event != "" && byStatus != jobs.OutcomeNone && byStatus != byEvent:
		return jobs.OutcomeNone
	case p.Event != "" || p.Status == "":
		return byEvent
	}
	return byStatus
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
	}
	return id, nil
}

// reason finds why a screenshot failed. No source says where it stands, so the
// likely places are tried: error, as text or as an object with a message, then
// reason, then message.
func reason(p payload) string {
	candidates := []string{text(p.Error)}
	if len(p.Error) > 0 && p.Error[0] == '{' {
		var nested struct {
			Message given `json:"message"`
		}
		if json.Unmarshal(p.Error, &nested) == nil {
			candidates = append(candidates, text(nested.Message))
		}
	}
	for _, s := range append(candidates, text(p.Reason), text(p.Message)) {
		if s = bounded(s, maxReason); s != "" {
			return s
		}
	}
	return ""
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

// describe says what is wrong with a body without quoting it, as errors of
// encoding/json do.
func describe(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%w: %s is not a string", ErrMalformed, wrong.Field)
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
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
