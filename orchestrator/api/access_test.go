package api

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// addTokens configures a read-only and a read-write token and returns their
// secrets.
func addTokens(t *testing.T, c *Config) (reads, writes string) {
	t.Helper()
	reader, reads, err := NewToken("reader", false)
	if err != nil {
		t.Fatal(err)
	}
	writer, writes, err := NewToken("writer", true)
	if err != nil {
		t.Fatal(err)
	}
	c.Access.Tokens = []Token{reader, writer}
	return reads, writes
}

func TestTokensGrantAccess(t *testing.T) {
	var reads, writes string
	r := newRig(t, func(c *Config) { reads, writes = addTokens(t, c) })
	post := func() reply { return r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}) }
	for name, header := range map[string][]string{
		"none":         {},
		"unknown":      {"Authorization", "Bearer shotline_" + strings.Repeat("A", 43)},
		"the hash":     {"Authorization", "Bearer " + strings.Split(r.config.Access.Tokens[1].String(), ":")[3]},
		"other scheme": {"Authorization", "Basic " + writes},
		"bare":         {"Authorization", writes},
		"empty":        {"Authorization", "Bearer "},
		"cut":          {"Authorization", "Bearer " + writes[:len(writes)-1]},
	} {
		for _, path := range []string{"/v1/jobs", "/readyz", "/metrics", "/nowhere"} {
			a := r.do("GET", path, nil, header...)
			t.Log(name, path)
			a.problem(401, "", "")
			if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("WWW-Authenticate %q", a.header.Get("WWW-Authenticate"))
			}
		}
	}
	for _, path := range openPaths {
		want := http.StatusOK
		if path == "/" { // redirects to /docs
			want = http.StatusFound
		}
		if a := r.do("GET", path, nil); a.status != want {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	r.token = reads
	r.do("GET", "/v1/jobs", nil).want(200)
	r.do("GET", "/readyz", nil).want(200)
	post().problem(403, "", "read-only")
	r.token = writes
	post().want(202)
	r.do("GET", "/v1/jobs", nil).want(200)
}

// TestResponsesAreSameOrigin checks that no page of another origin may embed a
// response.
func TestResponsesAreSameOrigin(t *testing.T) {
	r := newRig(t, nil)
	for _, path := range []string{"/v1/jobs", "/healthz", "/docs", "/openapi.json", "/nowhere", "/v1/jobs/nobody-1/image"} {
		if got := r.do("GET", path, nil).header.Get("Cross-Origin-Resource-Policy"); got != "same-origin" {
			t.Errorf("%s: Cross-Origin-Resource-Policy %q", path, got)
		}
	}
}

func TestIdempotencyKeysBelongToTheirToken(t *testing.T) {
	first, a, err := NewToken("first", true)
	if err != nil {
		t.Fatal(err)
	}
	second, b, err := NewToken("second", true)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(c *Config) { c.Access.Tokens = []Token{first, second} })
	r.token = a
	one := r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}, "Idempotency-Key", "k").want(202)["id"]
	r.token = b
	two := r.do("POST", "/v1/jobs", JobRequest{URL: "b.test"}, "Idempotency-Key", "k").want(202)["id"]
	if one == two {
		t.Error("the same key of two tokens created one job")
	}
}

func TestParseToken(t *testing.T) {
	made, secret, err := NewToken("ci-2", false)
	if err != nil {
		t.Fatal(err)
	}
	read, err := ParseToken(made.String())
	if err != nil || read != made || read.Write {
		t.Errorf("%v is read as %v, %v", made, read, err)
	}
	if found, ok := findToken([]Token{read}, secret); !ok || found.Name != "ci-2" {
		t.Error("the secret does not match its token")
	}
	hash := strings.Repeat("ab", 32)
	for _, wrong := range []string{"", "ci", secret, "ci:rw:" + hash, "ci:rx:sha256:" + hash, "ci:rw:sha256:" + hash[2:], "ci:rw:sha256:" + hash[1:] + "x",
		"CI:rw:sha256:" + hash, ":rw:sha256:" + hash, "ci:rw:md5:" + hash, strings.Repeat("c", 41) + ":rw:sha256:" + hash, "ci:rw:sha256:" + hash + ":"} {
		if _, err := ParseToken(wrong); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestHostNames(t *testing.T) {
	for name, test := range map[string]struct {
		access Access
		local  string // address at which the connection arrived
		host   string
		want   int
	}{
		"loopback":                   {Access{Loopback: true}, "127.0.0.1", "localhost:8081", 200},
		"loopback, rebound":          {Access{Loopback: true}, "127.0.0.1", "rebound.example:8081", 421},
		"a named host":               {Access{Hosts: []string{"Shots.example"}}, "192.0.2.7", "shots.example:443", 200},
		"a named host, with dot":     {Access{Hosts: []string{"shots.example"}}, "192.0.2.7", "shots.example.", 200},
		"a named host, on loopback":  {Access{Hosts: []string{"shots.example"}, Loopback: true}, "127.0.0.1", "shots.example", 200},
		"beside a named host":        {Access{Hosts: []string{"shots.example"}}, "192.0.2.7", "x.shots.example", 421},
		"the bound address":          {Access{}, "192.0.2.7", "192.0.2.7:8081", 200},
		"the bound IPv6 address":     {Access{}, "2001:db8::7", "[2001:db8::7]:8081", 200},
		"another address":            {Access{}, "192.0.2.7", "192.0.2.8:8081", 421},
		"localhost from elsewhere":   {Access{}, "192.0.2.7", "localhost", 421},
		"localhost on all addresses": {Access{}, "127.0.0.1", "localhost", 200},
		"no name from elsewhere":     {Access{}, "192.0.2.7", "", 421},
	} {
		r := newRig(t, func(c *Config) { c.Access = test.access })
		handler, err := New(r.config)
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.ParseIP(test.local), Port: 8081}))
		request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1/jobs", nil)
		request.Host = test.host
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, request)
		if w.Code != test.want {
			t.Errorf("%s: %d, want %d", name, w.Code, test.want)
		}
	}
	r := newRig(t, nil)
	r.host = "rebound.example"
	r.do("GET", "/v1/jobs", nil).problem(421, "", "--api-host")
	r.do("GET", "/healthz", nil).problem(421, "", "--api-host")
}

func TestCrossSiteRequestsAreRefused(t *testing.T) {
	r := newRig(t, nil)
	for name, test := range map[string]struct {
		header []string
		status int
	}{
		"cross-site":    {[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		"same-site":     {[]string{"Sec-Fetch-Site", "same-site"}, 403},
		"old browser":   {[]string{"Origin", "https://evil.example"}, 403},
		"our own page":  {[]string{"Sec-Fetch-Site", "same-origin"}, 202},
		"not a browser": {nil, 202},
	} {
		t.Log(name)
		if a := r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}, test.header...); test.status == 403 {
			a.problem(403, "", "other sites")
		} else {
			a.want(test.status)
		}
	}
}

func TestRateLimitPerToken(t *testing.T) {
	var reads, writes string
	r := newRig(t, func(c *Config) {
		reads, writes = addTokens(t, c)
		c.Access.Rate = 0.001 // allows no second request within this test
	})
	r.token = reads
	r.do("GET", "/v1/jobs", nil).want(200)
	a := r.do("GET", "/v1/jobs", nil)
	a.problem(429, "", "--api-rate")
	if a.header.Get("Retry-After") != "1000" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	r.token = writes
	r.do("GET", "/v1/jobs", nil).want(200)
	r.token = ""
	r.do("GET", "/healthz", nil).want(200)
	r.do("GET", "/healthz", nil).want(200)
}

func TestUnknownRoutesAndMethods(t *testing.T) {
	r := newRig(t, nil)
	for _, path := range []string{"/v1", "/v1/job", "/v1/jobs/b1-1/nothing", "/webhooks/screenshotcenter", "/v1/jobs/"} {
		r.do("GET", path, nil).problem(404, "", "no route at this path")
	}
	for path, method := range map[string]string{"/v1/jobs": "DELETE", "/v1/batches": "PUT", "/healthz": "POST", "/v1/jobs/b1-1/retry": "GET"} {
		a := r.do(method, path, nil)
		a.problem(405, "", "this path accepts only")
		if a.header.Get("Allow") == "" {
			t.Errorf("%s %s has no Allow header", method, path)
		}
	}
}
