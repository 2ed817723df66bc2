package api

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"shotline/client"
	"shotline/jobs"
)

// contractLog is the contract, with the responses that tests received.
type contractLog struct {
	doc      *huma.OpenAPI
	mu       sync.Mutex
	received map[string]bool // METHOD PATH STATUS
}

// check checks a response against the contract: its route, status, content type
// and, if it is JSON, its schema.
func (b *contractLog) check(t *testing.T, mux *http.ServeMux, request *http.Request, a reply) {
	t.Helper()
	_, pattern := mux.Handler(request)
	if pattern == "" || pattern == "GET "+rootPath || a.status == http.StatusMisdirectedRequest && strings.HasPrefix(pattern, "/") {
		return // not a route of the contract
	}
	method, path, _ := strings.Cut(pattern, " ")
	item := b.doc.Paths[path]
	if item == nil {
		t.Fatalf("%s is not in the contract", pattern)
	}
	op := map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post}[method]
	if op == nil {
		t.Fatalf("%s is not in the contract", pattern)
	}
	response := op.Responses[strconv.Itoa(a.status)]
	if response == nil {
		t.Fatalf("%s %s: the contract has no response %d: %s", method, path, a.status, a.body)
	}
	b.mu.Lock()
	b.received[method+" "+path+" "+strconv.Itoa(a.status)] = true
	b.mu.Unlock()
	if len(response.Content) == 0 {
		if len(a.body) > 0 {
			t.Errorf("%s %d: want no body, got: %s", pattern, a.status, a.body)
		}
		return
	}
	kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil {
		t.Fatalf("%s %d: %v", pattern, a.status, err)
	}
	media := response.Content[kind]
	if media == nil {
		t.Fatalf("%s %d: the contract has no %s", pattern, a.status, kind)
	}
	if !strings.HasSuffix(kind, "json") || kind == "application/x-ndjson" {
		return
	}
	var value any
	if err := jsonFormat.Unmarshal(a.body, &value); err != nil {
		t.Fatalf("%s %d: %s: %v", pattern, a.status, a.body, err)
	}
	result := &huma.ValidateResult{}
	huma.Validate(b.doc.Components.Schemas, media.Schema, huma.NewPathBuffer([]byte("body"), 4), huma.ModeReadFromServer, value, result)
	for _, wrong := range result.Errors {
		t.Errorf("%s %d: %v in %s", pattern, a.status, wrong, a.body)
	}
}

// TestResponsesFollowTheContract requests all success responses of all routes.
// The rig checks the responses of all other tests against the contract, too.
func TestResponsesFollowTheContract(t *testing.T) {
	outputs := &fakeOutputs{body: content, have: map[string]client.Download{
		"image s1": {ContentType: "image/png", Length: int64(len(content))}, "html s1": {ContentType: "text/html; charset=utf-8", Length: -1},
		"pdf s1": {ContentType: "application/pdf", Length: int64(len(content))},
	}}
	r := newRig(t, func(c *Config) { c.Outputs = outputs })
	id := r.do("POST", "/v1/jobs", JobRequest{URL: "a.test", CallbackURL: "http://127.0.0.1:9/"}, "Idempotency-Key", "k").want(202)["id"].(string)
	r.do("POST", "/v1/jobs", JobRequest{URL: "a.test", CallbackURL: "http://127.0.0.1:9/"}, "Idempotency-Key", "k").want(200)
	batch := map[string]any{"jobs": []any{map[string]any{"url": "b.test"}, map[string]any{"url": "nope"}}}
	b := r.do("POST", "/v1/batches", batch, "Idempotency-Key", "k2").want(202)["batch_id"].(string)
	r.do("POST", "/v1/batches", batch, "Idempotency-Key", "k2").want(200)
	for _, path := range []string{"/v1/jobs?limit=1", "/v1/jobs/" + id, "/v1/jobs/" + id + "/timeline", "/v1/batches", "/v1/batches/" + b, "/v1/batches/" + b + "/summary",
		"/v1/callbacks", "/v1/inbox/refused", "/healthz", "/readyz", "/openapi.json"} {
		r.do("GET", path, nil).want(200)
	}
	for _, path := range []string{"/v1/batches/" + b + "/summary?format=csv", "/v1/batches/" + b + "/summary?format=html",
		"/v1/batches/" + b + "/results", "/v1/batches/" + b + "/results?format=ndjson", "/docs", "/metrics"} {
		if a := r.do("GET", path, nil); a.status != http.StatusOK || len(a.body) == 0 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	r.do("POST", "/v1/batches/"+b+"/rerun", nil, "Idempotency-Key", "k3").want(202)
	r.do("POST", "/v1/batches/"+b+"/rerun", nil, "Idempotency-Key", "k3").want(200)
	r.do("POST", "/v1/batches/"+b+"/pause", nil).want(200)
	r.do("POST", "/v1/batches/"+b+"/resume", nil).want(200)
	r.do("POST", "/v1/batches/"+b+"/cancel", nil).want(200)
	r.do("POST", "/v1/batches/"+b+"/retry?state=canceled", nil).want(200)
	r.do("POST", "/v1/batches/"+b+"/rows", AmendRequest{[]AmendedRow{{b + "-2", RowRequest{URL: "c.test"}}}}).want(200)

	r.closeJob(id, jobs.Failed, "")
	r.do("POST", "/v1/jobs/"+id+"/retry", nil).want(202)
	r.do("POST", "/v1/jobs/"+id+"/cancel", nil).want(200)
	r.do("POST", "/v1/jobs/"+id+"/retry", nil).want(202)
	r.openIntent(id)
	r.do("POST", "/v1/jobs/"+id+"/cancel", nil).want(202)
	done := r.do("POST", "/v1/jobs", JobRequest{URL: "c.test"}).want(202)["id"].(string)
	r.closeJob(done, jobs.Done, "s1")
	for _, kind := range outputs.kinds() {
		if a := r.do("GET", "/v1/jobs/"+done+"/"+kind, nil); a.status != http.StatusOK || string(a.body) != content {
			t.Errorf("%s: %d %s", kind, a.status, a.body)
		}
		if a := r.do("GET", "/v1/jobs/"+done+"/"+kind, nil, "If-None-Match", "*"); a.status != http.StatusNotModified {
			t.Errorf("%s: %d %s", kind, a.status, a.body)
		}
	}
	r.listen(r.url + "/v1/events?after=0").want("job.canceled")
	r.do("POST", "/v1/callbacks/replay", nil).want(202)
	r.do("POST", fmt.Sprintf("/v1/callbacks/%d/replay", r.addDeadCallback(id, "")), nil).want(202)
	r.do("GET", "/v1/callbacks?limit=1", nil).want(200)

	// Success responses that need more preparation than this test has.
	elsewhere := []string{"POST /v1/jobs/{id}/retry 200", "GET /readyz 503"}
	for path, item := range r.contract.doc.Paths {
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post} {
			if op == nil {
				continue
			}
			for status, response := range op.Responses {
				answer := method + " " + path + " " + status
				if response.Content[problemType] == nil && !r.contract.received[answer] && !slices.Contains(elsewhere, answer) {
					t.Errorf("no test received %s", answer)
				}
			}
		}
	}
}

func TestContractListsSecurityAndErrors(t *testing.T) {
	r := newRig(t, nil)
	for path, item := range r.contract.doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			isOpen := slices.Contains(openPaths, path)
			if isOpen != (len(op.Security) == 0) {
				t.Errorf("%s %s: security %v", op.Method, path, op.Security)
			}
			if op.Summary == "" || op.OperationID == "" || len(op.Tags) != 1 {
				t.Errorf("%s %s is not described", op.Method, path)
			}
			want := []string{"421"}
			if !isOpen {
				want = append(want, "401", "429")
				if op.Method == http.MethodPost {
					want = append(want, "403")
				}
			}
			for _, status := range want {
				if op.Responses[status] == nil {
					t.Errorf("%s %s lists no response %s", op.Method, path, status)
				}
			}
		}
	}
	if r.contract.doc.OpenAPI != "3.1.0" || r.contract.doc.Paths["/v1/batches"].Post.RequestBody.Content["text/csv"] == nil {
		t.Error("the contract is not OpenAPI 3.1 or has no CSV body")
	}
}

func TestDocsPageIsSelfContained(t *testing.T) {
	r := newRig(t, nil)
	r.do("GET", "/docs", nil)
	a := r.do("GET", "/docs", nil)
	if kind := a.header.Get("Content-Type"); kind != "text/html; charset=utf-8" {
		t.Errorf("content type %q", kind)
	}
	if text := "Only callbacks in one of these states. Repeat the parameter or separate values by commas. Each is one of owed"; !strings.Contains(string(a.body), text) {
		t.Errorf("the page lacks %q", text)
	}
	for path := range r.contract.doc.Paths {
		if !bytes.Contains(a.body, []byte("<code>"+path+"</code>")) {
			t.Errorf("the page does not contain %s", path)
		}
	}
	for _, foreign := range []string{"<script", "<link", "<img", "<iframe", "src=", "@import", "url(", `href="http`, "action="} {
		if strings.Contains(string(a.body), foreign) {
			t.Errorf("the page contains %s", foreign)
		}
	}
	if policy := a.header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
}
