package storetest

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"shotline/jobs"
)

var walkTests = []test{
	{"seed 1", func(b *book) { walk(b, 1) }},
	{"seed 2", func(b *book) { walk(b, 2) }},
	{"seed 3", func(b *book) { walk(b, 3) }},
}

// walkSteps returns how many steps a walk takes.
func walkSteps() int {
	if testing.Short() {
		return 100
	}
	return 500
}

// sending is a create that took effect: one attempt of a job.
type sending struct {
	job     jobs.ID
	attempt int
}

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
	sent    []sending
	known   map[jobs.ID]jobs.Job
	resent  map[sending]int
	said    jobs.Effects // of the step
	charges int
	clashes int
	begun   []jobs.Callback
	retries bool // the step asks to retry
}

func walk(b *book, seed uint64) {
	w := &walker{
		book: b, Rand: rand.New(rand.NewPCG(seed, 7)), stores: b.openers(),
		known: map[jobs.ID]jobs.Job{}, resent: map[sending]int{},
	}
	steps := []func(){
		w.importing, w.opening, w.leasing, w.leasing, w.intending, w.intending, w.intending, w.answering, w.answering, w.answering,
		w.requeueing, w.doubting, w.expiring, w.settling, w.delivering, w.delivering, w.delivering, w.applying, w.applying,
		w.closing, w.closing, w.polling, w.charging, w.pausing, w.working, w.extending, w.canceling, w.retrying, w.retrying, w.checking,
		w.telling, w.telling, w.calling, w.calling, w.replaying,
	}
	w.quiet = true
	w.openCursor(walkReader)
	w.importing()
	w.opening()
	for range walkSteps() {
		w.later(time.Duration(w.IntN(4000)) * time.Millisecond)
		w.Store = w.stores[w.IntN(2)]
		w.said, w.retries = jobs.Effects{}, false
		steps[w.IntN(len(steps))]()
		w.compare()
		w.compareOutbox()
	}
	w.drain()
	w.drainOutbox()
}

// compare asserts that no job went where it must not and that the step's
// effects told each end.
func (w *walker) compare() {
	w.t.Helper()
	told := map[jobs.ID]jobs.Closed{} // the last word of the step
	for _, c := range w.said.Closed {
		told[c.Job] = c
	}
	charges, clashes, retried := 0, 0, 0
	for _, r := range w.audit() {
		before, after := w.known[r.ID], r.Job
		w.known[r.ID] = after
		charges += after.DoubleCharged
		clashes += after.Conflicts
		closed, wasTold := told[r.ID]
		if slices.Contains(w.said.Retried, r.ID) {
			retried++
			w.compareRetried(before, after, wasTold)
			delete(told, r.ID)
			continue
		}
		if begun := before.Attempt == 0 && after.Attempt == 1; after.Attempt != before.Attempt && !begun {
			w.t.Fatalf("job %s went from attempt %d to %d", r.ID, before.Attempt, after.Attempt)
		}
		older := wasTold && closed.Late && closed.State == jobs.Done && closed.Attempt < after.Attempt
		corrected := wasTold && closed.Corrected
		if corrected && !after.Corrected {
			w.t.Fatalf("a step said %+v, the job is not corrected: %+v", closed, after)
		}
		if before.ScreenshotID != "" && after.ScreenshotID != before.ScreenshotID && !older && !corrected {
			w.t.Fatalf("job %s changed its screenshot from %s to %s", r.ID, before.ScreenshotID, after.ScreenshotID)
		}
		if before.State == after.State {
			if wasTold && !older && !corrected {
				w.t.Fatalf("a step said %+v, the job was so before", closed)
			}
			delete(told, r.ID)
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
			w.t.Fatalf("a step said %+v, the job says %+v", closed, want)
		}
		delete(told, r.ID)
	}
	if len(told) != 0 {
		w.t.Fatalf("a step told of ends that did not come: %v", told)
	}
	wantSame(w.book, "jobs queued again", retried, len(w.said.Retried))
	w.charges += len(w.said.DoubleCharged)
	w.clashes += w.said.Conflicts
	wantSame(w.book, "double charges on all jobs", charges, w.charges)
	wantSame(w.book, "conflicts on all jobs", clashes, w.clashes)
}

// compareRetried asserts that a job left its end, which may have come in the
// same step, as its next attempt.
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
		w.said = w.observe(jobs.ByPoll, w.vendorSays(sending{s.Job, s.Attempt}, jobs.OutcomeProcessing))
		w.compare()
	}
	w.said = w.apply().Effects
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
	work, err := w.ClaimWork(w.ctx(), w.now, w.now.Add(time.Hour), workLimit)
	w.must(err, "claim work")
	for _, batch := range w.batches {
		owed := slices.ContainsFunc(work, func(o jobs.Work) bool {
			return o.Batch == batch && o.Kind == jobs.WorkSummarize && o.Revision == w.batch(batch).Revision
		})
		got := w.batch(batch)
		wantSame(w.book, "summary owed for "+batch, owed, got.Summarized < got.Revision)
	}
}
