package sandbox_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shotline/client/sandbox"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// goldenDir contains a file for each endpoint, with the requests of one
// conversation in order and the exact responses.
const goldenDir = "testdata"

// TestGolden records one conversation with a sandbox whose clock is fixed.
func TestGolden(t *testing.T) {
	files := recordConversation(t)
	if *update {
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(goldenDir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, endpoint := range sandbox.Endpoints() {
		if files[goldenFile(endpoint)] == "" {
			t.Errorf("%s was not called", endpoint)
		}
	}
	entries, err := os.ReadDir(goldenDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range entries {
		if files[file.Name()] == "" {
			t.Errorf("%s is not a golden file of any endpoint", file.Name())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		want, err := os.ReadFile(filepath.Join(goldenDir, name))
		if err != nil {
			t.Error(err)
		}
		if got := files[name]; got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

func goldenFile(endpoint string) string { return strings.ReplaceAll(endpoint, "/", "-") + ".txt" }

// recordConversation calls every endpoint, before and after pages are rendered.
// It returns the golden files by name.
func recordConversation(t *testing.T) map[string]string {
	gate := make(chan struct{})
	srv, err := sandbox.New(sandbox.Config{
		APIKey: "golden-key", BaseURL: "http://127.0.0.1:8070", FirstID: 1001, Balance: 20,
		Now: fixedClock, Rand: bytes.NewReader(make([]byte, 32)), Renderer: gatedRenderer{gate: gate},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	talk := &conversation{t: t, handler: srv.Handler(), files: make(map[string]string)}

	talk.get("account/info", "")
	talk.withKey("").get("account/info", "")
	talk.withKey("wrong").get("account/info", "")
	talk.get("screenshot/create", "url=https://EXAMPLE.com&screen_width=160&screen_height=120&country=fr&tag=a&tag=b&apps=1&language=fr-FR&timezone=Europe/Paris")
	talk.get("screenshot/create", "url=https://example.org/long&screen_width=160&screen_height=120&size=page&format=jpeg&html=true&pdf=true&shots=2&region=bavaria")
	talk.get("screenshot/create", `url=https://fails.example/&tag=a&apps={"7":"archive/{tag}/{id}.png"}`)
	talk.get("screenshot/create", "")
	talk.get("screenshot/create", "url=ftp://example.com&width=none&format=gif&steps=[{}]&cookie=nameless")
	talk.get("screenshot/create", "url=https://example.com&script=12")
	talk.get("screenshot/create", "url=https://example.com&country=xx")
	talk.post("screenshot/create?url=https://example.com", "", "")
	talk.get("screenshot/info", "id=1001")
	talk.get("screenshot/thumbnail", "id=1001")
	talk.post("batch/create", "multipart/form-data; boundary=cut", cutForm("country=us", "screen_width=160", "screen_height=120", "tag=rows", "file=https://example.com/1\r\n\r\nhttps://fails.example/2\r\nnot an address\r\n"))
	talk.post("batch/create", "text/plain", `{"urls":["https://example.com/3","https://example.com/4"],"country":"de","screen_width":160,"screen_height":120}`)
	talk.post("batch/create", "application/json", `{"urls":[],"country":"us","width":"none"}`)
	talk.post("batch/create", "application/json", `{"urls":["https://example.com"]}`)
	talk.post("batch/create", "multipart/form-data; boundary=cut", cutForm("country=us"))
	talk.post("batch/create", "application/json", `["https://example.com"]`)
	talk.get("batch/info", "id=1001")
	talk.get("batch/download", "id=1001")
	talk.post("batch/cancel", "text/plain", `{"id":1002}`)
	talk.post("batch/cancel", "application/json", `{}`)
	talk.post("batch/cancel", "application/json", `12`)

	close(gate)
	if err := srv.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"1001", "1002", "1003", "999", "none", ""} {
		talk.get("screenshot/info", "id="+id)
	}
	talk.get("screenshot/list", "tag=a")
	talk.get("screenshot/list", "limit=2&offset=1")
	talk.get("screenshot/list", "status=error&country=us&limit=1")
	talk.get("screenshot/list", "tag=unused")
	talk.get("screenshot/list", "limit=1000&offset=-1&status=lost")
	talk.get("screenshot/search", "url=example.org")
	talk.get("screenshot/search", "q=%2Flong")
	talk.get("screenshot/search", "")
	talk.get("screenshot/thumbnail", "id=1001")
	talk.get("screenshot/thumbnail", "id=1002&shot=2&width=120&height=90&format=webp&quality=50")
	talk.get("screenshot/thumbnail", "id=1002&shot=3")
	talk.get("screenshot/thumbnail", "id=1003")
	talk.get("screenshot/thumbnail", "id=1002&format=webmp&zoom=50&filename=../front page.webp")
	talk.get("screenshot/thumbnail", "id=1001&width=0&ratio=wide&scale=2&zoom=1.5")
	for _, endpoint := range []string{"screenshot/html", "screenshot/pdf", "screenshot/video"} {
		talk.get(endpoint, "id=1001")
		talk.get(endpoint, "id=1002")
		talk.get(endpoint, "id=1003")
	}
	talk.get("batch/info", "id=1001")
	talk.get("batch/info", "id=1002")
	talk.get("batch/info", "id=999")
	talk.get("batch/list", "")
	talk.get("batch/list", "limit=1&offset=1")
	talk.get("batch/list", "limit=0")
	talk.post("batch/cancel", "application/json", `{"id":1001}`)
	talk.post("batch/cancel", "application/json", `{"id":999}`)
	talk.get("batch/cancel", "id=1001")
	talk.get("batch/download", "id=1001")
	talk.get("batch/download", "id=999")
	talk.get("account/info", "")
	talk.get("screenshot/delete", "id=1001&data=everything")
	talk.get("screenshot/delete", "")
	for _, data := range []string{"image", "metadata", "url"} {
		talk.get("screenshot/delete", "id=1002&data="+data)
		talk.get("screenshot/info", "id=1002")
	}
	talk.get("screenshot/delete", "id=1001")
	talk.get("screenshot/delete", "id=1001")
	talk.get("screenshot/info", "id=1001")
	talk.silent = true
	for range 12 { // use up the credits
		talk.get("screenshot/create", "url=https://example.com&screen_width=160&screen_height=120")
	}
	talk.silent = false
	talk.get("screenshot/create", "url=https://example.com")
	talk.get("account/info", "")
	talk.post("crawl/create", "application/json", `{"url":"https://example.com","domain":"example.com","max_urls":5}`)
	talk.get("crawl/info", "id=1")
	talk.get("crawl/list", "")
	talk.post("crawl/cancel", "application/json", `{"id":1}`)
	talk.get("screenshot/conjure", "")
	otherForms(t, talk.files)
	return talk.files
}

// otherForms records the other response forms in the vendor's documentation:
// listings as objects, and responses without the envelope.
func otherForms(t *testing.T, files map[string]string) {
	for form, cfg := range map[string]sandbox.Config{
		"-as-object": {ListForm: sandbox.ListObject}, "-bare": {NoEnvelope: true}, "-bare-as-object": {NoEnvelope: true, ListForm: sandbox.ListObject},
	} {
		cfg.APIKey, cfg.BaseURL, cfg.FirstID, cfg.Now, cfg.Rand = "golden-key", "http://127.0.0.1:8070", 1001, fixedClock, bytes.NewReader(make([]byte, 32))
		srv, err := sandbox.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		talk := &conversation{t: t, handler: srv.Handler(), files: files, form: form}
		talk.silent = true
		talk.get("screenshot/create", "url=https://example.com")
		if err := srv.Idle(t.Context()); err != nil {
			t.Fatal(err)
		}
		talk.silent = false
		talk.get("screenshot/list", "")
		talk.get("screenshot/list", "limit=0")
		talk.get("screenshot/search", "url=example")
		talk.get("screenshot/search", "")
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	}
}

// gatedRenderer renders once the channel gate has been closed.
type gatedRenderer struct{ gate <-chan struct{} }

func (g gatedRenderer) Name() string { return "gated" }
func (g gatedRenderer) Close() error { return nil }

func (g gatedRenderer) Render(ctx context.Context, r sandbox.RenderRequest) (sandbox.Rendering, error) {
	select {
	case <-g.gate:
	case <-ctx.Done():
		return sandbox.Rendering{}, ctx.Err()
	}
	plain := sandbox.PlainRenderer{Fail: func(address string) error {
		if strings.Contains(address, "fails.example") {
			return errors.New("net::ERR_NAME_NOT_RESOLVED")
		}
		return nil
	}}
	return plain.Render(ctx, r)
}

// cutForm returns a multipart form with the boundary "cut". Fields are
// NAME=VALUE.
func cutForm(fields ...string) string {
	var text strings.Builder
	for _, field := range fields {
		name, value, _ := strings.Cut(field, "=")
		fmt.Fprintf(&text, "--cut\r\nContent-Disposition: form-data; name=%q", name)
		if name == "file" {
			text.WriteString("; filename=\"urls.txt\"\r\nContent-Type: text/plain")
		}
		text.WriteString("\r\n\r\n" + value + "\r\n")
	}
	return text.String() + "--cut--\r\n"
}

// conversation records requests and responses.
type conversation struct {
	t       *testing.T
	handler http.Handler
	files   map[string]string
	key     *string // nil means the right key
	silent  bool    // record nothing
	form    string  // suffix of the golden file's name for another response form
}

func (c *conversation) withKey(key string) *conversation {
	other := *c
	other.key = &key
	return &other
}

func (c *conversation) get(endpoint, query string) {
	c.t.Helper()
	if query != "" {
		// The golden file has the query as written, and the request has it encoded.
		values, err := url.ParseQuery(query)
		if err != nil {
			c.t.Fatal(err)
		}
		c.do(http.MethodGet, endpoint, endpoint+"?"+values.Encode(), "?"+query, "", "")
		return
	}
	c.do(http.MethodGet, endpoint, endpoint, "", "", "")
}

func (c *conversation) post(endpoint, kind, body string) {
	c.t.Helper()
	name, query, _ := strings.Cut(endpoint, "?")
	c.do(http.MethodPost, name, endpoint, strings.TrimSuffix("?"+query, "?"), kind, body)
}

func (c *conversation) do(method, endpoint, target, shown, kind, body string) {
	c.t.Helper()
	req := httptest.NewRequest(method, "http://127.0.0.1:8070/api/v1/"+target, strings.NewReader(body))
	req.Header.Set("X-API-KEY", "golden-key")
	if c.key != nil {
		req.Header.Set("X-API-KEY", *c.key)
	}
	var entry strings.Builder
	fmt.Fprintf(&entry, "> %s /api/v1/%s%s\n", method, endpoint, shown)
	if c.key != nil {
		fmt.Fprintf(&entry, "> X-API-KEY: %s\n", *c.key)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
		fmt.Fprintf(&entry, "> Content-Type: %s\n", kind)
	}
	for line := range strings.Lines(body) {
		fmt.Fprintf(&entry, "> %s\n", strings.TrimRight(line, "\r\n"))
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, req)
	if c.silent {
		return
	}
	if saved := w.Header().Get("Content-Disposition"); saved != "" && w.Header().Get("Content-Type") != "application/zip" {
		fmt.Fprintf(&entry, "Content-Disposition: %s\n", saved)
	}
	fmt.Fprintf(&entry, "%d %s\n%s\n\n", w.Code, w.Header().Get("Content-Type"), readable(c.t, w.Header().Get("Content-Type"), w.Body.Bytes()))
	c.files[goldenFile(endpoint+c.form)] += entry.String()
}

// readable returns a body as text. For images, documents and archives it returns
// a summary.
func readable(t *testing.T, kind string, body []byte) string {
	t.Helper()
	switch {
	case strings.HasPrefix(kind, "application/json"):
		var text bytes.Buffer
		if err := json.Indent(&text, body, "", "  "); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		return text.String()
	case strings.HasPrefix(kind, "image/"):
		return size(t, body)
	case kind == "application/pdf":
		return fmt.Sprintf("%s … %d page", body[:8], bytes.Count(body, []byte("/Type /Page ")))
	case kind == "application/zip":
		return listing(t, body)
	}
	return strings.TrimRight(string(body), "\n")
}

// size returns the format and size of an image.
func size(t *testing.T, body []byte) string {
	t.Helper()
	config, format, err := image.DecodeConfig(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s %d×%d", format, config.Width, config.Height)
}

// listing returns the contents of an archive, including its whole manifest.
func listing(t *testing.T, body []byte) string {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, entry := range archive.File {
		file, err := entry.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(file)
		if err != nil {
			t.Fatal(err)
		}
		if entry.Name == "manifest.csv" {
			text = append(text, entry.Name, strings.TrimRight(string(data), "\n"))
			continue
		}
		text = append(text, entry.Name+" "+size(t, data))
	}
	return strings.Join(text, "\n")
}
