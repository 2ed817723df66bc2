package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

func TestCreateJob(t *testing.T) {
	r := newRig(t, nil)
	a := r.do("POST", "/v1/jobs", `{"url":" Example.com","params":{"Width":"800","dark":true,"delay":null},"tags":["a","a"],
		"metadata":{"ref":"7"},"callback_url":"http://127.0.0.1:9/hook","timeout":"90s","priority":5}`)
	a.want(202)
	if got := a.header.Get("Location"); got != "/v1/jobs/b1-1" {
		t.Errorf("location %q", got)
	}
	j := r.job("b1-1")
	want := jobs.Request{URL: "https://example.com/", Params: jobs.Params{"width": 800.0, "dark": true}, Tags: []string{"a"}, Metadata: jobs.Metadata{"ref": "7"}}
	if diff := cmp.Diff(want, jobs.Request{URL: j.URL, Params: j.Params, Tags: j.Tags, Metadata: j.Metadata}); diff != "" {
		t.Error(diff)
	}
	b, err := r.store.Batch(t.Context(), "b1")
	if err != nil {
		t.Fatal(err)
	}
	if !b.Single || b.CallbackURL != "http://127.0.0.1:9/hook" || b.JobTimeout != 90*time.Second || b.Priority != 5 || b.State != jobs.BatchOpen {
		t.Errorf("%+v", b.BatchSpec)
	}
}

func TestRefusedJobs(t *testing.T) {
	r := newRig(t, nil)
	for name, test := range map[string]struct {
		body     any
		status   int
		location string
		wantText string
	}{
		"unknown field":            {`{"url":"a.test","wait":1}`, 422, "body.wait", "unexpected property"},
		"wrong type":               {`{"url":7}`, 422, "body.url", "expected string"},
		"no URL":                   {`{}`, 422, "body", "url"},
		"empty URL":                {`{"url":""}`, 422, "body.url", "no URL"},
		"a word":                   {`{"url":"nope"}`, 422, "body.url", "not a URL"},
		"unsupported scheme":       {`{"url":"ftp://a.test/"}`, 422, "body.url", "only http and https"},
		"bad parameter":            {`{"url":"a.test","params":{"width":"wide"}}`, 422, "body.params.width", "not a number"},
		"reserved parameter":       {`{"url":"a.test","params":{"key":"s3cret"}}`, 422, "body.params.key", "API key"},
		"reserved tag":             {`{"url":"a.test","tags":["x","shotline-1"]}`, 422, "body.tags[1]", "reserved"},
		"private callback":         {`{"url":"a.test","callback_url":"http://10.0.0.1/"}`, 422, "body.callback_url", "not a public address"},
		"callback is no URL":       {`{"url":"a.test","callback_url":"ftp://a.test/s3cret"}`, 422, "body.callback_url", "http"},
		"timeout in seconds":       {`{"url":"a.test","timeout":"90"}`, 422, "body.timeout", "duration"},
		"negative timeout":         {`{"url":"a.test","timeout":"-1s"}`, 422, "body.timeout", "at least 1ms"},
		"priority too high":        {`{"url":"a.test","priority":101}`, 422, "body.priority", "100"},
		"not JSON":                 {`{"url":`, 400, "body", "unexpected end"},
		"a secret in bad JSON":     {`{"url":"s3cret"`, 400, "body", "unexpected end"},
		"a secret of a wrong type": {`{"url":["s3cret"]}`, 422, "body.url", "expected string"},
		"no body":                  {nil, 400, "", "required"},
		"more than one value":      {`{"url":"a.test"} {"url":"b.test"}`, 400, "body", "after top-level value"},
		"too large":                {`{"url":"a.test","metadata":{"s3cret":"` + strings.Repeat("x", 1<<20) + `"}}`, 413, "", "too large"},
	} {
		a := r.do("POST", "/v1/jobs", test.body)
		t.Log(name)
		a.problem(test.status, test.location, test.wantText)
		if strings.Contains(string(a.body), "s3cret") {
			t.Errorf("%s: the response repeats a value: %s", name, a.body)
		}
	}
	r.do("POST", "/v1/jobs", `{"url":"a.test"}`, "Content-Type", "text/plain").problem(415, "", "want application/json")
	r.do("POST", "/v1/jobs", `{"url":"a.test"}`, "Idempotency-Key", strings.Repeat("k", 256)).problem(422, "header.Idempotency-Key", "255")
	r.do("POST", "/v1/jobs?wat=1", `{"url":"a.test"}`).problem(422, "query.wat", "unknown query parameter")
	if found, err := r.store.Batches(t.Context(), "", 10); err != nil || len(found) > 0 {
		t.Errorf("%d batches were created, %v", len(found), err)
	}
}

func TestJobIdempotencyKey(t *testing.T) {
	r := newRig(t, nil)
	statuses := make(chan int, 20)
	var all sync.WaitGroup
	for range cap(statuses) {
		all.Go(func() {
			statuses <- r.do("POST", "/v1/jobs", `{"url":"a.test","params":{"b":1,"a":2}}`, "Idempotency-Key", "k").status
		})
	}
	all.Wait()
	close(statuses)
	made := map[int]int{}
	for status := range statuses {
		made[status]++
	}
	if made[202] != 1 || made[200] != cap(statuses)-1 {
		t.Errorf("statuses %v", made)
	}
	again := r.do("POST", "/v1/jobs", `{"params":{"a":2.0,"b":1}, "url":"a.test"}`, "Idempotency-Key", "k") // the same request, written differently
	id := again.want(200)["id"].(string)
	if again.header.Get("Location") != "/v1/jobs/"+id {
		t.Errorf("location %q of %s", again.header.Get("Location"), id)
	}
	r.do("POST", "/v1/jobs", `{"url":"b.test"}`, "Idempotency-Key", "k").problem(409, "header.Idempotency-Key", "different request")
	r.do("POST", "/v1/jobs", `{"url":"a.test"}`, "Idempotency-Key", "k2").want(202)
	if found, err := r.store.Batches(t.Context(), "", 100); err != nil || len(found) != 2 {
		t.Errorf("%d batches were created, %v", len(found), err)
	}
}

func TestRetryAndCancelJobs(t *testing.T) {
	r := newRig(t, nil)
	create := func() string {
		return r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}).want(202)["id"].(string)
	}
	id := create()
	r.do("POST", "/v1/jobs/"+id+"/retry", nil).problem(409, "", "is queued")
	r.closeJob(id, jobs.Failed, "")
	if got := r.do("POST", "/v1/jobs/"+id+"/retry", nil).want(202); got["state"] != "queued" || got["attempt"] != 2.0 {
		t.Errorf("retried: %v", got)
	}
	if got := r.do("POST", "/v1/jobs/"+id+"/cancel", nil).want(200); got["state"] != "canceled" {
		t.Errorf("canceled: %v", got)
	}
	r.do("POST", "/v1/jobs/"+id+"/cancel", nil).want(200)

	done := create()
	r.closeJob(done, jobs.Done, "s1")
	r.do("POST", "/v1/jobs/"+done+"/cancel", nil).problem(409, "", "is done")
	r.do("POST", "/v1/jobs/"+done+"/retry", nil).problem(409, "", "is done")

	sent := create()
	r.openIntent(sent)
	if got := r.do("POST", "/v1/jobs/"+sent+"/cancel", nil).want(202); got["cancel_asked_at"] == nil {
		t.Errorf("canceling: %v", got)
	}

	late := create()
	lease := r.openIntent(late)
	now := r.clock.Now()
	_, err := r.store.Observe(t.Context(), []jobs.Observation{{Job: lease.Job.ID, Attempt: 1, ScreenshotID: "s9", Outcome: jobs.OutcomeProcessing}}, jobs.ByCreate, now, now)
	if err == nil {
		_, err = r.store.CloseJobs(t.Context(), []jobs.Closing{{Job: lease.Job.ID, From: []jobs.State{jobs.Pending}, To: jobs.TimedOut, By: jobs.ByDeadline}}, now)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.do("POST", "/v1/jobs/"+late+"/retry", nil).problem(502, "", "vendor could not be queried")

	for _, path := range []string{"/v1/jobs/zz-1", "/v1/jobs/nonsense", "/v1/jobs/" + strings.TrimSuffix(id, "1") + "2"} {
		r.do("GET", path, nil).problem(404, "", "there is no")
		r.do("POST", path+"/retry", nil).problem(404, "", "there is no")
		r.do("POST", path+"/cancel", nil).problem(404, "", "there is no")
	}
}

func TestSearchJobs(t *testing.T) {
	r := newRig(t, nil)
	for i := range 7 {
		r.do("POST", "/v1/jobs", JobRequest{URL: fmt.Sprintf("a.test/%d", i)}).want(202)
	}
	r.do("POST", "/v1/jobs/b3-1/cancel", nil).want(200)
	walk := func(search string) (ids []string) {
		t.Helper()
		for cursor := ""; ; {
			page := r.do("GET", "/v1/jobs?limit=2&"+search+"&cursor="+cursor, nil).want(200)
			for _, j := range page["jobs"].([]any) {
				ids = append(ids, j.(map[string]any)["id"].(string))
			}
			next, more := page["next"].(string)
			if !more {
				return ids
			}
			cursor = next
		}
	}
	for search, want := range map[string]string{
		"":                           "b7-1 b6-1 b5-1 b4-1 b3-1 b2-1 b1-1",
		"order=oldest":               "b1-1 b2-1 b3-1 b4-1 b5-1 b6-1 b7-1",
		"state=canceled":             "b3-1",
		"state=canceled,queued&q=/3": "b4-1",
		"batch=b2":                   "b2-1",
		"q=A.TEST/6":                 "b7-1",
		"q=nowhere":                  "",
	} {
		if got := strings.Join(walk(search), " "); got != want {
			t.Errorf("%s: %s, want %s", search, got, want)
		}
	}
	r.do("POST", "/v1/jobs", `{"url":"bücher.test/ü x","tags":["spring","a,b"],"metadata":{"order":17,"shop.name":"x","a[0]":true}}`).want(202)
	r.closeJob("b4-1", jobs.Failed, "")
	for search, want := range map[string]string{
		"q=B%C3%BCcher.TEST":                "b8-1",
		"q=/%C3%BC+x":                       "b8-1",
		"q=xn--bcher":                       "b8-1",
		"q=%C3%BCcher":                      "",
		"tag=spring":                        "b8-1",
		"tag=a,b":                           "b8-1",
		"tag=spring&tag=a,b":                "b8-1",
		"tag=spring&tag=a":                  "",
		"tag=spr":                           "",
		"metadata.order=17":                 "b8-1",
		"metadata%5Border%5D=17&tag=spring": "b8-1",
		"metadata.shop.name=x&metadata.a%5B0%5D=true":  "b8-1",
		"metadata%5Ba%5B0%5D%5D=true":                  "b8-1",
		"metadata.order=18":                            "",
		"error=NO+SUCH":                                "b4-1",
		"error=no+such&state=done,failed":              "b4-1",
		"since=2032-01-01T01:00:00%2B01:00&tag=spring": "b8-1",
		"since=2032-01-02":                             "",
		"until=2032-01-01":                             "",
		"until=2032-01-01T00:00:00.001Z&order=oldest":  "b1-1 b2-1 b3-1 b4-1 b5-1 b6-1 b7-1 b8-1",
	} {
		if got := strings.Join(walk(search), " "); got != want {
			t.Errorf("%s: %s, want %s", search, got, want)
		}
	}
	r.do("GET", "/v1/jobs?since=yesterday", nil).problem(422, "query.since", "such as 2026-03-01T06:00:00Z")
	r.do("GET", "/v1/jobs?until=2026-13-01", nil).problem(422, "query.until", "or a date")

	next := r.do("GET", "/v1/jobs?limit=2", nil).want(200)["next"].(string)
	r.do("GET", "/v1/jobs?tag=x&cursor="+next, nil).problem(422, "query.cursor", "same search")
	r.do("GET", "/v1/jobs?metadata.a=x&cursor="+next, nil).problem(422, "query.cursor", "same search")
	for _, cursor := range []string{"x", "!!", next[:4], newCursor("zz-9", "elsewhere")} {
		r.do("GET", "/v1/jobs?cursor="+cursor, nil).problem(422, "query.cursor", "cursor")
	}
	r.do("GET", "/v1/jobs?order=oldest&cursor="+next, nil).problem(422, "query.cursor", "same search")
	r.do("GET", "/v1/jobs?batch=zz", nil).problem(404, "", "no batch zz")
	r.do("GET", "/v1/jobs?limit=0", nil).problem(422, "query.limit", "1")
	r.do("GET", "/v1/jobs?limit=1001", nil).problem(422, "query.limit", "1000")
	r.do("GET", "/v1/jobs?state=lost", nil).problem(422, "query.state[0]", "queued")

	first := r.do("GET", "/v1/batches?limit=5", nil).want(200)
	second := r.do("GET", "/v1/batches?limit=5&cursor="+first["next"].(string), nil).want(200)
	if len(first["batches"].([]any)) != 5 || len(second["batches"].([]any)) != 3 || second["next"] != nil {
		t.Errorf("pages of batches: %v, %v", first, second)
	}
	r.do("GET", "/v1/batches?cursor="+next, nil).problem(422, "query.cursor", "cursor")
}

// failingStore returns err, or panics in AddJob if err is nil.
type failingStore struct {
	Store
	err error
}

func (s failingStore) Job(context.Context, jobs.ID) (jobs.Job, error) { return jobs.Job{}, s.err }
func (s failingStore) AddJob(context.Context, jobs.BatchSpec, jobs.Request, time.Time) (jobs.Job, error) {
	if s.err == nil {
		panic("s3cret")
	}
	return jobs.Job{}, s.err
}

func TestInternalErrorsHaveNoDetails(t *testing.T) {
	for name, test := range map[string]struct {
		err      error
		status   int
		wantText string
	}{
		"a bug":     {errors.New("s3cret"), http.StatusInternalServerError, "see the log"},
		"a panic":   {nil, http.StatusInternalServerError, "see the log"},
		"disk full": {fmt.Errorf("s3cret: %w", jobs.ErrUnavailable), http.StatusServiceUnavailable, "try again"},
		"damaged":   {fmt.Errorf("s3cret: %w", jobs.ErrCorrupt), http.StatusInternalServerError, "see the log"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.Store = failingStore{c.Store, test.err} })
			a := r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"})
			a.problem(test.status, "", test.wantText)
			if strings.Contains(string(a.body), "s3cret") {
				t.Errorf("the response contains details: %s", a.body)
			}
			if (a.header.Get("Retry-After") != "") != (test.status == http.StatusServiceUnavailable) {
				t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
			}
		})
	}
}

func TestRequestsAreCountedByRoute(t *testing.T) {
	r := newRig(t, nil)
	r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}).want(202)
	r.do("GET", "/v1/jobs/b1-1", nil).want(200)
	r.do("GET", "/v1/jobs/b1-2", nil).want(404)
	r.do("GET", "/v1/s3cret", nil).want(404)
	body := string(r.do("GET", "/metrics", nil).body)
	for _, line := range []string{
		`shotline_api_requests_total{code="202",route="/v1/jobs"} 1`, `shotline_api_requests_total{code="200",route="/v1/jobs/{id}"} 1`,
		`shotline_api_requests_total{code="404",route="/v1/jobs/{id}"} 1`, `shotline_api_requests_total{code="404",route="none"} 1`,
	} {
		if !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
	if strings.Contains(body, "s3cret") {
		t.Error("a path is a label")
	}
}

// TestJSONContentTypes checks that the content type is accepted in any case, and
// JSON with no charset but UTF-8.
func TestJSONContentTypes(t *testing.T) {
	r := newRig(t, nil)
	for _, kind := range []string{"application/JSON", "Application/Json; Charset=UTF-8", " application/json ;charset", "application/json;charset=\"utf-8\""} {
		r.do("POST", "/v1/jobs", `{"url":"a.test"}`, "Content-Type", kind).want(202)
		r.do("POST", "/v1/batches", `{"jobs":[{"url":"a.test"}]}`, "Content-Type", kind).want(202)
	}
	for _, kind := range []string{"application/json; charset=latin1", "Application/JSON;Charset=\"UTF-16\""} {
		r.do("POST", "/v1/jobs", `{"url":"a.test"}`, "Content-Type", kind).problem(415, "", "UTF-8")
		r.do("POST", "/v1/batches", `{"jobs":[{"url":"a.test"}]}`, "Content-Type", kind).problem(415, "", "UTF-8")
	}
	r.do("POST", "/v1/batches", "a.test", "Content-Type", "text/csv; charset=utf-8").want(202)
	r.do("POST", "/v1/batches", "a.test", "Content-Type", "text/csv; charset=latin1").want(202)
	r.do("POST", "/v1/batches", "a.test", "Content-Type", "text/csv; charset=klingon").problem(415, "", "unknown encoding")
}
