package api

import (
	"fmt"
	"strings"
	"testing"

	"shotline/jobs"
)

// addSecretBatch creates a batch whose rows contain a secret wherever they can,
// and returns its ID.
func (r *rig) addSecretBatch(secret string) (batch string) {
	r.t.Helper()
	login := "https://user:" + secret + "@pages.test/private"
	batch = r.do("POST", "/v1/batches", map[string]any{
		"source": login, "callback_url": "http://127.0.0.1:1/" + secret + "?k=" + secret,
		"jobs": []any{
			map[string]any{
				"url": login, "tags": []string{login},
				"metadata": map[string]any{"from": "see " + login, "n": 7},
				"params":   map[string]any{"cookie": secret, "referer": login, "width": 300},
			},
			map[string]any{"url": "https://user:" + secret + "/x@pages.test/rejected"},
			map[string]any{"url": login + "/failed"},
		},
	}).want(202)["batch_id"].(string)
	if got := r.job(batch + "-2").State; got != jobs.Rejected {
		r.t.Fatalf("the row is %s, want rejected", got)
	}
	r.closeJob(batch+"-1", jobs.Done, "s1")
	lease, now := r.openIntent(batch+"-3"), r.clock.Now()
	_, err := r.store.Observe(r.t.Context(), []jobs.Observation{{Job: lease.Job.ID, Attempt: lease.Attempt, ScreenshotID: "s2",
		Outcome: jobs.OutcomeFailed, Error: "could not open " + login, ImageURL: "https://u:" + secret + "@cdn.test/a.png"}}, jobs.ByCreate, now, now)
	if err != nil {
		r.t.Fatal(err)
	}
	seq, err := r.store.AppendDelivery(r.t.Context(), jobs.Delivery{ScreenshotID: "s9", Event: "screenshot.finished", Outcome: jobs.OutcomeDone,
		ImageURL: "https://u:" + secret + "@cdn.test/b.png", Body: []byte(`{"url":"https:\/\/user:` + secret + `@other.test\/"}`), ReceivedAt: now})
	if err == nil {
		_, err = r.store.ApplyInbox(r.t.Context(), now, 10)
	}
	if err != nil || seq == 0 {
		r.t.Fatal(err)
	}
	return batch
}

// TestReadOnlyTokensSeeNoCredentials calls every route of the contract that can
// be read. If the read-write token sees a secret there, the read-only token must
// not see it.
func TestReadOnlyTokensSeeNoCredentials(t *testing.T) {
	const secret = "hunter2"
	var reads, writes string
	r := newRig(t, func(c *Config) { reads, writes = addTokens(t, c) })
	r.token = writes
	batch := r.addSecretBatch(secret)
	place, err := r.store.OpenCursor(t.Context(), "test", r.clock.Now())
	if err == nil {
		_, err = r.store.AddCallbacks(t.Context(), "test", place, place, []jobs.Callback{{EventID: "evt_1", Type: jobs.EventBatchFinished, Event: 1, Batch: batch,
			Target: jobs.Target{URL: "https://u:" + secret + "@user.test/" + secret + "?token=" + secret}, Lane: "lane", Body: []byte("{}")}}, r.clock.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
	one := func(path string) []string { return []string{path} }
	paths := map[string][]string{
		"/v1/jobs": one("/v1/jobs"), "/v1/jobs/{id}": {"/v1/jobs/" + batch + "-1", "/v1/jobs/" + batch + "-2", "/v1/jobs/" + batch + "-3?wait=1s"},
		"/v1/jobs/{id}/timeline": {"/v1/jobs/" + batch + "-1/timeline", "/v1/jobs/" + batch + "-2/timeline", "/v1/jobs/" + batch + "-3/timeline"},
		"/v1/jobs/{id}/image":    nil, "/v1/jobs/{id}/html": nil, "/v1/jobs/{id}/pdf": nil, // files of the vendor
		"/v1/batches": one("/v1/batches"), "/v1/batches/{id}": {"/v1/batches/" + batch, "/v1/batches/" + batch + "?wait=1s"},
		"/v1/batches/{id}/summary": {"/v1/batches/" + batch + "/summary", "/v1/batches/" + batch + "/summary?format=csv", "/v1/batches/" + batch + "/summary?format=html"},
		"/v1/batches/{id}/results": {"/v1/batches/" + batch + "/results", "/v1/batches/" + batch + "/results?format=ndjson"},
		"/v1/inbox/refused":        nil, // has nothing of a job
		"/v1/callbacks":            one("/v1/callbacks"),
		"/v1/events":               one("/v1/events?after=0"),
	}
	for path, item := range r.contract.doc.Paths {
		urls, known := paths[path]
		if item.Get == nil || !strings.HasPrefix(path, "/v1/") {
			continue
		}
		if !known {
			t.Errorf("%s can be read, but this test does not try it", path)
		}
		for _, at := range urls {
			read := func(token string) string {
				r.token = token
				if path == "/v1/events" {
					return r.readStream(at, token)
				}
				return string(r.do("GET", at, nil).body)
			}
			if body := read(writes); !strings.Contains(body, secret) && !strings.Contains(body, "user.test") {
				t.Errorf("%s: the secret is missing: %s", at, body)
			}
			if body := read(reads); strings.Contains(body, secret) {
				t.Errorf("%s: a read-only token sees %s", at, body)
			} else if !strings.Contains(body, ".test") {
				t.Errorf("%s: too much is hidden: %s", at, body)
			}
		}
	}
}

// TestReadOnlyTokensSeeNoSecretCells checks that columns of secret parameters are
// hidden, however the header writes their names.
func TestReadOnlyTokensSeeNoSecretCells(t *testing.T) {
	const secret = "hunter2"
	var reads, writes string
	r := newRig(t, func(c *Config) { reads, writes = addTokens(t, c) })
	r.token = writes
	batch := r.do("POST", "/v1/batches", "url, param: Cookie,param:Header,POST_DATA,ref\n"+
		"a.test/1,sid=hunter2,\"{\"\"A\"\":\"\"hunter2\"\"}\",p=hunter2,shown-1\n"+
		"a.test/1,sid=hunter2,\"{\"\"A\"\":\"\"hunter2\"\"}\",p=hunter2,shown-2\n"+
		"a.test/2,\"{\"\"hunter2\",,,shown-3\n"+ // not JSON
		",sid=hunter2,,p=hunter2,shown-4\n"+ // no URL
		"a.test/3,sid=1,x,y,z=hunter2,shown-5\n"+ // not quoted
		"a.test/5,\"sid=hunter2,,,x\n"+ // a quote that is not closed
		"a.test/4,,,,shown-6\n", "Content-Type", "text/csv").want(202)["batch_id"].(string)
	for path, shown := range map[string]string{
		"/results": "shown-1 shown-2 shown-3 shown-4 a.test/3 shown-6 *** ,,,", "/results?format=ndjson": "shown-1 a.test/2",
		"/summary": "not valid JSON", "/summary?format=csv": "not valid JSON", "/summary?format=html": "not valid JSON",
	} {
		r.token = reads
		a := r.do("GET", "/v1/batches/"+batch+path, nil)
		if a.status != 200 || strings.Contains(string(a.body), secret) {
			t.Errorf("%s: a read-only token sees %d %s", path, a.status, a.body)
		}
		for text := range strings.FieldsSeq(shown) {
			if !strings.Contains(string(a.body), text) {
				t.Errorf("%s: does not show %s: %s", path, text, a.body)
			}
		}
	}
	r.token = writes
	if a := r.do("GET", "/v1/batches/"+batch+"/results", nil); strings.Count(string(a.body), secret) < 8 {
		t.Errorf("the other token sees %s", a.body)
	}
}

// TestReadOnlyTokensSeeNoSecretColumnsOfTheUser checks that a column is hidden
// that has the name of a secret parameter, but is not sent as one.
func TestReadOnlyTokensSeeNoSecretColumnsOfTheUser(t *testing.T) {
	const secret = "hunter2"
	var reads, writes string
	r := newRig(t, func(c *Config) { reads, writes = addTokens(t, c) })
	r.token = writes
	created := r.do("POST", "/v1/batches", "url,Cookie,meta:header,ref\na.test/1,hunter2,hunter2,shown\n", "Content-Type", "text/csv").want(202)
	if notes := fmt.Sprint(created["notes"]); strings.Contains(notes, secret) || !strings.Contains(notes, `column "Cookie": not a parameter`) {
		t.Errorf("notes are %s", notes)
	}
	batch := created["batch_id"].(string)
	r.token = reads
	for _, path := range []string{"/v1/batches/" + batch + "/results", "/v1/jobs/" + batch + "-1", "/v1/jobs?metadata.ref=shown"} {
		a := r.do("GET", path, nil)
		if a.status != 200 || strings.Contains(string(a.body), secret) || !strings.Contains(string(a.body), "shown") {
			t.Errorf("%s: a read-only token sees %d %s", path, a.status, a.body)
		}
	}
	if a := r.do("GET", "/v1/jobs?metadata.Cookie=hunter2", nil); a.status != 200 || strings.Contains(string(a.body), "a.test") {
		t.Errorf("a read-only token finds the secret: %d %s", a.status, a.body)
	}
}

// readStream returns the events that a stream sends.
func (r *rig) readStream(path, token string) string {
	r.t.Helper()
	stream := r.listen(r.url+path, "Authorization", "Bearer "+token)
	defer stream.end()
	var text strings.Builder
	for range 4 { // two jobs, their batch and a foreign delivery
		e, more := stream.next()
		if !more {
			break
		}
		fmt.Fprintln(&text, e)
	}
	return text.String()
}

// TestHiddenTextIsNotFound checks that neither the jobs of a page nor its cursor
// reveal whether a hidden text exists.
func TestHiddenTextIsNotFound(t *testing.T) {
	const secret = "hunter2"
	var reads, writes string
	r := newRig(t, func(c *Config) { reads, writes = addTokens(t, c) })
	r.token = writes
	r.addSecretBatch(secret)
	r.do("POST", "/v1/jobs", map[string]any{"url": "https://pages.test/@writer"}).want(202)
	found := func(token, text string) string {
		r.token = token
		a := r.do("GET", "/v1/jobs?limit=1&"+text, nil)
		a.want(200)
		return string(a.body)
	}
	nothing := found(reads, "q=nowhere")
	guesses := []string{"tag=https://user:" + secret + "@pages.test/private", "metadata.from=see+https://user:" + secret + "@pages.test/private"}
	for n := 1; n <= len(secret); n++ {
		guesses = append(guesses, "q=:"+secret[:n], "error=:"+secret[:n])
	}
	for _, text := range guesses {
		if found(writes, text) == nothing {
			t.Errorf("%s is not found with the read-write token", text)
		}
		if got := found(reads, text); got != nothing {
			t.Errorf("%s is found: %s", text, got)
		}
	}
	for _, text := range []string{"q=pages.test", "q=https://pages", "q=/PRIVATE", "q=@writer", "metadata.n=7"} {
		if got := found(reads, text); got == nothing {
			t.Errorf("%s is not found", text)
		}
	}
}

func TestCredentialsInTexts(t *testing.T) {
	for text, want := range map[string]string{
		"https://a.test/":                                "https://a.test/",
		"https://u:p@a.test/@x":                          "https://***@a.test/@x",
		"https://u:p@ss@a.test/":                         "https://***@a.test/",
		"https://u:p's@a.test/":                          "https://***@a.test/",
		"HTTPS://u@a.test":                               "HTTPS://***@a.test",
		`http:\\u:p@a.test\x`:                            `http:\\***@a.test\x`,
		"from ftp://u:p@a.test/ to https://v:q@b.test/?": "from ftp://***@a.test/ to https://***@b.test/?",
		"https://a.test/?mail=x@y.test":                  "https://a.test/?mail=x@y.test",
		"write to me@a.test":                             "write to me@a.test",
		"https://***@a.test/":                            "https://***@a.test/",
	} {
		if got := hideCredentials(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// Browsers accept more characters in the credentials of a URL than other texts can
// have.
func TestCredentialsInCells(t *testing.T) {
	for text, want := range map[string]string{
		"https://u:p w@a.test/":             "https://***@a.test/",
		" <https://u:\"p's\"@a.test/>":      " <https://***@a.test/>",
		"\u200bht\ntps:/\t/u:p\r\nw@a.test": "\u200bht\ntps:/\t/***@a.test",
		"//u:p@a.test/":                     "//***@a.test/",
		"see https://u:p@a.test/":           "see https://***@a.test/",
		"write to me@a.test":                "write to me@a.test",
		"https://a.test/@x":                 "https://a.test/@x",
		"https://a.test/":                   "https://a.test/",
	} {
		if got := hideInCell(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
