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

// front stands before a server: its first requests go through the steps, one
// after the other, and all others are passed on.
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

// passTo passes requests on to a server on this machine.
func passTo(address string) http.Handler {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	proxy.ErrorLog = log.New(io.Discard, "", 0) // a stream is meant to be cut
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

// asked is what it was asked for, with ID for each job's.
func (f *front) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := make([]string, len(f.seen))
	for i, line := range f.seen {
		asked[i] = jobInPath.ReplaceAllString(line, "/jobs/ID")
	}
	return asked
}

var jobInPath = regexp.MustCompile(`/jobs/[^/?]+`)

// lost is answered, but the answer does not arrive.
func lost(pass http.Handler) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		pass.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
}

func unavailable(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusServiceUnavailable)
}

// early is answered at once, as by a serve that stops.
func early(pass http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = ""
		pass.ServeHTTP(w, r)
	}
}

// TestReadmeOrders runs the README's programs that ask for a picture against a
// real serve, through everything that they say they get over.
func TestReadmeOrders(t *testing.T) {
	token, secret, err := api.NewToken("shop", true)
	if err != nil {
		t.Fatal(err)
	}
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	s := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	// The webhook does not come before every program waits.
	var toWait sync.WaitGroup
	hooks := passTo(s.hooks)
	gate := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { toWait.Wait(); hooks.ServeHTTP(w, r) }))
	s.taps.to = gate.URL + WebhookPath
	s.serve("--api-listen", address, "--api-token", token.String())
	pass := passTo(address)

	told := follow(t, pass, secret)
	t.Run("all", func(t *testing.T) {
		for _, name := range []string{"order.sh", "order.go", "order.py", "order.mjs"} {
			t.Run(name, func(t *testing.T) {
				toWait.Add(1)
				t.Parallel() // with the others of this test alone
				waits := sync.OnceFunc(toWait.Done)
				defer waits()
				whole := func(w http.ResponseWriter, r *http.Request) { waits(); pass.ServeHTTP(w, r) }
				f := newFront(t, pass, lost(pass), pass.ServeHTTP, unavailable, early(pass), whole)
				argv := program(t, name)
				cmd := programCommand(t, argv, "SHOTLINE_URL="+f.URL, "SHOTLINE_TOKEN="+secret)
				said, err := cmd.CombinedOutput()
				if !regexp.MustCompile(`(?m)^done http://127\.0\.0\.1:\d+/\S+\n\z`).Match(said) || err != nil {
					t.Errorf("it ended with %v and said\n%s", err, said)
				}
				savedPicture(t, cmd)
				post, wait := "POST /v1/jobs", "GET /v1/jobs/ID?wait=30s"
				want := []string{post, post, wait, wait, wait, "GET /v1/jobs/ID/image"}
				if got := f.asked(); !slices.Equal(got, want) {
					t.Errorf("it asked for %q, want %q", got, want)
				}

				refusing := newFront(t, pass)
				cmd = programCommand(t, argv, "SHOTLINE_URL="+refusing.URL, "SHOTLINE_TOKEN=wrong")
				said, err = cmd.CombinedOutput()
				if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || len(refusing.asked()) != 1 {
					t.Errorf("refused, it asked for %q, and ended with %v\n%s", refusing.asked(), err, said)
				}
				if _, err := os.Stat(filepath.Join(cmd.Dir, "shot.png")); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("refused, it left a picture: %v", err)
				}
			})
		}
	})
	if paid := len(s.vendor.Ledger().Creates); paid != 1 {
		t.Errorf("%d creates were paid for, want 1: the key was the same", paid)
	}
	told()
}

// savedPicture checks what a program has saved.
func savedPicture(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	picture, err := os.ReadFile(filepath.Join(cmd.Dir, "shot.png"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(picture, []byte("\x89PNG\r\n")) || !bytes.HasSuffix(picture, []byte("IEND\xaeB`\x82")) {
		t.Errorf("it saved %d bytes that are no whole picture", len(picture))
	}
}

// TestReadmeFirstLines runs the shortest programs that ask for a picture.
func TestReadmeFirstLines(t *testing.T) {
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	s := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	s.serve("--api-listen", address)
	t.Run("all", func(t *testing.T) {
		for _, name := range []string{"first.sh", "first.go", "first.py", "first.mjs"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel() // with the others of this test alone
				f := newFront(t, passTo(address))
				cmd := programCommand(t, program(t, name), "SHOTLINE_URL="+f.URL)
				if said, err := cmd.CombinedOutput(); string(said) != "done\n" || err != nil {
					t.Errorf("it ended with %v and said\n%s", err, said)
				}
				savedPicture(t, cmd)
				if got := f.asked(); len(got) != 3 || got[1] != "GET /v1/jobs/ID?wait=1m" {
					t.Errorf("it asked for %q", got)
				}
			})
		}
	})
	if paid := len(s.vendor.Ledger().Creates); paid != 4 {
		t.Errorf("%d creates were paid for, want one for each program", paid)
	}
}

// follow starts the README's program that follows events, and returns when its
// stream has begun. What it returns waits until the program tells of a picture.
func follow(t *testing.T, pass http.Handler, secret string) (told func()) {
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
		_ = cmd.Wait() // curl does not like how it ended
	})
	lines := bufio.NewScanner(out)
	until := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), want) {
				return
			}
		}
		t.Errorf("it ended before it said %q: %v", want, lines.Err())
	}
	until(":")
	return func() {
		t.Helper()
		until("event: job.done")
		until(`data: {"id":`)
	}
}
