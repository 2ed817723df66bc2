package sandbox

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Dialect is one of the two documented formats of the vendor's webhooks.
type Dialect string

const (
	// DialectA is the format of the guide and the help page: header X-Signature,
	// event screenshot.completed, status done.
	DialectA Dialect = "A"
	// DialectB is the format of the product page: headers
	// X-ScreenshotCenter-Signature and X-ScreenshotCenter-Event, event
	// screenshot.finished, status finished, and additional fields.
	DialectB Dialect = "B"
)

// ParseDialect parses A or B, ignoring case.
func ParseDialect(text string) (Dialect, error) {
	switch d := Dialect(strings.ToUpper(text)); d {
	case DialectA, DialectB:
		return d, nil
	}
	return "", fmt.Errorf("sandbox: webhook dialect must be A or B, not %q", text)
}

// Webhook is the content of a webhook. Every attempt sends the same bytes.
type Webhook struct {
	Event string // for the event header of dialect B; empty if it is not known
	Body  []byte
}

// Report is what a webhook says about a screenshot.
type Report struct {
	ID        string
	URL       string
	Failed    bool
	Status    string    // empty: the word of the dialect
	ImageURL  string    // empty: null
	CreatedAt time.Time // of the screenshot
	// Only dialect B has these fields. In dialect A a failure has no reason, because
	// none is documented.
	Error         string
	Width, Height int
	Metadata      map[string]string
}

// reportBody is the JSON of both dialects. Only dialect B has the fields at the
// end. The id is a string although the API's is a number, as in the vendor's
// documentation.
type reportBody struct {
	Event        string  `json:"event"`
	ScreenshotID string  `json:"screenshot_id"`
	URL          string  `json:"url"`
	Status       string  `json:"status"`
	ImageURL     *string `json:"image_url"`
	CreatedAt    string  `json:"created_at"`

	Error    string            `json:"error,omitempty"`
	Width    int               `json:"width,omitempty"`
	Height   int               `json:"height,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Webhook returns the webhook of a screenshot's result.
func (d Dialect) Webhook(r Report) Webhook {
	body := reportBody{ScreenshotID: r.ID, URL: r.URL, ImageURL: orNull(r.ImageURL), CreatedAt: webhookTime(r.CreatedAt)}
	switch {
	case d == DialectB && r.Failed:
		body.Event, body.Status = "screenshot.failed", statusError
	case d == DialectB:
		body.Event, body.Status = "screenshot.finished", statusFinished
	case r.Failed:
		body.Event, body.Status = "screenshot.failed", "failed"
	default:
		body.Event, body.Status = "screenshot.completed", "done"
	}
	if d == DialectB {
		body.Error, body.Width, body.Height, body.Metadata = r.Error, r.Width, r.Height, r.Metadata
	}
	body.Status = cmp.Or(r.Status, body.Status)
	return newWebhook(body.Event, body)
}

// newWebhook encodes a body of strings, numbers and maps of strings. They can
// always be marshaled.
func newWebhook(event string, body any) Webhook {
	raw, _ := json.Marshal(body)
	return Webhook{Event: event, Body: raw}
}

// webhookOf returns the webhook of a screenshot's result in the configured dialect.
func (s *Server) webhookOf(shot *screenshot, r Rendering, failure string) Webhook {
	report := Report{
		ID: strconv.FormatInt(shot.id, 10), URL: shot.render.URL, CreatedAt: shot.createdAt,
		Failed: failure != "", Error: failure, Metadata: map[string]string{"title": r.Title},
	}
	if len(r.Shots) > 0 {
		report.Width, report.Height = r.Shots[0].Width, r.Shots[0].Height
	}
	if failure == "" {
		report.ImageURL = s.base.Load().url + s.imagePath(shot.id, formatOf(r.Shots))
	}
	return s.cfg.Dialect.Webhook(report)
}

// opposite returns a webhook that reports the opposite of a screenshot's result.
func (s *Server) opposite(shot *screenshot, r Rendering, failure string) Webhook {
	if failure != "" {
		return s.webhookOf(shot, r, "")
	}
	return s.webhookOf(shot, r, "page did not load")
}

// SetHeaders sets the headers of a webhook request. If the secret is empty, the
// request is not signed.
func (d Dialect) SetHeaders(h http.Header, w Webhook, secret string) {
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "ScreenshotCenter-Sandbox/1")
	name := "X-Signature"
	if d == DialectB {
		name = "X-ScreenshotCenter-Signature"
		if w.Event != "" {
			h.Set("X-ScreenshotCenter-Event", w.Event)
		}
	}
	if secret != "" {
		h.Set(name, sign(secret, w.Body))
	}
}

// WrongSecret returns a secret that is not the given one.
func WrongSecret(secret string) string { return "not " + secret }

// sign returns the vendor's signature: HMAC-SHA256 of the raw body in lower-case
// hex. The code is not shared with the receiver's package. If both used the same
// code, tests would not find a mistake in it.
func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}
