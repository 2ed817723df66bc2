package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

const (
	pngStart  = "\x89PNG\r\n\x1a\n and more"
	webpStart = "RIFF\x10\x00\x00\x00WEBPVP8 and more"
	avifStart = "\x00\x00\x00\x1cftypavif and more"
)

// A 200 response is accepted only if its content fits the requested output.
func TestDownloadsHaveTheRequestedContent(t *testing.T) {
	const portal = "<!DOCTYPE html><html><title>Sign in to the network</title>"
	none := http.CanonicalHeaderKey("none")
	for name, tc := range map[string]struct {
		mediaType, body string
		good            string // outputs that accept the response
		as              string // resulting media type; empty: the Content-Type of the response
	}{
		"png":                    {"image/png", pngStart, "thumbnail video batch", ""},
		"png with a parameter":   {"image/png; x=1", pngStart, "thumbnail video batch", ""},
		"svg":                    {"image/svg+xml", "<svg>", "html video batch", ""},
		"png as bytes":           {"application/octet-stream", pngStart, "thumbnail video batch", "image/png"},
		"png without a type":     {none, pngStart, "thumbnail video batch", "image/png"},
		"jpeg as bytes":          {"binary/octet-stream", "\xff\xd8\xff\xe0 and more", "thumbnail video batch", "image/jpeg"},
		"webp as bytes":          {"application/octet-stream", webpStart, "thumbnail video batch", "image/webp"},
		"avif as bytes":          {"application/octet-stream", avifStart, "thumbnail video batch", "image/avif"},
		"a portal":               {"text/html; charset=utf-8", portal, "html", ""},
		"a portal as an image":   {"image/png", portal, "html", ""},
		"a portal without type":  {none, "\n " + portal, "html", ""},
		"text as an image":       {"image/png", "upstream timed out", "html video batch", ""},
		"text":                   {"text/plain", "try again", "html", ""},
		"empty":                  {"image/png", "", "", ""},
		"empty page":             {"text/html", "", "", ""},
		"empty without a type":   {none, "", "", ""},
		"pdf":                    {"application/pdf", "%PDF-1.4 and more", "pdf video batch", ""},
		"pdf as bytes":           {"application/octet-stream", "%PDF-1.4 and more", "pdf video batch", "application/pdf"},
		"no pdf":                 {"application/pdf", "PDF-1.4 and more", "html video batch", ""},
		"zip":                    {"application/zip", "PK\x03\x04 and more", "video batch", ""},
		"mp4":                    {"video/mp4", "\x00\x00\x00\x1cftypmp42 and more", "video batch", ""},
		"json":                   {"application/json", `{"id":1}`, "", ""},
		"json that is no object": {"application/json", `[1,2]`, "", ""},
		"json as text":           {"text/json", `{"title":"no"}`, "", ""},
		"problem":                {"application/problem+json; charset=utf-8", `{"title":"no"}`, "", ""},
		"json without a type":    {none, ` { "title":"no"}`, "", ""},
		"json as a page":         {"text/html", `{"title":"no"}`, "", ""},
		"json as an image":       {"image/png", `{"title":"no"}`, "", ""},
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", tc.mediaType)
			if tc.mediaType == none {
				w.Header()["Content-Type"] = nil
			}
			io.WriteString(w, tc.body)
		})
		for output, download := range map[string]func(context.Context, string) (*Download, error){
			"thumbnail": func(ctx context.Context, id string) (*Download, error) {
				return c.Thumbnail(ctx, id, ThumbnailOptions{})
			},
			"html": c.HTML, "pdf": c.PDF, "video": c.Video, "batch": c.DownloadBatch,
		} {
			d, err := download(t.Context(), "1")
			if !strings.Contains(tc.good, output) {
				_, again := OutputRetryPolicy(nil).Next(err, 1)
				if err == nil || !again || !errors.As(err, new(*CallError)) {
					t.Errorf("%s as %s: got %v, want a CallError that can be retried", name, output, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s as %s: %v", name, output, err)
				continue
			}
			if got, err := io.ReadAll(d.Body); string(got) != tc.body || err != nil {
				t.Errorf("%s as %s: read %q, %v", name, output, got, err)
			}
			d.Body.Close()
			if tc.as != "" && (output == "thumbnail" || output == "pdf") && d.ContentType != tc.as {
				t.Errorf("%s as %s: content type %s", name, output, d.ContentType)
			}
		}
	}
}

// A refusal is recognized with any Content-Type.
func TestRefusalsInsteadOfOutputs(t *testing.T) {
	for _, mediaType := range []string{"text/html", "text/plain", "application/problem+json", "image/png"} {
		c := serve(t, answer(200, `{"success":false,"error":"wait","code":"NOT_READY"}`, "Content-Type", mediaType))
		if _, err := c.Thumbnail(t.Context(), "1", ThumbnailOptions{}); !errors.Is(err, ErrNotReady) {
			t.Errorf("%s: %v", mediaType, err)
		}
	}
}

// The error quotes the start of an unexpected body, without the key.
func TestErrorsQuoteUnexpectedContent(t *testing.T) {
	for name, tc := range map[string]struct{ mediaType, body, want string }{
		"page": {"text/html", "<html>\n<title>Sign in</title>", `get thumbnail: the response is not an image but text/html: "<html> <title>Sign in</title>"`},
		"long": {"text/html", "<html>" + strings.Repeat("x", 1<<20), `"<html>` + strings.Repeat("x", 42) + `…"`},
		"key":  {"text/html", "<html> " + canary, `"<html> [key]"`},
		"key cut by the limit": {
			"text/html", "<html>" + strings.Repeat("x", 40) + canary, `"<html>` + strings.Repeat("x", 40) + `[k…"`,
		},
		"key as type": {"text/" + canary, "x", `but text/[key]`},
		"empty":       {"image/png", "", "get thumbnail: the response is empty"},
	} {
		c := serve(t, answer(200, tc.body, "Content-Type", tc.mediaType))
		_, err := c.Thumbnail(t.Context(), "1", ThumbnailOptions{})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v\nwant it to contain %s", name, err, tc.want)
			continue
		}
		checkRedacted(t, err)
	}
}
