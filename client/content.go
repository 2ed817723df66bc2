package client

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

const (
	// leastHead is how many first bytes of an output are waited for: they tell
	// every form of a picture that the vendor has.
	leastHead = 16
	headRoom  = 512 // http.DetectContentType looks at no more
	maxShown  = 48  // runes of a wrong answer in an error
)

// content is what a download must be: what to call it, and how to see it.
type content struct {
	name string
	of   func(contentType string, head []byte) (string, bool)
}

var (
	picture  = content{"a picture", PictureType}
	page     = content{"HTML", PageType}
	document = content{"a PDF document", DocumentType}
	video    = content{"a video", fileType}
	archive  = content{"an archive", fileType}
)

// PictureType returns the media type of a picture with the Content-Type and the
// first bytes given; false if it cannot be one. The first bytes tell it where the
// Content-Type does not.
func PictureType(contentType string, head []byte) (string, bool) {
	seen := sniff(head)
	switch {
	case len(head) == 0 || isJSON(contentType, head) || seen == "text/html":
		return "", false
	case strings.HasPrefix(mediaType(contentType), "image/"):
		return contentType, true
	}
	return seen, strings.HasPrefix(seen, "image/")
}

// PageType is PictureType for HTML: any text but JSON.
func PageType(contentType string, head []byte) (string, bool) {
	return contentType, len(head) > 0 && !isJSON(contentType, head) && strings.HasPrefix(sniff(head), "text/")
}

// DocumentType is PictureType for PDF.
func DocumentType(_ string, head []byte) (string, bool) {
	return "application/pdf", bytes.HasPrefix(head, []byte("%PDF-"))
}

// fileType takes all that is no text.
func fileType(contentType string, head []byte) (string, bool) {
	return contentType, len(head) > 0 && !isJSON(contentType, head) &&
		!strings.HasPrefix(mediaType(contentType), "text/") && sniff(head) != "text/html"
}

// sniff is the media type that the first bytes of a file tell.
func sniff(head []byte) string {
	if len(head) >= 12 && (string(head[4:12]) == "ftypavif" || string(head[4:12]) == "ftypavis") {
		return "image/avif"
	}
	return mediaType(http.DetectContentType(head))
}

// mediaType is a Content-Type without its parameters; empty if it has no form.
func mediaType(contentType string) string {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return ""
	}
	return kind
}

// isJSON tells a file from the envelope of an answer, which may come with any
// type.
func isJSON(contentType string, head []byte) bool {
	kind := mediaType(contentType)
	if kind == "application/json" || kind == "text/json" || strings.HasSuffix(kind, "+json") {
		return true
	}
	inside, ok := bytes.CutPrefix(bytes.TrimSpace(head), []byte("{"))
	inside = bytes.TrimSpace(inside)
	return ok && (len(inside) == 0 || inside[0] == '"' || inside[0] == '}')
}

// readHead returns the first bytes of a download, all of them if there are few.
func readHead(body io.Reader) ([]byte, error) {
	head := make([]byte, headRoom)
	n, err := io.ReadAtLeast(body, head, leastHead)
	if err == io.EOF || err == io.ErrUnexpectedEOF { // its end, and not a connection that broke
		err = nil
	}
	return head[:n], err
}

// unfit is the error of a 200 that is not what was asked for: the refusal that it
// holds, or else a CallError that says what it is.
func (c *Client) unfit(k call, resp *http.Response, body io.Reader) error {
	data, _ := io.ReadAll(io.LimitReader(body, maxErrorAnswer)) // what could be read is enough
	if refuses(data) {
		resp.Body = io.NopCloser(bytes.NewReader(data))
		return c.refusal(k, resp)
	}
	if len(data) == 0 {
		return c.callError(k.op, errors.New("the answer is empty"))
	}
	kind := cmp.Or(c.brief(resp.Header.Get("Content-Type")), "of no type")
	return c.callError(k.op, fmt.Errorf("the answer is not %s but %s: \"%s\"", k.content.name, kind, c.brief(string(data))))
}

// brief is clean for a few words. The cut comes last, so that it leaves no half of
// the key.
func (c *Client) brief(s string) string {
	s = c.clean(s)
	if runes := []rune(s); len(runes) > maxShown {
		s = string(runes[:maxShown]) + textCut
	}
	return s
}

// refuses reports whether a body is JSON that says why something is not given.
func refuses(body []byte) bool {
	env, err := openEnvelope(body)
	if err != nil || bytes.TrimSpace(body)[0] != '{' {
		return false
	}
	r := readRefusal(body)
	return env.refused || r.message != "" || r.code != ""
}
