package chrome

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"shotline/client/sandbox"
	"shotline/client/sandbox/pages"
)

func TestOptionHeader(t *testing.T) {
	t.Parallel()
	foreign, others := serveRecorded(t, "")
	own := make(chan *http.Request, 8)
	address := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		own <- r
		if r.URL.Path == "/" {
			fmt.Fprintf(w, `<p><img src="/own.png"><img src="%sforeign.png"><img src="/away"><iframe src="%sframe"></iframe>`, foreign, foreign)
		} else if r.URL.Path == "/away" {
			http.Redirect(w, r, foreign+"redirected", http.StatusFound)
		}
	})
	mustRender(t, sandbox.RenderRequest{URL: address, Visit: sandbox.Visit{
		Header:  []sandbox.Pair{{Name: "Authorization", Value: "Bearer a"}, {Name: "x-two", Value: "2"}, {Name: "Accept-Language", Value: "el"}},
		Cookies: []sandbox.Pair{{Name: "session", Value: "s1"}},
	}})
	for _, path := range []string{"/", "own or away", "own or away"} {
		r := <-own
		if r.Header.Get("Authorization") != "Bearer a" || r.Header.Get("X-Two") != "2" {
			t.Errorf("%s: headers %v", path, r.Header)
		}
		if c, err := r.Cookie("session"); err != nil || c.Value != "s1" {
			t.Errorf("%s: cookies are %v", path, r.Cookies())
		}
		if got := r.Header.Values("Accept-Language"); len(got) != 1 || got[0] != "el" {
			t.Errorf("Accept-Language %q", got)
		}
		if r.UserAgent() != "shotline-test" || r.Header.Get("Accept") == "" {
			t.Errorf("%s: headers of the browser are missing: %v", path, r.Header)
		}
	}
	for range 3 {
		if r := <-others; r.Header.Get("Authorization") != "" || r.Header.Get("X-Two") != "" {
			t.Errorf("%s on another host got %v", r.URL.Path, r.Header)
		}
	}
}

func TestOptionHeaderOnDemoHosts(t *testing.T) {
	t.Parallel()
	seen := make(chan *http.Request, 8)
	r := withConfig(t, func(c *Config) {
		c.Pages = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := r.ParseForm(); err != nil {
				t.Error(err)
			}
			seen <- r
			pages.Handler().ServeHTTP(w, r.Clone(r.Context()))
		})
	})
	form := "a=1&b=2"
	_, err := r.Render(t.Context(), sandbox.RenderRequest{URL: "https://shop.shotline.test/", Visit: sandbox.Visit{
		Header: []sandbox.Pair{{Name: "X-One", Value: "1"}}, Cookies: []sandbox.Pair{{Name: "session", Value: "s1"}}, PostData: &form,
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := <-seen
	if got.Header.Get("X-One") != "1" || got.Method != http.MethodPost || got.PostForm.Encode() != form {
		t.Errorf("demo host got %s %v, form %v", got.Method, got.Header, got.PostForm)
	}
	if c, err := got.Cookie("session"); err != nil || c.Value != "s1" {
		t.Errorf("demo host got cookies %v", got.Cookies())
	}
}

func TestSameHost(t *testing.T) {
	for _, c := range []struct {
		home, to string
		want     bool
	}{
		{"https://a.example/", "https://a.example/x", true},
		{"https://a.example/", "https://A.example:443/x", true},
		{"http://a.example/", "https://a.example/", true},
		{"https://a.example/", "http://a.example/", false},
		{"https://a.example/", "https://www.a.example/", false},
		{"https://a.example/", "https://a.example:8443/", false},
		{"http://a.example:8080/", "https://a.example/", false},
	} {
		home, err := url.Parse(c.home)
		if err != nil {
			t.Fatal(err)
		}
		to, err := url.Parse(c.to)
		if err != nil {
			t.Fatal(err)
		}
		if got := sameHost(home, to); got != c.want {
			t.Errorf("sameHost(%s, %s) = %v", c.home, c.to, got)
		}
	}
}

func TestOptionCookie(t *testing.T) {
	t.Parallel()
	address, requests := serveRecorded(t, `<!doctype html><script>document.title = document.cookie</script>`)
	r := mustRender(t, sandbox.RenderRequest{URL: address, Visit: sandbox.Visit{Cookies: []sandbox.Pair{{Name: "a", Value: "1"}, {Name: "b", Value: "x=y"}}}})
	if got := (<-requests).Header.Get("Cookie"); got != "a=1; b=x=y" || r.Title != got {
		t.Errorf("server got cookies %q, page got %q", got, r.Title)
	}
	wantError(t, sandbox.RenderRequest{URL: address, Visit: sandbox.Visit{Cookies: []sandbox.Pair{{Name: "a", Value: "1;\n2"}}}}, `cookie: `, `"a"`)
}

func TestOptionReferer(t *testing.T) {
	t.Parallel()
	const from = "https://search.example/results?q=tea"
	address, requests := serveRecorded(t, `<!doctype html><script>document.title = document.referrer</script>`)
	r := mustRender(t, sandbox.RenderRequest{URL: address, Visit: sandbox.Visit{Referer: from}})
	if got := (<-requests).Referer(); got != from || r.Title != from {
		t.Errorf("server got referer %q, page got %q", got, r.Title)
	}
}

func TestOptionPostData(t *testing.T) {
	t.Parallel()
	address, requests := serveRecorded(t, `<!doctype html><title>answer</title><img src="picture.png">`)
	form := "name=Ωmega&n=1"
	r := mustRender(t, sandbox.RenderRequest{URL: address, Visit: sandbox.Visit{PostData: &form}})
	got := <-requests
	if got.Method != http.MethodPost || got.PostForm.Get("name") != "Ωmega" || got.PostForm.Get("n") != "1" || r.Title != "answer" {
		t.Errorf("server got %s, form %v, type %q", got.Method, got.PostForm, got.Header.Get("Content-Type"))
	}
	if got = <-requests; got.Method != http.MethodGet {
		t.Errorf("%s was requested by %s, want GET", got.URL, got.Method)
	}
	empty := ""
	mustRender(t, sandbox.RenderRequest{URL: address, Visit: sandbox.Visit{PostData: &empty}})
	if got = <-requests; got.Method != http.MethodPost || got.ContentLength > 0 {
		t.Errorf("empty form was sent by %s with %d bytes", got.Method, got.ContentLength)
	}
}

func TestOptionStrictSSL(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<title>private</title>")
	}))
	server.Config.ErrorLog = discard
	server.StartTLS()
	t.Cleanup(server.Close)
	if r := mustRender(t, sandbox.RenderRequest{URL: server.URL}); r.Title != "private" {
		t.Errorf("title is %q", r.Title)
	}
	wantError(t, sandbox.RenderRequest{URL: server.URL, Visit: sandbox.Visit{StrictSSL: true}}, "certificate is not from a trusted authority")
}

func TestRequestIsChecked(t *testing.T) {
	header := func(name, value string) sandbox.RenderRequest {
		return sandbox.RenderRequest{Visit: sandbox.Visit{Header: []sandbox.Pair{{Name: name, Value: value}}}}
	}
	device := func(d sandbox.Device) sandbox.RenderRequest { return sandbox.RenderRequest{Device: d} }
	steps := func(s ...sandbox.Step) sandbox.RenderRequest {
		return sandbox.RenderRequest{Pace: sandbox.Pace{Steps: s}}
	}
	pdf := func(o sandbox.PDFOptions) sandbox.RenderRequest { return sandbox.RenderRequest{PDF: &o} }
	for _, c := range []struct {
		req  sandbox.RenderRequest
		want string
	}{
		{header("Host", "a"), "header: Host cannot be set"},
		{header("a b", "a"), `header: "a b"`},
		{header("A", "1\r\nB: 2"), "header: the value of A"},
		{device(sandbox.Device{Scale: 9}), "device_scale: 9"},
		{device(sandbox.Device{Scale: -1}), "device_scale: -1"},
		{device(sandbox.Device{Scale: 4, ScreenWidth: 8000}), "device_scale: a screen of 8000"},
		{device(sandbox.Device{Language: "fr_FR!"}), "language: "},
		{device(sandbox.Device{UserAgent: "a\r\nb"}), "user_agent: "},
		{device(sandbox.Device{Location: &sandbox.Location{Latitude: 91}}), "geo_latitude: 91"},
		{device(sandbox.Device{Location: &sandbox.Location{Longitude: -181}}), "geo_longitude: -181"},
		{steps(sandbox.Step{Command: sandbox.StepScroll}, sandbox.Step{Command: sandbox.StepFill}), "steps: step 2 (fill) needs a selector"},
		{steps(sandbox.Step{Command: sandbox.StepType, Value: "x"}), "steps: step 1 (type) needs a selector"},
		{steps(sandbox.Step{Command: "dance"}), `steps: step 1 has the unknown command "dance"`},
		{sandbox.RenderRequest{Pace: sandbox.Pace{Images: 101}}, "shots: 101"},
		{sandbox.RenderRequest{Frame: sandbox.Frame{MaxHeight: -1}}, "max_height: -1"},
		{pdf(sandbox.PDFOptions{Format: "a9"}), `pdf_format: "a9"`},
		{pdf(sandbox.PDFOptions{Margin: sandbox.Margin{Top: -1}}), "pdf_margin: "},
		{pdf(sandbox.PDFOptions{Margin: sandbox.Margin{Left: 11, Right: 10}}), "pdf_margin: "},
	} {
		c.req.URL = "https://shop.shotline.test/"
		if _, err := complete(c.req); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("error %v, want one that starts with %q", err, c.want)
		}
	}
}
