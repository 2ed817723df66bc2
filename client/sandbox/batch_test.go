package sandbox_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/client/sandbox"
)

// batch contains the fields of a batch object that the tests check.
type batch struct {
	ID        int64
	BatchID   int64 `json:"batch_id"`
	Status    string
	Error     *string
	Started   int64
	Finished  *int64
	Country   string
	Count     int
	Processed int
	Failed    int
	ZipURL    *string `json:"zip_url"`
}

// form returns a multipart body with a file and the given fields, as key, value
// pairs.
func form(file string, pairs ...string) (kind, body string) {
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for i := 0; i < len(pairs); i += 2 {
		_ = w.WriteField(pairs[i], pairs[i+1])
	}
	part, _ := w.CreateFormFile("file", "urls.txt")
	_, _ = io.WriteString(part, file)
	_ = w.Close()
	return w.FormDataContentType(), buf.String()
}

func (v *vendor) batch(file string, pairs ...string) batch {
	v.t.Helper()
	kind, body := form(file, pairs...)
	return data[batch](v.t, v.post("batch/create", kind, body))
}

func (v *vendor) batchInfo(id int64) batch {
	v.t.Helper()
	return data[batch](v.t, v.get("batch/info", with("id", fmt.Sprint(id))))
}

// A batch creates one screenshot per row with a valid URL. It sends a webhook for
// each screenshot and one for the batch.
func TestBatch(t *testing.T) {
	address, hooks := receiver(t, always(200))
	v := start(t, sandbox.Config{WebhookURL: address, WebhookSecret: "s", Renderer: &sandbox.PlainRenderer{Fail: broken}})
	made := v.batch("\ufeffhttps://One.test\r\n\r\nnot an address\r\n  https://broken.test/x\n",
		"country", "fr", "size", "page", "apps", "12", "tag", "spring", "tag", "b", "novel", "1")
	want := batch{ID: 1001, Status: "processing", Started: clock.Unix(), Country: "fr", Count: 3}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("create (-want +got):\n%s", diff)
	}
	v.settle()
	done := v.batchInfo(made.ID)
	finished := clock.Unix()
	want.Status, want.Finished, want.Processed, want.Failed, want.ZipURL = "finished", &finished, 3, 2, done.ZipURL
	if diff := cmp.Diff(want, done); diff != "" || done.ZipURL == nil {
		t.Errorf("info (-want +got):\n%s", diff)
	}

	shots := data[[]shot](t, v.get("screenshot/list", with("tag", "b", "country", "fr")))
	slices.SortFunc(shots, func(a, b shot) int { return strings.Compare(a.URL, b.URL) })
	if len(shots) != 2 || shots[0].URL != "https://broken.test/x" || shots[1].URL != "https://one.test/" || shots[1].Cost != 2 {
		t.Errorf("list is %+v", shots)
	}
	var events []string
	for range 3 {
		var body struct {
			Event, Status string
			BatchID       string `json:"batch_id"`
			Failed        int
		}
		h := next(t, hooks)
		if h.header.Get("X-Signature") != signature("s", h.body) {
			t.Errorf("%s has no valid signature", h.body)
		}
		if err := json.Unmarshal(h.body, &body); err != nil {
			t.Fatal(err)
		}
		events = append(events, fmt.Sprint(body.Event, " ", body.Status, " ", body.BatchID, body.Failed))
	}
	slices.Sort(events)
	if diff := cmp.Diff([]string{"batch.finished done 10012", "screenshot.completed done 0", "screenshot.failed failed 0"}, events); diff != "" {
		t.Errorf("webhooks (-want +got):\n%s", diff)
	}
	l := v.srv.Ledger()
	if len(l.Batches) != 1 || l.Batches[0].Failed != 2 || len(l.Batches[0].Deliveries) != 1 || l.Batches[0].Deliveries[0].State != "delivered" {
		t.Errorf("ledger entries %+v", l.Batches)
	}
	for _, c := range l.Creates {
		if c.Batch != made.ID || c.Answer != "" || !slices.Equal(c.Ignored, []string{"novel"}) {
			t.Errorf("ledger entry of a row is %+v", c)
		}
	}
}

// Dialect B also has the event in a header, and another status.
func TestBatchWebhookInDialectB(t *testing.T) {
	address, hooks := receiver(t, always(200))
	v := start(t, sandbox.Config{WebhookURL: address, Dialect: sandbox.DialectB})
	v.batch("not an address", "country", "us", "apps", "12")
	h := next(t, hooks)
	contains(t, h.body, `"event":"batch.finished"`, `"status":"finished"`, `"count":1,"processed":1,"failed":1`, `"zip_url":"`+v.root+`/api/v1/batch/download?id=1001"`)
	if h.header.Get("X-ScreenshotCenter-Event") != "batch.finished" {
		t.Errorf("headers are %v", h.header)
	}
}

// JSON is accepted with any content type, and its response has a batch_id.
func TestBatchAsJSON(t *testing.T) {
	v := start(t, sandbox.Config{})
	for _, kind := range []string{"application/json", "text/plain;charset=UTF-8", ""} {
		made := data[batch](t, v.post("batch/create", kind,
			`{"urls":["https://a.test","https://b.test"],"country":"us","screen_width":640,"html":true,"tag":["x","y"],"shots":null,`+
				`"steps":[{"command":"wait","value":1}],"apps":{"12":"{id}.png"}}`))
		if made.BatchID == 0 || made.ID != 0 || made.Count != 2 {
			t.Errorf("%q: got %+v", kind, made)
		}
		v.settle()
		if done := v.batchInfo(made.BatchID); done.Status != "finished" || done.Failed != 0 {
			t.Errorf("%q: %+v", kind, done)
		}
	}
	for _, c := range v.srv.Ledger().Creates {
		if !slices.Equal(c.Tags, []string{"x", "y"}) || !slices.Equal(c.Apps, []string{"12"}) || c.Ignored != nil {
			t.Errorf("row is %+v", c)
		}
	}
}

// Only a few rows are in progress at once. After a cancel, no further rows are
// started.
func TestBatchProgressAndCancel(t *testing.T) {
	gate := make(chan struct{})
	v := start(t, sandbox.Config{Renderer: &fakeRenderer{gate: gate}, Workers: 2})
	made := v.batch(strings.Repeat("https://a.test\n", 5), "country", "us")
	v.create("https://single.test")
	if l := v.srv.Ledger(); len(l.Creates) != 3 {
		t.Errorf("%d screenshots in progress, want 2 rows and a single one", len(l.Creates))
	}
	if a := v.get("batch/download", with("id", fmt.Sprint(made.ID))); a.status != http.StatusConflict {
		t.Errorf("download while processing: status %d, body %s, want 409", a.status, a.body)
	}
	gate <- struct{}{}
	v.waitFor(func() bool { return len(v.srv.Ledger().Creates) == 4 }) // the next row was started
	if now := v.batchInfo(made.ID); now.Status != "processing" || now.Processed != 1 || now.ZipURL != nil {
		t.Errorf("after one row: %+v", now)
	}
	cancelled := data[batch](t, v.post("batch/cancel", "text/plain", fmt.Sprintf(`{"id":"%d"}`, made.ID)))
	if cancelled.Status != "error" || *cancelled.Error != "Cancelled" {
		t.Errorf("after the cancel: %+v", cancelled)
	}
	close(gate)
	v.settle()
	if now := v.batchInfo(made.ID); now.Status != "error" || now.Processed != 3 || now.Count != 5 {
		t.Errorf("at the end: %+v", now)
	}
	if a := v.post("batch/cancel", "application/json", fmt.Sprintf(`{"id":%d}`, made.ID)); a.status != http.StatusConflict {
		t.Errorf("second cancel: status %d, body %s, want 409", a.status, a.body)
	}
}

func TestBatchDownload(t *testing.T) {
	v := start(t, sandbox.Config{Renderer: &fakeRenderer{}})
	made := v.batch("https://One.test/a\n\"bad,row\"\nhttps://two.test\n=1+1", "country", "us")
	v.settle()
	done := v.batchInfo(made.ID)
	linked, err := url.Parse(*done.ZipURL)
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]answer{
		"download": v.get("batch/download", with("id", fmt.Sprint(made.ID))),
		"zip_url":  v.do(http.MethodGet, linked.Path, sandbox.DefaultAPIKey, linked.Query()),
	} {
		archive, err := zip.NewReader(bytes.NewReader(a.body), int64(len(a.body)))
		if err != nil || a.header.Get("Content-Type") != "application/zip" {
			t.Fatalf("%s: %d %v %v", name, a.status, a.header, err)
		}
		got := map[string]string{}
		for _, f := range archive.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(r) // also checks the checksum
			if err != nil {
				t.Fatal(err)
			}
			got[f.Name] = string(content[:min(4, len(content))])
			if f.Name == "manifest.csv" {
				got[f.Name] = string(content)
			}
		}
		want := map[string]string{
			"00001-one.test.png": "\x89PNG", "00003-two.test.png": "\x89PNG",
			"manifest.csv": "row,url,screenshot_id,status,error,files\n" +
				"1,https://One.test/a,1001,finished,,00001-one.test.png\n" +
				"2,\"\"\"bad,row\"\"\",,error,url must be an absolute http or https URL,\n" +
				"3,https://two.test,1002,finished,,00003-two.test.png\n" +
				"4,'=1+1,,error,url must be an absolute http or https URL,\n",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if want := v.root + "/api/v1/batch/download?id=1001"; linked.String() != want {
		t.Errorf("zip_url is %s, want %s", linked, want)
	}
	if a := v.do(http.MethodGet, linked.Path, "", linked.Query()); a.status != http.StatusUnauthorized {
		t.Errorf("zip_url without the key: status %d, want 401", a.status)
	}
}

// /batch/info lists all rows with their screenshots while the batch is
// processing.
func TestBatchInfoListsItsScreenshots(t *testing.T) {
	gate := make(chan struct{})
	v := start(t, sandbox.Config{Renderer: &fakeRenderer{gate: gate}, Workers: 1})
	made := v.batch("https://One.test\nnot an address\nhttps://two.test/a", "country", "us")
	type row struct {
		ScreenshotID *int64 `json:"screenshot_id"`
		ID           *int64
		URL, Status  string
		Error        *string
	}
	rows := func() []row {
		return data[struct{ Screenshots []row }](t, v.get("batch/info", with("id", fmt.Sprint(made.ID)))).Screenshots
	}
	one, two, none := int64(1001), int64(1002), "url must be an absolute http or https URL"
	want := []row{
		{&one, &one, "https://one.test/", "processing", nil}, {nil, nil, "not an address", "pending", nil}, {nil, nil, "https://two.test/a", "pending", nil},
	}
	if diff := cmp.Diff(want, rows()); diff != "" {
		t.Errorf("at the start (-want +got):\n%s", diff)
	}
	close(gate)
	v.settle()
	want = []row{
		{&one, &one, "https://one.test/", "finished", nil}, {nil, nil, "not an address", "error", &none}, {&two, &two, "https://two.test/a", "finished", nil},
	}
	if diff := cmp.Diff(want, rows()); diff != "" {
		t.Errorf("at the end (-want +got):\n%s", diff)
	}
	if a := v.get("screenshot/thumbnail", with("id", fmt.Sprint(*rows()[2].ScreenshotID))); a.status != http.StatusOK {
		t.Errorf("image of a row: status %d, body %s, want 200", a.status, a.body)
	}
	if a := v.get("batch/list", nil); strings.Contains(string(a.body), "screenshots") {
		t.Errorf("/batch/list has rows: %s", a.body)
	}
}

// Images that were removed are missing from the archive, and the manifest lists
// no file for them. If an image cannot be read, the download is aborted.
func TestBatchDownloadWithoutSomeImages(t *testing.T) {
	dir := t.TempDir()
	v := start(t, sandbox.Config{Renderer: &fakeRenderer{}, Dir: dir, Workers: 1})
	made := v.batch("https://a.test\nhttps://b.test\nhttps://c.test", "country", "us")
	v.settle()
	v.get("screenshot/delete", with("id", "1001"))
	if err := os.Remove(filepath.Join(dir, "1002-1.png")); err != nil {
		t.Fatal(err)
	}
	want := `zip
00003-c.test.png png 80×40
manifest.csv
row,url,screenshot_id,status,error,files
1,https://a.test,1001,finished,,
2,https://b.test,1002,finished,,
3,https://c.test,1003,finished,,00003-c.test.png`
	if got := "zip\n" + listing(t, v.get("batch/download", with("id", fmt.Sprint(made.ID))).body); got != want {
		t.Errorf("archive is\n%s\nwant\n%s", got, want)
	}

	picture := filepath.Join(dir, "1003-1.png")
	if err := errors.Join(os.Remove(picture), os.Mkdir(picture, 0o700)); err != nil {
		t.Fatal(err)
	}
	if a, err := once(t.Context(), v.root+"/api/v1/batch/download?key=sandbox-key&id="+fmt.Sprint(made.ID)); err == nil {
		t.Errorf("download with an unreadable image: status %d, %d bytes, want a closed connection", a.status, len(a.body))
	}
}

// Every row has its own creation time and its own faults.
func TestBatchRowsHaveOwnTimesAndFaults(t *testing.T) {
	gate := make(chan struct{})
	var now atomic.Pointer[time.Time]
	now.Store(&clock)
	v := start(t, sandbox.Config{
		Now: func() time.Time { return *now.Load() }, Renderer: &fakeRenderer{gate: gate}, Workers: 1,
		Faults: faults(t, "list-lag=1,delay=1h"),
	})
	kind, body := form("https://a.test\nhttps://b.test", "country", "us", "tag", "t")
	data[batch](t, v.post("batch/create?country=fr&width=64", kind, body))
	later := clock.Add(time.Minute)
	now.Store(&later)
	close(gate)
	v.settle()
	l := v.srv.Ledger()
	for i, at := range []string{"2026-03-04T05:06:07Z", "2026-03-04T05:07:07Z"} {
		if got := l.Creates[i].CreatedAt; got != at {
			t.Errorf("row %d was created at %s, want %s", i+1, got, at)
		}
	}
	var subjects []string
	for _, f := range l.Faults {
		subjects = append(subjects, f.Subject)
	}
	if want := []string{"batch t", "https://a.test/ t", "https://b.test/ t"}; !slices.Equal(subjects, want) {
		t.Errorf("subjects of faults are %q, want %q", subjects, want)
	}
	// Options of the form take precedence over the query.
	if s := data[map[string]any](t, v.get("screenshot/info", with("id", "1001"))); s["country"] != "us" {
		t.Errorf("row is %v, want country us", s)
	}
}

func TestBatchList(t *testing.T) {
	v := start(t, sandbox.Config{})
	for range 5 {
		v.batch("https://a.test", "country", "us")
	}
	for query, want := range map[string][]int64{
		"": {1005, 1004, 1003, 1002, 1001}, "limit=2": {1005, 1004}, "limit=2&offset=1": {1004, 1003}, "offset=4": {1001}, "offset=9": nil,
	} {
		q, _ := url.ParseQuery(query)
		var got []int64
		for _, b := range data[[]batch](t, v.get("batch/list", q)) {
			got = append(got, b.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	if a := v.get("batch/list", with("limit", "101")); a.status != http.StatusUnprocessableEntity {
		t.Errorf("limit 101: status %d, want 422", a.status)
	}
}

func TestBatchRefusals(t *testing.T) {
	v := start(t, sandbox.Config{MaxScreenshots: 3})
	valid, body := form("https://a.test", "country", "us")
	noCountry, noCountryBody := form("https://a.test")
	empty, emptyBody := form("\n \r\n", "country", "us")
	long, longBody := form(strings.Repeat("https://a.test\n", 4), "country", "us")
	wrong, wrongBody := form("https://a.test", "country", "us", "format", "gif", "url", "https://b.test", "script", "7")
	huge, hugeBody := form(strings.Repeat("x", 16<<20), "country", "us")
	for _, c := range []struct {
		name, kind, body string
		status           int
		says             string
	}{
		{"no country", noCountry, noCountryBody, 400, `"error":"Missing required parameter: country"`},
		{"no file", valid, strings.ReplaceAll(body, `name="file"`, `name="list"`), 400, `parameter: file`},
		{"empty file", empty, emptyBody, 422, `"file":["must not be empty"]`},
		{"too many rows", long, longBody, 422, `must not have more than 3 URLs`},
		{"wrong options", wrong, wrongBody, 422, `"fields":{"format":["must be one of png, jpeg, jpg, webp, webmp"],"script":["is not`},
		{"too large", huge, hugeBody, 413, `PAYLOAD_TOO_LARGE`},
		{"cut form", valid, body[:len(body)/2], 400, `The form is`},
		{"no boundary", "multipart/form-data", body, 400, `no boundary`},
		{"not JSON", "application/json", `{"urls":`, 400, `neither a multipart form nor a JSON object`},
		{"null", "application/json", `null`, 400, `neither a multipart form nor a JSON object`},
		{"a form of another kind", "application/x-www-form-urlencoded", `country=us`, 400, `neither`},
		{"urls as text", "application/json", `{"urls":"https://a.test","country":"us"}`, 422, `"urls":["must be a list of URLs"]`},
		{"no urls", "application/json", `{"country":"us"}`, 400, `parameter: urls`},
		{"an unknown country", "application/json", `{"urls":["https://a.test"],"country":"atlantis"}`, 422, `"country":["must be a two-letter`},
		{"no country in JSON", "application/json", `{"urls":["https://a.test"]}`, 400, `parameter: country`},
		{"a null among urls", "application/json", `{"urls":["https://a.test",null],"country":"us"}`, 422, `"urls":["must be a list of URLs"]`},
		{"a long row", "application/json", `{"urls":["https://a.test","https://b.test/` + strings.Repeat("b", 9000) + `"],"country":"us"}`, 422, `has a URL longer than 8192 bytes in row 2`},
		{"very many rows", "application/json", `{"urls":["a"` + strings.Repeat(`,"a"`, 1_000_000) + `],"country":"us"}`, 422, `must not have more than 3 URLs`},
		{"very many lines", long, strings.Replace(longBody, "https://a.test\n", strings.Repeat("a\n", 1_000_000), 1), 422, `must not have more than 3 URLs`},
		{"a long option", "application/json", `{"urls":["a"],"country":"us","note":"` + strings.Repeat("n", 300_000) + `"}`, 422, `"note":["must not be longer`},
		{"a long option of a form", valid, strings.Replace(body, "\r\nus\r\n", "\r\n"+strings.Repeat("u", 300_000)+"\r\n", 1), 422, `"country":["must not be longer`},
		{"many names", "application/json", `{"urls":["a"],"country":"us"` + manyNames(600) + `}`, 400, `too many options`},
		{"something after it", "application/json", `{"urls":["a"],"country":"us"} {}`, 400, `neither`},
		{"many tags", "application/json", `{"urls":["a"],"country":"us","tag":["1"` + strings.Repeat(`,"2"`, 40) + `]}`, 422, `"tag":["must not be given more than 32 times`},
		{"empty urls", "application/json", `{"urls":[],"country":"us"}`, 422, `"urls":["must not be empty"]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := v.post("batch/create", c.kind, c.body)
			if a.status != c.status {
				t.Errorf("status %d, want %d", a.status, c.status)
			}
			contains(t, a.body, c.says)
		})
	}
	for body, status := range map[string]int{
		`{"id":7}`: 404, `{}`: 400, `{"id":"x"}`: 422, `{"id":{}}`: 422, `nonsense`: 400, ``: 400, strings.Repeat(" ", 70_000): 400,
	} {
		if a := v.post("batch/cancel", "application/json", body); a.status != status {
			t.Errorf("cancel %.20q: status %d, want %d", body, a.status, status)
		}
	}
	for _, path := range []string{"batch/info", "batch/download"} {
		if a := v.get(path, with("id", "7")); a.status != http.StatusNotFound {
			t.Errorf("%s of an unknown id: status %d, want 404", path, a.status)
		}
	}
	if l := v.srv.Ledger(); len(l.Creates)+len(l.Batches) != 0 || l.Spent != 0 {
		t.Errorf("a refused batch took effect: %+v", l)
	}
}

func manyNames(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `,"name%d":1`, i)
	}
	return text.String()
}

// The number of batches is limited. The oldest one is removed if it has ended.
func TestOldBatchesAreForgotten(t *testing.T) {
	gate := make(chan struct{})
	v := start(t, sandbox.Config{Renderer: &fakeRenderer{gate: gate}, MaxScreenshots: 3, Workers: 1})
	first := v.batch("https://a.test\nhttps://b.test", "country", "us")
	kind, body := form("https://c.test\nhttps://d.test", "country", "us")
	if a := v.post("batch/create", kind, body); a.status != http.StatusTooManyRequests {
		t.Errorf("create while the first batch is processing: status %d, body %s, want 429", a.status, a.body)
	}
	close(gate)
	v.settle()
	second := data[batch](t, v.post("batch/create", kind, body))
	v.settle()
	if a := v.get("batch/info", with("id", fmt.Sprint(first.ID))); a.status != http.StatusNotFound {
		t.Errorf("the first batch still exists: %s", a.body)
	}
	if done := v.batchInfo(second.ID); done.Failed != 0 || done.Status != "finished" {
		t.Errorf("second batch: %+v", done)
	}
	for range 5 { // removed batches no longer count towards the limit of rows
		v.batch("https://e.test", "country", "us")
		v.settle()
	}
	if l := v.srv.Ledger(); len(l.Batches) != 3 {
		t.Errorf("%d batches of one row are remembered, want 3", len(l.Batches))
	}
	v = start(t, sandbox.Config{})
	for range 1001 {
		v.batch("no address", "country", "us")
	}
	if l := v.srv.Ledger(); len(l.Batches) != 1000 {
		t.Errorf("%d batches are remembered, want 1000", len(l.Batches))
	}
}

// Rows for which there are no credits fail, and the batch continues.
func TestBatchWithoutCredits(t *testing.T) {
	v := start(t, sandbox.Config{Balance: 2})
	made := v.batch(strings.Repeat("https://a.test\n", 5), "country", "us")
	v.settle()
	if done := v.batchInfo(made.ID); done.Status != "finished" || done.Processed != 5 || done.Failed != 3 {
		t.Errorf("batch is %+v, want 5 rows processed and 3 failed", done)
	}
	l := v.srv.Ledger()
	if len(l.Creates) != 2 || len(l.Refused) != 3 || l.Spent != 2 {
		t.Errorf("%d creates, %d refused, %v spent", len(l.Creates), len(l.Refused), l.Spent)
	}
	for _, r := range l.Refused {
		if r.Batch != made.ID || r.URL != "https://a.test/" || r.Answer != "" {
			t.Errorf("refusal is %+v", r)
		}
	}
}
