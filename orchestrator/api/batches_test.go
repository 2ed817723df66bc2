package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

// form returns a multipart body and its content type. Fields are names and values
// in turn. A name that ends in @ is that of a file.
func form(t *testing.T, fields ...string) (body, kind string) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for i := 0; i < len(fields); i += 2 {
		var part io.Writer
		var err error
		if name, isFile := strings.CutSuffix(fields[i], "@"); isFile {
			part, err = w.CreateFormFile(name, "urls.csv")
		} else {
			part, err = w.CreateFormField(name)
		}
		if err == nil {
			_, err = io.WriteString(part, fields[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String(), w.FormDataContentType()
}

func TestBatchContentTypes(t *testing.T) {
	json := `{"params":{"size":"page"},"tags":["t"],"apps":[{"id":"12","path_template":"{id}.png"}],"callback_url":"http://127.0.0.1:9/",
		"timeout":"1m","priority":3,"source":"autumn","jobs":[
		{"url":"a.test","params":{"width":800},"tags":["x"],"metadata":{"ref":"1"}},
		{"url":"https://a.test/","params":{"width":"800"},"tags":["x"],"metadata":{"ref":"2"}},
		{"url":"nope"}]}`
	table := "url,width,tag,ref\na.test,800,x,1\nhttps://a.test/,800,x,2\nnope,,,\n"
	query := "?param=size%3Dpage&tag=t&app=12%3D%7Bid%7D.png&callback_url=http%3A%2F%2F127.0.0.1%3A9%2F&timeout=1m&priority=3&source=autumn"
	body, kind := form(t, "param", "size=page", "tag", "t", "app", "12={id}.png", "file@", table, "callback_url", "http://127.0.0.1:9/",
		"timeout", "1m", "priority", "3", "source", "autumn")
	for name, test := range map[string]struct{ path, body, kind string }{
		"JSON": {"/v1/batches", json, "application/json; charset=utf-8"},
		"CSV":  {"/v1/batches" + query, table, "text/csv"},
		"form": {"/v1/batches", body, kind},
	} {
		r := newRig(t, nil)
		a := r.do("POST", test.path, test.body, "Content-Type", test.kind)
		got := a.want(202)
		want := map[string]any{"batch_id": "b1", "rows": 3.0, "accepted": 1.0, "duplicates": 1.0, "rejected": 1.0}
		if name != "JSON" {
			want["notes"] = []any{`column "width": sent as parameter width`}
		}
		if diff := cmp.Diff(want, got); diff != "" || a.header.Get("Location") != "/v1/batches/b1" {
			t.Errorf("%s: %s, location %s", name, diff, a.header.Get("Location"))
		}
		b, err := r.store.Batch(t.Context(), "b1")
		if err != nil {
			t.Fatal(err)
		}
		spec := jobs.BatchSpec{
			ID: "b1", Source: "autumn", Columns: b.Columns, Params: jobs.Params{"size": "page"}, Tags: []string{"t"},
			Apps: []jobs.App{{ID: "12", PathTemplate: "{id}.png"}}, JobTimeout: time.Minute, Priority: 3, CallbackURL: "http://127.0.0.1:9/",
		}
		if diff := cmp.Diff(spec, b.BatchSpec); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		first, last := r.job("b1-1"), r.job("b1-3")
		if first.Params["width"] != 800.0 || first.Metadata["ref"] != "1" || last.State != jobs.Rejected || !strings.Contains(last.Error, "not a URL") || last.Line == 0 {
			t.Errorf("%s: %+v, %+v", name, first, last)
		}
		results := r.do("GET", "/v1/batches/b1/results", nil)
		if rows, err := csv.NewReader(bytes.NewReader(results.body)).ReadAll(); err != nil || len(rows) != 4 {
			t.Errorf("%s: results %v, %v", name, rows, err)
		}
	}
}

// TestLists checks the encodings, compressions and formats of lists of rows.
func TestLists(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	io.WriteString(w, "a.test/1\na.test/2\na.test/3\n")
	w.Close()
	lines := "{\"url\":\"a.test\",\"params\":{\"width\":800},\"ref\":7}\n\"b.test\"\n{}\n"
	formBody, formKind := form(t, "file@", zipped.String(), "source", "x")
	columnBody, columnKind := form(t, "file@", "one,two\na.test/1,b.test/1\na.test/2,b.test/2\na.test/3,c.test\n", "url_column", "two")
	r := newRig(t, func(c *Config) { c.MaxRows = 3 })
	for i, test := range []struct {
		name, path, body, kind, coding string
		rejected                       float64
		firstURL                       string
	}{
		{"windows-1252", "", "url,name\na.test,caf\xe9\nb.test,x\nc.test,x\n", "text/csv; charset=windows-1252", "", 0, "https://a.test/"},
		{"no charset", "", "url,name\na.test,caf\xe9\nb.test,x\nc.test,x\n", "text/csv", "", 0, "https://a.test/"},
		{"CR", "", "url\ra.test\rb.test\rc.test\r", "text/csv", "", 0, "https://a.test/"},
		{"JSON Lines", "", lines, "application/x-ndjson", "", 1, "https://a.test/"},
		{"JSON Lines by another name", "?tag=t", lines, "application/jsonl; charset=utf-8", "", 1, "https://a.test/"},
		{"gzip", "", zipped.String(), "text/csv", "gzip", 0, "https://a.test/1"},
		{"gzip by content", "", zipped.String(), "text/csv", "", 0, "https://a.test/1"},
		{"gzip in a form", "", formBody, formKind, "", 0, "https://a.test/1"},
		{"a column in a form", "", columnBody, columnKind, "", 0, "https://b.test/1"},
		{"a column in the query", "?url_column=Two", "one,two\na.test/1,b.test/1\na.test/2,b.test/2\na.test/3,c.test\n", "text/csv", "", 0, "https://b.test/1"},
	} {
		t.Log(test.name)
		headers := []string{"Content-Type", test.kind}
		if test.coding != "" {
			headers = append(headers, "Content-Encoding", test.coding)
		}
		got := r.do("POST", "/v1/batches"+test.path, test.body, headers...).want(202)
		if got["rows"] != 3.0 || got["rejected"] != test.rejected {
			t.Errorf("got %v", got)
		}
		if url := r.job(fmt.Sprintf("b%d-1", i+1)).URL; url != test.firstURL {
			t.Errorf("got %s, want %s", url, test.firstURL)
		}
	}
	if first := r.job("b4-1"); first.Params["width"] != 800.0 || first.Metadata["ref"] != json.Number("7") {
		t.Errorf("got %+v", first)
	}
	tooMany := zipped
	w = gzip.NewWriter(&tooMany)
	io.WriteString(w, "a.test/4\n")
	w.Close()
	r.do("POST", "/v1/batches", tooMany.String(), "Content-Type", "text/csv").problem(413, "", "3")
	r.do("POST", "/v1/batches", "url\ra.test\rb.test\rc.test\rd.test\r", "Content-Type", "text/csv").problem(413, "", "3")
	r.do("POST", "/v1/batches", "%PDF-1.7", "Content-Type", "text/csv").problem(422, "body", "a PDF")
	r.do("POST", "/v1/batches", "url,name\na.test,\x83\x79\x81\x5b\n", "Content-Type", "text/csv").problem(422, "body", "line 2 has the byte 0x81")
	small := newRig(t, func(c *Config) { c.MaxBatch = 1 << 20 })
	var large bytes.Buffer
	w = gzip.NewWriter(&large)
	io.WriteString(w, strings.Repeat("https://a.test/\n", 1<<17))
	w.Close()
	small.do("POST", "/v1/batches", large.String(), "Content-Type", "text/csv", "Content-Encoding", "gzip").problem(413, "", "larger than 1 MiB")
}

func TestRefusedBatches(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxBatch = 1 << 20 })
	noFile, noFileKind := form(t, "tag", "x")
	twoFiles, twoFilesKind := form(t, "file@", "a.test\n", "file@", "b.test\n")
	badOption, badOptionKind := form(t, "file@", "a.test\n", "param", "width=wide")
	foreign, foreignKind := form(t, "file@", "a.test\n", "s3cret", "x")
	for name, test := range map[string]struct {
		path, body, kind   string
		status             int
		location, wantText string
	}{
		"not JSON":            {"", "{\"jobs\":[\n{\"url\":\"a.test\"},\n{\"url\" \"b.test\"}]}", "application/json", 400, "body.jobs[1]", "line 3"},
		"cut JSON":            {"", `{"jobs":[{"url":"a.test"}`, "application/json", 400, "", "ends too early"},
		"no object":           {"", `[{"url":"a.test"}]`, "application/json", 422, "body", "want an object"},
		"jobs are no array":   {"", `{"jobs":{"url":"a.test"}}`, "application/json", 422, "body.jobs", "want an array"},
		"no jobs":             {"", `{"jobs":[]}`, "application/json", 422, "body.jobs", "at least one job"},
		"jobs are missing":    {"", `{}`, "application/json", 422, "body.jobs", "at least one job"},
		"jobs twice":          {"", `{"jobs":[{"url":"a.test"}],"jobs":[]}`, "application/json", 422, "body.jobs", "twice"},
		"a job is no object":  {"", "{\"jobs\":[{\"url\":\"a.test\"},\n\n7]}", "application/json", 422, "body.jobs[1]", "line 3"},
		"unknown job field":   {"", `{"jobs":[{"url":"a.test","wait":1}]}`, "application/json", 422, "body.jobs[0].wait", "wait"},
		"wrong type in a job": {"", "{\"jobs\":[{\"url\":\"a.test\"},\n{\"url\":7}]}", "application/json", 422, "body.jobs[1].url", "want a string, not number"},
		"unknown option":      {"", `{"jobs":[{"url":"a.test"}],"wait":1}`, "application/json", 422, "body.wait", "body.wait: unknown field"},
		"option's type":       {"", "{\"timeout\":5,\n\n\"jobs\":[{\"url\":\"a.test\"}]}", "application/json", 422, "body.timeout", "line 1"},
		"option's value":      {"", `{"params":{"width":"x"},"jobs":[{"url":"a.test"}]}`, "application/json", 422, "body.params.width", "not a number"},
		"our own tag":         {"", `{"tags":["shotline-x"],"jobs":[{"url":"a.test"}]}`, "application/json", 422, "body.tags[0]", "reserved"},
		"private callback":    {"", `{"callback_url":"http://192.168.0.1/","jobs":[{"url":"a.test"}]}`, "application/json", 422, "body.callback_url", "public"},
		"priority":            {"", `{"priority":-101,"jobs":[{"url":"a.test"}]}`, "application/json", 422, "body.priority", "100"},
		"app without id":      {"", `{"apps":[{"path_template":"x"}],"jobs":[{"url":"a.test"}]}`, "application/json", 422, "body.apps[0].id", "missing"},
		"two values":          {"", `{"jobs":[{"url":"a.test"}]} 7`, "application/json", 422, "body", "more than one"},
		"query beside JSON":   {"?tag=x", `{"jobs":[{"url":"a.test"}]}`, "application/json", 422, "", "text/csv"},
		"long row":            {"", `{"jobs":[{"url":"` + strings.Repeat("a", 1<<19) + `"},{"url":"` + strings.Repeat("a", 1<<19) + `"}]}`, "application/json", 413, "", "larger than 1 MiB"},
		"empty CSV":           {"", "", "text/csv", 422, "body", "no URLs"},
		"no URL column":       {"", "name,ref\na,1\n", "text/csv", 422, "body", "no url column"},
		"a key in a column":   {"", "url,param:key\na.test,s3cret\n", "text/csv", 422, "body", "line 1"},
		"bad option of a CSV": {"?param=width", "a.test\n", "text/csv", 422, "query.param", "NAME=VALUE"},
		"bad priority":        {"?priority=high", "a.test\n", "text/csv", 422, "query.priority", "whole number"},
		"unknown query":       {"?wait=1", "a.test\n", "text/csv", 422, "query.wait", "unknown"},
		"too large":           {"", strings.Repeat("https://a.test/\n", 1<<17), "text/csv", 413, "", "larger than 1 MiB"},
		"no type":             {"", "a.test\n", "", 415, "", "want application/json"},
		"other type":          {"", "a.test\n", "text/plain", 415, "", "want application/json"},
		"form without a file": {"", noFile, noFileKind, 422, "body.file", "want a file"},
		"two files":           {"", twoFiles, twoFilesKind, 422, "body.file", "want one file"},
		"form's option":       {"", badOption, badOptionKind, 422, "body.params.width", "not a number"},
		"unknown form field":  {"", foreign, foreignKind, 422, "body.s3cret", `the file goes into \"file\"`},
		"no boundary":         {"", noFile, "multipart/form-data", 400, "", "boundary"},
		"cut form":            {"", noFile[:len(noFile)-20], noFileKind, 400, "", "completely"},
	} {
		t.Log(name)
		r.do("POST", "/v1/batches"+test.path, test.body, "Content-Type", test.kind).problem(test.status, test.location, test.wantText)
	}
	unannounced := io.MultiReader(strings.NewReader(strings.Repeat("https://a.test/\n", 1<<17))) // no Content-Length
	r.do("POST", "/v1/batches", unannounced, "Content-Type", "text/csv").problem(413, "", "larger than 1 MiB")
	r.do("POST", "/v1/batches", "a.test\n", "Content-Type", "text/csv", "Content-Encoding", "gzip").problem(400, "", "not compressed")
	r.do("POST", "/v1/batches", "a.test\n", "Content-Type", "text/csv", "Content-Encoding", "br").problem(415, "", "compressed")
	r.do("POST", "/v1/batches", `{"jobs":[{"url":"a.test"}]}`, "Content-Type", "application/json", "Content-Encoding", "gzip").problem(415, "", "compressed")
	if found, err := r.store.Batches(t.Context(), "", 10); err != nil || len(found) > 0 {
		t.Errorf("%d batches were created, %v", len(found), err)
	}
	if left, err := os.ReadDir(r.config.SpoolDir); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}

func TestLongRowIsRefused(t *testing.T) {
	r := newRig(t, nil)
	r.do("POST", "/v1/batches", `{"jobs":[{"url":"`+strings.Repeat("a", 3<<20)+`"}]}`).problem(422, "body.jobs[0]", "longer than")
}

func TestBatchIdempotencyKey(t *testing.T) {
	r := newRig(t, nil)
	post := func(body, kind, query string) reply {
		return r.do("POST", "/v1/batches"+query, body, "Content-Type", kind, "Idempotency-Key", "k")
	}
	id := post("a.test\n", "text/csv", "?tag=x").want(202)["batch_id"]
	if again := post("a.test\n", "text/csv", "?tag=x").want(200); again["batch_id"] != id || again["rows"] != 1.0 {
		t.Errorf("again: %v", again)
	}
	post("b.test\n", "text/csv", "?tag=x").problem(409, "header.Idempotency-Key", "different request")
	post("a.test\n", "text/csv", "?tag=y").problem(409, "header.Idempotency-Key", "different request")
	r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}, "Idempotency-Key", "k").problem(409, "header.Idempotency-Key", "different request")

	body, kind := form(t, "file@", "a.test\n", "tag", "x")
	send := func(body, kind string) reply {
		return r.do("POST", "/v1/batches", body, "Content-Type", kind, "Idempotency-Key", "form")
	}
	first := send(body, kind).want(202)["batch_id"]
	body, kind = form(t, "tag", "x", "file@", "a.test\n") // other boundary, other order
	if again := send(body, kind).want(200)["batch_id"]; again != first {
		t.Errorf("the same form created %v and %v", first, again)
	}
}

// blockingWork sends on started when an import begins, and continues when it
// receives from proceed.
type blockingWork struct {
	Work
	started chan struct{}
	proceed chan struct{}
}

func (w blockingWork) ImportBatch(ctx context.Context, spec jobs.BatchSpec, next func() (jobs.Request, error)) (jobs.Batch, error) {
	started := false
	return w.Work.ImportBatch(ctx, spec, func() (jobs.Request, error) {
		if !started {
			started = true
			w.started <- struct{}{}
			<-w.proceed
		}
		return next()
	})
}

func TestBatchKeyDuringImport(t *testing.T) {
	w := blockingWork{started: make(chan struct{}), proceed: make(chan struct{})}
	r := newRig(t, func(c *Config) { w.Work = c.Work; c.Work = w })
	first := make(chan reply)
	go func() {
		first <- r.do("POST", "/v1/batches", "a.test\n", "Content-Type", "text/csv", "Idempotency-Key", "k")
	}()
	<-w.started
	a := r.do("POST", "/v1/batches", "a.test\n", "Content-Type", "text/csv", "Idempotency-Key", "k")
	a.problem(409, "", "still creating")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	r.do("GET", "/v1/batches/b1/results", nil).problem(409, "", "is still importing")
	r.do("POST", "/v1/batches/b1/cancel", nil).problem(409, "", "is still importing")
	w.proceed <- struct{}{}
	id := (<-first).want(202)["batch_id"]
	if again := r.do("POST", "/v1/batches", "a.test\n", "Content-Type", "text/csv", "Idempotency-Key", "k").want(200)["batch_id"]; again != id {
		t.Errorf("sent again: batch %v, want %v", again, id)
	}
}

func TestBatchKeyOfExpiredImport(t *testing.T) {
	w := blockingWork{started: make(chan struct{}), proceed: make(chan struct{})}
	r := newRig(t, func(c *Config) { w.Work = c.Work; c.Work = w })
	post := func() reply {
		return r.do("POST", "/v1/batches", "a.test\nb.test\n", "Content-Type", "text/csv", "Idempotency-Key", "k")
	}
	first, second := make(chan reply), make(chan reply)
	go func() { first <- post() }()
	<-w.started
	r.clock.advance(16 * time.Second)
	go func() { second <- post() }()
	<-w.started
	w.proceed <- struct{}{} // for either request
	w.proceed <- struct{}{}
	(<-first).problem(503, "", "try again")
	id := (<-second).want(202)["batch_id"]
	if again := post().want(200); again["batch_id"] != id || again["rows"] != 2.0 {
		t.Errorf("again: %v, want %v", again, id)
	}
}

func TestDisconnectedUploadLeavesNothing(t *testing.T) {
	w := blockingWork{started: make(chan struct{}), proceed: make(chan struct{})}
	ended := make(chan struct{})
	r := newRig(t, func(c *Config) { w.Work = c.Work; c.Work = finishingWork{w, ended} })
	ctx, disconnect := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/v1/batches", strings.NewReader("a.test\nb.test\n"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "text/csv")
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if response, err := http.DefaultTransport.RoundTrip(request); err == nil {
			response.Body.Close()
		}
	}()
	<-w.started
	disconnect()
	<-gone
	w.proceed <- struct{}{}
	<-ended
	if found, err := r.store.Batches(t.Context(), "", 10); err != nil || len(found) > 0 {
		t.Errorf("%d batches are left, %v", len(found), err)
	}
}

// finishingWork delays the end of an import until the request is canceled.
type finishingWork struct {
	blockingWork
	ended chan struct{}
}

func (w finishingWork) ImportBatch(ctx context.Context, spec jobs.BatchSpec, next func() (jobs.Request, error)) (jobs.Batch, error) {
	defer close(w.ended)
	return w.blockingWork.ImportBatch(ctx, spec, func() (jobs.Request, error) {
		request, err := next()
		if errors.Is(err, io.EOF) {
			<-ctx.Done()
		}
		return request, err
	})
}

func TestUploadLimit(t *testing.T) {
	w := blockingWork{started: make(chan struct{}), proceed: make(chan struct{})}
	r := newRig(t, func(c *Config) { w.Work = c.Work; c.Work = w })
	answers := make(chan reply, maxUploads)
	for range maxUploads {
		go func() { answers <- r.do("POST", "/v1/batches", "a.test\n", "Content-Type", "text/csv") }()
		<-w.started
	}
	r.do("POST", "/v1/batches", "a.test\n", "Content-Type", "text/csv").problem(503, "", "there are already 4 batch uploads")
	for range maxUploads {
		w.proceed <- struct{}{}
	}
	for range maxUploads {
		(<-answers).want(202)
	}
}

func TestBatchActions(t *testing.T) {
	r := newRig(t, nil)
	r.do("POST", "/v1/batches", "a.test\nb.test\nc.test\n", "Content-Type", "text/csv").want(202)
	if got := r.do("POST", "/v1/batches/b1/pause", nil).want(200); got["state"] != "paused" {
		t.Errorf("paused: %v", got)
	}
	if got := r.do("POST", "/v1/batches/b1/resume", nil).want(200); got["state"] != "open" {
		t.Errorf("resumed: %v", got)
	}
	if got := r.do("POST", "/v1/batches/b1/cancel", nil).want(200); got["canceled"] != 3.0 || got["canceling"] != 0.0 {
		t.Errorf("canceled: %v", got)
	}
	r.do("POST", "/v1/batches/b1/pause", nil).problem(409, "", "is finished")
	if got := r.do("POST", "/v1/batches/b1/retry", nil).want(200); got["queued"] != 0.0 {
		t.Errorf("retried without state=canceled: %v, want none queued", got)
	}
	if got := r.do("POST", "/v1/batches/b1/retry?state=canceled", nil).want(200); got["queued"] != 3.0 {
		t.Errorf("retried: %v", got)
	}
	r.do("POST", "/v1/batches/b1/retry?state=done", nil).problem(422, "query.state[0]", "failed")
	for _, path := range []string{"", "/summary", "/results"} {
		r.do("GET", "/v1/batches/zz"+path, nil).problem(404, "", "no batch zz")
	}
	for _, action := range []string{"pause", "resume", "cancel", "retry"} {
		r.do("POST", "/v1/batches/zz/"+action, nil).problem(404, "", "no batch zz")
	}
}

func TestSummaryFormats(t *testing.T) {
	r := newRig(t, nil)
	r.do("POST", "/v1/batches", "a.test\n", "Content-Type", "text/csv").want(202)
	r.closeJob("b1-1", jobs.Done, "s1")
	for _, test := range []struct{ query, accept, kind, holds string }{
		{"", "", "application/json", `"batch_id":"b1"`},
		{"", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8", `"../../jobs/b1-1/image"`},
		{"", "text/csv", "text/csv; charset=utf-8", "metric,value"},
		{"?format=csv", "text/html", "text/csv; charset=utf-8", "metric,value"},
		{"?format=json", "text/html", "application/json", `"batch_id":"b1"`},
		{"?format=html&page=1", "", "text/html; charset=utf-8", "rows 1 to 1 of 1"},
		{"?page=2", "text/html", "text/html; charset=utf-8", `href="?format=html&amp;page=1" rel="prev"`},
	} {
		a := r.do("GET", "/v1/batches/b1/summary"+test.query, nil, "Accept", test.accept)
		if a.status != 200 || a.header.Get("Content-Type") != test.kind || !strings.Contains(string(a.body), test.holds) {
			t.Errorf("%+v: %d %s", test, a.status, a.header.Get("Content-Type"))
		}
		if policy := a.header.Get("Content-Security-Policy"); !strings.Contains(policy, "sandbox") || strings.Contains(policy, "allow-scripts") {
			t.Errorf("%+v: policy %q", test, policy)
		}
	}
	r.do("GET", "/v1/batches/b1/summary?format=text", nil).problem(422, "query.format", "json")
	r.do("GET", "/v1/batches/b1/summary?format=html&page=0", nil).problem(422, "query.page", "1")
}
