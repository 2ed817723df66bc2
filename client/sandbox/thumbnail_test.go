package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	_ "image/jpeg" // thumbnails can be JPEG
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shotline/client/sandbox"
)

func TestThumbnail(t *testing.T) {
	v := start(t, sandbox.Config{})
	screen := []string{"screen_width", "320", "screen_height", "200"}
	v.create("https://example.com/", screen...) // 1001: as rendered
	v.create("https://example.com/", append(screen, "width", "160", "format", "jpg", "quality", "60")...)
	v.create("https://example.com/", "screen_width", "200", "screen_height", "450", "height", "150")
	v.create("https://example.com/", append(screen, "size", "page")...)
	v.create("https://example.com/")
	v.settle()
	for _, test := range []struct {
		query         url.Values
		format        string
		width, height int
	}{
		{with("id", "1001"), "png", 320, 200},
		{with("id", "1001", "width", "80"), "png", 80, 50},
		{with("id", "1001", "height", "100"), "png", 160, 100},
		{with("id", "1001", "width", "100", "height", "100"), "png", 100, 63},
		{with("id", "1001", "width", "60", "height", "200"), "png", 60, 38},
		{with("id", "1001", "width", "60", "height", "200", "ratio", "fill"), "png", 60, 200},
		{with("id", "1001", "format", "jpeg"), "jpeg", 320, 200},
		{with("id", "1002"), "jpeg", 160, 100},
		{with("id", "1002", "format", "png", "width", "64"), "png", 64, 40},
		{with("id", "1003"), "png", 67, 150},
		{with("id", "1004"), "png", 320, 600},
		{with("id", "1005"), "png", 1280, 800},
	} {
		t.Run(test.query.Encode(), func(t *testing.T) {
			a := v.get("screenshot/thumbnail", test.query)
			got, format, err := image.DecodeConfig(bytes.NewReader(a.body))
			if err != nil {
				t.Fatalf("status %d, not an image: %v", a.status, err)
			}
			if got.Width != test.width || got.Height != test.height || format != test.format {
				t.Errorf("got %d×%d %s, want %d×%d %s", got.Width, got.Height, format, test.width, test.height, test.format)
			}
			if kind := a.header.Get("Content-Type"); kind != "image/"+test.format {
				t.Errorf("Content-Type is %q", kind)
			}
		})
	}
	for _, field := range []string{"width", "height", "format", "quality"} {
		if a := v.get("screenshot/thumbnail", with("id", "1001", field, "none")); a.status != 422 {
			t.Errorf("thumbnail with an invalid %s: status %d, want 422", field, a.status)
		}
	}
}

// TestImageURL checks that image_url of a webhook serves the same image as the
// API, without a key.
func TestImageURL(t *testing.T) {
	for _, test := range []struct {
		name     string
		renderer sandbox.Renderer
		format   string
		suffix   string
	}{
		{"drawn on demand", nil, "jpeg", ".jpg"},
		{"stored", &fakeRenderer{}, "png", ".png"},
	} {
		t.Run(test.name, func(t *testing.T) {
			address, hooks := receiver(t, always(http.StatusOK))
			v := start(t, sandbox.Config{WebhookURL: address, Renderer: test.renderer})
			v.create("https://example.com/", "apps", "12", "format", test.format, "screen_width", "320", "screen_height", "200")
			var body struct {
				ImageURL string `json:"image_url"`
			}
			if err := json.Unmarshal(next(t, hooks).body, &body); err != nil {
				t.Fatal(err)
			}
			path := strings.TrimPrefix(body.ImageURL, v.root)
			a := v.do(http.MethodGet, path, "", nil)
			thumb := v.get("screenshot/thumbnail", with("id", "1001"))
			if a.status != 200 || !bytes.Equal(a.body, thumb.body) || !strings.HasSuffix(path, test.suffix) {
				t.Errorf("%s: status %d with %d bytes, want the %d bytes of the thumbnail", path, a.status, len(a.body), len(thumb.body))
			}
			forged := strings.Replace(path, "1001-", "1001-0", 1)
			for _, wrong := range []string{forged, "/images/1001.png", "/images/1002" + path[len("/images/1001"):], "/images/x", path + "x"} {
				if a := v.do(http.MethodGet, wrong, sandbox.DefaultAPIKey, nil); a.status != 404 {
					t.Errorf("%s answers %d, want 404", wrong, a.status)
				}
			}
		})
	}
}

func TestPicturesOnDiskAreBoundedAndPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "outputs")
	v := start(t, sandbox.Config{Renderer: &fakeRenderer{}, Dir: dir, MaxOutputBytes: 400, Workers: 1})
	for i := range 5 {
		s := v.create(fmt.Sprintf("https://example.com/%d", i))
		v.settle()
		if i < 2 { // deleted outputs do not count
			v.get("screenshot/delete", with("id", fmt.Sprint(s.ID)))
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o, want 600", f, mode)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder is %v (%v), want mode 700", info.Mode(), err)
	}
	if len(files) != 2 || total > 400 {
		t.Errorf("%d files with %d bytes are stored, want 2 within 400 bytes", len(files), total)
	}
	if a := v.get("screenshot/thumbnail", with("id", "1005")); a.status != 200 {
		t.Errorf("newest image: status %d, want 200", a.status)
	}
	a := v.get("screenshot/thumbnail", with("id", "1003"))
	if a.status != 404 {
		t.Errorf("removed image: status %d, want 404", a.status)
	}
	contains(t, a.body, `"OUTPUT_GONE"`)
}

// At most MaxScreenshots files are stored.
func TestPicturesOnDiskAreBoundedInNumber(t *testing.T) {
	dir := t.TempDir()
	v := start(t, sandbox.Config{Renderer: &fakeRenderer{}, Dir: dir, MaxScreenshots: 3})
	for range 10 {
		v.create("https://example.com")
		v.settle()
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 3 {
		t.Errorf("got %d files (%v), want 3", len(files), err)
	}
}

// A crop removes pixels from the side that it names.
func TestThumbnailCropsTheRightSide(t *testing.T) {
	v := start(t, sandbox.Config{Renderer: &fakeRenderer{}})
	v.create("https://example.com")
	v.settle()
	for side, at := range map[string]image.Point{"top": {3, 3}, "left": {2, 4}, "bottom": {3, 4}, "right": {3, 4}} {
		a := v.get("screenshot/thumbnail", with("id", "1001", side, "1"))
		img, _, err := image.Decode(bytes.NewReader(a.body))
		if err != nil {
			t.Fatal(err)
		}
		if red, _, _, _ := img.At(at.X, at.Y).RGBA(); red == 0 {
			t.Errorf("%s=1: the marked pixel is not at %v", side, at)
		}
	}
}

func TestTemporaryPicturesAreRemoved(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	srv, err := sandbox.New(sandbox.Config{Renderer: &fakeRenderer{}})
	if err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadDir(temp)
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	after, _ := os.ReadDir(temp)
	if len(before) != 1 || len(after) != 0 {
		t.Errorf("temporary folders: %d while open, %d after Close, want 1 and 0", len(before), len(after))
	}
}

func TestPlainRenderer(t *testing.T) {
	p := &sandbox.PlainRenderer{}
	ctx := context.Background()
	for _, r := range []sandbox.RenderRequest{
		{URL: "https://example.com/", Frame: sandbox.Frame{Format: "png"}, Device: sandbox.Device{ScreenWidth: 320, ScreenHeight: 200}},
		{URL: "https://example.com/", Frame: sandbox.Frame{Format: "jpeg", FullPage: true, Width: 100}, Device: sandbox.Device{ScreenWidth: 320, ScreenHeight: 200}},
		{URL: "https://example.com/", Frame: sandbox.Frame{Format: "png"}, Device: sandbox.Device{ScreenWidth: 1, ScreenHeight: 1}},
		{URL: "https://" + strings.Repeat("long.", 900) + "test/" + strings.Repeat("x", 3000), Frame: sandbox.Frame{Format: "png"}, Device: sandbox.Device{ScreenWidth: 200, ScreenHeight: 300}},
		{URL: "https://例え.テスト/パス", Frame: sandbox.Frame{Format: "png", Width: 50, Height: 100}, Device: sandbox.Device{ScreenWidth: 300, ScreenHeight: 200}},
	} {
		drawn, err := p.Render(ctx, r)
		if err != nil {
			t.Fatalf("%.60s: %v", r.URL, err)
		}
		plan, err := p.Measure(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		pic, measured := drawn.Shots[0], plan.Shots[0]
		got, format, err := image.DecodeConfig(bytes.NewReader(pic.Data))
		if err != nil {
			t.Fatal(err)
		}
		if got.Width != measured.Width || got.Height != measured.Height || pic.Width != got.Width || pic.Height != got.Height || format != r.Format {
			t.Errorf("%.60s: image is %d×%d, Render returned %d×%d, Measure %d×%d", r.URL, got.Width, got.Height, pic.Width, pic.Height, measured.Width, measured.Height)
		}
		again, err := p.Render(ctx, r)
		if err != nil || !bytes.Equal(again.Shots[0].Data, pic.Data) {
			t.Errorf("%.60s: two renderings differ (%v)", r.URL, err)
		}
	}
	a, _ := p.Render(ctx, sandbox.RenderRequest{URL: "https://one.test/", Frame: sandbox.Frame{Format: "png"}, Device: sandbox.Device{ScreenWidth: 200, ScreenHeight: 100}})
	b, _ := p.Render(ctx, sandbox.RenderRequest{URL: "https://two.test/", Frame: sandbox.Frame{Format: "png"}, Device: sandbox.Device{ScreenWidth: 200, ScreenHeight: 100}})
	if bytes.Equal(a.Shots[0].Data, b.Shots[0].Data) {
		t.Error("two hosts have equal images")
	}
}
