package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"shotline/client/sandbox"
	"shotline/client/sandbox/pages"
	"shotline/receiver/signature"
)

const (
	testKey    = "test-key"
	testSecret = "test-secret"
)

// stage is a sandbox and a serve over loopback, with methods that run commands
// against them. Everything stops when the test ends.
type stage struct {
	t      *testing.T
	vendor *runningSandbox
	hooks  string // address for webhooks
	db     string
	proxy  *webhookProxy
	log    *lines // of serve
}

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// webhookProxy is a proxy ln the sandbox and serve. It records every webhook.
type webhookProxy struct {
	to   string
	mu   sync.Mutex
	seen []recordedWebhook
}

type recordedWebhook struct {
	header http.Header
	body   []byte
}

func (p *webhookProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.seen = append(p.seen, recordedWebhook{r.Header.Clone(), body.Bytes()})
	p.mu.Unlock()
	w.WriteHeader(p.pass(r.Context(), recordedWebhook{r.Header, body.Bytes()}))
}

func (p *webhookProxy) pass(ctx context.Context, hook recordedWebhook) int {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.to, bytes.NewReader(hook.body))
	if err != nil {
		return http.StatusInternalServerError
	}
	for _, name := range []string{signature.HeaderGuide, signature.HeaderProduct} {
		if value := hook.header.Get(name); value != "" {
			request.Header.Set(name, value)
		}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return http.StatusBadGateway
	}
	defer response.Body.Close()
	return response.StatusCode
}

// smallRenderer renders on a small screen unless the width of the screen is given,
// because drawing and encoding large images would take most of the time of some
// tests. The screen has room for the URL, so images of different pages differ.
type smallRenderer struct{ sandbox.PlainRenderer }

func (p *smallRenderer) Measure(ctx context.Context, r sandbox.RenderRequest) (sandbox.Rendering, error) {
	return p.PlainRenderer.Measure(ctx, onSmallScreen(r))
}

func (p *smallRenderer) Render(ctx context.Context, r sandbox.RenderRequest) (sandbox.Rendering, error) {
	return p.PlainRenderer.Render(ctx, onSmallScreen(r))
}

func onSmallScreen(r sandbox.RenderRequest) sandbox.RenderRequest {
	if r.ScreenWidth == sandbox.DefaultScreenWidth {
		r.ScreenWidth, r.ScreenHeight = 320, 160
	}
	return r
}

// newStage starts a sandbox with a small renderer and a serve.
func newStage(t *testing.T, serveFlags ...string) *stage {
	t.Helper()
	s := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	s.serve(serveFlags...)
	return s
}

// newStageAt starts a sandbox but no serve. The database will be at the given
// path.
func newStageAt(t *testing.T, db string) *stage {
	t.Helper()
	hooks, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, hooks: hooks, db: db, proxy: &webhookProxy{to: "http://" + hooks + WebhookPath}, log: new(lines)}
	ln, err := listen(listenFlag.Name, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	relay := &http.Server{Handler: s.proxy}
	relayed := make(chan struct{})
	go func() { defer close(relayed); _ = relay.Serve(ln) }()
	t.Cleanup(func() { relay.Close(); <-relayed; http.DefaultClient.CloseIdleConnections() })

	s.vendor, err = startSandbox(sandbox.Config{
		APIKey: testKey, WebhookURL: "http://" + ln.Addr().String(), WebhookSecret: testSecret,
		Renderer: &smallRenderer{sandbox.PlainRenderer{Fail: pages.Fail}},
	}, "127.0.0.1:0", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.vendor.stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// serve starts a serve that runs until the test ends. Its exit code must be 0.
func (s *stage) serve(flags ...string) {
	s.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	args := append([]string{"shotline", "serve", "--db", s.db, "--listen", s.hooks, "--api-listen", "", "--app-id", "12",
		"--webhook-secret", testSecret, "--api-key", testKey, "--base-url", s.vendor.url + "/api/v1"}, flags...)
	go func() { ended <- run(ctx, args, streams{in: strings.NewReader(""), out: s.log, err: s.log}) }()
	s.t.Cleanup(func() {
		stop()
		if code := <-ended; code != exitOK {
			s.t.Errorf("serve: exit code %d:\n%s", code, s.log)
		}
	})
	for {
		response, err := http.Get("http://" + s.hooks + "/healthz")
		if err == nil {
			response.Body.Close()
			return
		}
		select {
		case code := <-ended:
			ended <- code
			s.t.Fatalf("serve: exit code %d:\n%s", code, s.log)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// do runs a command line and returns its output. It fails the test if the exit
// code is not the given one.
func (s *stage) do(code int, args ...string) string {
	s.t.Helper()
	var out, errs bytes.Buffer
	args = append([]string{"shotline"}, append(args, "--db", s.db)...)
	if got := run(s.t.Context(), args, streams{in: strings.NewReader(""), out: &out, err: &errs}); got != code {
		s.t.Fatalf("%q: exit code %d, want %d\n%s%s", args, got, code, &out, &errs)
	}
	return out.String()
}

// submit submits a CSV file, waits for the batch and returns its id.
func (s *stage) submit(code int, rows string) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, []byte(rows), 0o600); err != nil {
		s.t.Fatal(err)
	}
	var b struct {
		ID string `json:"batch_id"`
	}
	printed := s.do(code, "submit", file, "--wait", "--timeout", "2m", "--json")
	if err := json.NewDecoder(strings.NewReader(printed)).Decode(&b); err != nil {
		s.t.Fatalf("%v in %q", err, printed)
	}
	return b.ID
}

// figures returns the counts by state from three independent sources: status,
// results and the table of jobs.
func (s *stage) figures(batch string) (status, results, table map[string]int) {
	s.t.Helper()
	var raw map[string]any
	if err := json.Unmarshal([]byte(s.do(exitOK, "status", batch, "--json")), &raw); err != nil {
		s.t.Fatal(err)
	}
	status = map[string]int{}
	for _, state := range []string{"queued", "submitting", "pending", "done", "failed", "timed_out", "canceled", "duplicate", "rejected"} {
		if n, _ := raw[state].(float64); n > 0 {
			status[state] = int(n)
		}
	}

	records, err := csv.NewReader(strings.NewReader(s.do(exitOK, "results", batch))).ReadAll()
	if err != nil {
		s.t.Fatal(err)
	}
	results = map[string]int{}
	state, duplicate := column(records[0], "state"), column(records[0], "duplicate_of")
	for _, record := range records[1:] {
		if record[duplicate] != "" {
			results["duplicate"]++
		} else {
			results[record[state]]++
		}
	}

	db, err := sql.Open("sqlite3", "file:"+s.db+"?mode=ro")
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT state, count(*) FROM jobs GROUP BY state")
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	table = map[string]int{}
	for rows.Next() {
		var name string
		var n int
		if err := rows.Scan(&name, &n); err != nil {
			s.t.Fatal(err)
		}
		table[name] = n
	}
	return status, results, table
}

func column(header []string, name string) int {
	for i, cell := range header {
		if cell == name {
			return i
		}
	}
	return -1
}

func TestThousandRowsCloseByWebhook(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 200
	}
	s := newStage(t)
	var rows strings.Builder
	rows.WriteString("url,size\n")
	for i := range n {
		fmt.Fprintf(&rows, "https://shop.shotline.test/item/%d,screen\n", i)
	}
	batch := s.submit(exitOK, rows.String())

	var b struct {
		Done     int            `json:"done"`
		ClosedBy map[string]int `json:"closed_by"`
		APICalls int64          `json:"api_calls"`
	}
	if err := json.Unmarshal([]byte(s.do(exitOK, "status", batch, "--json")), &b); err != nil {
		t.Fatal(err)
	}
	if b.Done != n || b.ClosedBy["webhook"] < n*99/100 {
		t.Errorf("%d done, %d by webhook; want %d and at least %d", b.Done, b.ClosedBy["webhook"], n, n*99/100)
	}
	ledger := s.vendor.Ledger()
	calls := int64(0)
	for _, made := range ledger.Calls {
		calls += made
	}
	if most := int64(n + 30); calls > most || b.APICalls != calls || len(ledger.Creates) != n {
		t.Errorf("got %d vendor calls, %d creates and %d counted calls; want at most %d, %d, and the same", calls, len(ledger.Creates), b.APICalls, most, n)
	}
}

func TestRepeatedWebhooksChangeNothing(t *testing.T) {
	s := newStage(t)
	batch := s.submit(exitFlawed, strings.Join([]string{
		"url,name", "https://shop.shotline.test/,a", "https://broken.shotline.test/,b", "no url at all,c",
		"https://SHOP.shotline.test,a again", "https://journal.shotline.test/,d",
	}, "\n"))
	want := map[string]int{"done": 2, "failed": 1, "rejected": 1, "duplicate": 1}
	check := func() {
		t.Helper()
		status, results, table := s.figures(batch)
		for from, got := range map[string]map[string]int{"status": status, "results": results, "SELECT": table} {
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: got %v, want %v", from, got, want)
			}
		}
	}
	check()
	before := s.do(exitOK, "results", batch) + s.do(exitOK, "status", batch, "--json")

	s.proxy.mu.Lock()
	seen := s.proxy.seen
	s.proxy.mu.Unlock()
	if len(seen) != 3 {
		t.Fatalf("got %d webhooks, want 3", len(seen))
	}
	for range 5 {
		for _, hook := range seen {
			if code := s.proxy.pass(t.Context(), hook); code != http.StatusOK {
				t.Errorf("repeated webhook: status %d, want 200", code)
			}
		}
	}
	// The inbox is applied in order. When the next batch has ended, the repeated
	// webhooks have been applied.
	s.submit(exitOK, "https://gallery.shotline.test/\n")
	if after := s.do(exitOK, "results", batch) + s.do(exitOK, "status", batch, "--json"); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

func TestForgedWebhooksAreRefused(t *testing.T) {
	const commaSecret = "x,half of a secret"
	s := newStage(t, "--webhook-secret", commaSecret)
	good := []byte(`{"event":"screenshot.completed","screenshot_id":"1","status":"done"}`)
	// If a client still sends its body when a 413 arrives, it might see a reset
	// connection instead. So this client waits for permission to send.
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute, DisableKeepAlives: true}}
	post := func(body []byte, headers ...string) int {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.hooks+WebhookPath, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Expect", "100-continue")
		for i := 0; i < len(headers); i += 2 {
			request.Header.Add(headers[i], headers[i+1])
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode
	}
	sign := func(body []byte) string { return signature.Sign(testSecret, body) }
	noID, noJSON, huge := []byte(`{"event":"screenshot.completed"}`), []byte("{"), bytes.Repeat([]byte(" "), 256<<10+1)
	for name, test := range map[string]struct {
		code    int
		body    []byte
		headers []string
	}{
		"right":             {200, good, []string{"X-Signature", sign(good)}},
		"right, second way": {200, good, []string{"X-ScreenshotCenter-Signature", sign(good)}},
		"unsigned":          {401, good, nil},
		"signed by another": {401, good, []string{"X-Signature", signature.Sign("other", good)}},
		"secret with comma": {200, good, []string{"X-Signature", signature.Sign(commaSecret, good)}},
		"part of a secret":  {401, good, []string{"X-Signature", signature.Sign("x", good)}},
		"two signatures":    {401, good, []string{"X-Signature", sign(good), "X-Signature", sign(good)}},
		"not JSON":          {400, noJSON, []string{"X-Signature", sign(noJSON)}},
		"no id":             {400, noID, []string{"X-Signature", sign(noID)}},
		"over 256 KiB":      {413, huge, []string{"X-Signature", sign(huge)}},
	} {
		if got := post(test.body, test.headers...); got != test.code {
			t.Errorf("%s: status %d, want %d", name, got, test.code)
		}
	}
}

func TestServeWithRedis(t *testing.T) {
	t.Parallel()
	redis := newRedisServer(t)
	// serve starts before Redis responds, and continues when it does.
	s := newStage(t, "--redis-url", "redis://"+redis.address)
	var rows strings.Builder
	for i := range 100 {
		fmt.Fprintf(&rows, "https://journal.shotline.test/%d\n", i)
	}
	batch := s.submit(exitOK, rows.String())
	status, _, table := s.figures(batch)
	if status["done"] != 100 || table["done"] != 100 {
		t.Errorf("status %v, table %v; want 100 done", status, table)
	}
}
