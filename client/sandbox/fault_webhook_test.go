package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"shotline/client/sandbox"
)

// faults parses the texts of faults.
func faults(t *testing.T, texts ...string) []sandbox.Fault {
	t.Helper()
	var list []sandbox.Fault
	for _, text := range texts {
		f, err := sandbox.ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, f)
	}
	return list
}

// setFaults replaces the faults of a running sandbox.
func (v *vendor) setFaults(texts ...string) {
	v.t.Helper()
	if err := v.srv.SetFaults(faults(v.t, texts...), 1); err != nil {
		v.t.Fatal(err)
	}
}

// webhookBody contains the fields of a webhook's body that the tests check.
type webhookBody struct {
	Event string
	ID    string `json:"screenshot_id"`
}

func (h hook) decode(t *testing.T) webhookBody {
	t.Helper()
	var body webhookBody
	if err := json.Unmarshal(h.body, &body); err != nil {
		t.Fatalf("webhook %s: %v", h.body, err)
	}
	return body
}

// signed reports whether a webhook is signed with the secret s3cret.
func (h hook) signed() bool { return h.header.Get("X-Signature") == signature("s3cret", h.body) }

// startWithWebhooks starts a sandbox with signed webhooks and a receiver that
// responds with status.
func startWithWebhooks(t *testing.T, status int, cfg sandbox.Config) (*vendor, <-chan hook) {
	t.Helper()
	address, hooks := receiver(t, always(status))
	cfg.WebhookURL, cfg.WebhookSecret = address, "s3cret"
	return start(t, cfg), hooks
}

// wantFired checks how often each fault happened.
func (v *vendor) wantFired(want map[string]int64) {
	v.t.Helper()
	got := v.srv.Ledger().Fired
	for name := range want {
		if got[name] != want[name] {
			v.t.Errorf("%s happened %d times, want %d", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		v.t.Errorf("faults are %v, want %v", got, want)
	}
}

func TestFaultWebhookDuplicate(t *testing.T) {
	v, hooks := startWithWebhooks(t, http.StatusOK, sandbox.Config{MaxScreenshots: 1, Faults: faults(t, "webhook-duplicate=1,times=4,delay=0s..2ms")})
	v.create("https://example.com/", "apps", "12")
	v.settle()
	if len(hooks) != 4 {
		t.Fatalf("got %d webhooks, want 4", len(hooks))
	}
	first := next(t, hooks)
	for range 3 {
		if h := next(t, hooks); string(h.body) != string(first.body) || !h.signed() {
			t.Errorf("duplicate is %s, signed %t, want %s", h.body, h.signed(), first.body)
		}
	}
	create := v.srv.Ledger().Creates[0]
	var causes []string
	for _, d := range create.Deliveries {
		if d.State != "delivered" || len(d.Attempts) != 1 || d.Attempts[0].Status != http.StatusOK {
			t.Errorf("delivery is %+v", d)
		}
		causes = append(causes, d.Fault)
	}
	if want := []string{"", "webhook-duplicate", "webhook-duplicate", "webhook-duplicate"}; !slices.Equal(causes, want) {
		t.Errorf("causes of deliveries are %q, want %q", causes, want)
	}
	if !slices.Equal(create.Faults, []string{"webhook-duplicate"}) {
		t.Errorf("create has faults %q, want webhook-duplicate", create.Faults)
	}
	v.wantFired(map[string]int64{"webhook-duplicate": 1})
	v.create("https://example.com/") // all copies are settled, so the first screenshot can be removed
}

func TestFaultWebhookDuplicateTimes(t *testing.T) {
	v, hooks := startWithWebhooks(t, http.StatusOK, sandbox.Config{Faults: faults(t, "webhook-duplicate=1")})
	seen := map[int]bool{}
	for range 12 {
		v.create("https://example.com/", "apps", "12")
		v.settle()
		n := len(hooks)
		for range n {
			<-hooks
		}
		if seen[n] = true; n < 2 || n > 20 {
			t.Errorf("got %d webhooks, want 2 to 20", n)
		}
	}
	if len(seen) < 3 {
		t.Errorf("numbers of webhooks are %v, want at least 3 different ones", seen)
	}
}

func TestFaultWebhookDrop(t *testing.T) {
	v, hooks := startWithWebhooks(t, http.StatusOK, sandbox.Config{MaxScreenshots: 1, Faults: faults(t, "webhook-drop=1", "webhook-duplicate=1")})
	for _, id := range []string{"1001", "1002"} { // the second one requires that the first can be removed
		v.create("https://example.com/", "apps", "12")
		v.settle()
		if s := data[shot](t, v.get("screenshot/info", with("id", id))); s.Status != "finished" {
			t.Errorf("screenshot has status %s, want finished", s.Status)
		}
		if d := v.srv.Ledger().Creates[0].Deliveries; len(d) != 1 || d[0].State != "dropped" || len(d[0].Attempts) != 0 {
			t.Errorf("deliveries are %+v, want one dropped delivery", d)
		}
	}
	if len(hooks) != 0 {
		t.Errorf("got %d webhooks, want none", len(hooks))
	}
	v.wantFired(map[string]int64{"webhook-drop": 2})
}

func TestFaultWebhookDelay(t *testing.T) {
	v, hooks := startWithWebhooks(t, http.StatusOK, sandbox.Config{
		MaxScreenshots: 2,
		Workers:        1, // pages are rendered one after the other
		Faults:         faults(t, "webhook-delay=1,delay=1ms..3ms"),
	})
	v.create("https://example.com/", "apps", "12")
	v.settle()
	if got := next(t, hooks).decode(t); got.ID != "1001" {
		t.Errorf("got the webhook of %s, want 1001", got.ID)
	}

	v.setFaults("webhook-delay=1,delay=1h")
	v.create("https://example.com/", "apps", "12")
	v.setFaults()
	v.create("https://example.com/", "apps", "12")
	if got := next(t, hooks).decode(t); got.ID != "1003" {
		t.Errorf("got the webhook of %s, want 1003 because 1002 is delayed", got.ID)
	}
	if a := v.get("screenshot/create", with("url", "https://example.com/")); a.status != http.StatusTooManyRequests {
		t.Errorf("create: status %d, want 429: only the delayed screenshot could be removed", a.status)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := v.srv.Idle(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Idle returned %v although a webhook is delayed", err)
	}
	v.wantFired(map[string]int64{"webhook-delay": 2})
}

func TestFaultWebhookReorder(t *testing.T) {
	v, hooks := startWithWebhooks(t, http.StatusOK, sandbox.Config{Faults: faults(t, "webhook-reorder=1,by=1,delay=1h")})
	v.create("https://example.com/", "apps", "12")
	v.setFaults()
	v.create("https://example.com/", "apps", "12")
	var order []string
	for !slices.Contains(order, "1001") && len(order) < 100 {
		order = append(order, next(t, hooks).decode(t).ID)
		v.create("https://example.com/", "apps", "12")
	}
	if order[0] == "1001" || order[len(order)-1] != "1001" {
		t.Errorf("webhooks arrived in order %v, want 1001 after at least one other", order)
	}

	// With one worker, the webhook of a finished screenshot has been scheduled
	// before the next rendering starts.
	v, hooks = startWithWebhooks(t, http.StatusOK, sandbox.Config{Workers: 1, WebhookWorkers: 1})
	for by := range 4 { // posted after exactly this many others
		v.settle()
		if by > 0 {
			v.setFaults(fmt.Sprintf("webhook-reorder=1,by=%d,delay=1h", by))
		}
		late := v.create("https://example.com/", "apps", "12").ID
		v.waitFor(func() bool { return v.srv.Ledger().Creates[late-1001].Status == "finished" })
		v.setFaults()
		for n := range by + 1 {
			if n < by {
				v.create("https://example.com/", "apps", "12")
			}
			if got := next(t, hooks).decode(t).ID; (got == fmt.Sprint(late)) != (n == by) {
				t.Errorf("webhook %d is of %s, want %d after %d others", n, got, late, by)
			}
		}
	}

	v.setFaults("webhook-reorder=1,by=100,delay=1ms")
	v.create("https://example.com/", "apps", "12")
	v.settle() // the last webhook is sent although no other follows
}

func TestFaultWebhookEarly(t *testing.T) {
	var answered atomic.Bool
	late := make(chan bool, 10)
	hooks := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { late <- answered.Load() }))
	t.Cleanup(hooks.Close)
	v := start(t, sandbox.Config{WebhookURL: hooks.URL, Faults: faults(t, "webhook-early=1,delay=1h")})
	s := v.create("https://example.com/", "apps", "12")
	answered.Store(true)
	if s.Status != "processing" || len(late) != 1 || <-late {
		t.Errorf("create returned status %q before its webhook was sent", s.Status)
	}
	v.create("https://example.com/") // names no app, so the response does not wait for a webhook
	v.wantFired(map[string]int64{"webhook-early": 1})

	v.setFaults("webhook-early=1,delay=1h", "webhook-drop=1")
	v.create("https://example.com/", "apps", "12") // its webhook is never sent
	v.setFaults("webhook-early=1,delay=1ms", "webhook-delay=1,delay=1h")
	v.create("https://example.com/", "apps", "12") // its webhook is sent after the delay
}

func TestFaultWebhookContradict(t *testing.T) {
	const done, failed = "screenshot.completed", "screenshot.failed"
	for _, test := range []struct {
		name, url, lie string
		want           []string
	}{
		{"failed after done", "https://example.com/", "last", []string{done, failed}},
		{"done after failed", "https://broken.test/", "last", []string{failed, done}},
		{"failed before done", "https://example.com/", "first", []string{failed, done}},
		{"done before failed", "https://broken.test/", "first", []string{done, failed}},
	} {
		t.Run(test.name, func(t *testing.T) {
			v, hooks := startWithWebhooks(t, http.StatusOK, sandbox.Config{
				Renderer: &sandbox.PlainRenderer{Fail: broken},
				Faults:   faults(t, "webhook-contradict=1,delay=1ms,lie="+test.lie),
			})
			v.create(test.url, "apps", "12")
			v.settle()
			var got []string
			for range 2 {
				h := next(t, hooks)
				if !h.signed() || h.decode(t).ID != "1001" {
					t.Errorf("webhook is %s, signed %t", h.body, h.signed())
				}
				got = append(got, h.decode(t).Event)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got events %v, want %v", got, test.want)
			}
			lie := 1
			if test.lie == "first" {
				lie = 0
			}
			if d := v.srv.Ledger().Creates[0].Deliveries; d[lie].Fault != "webhook-contradict" || d[1-lie].Fault != "" {
				t.Errorf("deliveries in the ledger are %+v", d)
			}
		})
	}
}

// The second of two contradictory webhooks is posted after the response to the
// first, never concurrently.
func TestFaultWebhookContradictKeepsItsOrder(t *testing.T) {
	inside, release := make(chan string, 2), make(chan struct{})
	hooks := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body webhookBody
		_ = json.NewDecoder(r.Body).Decode(&body)
		inside <- body.Event
		<-release
	}))
	t.Cleanup(hooks.Close)
	v := start(t, sandbox.Config{WebhookURL: hooks.URL, Faults: faults(t, "webhook-contradict=1,delay=0s,lie=last")})
	v.create("https://example.com/", "apps", "12")
	if first := <-inside; first != "screenshot.completed" {
		t.Errorf("first webhook is %s", first)
	}
	// Another delivery is posted in the meantime, because there are free workers.
	v.setFaults()
	v.create("https://broken.example/", "apps", "12")
	if second := <-inside; second != "screenshot.completed" {
		t.Errorf("concurrent webhook is %s", second)
	}
	close(release)
	if third := <-inside; third != "screenshot.failed" {
		t.Errorf("last webhook is %s", third)
	}
}

func TestFaultWebhookBadSignature(t *testing.T) {
	v, hooks := startWithWebhooks(t, http.StatusUnauthorized, sandbox.Config{
		WebhookTries: 2, RetryBackoff: func(int) time.Duration { return 0 },
		Faults: faults(t, "webhook-bad-signature=1"),
	})
	v.create("https://example.com/", "apps", "12")
	v.settle()
	for range 2 {
		if h := next(t, hooks); h.signed() || !strings.HasPrefix(h.header.Get("X-Signature"), "sha256=") || len(h.header.Get("X-Signature")) != 71 {
			t.Errorf("signature is %q, want a wrong one", h.header.Get("X-Signature"))
		}
	}
	for i, a := range v.srv.Ledger().Creates[0].Deliveries[0].Attempts {
		if a.Signature != "wrong" || a.Number != i+1 || a.Status != http.StatusUnauthorized {
			t.Errorf("attempt %d is %+v", i+1, a)
		}
	}
	v.wantFired(map[string]int64{"webhook-bad-signature": 1})
}

func TestFaultWebhookUnsigned(t *testing.T) {
	v, hooks := startWithWebhooks(t, http.StatusOK, sandbox.Config{Faults: faults(t, "webhook-unsigned=1")})
	v.create("https://example.com/", "apps", "12")
	v.settle()
	if h := next(t, hooks); h.header.Get("X-Signature") != "" {
		t.Errorf("signature is %q, want none", h.header.Get("X-Signature"))
	}
	if a := v.srv.Ledger().Creates[0].Deliveries[0].Attempts; a[0].Signature != "none" {
		t.Errorf("attempts are %+v, want unsigned ones", a)
	}
	v.wantFired(map[string]int64{"webhook-unsigned": 1})
}
