package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// aviary runs programs that know secrets, and keeps what they tell.
type aviary struct {
	t     *testing.T
	dir   string
	heard map[string][]byte // what was told, by where
}

func newAviary(t *testing.T) *aviary {
	return &aviary{t: t, dir: t.TempDir(), heard: map[string][]byte{}}
}

func (a *aviary) hear(where string, told []byte) { a.heard[where] = append(a.heard[where], told...) }

// eventually asks again until it holds.
func (a *aviary) eventually(what string, holds func() bool) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), time.Minute)
	defer cancel()
	for !holds() {
		if clock.Sleep(ctx, 20*time.Millisecond) != nil {
			a.t.Fatalf("never: %s", what)
		}
	}
}

// start runs a shotline in the background; its log is heard when it ends.
func (a *aviary) start(name string, args ...string) (log func() string, stop func()) {
	a.t.Helper()
	said := new(lines)
	program := exec.Command("shotline", args...)
	program.Dir, program.Stdout, program.Stderr = a.dir, said, said
	if err := program.Start(); err != nil {
		a.t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = program.Process.Signal(syscall.SIGTERM) // it may have ended
		if err := program.Wait(); err != nil {
			a.t.Errorf("%s: %v\n%s", name, err, said)
		}
		a.hear("log of "+name, []byte(said.String()))
	})
	a.t.Cleanup(stop)
	return said.String, stop
}

// run runs a command line to its end, however that is, and hears what it printed.
func (a *aviary) run(args ...string) (printed string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), time.Minute)
	defer cancel()
	var said bytes.Buffer
	run(ctx, append([]string{"shotline"}, args...), streams{in: strings.NewReader(""), out: &said, err: &said})
	if ctx.Err() != nil {
		a.t.Fatalf("shotline %q did not end:\n%s", args, &said)
	}
	a.hear("shotline "+args[0], said.Bytes())
	return said.String()
}

// ask sends a request and hears all of the answer.
func (a *aviary) ask(method, url, body string, header ...string) (status int, answer string) {
	a.t.Helper()
	request, err := http.NewRequestWithContext(a.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		a.t.Fatal(err)
	}
	defer response.Body.Close()
	told, err := httputil.DumpResponse(response, true)
	if err != nil {
		a.t.Fatal(err)
	}
	a.hear("answer to "+method+" "+request.URL.Path, told)
	_, text, _ := bytes.Cut(told, []byte("\r\n\r\n"))
	return response.StatusCode, string(text)
}

// files hears the files whose names begin so.
func (a *aviary) files(pattern string) {
	a.t.Helper()
	names, err := filepath.Glob(filepath.Join(a.dir, pattern))
	if err != nil || len(names) == 0 {
		a.t.Fatal(pattern, names, err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			a.t.Fatal(err)
		}
		a.hear("database "+filepath.Base(name), data)
	}
}

// redis hears all that a Redis holds.
func (a *aviary) redis(client *redis.Client) {
	a.t.Helper()
	ctx := a.t.Context()
	if err := client.ConfigSet(ctx, "rdbcompression", "no").Err(); err != nil {
		a.t.Fatal(err)
	}
	keys, err := client.Keys(ctx, "*").Result()
	for _, key := range keys {
		a.hear("redis", []byte(key+"\n"))
		if value, err := client.Dump(ctx, key).Result(); err == nil { // it may have gone
			a.hear("redis", []byte(value))
		}
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// echo is a vendor that repeats the key in whatever goes wrong: what, the first
// create of a page says by its address.
type echo struct {
	sandbox http.Handler
	key     string

	mu   sync.Mutex
	seen map[string]bool
}

func newEcho(sandbox, key string) *echo {
	return &echo{sandbox: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: sandbox}), key: key, seen: map[string]bool{}}
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, fault, _ := strings.Cut(r.FormValue("url"), "/fault/")
	if strings.HasSuffix(r.URL.Path, "/thumbnail") {
		fault = "thumbnail " + r.FormValue("id")
	}
	e.mu.Lock()
	again := e.seen[fault]
	e.seen[fault] = true
	e.mu.Unlock()
	if fault == "" || again || strings.HasSuffix(r.URL.Path, "/search") {
		e.sandbox.ServeHTTP(w, r)
		return
	}
	address := fmt.Sprintf("http://%s%s?key=%s&again=%s&raw=%s", r.Host, r.URL.Path, url.QueryEscape(e.key), url.PathEscape(e.key), e.key)
	status, body := http.StatusUnauthorized, fmt.Sprintf(`{"success":false,"code":"INVALID_API_KEY","error":"no such key: %s"}`, address)
	switch fault {
	case "fields":
		status, body = 422, fmt.Sprintf(`{"success":false,"code":"VALIDATION_ERROR","error":"see %s","fields":{"key %s":["%s"]}}`, address, e.key, address)
	case "page":
		status, body = 502, "<html>cannot reach <a href="+address+">the API</a></html>"
	case "limit":
		status, body = 429, fmt.Sprintf(`{"success":false,"code":"RATE_LIMIT_EXCEEDED","error":"%s","retry_after":0.1}`, address)
	case "ended":
		status, body = 200, fmt.Sprintf(`{"success":true,"data":{"id":4711,"status":"error","error":"could not be loaded: %s"}}`, address)
	case "redirect":
		w.Header()["Location"] = []string{"http://%zz/" + address}
		status, body = 302, address
	case "cut":
		w.Header().Set("Content-Length", "100000")
		status, body = 200, `{"success":true,"data":{"note":"`+address
	case "refused":
	default: // pictures
		w.Header().Set("Location", "http://127.0.0.1:1/?key="+url.QueryEscape(e.key))
		status, body = 302, address
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}
