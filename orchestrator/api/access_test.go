package api

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// newToken is a token and the secret that its bearer shows.
func newToken(t *testing.T, name string, write bool) (Token, string) {
	t.Helper()
	made, secret, err := NewToken(name, write)
	if err != nil {
		t.Fatal(err)
	}
	read, err := ParseToken(made.String())
	if err != nil || read != made {
		t.Fatalf("%+v became %+v, %v", made, read, err)
	}
	return read, secret
}

func TestWhoMayDoWhat(t *testing.T) {
	reader, reads := newToken(t, "dashboard", false)
	writer, writes := newToken(t, "shop", true)
	other, others := newToken(t, "bakery", true)
	r := newRig(t, func(c *Config) { c.Access.Tokens = []Token{reader, writer, other} })
	const job = `{"url":"https://example.com"}`

	for _, path := range []string{"/v1/jobs", "/metrics", "/readyz", "/v2"} {
		got := r.ask("GET", path, nil)
		got.problem(401, "", "bearer token")
		if got.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", path)
		}
	}
	r.ask("GET", "/healthz", nil).want(200)
	r.ask("GET", "/openapi.json", nil).want(200)
	for _, wrong := range []string{"Bearer", "Bearer ", "Bearer x", "Basic " + reads, "Bearer " + reads[:len(reads)-1], "Bearer " + reader.String(), reads} {
		r.ask("GET", "/v1/jobs", nil, "Authorization", wrong).problem(401, "", "")
	}
	r.token = reads
	r.ask("GET", "/v1/jobs", nil).want(200)
	r.ask("GET", "/readyz", nil).want(200)
	r.ask("POST", "/v1/jobs", job).problem(403, "", "only reads")
	r.token = writes
	mine := r.ask("POST", "/v1/jobs", job, "Idempotency-Key", "k").want(202)["id"]

	// Keys are each token's own.
	r.token = others
	if got := r.ask("POST", "/v1/jobs", job, "Idempotency-Key", "k").want(202)["id"]; got == mine {
		t.Errorf("one token got the job %s of another", mine)
	}
}

func TestParseToken(t *testing.T) {
	good, _ := newToken(t, "a-1", true)
	hash := strings.TrimPrefix(good.String(), "a-1:rw:sha256:")
	for _, wrong := range []string{
		"", "secret", "a-1:rw:sha256:", "a-1:rw:sha256:" + hash[1:], "a-1:rw:sha256:" + hash + "00", "a-1:rw:md5:" + hash, "a-1:wo:sha256:" + hash,
		"A:rw:sha256:" + hash, ":rw:sha256:" + hash, strings.Repeat("a", 41) + ":ro:sha256:" + hash, "a-1:rw:sha256:" + strings.Repeat("g", 64),
	} {
		_, err := ParseToken(wrong)
		if err == nil {
			t.Errorf("%q was taken", wrong)
		}
		if err != nil && strings.Contains(err.Error(), hash[1:]) {
			t.Errorf("%v repeats it", err)
		}
	}
}

func TestForeignHosts(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Access.Hosts = []string{"shots.example.com"} })
	for _, host := range []string{"localhost", "LOCALHOST:8081", "127.0.0.1", "[::1]:8081", "localhost.", "shots.example.com", "SHOTS.example.com:443"} {
		r.host = host
		r.ask("GET", "/v1/jobs", nil).want(200)
	}
	for _, host := range []string{"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "shots.example.com.evil.example"} {
		r.host = host
		for _, path := range []string{"/v1/jobs", "/metrics", "/healthz", "/openapi.json"} {
			r.ask("GET", path, nil).problem(421, "", "--api-host")
		}
	}
}

// Beyond loopback the API answers to the address that was connected to.
func TestHostsBeyondLoopback(t *testing.T) {
	local := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 8081}
	for host, answers := range map[string]bool{"192.0.2.7:8081": true, "192.0.2.8": false, "localhost": false, "": false, "shots.example.com": true} {
		a := Access{Hosts: []string{"shots.example.com"}}
		request, err := http.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(local)), http.MethodGet, "http://x/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		if a.answersTo(request) != answers {
			t.Errorf("%q: answers %v", host, !answers)
		}
	}
}

func TestWebPagesOfOtherSites(t *testing.T) {
	r := newRig(t, nil)
	const job = `{"url":"https://example.com"}`
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		r.ask("POST", "/v1/jobs", job, header...).problem(403, "", "another site")
	}
	r.ask("POST", "/v1/jobs", job, "Sec-Fetch-Site", "same-origin").want(202)
	if got := r.ask("GET", "/v1/jobs", nil); got.header.Get("Access-Control-Allow-Origin") != "" || got.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v", got.header)
	}
}

func TestRateOfAToken(t *testing.T) {
	one, first := newToken(t, "one", true)
	two, second := newToken(t, "two", true)
	r := newRig(t, func(c *Config) { c.Access.Tokens, c.Access.Rate = []Token{one, two}, 0.001 })
	r.token = first
	r.ask("GET", "/v1/jobs", nil).want(200)
	got := r.ask("GET", "/v1/jobs", nil)
	got.problem(429, "", "--api-rate")
	if got.header.Get("Retry-After") != "1000" {
		t.Errorf("Retry-After: %q", got.header.Get("Retry-After"))
	}
	r.token = second
	r.ask("GET", "/v1/jobs", nil).want(200)
}

// What panics is answered, and told to the log alone.
func TestAHandlerThatPanics(t *testing.T) {
	r := newRig(t, func(c *Config) { c.NewID = func() string { panic("canary") } })
	got := r.ask("POST", "/v1/jobs", `{"url":"https://example.com"}`)
	got.problem(500, "", "logged")
	if strings.Contains(string(got.body), "canary") {
		t.Errorf("%s", got.body)
	}
}

// A body that does not come ends with its time.
func TestASlowBody(t *testing.T) {
	r := newRig(t, nil)
	server := &http.Server{Handler: r.handler, ReadTimeout: 200 * time.Millisecond, ReadHeaderTimeout: 5 * time.Second}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") || !strings.Contains(string(answer), problemType) {
		t.Errorf("%s", answer)
	}
}

// The contract names every route, with its right and its problems.
func TestContract(t *testing.T) {
	r := newRig(t, nil)
	var contract struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			Security  []map[string][]string      `json:"security"`
			Responses map[string]json.RawMessage `json:"responses"`
		} `json:"paths"`
	}
	got := r.ask("GET", "/openapi.json", nil)
	got.want(200)
	if err := json.Unmarshal(got.body, &contract); err != nil || contract.OpenAPI != "3.1.0" {
		t.Fatalf("%q, %v", contract.OpenAPI, err)
	}
	for path, methods := range map[string]map[string]string{
		"/v1/jobs":             {"get": "200 401 404 421 422 429 500 503", "post": "200 202 400 401 403 408 409 413 415 421 422 429 500 503"},
		"/v1/jobs/{id}":        {"get": "200 401 404 421 422 429 500 503"},
		"/v1/jobs/{id}/retry":  {"post": "200 202 401 403 404 409 421 422 429 500 502 503"},
		"/v1/jobs/{id}/cancel": {"post": "200 202 401 403 404 409 421 422 429 500 503"},
		"/healthz":             {"get": "200 421"}, "/readyz": {"get": "200 401 421 429 503"}, "/metrics": {"get": "200 401 421 429 500 503"},
	} {
		for method, statuses := range methods {
			op, there := contract.Paths[path][method]
			if !there {
				t.Errorf("%s %s is missing", method, path)
				continue
			}
			for _, status := range strings.Fields(statuses) {
				if _, there := op.Responses[status]; !there {
					t.Errorf("%s %s does not tell of %s", method, path, status)
				}
			}
			if open := len(op.Security) == 0; open != (path == "/healthz") {
				t.Errorf("%s %s: security %v", method, path, op.Security)
			}
		}
		if len(contract.Paths[path]) != len(methods) {
			t.Errorf("%s: more methods than are known here", path)
		}
	}
	if len(contract.Paths) != 7 {
		t.Errorf("%d paths", len(contract.Paths))
	}
}
