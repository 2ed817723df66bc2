package sandbox_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"shotline/client/sandbox"
)

const faultyCreate = "/api/v1/screenshot/create?key=sandbox-key&url=https%3A%2F%2Fexample.com&tag=a&tag=b&apps=12"

// once sends a GET over a new connection. On a reused connection the client would
// silently repeat the request if the connection is closed.
func once(ctx context.Context, address string) (answer, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answer{}, err
	}
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, body}, err
}

// createWithFault sends one create to a sandbox with one fault and returns the
// response.
func createWithFault(t *testing.T, fault string) (*vendor, <-chan hook, answer, error) {
	t.Helper()
	v, hooks := startWithWebhooks(t, http.StatusOK, sandbox.Config{Faults: faults(t, fault)})
	a, err := once(context.Background(), v.root+faultyCreate)
	return v, hooks, a, err
}

// wantNoEffect checks that the create was not charged and has no screenshot, and
// checks its refusal in the ledger.
func (v *vendor) wantNoEffect(hooks <-chan hook, fault, answer string) {
	v.t.Helper()
	v.settle()
	l := v.srv.Ledger()
	if len(l.Creates) != 0 || l.Spent != 0 || len(hooks) != 0 || len(l.Refused) != 1 {
		v.t.Fatalf("%d webhooks, ledger %+v, want no effect", len(hooks), l)
	}
	r := l.Refused[0]
	if r.Answer != answer || r.URL != "https://example.com/" || !slices.Equal(r.Tags, []string{"a", "b"}) || !slices.Equal(r.Faults, []string{fault}) {
		v.t.Errorf("refusal is %+v, want answer %s and fault %s", r, answer, fault)
	}
	v.wantFired(map[string]int64{fault: 1})
}

// wantEffect checks that the create was charged and rendered, and checks its
// entry in the ledger.
func (v *vendor) wantEffect(hooks <-chan hook, fault, answer string) {
	v.t.Helper()
	next(v.t, hooks)
	v.settle()
	l := v.srv.Ledger()
	if len(l.Creates) != 1 || l.Spent != 1 || len(l.Refused) != 0 {
		v.t.Fatalf("ledger %+v, want one create", l)
	}
	c := l.Creates[0]
	if c.Answer != answer || c.Status != "finished" || !slices.Equal(c.Tags, []string{"a", "b"}) || !slices.Equal(c.Faults, []string{fault}) {
		v.t.Errorf("create is %+v, want answer %s and fault %s", c, answer, fault)
	}
	v.wantFired(map[string]int64{fault: 1})
}

func TestFaultCreateCut(t *testing.T) {
	v, hooks, a, err := createWithFault(t, "create-cut=1")
	if err == nil {
		t.Errorf("got %d %s, want a closed connection", a.status, a.body)
	}
	v.wantNoEffect(hooks, "create-cut", "cut")
}

func TestFaultCreateCutEffect(t *testing.T) {
	v, hooks, a, err := createWithFault(t, "create-cut-effect=1")
	if err == nil {
		t.Errorf("got %d %s, want a closed connection", a.status, a.body)
	}
	v.wantEffect(hooks, "create-cut-effect", "cut")
}

// serverErrors are the two kinds of 5xx responses.
var serverErrors = []struct {
	name, status, kind, body string
}{
	{"of the API", "500", "application/json; charset=utf-8", `"code":"INTERNAL_ERROR"`},
	{"of a proxy", "503", "text/html", "<h1>503 Service Unavailable</h1>"},
}

func TestFaultCreate500(t *testing.T) {
	for _, test := range serverErrors {
		t.Run(test.name, func(t *testing.T) {
			v, hooks, a, err := createWithFault(t, "create-500=1,status="+test.status)
			if err != nil || a.header.Get("Content-Type") != test.kind {
				t.Errorf("got %+v, %v", a, err)
			}
			contains(t, a.body, test.body)
			v.wantNoEffect(hooks, "create-500", test.status)
		})
	}
}

func TestFaultCreate500Effect(t *testing.T) {
	for _, test := range serverErrors {
		t.Run(test.name, func(t *testing.T) {
			v, hooks, a, err := createWithFault(t, "create-500-effect=1,status="+test.status)
			if err != nil || a.header.Get("Content-Type") != test.kind {
				t.Errorf("got %+v, %v", a, err)
			}
			contains(t, a.body, test.body)
			v.wantEffect(hooks, "create-500-effect", test.status)
		})
	}
}

func TestFaultCreate429(t *testing.T) {
	v, hooks, a, err := createWithFault(t, "create-429=1,retry_after=7")
	if err != nil || a.status != http.StatusTooManyRequests {
		t.Errorf("got status %d, error %v", a.status, err)
	}
	contains(t, a.body, `"code":"RATE_LIMIT_EXCEEDED"`, `"retry_after":7`)
	if in := a.header.Get("Retry-After"); in != "" {
		t.Errorf("Retry-After is %q, want none", in)
	}
	v.wantNoEffect(hooks, "create-429", "429")
	for in, bodyHas := range map[string]bool{"header": false, "both": true} {
		v.setFaults("create-429=1,retry_after=7,in=" + in)
		a := v.get("screenshot/create", with("url", "https://example.com/"))
		if a.header.Get("Retry-After") != "7" || strings.Contains(string(a.body), `"retry_after":7`) != bodyHas {
			t.Errorf("in=%s: %v %s", in, a.header, a.body)
		}
	}
}

func TestFaultCreditsOut(t *testing.T) {
	v, hooks, a, err := createWithFault(t, "credits-out=1")
	if err != nil || a.status != http.StatusUnprocessableEntity {
		t.Errorf("got status %d, error %v", a.status, err)
	}
	contains(t, a.body, `"code":"INSUFFICIENT_CREDITS"`)
	v.wantNoEffect(hooks, "credits-out", "422")
}

func TestFaultCreateSlow(t *testing.T) {
	v, hooks := startWithWebhooks(t, http.StatusOK, sandbox.Config{Faults: faults(t, "create-slow=1,delay=1h")})
	served := make(chan struct{})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(served)
		v.srv.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	ctx, disconnect := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() {
		_, err := once(ctx, front.URL+faultyCreate)
		failed <- err
	}()
	next(t, hooks) // the create took effect, but has no response yet
	disconnect()
	if err := <-failed; err == nil {
		t.Error("create got a response, want an error")
	}
	<-served
	v.settle()
	if c := v.srv.Ledger().Creates[0]; c.Answer != "gone" || !slices.Equal(c.Faults, []string{"create-slow"}) {
		t.Errorf("create is %+v", c)
	}

	v.setFaults("create-slow=1,delay=1ms")
	v.create("https://example.com/") // a client that waits gets the response
}

func TestFaultCreateMalformed(t *testing.T) {
	v, hooks, a, err := createWithFault(t, "create-malformed=1")
	if err != nil || a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		t.Errorf("got %+v, %v", a, err)
	}
	if len(a.body) == 0 || json.Valid(a.body) {
		t.Errorf("body is %q, want a truncated object", a.body)
	}
	v.wantEffect(hooks, "create-malformed", "200")
}

func TestFaultCreateStatus(t *testing.T) {
	v, hooks, a, err := createWithFault(t, "create-status=1,word=pondering")
	if err != nil {
		t.Fatal(err)
	}
	if s := data[shot](t, a); s.Status != "pondering" || s.ID != 1001 {
		t.Errorf("create returned %+v", s)
	}
	v.wantEffect(hooks, "create-status", "200")
}
