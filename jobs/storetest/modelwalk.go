package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"shotline/jobs"
)

// RunLives draws sequences of operations on the jobs of a batch. After each
// operation it compares the store with the model: states, counters, effects and
// events must be the same. A sequence that fails is made as short as possible and
// printed; -rapid.failfile repeats it. -rapid.checks=n draws n sequences.
func RunLives(t *testing.T, newHarness func(t *testing.T) Harness) {
	rapid.Check(t, func(rt *rapid.T) {
		store := newHarness(t).Open(t)
		defer func() {
			if err := store.Close(); err != nil {
				rt.Errorf("close: %v", err)
			}
		}()
		w := &modelWalk{T: rt, Store: store, now: time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)}
		n := rapid.IntRange(1, 3).Draw(rt, "jobs")
		spec := jobs.BatchSpec{ID: "b1", CallbackURL: "https://user.example/", Single: n == 1}
		requests := pages(n)
		for i := range requests {
			if !spec.Single && rapid.Bool().Draw(rt, "has options") {
				requests[i].CallbackURL = fmt.Sprintf("https://row.example/%d", i)
				requests[i].Priority = new(rapid.IntRange(-1, 1).Draw(rt, "priority"))
			}
		}
		w.model = newModel(spec, requests)
		w.must(w.CreateBatch(w.ctx(), spec, w.now), "create batch")
		w.must(w.AppendRequests(w.ctx(), "b1", requests, w.now), "append requests")
		_, err := w.OpenBatch(w.ctx(), "b1", w.now)
		w.must(err, "open batch")
		rt.Repeat(map[string]func(*rapid.T){
			"lease": w.leaseJobs, "lease and intend": w.leaseAndIntend, "intend": w.intendAgain, "requeue": w.requeue, "doubt": w.doubt,
			"expire": w.expireLeases, "resend": w.resend, "create answered": w.answerCreate, "poll": w.poll, "poll an extra": w.pollExtra,
			"deliver": w.deliver, "deliver more": w.deliver, "apply": w.applyInbox, "time out": w.timeOutJob, "refuse": w.refuseJob, "close": w.closeTwo,
			"check": w.recheckConflicts, "cancel": w.cancelJob, "save": w.saveSummary, "retry": w.retryOne, "retry all": w.retryAll, "amend": w.amendJobs, "amend more": w.amendJobs, "pause": w.pauseBatch, "resume": w.resumeBatch,
			"onward": w.advanceJob, "onward again": w.advanceJob, "further": w.advanceJob, "further again": w.advanceJob, "on and on": w.advanceJob,
			"": w.compare,
		})
		w.compareCounters()
	})
}

// shortLease is a lease with a short printed form.
type shortLease struct{ jobs.Lease }

func (h shortLease) GoString() string {
	return fmt.Sprintf("%s in attempt %d, %s until %s", h.Job.ID, h.Attempt, h.Owner, h.Expiry.Format("15:04:05.000"))
}

// modelWalk makes the same steps on a store and on the model.
type modelWalk struct {
	*rapid.T
	jobs.Store
	model      *model
	now        time.Time
	leases     []shortLease
	sent       []sentCreate
	eventPlace int64 // in the event log
	effects    jobs.Effects
}

func (w *modelWalk) ctx() context.Context { return w.Context() }

func (w *modelWalk) must(err error, doing string) {
	w.Helper()
	if err != nil {
		w.Fatalf("%s: %v", doing, err)
	}
}

// begin begins a step and moves the clock.
func (w *modelWalk) begin(t *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 5000, 31000}).Draw(t, "ms later")) * time.Millisecond)
	w.model.begin()
	w.model.now = w.now
	w.effects = jobs.Effects{}
}

func drawFrom[T any](t *rapid.T, of []T, what string) T {
	if len(of) == 0 {
		t.Skip("no " + what)
	}
	return rapid.SampledFrom(of).Draw(t, what)
}

// advanceJob takes a job one step further along the state chart. Without it, few
// sequences would reach the final states.
func (w *modelWalk) advanceJob(t *rapid.T) {
	l := w.drawJob(t)
	switch {
	case l.state == jobs.Queued:
		w.resumeBatch(t)
		w.compare(t)
		w.leaseJobs(t)
	case l.state == jobs.Submitting && l.createUnderWay():
		w.observe(t, jobs.ByCreate, seenIn(l.id, l.attempt, jobs.OutcomeProcessing))
	case l.state == jobs.Submitting:
		for _, lease := range w.leases {
			if l.holds(lease.Lease) {
				w.begin(t)
				w.openIntent(lease.Lease)
				return
			}
		}
	case l.state == jobs.Pending:
		c := drawFrom(t, []jobs.Closing{timeOut(l.id), cancel(l.id)}, "closing")
		c.Attempt = l.attempt
		w.closeJobs(t, c)
	case l.state != jobs.Done:
		w.retryJobs(t, jobs.Retry{Job: l.id, Attempt: l.attempt, From: jobs.Retriable, Waits: rapid.Bool().Draw(t, "waits")})
	}
}

func (w *modelWalk) leaseJobs(t *rapid.T) {
	w.begin(t)
	n := rapid.IntRange(1, 2).Draw(t, "n")
	owner := rapid.SampledFrom([]string{"w1", "w2"}).Draw(t, "owner")
	leases, err := w.Lease(w.ctx(), "b1", owner, n, w.now, w.now.Add(leaseTime))
	w.must(err, "lease")
	var ids []jobs.ID
	for _, l := range leases {
		ids = append(ids, l.Job.ID)
		w.leases = append(w.leases, shortLease{l})
	}
	if diff := cmp.Diff(w.model.lease(n, owner, w.now.Add(leaseTime)), ids); diff != "" {
		w.Fatalf("leased (-model +store):\n%s", diff)
	}
}

func (w *modelWalk) leaseAndIntend(t *rapid.T) {
	w.leaseJobs(t)
	if len(w.leases) > 0 {
		w.openIntent(w.leases[len(w.leases)-1].Lease)
	}
}

func (w *modelWalk) intendAgain(t *rapid.T) {
	lease := drawFrom(t, w.leases, "lease")
	w.begin(t)
	w.openIntent(lease.Lease)
}

func (w *modelWalk) openIntent(lease jobs.Lease) {
	opened, err := w.OpenIntent(w.ctx(), lease, w.now, w.now.Add(leaseTime))
	want := w.model.intend(lease, w.now, w.now.Add(leaseTime))
	if want == 0 {
		if !errors.Is(err, jobs.ErrLeaseLost) {
			w.Fatalf("intent of %s in attempt %d: %v, want ErrLeaseLost", lease.Job.ID, lease.Attempt, err)
		}
		return
	}
	if err != nil || opened.Sends != want {
		w.Fatalf("intent of %s in attempt %d: sent %d times (%v), want %d", lease.Job.ID, lease.Attempt, opened.Sends, err, want)
	}
	w.leases = append(w.leases, shortLease{opened})
	w.sent = append(w.sent, sentCreate{lease.Job.ID, lease.Attempt})
}

func (w *modelWalk) requeue(t *rapid.T) {
	lease := drawFrom(t, w.leases, "lease")
	lease.Sent = rapid.Bool().Draw(t, "sent")
	w.begin(t)
	var err error
	w.effects, err = w.Requeue(w.ctx(), []jobs.Lease{lease.Lease}, w.now)
	w.must(err, "requeue")
	w.model.requeue(lease.Lease)
}

func (w *modelWalk) doubt(t *rapid.T) {
	lease := drawFrom(t, w.leases, "lease")
	w.begin(t)
	w.must(w.Doubt(w.ctx(), []jobs.Lease{lease.Lease}, w.now), "doubt")
	w.model.doubt(lease.Lease, w.now)
}

func (w *modelWalk) expireLeases(t *rapid.T) {
	w.begin(t)
	requeued, doubted, err := w.ExpireLeases(w.ctx(), w.now, 100)
	w.must(err, "expire leases")
	if r, d := w.model.expire(w.now); r != requeued || d != doubted {
		w.Fatalf("expired leases: %d queued again and %d in doubt, want %d and %d", requeued, doubted, r, d)
	}
}

func (w *modelWalk) resend(t *rapid.T) {
	s := drawFrom(t, w.sent, "submission")
	w.begin(t)
	settled := w.now.Add(-4 * time.Second)
	var err error
	w.effects, err = w.Resend(w.ctx(), []jobs.Submission{{Job: s.job, Attempt: s.attempt}}, settled, w.now)
	w.must(err, "resend")
	w.model.resend(s.job, s.attempt, settled)
}

// observation draws a response of the vendor about a create that was sent.
func (w *modelWalk) observation(t *rapid.T, suffix string) jobs.Observation {
	s := drawFrom(t, w.sent, "submission")
	o := seenIn(s.job, s.attempt, rapid.SampledFrom([]jobs.Outcome{jobs.OutcomeProcessing, jobs.OutcomeDone, jobs.OutcomeFailed}).Draw(t, "outcome"))
	o.ScreenshotID += suffix
	if cost := rapid.IntRange(-1, 2).Draw(t, "cost"); cost >= 0 {
		o.Cost = credits(float64(cost))
	}
	return o
}

func (w *modelWalk) observe(t *rapid.T, by jobs.Provenance, observations ...jobs.Observation) {
	w.begin(t)
	var err error
	w.effects, err = w.Observe(w.ctx(), observations, by, w.now, w.now.Add(jobTimeout))
	w.must(err, "observe")
	w.model.observe(observations, by)
}

func (w *modelWalk) answerCreate(t *rapid.T) { w.observe(t, jobs.ByCreate, w.observation(t, "")) }
func (w *modelWalk) pollExtra(t *rapid.T)    { w.observe(t, jobs.ByPoll, w.observation(t, "extra")) }
func (w *modelWalk) poll(t *rapid.T) {
	w.observe(t, jobs.ByPoll, w.observation(t, ""), w.observation(t, ""))
}

func (w *modelWalk) deliver(t *rapid.T) {
	shot := "stranger"
	if len(w.sent) > 0 {
		s := drawFrom(t, w.sent, "submission")
		shot = shotOf(s.job, s.attempt) + rapid.SampledFrom([]string{"", "", "", "extra"}).Draw(t, "extra")
	}
	outcome := rapid.SampledFrom([]jobs.Outcome{jobs.OutcomeDone, jobs.OutcomeFailed}).Draw(t, "outcome")
	w.begin(t)
	_, err := w.AppendDelivery(w.ctx(), jobs.Delivery{ReceivedAt: w.now, ScreenshotID: shot, Outcome: outcome, Body: []byte(`{}`)})
	w.must(err, "append delivery")
	w.model.deliver(shot, outcome)
}

func (w *modelWalk) applyInbox(t *rapid.T) {
	w.begin(t)
	n := rapid.SampledFrom([]int{1, 2, 100}).Draw(t, "limit")
	applied, err := w.ApplyInbox(w.ctx(), w.now, n)
	w.must(err, "apply inbox")
	w.effects = applied.Effects
	read, held, foreign := w.model.apply(n)
	if applied.Read != read || applied.Held != held || applied.Foreign != foreign || applied.Aside != 0 {
		w.Fatalf("applied %+v, want %d read, %d held, %d foreign", applied, read, held, foreign)
	}
}

func (w *modelWalk) closeJobs(t *rapid.T, closings ...jobs.Closing) {
	w.begin(t)
	var err error
	w.effects, err = w.CloseJobs(w.ctx(), closings, w.now)
	w.must(err, "close")
	w.model.close(closings)
}

func (w *modelWalk) drawJob(t *rapid.T) *modelJob {
	return rapid.SampledFrom(w.model.rows).Draw(t, "job")
}

// GoString returns a short form for printed sequences.
func (l *modelJob) GoString() string {
	return fmt.Sprintf("%s, %s in attempt %d", l.id, l.state, l.attempt)
}

// drawAttempt draws the attempt of a step: mostly the newest, sometimes the one
// before or after it.
func (l *modelJob) drawAttempt(t *rapid.T) int {
	return l.attempt + rapid.SampledFrom([]int{0, 0, 0, -1, 1}).Draw(t, "attempt")
}

func (w *modelWalk) timeOutJob(t *rapid.T) {
	l := w.drawJob(t)
	c := timeOut(l.id)
	c.Attempt = max(l.drawAttempt(t), 1)
	w.closeJobs(t, c)
}

func (w *modelWalk) refuseJob(t *rapid.T) {
	l := w.drawJob(t)
	c := refuse(l.id)
	c.Attempt = max(l.drawAttempt(t), 1)
	w.closeJobs(t, c)
}

func (w *modelWalk) closeTwo(t *rapid.T) {
	w.closeJobs(t, cancel(w.drawJob(t).id), timeOut(w.drawJob(t).id))
}

// recheckConflicts claims conflicts, and records that the vendor gave no result.
func (w *modelWalk) recheckConflicts(t *rapid.T) {
	w.begin(t)
	again := w.now.Add(31 * time.Second)
	claimed, err := w.ClaimConflicts(w.ctx(), drawFrom(t, []string{"", "b1"}, "batch"), w.now, again, 100)
	w.must(err, "claim conflicts")
	if diff := cmp.Diff(w.model.claimConflicts(again), claimed, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(jobs.Conflict{}, "Since")); diff != "" {
		w.Fatalf("claimed (-model +store):\n%s", diff)
	}
	for _, c := range claimed {
		r := jobs.ConflictRecheck{Job: c.Job, Attempt: c.Attempt, Says: drawFrom(t, []jobs.Outcome{jobs.OutcomeNone, jobs.OutcomeProcessing, jobs.OutcomeUnknown}, "says")}
		if rapid.Bool().Draw(t, "again") {
			r.Next = w.now.Add(5 * time.Second)
		}
		w.must(w.RecheckConflicts(w.ctx(), []jobs.ConflictRecheck{r}), "check again")
		w.model.recheck(r)
	}
}

func (w *modelWalk) cancelJob(t *rapid.T) {
	id := w.drawJob(t).id
	w.begin(t)
	var err error
	w.effects, err = w.Cancel(w.ctx(), []jobs.ID{id}, w.now)
	w.must(err, "cancel")
	w.model.cancel([]jobs.ID{id})
}

func (w *modelWalk) retryJobs(t *rapid.T, retries ...jobs.Retry) {
	w.begin(t)
	var err error
	w.effects, err = w.Retry(w.ctx(), retries, w.now)
	w.must(err, "retry")
	w.model.retry(retries)
}

func (w *modelWalk) retryOne(t *rapid.T) {
	l := w.drawJob(t)
	w.retryJobs(t, jobs.Retry{Job: l.id, Attempt: l.drawAttempt(t), From: jobs.Retriable, Waits: rapid.Bool().Draw(t, "waits")})
}

func (w *modelWalk) retryAll(t *rapid.T) {
	var retries []jobs.Retry
	for _, l := range w.model.rows {
		retries = append(retries, jobs.Retry{Job: l.id, Attempt: l.attempt, From: jobs.Retriable})
	}
	w.retryJobs(t, retries...)
}

// amendJobs draws requests for jobs: the present one, one that other rows can
// have, or a bad one.
func (w *modelWalk) amendJobs(t *rapid.T) {
	w.begin(t)
	var amendments []jobs.Amendment
	for range rapid.IntRange(1, 3).Draw(t, "rows") {
		l := w.drawJob(t)
		a := jobs.Amendment{Retry: jobs.Retry{Job: l.id, Attempt: l.drawAttempt(t), From: jobs.Amendable, Waits: rapid.Bool().Draw(t, "waits")}}
		a.Request = jobs.Request{URL: rapid.SampledFrom([]string{l.url, pages(1)[0].URL, other(1).URL, "no url"}).Draw(t, "URL")}
		if a.Request.URL == "no url" {
			a.Request = jobs.Request{URL: other(2).URL}
			if !l.isJob() {
				a.Request = rejected(1, "bad")
			}
		}
		a.Request.CallbackURL = rapid.SampledFrom([]string{"", l.callbackURL, "https://example.com/amended"}).Draw(t, "callback URL")
		if w.model.ranked && rapid.Bool().Draw(t, "has priority") {
			a.Request.Priority = new(rapid.IntRange(-1, 1).Draw(t, "priority"))
		}
		amendments = append(amendments, a)
	}
	var err error
	w.effects, err = w.Amend(w.ctx(), "b1", amendments, w.now)
	w.must(err, "amend")
	w.model.amend(amendments)
}

func (w *modelWalk) pauseBatch(t *rapid.T) {
	w.begin(t)
	reason := rapid.SampledFrom([]string{"", "no credits"}).Draw(t, "reason")
	err := w.Pause(w.ctx(), "b1", reason, w.now)
	if can := w.model.pause(reason); can != (err == nil) || err != nil && !errors.Is(err, jobs.ErrState) {
		w.Fatalf("pause: error %v, want success: %v", err, can)
	}
}

func (w *modelWalk) resumeBatch(t *rapid.T) {
	w.begin(t)
	err := w.Resume(w.ctx(), "b1", w.now)
	if can := w.model.resume(); can != (err == nil) || err != nil && !errors.Is(err, jobs.ErrState) {
		w.Fatalf("resume: error %v, want success: %v", err, can)
	}
}

// visibleJob holds the fields of a job that a reader of the store sees.
type visibleJob struct {
	State                    jobs.State
	URL, Reason              string
	Original                 int64
	Attempt                  int
	Shot                     string
	By                       jobs.Provenance
	Late, Corrected          bool
	CancelAsked, Ended       bool
	DoubleCharged, Conflicts int
	First, Says              jobs.Outcome
	Cost                     *float64
}

// compare compares the store with the model after a step.
func (w *modelWalk) compare(t *rapid.T) {
	if diff := cmp.Diff(w.model.effects, w.effects, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("effects (-model +store):\n%s", diff)
	}
	events, _, err := w.Events(w.ctx(), jobs.EventFilter{After: w.eventPlace})
	w.must(err, "events")
	for i := range events {
		w.eventPlace = events[i].Seq
		events[i].Seq, events[i].At = 0, time.Time{}
	}
	if diff := cmp.Diff(w.model.events, events, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("events (-model +store):\n%s", diff)
	}
	w.model.begin() // compare might run again before the next step
	w.effects = jobs.Effects{}
	for _, l := range w.model.rows {
		j, err := w.Job(w.ctx(), l.id)
		w.must(err, "job")
		if j.State == jobs.Pending && j.Deadline.IsZero() {
			t.Fatalf("job %s is pending without a deadline", j.ID)
		}
		ended, original, reason := !l.state.Open() && l.isJob(), int64(0), ""
		if l.original != nil {
			original = l.original.id.Row
		}
		if j.State == jobs.Rejected {
			reason = j.Error
		}
		first, says := l.newestConflict()
		want := visibleJob{l.state, l.url, l.reason, original, l.attempt, l.shot, l.closedBy, l.late, l.corrected, l.cancelAsked, ended, l.doubleCharges, l.conflicts, first, says, l.cost}
		got := visibleJob{j.State, j.URL, reason, j.DuplicateOf, j.Attempt, j.ScreenshotID, j.ClosedBy, j.Late, j.Corrected, !j.CancelAskedAt.IsZero(), !j.ClosedAt.IsZero(),
			j.DoubleCharged, j.Conflicts, j.FirstResult, j.VendorSays, j.Cost}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("job %s (-model +store):\n%s", l.id, diff)
		}
	}
	b, err := w.Batch(w.ctx(), "b1")
	w.must(err, "batch")
	if b.State != w.model.state || b.Revision != w.model.revision || b.Counts.APICalls != w.model.calls {
		t.Fatalf("batch is %s, revision %d, %d calls; want %s, %d, %d", b.State, b.Revision, b.Counts.APICalls,
			w.model.state, w.model.revision, w.model.calls)
	}
}

// compareCounters compares the batch's counters with the model's jobs.
func (w *modelWalk) compareCounters() {
	b, err := w.Batch(w.ctx(), "b1")
	w.must(err, "batch")
	var rows []jobs.Row
	for _, l := range w.model.rows {
		rows = append(rows, jobs.Row{Job: jobs.Job{State: l.state, ClosedBy: l.closedBy, Late: l.late, Corrected: l.corrected, DoubleCharged: l.doubleCharges, Cost: l.cost}})
	}
	if diff := cmp.Diff(count(rows), plain(b.Counts)); diff != "" {
		w.Fatalf("counters (-model +store):\n%s", diff)
	}
}
