package sandbox_test

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"shotline/client/parameter"
	"shotline/client/sandbox"
)

// recorder is a renderer that records its requests.
type recorder struct {
	sandbox.PlainRenderer
	mu   sync.Mutex
	seen []sandbox.RenderRequest
}

func (r *recorder) Measure(ctx context.Context, req sandbox.RenderRequest) (sandbox.Rendering, error) {
	r.mu.Lock()
	r.seen = append(r.seen, req)
	r.mu.Unlock()
	return r.PlainRenderer.Measure(ctx, req)
}

// TestOptionsReachTheRenderer checks the render request for each option.
func TestOptionsReachTheRenderer(t *testing.T) {
	form := "a=1&b=2"
	fourteen := func(r *sandbox.RenderRequest) {
		r.ScreenWidth, r.ScreenHeight, r.Scale, r.Mobile, r.Touch = 390, 844, 3, true, true
		r.UserAgent = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
	}
	for _, c := range []struct {
		query []string
		want  func(*sandbox.RenderRequest)
	}{
		{nil, func(*sandbox.RenderRequest) {}},
		{[]string{"size", "page"}, func(r *sandbox.RenderRequest) { r.FullPage = true }},
		{[]string{"full_page", "true"}, func(r *sandbox.RenderRequest) { r.FullPage = true }},
		{[]string{"size", "screen", "full_page", "true"}, func(*sandbox.RenderRequest) {}},
		{[]string{"width", "320", "height", "200"}, func(r *sandbox.RenderRequest) { r.Width, r.Height = 320, 200 }},
		{[]string{"format", "jpg", "quality", "70"}, func(r *sandbox.RenderRequest) { r.Format, r.Quality = "jpeg", 70 }},
		{[]string{"format", "webp"}, func(r *sandbox.RenderRequest) { r.Format = "webp" }},
		{[]string{"max_height", "5000"}, func(r *sandbox.RenderRequest) { r.MaxHeight = 5000 }},
		{[]string{"target", "#main > p"}, func(r *sandbox.RenderRequest) { r.Target = "#main > p" }},
		{[]string{"screen_width", "800", "screen_height", "600"}, func(r *sandbox.RenderRequest) { r.ScreenWidth, r.ScreenHeight = 800, 600 }},
		{[]string{"device_scale", "1.5", "device_mobile", "1", "device_touch", "true", "device_landscape", "true"}, func(r *sandbox.RenderRequest) {
			r.Scale, r.Mobile, r.Touch, r.Landscape = 1.5, true, true, true
		}},
		{[]string{"device_name", "iphone se", "user_agent", "mine", "device_touch", "false", "screen_width", "400"}, func(r *sandbox.RenderRequest) {
			r.ScreenWidth, r.ScreenHeight, r.Scale, r.Mobile, r.UserAgent = 400, 667, 2, true, "mine"
		}},
		{[]string{"language", "fr-FR", "timezone", "Europe/Paris"}, func(r *sandbox.RenderRequest) { r.Language, r.Timezone = "fr-FR", "Europe/Paris" }},
		{[]string{"device_name", "iphone_14"}, fourteen}, {[]string{"device_name", "iPhone 14"}, fourteen}, {[]string{"device_name", "IPHONE-14"}, fourteen},
		{[]string{"device_name", "Apple iPhone14"}, fourteen}, {[]string{"device_name", " iphone.14 "}, fourteen},
		{[]string{"lang", "de", "tz", "Asia/Tokyo"}, func(r *sandbox.RenderRequest) { r.Language, r.Timezone = "de", "Asia/Tokyo" }},
		{[]string{"dark", "true"}, func(r *sandbox.RenderRequest) { r.Dark = true }},
		{[]string{"geo_enable", "true", "geo_latitude", "48.85", "geo_longitude", "2.35"}, func(r *sandbox.RenderRequest) {
			r.Location = &sandbox.Location{Latitude: 48.85, Longitude: 2.35}
		}},
		{[]string{"geo_latitude", "48.85"}, func(*sandbox.RenderRequest) {}},
		{[]string{"header", "X-A: 1\nX-B:2", "header", "X-C: a: b"}, func(r *sandbox.RenderRequest) {
			r.Header = []sandbox.Pair{{Name: "X-A", Value: "1"}, {Name: "X-B", Value: "2"}, {Name: "X-C", Value: "a: b"}}
		}},
		{[]string{"cookie", "a=1; b=x=y"}, func(r *sandbox.RenderRequest) {
			r.Cookies = []sandbox.Pair{{Name: "a", Value: "1"}, {Name: "b", Value: "x=y"}}
		}},
		{[]string{"referer", "https://from.example/", "strict_ssl", "true"}, func(r *sandbox.RenderRequest) {
			r.Referer, r.StrictSSL = "https://from.example/", true
		}},
		{[]string{"post_data", form}, func(r *sandbox.RenderRequest) { r.PostData = &form }},
		{[]string{"delay", "1.5", "max_wait", "20"}, func(r *sandbox.RenderRequest) { r.Delay, r.MaxWait = 1500*time.Millisecond, 20*time.Second }},
		{[]string{"hide_popups", "true", "script_inline", "x()"}, func(r *sandbox.RenderRequest) { r.HidePopups, r.Script = true, "x()" }},
		{[]string{"shots", "3", "shot_interval", "250"}, func(r *sandbox.RenderRequest) { r.Images, r.ShotInterval = 3, 250*time.Millisecond }},
		{[]string{"steps", `[{"command":"fill","selector":"#a","value":"x"},{"command":"click","selector":"#b"},{"command":"wait","value":"200"},` +
			`{"command":"wait","value":50},{"command":"wait","selector":"#c"},{"command":"scroll","value":"300"},{"command":"scroll","selector":"#d"},{"command":"screenshot"}]`},
			func(r *sandbox.RenderRequest) {
				r.Steps = []sandbox.Step{
					{Command: sandbox.StepFill, Selector: "#a", Value: "x"}, {Command: sandbox.StepClick, Selector: "#b"},
					{Command: sandbox.StepWait, Wait: 200 * time.Millisecond}, {Command: sandbox.StepWait, Wait: 50 * time.Millisecond},
					{Command: sandbox.StepWait, Selector: "#c"}, {Command: sandbox.StepScroll, Y: 300},
					{Command: sandbox.StepScroll, Selector: "#d"}, {Command: sandbox.StepScreenshot},
				}
			}},
		{[]string{"steps", `[{"command":"click","element":"#accept"},{"command":"click"},{"command":"sleep","value":2},{"command":"sleep","value":"0.5"},` +
			`{"command":"type","selector":"#q","value":"lamp"},{"command":"type","element":"#q","value":7},{"command":"wait","element":"#c"},{"command":"scroll","element":"#d","selector":"#d"}]`},
			func(r *sandbox.RenderRequest) {
				r.Steps = []sandbox.Step{
					{Command: sandbox.StepClick, Selector: "#accept"}, {Command: sandbox.StepClick},
					{Command: sandbox.StepWait, Wait: 2 * time.Second}, {Command: sandbox.StepWait, Wait: 500 * time.Millisecond},
					{Command: sandbox.StepType, Selector: "#q", Value: "lamp"}, {Command: sandbox.StepType, Selector: "#q", Value: "7"},
					{Command: sandbox.StepWait, Selector: "#c"}, {Command: sandbox.StepScroll, Selector: "#d"},
				}
			}},
		{[]string{"format", "webmp"}, func(r *sandbox.RenderRequest) { r.Format = "webp" }},
		{[]string{"html", "true"}, func(r *sandbox.RenderRequest) { r.HTML = true }},
		{[]string{"pdf", "true"}, func(r *sandbox.RenderRequest) { r.PDF = &sandbox.PDFOptions{Format: "a4"} }},
		{[]string{"pdf", "true", "pdf_format", "Letter", "pdf_landscape", "true", "pdf_background", "true", "pdf_one_page", "true", "pdf_margin", "2", "pdf_margin_left", "0.5"},
			func(r *sandbox.RenderRequest) {
				r.PDF = &sandbox.PDFOptions{Format: "letter", Landscape: true, Background: true, OnePage: true,
					Margin: sandbox.Margin{Top: 2, Right: 2, Bottom: 2, Left: 0.5}}
			}},
	} {
		t.Run(strings.Join(c.query, " "), func(t *testing.T) {
			r := &recorder{}
			v := start(t, sandbox.Config{Renderer: r})
			v.create("https://a.example", c.query...)
			v.settle()
			want := sandbox.RenderRequest{
				URL:    "https://a.example/",
				Frame:  sandbox.Frame{Format: "png"},
				Device: sandbox.Device{ScreenWidth: sandbox.DefaultScreenWidth, ScreenHeight: sandbox.DefaultScreenHeight},
				Pace:   sandbox.Pace{Images: 1},
			}
			c.want(&want)
			if len(r.seen) != 1 || !reflect.DeepEqual(r.seen[0], want) {
				t.Errorf("render requests are\n%+v, want\n%+v", r.seen, want)
			}
		})
	}
}

// TestOptionsRefused checks that each invalid value is refused under its name,
// and that nothing is charged.
func TestOptionsRefused(t *testing.T) {
	v := start(t, sandbox.Config{})
	for _, c := range [][2]string{
		{"size", "huge"}, {"full_page", "perhaps"}, {"width", "0"}, {"height", "16384"}, {"format", "gif"}, {"quality", "101"}, {"max_height", "0"},
		{"target", strings.Repeat("a", 2000)}, {"screen_width", "many"}, {"screen_height", "99999"}, {"device_name", "brick 3000"},
		{"device_scale", "NaN"}, {"device_mobile", "2"}, {"device_touch", "x"}, {"device_landscape", "x"}, {"user_agent", "a\nb"},
		{"language", "fr_FR!"}, {"lang", "?"}, {"timezone", "Mars/Crater"}, {"tz", "Local"}, {"dark", "x"}, {"geo_enable", "x"},
		{"geo_latitude", "91"}, {"geo_longitude", "-181"}, {"header", "no colon"}, {"header", "Host: a"}, {"header", "X: a\rY: b"},
		{"cookie", "novalue"}, {"referer", "a\r\nb"}, {"post_data", strings.Repeat("a", 70<<10)}, {"strict_ssl", "x"}, {"delay", "61"},
		{"delay", "Inf"}, {"max_wait", "-1"}, {"hide_popups", "x"}, {"script_inline", strings.Repeat("a", 70<<10)}, {"script", "12"},
		{"steps", "{}"}, {"steps", `[{"command":"fly"}]`}, {"steps", `[{"command":"wait","value":"60001"}]`},
		{"steps", `[{"command":"wait","value":"40000"},{"command":"wait","value":40000}]`}, {"steps", `[{"command":"scroll"}]`},
		{"steps", `[{"command":"fill","selector":"a","value":{}}]`}, {"steps", `[{"command":"type","value":"x"}]`}, {"steps", `[{"command":"sleep"}]`},
		{"steps", `[{"command":"sleep","value":61}]`}, {"steps", `[{"command":"sleep","value":"NaN"}]`}, {"steps", `[{"command":"click","selector":"#a","element":"#b"}]`},
		{"steps", `[{"command":"click","element":"` + strings.Repeat("a", 2000) + `"}]`}, {"device_name", "14"}, {"device_name", "iphone"}, {"device_name", "_"},
		{"country", "xx"}, {"country", "u"}, {"country", "USA"}, {"country", "us,fr"},
		{"shots", "21"}, {"shot_interval", "60001"}, {"html", "x"}, {"pdf", "x"},
		{"pdf_format", "A99"}, {"pdf_landscape", "x"}, {"pdf_background", "x"}, {"pdf_one_page", "x"}, {"pdf_margin", "21"}, {"pdf_margin", "11"},
		{"pdf_margin_top", "x"}, {"pdf_margin_right", "-1"}, {"pdf_margin_bottom", "x"}, {"pdf_margin_left", "x"}, {"video", "x"},
		{"tag", strings.Repeat("a", 300)}, {"apps", "not an id"},
		{"apps", `{"12":"` + strings.Repeat("{tag}", 300) + `"}`}, {"country", strings.Repeat("u", 65)}, {"region", strings.Repeat("r", 65)}, {"url", "ftp://a.example"}, {"url", "https://a.example:99999"},
	} {
		name, value := c[0], c[1]
		t.Run(fmt.Sprintf("%s %.30s", name, value), func(t *testing.T) {
			query := with(name, value)
			if name != "url" {
				query.Set("url", "https://a.example")
			}
			a := v.get("screenshot/create", query)
			if a.status != http.StatusUnprocessableEntity || !strings.Contains(string(a.body), `"fields":{"`+name+`":["`) {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	for name, query := range map[string][]string{
		"shot_interval": {"delay", "60", "max_wait", "60", "shots", "20", "shot_interval", "4000"},
		"device_scale":  {"screen_width", "4000", "screen_height", "4000", "device_scale", "2"},
		"height":        {"width", "4000", "height", "13000"},
		"shots":         {"shots", "20", "steps", `[{"command":"screenshot"}]`},
	} {
		if a := v.get("screenshot/create", with(append(query, "url", "https://a.example")...)); a.status != http.StatusUnprocessableEntity ||
			!strings.Contains(string(a.body), `"fields":{"`+name+`":["`) {
			t.Errorf("%v: %d %s", query, a.status, a.body)
		}
	}
	if l := v.srv.Ledger(); l.Spent != 0 || len(l.Creates) != 0 {
		t.Errorf("%v credits spent on %d creates, want none", l.Spent, len(l.Creates))
	}
}

// TestOptionsAreTheTable checks that the sandbox has a treatment for each known
// parameter, and for no other one.
func TestOptionsAreTheTable(t *testing.T) {
	treated := map[string]bool{}
	for _, o := range sandbox.Options() {
		if treated[o.Name] {
			t.Errorf("%s has two treatments", o.Name)
		}
		treated[o.Name] = true
		if _, known := parameter.Lookup(o.Name); !known {
			t.Errorf("%s is not in the table of parameters", o.Name)
		}
	}
	for _, p := range parameter.All() {
		if !treated[p.Name] {
			t.Errorf("%s has no treatment", p.Name)
		}
	}
}

// Options without effect are accepted and listed in the ledger.
func TestOptionsIgnored(t *testing.T) {
	v := start(t, sandbox.Config{})
	query := with("url", "https://a.example", "something_new", "1")
	for _, o := range sandbox.Options() {
		if o.Note == "" {
			t.Errorf("%s has no note", o.Name)
		}
		if o.Treatment == sandbox.Ignored {
			query.Set(o.Name, "anything")
		}
	}
	data[shot](t, v.get("screenshot/create", query))
	got := v.srv.Ledger().Creates[0].Ignored
	want := []string{"cache", "geo_overrides", "hide_ads", "priority", "something_new", "tracker", "trackers",
		"video_duration", "video_format", "video_length", "video_quality", "video_speed"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("ignored options are %v, want %v", got, want)
	}
}

// Recorded options appear in the screenshot object, and the ledger does not list
// them as ignored.
func TestOptionsRecorded(t *testing.T) {
	v := start(t, sandbox.Config{})
	v.create("https://a.example", "country", "de", "region", "bavaria", "video", "true", "tag", "a", "tag", "b",
		"apps", `{"12":"{domain}/{tag}.png"}`, "key", sandbox.DefaultAPIKey)
	v.settle()
	object := data[map[string]any](t, v.get("screenshot/info", with("id", "1001")))
	for name, want := range map[string]any{"country": "de", "region": "bavaria", "video": true, "has_video": false,
		"tag": []any{"a", "b"}, "storage_url": "sandbox://12/a.example/a.png"} {
		if !reflect.DeepEqual(object[name], want) {
			t.Errorf("%s is %v, want %v", name, object[name], want)
		}
	}
	if ignored := v.srv.Ledger().Creates[0].Ignored; len(ignored) > 0 {
		t.Errorf("ignored options are %v, want none", ignored)
	}
}
