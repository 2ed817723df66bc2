package chrome

import (
	"strings"
	"testing"

	"shotline/client/sandbox"
)

func TestOptionScreen(t *testing.T) {
	t.Parallel()
	r := mustRender(t, sandbox.RenderRequest{URL: serveValue(t, `[innerWidth, innerHeight, screen.width, screen.height, devicePixelRatio, matchMedia("screen").matches]`),
		Device: sandbox.Device{ScreenWidth: 640, ScreenHeight: 480}})
	singleImage(t, r, 640, 480)
	if r.Title != "[640,480,640,480,1,true]" {
		t.Errorf("the page got %s", r.Title)
	}
}

func TestOptionDeviceScale(t *testing.T) {
	t.Parallel()
	const page = `<!doctype html><style>body{margin:0}#a{height:150px;background:#d02010}#b{width:101px;height:150px;background:#1030c0}</style>
		<div id="a"></div><div id="b"></div>`
	url := serveHTML(t, page) // without a script, so that its tab is reused
	twice := sandbox.Device{ScreenWidth: 300, ScreenHeight: 200, Scale: 2}
	r := mustRender(t, sandbox.RenderRequest{URL: serveHTML(t, page+"<script>document.title = devicePixelRatio</script>"), Device: twice})
	if img := singleImage(t, r, 600, 400); r.Title != "2" {
		t.Errorf("devicePixelRatio %s", r.Title)
	} else {
		wantColor(t, img, 2, 297, red)
		wantColor(t, img, 2, 303, blue)
	}
	img := singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url, Device: twice, Frame: sandbox.Frame{FullPage: true}}), 600, 600)
	wantColor(t, img, 2, 597, blue)
	singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url, Device: twice, Frame: sandbox.Frame{Target: "#b"}}), 202, 300)
	singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url, Device: twice, Frame: sandbox.Frame{Width: 150}}), 150, 100)
}

func TestOptionDeviceMobile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, head string
		mobile     bool
		want       string
	}{
		{"phone page on a phone", `<meta name="viewport" content="width=device-width">`, true, "390"},
		{"desktop page on a phone", "", true, "980"},
		{"desktop page on a desktop", "", false, "390"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			page := "<!doctype html>" + c.head + "<style>body{margin:0;background:#d02010;height:3000px}</style>"
			url := serveHTML(t, page+"<script>document.title = document.documentElement.clientWidth</script>")
			device := sandbox.Device{ScreenWidth: 390, ScreenHeight: 600, Mobile: c.mobile}
			r := mustRender(t, sandbox.RenderRequest{URL: url, Device: device})
			wantColor(t, singleImage(t, r, 390, 600), 387, 597, red)
			if r.Title != c.want {
				t.Errorf("the page is %s px wide, want %s", r.Title, c.want)
			}
			full := mustRender(t, sandbox.RenderRequest{URL: serveHTML(t, page), Device: device, Frame: sandbox.Frame{FullPage: true}})
			if pic := full.Shots[0]; pic.Width != 390 {
				t.Errorf("full page is %d px wide, want 390", pic.Width)
			} else {
				wantColor(t, decode(t, pic), 387, pic.Height-3, red)
			}
		})
	}
}

func TestOptionDeviceTouch(t *testing.T) {
	t.Parallel()
	const value = `[navigator.maxTouchPoints > 0, "ontouchstart" in window, matchMedia("(pointer: coarse)").matches]`
	for _, touch := range []bool{true, false} {
		r := mustRender(t, sandbox.RenderRequest{URL: serveValue(t, value), Device: sandbox.Device{Touch: touch}})
		for i, got := range titleValue[[]bool](t, r) {
			if got != touch {
				t.Errorf("touch %v: the page got %s (%d)", touch, r.Title, i)
			}
		}
	}
}

func TestOptionDeviceLandscape(t *testing.T) {
	t.Parallel()
	url := serveValue(t, `screen.orientation.type`)
	for _, c := range []struct {
		width, height int
		landscape     bool
		w, h          int
		want          string
	}{
		{200, 300, true, 300, 200, `"landscape-primary"`},
		{300, 200, true, 300, 200, `"landscape-primary"`},
		{200, 300, false, 200, 300, `"portrait-primary"`},
	} {
		r := mustRender(t, sandbox.RenderRequest{URL: url, Device: sandbox.Device{ScreenWidth: c.width, ScreenHeight: c.height, Landscape: c.landscape, Mobile: true}})
		singleImage(t, r, c.w, c.h)
		if r.Title != c.want {
			t.Errorf("orientation is %s, want %s", r.Title, c.want)
		}
	}
}

func TestOptionUserAgent(t *testing.T) {
	t.Parallel()
	const phone = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"
	const apple = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
	const page = `<!doctype html><script>document.title = JSON.stringify([navigator.userAgent, navigator.platform,
		String(navigator.userAgentData?.mobile), navigator.userAgentData?.platform ?? "", String(navigator.userAgentData?.brands.some(b => b.version === "140"))])</script>`
	for _, c := range []struct{ agent, platform, mobile, system, brand string }{
		{phone, "Linux armv81", "true", "Android", "true"},
		{apple, "iPhone", "false", "", "false"},
		{"monitor/1.0", "", "false", "", "false"},
	} {
		url, requests := serveRecorded(t, page)
		r := mustRender(t, sandbox.RenderRequest{URL: url, Device: sandbox.Device{UserAgent: c.agent}})
		request := <-requests
		if got := request.UserAgent(); got != c.agent {
			t.Errorf("the server got the user agent %q", got)
		}
		if hint := request.Header.Get("Sec-Ch-Ua-Platform"); strings.Trim(hint, `"`) != c.system {
			t.Errorf("%s: platform hint %s", c.agent, hint)
		}
		got := titleValue[[]string](t, r)
		if c.platform == "" {
			c.platform = got[1] // the browser's own
		}
		for i, want := range []string{c.agent, c.platform, c.mobile, c.system, c.brand} {
			if got[i] != want {
				t.Errorf("%s: the page got %q (%d), want %q", c.agent, got[i], i, want)
			}
		}
	}
}

func TestOptionLanguage(t *testing.T) {
	t.Parallel()
	url, requests := serveRecorded(t, `<!doctype html><script>document.title = JSON.stringify([navigator.language, navigator.languages.join(), (1234.5).toLocaleString()])</script>`)
	r := mustRender(t, sandbox.RenderRequest{URL: url, Device: sandbox.Device{Language: "de-DE"}})
	if got := (<-requests).Header.Get("Accept-Language"); got != "de-DE,de;q=0.9" {
		t.Errorf("Accept-Language %q", got)
	}
	if r.Title != `["de-DE","de-DE,de","1.234,5"]` {
		t.Errorf("the page got %s", r.Title)
	}
}

func TestOptionTimezone(t *testing.T) {
	t.Parallel()
	url := serveValue(t, `[Intl.DateTimeFormat().resolvedOptions().timeZone, new Date(0).getHours()]`)
	r := mustRender(t, sandbox.RenderRequest{URL: url, Device: sandbox.Device{Timezone: "Asia/Tokyo"}})
	if r.Title != `["Asia/Tokyo",9]` {
		t.Errorf("the page got %s", r.Title)
	}
	wantError(t, sandbox.RenderRequest{URL: url, Device: sandbox.Device{Timezone: "Mars/Olympus"}}, "timezone", `"Mars/Olympus"`)
}

func TestOptionDark(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, `<!doctype html><style>body{background:#d02010}@media (prefers-color-scheme: dark){body{background:#1030c0}}</style>`)
	wantColor(t, singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url, Device: sandbox.Device{Dark: true}}), 300, 200), 5, 5, blue)
	wantColor(t, singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url}), 300, 200), 5, 5, red)
}

func TestOptionLocation(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, `<!doctype html><script>
		const seen = navigator.geolocation.getCurrentPosition(at => document.title = JSON.stringify([at.coords.latitude, at.coords.longitude]), e => document.title = "code " + e.code)
		</script>`)
	const seen = `await new Promise(done => { const look = () => document.title ? done() : requestAnimationFrame(look); look() })`
	r := mustRender(t, sandbox.RenderRequest{URL: url, Device: sandbox.Device{Location: &sandbox.Location{Latitude: -33.5, Longitude: 151.25}}, Pace: sandbox.Pace{Script: seen}})
	if r.Title != "[-33.5,151.25]" {
		t.Errorf("the page got %s", r.Title)
	}
	if r = mustRender(t, sandbox.RenderRequest{URL: url, Pace: sandbox.Pace{Script: seen}}); r.Title != "code 1" {
		t.Errorf("a page without permission got %s, want code 1", r.Title)
	}
}
