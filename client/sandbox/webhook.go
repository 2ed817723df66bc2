package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
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

// notice is the content of a webhook. Every attempt sends the same bytes.
type notice struct {
	event string
	body  []byte
}

// noticeBody is the JSON of both dialects. Only dialect B has the fields at the
// end. The id is a string although the API's is a number, as in the vendor's
// documentation.
type noticeBody struct {
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

// noticeOf returns the notice of a screenshot's result in the configured dialect.
// In dialect A a failure has no reason, because none is documented.
func (s *Server) noticeOf(shot *screenshot, r Rendering, failure string) notice {
	body := noticeBody{
		Event:        "screenshot.completed",
		ScreenshotID: strconv.FormatInt(shot.id, 10),
		URL:          shot.render.URL,
		Status:       "done",
		CreatedAt:    webhookTime(shot.createdAt),
	}
	if s.cfg.Dialect == DialectB {
		body.Event, body.Status = "screenshot.finished", statusFinished
		body.Metadata = map[string]string{"title": r.Title}
		if len(r.Shots) > 0 {
			body.Width, body.Height = r.Shots[0].Width, r.Shots[0].Height
		}
		body.Error = failure
	}
	if failure == "" {
		body.ImageURL = orNull(s.base.Load().url + s.imagePath(shot.id, formatOf(r.Shots)))
	} else {
		body.Event, body.Status = "screenshot.failed", "failed"
		if s.cfg.Dialect == DialectB {
			body.Status = statusError
		}
	}
	// Strings, numbers and a map of strings can always be marshaled.
	raw, _ := json.Marshal(body)
	return notice{event: body.Event, body: raw}
}

// opposite returns a notice that reports the opposite of a screenshot's result.
func (s *Server) opposite(shot *screenshot, r Rendering, failure string) notice {
	if failure != "" {
		return s.noticeOf(shot, r, "")
	}
	return s.noticeOf(shot, r, "page did not load")
}

// headers sets the headers of a webhook request.
func (d Dialect) headers(h http.Header, n notice, secret string) {
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "ScreenshotCenter-Sandbox/1")
	name := "X-Signature"
	if d == DialectB {
		name = "X-ScreenshotCenter-Signature"
		h.Set("X-ScreenshotCenter-Event", n.event)
	}
	if secret != "" {
		h.Set(name, sign(secret, n.body))
	}
}

// sign returns the vendor's signature: HMAC-SHA256 of the raw body in lower-case
// hex. The code is not shared with the receiver's package. If both used the same
// code, tests would not find a mistake in it.
func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}
