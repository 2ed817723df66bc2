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
	pngStart  = "\x89PNG\r\n\x1a\n and so on"
	webpStart = "RIFF\x10\x00\x00\x00WEBPVP8 and so on"
	avifStart = "\x00\x00\x00\x1cftypavif and so on"
)

// Whatever a server answers with a 200, only what can be the output is one.
func TestDownloadsAreWhatWasAskedFor(t *testing.T) {
	const portal = "<!DOCTYPE html><html><title>Sign in to the network</title>"
	none := http.CanonicalHeaderKey("none")
	for name, tc := range map[string]struct {
		mediaType, body string
		good            string // the outputs that it can be
		as              string // the media type that it then has; empty: its own
	}{
		"png":                    {"image/png", pngStart, "thumbnail video batch", ""},
		"png with a parameter":   {"image/png; x=1", pngStart, "thumbnail video batch", ""},
		"svg":                    {"image/svg+xml", "<svg>", "thumbnail html video batch", ""},
		"png as bytes":           {"application/octet-stream", pngStart, "thumbnail video batch", "image/png"},
		"png without a type":     {none, pngStart, "thumbnail video batch", "image/png"},
		"jpeg as bytes":          {"binary/octet-stream", "\xff\xd8\xff\xe0 and so on", "thumbnail video batch", "image/jpeg"},
		"webp as bytes":          {"application/octet-stream", webpStart, "thumbnail video batch", "image/webp"},
		"avif as bytes":          {"application/octet-stream", avifStart, "thumbnail video batch", "image/avif"},
		"a portal":               {"text/html; charset=utf-8", portal, "html", ""},
		"a portal as a picture":  {"image/png", portal, "html", ""},
		"a portal without type":  {none, "\n " + portal, "html", ""},
		"text":                   {"text/plain", "try again", "html", ""},
		"empty":                  {"image/png", "", "", ""},
		"empty page":             {"text/html", "", "", ""},
		"empty without a type":   {none, "", "", ""},
		"pdf":                    {"application/pdf", "%PDF-1.4 and so on", "pdf video batch", ""},
		"pdf as bytes":           {"application/octet-stream", "%PDF-1.4 and so on", "pdf video batch", "application/pdf"},
		"no pdf":                 {"application/pdf", "PDF-1.4 and so on", "html video batch", ""},
		"zip":                    {"application/zip", "PK\x03\x04 and so on", "video batch", ""},
		"mp4":                    {"video/mp4", "\x00\x00\x00\x1cftypmp42 and so on", "video batch", ""},
		"json":                   {"application/json", `{"id":1}`, "", ""},
		"json that is no object": {"application/json", `[1,2]`, "", ""},
		"json as text":           {"text/json", `{"title":"no"}`, "", ""},
		"problem":                {"application/problem+json; charset=utf-8", `{"title":"no"}`, "", ""},
		"json without a type":    {none, ` { "title":"no"}`, "", ""},
		"json as a page":         {"text/html", `{"title":"no"}`, "", ""},
		"json as a picture":      {"image/png", `{"title":"no"}`, "", ""},
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
					t.Errorf("%s as %s: got %v, want a CallError that is worth repeating", name, output, err)
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
				t.Errorf("%s as %s: it is called %s", name, output, d.ContentType)
			}
		}
	}
}

// A refusal is read as one however it is labelled.
func TestRefusalsInPlaceOfOutputs(t *testing.T) {
	for _, mediaType := range []string{"text/html", "text/plain", "application/problem+json", "image/png"} {
		c := serve(t, answer(200, `{"success":false,"error":"wait","code":"NOT_READY"}`, "Content-Type", mediaType))
		if _, err := c.Thumbnail(t.Context(), "1", ThumbnailOptions{}); !errors.Is(err, ErrNotReady) {
			t.Errorf("%s: %v", mediaType, err)
		}
	}
}

// The error says what came, in a few words and without the key.
func TestErrorsSayWhatCameInstead(t *testing.T) {
	for name, tc := range map[string]struct{ mediaType, body, said string }{
		"page": {"text/html", "<html>\n<title>Sign in</title>", `get thumbnail: the answer is not a picture but text/html: "<html> <title>Sign in</title>"`},
		"long": {"text/html", "<html>" + strings.Repeat("x", 1<<20), `"<html>` + strings.Repeat("x", 42) + `…"`},
		"key":  {"text/html", "<html> " + canary, `"<html> [key]"`},
		"a key that ends behind what is shown": {
			"text/html", "<html>" + strings.Repeat("x", 40) + canary, `"<html>` + strings.Repeat("x", 40) + `[k…"`,
		},
		"key as type": {"text/" + canary, "x", `but text/[key]`},
		"empty":       {"image/png", "", "get thumbnail: the answer is empty"},
	} {
		c := serve(t, answer(200, tc.body, "Content-Type", tc.mediaType))
		_, err := c.Thumbnail(t.Context(), "1", ThumbnailOptions{})
		if err == nil || !strings.Contains(err.Error(), tc.said) {
			t.Errorf("%s: %v\nwant it with %s", name, err, tc.said)
			continue
		}
		checkHidden(t, err)
	}
}
