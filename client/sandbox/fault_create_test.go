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

// once sends one GET over a connection of its own: on a reused one the client
// would silently send it again when the connection is cut.
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

// faulty sends one create to a sandbox with one fault and returns the answer.
func faulty(t *testing.T, fault string) (*vendor, <-chan hook, answer, error) {
	t.Helper()
	v, hooks := hooked(t, http.StatusOK, sandbox.Config{Faults: faults(t, fault)})
	a, err := once(context.Background(), v.root+faultyCreate)
	return v, hooks, a, err
}

// noEffect checks that the create neither cost nor did anything, and what the
// ledger says of it.
func (v *vendor) noEffect(hooks <-chan hook, fault, answer string) {
	v.t.Helper()
	v.settle()
	l := v.srv.Ledger()
	if len(l.Creates) != 0 || l.Spent != 0 || len(hooks) != 0 || len(l.Refused) != 1 {
		v.t.Fatalf("%d webhooks, ledger %+v, want no effect", len(hooks), l)
	}
	r := l.Refused[0]
	if r.Answer != answer || r.URL != "https://example.com/" || !slices.Equal(r.Tags, []string{"a", "b"}) || !slices.Equal(r.Faults, []string{fault}) {
		v.t.Errorf("refusal is %+v, want answer %s because of %s", r, answer, fault)
	}
	v.fired(map[string]int64{fault: 1})
}

// effect checks that the create was charged and done, and what the ledger says
// of it.
func (v *vendor) effect(hooks <-chan hook, fault, answer string) {
	v.t.Helper()
	next(v.t, hooks)
	v.settle()
	l := v.srv.Ledger()
	if len(l.Creates) != 1 || l.Spent != 1 || len(l.Refused) != 0 {
		v.t.Fatalf("ledger %+v, want one create", l)
	}
	c := l.Creates[0]
	if c.Answer != answer || c.Status != "finished" || !slices.Equal(c.Tags, []string{"a", "b"}) || !slices.Equal(c.Faults, []string{fault}) {
		v.t.Errorf("create is %+v, want answer %s because of %s", c, answer, fault)
	}
	v.fired(map[string]int64{fault: 1})
}

func TestFaultCreateCut(t *testing.T) {
	v, hooks, a, err := faulty(t, "create-cut=1")
	if err == nil {
		t.Errorf("answered %d %s, want the connection cut", a.status, a.body)
	}
	v.noEffect(hooks, "create-cut", "cut")
}

func TestFaultCreateCutEffect(t *testing.T) {
	v, hooks, a, err := faulty(t, "create-cut-effect=1")
	if err == nil {
		t.Errorf("answered %d %s, want the connection cut", a.status, a.body)
	}
	v.effect(hooks, "create-cut-effect", "cut")
}

// serverErrors are the two kinds of 5xx.
var serverErrors = []struct {
	name, status, kind, body string
}{
	{"of the API", "500", "application/json; charset=utf-8", `"code":"INTERNAL_ERROR"`},
	{"of a proxy", "503", "text/html", "<h1>503 Service Unavailable</h1>"},
}

func TestFaultCreate500(t *testing.T) {
	for _, test := range serverErrors {
		t.Run(test.name, func(t *testing.T) {
			v, hooks, a, err := faulty(t, "create-500=1,status="+test.status)
			if err != nil || a.header.Get("Content-Type") != test.kind {
				t.Errorf("answer is %+v, %v", a, err)
			}
			contains(t, a.body, test.body)
			v.noEffect(hooks, "create-500", test.status)
		})
	}
}

func TestFaultCreate500Effect(t *testing.T) {
	for _, test := range serverErrors {
		t.Run(test.name, func(t *testing.T) {
			v, hooks, a, err := faulty(t, "create-500-effect=1,status="+test.status)
			if err != nil || a.header.Get("Content-Type") != test.kind {
				t.Errorf("answer is %+v, %v", a, err)
			}
			contains(t, a.body, test.body)
			v.effect(hooks, "create-500-effect", test.status)
		})
	}
}

func TestFaultCreate429(t *testing.T) {
	v, hooks, a, err := faulty(t, "create-429=1,retry_after=7")
	if err != nil || a.status != http.StatusTooManyRequests {
		t.Errorf("answer is %d, %v", a.status, err)
	}
	contains(t, a.body, `"code":"RATE_LIMIT_EXCEEDED"`, `"retry_after":7`)
	if in := a.header.Get("Retry-After"); in != "" {
		t.Errorf("Retry-After is %q, want none", in)
	}
	v.noEffect(hooks, "create-429", "429")
	for in, bodyHas := range map[string]bool{"header": false, "both": true} {
		v.goWrong("create-429=1,retry_after=7,in=" + in)
		a := v.get("screenshot/create", with("url", "https://example.com/"))
		if a.header.Get("Retry-After") != "7" || strings.Contains(string(a.body), `"retry_after":7`) != bodyHas {
			t.Errorf("in=%s: %v %s", in, a.header, a.body)
		}
	}
}

func TestFaultCreditsOut(t *testing.T) {
	v, hooks, a, err := faulty(t, "credits-out=1")
	if err != nil || a.status != http.StatusUnprocessableEntity {
		t.Errorf("answer is %d, %v", a.status, err)
	}
	contains(t, a.body, `"code":"INSUFFICIENT_CREDITS"`)
	v.noEffect(hooks, "credits-out", "422")
}

func TestFaultCreateSlow(t *testing.T) {
	v, hooks := hooked(t, http.StatusOK, sandbox.Config{Faults: faults(t, "create-slow=1,delay=1h")})
	served := make(chan struct{})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(served)
		v.srv.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	ctx, giveUp := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() {
		_, err := once(ctx, front.URL+faultyCreate)
		failed <- err
	}()
	next(t, hooks) // it has taken effect, and still there is no answer
	giveUp()
	if err := <-failed; err == nil {
		t.Error("the create was answered")
	}
	<-served
	v.settle()
	if c := v.srv.Ledger().Creates[0]; c.Answer != "gone" || !slices.Equal(c.Faults, []string{"create-slow"}) {
		t.Errorf("create is %+v", c)
	}

	v.goWrong("create-slow=1,delay=1ms")
	v.create("https://example.com/") // with patience there is an answer
}

func TestFaultCreateMalformed(t *testing.T) {
	v, hooks, a, err := faulty(t, "create-malformed=1")
	if err != nil || a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		t.Errorf("answer is %+v, %v", a, err)
	}
	if len(a.body) == 0 || json.Valid(a.body) {
		t.Errorf("body is %q, want half of an object", a.body)
	}
	v.effect(hooks, "create-malformed", "200")
}

func TestFaultCreateStatus(t *testing.T) {
	v, hooks, a, err := faulty(t, "create-status=1,word=pondering")
	if err != nil {
		t.Fatal(err)
	}
	if s := data[shot](t, a); s.Status != "pondering" || s.ID != 1001 {
		t.Errorf("create answers %+v", s)
	}
	v.effect(hooks, "create-status", "200")
}
