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

// RunLives draws sequences of operations on the jobs of a batch and holds the
// store, after each, to the model of their life: the same states and counters,
// the same effects, the same events. A sequence that fails is made as short as
// it goes and printed; -rapid.failfile repeats it, -rapid.checks=n draws more.
func RunLives(t *testing.T, newHarness func(t *testing.T) Harness) {
	rapid.Check(t, func(rt *rapid.T) {
		store := newHarness(t).Open(t)
		defer func() {
			if err := store.Close(); err != nil {
				rt.Errorf("close: %v", err)
			}
		}()
		w := &liver{T: rt, Store: store, now: time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)}
		n := rapid.IntRange(1, 3).Draw(rt, "jobs")
		spec := jobs.BatchSpec{ID: "b1", CallbackURL: "https://user.example/", Single: n == 1}
		requests := pages(n)
		for i := range requests {
			if !spec.Single && rapid.Bool().Draw(rt, "has options") {
				requests[i].CallbackURL = fmt.Sprintf("https://row.example/%d", i)
				requests[i].Priority = new(rapid.IntRange(-1, 1).Draw(rt, "priority"))
			}
		}
		w.lives = newLives(spec, requests)
		w.must(w.CreateBatch(w.ctx(), spec, w.now), "create batch")
		w.must(w.AppendRequests(w.ctx(), "b1", requests, w.now), "append requests")
		_, err := w.OpenBatch(w.ctx(), "b1", w.now)
		w.must(err, "open batch")
		rt.Repeat(map[string]func(*rapid.T){
			"lease": w.leasing, "lease and intend": w.sending, "intend": w.intending, "requeue": w.requeueing, "doubt": w.doubting,
			"expire": w.expiring, "resend": w.resending, "create answered": w.answering, "poll": w.polling, "poll an extra": w.charging,
			"deliver": w.delivering, "deliver more": w.delivering, "apply": w.applying, "time out": w.timingOut, "refuse": w.refusing, "close": w.closing,
			"check": w.checking, "cancel": w.canceling, "save": w.saving, "retry": w.retrying, "retry all": w.retryingAll, "pause": w.pausing, "resume": w.resuming,
			"onward": w.onward, "onward again": w.onward, "further": w.onward, "further again": w.onward, "on and on": w.onward,
			"": w.compare,
		})
		w.sum()
	})
}

// held is a lease that is printed short.
type held struct{ jobs.Lease }

func (h held) GoString() string {
	return fmt.Sprintf("%s in attempt %d, %s until %s", h.Job.ID, h.Attempt, h.Owner, h.Expiry.Format("15:04:05.000"))
}

// liver walks a store and the model side by side.
type liver struct {
	*rapid.T
	jobs.Store
	lives  *lives
	now    time.Time
	leases []held
	sent   []sending
	place  int64 // in the event log
	got    jobs.Effects
}

func (w *liver) ctx() context.Context { return w.Context() }

func (w *liver) must(err error, doing string) {
	w.Helper()
	if err != nil {
		w.Fatalf("%s: %v", doing, err)
	}
}

// begin begins a step, some time later.
func (w *liver) begin(t *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 5000, 31000}).Draw(t, "ms later")) * time.Millisecond)
	w.lives.begin()
	w.lives.at = w.now
	w.got = jobs.Effects{}
}

func drawn[T any](t *rapid.T, of []T, what string) T {
	if len(of) == 0 {
		t.Skip("no " + what)
	}
	return rapid.SampledFrom(of).Draw(t, what)
}

// onward takes a job a step further along the drawing, so that sequences get far
// before they get strange.
func (w *liver) onward(t *rapid.T) {
	l := w.drawnRow(t)
	switch {
	case l.state == jobs.Queued:
		w.resuming(t)
		w.compare(t)
		w.leasing(t)
	case l.state == jobs.Submitting && l.underWay():
		w.observing(t, jobs.ByCreate, seenIn(l.id, l.attempt, jobs.OutcomeProcessing))
	case l.state == jobs.Submitting:
		for _, lease := range w.leases {
			if l.holds(lease.Lease) {
				w.begin(t)
				w.open(lease.Lease)
				return
			}
		}
	case l.state == jobs.Pending:
		c := drawn(t, []jobs.Closing{timeOut(l.id), cancel(l.id)}, "closing")
		c.Attempt = l.attempt
		w.shut(t, c)
	case l.state != jobs.Done:
		w.again(t, jobs.Retry{Job: l.id, Attempt: l.attempt, From: jobs.Retriable, Waits: rapid.Bool().Draw(t, "waits")})
	}
}

func (w *liver) leasing(t *rapid.T) {
	w.begin(t)
	n := rapid.IntRange(1, 2).Draw(t, "n")
	owner := rapid.SampledFrom([]string{"w1", "w2"}).Draw(t, "owner")
	leases, err := w.Lease(w.ctx(), "b1", owner, n, w.now, w.now.Add(leaseTime))
	w.must(err, "lease")
	var ids []jobs.ID
	for _, l := range leases {
		ids = append(ids, l.Job.ID)
		w.leases = append(w.leases, held{l})
	}
	if diff := cmp.Diff(w.lives.lease(n, owner, w.now.Add(leaseTime)), ids); diff != "" {
		w.Fatalf("leased (-model +store):\n%s", diff)
	}
}

func (w *liver) sending(t *rapid.T) {
	w.leasing(t)
	if len(w.leases) > 0 {
		w.open(w.leases[len(w.leases)-1].Lease)
	}
}

func (w *liver) intending(t *rapid.T) {
	lease := drawn(t, w.leases, "lease")
	w.begin(t)
	w.open(lease.Lease)
}

func (w *liver) open(lease jobs.Lease) {
	opened, err := w.OpenIntent(w.ctx(), lease, w.now, w.now.Add(leaseTime))
	want := w.lives.intend(lease, w.now, w.now.Add(leaseTime))
	if want == 0 {
		if !errors.Is(err, jobs.ErrLeaseLost) {
			w.Fatalf("intent of %s in attempt %d: %v, want that the lease is lost", lease.Job.ID, lease.Attempt, err)
		}
		return
	}
	if err != nil || opened.Sends != want {
		w.Fatalf("intent of %s in attempt %d: sent %d times (%v), want %d", lease.Job.ID, lease.Attempt, opened.Sends, err, want)
	}
	w.leases = append(w.leases, held{opened})
	w.sent = append(w.sent, sending{lease.Job.ID, lease.Attempt})
}

func (w *liver) requeueing(t *rapid.T) {
	lease := drawn(t, w.leases, "lease")
	lease.Sent = rapid.Bool().Draw(t, "sent")
	w.begin(t)
	var err error
	w.got, err = w.Requeue(w.ctx(), []jobs.Lease{lease.Lease}, w.now)
	w.must(err, "requeue")
	w.lives.requeue(lease.Lease)
}

func (w *liver) doubting(t *rapid.T) {
	lease := drawn(t, w.leases, "lease")
	w.begin(t)
	w.must(w.Doubt(w.ctx(), []jobs.Lease{lease.Lease}, w.now), "doubt")
	w.lives.doubt(lease.Lease, w.now)
}

func (w *liver) expiring(t *rapid.T) {
	w.begin(t)
	requeued, doubted, err := w.ExpireLeases(w.ctx(), w.now, 100)
	w.must(err, "expire leases")
	if r, d := w.lives.expire(w.now); r != requeued || d != doubted {
		w.Fatalf("expired leases: %d queued again and %d in doubt, want %d and %d", requeued, doubted, r, d)
	}
}

func (w *liver) resending(t *rapid.T) {
	s := drawn(t, w.sent, "submission")
	w.begin(t)
	settled := w.now.Add(-4 * time.Second)
	var err error
	w.got, err = w.Resend(w.ctx(), []jobs.Submission{{Job: s.job, Attempt: s.attempt}}, settled, w.now)
	w.must(err, "resend")
	w.lives.resend(s.job, s.attempt, settled)
}

// observation is what the vendor may say of something that was sent.
func (w *liver) observation(t *rapid.T, suffix string) jobs.Observation {
	s := drawn(t, w.sent, "submission")
	o := seenIn(s.job, s.attempt, rapid.SampledFrom([]jobs.Outcome{jobs.OutcomeProcessing, jobs.OutcomeDone, jobs.OutcomeFailed}).Draw(t, "outcome"))
	o.ScreenshotID += suffix
	if cost := rapid.IntRange(-1, 2).Draw(t, "cost"); cost >= 0 {
		o.Cost = credits(float64(cost))
	}
	return o
}

func (w *liver) observing(t *rapid.T, by jobs.Provenance, said ...jobs.Observation) {
	w.begin(t)
	var err error
	w.got, err = w.Observe(w.ctx(), said, by, w.now, w.now.Add(jobTimeout))
	w.must(err, "observe")
	w.lives.observe(said, by)
}

func (w *liver) answering(t *rapid.T) { w.observing(t, jobs.ByCreate, w.observation(t, "")) }
func (w *liver) charging(t *rapid.T)  { w.observing(t, jobs.ByPoll, w.observation(t, "extra")) }
func (w *liver) polling(t *rapid.T) {
	w.observing(t, jobs.ByPoll, w.observation(t, ""), w.observation(t, ""))
}

func (w *liver) delivering(t *rapid.T) {
	shot := "stranger"
	if len(w.sent) > 0 {
		s := drawn(t, w.sent, "submission")
		shot = shotOf(s.job, s.attempt) + rapid.SampledFrom([]string{"", "", "", "extra"}).Draw(t, "extra")
	}
	outcome := rapid.SampledFrom([]jobs.Outcome{jobs.OutcomeDone, jobs.OutcomeFailed}).Draw(t, "outcome")
	w.begin(t)
	_, err := w.AppendDelivery(w.ctx(), jobs.Delivery{ReceivedAt: w.now, ScreenshotID: shot, Outcome: outcome, Body: []byte(`{}`)})
	w.must(err, "append delivery")
	w.lives.deliver(shot, outcome)
}

func (w *liver) applying(t *rapid.T) {
	w.begin(t)
	n := rapid.SampledFrom([]int{1, 2, 100}).Draw(t, "limit")
	applied, err := w.ApplyInbox(w.ctx(), w.now, n)
	w.must(err, "apply inbox")
	w.got = applied.Effects
	read, held, foreign := w.lives.apply(n)
	if applied.Read != read || applied.Held != held || applied.Foreign != foreign || applied.Aside != 0 {
		w.Fatalf("applied %+v, want %d read, %d held, %d foreign", applied, read, held, foreign)
	}
}

func (w *liver) shut(t *rapid.T, closings ...jobs.Closing) {
	w.begin(t)
	var err error
	w.got, err = w.CloseJobs(w.ctx(), closings, w.now)
	w.must(err, "close")
	w.lives.close(closings)
}

func (w *liver) drawnRow(t *rapid.T) *life { return rapid.SampledFrom(w.lives.rows).Draw(t, "job") }

// GoString keeps a drawn job short in a printed sequence.
func (l *life) GoString() string {
	return fmt.Sprintf("%s, %s in attempt %d", l.id, l.state, l.attempt)
}

// relation is the attempt that a step is for, as seen from the newest.
func (l *life) relation(t *rapid.T) int {
	return l.attempt + rapid.SampledFrom([]int{0, 0, 0, -1, 1}).Draw(t, "attempt")
}

func (w *liver) timingOut(t *rapid.T) {
	l := w.drawnRow(t)
	c := timeOut(l.id)
	c.Attempt = max(l.relation(t), 1)
	w.shut(t, c)
}

func (w *liver) refusing(t *rapid.T) {
	l := w.drawnRow(t)
	c := refuse(l.id)
	c.Attempt = max(l.relation(t), 1)
	w.shut(t, c)
}

func (w *liver) closing(t *rapid.T) {
	w.shut(t, cancel(w.drawnRow(t).id), timeOut(w.drawnRow(t).id))
}

// checking asks a vendor that cannot tell.
func (w *liver) checking(t *rapid.T) {
	w.begin(t)
	again := w.now.Add(31 * time.Second)
	claimed, err := w.ClaimConflicts(w.ctx(), drawn(t, []string{"", "b1"}, "batch"), w.now, again, 100)
	w.must(err, "claim conflicts")
	if diff := cmp.Diff(w.lives.claimClashes(again), claimed, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(jobs.Conflict{}, "Since")); diff != "" {
		w.Fatalf("claimed (-model +store):\n%s", diff)
	}
	for _, c := range claimed {
		r := jobs.ConflictRecheck{Job: c.Job, Attempt: c.Attempt, Says: drawn(t, []jobs.Outcome{jobs.OutcomeNone, jobs.OutcomeProcessing, jobs.OutcomeUnknown}, "says")}
		if rapid.Bool().Draw(t, "again") {
			r.Next = w.now.Add(5 * time.Second)
		}
		w.must(w.RecheckConflicts(w.ctx(), []jobs.ConflictRecheck{r}), "check again")
		w.lives.recheck(r)
	}
}

func (w *liver) canceling(t *rapid.T) {
	id := w.drawnRow(t).id
	w.begin(t)
	var err error
	w.got, err = w.Cancel(w.ctx(), []jobs.ID{id}, w.now)
	w.must(err, "cancel")
	w.lives.cancel([]jobs.ID{id})
}

func (w *liver) again(t *rapid.T, retries ...jobs.Retry) {
	w.begin(t)
	var err error
	w.got, err = w.Retry(w.ctx(), retries, w.now)
	w.must(err, "retry")
	w.lives.retry(retries)
}

func (w *liver) retrying(t *rapid.T) {
	l := w.drawnRow(t)
	w.again(t, jobs.Retry{Job: l.id, Attempt: l.relation(t), From: jobs.Retriable, Waits: rapid.Bool().Draw(t, "waits")})
}

func (w *liver) retryingAll(t *rapid.T) {
	var retries []jobs.Retry
	for _, l := range w.lives.rows {
		retries = append(retries, jobs.Retry{Job: l.id, Attempt: l.attempt, From: jobs.Retriable})
	}
	w.again(t, retries...)
}

func (w *liver) pausing(t *rapid.T) {
	w.begin(t)
	reason := rapid.SampledFrom([]string{"", "no credits"}).Draw(t, "reason")
	err := w.Pause(w.ctx(), "b1", reason, w.now)
	if can := w.lives.pause(reason); can != (err == nil) || err != nil && !errors.Is(err, jobs.ErrState) {
		w.Fatalf("pause: %v, the model can: %v", err, can)
	}
}

func (w *liver) resuming(t *rapid.T) {
	w.begin(t)
	err := w.Resume(w.ctx(), "b1", w.now)
	if can := w.lives.resume(); can != (err == nil) || err != nil && !errors.Is(err, jobs.ErrState) {
		w.Fatalf("resume: %v, the model can: %v", err, can)
	}
}

// seenLife is what a reader sees of a job's life.
type seenLife struct {
	State                    jobs.State
	Attempt                  int
	Shot                     string
	By                       jobs.Provenance
	Late, Corrected          bool
	Asked, Ended             bool
	DoubleCharged, Conflicts int
	First, Says              jobs.Outcome
	Cost                     *float64
}

// compare holds the store to what the model says of the last step.
func (w *liver) compare(t *rapid.T) {
	if diff := cmp.Diff(w.lives.said, w.got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("effects (-model +store):\n%s", diff)
	}
	events, _, err := w.Events(w.ctx(), jobs.EventFilter{After: w.place})
	w.must(err, "events")
	for i := range events {
		w.place = events[i].Seq
		events[i].Seq, events[i].At = 0, time.Time{}
	}
	if diff := cmp.Diff(w.lives.log, events, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("events (-model +store):\n%s", diff)
	}
	w.lives.begin() // "compare" may come again before the next step
	w.got = jobs.Effects{}
	for _, l := range w.lives.rows {
		j, err := w.Job(w.ctx(), l.id)
		w.must(err, "job")
		if j.State == jobs.Pending && j.Deadline.IsZero() {
			t.Fatalf("job %s is pending without a deadline", j.ID)
		}
		ended := !l.state.Open()
		first, says := l.words()
		want := seenLife{l.state, l.attempt, l.shot, l.closedBy, l.late, l.corrected, l.asked, ended, l.doubles, l.conflicts, first, says, l.cost}
		got := seenLife{j.State, j.Attempt, j.ScreenshotID, j.ClosedBy, j.Late, j.Corrected, !j.CancelAskedAt.IsZero(), !j.ClosedAt.IsZero(),
			j.DoubleCharged, j.Conflicts, j.FirstResult, j.VendorSays, j.Cost}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("job %s (-model +store):\n%s", l.id, diff)
		}
	}
	b, err := w.Batch(w.ctx(), "b1")
	w.must(err, "batch")
	if b.State != w.lives.state || b.Revision != w.lives.revision || b.Counts.APICalls != w.lives.calls {
		t.Fatalf("batch is %s, revision %d, %d calls; want %s, %d, %d", b.State, b.Revision, b.Counts.APICalls,
			w.lives.state, w.lives.revision, w.lives.calls)
	}
}

// sum compares the batch's counters with the model's jobs.
func (w *liver) sum() {
	b, err := w.Batch(w.ctx(), "b1")
	w.must(err, "batch")
	var rows []jobs.Row
	for _, l := range w.lives.rows {
		rows = append(rows, jobs.Row{Job: jobs.Job{State: l.state, ClosedBy: l.closedBy, Late: l.late, Corrected: l.corrected, DoubleCharged: l.doubles, Cost: l.cost}})
	}
	if diff := cmp.Diff(count(rows), plain(b.Counts)); diff != "" {
		w.Fatalf("counters (-model +store):\n%s", diff)
	}
}
