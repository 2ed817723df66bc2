package client

import (
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const fullBatch = `{"id":31,"status":"processing","error":null,"started":1772359200,"finished":null,
	"count":3,"processed":2,"failed":1,"zip_url":"https://z/31.zip","owner":"me","screenshots":[
	{"screenshot_id":901,"url":"https://a.test/","status":"finished","error":null},
	{"id":"sc_902","screenshot_id":"sc_902","url":"https://b.test/","status":"error","error":"no answer","size":"page"},
	{"screenshot_id":null,"url":"https://c.test/","status":"processing"}, 904, null]}`

func wantBatch() Batch {
	return Batch{
		ID: "31", Status: BatchProcessing, Started: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC),
		Count: 3, Processed: 2, Failed: 1, ZipURL: "https://z/31.zip",
		Rows: []BatchRow{
			{ScreenshotID: "901", URL: "https://a.test/", Status: StatusFinished},
			{ScreenshotID: "sc_902", URL: "https://b.test/", Status: StatusError, Error: "no answer", Extra: map[string]json.RawMessage{"size": json.RawMessage(`"page"`)}},
			{URL: "https://c.test/", Status: StatusProcessing},
			{ScreenshotID: "904"},
			{ReadError: &RowError{Row: 5, Rows: 5, Raw: json.RawMessage(`null`), Reason: "the row is not an object"}},
		},
		Extra: map[string]json.RawMessage{"owner": json.RawMessage(`"me"`)},
	}
}

// posted is a POST as the server received it.
type posted struct {
	path, kind string
	fields     map[string][]string
	file, name string
	object     string
}

func readPost(t *testing.T, r *http.Request) posted {
	p := posted{path: r.Method + " " + r.RequestURI, kind: r.Header.Get("Content-Type")}
	if !strings.HasPrefix(p.kind, "multipart/form-data") {
		body, _ := io.ReadAll(r.Body)
		p.object = string(body)
		return p
	}
	if err := r.ParseMultipartForm(1 << 20); err != nil {
		t.Error(err)
		return p
	}
	p.kind = "multipart/form-data"
	p.fields = r.MultipartForm.Value
	for _, header := range r.MultipartForm.File["file"] {
		p.file, p.name = readFile(t, header), header.Filename
	}
	return p
}

func readFile(t *testing.T, header *multipart.FileHeader) string {
	file, err := header.Open()
	if err != nil {
		t.Error(err)
		return ""
	}
	defer file.Close()
	content, _ := io.ReadAll(file)
	return string(content)
}

func TestCreateBatch(t *testing.T) {
	requests := make(chan posted, 1)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests <- readPost(t, r)
		io.WriteString(w, `{"success":true,"data":{"batch_id":31}}`)
	})
	request := BatchRequest{
		URLs: []string{"https://example.com", " https://example.org/ä?a=1&b=2 "}, Country: "us",
		Params: map[string]any{"size": "page", "width": 640, "dark": true, "steps": []any{map[string]any{"command": "click"}}, "none": nil},
		Tags:   []string{"spring", "spring"}, Apps: []App{{ID: "12"}, {ID: "34"}},
	}
	batch, err := c.CreateBatch(t.Context(), request)
	if err != nil || batch.ID != "31" {
		t.Fatalf("%+v, %v", batch, err)
	}
	got := <-requests
	want := posted{
		path: "POST /api/v1/batch/create", kind: "multipart/form-data", name: "urls.txt",
		file: "https://example.com\nhttps://example.org/ä?a=1&b=2\n",
		fields: map[string][]string{
			"country": {"us"}, "size": {"page"}, "width": {"640"}, "dark": {"true"}, "steps": {`[{"command":"click"}]`},
			"tag": {"spring"}, "apps": {"12", "34"},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("posted %+v\nwant   %+v", got, want)
	}

	request.JSON, request.Apps[0].PathTemplate = true, "{id}.png"
	if _, err := c.CreateBatch(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	got = <-requests
	const object = `{"apps":{"12":"{id}.png","34":""},"country":"us","dark":true,"size":"page","steps":[{"command":"click"}],` +
		`"tag":["spring"],"urls":["https://example.com","https://example.org/ä?a=1&b=2"],"width":640}`
	if got.kind != "application/json" || got.object != object {
		t.Errorf("posted %s\nwant   %s", got.object, object)
	}
}

func TestCreateBatchRefusesParams(t *testing.T) {
	c := newClient(t, "http://api.invalid")
	good := func(change func(*BatchRequest)) BatchRequest {
		r := BatchRequest{URLs: []string{"https://example.com"}, Country: "us"}
		change(&r)
		return r
	}
	for want, r := range map[string]BatchRequest{
		`"urls": is empty`:          good(func(r *BatchRequest) { r.URLs = nil }),
		`entry 2 is empty`:          good(func(r *BatchRequest) { r.URLs = append(r.URLs, " ") }),
		`entry 1 has a line break`:  good(func(r *BatchRequest) { r.URLs[0] = "https://a\nhttps://b" }),
		`"country": is empty`:       good(func(r *BatchRequest) { r.Country = "" }),
		`"URL": must be set by`:     good(func(r *BatchRequest) { r.Params = map[string]any{"URL": "x"} }),
		`"file": must be set by`:    good(func(r *BatchRequest) { r.Params = map[string]any{"file": "x"} }),
		`"country": must be set by`: good(func(r *BatchRequest) { r.Params = map[string]any{"country": "fr"} }),
		`"apps": has an empty id`:   good(func(r *BatchRequest) { r.Apps = []App{{}} }),
		`"f": cannot be encoded`:    good(func(r *BatchRequest) { r.JSON, r.Params = true, map[string]any{"f": func() {}} }),
	} {
		_, err := c.CreateBatch(t.Context(), r)
		if !errors.As(err, new(*ParamError)) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a ParamError with %s", err, want)
		}
	}
}

// A batch request is never sent twice. The error is an InDoubtError unless the
// response proves that nothing was charged.
func TestCreateBatchIsSentOnce(t *testing.T) {
	var seen atomic.Int64
	mode := make(chan string, 1)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		switch <-mode {
		case "good":
			io.WriteString(w, `{"id":1}`)
		case "cut":
			panic(http.ErrAbortHandler)
		case "no id":
			io.WriteString(w, `{"success":true,"data":{"status":"processing"}}`)
		case "nonsense":
			io.WriteString(w, `<html>`)
		case "refused with an id":
			io.WriteString(w, `{"success":false,"error":"oops","data":{"batch_id":5}}`)
		case "502":
			w.WriteHeader(http.StatusBadGateway)
		case "redirect":
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case "422":
			w.WriteHeader(http.StatusUnprocessableEntity)
			io.WriteString(w, `{"success":false,"error":"no","fields":{"urls":["none"]}}`)
		case "429":
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	request := BatchRequest{URLs: []string{"https://example.com"}, Country: "us"}
	rounds := int64(0)
	for name, doubt := range map[string]bool{
		"cut": true, "no id": true, "nonsense": true, "refused with an id": true, "502": true, "redirect": true,
		"422": false, "429": false,
	} {
		for range 5 {
			mode <- "good" // so that the next request reuses a connection
			if _, err := c.CreateBatch(t.Context(), request); err != nil {
				t.Fatal(err)
			}
			mode <- name
			_, err := c.CreateBatch(t.Context(), request)
			if err == nil || errors.As(err, new(*InDoubtError)) != doubt {
				t.Errorf("%s: got %v, want in doubt: %v", name, err, doubt)
			}
			rounds += 2
		}
	}
	if seen.Load() != rounds {
		t.Errorf("the server received %d requests for %d calls", seen.Load(), rounds)
	}
}

func TestReadBatches(t *testing.T) {
	requests := make(chan string, 1)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests <- r.RequestURI
		if strings.HasSuffix(r.URL.Path, "/list") {
			io.WriteString(w, "["+fullBatch+`,{"batch_id":"b-2","status":"failed","error":"list unreadable","count":"many"}]`)
			return
		}
		io.WriteString(w, `{"success":true,"data":`+fullBatch+`}`)
	})
	batch, err := c.Batch(t.Context(), "31")
	if got := <-requests; err != nil || got != "/api/v1/batch/info?id=31" || !reflect.DeepEqual(batch, wantBatch()) {
		t.Errorf("requested %s, got %+v, %v", got, batch, err)
	}
	batches, err := c.Batches(t.Context(), BatchListOptions{Limit: 5, Offset: 10})
	if got := <-requests; err != nil || got != "/api/v1/batch/list?limit=5&offset=10" || len(batches) != 2 {
		t.Fatalf("requested %s, got %+v, %v", got, batches, err)
	}
	odd := Batch{ID: "b-2", Status: BatchFailed, Error: "list unreadable", Extra: map[string]json.RawMessage{"count": json.RawMessage(`"many"`)}}
	if !reflect.DeepEqual(batches[1], odd) || !odd.Status.Ended() || batch.Status.Ended() {
		t.Errorf("got %+v", batches[1])
	}
	for _, body := range []string{`{}`, `{"batches":{}}`, `"none"`} {
		broken := serve(t, answer(200, body))
		if got, err := broken.Batches(t.Context(), BatchListOptions{}); !errors.As(err, new(*CallError)) {
			t.Errorf("%s: got %+v, %v", body, got, err)
		}
	}
	for _, body := range []string{`[{"id":1},{},7]`, `{"batches":[{"id":1},{},7]}`} {
		got, err := serve(t, answer(200, body)).Batches(t.Context(), BatchListOptions{})
		if err != nil || len(got) != 3 || got[0].ID != "1" || got[0].ReadError != nil || got[1].ReadError == nil || got[2].ReadError == nil {
			t.Errorf("%s: got %+v, %v", body, got, err)
		}
	}
	unread := serve(t, answer(200, `{"id":1,"screenshots":7}`))
	if got, err := unread.Batch(t.Context(), "1"); err != nil || got.Rows != nil || string(got.Extra["screenshots"]) != "7" {
		t.Errorf("unreadable rows: got %+v, %v", got, err)
	}
}

func TestCancelBatch(t *testing.T) {
	requests := make(chan posted, 1)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests <- readPost(t, r)
		io.WriteString(w, `{"success":true,"data":true}`)
	})
	for id, body := range map[string]string{
		"31": `{"id":31}`, "031": `{"id":"031"}`, "b-<2>": `{"id":"b-<2>"}`, "9223372036854775808": `{"id":"9223372036854775808"}`,
	} {
		err := c.CancelBatch(t.Context(), id)
		if got := <-requests; err != nil || got.path != "POST /api/v1/batch/cancel" || got.kind != "application/json" || got.object != body {
			t.Errorf("%s: posted %+v, %v", id, got, err)
		}
	}
	if err := c.CancelBatch(t.Context(), ""); !errors.As(err, new(*ParamError)) {
		t.Errorf("without an id: got %v, want a ParamError", err)
	}
	ended := serve(t, answer(409, `{"success":false,"error":"finished"}`))
	if err := ended.CancelBatch(t.Context(), "1"); !errors.As(err, new(*APIError)) {
		t.Errorf("ended batch: got %v, want an APIError", err)
	}
}

// A decoded batch has an id, and its id is not repeated in Extra.
func FuzzDecodeBatch(f *testing.F) {
	for _, seed := range []string{
		fullBatch, `{"batch_id":1}`, `{"id":null,"batch_id":"x"}`, `{"id":0}`, `{"id":1,"started":"2026-03-01","finished":1e300}`, `[]`, `{"id":1,"count":-1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var b Batch
		if err := json.Unmarshal(data, &b); err != nil {
			return
		}
		if b.ID == "" || len(b.ID) > maxID {
			t.Errorf("%q: got the id %q", data, b.ID)
		}
		if _, kept := b.Extra["id"]; kept {
			t.Errorf("%q: the id is also in Extra", data)
		}
	})
}
