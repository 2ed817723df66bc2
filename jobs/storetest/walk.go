package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"shotline/jobs"
)

var walkTests = []test{
	{"seed 1", func(b *book) { walk(b, 1) }},
	{"seed 2", func(b *book) { walk(b, 2) }},
}

const walkSteps = 300

// walker takes random steps over all operations, through two openers, and
// compares what each step said with what it did.
type walker struct {
	*book
	*rand.Rand
	stores  [2]jobs.Store
	batches []string
	leases  []jobs.Lease
	ids     []jobs.ID // every row
	shots   []string  // screenshots the vendor has made
	sent    []jobs.ID // jobs with a create that took effect
	known   map[jobs.ID]jobs.Job
	resent  map[jobs.ID]int
	said    jobs.Effects // of the step
	charges int
	clashes int
}

func walk(b *book, seed uint64) {
	w := &walker{
		book: b, Rand: rand.New(rand.NewPCG(seed, 7)), stores: b.openers(),
		known: map[jobs.ID]jobs.Job{}, resent: map[jobs.ID]int{},
	}
	steps := []func(){
		w.importing, w.opening, w.leasing, w.leasing, w.intending, w.intending, w.answering, w.answering, w.answering,
		w.requeueing, w.doubting, w.expiring, w.settling, w.delivering, w.delivering, w.delivering, w.applying, w.applying,
		w.closing, w.polling, w.charging, w.pausing, w.working, w.extending,
	}
	w.quiet = true
	w.importing()
	w.opening()
	for range walkSteps {
		w.later(time.Duration(w.IntN(4000)) * time.Millisecond)
		w.Store = w.stores[w.IntN(2)]
		w.said = jobs.Effects{}
		steps[w.IntN(len(steps))]()
		w.compare()
	}
	w.drain()
}

// compare asserts that no job went where it must not and that the step's
// effects told each end.
func (w *walker) compare() {
	w.t.Helper()
	ended := map[jobs.ID]jobs.Closed{}
	charges, clashes := 0, 0
	for _, r := range w.audit() {
		before, after := w.known[r.ID], r.Job
		w.known[r.ID] = after
		charges += after.DoubleCharged
		clashes += after.Conflicts
		if after.Attempt > 1 || after.Attempt < before.Attempt {
			w.t.Fatalf("job %s went from attempt %d to %d", r.ID, before.Attempt, after.Attempt)
		}
		if before.ScreenshotID != "" && after.ScreenshotID != before.ScreenshotID {
			w.t.Fatalf("job %s changed its screenshot from %s to %s", r.ID, before.ScreenshotID, after.ScreenshotID)
		}
		if before.State == after.State {
			continue
		}
		if late := before.State == jobs.TimedOut && after.Late; before.State != "" && !before.State.Open() && !late {
			w.t.Fatalf("job %s went from %s to %s", r.ID, before.State, after.State)
		}
		if before.State == jobs.Pending && after.State.Open() {
			w.t.Fatalf("job %s went from pending back to %s", r.ID, after.State)
		}
		if !after.ClosedAt.IsZero() {
			ended[r.ID] = jobs.Closed{Job: r.ID, Attempt: after.Attempt, State: after.State, By: after.ClosedBy, Late: after.Late}
		}
	}
	for _, c := range w.said.Closed {
		if ended[c.Job] != c {
			w.t.Fatalf("a step said %+v, the job says %+v", c, ended[c.Job])
		}
		delete(ended, c.Job)
	}
	if len(ended) != 0 {
		w.t.Fatalf("a step closed without a word: %v", ended)
	}
	w.charges += w.said.DoubleCharged
	w.clashes += w.said.Conflicts
	wantSame(w.book, "double charges on all jobs", charges, w.charges)
	wantSame(w.book, "conflicts on all jobs", clashes, w.clashes)
}

// drain brings everything to its end and asserts that nothing was left over.
func (w *walker) drain() {
	w.t.Helper()
	for _, batch := range w.batches {
		if w.batch(batch).State == jobs.BatchImporting {
			_, err := w.OpenBatch(w.ctx(), batch, w.now)
			w.must(err, "open batch")
		}
	}
	w.later(time.Hour)
	_, _, err := w.ExpireLeases(w.ctx(), w.now, 10000)
	w.must(err, "expire leases")
	for _, s := range w.claimDoubts(w.now, 10000) {
		w.said = w.observe(jobs.ByPoll, w.vendorSays(s.Job, jobs.OutcomeProcessing))
		w.compare()
	}
	w.said = w.apply().Effects
	w.compare()
	overdue, err := w.Overdue(w.ctx(), w.now.Add(24*time.Hour), 10000)
	w.must(err, "overdue")
	var closings []jobs.Closing
	for _, j := range overdue {
		closings = append(closings, timeOut(j.ID))
	}
	for _, id := range w.ids {
		c := cancel(id)
		c.From = []jobs.State{jobs.Queued}
		closings = append(closings, c)
	}
	w.said = w.shut(closings...)
	w.compare()
	for _, batch := range w.batches {
		wantSame(w.book, "state of "+batch, w.batch(batch).State, jobs.BatchFinished)
	}
	w.apply()
	for _, d := range w.inbox() {
		if d.Disposition == jobs.DispositionHeld {
			w.t.Fatalf("delivery %d of %s is held although nobody can own it", d.Seq, d.ScreenshotID)
		}
	}
	w.later(24 * time.Hour)
	work, err := w.ClaimWork(w.ctx(), w.now, w.now.Add(time.Hour))
	w.must(err, "claim work")
	for _, batch := range w.batches {
		owed := slices.ContainsFunc(work, func(o jobs.Work) bool {
			return o.Batch == batch && o.Kind == jobs.WorkSummarize && o.Revision == w.batch(batch).Revision
		})
		got := w.batch(batch)
		wantSame(w.book, "summary owed for "+batch, owed, got.Summarized < got.Revision)
	}
}

// pick takes one at random, false when there is none.
func pick[T any](w *walker, of []T) (one T, ok bool) {
	if len(of) == 0 {
		return one, false
	}
	return of[w.IntN(len(of))], true
}

// vendorSays is an observation as the vendor would make it, at times with a cost.
func (w *walker) vendorSays(id jobs.ID, outcome jobs.Outcome) jobs.Observation {
	o := seen(id, outcome)
	if w.IntN(2) == 0 {
		o.Cost = credits(float64(w.IntN(8)) / 4)
	}
	return o
}

func (w *walker) outcome() jobs.Outcome {
	return []jobs.Outcome{jobs.OutcomeProcessing, jobs.OutcomeProcessing, jobs.OutcomeDone, jobs.OutcomeFailed}[w.IntN(4)]
}

func (w *walker) importing() {
	if len(w.batches) >= 6 {
		return
	}
	batch := fmt.Sprintf("b%d", len(w.batches)+1)
	requests := pages(1 + w.IntN(8))
	requests = append(requests, page(requests[0].URL))
	if w.IntN(3) == 0 {
		requests = append(requests, rejected(99, "bad"))
	}
	w.book.importing(batch, requests...)
	w.batches = append(w.batches, batch)
	w.ids = append(w.ids, w.bulkRows(batch, len(requests))...)
}

func (w *walker) opening() {
	batch, _ := pick(w, w.batches)
	_, err := w.OpenBatch(w.ctx(), batch, w.now)
	w.allow(err, jobs.ErrState)
}

// allow passes over one documented error.
func (w *walker) allow(err, documented error) {
	w.t.Helper()
	if err != nil && !errors.Is(err, documented) {
		w.t.Fatal(err)
	}
}

func (w *walker) leasing() {
	batch, _ := pick(w, w.batches)
	leases, err := w.Lease(w.ctx(), batch, fmt.Sprintf("w%d", w.IntN(2)), 1+w.IntN(4), w.now, w.now.Add(leaseTime))
	w.must(err, "lease")
	w.leases = append(w.leases, leases...)
}

func (w *walker) intending() {
	for range 3 {
		if l, ok := pick(w, w.leases); ok {
			_, err := w.OpenIntent(w.ctx(), l, w.now, w.now.Add(leaseTime))
			w.allow(err, jobs.ErrLeaseLost)
			if err == nil {
				w.sent = append(w.sent, l.Job.ID)
				w.shots = append(w.shots, shot(l.Job.ID))
			}
		}
	}
}

func (w *walker) answering() {
	if id, ok := pick(w, w.sent); ok {
		w.said = w.observe(jobs.ByCreate, w.vendorSays(id, w.outcome()))
	}
}

func (w *walker) polling() {
	var said []jobs.Observation
	for range 4 {
		if id, ok := pick(w, w.sent); ok {
			said = append(said, w.vendorSays(id, w.outcome()))
		}
	}
	w.said = w.observe(jobs.ByPoll, said...)
}

func (w *walker) charging() {
	if id, ok := pick(w, w.sent); ok {
		o := w.vendorSays(id, jobs.OutcomeProcessing)
		o.ScreenshotID += fmt.Sprint("extra", w.IntN(2))
		w.said = w.observe(jobs.ByPoll, o)
	}
}

func (w *walker) requeueing() {
	if l, ok := pick(w, w.leases); ok {
		w.said = w.requeue(l)
	}
}

func (w *walker) doubting() {
	if l, ok := pick(w, w.leases); ok && slices.Contains(w.sent, l.Job.ID) {
		w.must(w.Doubt(w.ctx(), []jobs.Lease{l}, w.now), "doubt")
	}
}

func (w *walker) expiring() {
	_, _, err := w.ExpireLeases(w.ctx(), w.now, 1+w.IntN(5))
	w.must(err, "expire leases")
}

func (w *walker) settling() {
	doubts, err := w.ClaimDoubts(w.ctx(), w.now, w.now.Add(5*time.Second), 3)
	w.must(err, "claim doubts")
	for _, s := range doubts {
		if s.Sends > 1+w.resent[s.Job] {
			w.t.Fatalf("submission %s was sent %d times, anew %d times", s.Tag(), s.Sends, w.resent[s.Job])
		}
		e, err := w.Resend(w.ctx(), []jobs.Submission{s}, w.now.Add(-10*time.Second), w.now)
		w.must(err, "resend")
		w.resent[s.Job] += e.Requeued
	}
}

func (w *walker) delivering() {
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

func (w *walker) applying() {
	applied, err := w.ApplyInbox(w.ctx(), w.now, 1+w.IntN(5))
	w.must(err, "apply inbox")
	w.said = applied.Effects
}

func (w *walker) closing() {
	var closings []jobs.Closing
	for range 1 + w.IntN(3) {
		id, _ := pick(w, w.ids)
		c, _ := pick(w, []jobs.Closing{timeOut(id), timeOut(id), timeOut(id), cancel(id), refuse(id)})
		closings = append(closings, c)
	}
	w.said = w.shut(closings...)
}

func (w *walker) pausing() {
	batch, _ := pick(w, w.batches)
	if w.IntN(3) == 0 {
		w.allow(w.Pause(w.ctx(), batch, "why not", w.now), jobs.ErrState)
		return
	}
	w.allow(w.Resume(w.ctx(), batch, w.now), jobs.ErrState)
}

func (w *walker) working() {
	work, err := w.ClaimWork(w.ctx(), w.now, w.now.Add(time.Second))
	w.must(err, "claim work")
	for _, o := range work {
		switch batch := w.batch(o.Batch); o.Kind {
		case jobs.WorkSubmit:
			if batch.State != jobs.BatchOpen || batch.Counts.Of(jobs.Queued) == 0 {
				w.t.Fatalf("work %+v for %+v", o, batch)
			}
		case jobs.WorkSummarize:
			wantSame(w.book, "revision owed", o.Revision, batch.Revision)
			w.saved(o.Batch, o.Revision, "summary", true)
		}
	}
}

func (w *walker) extending() {
	id, _ := pick(w, w.ids)
	w.must(w.ExtendDeadlines(w.ctx(), []jobs.ID{id}, w.now.Add(time.Hour)), "extend deadlines")
}
