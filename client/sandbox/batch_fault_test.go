package sandbox_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"shotline/client/sandbox"
)

// Faults of creates also happen to batches, with and without effect, and the
// ledger records them.
func TestBatchCreateFaults(t *testing.T) {
	for _, c := range []struct {
		fault  string
		answer string // in the ledger
		body   string // part of the response; empty if the connection is closed without one
		effect bool
	}{
		{"create-cut=1", "cut", "", false},
		{"create-500=1,status=500", "500", "INTERNAL_ERROR", false},
		{"create-429=1", "429", `"retry_after":1`, false},
		{"credits-out=1", "422", "INSUFFICIENT_CREDITS", false},
		{"create-cut-effect=1", "cut", "", true},
		{"create-500-effect=1,status=502", "502", "Bad Gateway", true},
		{"create-malformed=1", "200", `{"data":`, true},
		{"create-status=1,word=queued", "200", `"status":"queued"`, true},
		{"create-slow=1,delay=1ms", "200", `"status":"processing"`, true},
	} {
		t.Run(c.fault, func(t *testing.T) {
			v := start(t, sandbox.Config{Faults: faults(t, c.fault)})
			kind, form := form("https://a.test\nhttps://b.test", "country", "us", "tag", "t")
			for _, body := range []struct{ kind, text string }{
				{kind, form}, {"application/json", `{"urls":["https://a.test","https://b.test"],"country":"us","tag":"t"}`},
			} {
				answer, err := v.postOnce("batch/create", body.kind, body.text)
				if (err != nil) != (c.body == "") || !strings.Contains(answer, c.body) {
					t.Errorf("got %q, %v, want %q", answer, err, c.body)
				}
			}
			v.settle()
			l := v.srv.Ledger()
			name, _, _ := strings.Cut(c.fault, "=")
			if !c.effect {
				if len(l.Batches) != 0 || l.Spent != 0 || len(l.Refused) != 2 || l.Refused[0].Answer != c.answer || !slices.Equal(l.Refused[1].Faults, []string{name}) {
					t.Errorf("%d batches, %v spent, refusals %+v, want no effect", len(l.Batches), l.Spent, l.Refused)
				}
				return
			}
			if len(l.Batches) != 2 || len(l.Creates) != 4 || l.Spent != 4 {
				t.Fatalf("%d batches, %d creates, %v spent, want 2, 4, 4", len(l.Batches), len(l.Creates), l.Spent)
			}
			if b := l.Batches[0]; b.Answer != c.answer || !slices.Equal(b.Faults, []string{name}) || b.Status != "finished" {
				t.Errorf("ledger entry is %+v", b)
			}
			for _, row := range l.Creates {
				if len(row.Faults) != 0 {
					t.Errorf("row %+v has faults, want none", row)
				}
			}
			if f := l.Faults[1]; f.Subject != "batch t" || f.Occurrence != 2 {
				t.Errorf("fault in the ledger is %+v", f)
			}
		})
	}
}

// postOnce sends a POST over a new connection.
func (v *vendor) postOnce(endpoint, kind, body string) (string, error) {
	v.t.Helper()
	req, err := http.NewRequest(http.MethodPost, v.root+"/api/v1/"+endpoint, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Close = true
	req.Header.Set("X-API-KEY", sandbox.DefaultAPIKey)
	req.Header.Set("Content-Type", kind)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return string(answer), err
}

// The faults list-lag and list-shift also happen to the list of batches.
func TestBatchListFaults(t *testing.T) {
	var now atomic.Pointer[time.Time]
	now.Store(&clock)
	v := start(t, sandbox.Config{Now: func() time.Time { return *now.Load() }, Faults: faults(t, "list-lag=1,delay=5s")})
	for range 5 {
		v.batch("no address", "country", "us")
	}
	ids := func(pairs ...string) (ids []int64) {
		for _, b := range data[[]batch](t, v.get("batch/list", with(pairs...))) {
			ids = append(ids, b.ID)
		}
		return ids
	}
	if got := ids(); len(got) != 0 {
		t.Errorf("listed immediately: %v, want none", got)
	}
	later := clock.Add(5 * time.Second)
	now.Store(&later)
	if got := ids(); len(got) != 5 {
		t.Errorf("listed after the lag: %v, want 5 batches", got)
	}
	v.setFaults("list-shift=1,by=1")
	if got := ids("limit", "2", "offset", "1"); slices.Equal(got, []int64{1004, 1003}) {
		t.Errorf("got the page %v, want another one", got)
	}
}

// Faults of webhooks also happen to batch.finished, except webhook-contradict.
func TestBatchWebhookFaults(t *testing.T) {
	address, hooks := receiver(t, always(200))
	wrong := faults(t, "webhook-duplicate=1,times=3", "webhook-contradict=1")
	v := start(t, sandbox.Config{WebhookURL: address, Faults: wrong})
	v.batch("not an address", "country", "us", "apps", "12")
	v.settle()
	if len(hooks) != 3 {
		t.Errorf("got %d webhooks, want 3", len(hooks))
	}
	for range len(hooks) {
		contains(t, (<-hooks).body, "batch.finished")
	}
}
