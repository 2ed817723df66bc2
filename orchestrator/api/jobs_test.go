package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
)

const created = http.StatusAccepted

func TestAJobFromItsRequestToItsEnd(t *testing.T) {
	r := newRig(t, nil)
	asked := r.ask("POST", "/v1/jobs", map[string]any{
		"url": "Example.com/a", "params": map[string]any{"width": 800}, "tags": []string{"shop"},
		"metadata": map[string]string{"order": "17"}, "callback_url": "https://93.184.216.34/hook", "timeout": "5m", "priority": 7,
	})
	made := asked.want(created)
	id, _ := made["id"].(string)
	if made["url"] != "https://example.com/a" || made["state"] != "queued" || asked.header.Get("Location") != "/v1/jobs/"+id {
		t.Errorf("%s, Location %q", asked.body, asked.header.Get("Location"))
	}
	b, err := r.store.Batch(t.Context(), made["batch_id"].(string))
	if err != nil || !b.Single || b.CallbackURL != "https://93.184.216.34/hook" || b.JobTimeout.String() != "5m0s" || b.Priority != 7 {
		t.Errorf("%+v, %v", b, err)
	}
	if got := r.ask("GET", "/v1/jobs/"+id, nil); !bytes.Equal(got.body, asked.body) {
		t.Errorf("got %s, was told %s", got.body, asked.body)
	}
	r.ask("POST", "/v1/jobs/"+id+"/retry", nil).problem(http.StatusConflict, "", "is queued")
	for range 2 { // canceling twice is fine
		if got := r.ask("POST", "/v1/jobs/"+id+"/cancel", nil).want(http.StatusOK); got["state"] != "canceled" || got["closed_by"] != "cancel" {
			t.Errorf("%v", got)
		}
	}
	if got := r.ask("POST", "/v1/jobs/"+id+"/retry", nil).want(created); got["state"] != "queued" {
		t.Errorf("%v", got)
	}
}

func TestAKeyMakesOneJob(t *testing.T) {
	r := newRig(t, nil)
	first := r.ask("POST", "/v1/jobs", `{"url":"https://example.com","tags":["a"]}`, "Idempotency-Key", "k1")
	id := first.want(created)["id"]
	again := r.ask("POST", "/v1/jobs", `{ "tags": ["a"], "url": "https://example.com" }`, "Idempotency-Key", "k1")
	if again.want(http.StatusOK)["id"] != id {
		t.Errorf("%s, first was %s", again.body, first.body)
	}
	r.ask("POST", "/v1/jobs", `{"url":"https://example.com/other","tags":["a"]}`, "Idempotency-Key", "k1").
		problem(http.StatusConflict, "header.Idempotency-Key", "another request")
	if other := r.ask("POST", "/v1/jobs", `{"url":"https://example.com","tags":["a"]}`, "Idempotency-Key", "k2").want(created); other["id"] == id {
		t.Error("another key got the same job")
	}
	r.ask("POST", "/v1/jobs", `{"url":"https://example.com"}`, "Idempotency-Key", strings.Repeat("k", 256)).
		problem(http.StatusUnprocessableEntity, "header.Idempotency-Key", "255")
}

func TestWhatIsWrongWithAJob(t *testing.T) {
	r := newRig(t, nil)
	for name, of := range map[string]struct {
		body            string
		status          int
		location, tells string
	}{
		"unknown field":        {`{"url":"https://example.com","ulr":"x"}`, 422, "body.ulr", "unexpected property"},
		"wrong type":           {`{"url":17}`, 422, "body.url", "expected string"},
		"no URL":               {`{"tags":["a"]}`, 422, "body", "required property url"},
		"empty URL":            {`{"url":""}`, 422, "body.url", "url"},
		"unsupported scheme":   {`{"url":"ftp://example.com/"}`, 422, "body.url", "ftp"},
		"private callback":     {`{"url":"https://example.com","callback_url":"http://10.0.0.1/"}`, 422, "body.callback_url", "not a public address"},
		"metadata address":     {`{"url":"https://example.com","callback_url":"http://169.254.169.254/"}`, 422, "body.callback_url", "not a public address"},
		"callback of no web":   {`{"url":"https://example.com","callback_url":"mailto:a@example.com"}`, 422, "body.callback_url", "callback_url"},
		"timeout without unit": {`{"url":"https://example.com","timeout":"90"}`, 422, "body.timeout", "90s"},
		"priority":             {`{"url":"https://example.com","priority":101}`, 422, "body.priority", "100"},
		"no JSON":              {`{"url":`, 400, "body", ""},
		"huge":                 {`{"url":"https://example.com/` + strings.Repeat("a", 1<<20) + `"}`, 413, "", "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			r.ask("POST", "/v1/jobs", of.body).problem(of.status, of.location, of.tells)
		})
	}
	r.ask("POST", "/v1/jobs", `url=a`, "Content-Type", "text/plain").problem(http.StatusUnsupportedMediaType, "", "")
	if page := r.ask("GET", "/v1/jobs", nil).want(200); len(page["jobs"].([]any)) != 0 {
		t.Errorf("jobs were made: %v", page)
	}
}

func TestACallbackNeedsWhatSignsIt(t *testing.T) {
	r := newRig(t, func(c *Config) { c.CheckURL = func(string) error { return errors.New("there is no secret") } })
	r.ask("POST", "/v1/jobs", `{"url":"https://example.com","callback_url":"https://example.com/hook"}`).
		problem(http.StatusUnprocessableEntity, "body.callback_url", "there is no secret")
}

func TestPathsThatLeadNowhere(t *testing.T) {
	r := newRig(t, nil)
	r.ask("GET", "/v1/jobs/nobody-1", nil).problem(404, "", "there is no job nobody-1")
	r.ask("GET", "/v1/jobs/what", nil).problem(404, "", "BATCH-ROW")
	r.ask("POST", "/v1/jobs/nobody-1/cancel", nil).problem(404, "", "no job")
	r.ask("POST", "/v1/jobs/nobody-1/retry", nil).problem(404, "", "no job")
	r.ask("GET", "/v2", nil).problem(404, "", "nothing at this path")
	got := r.ask("DELETE", "/v1/jobs", nil)
	got.problem(405, "", "GET")
	if allow := got.header.Get("Allow"); !strings.Contains(allow, "POST") {
		t.Errorf("Allow: %q", allow)
	}
}

func TestPagesOfASearch(t *testing.T) {
	r := newRig(t, nil)
	var want []string
	for _, page := range []string{"a", "b", "shop/c", "d", "SHOP/e"} {
		want = append(want, r.ask("POST", "/v1/jobs", map[string]string{"url": "https://example.com/" + page}).want(created)["id"].(string))
	}
	for query, ids := range map[string][]string{
		"order=oldest":                   want,
		"order=oldest&limit=2":           want,
		"limit=1":                        {want[4], want[3], want[2], want[1], want[0]},
		"q=shop&limit=1":                 {want[4], want[2]},
		"state=done":                     nil,
		"state=done,queued&order=oldest": want,
		"batch=" + strings.TrimSuffix(want[1], "-1"): {want[1]},
	} {
		var got []string
		for next := ""; ; {
			path := "/v1/jobs?" + query
			if next != "" {
				path += "&cursor=" + next
			}
			page := r.ask("GET", path, nil).want(200)
			for _, j := range page["jobs"].([]any) {
				got = append(got, j.(map[string]any)["id"].(string))
			}
			if next, _ = page["next"].(string); next == "" || len(got) > len(ids) {
				break
			}
		}
		if strings.Join(got, " ") != strings.Join(ids, " ") {
			t.Errorf("%s: got %v, want %v", query, got, ids)
		}
	}
	next := r.ask("GET", "/v1/jobs?limit=1", nil).want(200)["next"].(string)
	for query, location := range map[string]string{
		"limit=1&order=oldest&cursor=" + next: "query.cursor", // of another search
		"cursor=what":                         "query.cursor",
		"cursor=" + newCursor("gone-1", `jobs "" [] "" newest`): "query.cursor",
		"limit=0":       "query.limit",
		"limit=ten":     "query.limit",
		"state=mislaid": "query.state[0]",
		"order=random":  "query.order",
		"colour=red":    "query.colour",
	} {
		r.ask("GET", "/v1/jobs?"+query, nil).problem(422, location, "")
	}
	r.ask("GET", "/v1/jobs?batch=nobody", nil).problem(404, "", "no batch nobody")
}

// A store that cannot keep anything is not the caller's fault, and may mend.
type full struct{ jobs.Store }

func (full) AddJob(context.Context, jobs.BatchSpec, jobs.Request, time.Time) (jobs.Job, error) {
	return jobs.Job{}, jobs.ErrUnavailable
}

func TestAStoreInTrouble(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Store = full{c.Store.(jobs.Store)} })
	got := r.ask("POST", "/v1/jobs", `{"url":"https://example.com"}`)
	got.problem(503, "", "try again")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}
