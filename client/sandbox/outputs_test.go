package sandbox_test

import (
	"bytes"
	"fmt"
	_ "image/jpeg"
	"net/http"
	"strconv"
	"strings"
	"testing"

	_ "golang.org/x/image/webp" // registers the format

	"shotline/client/sandbox"
)

// createFull creates a screenshot with all outputs and waits for it.
func createFull(v *vendor, pairs ...string) string {
	v.t.Helper()
	s := v.create("https://a.example/page", append(pairs, "html", "true", "pdf", "true", "shots", "2", "country", "fr", "tag", "t1")...)
	v.settle()
	return strconv.FormatInt(s.ID, 10)
}

func TestOutputs(t *testing.T) {
	v := start(t, sandbox.Config{})
	id := createFull(v)
	object := data[map[string]any](t, v.get("screenshot/info", with("id", id)))
	for name, want := range map[string]any{"html": true, "pdf": true, "video": false, "has_html": true, "has_pdf": true,
		"has_video": false, "shots": 2.0, "country": "fr", "language": "en-US", "timezone": "UTC", "final_url": "https://a.example/page"} {
		if object[name] != want {
			t.Errorf("%s is %v, want %v", name, object[name], want)
		}
	}
	page := v.get("screenshot/html", with("id", id))
	if page.status != http.StatusOK || !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") ||
		page.header.Get("Content-Security-Policy") != "sandbox" || !bytes.Contains(page.body, []byte("<h1>a.example</h1>")) {
		t.Errorf("HTML: %d %v %s", page.status, page.header, page.body)
	}
	pdf := v.get("screenshot/pdf", with("id", id))
	if pdf.header.Get("Content-Type") != "application/pdf" || !bytes.HasPrefix(pdf.body, []byte("%PDF")) || bytes.Count(pdf.body, []byte("/Type /Page ")) != 1 {
		t.Errorf("PDF: %d %v %s", pdf.status, pdf.header, pdf.body)
	}
	if a := v.get("screenshot/video", with("id", id)); a.status != http.StatusNotFound || !bytes.Contains(a.body, []byte("no video")) {
		t.Errorf("video: %d %s", a.status, a.body)
	}
	plain := v.create("https://b.example")
	v.settle()
	for _, output := range []string{"html", "pdf", "video"} {
		if a := v.get("screenshot/"+output, with("id", strconv.FormatInt(plain.ID, 10))); a.status != http.StatusNotFound {
			t.Errorf("%s that was not requested: status %d, want 404", output, a.status)
		}
	}
}

func TestThumbnailOptions(t *testing.T) {
	v := start(t, sandbox.Config{})
	id := createFull(v, "screen_width", "160", "screen_height", "120")
	for _, c := range []struct {
		query         []string
		format        string
		width, height int
	}{
		{nil, "png", 160, 120},
		{[]string{"shot", "2"}, "png", 160, 120},
		{[]string{"width", "40"}, "png", 40, 30},
		{[]string{"height", "60"}, "png", 80, 60},
		{[]string{"width", "100", "height", "100"}, "png", 100, 75},
		{[]string{"width", "100", "height", "100", "ratio", "fill"}, "png", 100, 100},
		{[]string{"width", "100", "height", "100", "ratio", "fit"}, "png", 100, 75},
		{[]string{"scale", "0.5"}, "png", 80, 60},
		{[]string{"top", "10", "right", "20", "bottom", "30", "left", "40"}, "png", 100, 80},
		{[]string{"format", "jpeg", "quality", "20"}, "jpeg", 160, 120},
		{[]string{"format", "jpg", "width", "80"}, "jpeg", 80, 60},
		{[]string{"format", "webp"}, "webp", 160, 120},
		{[]string{"format", "webmp"}, "webp", 160, 120},
		{[]string{"zoom", "100"}, "png", 160, 120},
		{[]string{"zoom", "50"}, "png", 80, 60},
		{[]string{"zoom", "150", "scale", "0.5"}, "png", 120, 90},
		{[]string{"zoom", "50", "left", "60"}, "png", 50, 60},
		{[]string{"zoom", "100", "scale", "1", "width", "40"}, "png", 40, 30},
		{[]string{"zoom", "100", "scale", "1", "width", "100", "height", "100", "ratio", "fit"}, "png", 100, 75},
		{[]string{"zoom", "100", "scale", "1.0", "width", "160"}, "png", 160, 120},
		{[]string{"zoom", "100", "ratio", "fit", "scale", "1", "format", "webmp", "quality", "80"}, "webp", 160, 120},
	} {
		t.Run(strings.Join(c.query, " "), func(t *testing.T) {
			a := v.get("screenshot/thumbnail", with(append(c.query, "id", id)...))
			if a.status != http.StatusOK || a.header.Get("Content-Type") != "image/"+c.format {
				t.Fatalf("%d %s %.100s", a.status, a.header.Get("Content-Type"), a.body)
			}
			if got, want := size(t, a.body), fmt.Sprintf("%s %d×%d", c.format, c.width, c.height); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	for field, query := range map[string][]string{
		"ratio": {"ratio", "stretch"}, "zoom": {"zoom", "0"}, "zoom ": {"zoom", "1.5"}, " zoom": {"zoom", "401"}, "scale": {"scale", "0.5", "width", "100"}, "scale ": {"scale", "0.5", "height", "100"},
		" zoom ": {"zoom", "50", "width", "100"}, "zoom  ": {"zoom", "101", "height", "100", "scale", "1"}, "shot": {"shot", "0"},
		"right": {"right", "500", "left", "500"}, "top": {"top", "5000"}, "quality": {"quality", "0"},
		"width": {"width", "4000", "left", "159"}, "height": {"height", "16383"},
	} {
		if a := v.get("screenshot/thumbnail", with(append(query, "id", id)...)); a.status != http.StatusUnprocessableEntity ||
			!strings.Contains(string(a.body), `"`+strings.TrimSpace(field)+`":[`) {
			t.Errorf("%v: %d %s", query, a.status, a.body)
		}
	}
	if a := v.get("screenshot/thumbnail", with("id", id, "shot", "3")); a.status != http.StatusNotFound {
		t.Errorf("third of two images: status %d, want 404", a.status)
	}
}

// The parameter filename sets the name under which a browser saves the image. It
// cannot select another folder.
func TestThumbnailFilename(t *testing.T) {
	v := start(t, sandbox.Config{})
	id := createFull(v, "screen_width", "160", "screen_height", "120")
	for given, want := range map[string]string{
		"":                           "",
		"front page.png":             `attachment; filename="front page.png"`,
		"shop.png":                   `attachment; filename=shop.png`,
		"../../etc/passwd":           `attachment; filename=passwd`,
		`C:\Users\a\x.png`:           `attachment; filename=x.png`,
		".bashrc":                    `attachment; filename=bashrc`,
		"a\r\nX-Evil: 1.png":         `attachment; filename="aX-Evil_ 1.png"`,
		`say "hi".png`:               `attachment; filename="say _hi_.png"`,
		"Ünï.png":                    `attachment; filename*=utf-8''%C3%9Cn%C3%AF.png`,
		"invoice\u202egnp.exe":       `attachment; filename=invoicegnp.exe`,
		"..":                         `attachment; filename=screenshot.webp`,
		"a/":                         `attachment; filename=screenshot.webp`,
		"\xff\xfe":                   `attachment; filename=screenshot.webp`,
		strings.Repeat("x", 300):     `attachment; filename=` + strings.Repeat("x", 200),
		strings.Repeat("é", 150):     `attachment; filename*=utf-8''` + strings.Repeat("%C3%A9", 100),
		"a b; filename=\"evil\".png": `attachment; filename="a b; filename=_evil_.png"`,
	} {
		a := v.get("screenshot/thumbnail", with("id", id, "format", "webp", "filename", given))
		if got := a.header.Get("Content-Disposition"); a.status != http.StatusOK || got != want || a.header.Get("X-Evil") != "" {
			t.Errorf("filename %q: status %d, header %q, want %q", given, a.status, got, want)
		}
	}
}

func TestDelete(t *testing.T) {
	for _, stored := range []bool{false, true} {
		cfg := sandbox.Config{}
		if stored {
			cfg.Renderer = &fakeRenderer{}
		}
		v := start(t, cfg)
		id := createFull(v)
		remove := func(scope string) {
			t.Helper()
			if a := v.get("screenshot/delete", with("id", id, "data", scope)); a.status != http.StatusOK {
				t.Errorf("delete %s: %d %s", scope, a.status, a.body)
			}
		}
		remove("image")
		for _, output := range []string{"thumbnail", "html", "pdf"} {
			if a := v.get("screenshot/"+output, with("id", id)); a.status != http.StatusNotFound {
				t.Errorf("%s of deleted outputs: status %d, body %.80s, want 404", output, a.status, a.body)
			}
		}
		if found := data[[]shot](t, v.get("screenshot/search", with("q", "a.example"))); len(found) != 1 {
			t.Errorf("search found %d before the URL was deleted, want 1", len(found))
		}
		remove("url")
		remove("metadata")
		if s := data[shot](t, v.get("screenshot/info", with("id", id))); s.URL != "" || len(s.Tag) != 0 || s.Status != "finished" {
			t.Errorf("after deleting URL and metadata: %+v", s)
		}
		for _, query := range [][]string{{"tag", "t1"}, {"country", "fr"}} {
			if found := data[[]shot](t, v.get("screenshot/list", with(query...))); len(found) != 0 {
				t.Errorf("%v found it by deleted metadata", query)
			}
		}
		if found := data[[]shot](t, v.get("screenshot/search", with("url", "a.example"))); len(found) != 0 {
			t.Error("search found it by its deleted URL")
		}
		remove("")
		if a := v.get("screenshot/info", with("id", id)); a.status != http.StatusNotFound {
			t.Errorf("info of a deleted screenshot: status %d, want 404", a.status)
		}
		if found := data[[]shot](t, v.get("screenshot/list", nil)); len(found) != 0 {
			t.Errorf("list has %d, want none", len(found))
		}
		if l := v.srv.Ledger(); len(l.Creates) != 1 || !l.Creates[0].Deleted || l.Creates[0].Cost == 0 || l.Creates[0].Tags[0] != "t1" {
			t.Errorf("creates in the ledger are %+v", l.Creates)
		}
		if a := v.get("screenshot/delete", with("id", id, "data", "everything")); a.status != http.StatusUnprocessableEntity {
			t.Errorf("unknown scope: status %d, want 422", a.status)
		}
	}
}
