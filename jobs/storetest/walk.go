package storetest

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"shotline/jobs"
)

var walkTests = []test{
	{"seed 1", func(f *fixture) { walk(f, 1) }},
	{"seed 2", func(f *fixture) { walk(f, 2) }},
	{"seed 3", func(f *fixture) { walk(f, 3) }},
	{"seed 4", func(f *fixture) { walk(f, 4) }},
}

// walkSteps returns the number of steps of a walk.
func walkSteps() int {
	if testing.Short() {
		return 100
	}
	return 300
}

// sentCreate is a create that took effect: one attempt of a job.
type sentCreate struct {
	job     jobs.ID
	attempt int
}

// walker takes random steps over all operations, through two stores. It compares
// the effects that each step returned with the changes of the rows.
type walker struct {
	*fixture
	*rand.Rand
	stores    [2]jobs.Store
	batches   []string
	leases    []jobs.Lease
	ids       []jobs.ID // every row
	shots     []string  // screenshots that the vendor has made
	sent      []sentCreate
	known     map[jobs.ID]jobs.Job
	resent    map[sentCreate]int
	effects   jobs.Effects // of the step
	charges   int
	conflicts int
	begun     []jobs.Callback
	retries   bool // the step is a retry
}

func walk(f *fixture, seed uint64) {
	w := &walker{
		fixture: f, Rand: rand.New(rand.NewPCG(seed, 7)), stores: f.twoStores(),
		known: map[jobs.ID]jobs.Job{}, resent: map[sentCreate]int{},
	}
	steps := []func(){
		w.importBatch, w.openBatch, w.leaseJobs, w.leaseJobs, w.openIntents, w.openIntents, w.openIntents, w.answerCreate, w.answerCreate, w.answerCreate,
		w.requeueLease, w.doubtLease, w.expireLeases, w.resendDoubts, w.deliverResult, w.deliverResult, w.deliverResult, w.applyInbox, w.applyInbox,
		w.closeSome, w.closeSome, w.pollJobs, w.pollExtra, w.pauseOrResume, w.claimWork, w.extendDeadlines, w.cancelSome, w.retrySome, w.retrySome, w.amendSome, w.checkConflicts,
		w.addNewCallbacks, w.addNewCallbacks, w.deliverCallbacks, w.deliverCallbacks, w.replayCallback,
	}
	w.uncheckedSteps = true
	w.openCursor(walkCursor)
	w.importBatch()
	w.openBatch()
	for range walkSteps() {
		w.later(time.Duration(w.IntN(4000)) * time.Millisecond)
		w.Store = w.stores[w.IntN(2)]
		w.effects, w.retries = jobs.Effects{}, false
		steps[w.IntN(len(steps))]()
		w.compare()
		w.compareOutbox()
	}
	w.drain()
	w.drainOutbox()
}

// compare asserts that each job made a valid transition, and that the effects of
// the step contain each closure.
func (w *walker) compare() {
	w.t.Helper()
	closedNow := map[jobs.ID]jobs.Closed{} // the last closure in the step
	for _, c := range w.effects.Closed {
		closedNow[c.Job] = c
	}
	charges, conflicts, retried := 0, 0, 0
	for _, r := range w.audit() {
		before, after := w.known[r.ID], r.Job
		w.known[r.ID] = after
		charges += after.DoubleCharged
		conflicts += after.Conflicts
		closed, wasClosed := closedNow[r.ID]
		if slices.Contains(w.effects.Retried, r.ID) {
			retried++
			w.compareRetried(before, after, wasClosed)
			delete(closedNow, r.ID)
			continue
		}
		if slices.Contains(w.effects.Amended, r.ID) || slices.Contains(w.effects.Separated, r.ID) {
			w.compareAmended(before, after, wasClosed)
			delete(closedNow, r.ID)
			continue
		}
		if begun := before.Attempt == 0 && after.Attempt == 1; after.Attempt != before.Attempt && !begun {
			w.t.Fatalf("job %s went from attempt %d to %d", r.ID, before.Attempt, after.Attempt)
		}
		older := wasClosed && closed.Late && closed.State == jobs.Done && closed.Attempt < after.Attempt
		corrected := wasClosed && closed.Corrected
		if corrected && !after.Corrected {
			w.t.Fatalf("the step returned %+v, but the job is not corrected: %+v", closed, after)
		}
		if before.ScreenshotID != "" && after.ScreenshotID != before.ScreenshotID && !older && !corrected {
			w.t.Fatalf("job %s changed its screenshot from %s to %s", r.ID, before.ScreenshotID, after.ScreenshotID)
		}
		if before.State == after.State {
			if wasClosed && !older && !corrected {
				w.t.Fatalf("the step returned %+v, but the job had this state before", closed)
			}
			delete(closedNow, r.ID)
			continue
		}
		late := after.Late && (before.State == jobs.TimedOut || before.State == jobs.Failed && (older || before.ClosedBy == jobs.BySubmit) || before.State == jobs.Canceled && w.retries)
		if before.State != "" && !before.State.Open() && !late && !corrected {
			w.t.Fatalf("job %s went from %s to %s", r.ID, before.State, after.State)
		}
		if before.State == jobs.Pending && after.State.Open() {
			w.t.Fatalf("job %s went from pending back to %s", r.ID, after.State)
		}
		if after.ClosedAt.IsZero() {
			continue
		}
		want := jobs.Closed{Job: r.ID, Attempt: after.Attempt, State: after.State, By: after.ClosedBy, Late: after.Late, Corrected: corrected}
		if older {
			want.Attempt = closed.Attempt
		}
		if closed != want {
			w.t.Fatalf("the step returned %+v, want %+v", closed, want)
		}
		delete(closedNow, r.ID)
	}
	if len(closedNow) != 0 {
		w.t.Fatalf("the step returned closures that did not happen: %v", closedNow)
	}
	wantSame(w.fixture, "retried jobs", retried, len(w.effects.Retried))
	w.charges += len(w.effects.DoubleCharged)
	w.conflicts += w.effects.Conflicts
	wantSame(w.fixture, "double charges on all jobs", charges, w.charges)
	wantSame(w.fixture, "conflicts on all jobs", conflicts, w.conflicts)
}

// compareRetried asserts that a job left a final state for its next attempt. It
// might have reached that final state in the same step.
func (w *walker) compareRetried(before, after jobs.Job, closed bool) {
	w.t.Helper()
	if ended := slices.Contains(jobs.Retriable, before.State); !ended && !closed {
		w.t.Fatalf("job %s was retried from %s", after.ID, before.State)
	}
	if waits := before.State == jobs.Canceled && after.State == jobs.Pending; waits && after.Attempt == before.Attempt && after.ScreenshotID == before.ScreenshotID {
		return
	}
	if after.State != jobs.Queued || after.Attempt != before.Attempt+1 {
		w.t.Fatalf("job %s was retried from attempt %d and is %s in attempt %d", after.ID, before.Attempt, after.State, after.Attempt)
	}
}

// compareAmended asserts that a row left its end for another request.
func (w *walker) compareAmended(before, after jobs.Job, closed bool) {
	w.t.Helper()
	amended := after.State == jobs.Queued || after.State == jobs.Duplicate || after.State == jobs.Rejected
	if before.State.Open() && !closed || !amended || after.ScreenshotID != "" || after.Attempt < before.Attempt || after.Attempt > before.Attempt+2 {
		w.t.Fatalf("job %s was amended from %s in attempt %d and is %s in attempt %d with the screenshot %q",
			after.ID, before.State, before.Attempt, after.State, after.Attempt, after.ScreenshotID)
	}
	if after.State == jobs.Queued && after.Attempt == before.Attempt {
		w.t.Fatalf("job %s is queued again in attempt %d", after.ID, after.Attempt)
	}
}

// drain ends all jobs and asserts that no work is left.
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
		w.effects = w.observe(jobs.ByPoll, w.observation(sentCreate{s.Job, s.Attempt}, jobs.OutcomeProcessing))
		w.compare()
	}
	w.effects = w.apply().Effects
	w.compare()
	overdue, err := w.Overdue(w.ctx(), w.now.Add(24*time.Hour), 10000)
	w.must(err, "overdue")
	var closings []jobs.Closing
	for _, j := range overdue {
		c := timeOut(j.ID)
		c.Attempt = j.Attempt
		closings = append(closings, c)
	}
	for _, id := range w.ids {
		c := cancel(id)
		c.From = []jobs.State{jobs.Queued}
		closings = append(closings, c)
	}
	w.effects = w.closeJobs(closings...)
	w.compare()
	for _, batch := range w.batches {
		wantSame(w.fixture, "state of "+batch, w.batch(batch).State, jobs.BatchFinished)
	}
	w.apply()
	for _, d := range w.inbox() {
		if d.Disposition == jobs.DispositionHeld {
			w.t.Fatalf("delivery %d of %s is held although no submission can own it", d.Seq, d.ScreenshotID)
		}
	}
	w.later(24 * time.Hour)
	work, err := w.ClaimWork(w.ctx(), w.now, w.now.Add(time.Hour), workLimit)
	w.must(err, "claim work")
	for _, batch := range w.batches {
		due := slices.ContainsFunc(work, func(o jobs.Work) bool {
			return o.Batch == batch && o.Kind == jobs.WorkSummarize && o.Revision == w.batch(batch).Revision
		})
		got := w.batch(batch)
		wantSame(w.fixture, "summary to make for "+batch, due, got.Summarized < got.Revision)
	}
}
