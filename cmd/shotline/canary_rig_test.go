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

// leakRig runs programs that hold secrets and records everything that they
// output.
type leakRig struct {
	t      *testing.T
	dir    string
	output map[string][]byte // output by its source
}

func newLeakRig(t *testing.T) *leakRig {
	return &leakRig{t: t, dir: t.TempDir(), output: map[string][]byte{}}
}

func (a *leakRig) record(source string, data []byte) {
	a.output[source] = append(a.output[source], data...)
}

// eventually waits until a condition holds.
func (a *leakRig) eventually(desc string, holds func() bool) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), time.Minute)
	defer cancel()
	for !holds() {
		if clock.Sleep(ctx, 20*time.Millisecond) != nil {
			a.t.Fatalf("timeout: %s", desc)
		}
	}
}

// start runs shotline in the background. It records the log when the process
// ends.
func (a *leakRig) start(name string, args ...string) (log func() string, stop func()) {
	a.t.Helper()
	output := new(lines)
	program := exec.Command("shotline", args...)
	program.Dir, program.Stdout, program.Stderr = a.dir, output, output
	if err := program.Start(); err != nil {
		a.t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = program.Process.Signal(syscall.SIGTERM) // fails if it has already ended
		if err := program.Wait(); err != nil {
			a.t.Errorf("%s: %v\n%s", name, err, output)
		}
		a.record("log of "+name, []byte(output.String()))
	})
	a.t.Cleanup(stop)
	return output.String, stop
}

// run runs a command to its end and records its output. The exit code does not
// matter.
func (a *leakRig) run(args ...string) (printed string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	run(ctx, append([]string{"shotline"}, args...), streams{in: strings.NewReader(""), out: &out, err: &out})
	if ctx.Err() != nil {
		a.t.Fatalf("shotline %q did not end:\n%s", args, &out)
	}
	a.record("shotline "+args[0], out.Bytes())
	return out.String()
}

// ask sends a request and records the complete response.
func (a *leakRig) ask(method, url, body string, header ...string) (status int, answer string) {
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
	dump, err := httputil.DumpResponse(response, true)
	if err != nil {
		a.t.Fatal(err)
	}
	a.record("answer to "+method+" "+request.URL.Path, dump)
	_, text, _ := bytes.Cut(dump, []byte("\r\n\r\n"))
	return response.StatusCode, string(text)
}

// files records the content of the files that match the pattern.
func (a *leakRig) files(pattern string) {
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
		a.record("database "+filepath.Base(name), data)
	}
}

// redis records all keys and values of a Redis server.
func (a *leakRig) redis(client *redis.Client) {
	a.t.Helper()
	ctx := a.t.Context()
	if err := client.ConfigSet(ctx, "rdbcompression", "no").Err(); err != nil {
		a.t.Fatal(err)
	}
	keys, err := client.Keys(ctx, "*").Result()
	for _, key := range keys {
		a.record("redis", []byte(key+"\n"))
		if value, err := client.Dump(ctx, key).Result(); err == nil { // the key might have expired
			a.record("redis", []byte(value))
		}
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// echo is a vendor whose errors quote the API key. The URL of a page selects the
// error for its first create.
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
	default: // thumbnails
		w.Header().Set("Location", "http://127.0.0.1:1/?key="+url.QueryEscape(e.key))
		status, body = 302, address
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}
