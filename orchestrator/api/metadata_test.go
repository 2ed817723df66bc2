package api

import (
	"encoding/json"
	"strings"
	"testing"

	"shotline/jobs"
	"shotline/jobs/jobjson"
)

// TestMetadataKeepsTypesAndDigits checks that all representations of a job
// contain its metadata byte by byte.
func TestMetadataKeepsTypesAndDigits(t *testing.T) {
	const given = `{"big":12345678901234567890,"far":1E400,"free":false,"none":null,"price":1.10,"sku":"A-1","text":"17","vip":true}`
	r := newRig(t, nil)
	has := func(name string, text []byte) {
		t.Helper()
		if !strings.Contains(string(text), `"metadata":`+given) {
			t.Errorf("%s: %s", name, text)
		}
	}
	has("created", r.do("POST", "/v1/jobs", `{"url":"a.test","metadata":`+given+`}`, "Idempotency-Key", "k").body)
	has("the same again", r.do("POST", "/v1/jobs", `{"metadata":`+given+`,"url":"a.test"}`, "Idempotency-Key", "k").body)
	r.do("POST", "/v1/jobs", `{"metadata":`+strings.Replace(given, "1.10", "1.1", 1)+`,"url":"a.test"}`, "Idempotency-Key", "k").problem(409, "header.Idempotency-Key", "different request")
	r.closeJob("b1-1", jobs.Done, "s1")
	batch := r.do("POST", "/v1/batches", `{"jobs":[{"url":"b.test","metadata":`+given+`}]}`).want(202)["batch_id"].(string)
	has("a job", r.do("GET", "/v1/jobs/b1-1", nil).body)
	list := r.do("GET", "/v1/jobs?order=oldest", nil).body
	if n := strings.Count(string(list), given); n != 2 {
		t.Errorf("listed %d times: %s", n, list)
	}
	has("results", r.do("GET", "/v1/batches/"+batch+"/results?format=ndjson", nil).body)
	m, err := jobs.NewMessage(t.Context(), r.store, jobs.Event{Type: jobs.EventJobDone, Batch: "b1", Job: jobs.ID{Batch: "b1", Row: 1}, Attempt: 1})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(jobjson.FromMessage(m))
	if err != nil {
		t.Fatal(err)
	}
	has("an event", text)

	for _, wrong := range []string{`{"a":[1]}`, `{"a":{"b":1}}`} {
		r.do("POST", "/v1/jobs", `{"url":"a.test","metadata":`+wrong+`}`).problem(422, "body.metadata.a", "")
		r.do("POST", "/v1/batches", `{"jobs":[{"url":"a.test","metadata":`+wrong+`}]}`).problem(422, "body.jobs[0].metadata.a", "a string, a number, true, false or null")
	}
	r.do("POST", "/v1/jobs", `{"url":"a.test","params":{"delay":1e400}}`).problem(422, "", "1e400")
}
