package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"shotline/orchestrator/api"
)

// front is a proxy in front of a server. It passes each of the first requests to
// one of the steps, and all others to the server.
type front struct {
	*httptest.Server
	pass  http.Handler
	steps []http.HandlerFunc
	mu    sync.Mutex
	seen  []string
}

func newFront(t *testing.T, pass http.Handler, steps ...http.HandlerFunc) *front {
	t.Helper()
	f := &front{pass: pass, steps: steps}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// passTo returns a proxy to a server on this machine.
func passTo(address string) http.Handler {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	proxy.ErrorLog = log.New(io.Discard, "", 0) // the tests cut streams
	return proxy
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	step := f.pass.ServeHTTP
	if n := len(f.seen); n < len(f.steps) {
		step = f.steps[n]
	}
	f.seen = append(f.seen, r.Method+" "+r.URL.RequestURI())
	f.mu.Unlock()
	step(w, r)
}

// requests returns the method and path of each request. The job's id is replaced
// with ID.
func (f *front) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	requests := make([]string, len(f.seen))
	for i, line := range f.seen {
		requests[i] = jobInPath.ReplaceAllString(line, "/jobs/ID")
	}
	return requests
}

var jobInPath = regexp.MustCompile(`/jobs/[^/?]+`)

// lost returns a step that serves the request and drops the response.
func lost(pass http.Handler) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		pass.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
}

func unavailable(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusServiceUnavailable)
}

// early returns a step that responds without waiting, like a serve that is
// stopping.
func early(pass http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = ""
		pass.ServeHTTP(w, r)
	}
}

// TestOrderPrograms runs the order programs in testdata/programs against a real
// serve, through lost responses, outages and refusals.
func TestOrderPrograms(t *testing.T) {
	token, secret, err := api.NewToken("shop", true)
	if err != nil {
		t.Fatal(err)
	}
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	s := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	// Hold back the webhook until every program waits.
	var toWait sync.WaitGroup
	hooks := passTo(s.hooks)
	hookProxy := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { toWait.Wait(); hooks.ServeHTTP(w, r) }))
	s.proxy.to = hookProxy.URL + WebhookPath
	s.serve("--api-listen", address, "--api-token", token.String())
	pass := passTo(address)

	wantFollowed := follow(t, pass, secret)
	t.Run("all", func(t *testing.T) {
		for _, name := range []string{"order.sh", "order.go", "order.py", "order.mjs"} {
			t.Run(name, func(t *testing.T) {
				toWait.Add(1)
				t.Parallel() // only with the other programs of this test
				waits := sync.OnceFunc(toWait.Done)
				defer waits()
				whole := func(w http.ResponseWriter, r *http.Request) { waits(); pass.ServeHTTP(w, r) }
				f := newFront(t, pass, lost(pass), pass.ServeHTTP, unavailable, early(pass), whole)
				argv := program(t, name)
				cmd := programCommand(t, argv, "SHOTLINE_URL="+f.URL, "SHOTLINE_TOKEN="+secret)
				output, err := cmd.CombinedOutput()
				if !regexp.MustCompile(`(?m)^done http://127\.0\.0\.1:\d+/\S+\n\z`).Match(output) || err != nil {
					t.Errorf("error %v and output\n%s", err, output)
				}
				wantImage(t, cmd)
				post, wait := "POST /v1/jobs", "GET /v1/jobs/ID?wait=30s"
				want := []string{post, post, wait, wait, wait, "GET /v1/jobs/ID/image"}
				if got := f.requests(); !slices.Equal(got, want) {
					t.Errorf("got requests %q, want %q", got, want)
				}

				refusing := newFront(t, pass)
				cmd = programCommand(t, argv, "SHOTLINE_URL="+refusing.URL, "SHOTLINE_TOKEN=wrong")
				output, err = cmd.CombinedOutput()
				if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || len(refusing.requests()) != 1 {
					t.Errorf("refused: requests %q, error %v and output\n%s", refusing.requests(), err, output)
				}
				if _, err := os.Stat(filepath.Join(cmd.Dir, "shot.png")); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("refused: shot.png: %v, want none", err)
				}
			})
		}
	})
	if paid := len(s.vendor.Ledger().Creates); paid != 1 {
		t.Errorf("%d paid creates, want 1 for the one key", paid)
	}
	wantFollowed()
}

// wantImage checks the image that a program saved.
func wantImage(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	image, err := os.ReadFile(filepath.Join(cmd.Dir, "shot.png"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(image, []byte("\x89PNG\r\n")) || !bytes.HasSuffix(image, []byte("IEND\xaeB`\x82")) {
		t.Errorf("shot.png is not a whole PNG image: %d bytes", len(image))
	}
}

// TestFirstPrograms runs the shortest order programs in testdata/programs.
func TestFirstPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("runs programs in other languages")
	}
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	s := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	s.serve("--api-listen", address)
	t.Run("all", func(t *testing.T) {
		for _, name := range []string{"first.sh", "first.go", "first.py", "first.mjs"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel() // only with the other programs of this test
				f := newFront(t, passTo(address))
				cmd := programCommand(t, program(t, name), "SHOTLINE_URL="+f.URL)
				if output, err := cmd.CombinedOutput(); string(output) != "done\n" || err != nil {
					t.Errorf("error %v and output\n%s", err, output)
				}
				wantImage(t, cmd)
				if got := f.requests(); len(got) != 3 || got[1] != "GET /v1/jobs/ID?wait=1m" {
					t.Errorf("got requests %q, want three, the second one waiting", got)
				}
			})
		}
	})
	if paid := len(s.vendor.Ledger().Creates); paid != 4 {
		t.Errorf("%d paid creates, want 4, one for each program", paid)
	}
}

// follow starts follow.sh and waits until its stream has begun. The returned
// function waits until the program prints the end of a job.
func follow(t *testing.T, pass http.Handler, secret string) (wantEvent func()) {
	t.Helper()
	f := newFront(t, pass)
	cmd := programCommand(t, program(t, "follow.sh"), "SHOTLINE_URL="+f.URL, "SHOTLINE_TOKEN="+secret)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.CloseClientConnections()
		_ = cmd.Wait() // curl reports the cut connection
	})
	lines := bufio.NewScanner(out)
	until := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), want) {
				return
			}
		}
		t.Errorf("follow.sh ended before it printed %q: %v", want, lines.Err())
	}
	until(":")
	return func() {
		t.Helper()
		until("event: job.done")
		until(`data: {"id":`)
	}
}
