package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/client/sandbox"
)

func TestAuthentication(t *testing.T) {
	v := start(t, sandbox.Config{APIKey: "right"})
	for _, test := range []struct {
		name, header, query string
		want                int
	}{
		{"header", "right", "", 200},
		{"query", "", "right", 200},
		{"none", "", "", 401},
		{"wrong header", "wrong", "", 401},
		{"wrong query", "", "wrong", 401},
		{"longer", "right1", "", 401},
		{"wrong header beside right query", "wrong", "right", 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, path := range []string{"/api/v1/account/info", "/sandbox/ledger"} {
				a := v.do(http.MethodGet, path, test.header, with("key", test.query))
				if a.status != test.want {
					t.Errorf("%s: status %d, want %d", path, a.status, test.want)
				}
				if a.status == 401 {
					contains(t, a.body, `"success":false`, `"code":"INVALID_API_KEY"`, `"error":"`)
				}
			}
		})
	}
}

func TestErrors(t *testing.T) {
	v := start(t, sandbox.Config{})
	const u = "https://example.com/"
	requests := map[string]bool{}
	for _, test := range []struct {
		method, endpoint string
		query            url.Values
		status           int
		code             string
		field            string
	}{
		{"GET", "screenshot/create", nil, 400, "MISSING_PARAMS", "url"},
		{"GET", "screenshot/info", nil, 400, "MISSING_PARAMS", "id"},
		{"GET", "screenshot/thumbnail", nil, 400, "MISSING_PARAMS", "id"},
		{"GET", "screenshot/search", nil, 400, "MISSING_PARAMS", "url"},
		{"GET", "screenshot/create", with("url", "example.com"), 422, "VALIDATION_ERROR", "url"},
		{"GET", "screenshot/create", with("url", "ftp://example.com/"), 422, "VALIDATION_ERROR", "url"},
		{"GET", "screenshot/create", with("url", "https://:443/"), 422, "VALIDATION_ERROR", "url"},
		{"GET", "screenshot/create", with("url", u+strings.Repeat("a", 9000)), 422, "VALIDATION_ERROR", "url"},
		{"GET", "screenshot/create", with("url", u, "size", "huge"), 422, "VALIDATION_ERROR", "size"},
		{"GET", "screenshot/create", with("url", u, "format", "bmp"), 422, "VALIDATION_ERROR", "format"},
		{"GET", "screenshot/create", with("url", u, "width", "0"), 422, "VALIDATION_ERROR", "width"},
		{"GET", "screenshot/create", with("url", u, "width", "ten"), 422, "VALIDATION_ERROR", "width"},
		{"GET", "screenshot/create", with("url", u, "height", "999999"), 422, "VALIDATION_ERROR", "height"},
		{"GET", "screenshot/create", with("url", u, "screen_width", "-1"), 422, "VALIDATION_ERROR", "screen_width"},
		{"GET", "screenshot/create", with("url", u, "quality", "101"), 422, "VALIDATION_ERROR", "quality"},
		{"GET", "screenshot/create", with("url", u, "html", "maybe"), 422, "VALIDATION_ERROR", "html"},
		{"GET", "screenshot/create", with("url", u, "apps", "{12}"), 422, "VALIDATION_ERROR", "apps"},
		{"GET", "screenshot/create", with("url", u, "apps", "a b"), 422, "VALIDATION_ERROR", "apps"},
		{"GET", "screenshot/create", with("url", u, "country", "xx"), 422, "VALIDATION_ERROR", "country"},
		{"GET", "screenshot/create", with("url", u, "country", "usa"), 422, "VALIDATION_ERROR", "country"},
		{"GET", "screenshot/create", with("url", u, "tag", strings.Repeat("x", 300)), 422, "VALIDATION_ERROR", "tag"},
		{"GET", "screenshot/list", with("limit", "101"), 422, "VALIDATION_ERROR", "limit"},
		{"GET", "screenshot/list", with("limit", "0"), 422, "VALIDATION_ERROR", "limit"},
		{"GET", "screenshot/list", with("offset", "-1"), 422, "VALIDATION_ERROR", "offset"},
		{"GET", "screenshot/list", with("status", "done"), 422, "VALIDATION_ERROR", "status"},
		{"GET", "screenshot/search", with("url", "x", "limit", "x"), 422, "VALIDATION_ERROR", "limit"},
		{"GET", "screenshot/info", with("id", "sc_1"), 422, "VALIDATION_ERROR", "id"},
		{"GET", "screenshot/info", with("id", "1000"), 404, "NOT_FOUND", ""},
		{"GET", "screenshot/info", with("id", "1001"), 404, "NOT_FOUND", ""},
		{"GET", "screenshot/thumbnail", with("id", "9"), 404, "NOT_FOUND", ""},
		{"GET", "screenshot/nonsense", nil, 404, "NOT_FOUND", ""},
		{"POST", "screenshot/create", with("url", u), 405, "METHOD_NOT_ALLOWED", ""},
		{"PUT", "account/info", nil, 405, "METHOD_NOT_ALLOWED", ""},
	} {
		t.Run(test.endpoint+" "+test.code+" "+test.field, func(t *testing.T) {
			a := v.do(test.method, "/api/v1/"+test.endpoint, sandbox.DefaultAPIKey, test.query)
			var body struct {
				Success *bool
				Error   string
				Code    string
				Fields  map[string][]string
				Details struct {
					RequestID string `json:"request_id"`
				}
			}
			if err := json.Unmarshal(a.body, &body); err != nil {
				t.Fatal(err)
			}
			if a.status != test.status || body.Code != test.code || body.Success == nil || *body.Success || body.Error == "" {
				t.Errorf("got %d %s, want %d %s", a.status, a.body, test.status, test.code)
			}
			if id := body.Details.RequestID; !strings.HasPrefix(id, "req_") || requests[id] {
				t.Errorf("request id %q is invalid or repeated: %s", id, a.body)
			}
			requests[body.Details.RequestID] = true
			if test.field != "" && len(body.Fields[test.field]) == 0 {
				t.Errorf("fields lack %s: %s", test.field, a.body)
			}
			if test.status == 405 && a.header.Get("Allow") != "GET" {
				t.Errorf("Allow is %q, want GET", a.header.Get("Allow"))
			}
		})
	}
	if a := v.do(http.MethodHead, "/api/v1/screenshot/create", sandbox.DefaultAPIKey, with("url", u)); a.status != 405 {
		t.Errorf("HEAD create: status %d, want 405", a.status)
	}
	if n := len(v.srv.Ledger().Creates); n != 0 {
		t.Errorf("%d refused creates took effect", n)
	}
}

func TestCreateAndInfo(t *testing.T) {
	gate := make(chan struct{})
	v := start(t, sandbox.Config{Renderer: &fakeRenderer{gate: gate}, Balance: 3})
	a := v.get("screenshot/create", with("url", "HTTPS://Example.COM", "size", "page", "tag", "b", "tag", "a", "tag", "b",
		"country", "us", "lang", "en", "tz", "UTC", "pdf", "true", "unheard_of", "1"))
	want := map[string]any{
		"id": 1001.0, "status": "processing", "url": "https://example.com/", "final_url": nil, "error": nil, "cost": 2.0,
		"tag": []any{"b", "a"}, "created_at": "2026-03-04T05:06:07.000Z", "finished_at": nil,
		"country": "us", "region": nil, "language": "en", "timezone": "UTC", "size": "page", "format": "png", "shots": 1.0,
		"html": false, "pdf": true, "video": false, "has_html": false, "has_pdf": false, "has_video": false,
	}
	if diff := cmp.Diff(want, data[map[string]any](t, a)); diff != "" {
		t.Errorf("create (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, data[map[string]any](t, v.get("screenshot/info", with("id", "1001")))); diff != "" {
		t.Errorf("info while processing (-want +got):\n%s", diff)
	}
	if a := v.get("screenshot/thumbnail", with("id", "1001")); a.status != 404 {
		t.Errorf("thumbnail while processing: status %d, body %s, want 404", a.status, a.body)
	}
	close(gate)
	v.settle()
	want["status"], want["final_url"], want["finished_at"] = "finished", "https://example.com/?landed", "2026-03-04T05:06:07.000Z"
	if diff := cmp.Diff(want, data[map[string]any](t, v.get("screenshot/info", with("id", "1001")))); diff != "" {
		t.Errorf("info when finished (-want +got):\n%s", diff)
	}

	if balance := data[map[string]any](t, v.get("account/info", nil))["balance"]; balance != 1.0 {
		t.Errorf("balance is %v, want 1", balance)
	}
	if a := v.get("screenshot/create", with("url", "https://example.com/", "size", "page")); a.status != 422 {
		t.Errorf("create without credits: status %d, want 422", a.status)
	} else {
		contains(t, a.body, `"INSUFFICIENT_CREDITS"`)
	}
	if s := v.create("https://example.com/"); s.Cost != 1 || s.ID != 1002 {
		t.Errorf("create within the balance: got %+v, want id 1002 and cost 1", s)
	}
	v.settle()
}

func TestFailuresCarryTheReason(t *testing.T) {
	v := start(t, sandbox.Config{Renderer: &sandbox.PlainRenderer{Fail: broken}})
	v.create("https://broken.test/")
	v.settle()
	s := data[shot](t, v.get("screenshot/info", with("id", "1001")))
	if s.Status != "error" || s.Error == nil || *s.Error != "connection refused" {
		t.Errorf("got %+v, want the renderer's error", s)
	}
	if a := v.get("screenshot/thumbnail", with("id", "1001")); a.status != 404 {
		t.Errorf("thumbnail of a failed screenshot: status %d, want 404", a.status)
	}
}

func TestPageTimeout(t *testing.T) {
	v := start(t, sandbox.Config{Renderer: &fakeRenderer{gate: make(chan struct{})}, PageTimeout: time.Millisecond})
	v.create("https://never.test/")
	v.create("https://never.test/", "delay", "0.01", "max_wait", "0.02", "shots", "3", "shot_interval", "5", "steps", `[{"command":"wait","value":4}]`)
	v.settle()
	for id, limit := range map[string]string{"1001": "1ms", "1002": "45ms"} { // the limit includes the pauses that the create requests
		s := data[shot](t, v.get("screenshot/info", with("id", id)))
		if s.Error == nil || *s.Error != "page did not finish within "+limit {
			t.Errorf("got %+v, want a timeout of %s", s, limit)
		}
	}
}

func TestListAndSearch(t *testing.T) {
	v := start(t, sandbox.Config{Renderer: &sandbox.PlainRenderer{Fail: broken}})
	for i := range 25 {
		country, host := "us", "shop.test"
		if i%5 == 0 {
			country, host = "DE", "broken.test"
		}
		v.create(fmt.Sprintf("https://%s/p/%d", host, i), "country", country, "tag", "mine", "tag", fmt.Sprintf("t%d", i%10))
	}
	v.settle()
	for _, test := range []struct {
		endpoint string
		query    url.Values
		want     []int // indexes of the creates
	}{
		{"screenshot/list", nil, []int{24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5}},
		{"screenshot/list", with("limit", "3"), []int{24, 23, 22}},
		{"screenshot/list", with("limit", "3", "offset", "23"), []int{1, 0}},
		{"screenshot/list", with("offset", "25"), []int{}},
		{"screenshot/list", with("status", "error"), []int{20, 15, 10, 5, 0}},
		{"screenshot/list", with("status", "error", "limit", "2", "offset", "1"), []int{15, 10}},
		{"screenshot/list", with("status", "processing"), []int{}},
		{"screenshot/list", with("country", "de", "limit", "1"), []int{20}},
		{"screenshot/list", with("tag", "t3"), []int{23, 13, 3}},
		{"screenshot/list", with("tag", "t3", "offset", "1", "limit", "1"), []int{13}},
		{"screenshot/list", with("tag", "t5", "status", "finished"), []int{}},
		{"screenshot/list", with("tag", "t"), []int{}},
		{"screenshot/search", with("url", "/p/1"), []int{19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 1}},
		{"screenshot/search", with("url", "broken.test", "limit", "2"), []int{20, 15}},
		{"screenshot/search", with("url", "nowhere"), []int{}},
	} {
		t.Run(test.endpoint+"?"+test.query.Encode(), func(t *testing.T) {
			got := []int{}
			for _, s := range data[[]shot](t, v.get(test.endpoint, test.query)) {
				got = append(got, int(s.ID-1001))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestLedger(t *testing.T) {
	v := start(t, sandbox.Config{Renderer: &sandbox.PlainRenderer{Fail: broken}, Balance: 100})
	v.create("https://example.com/", "tag", "a", "tag", "b", "size", "page")
	v.create("https://broken.test/", "apps", "12")
	v.settle()
	v.get("screenshot/create", nil)
	v.get("nonsense", nil)
	var got sandbox.Ledger
	if err := json.Unmarshal(v.do(http.MethodGet, "/sandbox/ledger", sandbox.DefaultAPIKey, nil).body, &got); err != nil {
		t.Fatal(err)
	}
	const at = "2026-03-04T05:06:07Z"
	want := sandbox.Ledger{
		Renderer: "plain", Balance: 97, Spent: 3,
		Calls:  map[string]int64{"screenshot/create": 3, "unknown": 1},
		Errors: map[string]int64{"MISSING_PARAMS": 1, "NOT_FOUND": 1},
		Fired:  map[string]int64{}, Faults: []sandbox.LedgerFault{}, Refused: []sandbox.LedgerRefusal{},
		Batches: []sandbox.LedgerBatch{},
		Creates: []sandbox.LedgerCreate{
			{ID: 1001, URL: "https://example.com/", Status: "finished", Tags: []string{"a", "b"}, Apps: []string{}, Cost: 2,
				CreatedAt: at, FinishedAt: at, Answer: "200", Deliveries: []sandbox.LedgerDelivery{}},
			{ID: 1002, URL: "https://broken.test/", Status: "error", Error: "connection refused", Tags: []string{}, Apps: []string{"12"}, Cost: 1,
				CreatedAt: at, FinishedAt: at, Answer: "200", Deliveries: []sandbox.LedgerDelivery{}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
}

// The sandbox does not keep whole requests in memory, only the values that it
// stores.
func TestLongRequestsAreNotKept(t *testing.T) {
	v := start(t, sandbox.Config{Faults: faults(t, "webhook-drop=0.5", "read-429=0")})
	long := strings.Repeat("x", 800<<10)
	send := func(i int) {
		v.create("https://a.example", "tag", fmt.Sprintf("t%d", i), "country", "de", "user_agent", "mine", "unheard_of", long)
		v.create("https://a.example", "video_format", long)
		v.create("https://a.example", "name"+long, "1")
		v.get("account/info", with("unheard_of", fmt.Sprint(i)+long))
		kind, body := form("https://a.example\n"+strings.Repeat("\n", 800<<10), "country", "us", "junk", "1")
		data[batch](t, v.post("batch/create", kind, body))
	}
	heap := func() uint64 {
		v.settle()
		runtime.GC() // HeapAlloc counts garbage, too
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	send(0)
	before := heap()
	for i := range 10 {
		send(i)
	}
	if after := heap(); after > before+4<<20 {
		t.Errorf("the heap grew by %d MiB after 50 requests, want at most 4", (after-before)>>20)
	}
}

func TestOldScreenshotsAreForgotten(t *testing.T) {
	gate := make(chan struct{})
	v := start(t, sandbox.Config{Renderer: &fakeRenderer{gate: gate}, MaxScreenshots: 2})
	v.create("https://example.com/1", "tag", "x")
	v.create("https://example.com/2", "tag", "x")
	if a := v.get("screenshot/create", with("url", "https://example.com/3")); a.status != 429 {
		t.Errorf("create while all are processing: status %d, want 429", a.status)
	} else {
		contains(t, a.body, `"RATE_LIMIT_EXCEEDED"`, `"retry_after":1`)
	}
	close(gate)
	v.settle()
	if s := v.create("https://example.com/3", "tag", "x"); s.ID != 1003 {
		t.Errorf("third screenshot has id %d, want 1003", s.ID)
	}
	v.settle()
	if a := v.get("screenshot/info", with("id", "1001")); a.status != 404 {
		t.Errorf("info of a forgotten screenshot: status %d, want 404", a.status)
	}
	if got := data[[]shot](t, v.get("screenshot/list", with("tag", "x"))); len(got) != 2 || got[0].ID != 1003 || got[1].ID != 1002 {
		t.Errorf("list by tag: got %+v, want 1003 and 1002", got)
	}
	if l := v.srv.Ledger(); l.Forgotten != 1 || l.Spent != 3 {
		t.Errorf("ledger has forgotten %d and spent %g, want 1 and 3", l.Forgotten, l.Spent)
	}
}

func TestCloseInterruptsWork(t *testing.T) {
	address, hooks := receiver(t, always(http.StatusInternalServerError))
	renderer := &fakeRenderer{gate: make(chan struct{}, 1)}
	srv, err := sandbox.New(sandbox.Config{
		WebhookURL: address, Renderer: renderer, Workers: 1,
		RetryBackoff: func(int) time.Duration { return time.Hour },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	v := &vendor{t: t, srv: srv, root: "http://" + serve(t, srv.Handler())}
	renderer.gate <- struct{}{}
	v.create("https://example.com/", "apps", "12") // its webhook fails and pauses for an hour
	v.create("https://example.com/", "apps", "12") // its rendering never ends
	next(t, hooks)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := srv.Idle(ctx); err == nil {
		t.Error("Idle returned nil although work is pending")
	}
	for range 2 {
		if err := srv.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !renderer.closed {
		t.Error("Close did not close the renderer")
	}
	if err := srv.Idle(context.Background()); err == nil {
		t.Error("Idle after Close returned nil")
	}
	if s := srv.Ledger().Creates[1]; s.Status != "processing" {
		t.Errorf("interrupted screenshot has status %s, want processing", s.Status)
	}
	if a := v.get("screenshot/create", with("url", "https://example.com/")); a.status != 503 {
		t.Errorf("create after Close: status %d, want 503", a.status)
	}
}

func TestConfigErrorsNameTheField(t *testing.T) {
	for field, cfg := range map[string]sandbox.Config{
		"WebhookURL": {WebhookURL: "ftp://example.com"},
		"dialect":    {Dialect: "C"},
		"Workers":    {Workers: -1},
		"Balance":    {Balance: -1},
		"from 0 to":  {Balance: math.Inf(1)},
		"NaN":        {Balance: math.NaN()},
		"output":     {Renderer: &fakeRenderer{}, Dir: "/dev/null/x"},
	} {
		if srv, err := sandbox.New(cfg); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("New(%+v) = %v, %v, want an error with %q", cfg, srv, err, field)
		}
	}
}

func TestHealthz(t *testing.T) {
	v := start(t, sandbox.Config{})
	a := v.do(http.MethodGet, "/healthz", "", nil)
	if a.status != 200 {
		t.Errorf("healthz: status %d, want 200", a.status)
	}
	contains(t, a.body, `"renderer":"plain"`)
}
