package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"shotline/client"
	"shotline/client/outward"
	"shotline/jobs"
	"shotline/jobs/sqlite"
	"shotline/orchestrator"
)

// rig is the API over a real store and a real orchestrator, whose vendor is not
// there unless a test gives it one.
type rig struct {
	t       *testing.T
	store   jobs.Store
	clock   *clock
	config  Config
	handler http.Handler
	url     string
	token   string // sent with each request unless empty
	host    string // asked for, unless empty
}

// absent is a vendor that cannot be asked.
type absent struct{}

var errAbsent = errors.New("there is no vendor")

func (absent) Create(context.Context, client.CreateRequest) (client.Screenshot, error) {
	return client.Screenshot{}, errAbsent
}
func (absent) Info(context.Context, string) (client.Screenshot, error) {
	return client.Screenshot{}, errAbsent
}
func (absent) List(context.Context, client.ListOptions) ([]client.Screenshot, error) {
	return nil, errAbsent
}
func (absent) Search(context.Context, client.SearchOptions) ([]client.Screenshot, error) {
	return nil, errAbsent
}

// idle is a queue that wakes nobody.
type idle struct{}

func (idle) EnqueueSubmit(context.Context, string, int64, time.Time) error { return nil }
func (idle) EnqueueDeadlines(context.Context, time.Time, int64) error      { return nil }
func (idle) EnqueueSummary(context.Context, string, int, int64) error      { return nil }

// Sleep makes the clock of these tests one for the orchestrator.
func (c *clock) Sleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// newRig serves until the test ends; change, when not nil, sees the
// configuration before.
func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, store: store, clock: newClock()}
	work, err := orchestrator.New(orchestrator.Config{Worker: jobs.Worker{ID: "worker"}},
		orchestrator.Parts{Store: store, Vendor: absent{}, Queue: idle{}, Clock: r.clock, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	readiness := NewReadiness(r.clock.Now, Check{"store", func(context.Context) error { return nil }})
	var made atomic.Int64
	r.config = Config{
		Readiness: readiness,
		Metrics:   NewMetrics("v1", []string{"accepted", "not_kept"}, Sources{store, func() Storage { return Storage{} }, readiness}),
		Store:     store, Work: work, Now: r.clock.Now, Version: "v1",
		NewID:    func() string { return fmt.Sprintf("b%d", made.Add(1)) },
		CheckURL: outward.NewGuard([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}).CheckURL,
		Access:   Access{Loopback: true},
	}
	if change != nil {
		change(&r.config)
	}
	handler, err := New(r.config)
	if err != nil {
		t.Fatal(err)
	}
	r.handler = handler
	server := httptest.NewServer(handler)
	r.url = server.URL
	t.Cleanup(func() {
		server.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// reply is an answer that was read to its end.
type reply struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// ask sends a request; header is names and values in turn. A body that is no
// text is sent as JSON.
func (r *rig) ask(method, path string, body any, header ...string) reply {
	r.t.Helper()
	var sent io.Reader
	kind := ""
	switch b := body.(type) {
	case nil:
	case string:
		sent, kind = strings.NewReader(b), "application/json"
	case io.Reader:
		sent, kind = b, "application/json"
	default:
		data, err := json.Marshal(b)
		if err != nil {
			r.t.Fatal(err)
		}
		sent, kind = strings.NewReader(string(data)), "application/json"
	}
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, sent)
	if err != nil {
		r.t.Fatal(err)
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	if r.token != "" {
		request.Header.Set("Authorization", "Bearer "+r.token)
	}
	request.Host = r.host
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return reply{r.t, response.StatusCode, response.Header, data}
}

// want checks the status and returns the body's fields.
func (a reply) want(status int) map[string]any {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%d %s, want %d", a.status, a.body, status)
	}
	var fields map[string]any
	if err := json.Unmarshal(a.body, &fields); err != nil {
		a.t.Fatalf("%s: %v", a.body, err)
	}
	return fields
}

// problem checks that the answer is a problem document of this status, that it
// names the place of what is wrong, unless that is empty, and tells of it.
func (a reply) problem(status int, location, tells string) {
	a.t.Helper()
	fields := a.want(status)
	if kind := a.header.Get("Content-Type"); kind != problemType {
		a.t.Errorf("%s: content type %q", a.body, kind)
	}
	if fields["status"] != float64(status) || fields["title"] != http.StatusText(status) {
		a.t.Errorf("%s: status or title is wrong", a.body)
	}
	if location != "" && !strings.Contains(string(a.body), `"location":"`+location+`"`) {
		a.t.Errorf("%s: does not name %s", a.body, location)
	}
	if !strings.Contains(string(a.body), tells) {
		a.t.Errorf("%s: does not tell %q", a.body, tells)
	}
}
