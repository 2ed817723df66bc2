package api

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"shotline/jobs"
	"shotline/jobs/jobjson"
)

// checkSchema checks a value against a schema of the contract.
func (r *rig) checkSchema(name string, schema *huma.Schema, value any) {
	r.t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		r.t.Fatalf("%s: %v", name, err)
	}
	var plain any
	if err := jsonFormat.Unmarshal(text, &plain); err != nil {
		r.t.Fatalf("%s: %s: %v", name, text, err)
	}
	result := &huma.ValidateResult{}
	huma.Validate(r.contract.doc.Components.Schemas, schema, huma.NewPathBuffer([]byte("body"), 4), huma.ModeReadFromServer, plain, result)
	for _, wrong := range result.Errors {
		r.t.Errorf("%s: %v in %s", name, wrong, text)
	}
}

// TestExamplesMatchTheirSchemas checks that every operation that accepts or
// returns JSON has a valid example.
func TestExamplesMatchTheirSchemas(t *testing.T) {
	r := newRig(t, nil)
	check := func(name string, media *huma.MediaType) {
		t.Helper()
		if media == nil {
			return
		}
		if media.Example == nil {
			t.Errorf("%s has no example", name)
			return
		}
		r.checkSchema(name, media.Schema, media.Example)
	}
	seen := 0
	for _, op := range operations(r.contract.doc) {
		if op.OperationID == "getContract" {
			continue // its response contains the examples
		}
		seen++
		if op.RequestBody != nil {
			check("the body of "+op.OperationID, op.RequestBody.Content["application/json"])
		}
		for status, response := range op.Responses {
			check("the response "+status+" of "+op.OperationID, response.Content["application/json"])
		}
	}
	for name, item := range r.contract.doc.Webhooks {
		seen++
		check("the webhook "+name, item.Post.RequestBody.Content["application/json"])
	}
	if seen < 30 {
		t.Errorf("got %d operations, want at least 30", seen)
	}
	problem := r.contract.doc.Components.Schemas.Map()["Problem"]
	r.checkSchema("the problem", problem, problem.Examples[0])

	// The examples of requests can be sent.
	requests := requestExamples()
	r.do("POST", "/v1/jobs", requests["createJob"]).want(202)
	if got := r.do("POST", "/v1/batches", requests["createBatch"]).want(202); got["rejected"] != 0.0 {
		t.Errorf("rows of the example are rejected: %v", got)
	}
}

// TestMessagesMatchTheContract checks the message of each type of event against
// the contract.
func TestMessagesMatchTheContract(t *testing.T) {
	r := newRig(t, nil)
	doc := r.contract.doc
	for _, kind := range jobs.EventTypes {
		item := doc.Webhooks[string(kind)]
		if item == nil || item.Post == nil {
			t.Errorf("%s is not in the contract", kind)
			continue
		}
		var names []string
		for _, p := range item.Post.Parameters {
			names = append(names, p.In+" "+p.Name)
		}
		if got := strings.Join(names, ", "); got != "header webhook-id, header webhook-timestamp, header webhook-signature" {
			t.Errorf("%s has the parameters %s", kind, got)
		}
		for _, status := range []string{"2XX", "410", "default"} {
			if item.Post.Responses[status] == nil {
				t.Errorf("%s has no response %s", kind, status)
			}
		}
	}
	if len(doc.Webhooks) != len(jobs.EventTypes) {
		t.Errorf("%d webhooks, %d types of events", len(doc.Webhooks), len(jobs.EventTypes))
	}

	sent := func(e jobs.Event) {
		t.Helper()
		m, err := jobs.NewMessage(t.Context(), r.store, e)
		if err != nil {
			t.Fatal(err)
		}
		r.checkSchema(string(e.Type), doc.Webhooks[string(e.Type)].Post.RequestBody.Content["application/json"].Schema, jobjson.FromMessage(m))
	}
	r.do("POST", "/v1/jobs", `{"url":"a.test","metadata":{"order":17,"none":null}}`).want(202)
	r.do("POST", "/v1/jobs", `{"url":"b.test"}`).want(202)
	r.closeJob("b1-1", jobs.Done, "s1")
	r.closeJob("b2-1", jobs.Failed, "s2")
	r.do("POST", "/v1/jobs/b2-1/retry", nil).want(202) // now the earlier events describe the past
	place, err := r.store.AppendDelivery(t.Context(), jobs.Delivery{ReceivedAt: r.clock.Now(), Event: "screenshot.finished", ScreenshotID: "s9", Outcome: jobs.OutcomeDone, Body: []byte(`{"id":9}`)})
	if err != nil {
		t.Fatal(err)
	}
	page, _, err := r.store.Events(t.Context(), jobs.EventFilter{})
	if err != nil || len(page) < 5 {
		t.Fatalf("%d events, %v", len(page), err)
	}
	for _, e := range page {
		sent(e)
	}
	sent(jobs.Event{Type: jobs.EventForeign, Delivery: place, At: time.Now()})
	sent(jobs.Event{Type: jobs.EventForeign, Delivery: place + 1, At: time.Now()}) // a pruned delivery
}

func TestDocsContainTheirAddress(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Access.Hosts = []string{"shots.example.com", "evil"} })
	for name, test := range map[string]struct {
		host   string
		header []string
		want   string
	}{
		"the test server":   {"", nil, r.url},
		"another name":      {"shots.example.com", nil, "http://shots.example.com"},
		"a port":            {"localhost:8081", nil, "http://localhost:8081"},
		"IPv6":              {"[::1]:8081", nil, "http://[::1]:8081"},
		"behind TLS":        {"shots.example.com", []string{"X-Forwarded-Proto", "https"}, "https://shots.example.com"},
		"below a path":      {"shots.example.com", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Prefix", "/shots"}, "https://shots.example.com/shots"},
		"an invalid path":   {"localhost", []string{"X-Forwarded-Prefix", `//evil/"><script>`}, "http://localhost"},
		"an invalid port":   {`localhost:1"><script>`, nil, "http://localhost"},
		"an invalid scheme": {"localhost", []string{"X-Forwarded-Proto", "javascript"}, "http://localhost"},
	} {
		r.host = test.host
		page := string(r.do("GET", "/docs", nil, test.header...).body)
		if !strings.Contains(page, " "+test.want+"/v1/jobs") || strings.Contains(page, addressPlaceholder) || strings.Contains(page, "<script") {
			t.Errorf("%s: the page does not name %s", name, test.want)
		}
		var doc struct{ Servers []struct{ URL string } }
		if err := json.Unmarshal(r.do("GET", "/openapi.json", nil, test.header...).body, &doc); err != nil || len(doc.Servers) != 1 || doc.Servers[0].URL != test.want {
			t.Errorf("%s: servers %v, %v, want %s", name, doc.Servers, err, test.want)
		}
	}
	r.host = ""
	for prefix, want := range map[string]string{"": "/docs", "/shots": "/shots/docs", "//evil": "/docs"} {
		if a := r.do("GET", "/", nil, "X-Forwarded-Prefix", prefix); a.status != 302 || a.header.Get("Location") != want {
			t.Errorf("GET / below %q: %d to %q, want %s", prefix, a.status, a.header.Get("Location"), want)
		}
	}
	r.do("POST", "/", nil).problem(405, "", "GET")
	r.do("GET", "/nothing", nil).problem(404, "", "no route at this path")

	// Like /docs, the root needs no token.
	closed := newRig(t, func(c *Config) { c.Access.Tokens = []Token{{Name: "shop"}} })
	if a := closed.do("GET", "/", nil); a.status != 302 {
		t.Errorf("GET / without a token: %d", a.status)
	}
}
