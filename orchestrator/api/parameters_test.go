package api

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"shotline/client"
	"shotline/jobs"
)

// goodValue returns a valid value of a parameter.
func goodValue(t *testing.T, p *huma.Param) string {
	schema := p.Schema
	if schema.Type == huma.TypeArray {
		schema = schema.Items
	}
	if len(schema.Enum) > 0 {
		return fmt.Sprint(schema.Enum[0])
	}
	switch schema.Type {
	case huma.TypeInteger:
		return "1"
	case huma.TypeBoolean:
		return "true"
	case huma.TypeString, huma.TypeObject:
		good := map[string]string{"param": "width=800", "wait": "1ms", "timeout": "1m", "priority": "1", "budget": "5", "after": "0", "callback_url": "http://127.0.0.1:9/",
			"batch": "b1", "job": "b1-1", "since": "2026-01-02T03:04:05Z", "until": "2026-01-02", "cursor": "", "url_column": "1"}
		if value, special := good[p.Name]; special {
			return value
		}
		return "x"
	}
	t.Fatalf("%s is a %s: add an example value to goodValue", p.Name, schema.Type)
	return ""
}

// TestEveryQueryParameterOfTheContract calls every route with each of its query
// parameters, once and repeated. No parameter may be ignored silently.
func TestEveryQueryParameterOfTheContract(t *testing.T) {
	r := newRig(t, nil)
	r.do("POST", "/v1/jobs", JobRequest{URL: "a.test", Metadata: jobs.Metadata{"x": "1"}}).want(202)
	tried := 0
	for _, op := range operations(r.contract.doc) {
		id := "b1"
		if strings.HasPrefix(op.Path, "/v1/jobs/") {
			id = "b1-1"
		}
		path := strings.NewReplacer("{id}", id, "{seq}", "1").Replace(op.Path)
		var body any
		kind := "application/json"
		if op.RequestBody != nil {
			body = `{"url":"a.test"}`
			if op.RequestBody.Content["text/csv"] != nil {
				body, kind = "url,x,job_id\na.test,1,b1-1\n", "text/csv"
			}
		}
		do := func(query string) reply { return r.do(op.Method, path+"?"+query, body, "Content-Type", kind) }
		if !op.SkipValidateParams {
			do("nonsense=1").problem(422, "query.nonsense", "unknown query parameter")
			do("a=%zz").problem(422, "query", "hexadecimal")
			do("a=1;b=2").problem(422, "query", "NAME=VALUE")
		}
		for _, p := range op.Parameters {
			if p.In != "query" {
				continue
			}
			tried++
			name, good := p.Name, url.QueryEscape(goodValue(t, p))
			route := op.Method + " " + op.Path + " " + name
			accepted := func(query string) {
				t.Helper()
				if op.OperationID == "followEvents" {
					r.listen(r.url + path + "?" + query).end()
				} else if a := do(query); a.status == 422 {
					t.Errorf("%s: %s was refused: %s", route, query, a.body)
				}
			}
			switch {
			case p.Style == styleDeepObject:
				accepted(name + ".a=" + good + "&" + name + ".b=" + good)
				accepted(name + "%5Ba%5D=" + good)
				do(name+".a=1&"+name+"%5Ba%5D=1").problem(422, "query."+name+".a", "want one value")
				do(name+".=1").problem(422, "query."+name+".", "unknown query parameter")
			case p.Schema.Type == huma.TypeArray:
				if p.Style != "form" || p.Explode == nil || !*p.Explode {
					t.Errorf("%s: the contract does not mark it as repeatable: %q %v", route, p.Style, p.Explode)
				}
				accepted(name + "=" + good + "&" + name + "=" + good)
				if p.Extensions[commas] == commasLiteral {
					continue
				}
				accepted(name + "=" + good + "," + good)
				accepted(name + "=" + good + ",%20" + good + "&" + name + "=" + good)
				if len(p.Schema.Items.Enum) > 0 { // both forms check the second value
					do(name+"="+good+"&"+name+"=nonsense").problem(422, "query."+name+"[1]", "one of")
					do(name+"="+good+",nonsense").problem(422, "query."+name+"[1]", "one of")
					do(name+"="+good+",&"+name+"="+good).problem(422, "query."+name+"[1]", "one of")
				}
			default:
				accepted(name + "=" + good)
				do(name+"="+good+"&"+name+"="+good).problem(422, "query."+name, "want one value")
				do(name+"="+good+"&"+name+"=").problem(422, "query."+name, "want one value")
				wantText := "did you mean "
				if len(name) == 1 {
					wantText = "want one of "
				}
				do(name+"x="+good).problem(422, "query."+name+"x", wantText)
			}
		}
	}
	if tried < 30 {
		t.Errorf("got %d query parameters, want at least 30", tried)
	}
}

func TestRepeatedAndSeparatedValuesMeanTheSame(t *testing.T) {
	r := newRig(t, nil)
	for range 4 {
		r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}).want(202)
	}
	r.closeJob("b1-1", jobs.Failed, "")
	r.closeJob("b2-1", jobs.Done, "s2")
	r.do("POST", "/v1/jobs/b3-1/cancel", nil).want(200)

	for _, query := range []string{"state=failed&state=done", "state=done&state=failed", "state=failed,done", "state=failed%2C+done", "state=&state=done,failed"} {
		found := r.do("GET", "/v1/jobs?"+query, nil).want(200)["jobs"].([]any)
		if len(found) != 2 {
			t.Errorf("%s: %d jobs, want 2", query, len(found))
		}
		page := r.do("GET", "/v1/jobs?limit=1&"+query, nil).want(200)
		r.do("GET", "/v1/jobs?limit=1&state=done,failed&cursor="+page["next"].(string), nil).want(200)
	}
	for _, query := range []string{"type=job.failed&type=job.canceled", "type=job.failed,job.canceled"} {
		r.listen(r.url+"/v1/events?after=0&"+query).want("job.failed", "job.canceled")
	}
	if got := r.do("POST", "/v1/batches/b1/retry?state=canceled&state=failed", nil).want(200); got["queued"] != 1.0 {
		t.Errorf("repeated: %v", got)
	}
	if got := r.do("POST", "/v1/batches/b3/retry?state=failed&state=canceled", nil).want(200); got["queued"] != 1.0 {
		t.Errorf("repeated: %v", got)
	}

	for _, query := range []string{"tag=a&tag=b", "tag=a,b", "tag=a%2C+b"} {
		batch := r.do("POST", "/v1/batches?"+query+"&param=script=f(1,2)&app=12=x,y&app=34", "a.test\n", "Content-Type", "text/csv").want(202)["batch_id"].(string)
		b, err := r.store.Batch(t.Context(), batch)
		if err != nil || !slices.Equal(b.Tags, []string{"a", "b"}) || b.Params["script"] != "f(1,2)" ||
			!slices.Equal(b.Apps, []jobs.App{{ID: "12", PathTemplate: "x,y"}, {ID: "34"}}) {
			t.Errorf("%s: %v %v %v, %v", query, b.Tags, b.Params, b.Apps, err)
		}
	}
	r.do("POST", "/v1/batches?app=12,34", "a.test\n", "Content-Type", "text/csv").problem(422, "query.app", "repeat app")
	body, kind := form(t, "tag", "a,b", "timeout", "1m", "timeout", "2m", "file@", "a.test\n")
	r.do("POST", "/v1/batches", body, "Content-Type", kind).problem(422, "body.timeout", "more than once")
	body, kind = form(t, "tag", "a,b", "tag", "c", "file@", "a.test\n")
	batch := r.do("POST", "/v1/batches", body, "Content-Type", kind).want(202)["batch_id"].(string)
	if b, err := r.store.Batch(t.Context(), batch); err != nil || !slices.Equal(b.Tags, []string{"a", "b", "c"}) {
		t.Errorf("in a form: %v, %v", b.Tags, err)
	}
}

func TestUnknownParameterSuggestions(t *testing.T) {
	r := newRig(t, nil)
	for query, wantText := range map[string]string{
		"states=done": "did you mean state?", "State=done": "did you mean state?", "offset=1": "want one of batch, cursor, ",
		"curser=x": "did you mean cursor?", strings.Repeat("x", 500) + "=1": "want one of",
	} {
		r.do("GET", "/v1/jobs?"+query, nil).problem(422, "", wantText)
	}
	r.do("GET", "/v1/jobs/b1-1/image?size=1", nil).problem(422, "query.size", "this route has none")
}

// doWithHeader sends a request with two lines of a header.
func (r *rig) doWithHeader(method, path, body, name, one, other string) reply {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header[http.CanonicalHeaderKey(name)] = []string{one, other}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return reply{r.t, response.StatusCode, response.Header, data}
}

func TestRepeatedHeaders(t *testing.T) {
	outputs := &fakeOutputs{body: "bytes", have: map[string]client.Download{"image s1": {ContentType: "image/png", Length: 5}}}
	r := newRig(t, func(c *Config) { c.Outputs = outputs })
	const job, batch = `{"url":"a.test"}`, `{"jobs":[{"url":"a.test"}]}`
	r.doWithHeader("POST", "/v1/jobs", job, "Idempotency-Key", "a", "b").problem(422, "header.Idempotency-Key", "different values")
	r.doWithHeader("POST", "/v1/batches", batch, "Idempotency-Key", "a", "b").problem(422, "header.Idempotency-Key", "different values")
	r.doWithHeader("POST", "/v1/jobs", job, "Content-Type", "application/json", "text/csv").problem(422, "header.Content-Type", "different values")
	r.doWithHeader("GET", "/v1/events", "", "Last-Event-ID", "1", "2").problem(422, "header.Last-Event-ID", "different values")
	if found, err := r.store.Batches(t.Context(), "", 10); err != nil || len(found) > 0 {
		t.Fatalf("%d batches were created, %v", len(found), err)
	}
	// The same value twice is like one value.
	r.doWithHeader("POST", "/v1/jobs", job, "Idempotency-Key", "a", "a").want(202)
	r.do("POST", "/v1/jobs", job, "Idempotency-Key", "a").want(200)
	r.doWithHeader("POST", "/v1/batches", batch, "Idempotency-Key", "c", "c").want(202)

	// Several ETags may be sent in one line or in two.
	r.closeJob("b1-1", jobs.Done, "s1")
	tag := r.do("GET", "/v1/jobs/b1-1/image", nil).header.Get("ETag")
	for _, given := range [][2]string{{`"x"`, tag}, {tag, `"x"`}, {`"x", ` + tag, `"y"`}} {
		if a := r.doWithHeader("GET", "/v1/jobs/b1-1/image", "", "If-None-Match", given[0], given[1]); a.status != http.StatusNotModified {
			t.Errorf("%q: %d", given, a.status)
		}
	}
}

// TestRoutesWithoutABodyRefuseOne tries all routes of the contract.
func TestRoutesWithoutABodyRefuseOne(t *testing.T) {
	r := newRig(t, nil)
	id := r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}).want(202)["id"].(string)
	names := strings.NewReplacer("{id}", id, "{seq}", "1")
	tried := 0
	for path, item := range r.contract.doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post} {
			if op == nil || op.RequestBody != nil || !strings.HasPrefix(path, "/v1/") {
				continue
			}
			tried++
			for _, body := range []any{`{"batch":"b1"}`, "x", io.MultiReader(strings.NewReader("{}"))} {
				r.do(op.Method, names.Replace(path), body).problem(422, "body", "takes no body")
			}
		}
	}
	if tried < 15 {
		t.Errorf("tried %d operations, want at least 15", tried)
	}
	if got := r.job(id); got.State != jobs.Queued {
		t.Errorf("the job is %s", got.State)
	}
	r.do("POST", "/v1/callbacks/replay", `{"state":"dead"}`).problem(422, "body", "into the query")
	r.do("POST", "/v1/jobs/"+id+"/cancel", io.MultiReader()).want(200) // chunked, but empty
}
