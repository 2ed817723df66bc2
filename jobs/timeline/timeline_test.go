package timeline_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
	"shotline/jobs/sqlite"
	"shotline/jobs/timeline"
)

// rig is a store with a batch b1 of two rows, and a clock.
type rig struct {
	*testing.T
	jobs.Store
	start, now time.Time
}

var id = jobs.ID{Batch: "b1", Row: 1}

func newRig(t *testing.T) *rig {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "timeline.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	start := time.Date(2031, 5, 6, 7, 0, 0, 0, time.UTC)
	r := &rig{t, s, start, start}
	r.must(r.CreateBatch(t.Context(), jobs.BatchSpec{ID: "b1", Source: "urls.csv"}, r.now))
	r.must(r.AppendRequests(t.Context(), "b1", []jobs.Request{{Line: 2, URL: "https://a.test/"}, {Line: 3, URL: "https://a.test/"}}, r.now))
	_, err = r.OpenBatch(t.Context(), "b1", r.now)
	r.must(err)
	r.later(10)
	return r
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) later(seconds int) { r.now = r.now.Add(time.Duration(seconds) * time.Second) }

// serve announces a serve that receives webhooks.
func (r *rig) serve() {
	r.must(r.Announce(r.Context(), jobs.Worker{ID: "w", Role: "serve", Receives: true, SeenAt: r.now}))
}

func (r *rig) lease() jobs.Lease {
	r.Helper()
	leases, err := r.Lease(r.Context(), "b1", "w", 1, r.now, r.now.Add(30*time.Second))
	r.must(err)
	if len(leases) != 1 {
		r.Fatalf("leased %d jobs", len(leases))
	}
	return leases[0]
}

// send leases the job and opens its intent.
func (r *rig) send() jobs.Lease {
	r.Helper()
	lease, err := r.OpenIntent(r.Context(), r.lease(), r.now, r.now.Add(30*time.Second))
	r.must(err)
	return lease
}

func (r *rig) observe(by jobs.Provenance, attempt int, screenshot string, outcome jobs.Outcome) {
	r.Helper()
	_, err := r.Observe(r.Context(), []jobs.Observation{{Job: id, Attempt: attempt, ScreenshotID: screenshot, Outcome: outcome}}, by, r.now, r.now.Add(10*time.Minute))
	r.must(err)
}

func (r *rig) deliver(screenshot string, outcome jobs.Outcome) {
	r.Helper()
	_, err := r.AppendDelivery(r.Context(), jobs.Delivery{ReceivedAt: r.now, Event: "screenshot." + string(outcome), ScreenshotID: screenshot, Outcome: outcome, Body: []byte("{}")})
	r.must(err)
}

func (r *rig) apply() {
	r.Helper()
	_, err := r.ApplyInbox(r.Context(), r.now, 100)
	r.must(err)
}

func (r *rig) retry() {
	r.Helper()
	_, err := r.Retry(r.Context(), []jobs.Retry{{Job: id, Attempt: 1, From: jobs.Retriable}}, r.now)
	r.must(err)
}

// want compares the timeline with lines such as "+10 kind text", in which +10 is
// the time in seconds after the start, and - a time that is not known.
func (r *rig) want(job jobs.ID, want ...string) []timeline.Entry {
	r.Helper()
	entries, err := timeline.Of(r.Context(), r, job, r.now)
	r.must(err)
	var got []string
	for _, e := range entries {
		at := "-"
		if !e.At.IsZero() {
			at = fmt.Sprintf("+%v", e.At.Sub(r.start).Seconds())
		}
		got = append(got, fmt.Sprintf("%s %s %s", at, e.Kind, e.Text))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		r.Errorf("timeline (-want +got):\n%s", diff)
	}
	return entries
}

const came = "+0 row row 1 came in from line 2 of urls.csv"

func TestQueuedJob(t *testing.T) {
	r := newRig(t)
	r.want(id, came, "+10 now queued: no serve is running")
	r.serve()
	r.want(id, came, "+10 now queued: waits for its turn to be submitted")
	r.must(r.Pause(t.Context(), "b1", "", r.now))
	r.want(id, came, "+10 now queued: its batch is paused by hand")
	r.must(r.Pause(t.Context(), "b1", "credits have run out", r.now))
	r.want(id, came, "+10 now queued: its batch is paused because of an error: credits have run out")
	r.want(jobs.ID{Batch: "b1", Row: 2}, "+0 row row 2 came in from line 3 of urls.csv", "+10 now duplicate: shows the outcome of b1-1")
	if _, err := timeline.Of(t.Context(), r, jobs.ID{Batch: "b1", Row: 3}, r.now); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("the timeline of an unknown job: %v", err)
	}
}

func TestJobThatIsClosedByWebhook(t *testing.T) {
	r := newRig(t)
	r.serve()
	r.send()
	sent := "+10 submission attempt 1: create sent with tag shotline-b1-1-1"
	r.want(id, came, sent, "+10 now submitting: the create is under way", "+40 next the job is in doubt, if the create has no answer by then")
	r.later(1)
	r.observe(jobs.ByCreate, 1, "s1", jobs.OutcomeProcessing)
	answered := "+11 submission attempt 1: create answered: screenshot s1"
	r.want(id, came, sent, answered, "+11 now pending: waits for the webhook of screenshot s1",
		"+611 next its deadline, at which the vendor is queried at the latest")
	r.later(1)
	r.deliver("s1", jobs.OutcomeDone)
	webhook := "+12 delivery webhook screenshot.done about screenshot s1: "
	r.want(id, came, sent, answered, webhook+"kept, applied in a moment", "+12 now pending: waits for the webhook of screenshot s1",
		"+611 next its deadline, at which the vendor is queried at the latest")
	r.later(1)
	r.apply()
	r.later(1)
	r.deliver("s1", jobs.OutcomeDone)
	r.apply()
	entries := r.want(id, came, sent, answered, webhook+"applied", "+13 event done by webhook",
		strings.Replace(webhook, "+12", "+14", 1)+"repeats the known result", "+14 now done: its image is screenshot s1")
	var verdicts []timeline.Verdict
	for _, e := range entries {
		if e.Verdict != "" {
			verdicts = append(verdicts, e.Verdict)
		}
	}
	if diff := cmp.Diff([]timeline.Verdict{timeline.VerdictApplied, timeline.VerdictRepeat}, verdicts); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

func TestJobWhoseCreateWasLost(t *testing.T) {
	r := newRig(t)
	r.serve()
	lease := r.send()
	r.later(1)
	r.must(r.Doubt(t.Context(), []jobs.Lease{lease}, r.now))
	const tag = "shotline-b1-1-1"
	r.want(id, came, "+10 submission attempt 1: create sent with tag "+tag,
		"+11 submission attempt 1: in doubt: no answer to the create, which may have taken effect",
		"+11 now submitting: in doubt, because the create had no answer",
		"+11 next the vendor is queried for the tag "+tag+"; if it is not found in time, the create is sent again")
	r.later(60)
	_, err := r.Resend(t.Context(), []jobs.Submission{{Job: id, Attempt: 1, DoubtSince: r.now}}, r.now, r.now)
	r.must(err)
	lost := "+10 submission attempt 1: create sent with tag " + tag + ", lost: neither an answer nor a screenshot with this tag"
	r.serve()
	r.want(id, came, lost, "+71 now queued: waits for its turn to be submitted")
	r.later(1)
	lease = r.send()
	r.must(r.Doubt(t.Context(), []jobs.Lease{lease}, r.now))
	r.later(1)
	r.observe(jobs.ByPoll, 1, "s2", jobs.OutcomeProcessing)
	r.observe(jobs.ByPoll, 1, "s1", jobs.OutcomeProcessing)
	r.want(id, came, lost, "+72 submission attempt 1: create sent with tag "+tag+", as number 2 because an earlier one was lost; no answer, but its tag led to screenshot s2; also charged for s1",
		"+73 now pending: waits for the webhook of screenshot s2", "+673 next its deadline, at which the vendor is queried at the latest")
}

func TestRetriedAndCorrectedJob(t *testing.T) {
	r := newRig(t)
	r.send()
	r.observe(jobs.ByCreate, 1, "s1", jobs.OutcomeFailed)
	r.later(10)
	r.retry()
	r.later(10)
	r.send()
	r.later(1)
	r.observe(jobs.ByCreate, 2, "s2", jobs.OutcomeProcessing)
	r.later(1)
	r.deliver("s2", jobs.OutcomeFailed)
	r.apply()
	r.later(1)
	r.deliver("s2", jobs.OutcomeDone)
	r.apply()
	first := []string{came, "+10 submission attempt 1: create sent with tag shotline-b1-1-1; screenshot s1", "+10 event failed by the answer to the create",
		"+20 event retried: queued for attempt 2", "+30 submission attempt 2: create sent with tag shotline-b1-1-2",
		"+31 submission attempt 2: create answered: screenshot s2",
		"+32 delivery webhook screenshot.failed about screenshot s2: applied", "+32 event failed by webhook",
		"+33 delivery webhook screenshot.done about screenshot s2: contradicts the known result"}
	conflict := "+33 conflict screenshot s2 was reported both as done and as failed; failed came first"
	r.want(id, append(first[:len(first):len(first)], conflict, "+33 now failed; no serve is running to do what comes next", "+33 next the vendor is queried which result is true")...)
	r.later(1)
	r.observe(jobs.ByPoll, 2, "s2", jobs.OutcomeDone)
	r.want(id, append(first, conflict+"; the vendor says done", "+34 event corrected: done by the vendor's answer to a query", "+34 now done: its image is screenshot s2")...)
}

func TestJobThatTimedOut(t *testing.T) {
	r := newRig(t)
	r.send()
	r.later(1)
	r.observe(jobs.ByCreate, 1, "s1", jobs.OutcomeProcessing)
	r.later(600)
	_, err := r.CloseJobs(t.Context(), []jobs.Closing{{Job: id, From: []jobs.State{jobs.Pending}, To: jobs.TimedOut, By: jobs.ByDeadline, Error: "no result within 10m0s"}}, r.now)
	r.must(err)
	sent, answered := "+10 submission attempt 1: create sent with tag shotline-b1-1-1", "+11 submission attempt 1: create answered: screenshot s1"
	r.want(id, came, sent, answered, "+611 event timed out by its deadline: no result within 10m0s",
		"+611 now timed out: a late result still counts: no result within 10m0s")
	r.later(1)
	r.deliver("s1", jobs.OutcomeDone)
	r.apply()
	r.want(id, came, sent, answered, "+611 event timed out by its deadline", "+612 delivery webhook screenshot.done about screenshot s1: applied",
		"+612 event late result: done by webhook", "+612 now done: its image is screenshot s1")
}

func TestCallbacksAndFiles(t *testing.T) {
	r := newRig(t)
	ctx, folder := t.Context(), t.TempDir()
	r.must(r.OrderDownload(ctx, jobs.DownloadOrder{Batch: "b1", Folder: folder}, r.now))
	r.send()
	r.later(1)
	r.serve()
	r.observe(jobs.ByCreate, 1, "s1", jobs.OutcomeDone)
	_, _, err := r.WantFiles(ctx, r.now, 10)
	r.must(err)
	place, err := r.OpenCursor(ctx, "c", r.now)
	r.must(err)
	_, err = r.AddCallbacks(ctx, "c", place, place, []jobs.Callback{{EventID: "e", Type: jobs.EventJobDone, Event: 1, Batch: "b1", Job: id,
		Target: jobs.Target{URL: "https://user.test/hunter2"}, Lane: "https://user.test", Body: []byte("{}")}}, r.now)
	r.must(err)
	before := []string{came, "+10 submission attempt 1: create sent with tag shotline-b1-1-1", "+11 submission attempt 1: create answered: screenshot s1",
		"+11 event done by the answer to the create"}
	const call, now = "callback callback 1, job.done to https://user.test: ", "now done: its image is screenshot s1"
	want := func(lines ...string) { t.Helper(); r.want(id, append(before[:len(before):len(before)], lines...)...) }
	want("+11 "+call+"owed, not tried yet", "+11 "+now, "+11 next callback 1 is sent", "+11 next image is saved in "+folder)

	attempt := func(end jobs.CallbackEnd) {
		t.Helper()
		claimed, err := r.ClaimCallbacks(ctx, r.now, r.now, 1, 1)
		r.must(err)
		c, err := r.BeginCallback(ctx, claimed[0].Seq, claimed[0].Generation, r.now, r.now.Add(time.Minute))
		r.must(err)
		r.must(r.SettleCallback(ctx, c, end, r.now, r.now))
	}
	attempt(jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: r.now.Add(5 * time.Second), Status: 500, Error: "answered 500"})
	files := func(state jobs.FileState, reason string) {
		t.Helper()
		works, err := r.ClaimFiles(ctx, r.now, r.now, 1)
		r.must(err)
		f := works[0].File
		if f.Name == "" {
			f.Name = "1.png"
			r.must(r.NameFile(ctx, f))
		}
		f.State, f.Error, f.Size, f.Tries, f.WakeAt = state, reason, 1234, f.Tries+1, r.now.Add(time.Minute)
		r.must(r.SettleFiles(ctx, []jobs.File{f}, r.now))
	}
	files(jobs.FileWanted, "no answer")
	want("+11 "+call+"owed, tried once: answered 500", "+11 "+now, "+16 next callback 1 is tried again",
		"+71 next image is saved in "+folder+", tried once so far: no answer")

	r.later(60)
	attempt(jobs.CallbackEnd{State: jobs.CallbackDelivered, Status: 204})
	files(jobs.FileSaved, "")
	want("+71 "+call+"delivered, tried 2 times, answered 204", "+71 file image saved as 1.png in "+folder+", 1.2 kB", "+71 "+now)
}

func TestFilesThatAreMissing(t *testing.T) {
	for state, text := range map[jobs.FileState]string{
		jobs.FileGone:   "image could not be saved: the vendor no longer has it",
		jobs.FileFailed: "image could not be saved, tried once: too large",
	} {
		r := newRig(t)
		r.must(r.OrderDownload(t.Context(), jobs.DownloadOrder{Folder: t.TempDir()}, r.now))
		r.send()
		r.later(1)
		r.observe(jobs.ByCreate, 1, "s1", jobs.OutcomeDone)
		_, _, err := r.WantFiles(t.Context(), r.now, 10)
		r.must(err)
		works, err := r.ClaimFiles(t.Context(), r.now, r.now, 1)
		r.must(err)
		f := works[0].File
		if f.State, f.Tries = state, 1; state == jobs.FileFailed {
			f.Error = "too large"
		}
		r.must(r.SettleFiles(t.Context(), []jobs.File{f}, r.now))
		r.want(id, came, "+10 submission attempt 1: create sent with tag shotline-b1-1-1", "+11 submission attempt 1: create answered: screenshot s1",
			"+11 event done by the answer to the create", "- file "+text, "+11 now done: its image is screenshot s1")
	}
}
