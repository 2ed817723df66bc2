package callback

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
)

func TestParseSink(t *testing.T) {
	for _, tt := range []struct {
		spec   string
		format Format
		types  int
		fails  string
	}{
		{"zapier=https://hooks.example/a=b:c", FormatPlain, 11, ""},
		{"ops:slack=https://hooks.example/x", FormatSlack, 11, ""},
		{"ops:plain:failures=https://hooks.example/x", FormatPlain, 3, ""},
		{"ops:failures=https://hooks.example/x", FormatPlain, 3, ""},
		{"a-b_1:job.done+batch.finished= https://hooks.example/x ", FormatPlain, 2, ""},
		{"a:all+screenshot.foreign=https://hooks.example/x", FormatPlain, 12, ""},
		{"https://hooks.example/hunter2", "", 0, "want NAME"},
		{"https://hooks.example/?a=hunter2", "", 0, "want NAME"},
		{"=https://hooks.example/hunter2", "", 0, "name is missing"},
		{"Ops=https://hooks.example/hunter2", "", 0, "at most 40"},
		{strings.Repeat("a", 41) + "=https://hooks.example/hunter2", "", 0, "at most 40"},
		{"callback_url=https://hooks.example/hunter2", "", 0, "taken"},
		{"a:xml:all=https://hooks.example/hunter2", "", 0, `"xml" is not a format`},
		{"a:xml=https://hooks.example/hunter2", "", 0, `"xml" is not an event`},
		{"a:slack:job.gone=https://hooks.example/hunter2", "", 0, `"job.gone" is not an event`},
		{"a:slack:=https://hooks.example/hunter2", "", 0, `"" is not an event`},
		{"a:slack:all:x=https://hooks.example/hunter2", "", 0, "is not a format"},
		{"a=", "", 0, "URL is missing"},
	} {
		s, err := ParseSink(tt.spec)
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", tt.spec, err)
			}
			continue
		}
		if err != nil || s.Format != tt.format || len(s.types) != tt.types || !strings.HasPrefix(s.url, "https://hooks.example/") {
			t.Errorf("%s: %+v %v", tt.spec, s, err)
		}
	}
}

func sink(t *testing.T, head, url string) func(*Config) {
	t.Helper()
	s, err := ParseSink(head + "=" + url)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *Config) { c.Sinks = append(c.Sinks, s) }
}

func types(t *testing.T, receipts []receipt) (got []jobs.EventType) {
	t.Helper()
	for _, r := range receipts {
		var m struct{ Type jobs.EventType }
		if err := json.Unmarshal(r.body, &m); err != nil {
			t.Fatal(err)
		}
		got = append(got, m.Type)
	}
	return got
}

func TestSinksReceiveTheirEvents(t *testing.T) {
	all, failures, done, foreign := newTarget(t, nil), newTarget(t, nil), newTarget(t, nil), newTarget(t, nil)
	r := newRig(t, sink(t, "all", all.URL), sink(t, "failures:failures", failures.URL), sink(t, "done:job.done", done.URL),
		sink(t, "foreign:screenshot.foreign", foreign.URL), func(c *Config) { c.Concurrency = 100 })
	r.batch("good", "", 2)
	r.batch("bad", "", 2)
	r.end("good", jobs.OutcomeDone)
	r.end("bad", jobs.OutcomeFailed)
	single := r.job("")
	r.end(single.Batch, jobs.OutcomeFailed)
	_, err := r.store.AppendDelivery(t.Context(), jobs.Delivery{ReceivedAt: r.clock.Now(), ScreenshotID: "strange", Event: "screenshot.completed",
		Outcome: jobs.OutcomeDone, Body: []byte(`{"screenshot_id":"strange"}`)})
	r.must(err)
	_, err = r.store.ApplyInbox(t.Context(), r.clock.Now(), 10)
	r.must(err)
	r.work()
	const d, f, b = jobs.EventJobDone, jobs.EventJobFailed, jobs.EventBatchFinished
	for _, tt := range []struct {
		name string
		to   *target
		want []jobs.EventType
	}{
		{"all", all, []jobs.EventType{d, d, b, f, f, b, f, b}}, {"failures", failures, []jobs.EventType{f, f, b, f}},
		{"done", done, []jobs.EventType{d, d}}, {"foreign", foreign, []jobs.EventType{jobs.EventForeign}},
	} {
		if got := types(t, tt.to.got()); !slices.Equal(got, tt.want) {
			t.Errorf("sink %s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := foreign.got(); len(got) == 1 && !strings.Contains(string(got[0].body), `"payload":{"screenshot_id":"strange"}`) {
		t.Errorf("sink of foreign screenshots: got %s", got[0].body)
	}
}

// An error that pauses a batch is a failure. A manual pause causes no callback.
func TestPausesByErrorsAreSent(t *testing.T) {
	all, failures, own := newTarget(t, nil), newTarget(t, nil), newTarget(t, nil)
	r := newRig(t, sink(t, "all", all.URL), sink(t, "failures:slack:failures", failures.URL))
	r.batch("b1", own.URL, 2)
	r.must(r.store.Pause(t.Context(), "b1", "", r.clock.Now()))
	r.work()
	if n := len(all.got()) + len(failures.got()) + len(own.got()); n != 0 {
		t.Errorf("got %d callbacks for a manual pause, want none", n)
	}
	r.must(r.store.Pause(t.Context(), "b1", "401 <INVALID_API_KEY>", r.clock.Now()))
	single := r.job("")
	r.must(r.store.Pause(t.Context(), single.Batch, "401", r.clock.Now()))
	r.work()
	if got := types(t, all.got()); !slices.Equal(got, []jobs.EventType{jobs.EventBatchPaused, jobs.EventBatchPaused}) {
		t.Errorf("sink of all: got %v", got)
	}
	if got := own.got(); len(got) != 1 || !strings.Contains(string(got[0].body), `"pause_reason":"401 \u003cINVALID_API_KEY\u003e"`) {
		t.Errorf("URL of the batch: got %d callbacks: %+v", len(got), got)
	}
	if got := failures.got(); len(got) != 1 || !strings.Contains(string(got[0].body), `Batch b1 (a \u0026lt;b\u0026gt;.csv) is paused: 401 \u0026lt;INVALID_API_KEY`) {
		t.Errorf("sink of failures: got %d callbacks: %+v", len(got), got)
	}
	r.batch("b2", "", 1)
	r.must(r.store.Pause(t.Context(), "b2", "no credits", r.clock.Now()))
	r.must(r.store.Resume(t.Context(), "b2", r.clock.Now()))
	r.work()
	if n := len(failures.got()); n != 1 {
		t.Errorf("sink of failures: got %d callbacks, want none for a resumed batch", n)
	}
}

// Recipients of a failure also receive its correction to done, and the other way
// round.
func TestCorrectionsAreSent(t *testing.T) {
	all, failures := newTarget(t, nil), newTarget(t, nil)
	r := newRig(t, sink(t, "all", all.URL), sink(t, "failures:slack:failures", failures.URL), func(c *Config) { c.Concurrency = 100 })
	own := newTarget(t, nil)
	for _, outcome := range []jobs.Outcome{jobs.OutcomeFailed, jobs.OutcomeDone} {
		r.end(r.job(own.URL).Batch, outcome)
	}
	r.work()
	ended, err := r.store.Jobs(t.Context(), jobs.JobFilter{})
	r.must(err)
	for _, j := range ended {
		truth := jobs.Observation{Job: j.ID, Attempt: j.Attempt, ScreenshotID: j.ScreenshotID, Outcome: jobs.OutcomeDone}
		if j.State == jobs.Done {
			truth.Outcome, truth.Error = jobs.OutcomeFailed, "blank page"
		}
		_, err := r.store.Observe(t.Context(), []jobs.Observation{truth}, jobs.ByPoll, r.clock.Now(), r.clock.Now())
		r.must(err)
		r.work()
	}
	const d, f, c, b, v = jobs.EventJobDone, jobs.EventJobFailed, jobs.EventJobCorrected, jobs.EventBatchFinished, jobs.EventBatchRevised
	if got := types(t, all.got()); !slices.Equal(got, []jobs.EventType{f, b, d, b, c, v, c, v}) {
		t.Errorf("sink of all: got %v", got)
	}
	if got := types(t, own.got()); !slices.Equal(got, []jobs.EventType{f, d, c, c}) {
		t.Errorf("URL of the jobs: got %v", got)
	}
	var lines []string
	for _, got := range failures.got() {
		var m map[string]string
		r.must(json.Unmarshal(got.body, &m))
		lines = append(lines, strings.Fields(m["text"])[1:4]...)
	}
	if got := strings.Join(lines, " "); !strings.HasPrefix(got, "failed: ") || strings.Count(got, "corrected to ") != 2 || !strings.Contains(got, "corrected to done:") || !strings.Contains(got, "corrected to failed:") {
		t.Errorf("sink of failures: got %s", got)
	}
	if n := len(failures.got()); n != 3 {
		t.Errorf("sink of failures: got %d callbacks, want 3", n)
	}
}

func TestSlackText(t *testing.T) {
	to := newTarget(t, nil)
	r := newRig(t, sink(t, "ops:slack:all+screenshot.foreign", to.URL), func(c *Config) { c.Concurrency = 100 })
	r.batch("b1", "", 1)
	r.end("b1", jobs.OutcomeFailed)
	r.batch("b2", "", 1)
	r.end("b2", jobs.OutcomeDone)
	r.work()
	var lines []string
	for _, got := range to.got() {
		var m map[string]string
		r.must(json.Unmarshal(got.body, &m))
		if len(m) != 1 {
			t.Errorf("got body %s, want only a text", got.body)
		}
		lines = append(lines, m["text"])
	}
	want := []string{
		"Screenshot failed: https://example.com/b1/0 – no &lt;such&gt; host (job b1-1)",
		"Batch b1 (a &lt;b&gt;.csv) finished: 0 of 1 row done, 1 failed",
		"Screenshot done: https://example.com/b2/0 → https://cdn.example/b2-1.png (job b2-1)",
		"Batch b2 (a &lt;b&gt;.csv) finished: 1 of 1 row done",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if got := escape(strings.Repeat("ä", 400)); len(got) > 510 || !strings.HasSuffix(got, "ä…") {
		t.Errorf("got %q", got)
	}
	for kind, data := range map[jobs.EventType]any{jobs.EventForeign: jobs.Delivery{ScreenshotID: "x", Outcome: jobs.OutcomeDone}, jobs.EventBatchFinished: struct{}{}} {
		if text(jobs.Message{Type: kind, Data: data}) == "" {
			t.Errorf("%s has no text", kind)
		}
	}
}

func TestURLOfASinkIsSecret(t *testing.T) {
	const canary = "hunter2canary"
	to := newTarget(t, status(500))
	to.Config.SetKeepAlivesEnabled(false) // otherwise the next attempt might use the connection that is being closed
	r := newRig(t, sink(t, "ops", to.URL+"/"+canary+"?token="+canary))
	r.cancel(r.job(""))
	r.work()
	to.Close()
	r.clock.pass(time.Minute)
	r.work()
	unreachable := r.callbacks()[0].Error
	if unreachable != "connection refused" {
		t.Errorf("got error %q", unreachable)
	}
	s, err := ParseSink("ops=" + to.URL + canary)
	r.must(err)
	slog.New(slog.NewTextHandler(r.log, nil)).Info("a sink", "sink", s, "printed", fmt.Sprintf("%v %+v", s, s))
	_, err = New(Config{Sinks: []Sink{{Name: "x", url: "http://10.0.0.1/" + canary}}}, Parts{Store: r.store, Queue: r.tasks, Now: r.clock.Now, Logger: r.logger()})
	if err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("got error %v", err)
	}
	if strings.Contains(r.log.String(), canary) {
		t.Error("URL is in the log")
	}
	for _, file := range []string{r.path, r.path + "-wal"} {
		data, err := os.ReadFile(file)
		r.must(err)
		if strings.Contains(string(data), canary) {
			t.Errorf("URL is in %s", file)
		}
	}
	if !strings.Contains(to.got()[0].path, canary) {
		t.Error("target was not called by the URL")
	}
}

func (r *rig) logger() *slog.Logger { return slog.New(slog.NewTextHandler(r.log, nil)) }

func TestNewRefuses(t *testing.T) {
	r := newRig(t)
	good := Sink{Name: "a", url: "https://example.com/"}
	for name, cfg := range map[string]Config{
		"twice": {Sinks: []Sink{good, good}}, "private": {Sinks: []Sink{{Name: "a", url: "http://192.168.0.1/"}}}, "nonsense": {Sinks: []Sink{{Name: "a", url: "nonsense"}}},
		"a short secret": {Secrets: []string{"whsec_aHVudGVyMg=="}}, "no prefix": {Secrets: []string{"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}},
		"no base64": {Secrets: []string{"whsec_hunter2!"}}, "a long secret": {Secrets: []string{"whsec_" + strings.Repeat("aaaa", 22)}}, "negative": {Retry: -1},
	} {
		_, err := New(cfg, Parts{Store: r.store, Queue: r.tasks, Now: r.clock.Now, Logger: r.logger()})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(Config{}, Parts{}); err == nil {
		t.Error("New accepts empty Parts")
	}
	secrets := []string{NewSecret(), NewSecret()}
	if _, err := newSigner(secrets); err != nil || secrets[0] == secrets[1] {
		t.Errorf("new secrets: %v", err)
	}
}

func TestRemovedSink(t *testing.T) {
	to := newTarget(t, nil)
	r := newRig(t, sink(t, "old", to.URL))
	r.cancel(r.job(""))
	r.must(r.WatchOnce(t.Context()))
	r.tasks.take()
	r.Deliverer = r.newDeliverer("w1", r.store)
	r.must(r.ForgetOnce(t.Context()))
	if cursors, err := r.store.Cursors(t.Context()); err != nil || !slices.Equal(cursors, []string{kindURL}) {
		t.Errorf("got cursors %v, error %v", cursors, err)
	}
	r.clock.pass(claimTime)
	r.work()
	if c := r.callbacks()[0]; c.State != jobs.CallbackOwed || c.Error != "sink old is not configured" {
		t.Errorf("got callback %+v", c)
	}
	r.clock.pass(25 * time.Hour)
	r.work()
	if c := r.callbacks()[0]; c.State != jobs.CallbackDead {
		t.Errorf("got callback %+v", c)
	}
	if len(to.got()) > 0 {
		t.Error("removed sink was called")
	}
}

func TestSinksOfOtherWorkersAreKept(t *testing.T) {
	r := newRig(t, sink(t, "mine", "https://example.com/"))
	other := r.newDeliverer("w2", r.store)
	r.must(r.store.Announce(t.Context(), jobs.Worker{ID: "w1", Role: "serve", SeenAt: r.clock.Now()}))
	r.must(r.store.Announce(t.Context(), jobs.Worker{ID: "w2", Role: "serve", SeenAt: r.clock.Now()}))
	has := func() bool {
		cursors, err := r.store.Cursors(t.Context())
		r.must(err)
		return slices.Contains(cursors, "sink:mine")
	}
	r.must(other.ForgetOnce(t.Context()))
	if !has() {
		t.Error("cursor was closed while its worker is alive")
	}
	r.clock.pass(jobs.WorkerAlive + time.Second)
	r.must(other.ForgetOnce(t.Context()))
	if has() {
		t.Error("cursor was kept after its worker was gone")
	}
}
