package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestOutputs(t *testing.T) {
	requests := make(chan string, 1)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests <- r.Method + " " + r.RequestURI
		w.Header().Set("Content-Type", "application/octet-stream")
		if r.URL.Path == "/api/v1/screenshot/pdf" {
			io.WriteString(w, "%PDF-")
		}
		io.WriteString(w, "bytes of "+r.URL.Path)
	})
	for path, download := range map[string]func(context.Context, string) (*Download, error){
		"/api/v1/screenshot/html":  c.HTML,
		"/api/v1/screenshot/pdf":   c.PDF,
		"/api/v1/screenshot/video": c.Video,
		"/api/v1/batch/download":   c.DownloadBatch,
	} {
		d, err := download(t.Context(), "a b")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(d.Body)
		d.Body.Close()
		if got := <-requests; got != "GET "+path+"?id=a+b" || !strings.HasSuffix(string(body), "bytes of "+path) || err != nil {
			t.Errorf("requested %s, read %q, %v", got, body, err)
		}
		if _, err := download(t.Context(), ""); !errors.As(err, new(*ParamError)) {
			t.Errorf("%s without an id: got %v, want a ParamError", path, err)
		}
	}
}

func TestDelete(t *testing.T) {
	requests := make(chan string, 1)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests <- r.Method + " " + r.RequestURI
		io.WriteString(w, `{"success":true}`)
	})
	for scope, data := range map[Scope]string{
		"": "all", ScopeAll: "all", ScopeImage: "image", ScopeMetadata: "metadata", ScopeURL: "url", "novel": "novel",
	} {
		if err := c.Delete(t.Context(), "7", scope); err != nil {
			t.Errorf("%q: %v", scope, err)
		}
		if got, want := <-requests, "GET /api/v1/screenshot/delete?data="+data+"&id=7"; got != want {
			t.Errorf("requested %s, want %s", got, want)
		}
	}
	if err := c.Delete(t.Context(), "", ScopeAll); !errors.As(err, new(*ParamError)) {
		t.Errorf("without an id: got %v, want a ParamError", err)
	}
	gone := serve(t, answer(404, `{"success":false,"error":"unknown"}`))
	if err := gone.Delete(t.Context(), "7", ScopeAll); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted before: got %v, want ErrNotFound", err)
	}
	broken := serve(t, answer(500, ``))
	err := broken.Delete(t.Context(), "7", ScopeAll)
	if errors.As(err, new(*InDoubtError)) || !errors.As(err, new(*APIError)) {
		t.Errorf("500: got %v, want an APIError that is not in doubt", err)
	}
}
