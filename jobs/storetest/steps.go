package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
)

// pick returns a random element, or false if there is none.
func pick[T any](w *walker, of []T) (one T, ok bool) {
	if len(of) == 0 {
		return one, false
	}
	return of[w.IntN(len(of))], true
}

// observation returns an observation as the vendor would make it, sometimes with
// a cost.
func (w *walker) observation(s sentCreate, outcome jobs.Outcome) jobs.Observation {
	o := seenIn(s.job, s.attempt, outcome)
	if w.IntN(2) == 0 {
		o.Cost = credits(float64(w.IntN(8)) / 4)
	}
	return o
}

func (w *walker) outcome() jobs.Outcome {
	return []jobs.Outcome{jobs.OutcomeProcessing, jobs.OutcomeProcessing, jobs.OutcomeDone, jobs.OutcomeFailed}[w.IntN(4)]
}

func (w *walker) importBatch() {
	if len(w.batches) >= 4 {
		return
	}
	batch := fmt.Sprintf("b%d", len(w.batches)+1)
	requests := pages(1 + w.IntN(5))
	requests = append(requests, page(requests[0].URL))
	if w.IntN(3) == 0 {
		requests = append(requests, rejected(99, "bad"))
	}
	spec := jobs.BatchSpec{ID: batch}
	if w.IntN(3) > 0 {
		spec.CallbackURL = "https://" + batch + ".example/"
	}
	w.must(w.CreateBatch(w.ctx(), spec, w.now), "create batch")
	w.must(w.AppendRequests(w.ctx(), batch, requests, w.now), "append")
	w.batches = append(w.batches, batch)
	w.ids = append(w.ids, w.bulkRows(batch, len(requests))...)
}

func (w *walker) openBatch() {
	batch, _ := pick(w, w.batches)
	_, err := w.OpenBatch(w.ctx(), batch, w.now)
	w.allow(err, jobs.ErrState)
}

// allow ignores one documented error.
func (w *walker) allow(err, documented error) {
	w.t.Helper()
	if err != nil && !errors.Is(err, documented) {
		w.t.Fatal(err)
	}
}

func (w *walker) leaseJobs() {
	batch, _ := pick(w, w.batches)
	leases, err := w.Lease(w.ctx(), batch, fmt.Sprintf("w%d", w.IntN(2)), 1+w.IntN(4), w.now, w.now.Add(leaseTime))
	w.must(err, "lease")
	w.leases = append(w.leases, leases...)
}

func (w *walker) openIntents() {
	for range 3 {
		if l, ok := pick(w, w.leases); ok {
			_, err := w.OpenIntent(w.ctx(), l, w.now, w.now.Add(leaseTime))
			w.allow(err, jobs.ErrLeaseLost)
			if err == nil {
				w.sent = append(w.sent, sentCreate{l.Job.ID, l.Attempt})
				w.shots = append(w.shots, shotOf(l.Job.ID, l.Attempt))
			}
		}
	}
}

func (w *walker) answerCreate() {
	if s, ok := pick(w, w.sent); ok {
		w.effects = w.observe(jobs.ByCreate, w.observation(s, w.outcome()))
	}
}

func (w *walker) pollJobs() {
	var observations []jobs.Observation
	for range 4 {
		if s, ok := pick(w, w.sent); ok {
			observations = append(observations, w.observation(s, w.outcome()))
		}
	}
	w.effects = w.observe(jobs.ByPoll, observations...)
}

func (w *walker) pollExtra() {
	if s, ok := pick(w, w.sent); ok {
		o := w.observation(s, jobs.OutcomeProcessing)
		o.ScreenshotID += fmt.Sprint("extra", w.IntN(2))
		w.effects = w.observe(jobs.ByPoll, o)
	}
}

func (w *walker) requeueLease() {
	if l, ok := pick(w, w.leases); ok {
		w.effects = w.requeue(l)
	}
}

func (w *walker) doubtLease() {
	if l, ok := pick(w, w.leases); ok && slices.Contains(w.sent, sentCreate{l.Job.ID, l.Attempt}) {
		w.must(w.Doubt(w.ctx(), []jobs.Lease{l}, w.now), "doubt")
	}
}

func (w *walker) expireLeases() {
	_, _, err := w.ExpireLeases(w.ctx(), w.now, 1+w.IntN(5))
	w.must(err, "expire leases")
}

func (w *walker) resendDoubts() {
	doubts, err := w.ClaimDoubts(w.ctx(), w.now, w.now.Add(5*time.Second), 3)
	w.must(err, "claim doubts")
	for _, s := range doubts {
		key := sentCreate{s.Job, s.Attempt}
		if s.Sends > 1+w.resent[key] {
			w.t.Fatalf("submission %s was sent %d times, with %d resends", s.Tag(), s.Sends, w.resent[key])
		}
		e, err := w.Resend(w.ctx(), []jobs.Submission{s}, w.now.Add(-10*time.Second), w.now)
		w.must(err, "resend")
		w.resent[key] += e.Requeued
		w.effects.Closed = append(w.effects.Closed, e.Closed...)
	}
}

func (w *walker) deliverResult() {
	screenshot, ok := pick(w, w.shots)
	if !ok || w.IntN(4) == 0 {
		screenshot = fmt.Sprint("stranger", w.IntN(5))
	}
	outcome := jobs.OutcomeDone
	if w.IntN(3) == 0 {
		outcome = jobs.OutcomeFailed
	}
	w.deliver(screenshot, outcome)
}

func (w *walker) applyInbox() {
	applied, err := w.ApplyInbox(w.ctx(), w.now, 1+w.IntN(5))
	w.must(err, "apply inbox")
	w.effects = applied.Effects
}

func (w *walker) closeSome() {
	var closings []jobs.Closing
	for range 1 + w.IntN(3) {
		id, _ := pick(w, w.ids)
		c, _ := pick(w, []jobs.Closing{timeOut(id), timeOut(id), timeOut(id), cancel(id), refuse(id)})
		if s, ok := pick(w, w.sent); ok && c.To != jobs.Canceled {
			c.Job = s.job
		}
		if c.Attempt != 0 {
			c.Attempt = w.known[c.Job].Attempt
		}
		closings = append(closings, c)
	}
	w.effects = w.closeJobs(closings...)
}

// cancelSome picks a job whose create might be under way, and rarely another one.
// A job that is canceled too early makes no further steps.
func (w *walker) cancelSome() {
	var ids []jobs.ID
	if s, ok := pick(w, w.sent); ok {
		ids = append(ids, s.job)
	}
	if w.IntN(4) == 0 {
		id, _ := pick(w, w.ids)
		ids = append(ids, id)
	}
	e, err := w.Cancel(w.ctx(), ids, w.now)
	w.allow(err, jobs.ErrState)
	w.effects = e
	for _, id := range ids {
		if j := w.job(id); err == nil && j.State.Open() && (j.State != jobs.Submitting || j.CancelAskedAt.IsZero()) {
			w.t.Fatalf("job %s is %s, cancel requested at %v", id, j.State, j.CancelAskedAt)
		}
	}
}

// retrySome picks among the jobs that ended without an image, and sometimes among
// all.
func (w *walker) retrySome() {
	var ended []jobs.ID
	for _, id := range w.ids {
		if slices.Contains(jobs.Retriable, w.known[id].State) {
			ended = append(ended, id)
		}
	}
	var retries []jobs.Retry
	for range 1 + w.IntN(3) {
		id, ok := pick(w, ended)
		if !ok || w.IntN(4) == 0 {
			id, _ = pick(w, w.ids)
		}
		retries = append(retries, jobs.Retry{Job: id, Attempt: w.known[id].Attempt, From: jobs.Retriable, Waits: w.IntN(2) == 0})
	}
	w.retries = true
	w.effects = w.retry(retries...)
}

// amendSome gives rows of a batch other requests, few of which differ, so that
// some become duplicates.
func (w *walker) amendSome() {
	id, _ := pick(w, w.ids)
	var amendments []jobs.Amendment
	for n := range 1 + w.IntN(3) {
		j := w.known[id]
		r := page(fmt.Sprintf("https://amended.example/%d", w.IntN(3)))
		if w.IntN(3) == 0 && (j.State == jobs.Rejected || j.State == jobs.Duplicate) {
			r = rejected(1, "bad again")
		} else if w.IntN(3) == 0 {
			r.URL = j.URL
		}
		amendments = append(amendments, jobs.Amendment{Retry: jobs.Retry{Job: id, Attempt: j.Attempt, From: jobs.Amendable}, Request: r})
		id.Row = int64(1 + (int(id.Row)+n)%7)
	}
	e, err := w.Amend(w.ctx(), id.Batch, amendments, w.now)
	w.allow(err, jobs.ErrState)
	w.retries = true
	w.effects = e
}

func (w *walker) checkConflicts() {
	claimed, err := w.ClaimConflicts(w.ctx(), "", w.now, w.now.Add(time.Minute), 3)
	w.must(err, "claim conflicts")
	for _, c := range claimed {
		says, _ := pick(w, []jobs.Outcome{jobs.OutcomeDone, jobs.OutcomeFailed, jobs.OutcomeUnknown})
		if says == jobs.OutcomeUnknown {
			w.must(w.RecheckConflicts(w.ctx(), []jobs.ConflictRecheck{{Job: c.Job, Attempt: c.Attempt, Says: says}}), "check again")
			continue
		}
		o := seenIn(c.Job, c.Attempt, says)
		o.ScreenshotID = c.ScreenshotID
		e := w.observe(jobs.ByPoll, o)
		w.effects.Closed = append(w.effects.Closed, e.Closed...)
		w.effects.Conflicts += e.Conflicts
		if settled, err := w.ClaimConflicts(w.ctx(), c.Job.Batch, w.now.Add(time.Hour), w.now.Add(time.Hour), 1000); err != nil ||
			slices.ContainsFunc(settled, func(o jobs.Conflict) bool { return o.Job == c.Job && o.Attempt == c.Attempt }) {
			w.t.Fatalf("conflict %+v is open although the vendor reported %s (%v)", c, says, err)
		}
	}
}

func (w *walker) pauseOrResume() {
	batch, _ := pick(w, w.batches)
	if w.IntN(3) == 0 {
		w.allow(w.Pause(w.ctx(), batch, "why not", w.now), jobs.ErrState)
		return
	}
	w.allow(w.Resume(w.ctx(), batch, w.now), jobs.ErrState)
}

func (w *walker) claimWork() {
	work, err := w.ClaimWork(w.ctx(), w.now, w.now.Add(time.Second), workLimit)
	w.must(err, "claim work")
	for _, o := range work {
		switch batch := w.batch(o.Batch); o.Kind {
		case jobs.WorkSubmit:
			if batch.State != jobs.BatchOpen || batch.Counts.Of(jobs.Queued) == 0 {
				w.t.Fatalf("work %+v for %+v", o, batch)
			}
		case jobs.WorkSummarize:
			wantSame(w.fixture, "revision of the work", o.Revision, batch.Revision)
			w.saveSummary(o.Batch, o.Revision, "summary", true)
		}
	}
}

func (w *walker) extendDeadlines() {
	id, _ := pick(w, w.ids)
	w.must(w.ExtendDeadlines(w.ctx(), []jobs.ID{id}, w.now.Add(time.Hour)), "extend deadlines")
}
