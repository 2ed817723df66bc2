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
	// minHead is the number of bytes to wait for before the type of an output is
	// detected. It is enough for all of the vendor's image formats.
	minHead  = 16
	maxHead  = 512 // http.DetectContentType uses no more
	maxShown = 48  // runes of an unexpected body that are quoted in an error
)

// content is an expected type of download. The function detect returns the media
// type for a Content-Type and the first bytes, and whether they are valid for
// this content.
type content struct {
	name   string
	detect func(contentType string, head []byte) (string, bool)
}

var (
	image    = content{"an image", ImageType}
	page     = content{"HTML", PageType}
	document = content{"a PDF document", DocumentType}
	video    = content{"a video", fileType}
	archive  = content{"an archive", fileType}
)

// ImageType returns the media type of an image with the given Content-Type and
// first bytes, and false if they are not those of an image. The first bytes decide.
// Only if their format is not known, an image type in the Content-Type is accepted.
func ImageType(contentType string, head []byte) (string, bool) {
	seen := sniff(head)
	declared := strings.HasPrefix(mediaType(contentType), "image/")
	switch {
	case len(head) == 0 || isJSON(contentType, head):
		return "", false
	case strings.HasPrefix(seen, "image/") && !declared:
		return seen, true
	case strings.HasPrefix(seen, "image/"), seen == "application/octet-stream":
		return contentType, declared
	}
	return "", false
}

// PageType is like ImageType for HTML. It accepts any text except JSON.
func PageType(contentType string, head []byte) (string, bool) {
	return contentType, len(head) > 0 && !isJSON(contentType, head) && strings.HasPrefix(sniff(head), "text/")
}

// DocumentType is like ImageType for PDF.
func DocumentType(_ string, head []byte) (string, bool) {
	return "application/pdf", bytes.HasPrefix(head, []byte("%PDF-"))
}

// fileType accepts any content that is not text.
func fileType(contentType string, head []byte) (string, bool) {
	return contentType, len(head) > 0 && !isJSON(contentType, head) &&
		!strings.HasPrefix(mediaType(contentType), "text/") && sniff(head) != "text/html"
}

// sniff returns the media type according to the first bytes of a file.
func sniff(head []byte) string {
	if len(head) >= 12 && (string(head[4:12]) == "ftypavif" || string(head[4:12]) == "ftypavis") {
		return "image/avif"
	}
	return mediaType(http.DetectContentType(head))
}

// mediaType returns a Content-Type without its parameters, or "" if it is
// malformed.
func mediaType(contentType string) string {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return ""
	}
	return kind
}

// isJSON reports whether a download is JSON, such as an error response. It does
// not rely on the Content-Type alone, because such a response can have any type.
func isJSON(contentType string, head []byte) bool {
	kind := mediaType(contentType)
	if kind == "application/json" || kind == "text/json" || strings.HasSuffix(kind, "+json") {
		return true
	}
	inside, ok := bytes.CutPrefix(bytes.TrimSpace(head), []byte("{"))
	inside = bytes.TrimSpace(inside)
	return ok && (len(inside) == 0 || inside[0] == '"' || inside[0] == '}')
}

// readHead returns the first bytes of a download, or all of them if the download
// is short.
func readHead(body io.Reader) ([]byte, error) {
	head := make([]byte, maxHead)
	n, err := io.ReadAtLeast(body, head, minHead)
	if err == io.EOF || err == io.ErrUnexpectedEOF { // the body has ended; the connection did not break
		err = nil
	}
	return head[:n], err
}

// contentError returns the error for a 200 response with unexpected content. If
// the body is a refusal, it returns the error for the refusal, otherwise a
// CallError that quotes the start of the body.
func (c *Client) contentError(k call, resp *http.Response, body io.Reader) error {
	data, _ := io.ReadAll(io.LimitReader(body, maxErrorResponse)) // a partial body is enough
	if isRefusal(data) {
		resp.Body = io.NopCloser(bytes.NewReader(data))
		return c.refusal(k, resp)
	}
	if len(data) == 0 {
		return c.callError(k.op, errors.New("the response is empty"))
	}
	kind := cmp.Or(c.excerpt(resp.Header.Get("Content-Type")), "of no type")
	return c.callError(k.op, fmt.Errorf("the response is not %s but %s: \"%s\"", k.content.name, kind, c.excerpt(string(data))))
}

// excerpt is clean with a lower limit. It cuts the text last, so that it cannot
// leave a part of the key.
func (c *Client) excerpt(s string) string {
	s = c.clean(s)
	if runes := []rune(s); len(runes) > maxShown {
		s = string(runes[:maxShown]) + textCut
	}
	return s
}

// isRefusal reports whether a body is a JSON object that contains an error.
func isRefusal(body []byte) bool {
	env, err := parseEnvelope(body)
	if err != nil || bytes.TrimSpace(body)[0] != '{' {
		return false
	}
	r := readRefusal(body)
	return env.refused || r.message != "" || r.code != ""
}
