package simulation

import (
	"context"
	"slices"
	"time"

	"shotline/jobs"
	"shotline/orchestrator"
)

// staleAfter is when an import that was left half-way is removed at the latest.
const staleAfter = 16 * time.Minute

// summarizedIn is how long after its last job's end a batch has its summary: a
// listing may lag for the settle time, a lost task is replaced after ten seconds.
const summarizedIn = settle + 15*time.Second

// toldIn is how long after the last event everybody has been told of it, or was
// given up.
const toldIn = callbackRetry + 2*time.Minute

// mostTasks is how many tasks may follow each other without a pause.
const mostTasks = 500

// settle ends the storm: what was away comes back, one process at least is
// there, and everything has to come to its end in time.
func (w *world) settle() {
	if w.failed() {
		return
	}
	w.trace.add("the storm is over")
	w.calm = true
	w.wake(true)
	w.queue.setAway(false)
	w.diskFull.Store(false)
	w.vendor.away = false
	w.round(2 * requestTimeout) // refusals that are still on their way pause a batch
	for _, order := range w.clerk.batches {
		w.clerk.command("resume", order.id, resume)
	}
	w.round(0)
	end := time.Now().Add(settlesIn)
	for !w.failed() && !w.books.settled() {
		bound := end
		if w.books.openJob() == "" {
			bound = end.Add(summarizedIn)
		}
		if time.Now().After(bound) {
			w.fail("P8", "not settled %s after the faults have stopped: %s", settlesIn, w.books.owed())
			return
		}
		w.round(w.until(2*time.Second, bound.Add(time.Second)))
	}
	w.hear()
	// Half imports wait longer, and webhooks come hours late.
	w.runTo(time.Now().Add(staleAfter))
	for !w.failed() {
		next := w.courier.next()
		if next.IsZero() {
			break
		}
		if d := time.Until(next); d > 0 {
			time.Sleep(d)
		}
		w.runTo(time.Now().Add(15 * time.Second))
	}
	w.runTo(time.Now().Add(time.Minute))
	w.hear()
	if w.profile.hidden > 0 {
		w.audit()
	}
}

// audit has somebody reconcile once the vendor shows everything.
func (w *world) audit() {
	w.runTo(w.vendor.shown().Add(time.Second))
	w.clerk.command("reconcile", "all", func(ctx context.Context, p *process, _ string) error {
		_, err := p.Reconcile(ctx, orchestrator.ReconcileOptions{})
		return err
	})
	w.runTo(time.Now().Add(time.Minute))
	w.hear()
}

// hear goes on until everybody has been told, or was given up.
func (w *world) hear() {
	end := time.Now().Add(toldIn)
	for !w.failed() && w.books.untold() != "" {
		if time.Now().After(end) {
			w.fail("P5", "not told, or given up, %s after everything has settled: %s", toldIn, w.books.untold())
		}
		w.round(10 * time.Second)
	}
}

// runTo goes on in good order until a time.
func (w *world) runTo(end time.Time) {
	for !w.failed() && time.Now().Before(end) {
		if w.books.settled() && w.courier.next().After(end) || w.courier.next().IsZero() {
			w.round(w.until(20*time.Second, end))
			continue
		}
		w.round(w.until(2*time.Second, end))
	}
}

// until is how long the next round may last: to the next thing that is due.
func (w *world) until(most time.Duration, end time.Time) time.Duration {
	next := time.Now().Add(most)
	if post := w.courier.next(); !post.IsZero() && post.Before(next) {
		next = post
	}
	if end.Before(next) {
		next = end
	}
	return max(time.Until(next), 100*time.Millisecond)
}

// round does all that is due, as the loops of a healthy process would, and
// lets d go by.
func (w *world) round(d time.Duration) {
	if len(w.serving()) == 0 {
		w.launch("serve")
	}
	w.finishSteps()
	for _, p := range w.courier.due() {
		w.post(p, w.serving())
		w.finishSteps()
	}
	for _, p := range w.serving() {
		p.closeInbox()
		w.finishSteps()
		w.sweepBy(p)
		w.finishSteps()
		p.watch()
		w.finishSteps()
		if w.books.untold() != "" {
			p.tell()
			w.finishSteps()
		}
		if time.Since(p.lastPoll) > 15*time.Second {
			p.poll()
			w.finishSteps()
		}
	}
	for n, tasks := 0, w.queue.ready(); len(tasks) > 0 && !w.failed(); n, tasks = n+1, w.queue.ready() {
		if n == mostTasks {
			w.fail("P8", "%d tasks ran at once, and there are more: %s", n, tasks[0].id)
		}
		w.queue.run(tasks[0], oneOf(w.dice, w.serving()))
		w.finishSteps()
	}
	time.Sleep(d)
	w.look()
}

// finishSteps lets everybody go on until nobody waits at a seam.
func (w *world) finishSteps() {
	for !w.failed() {
		waiting := w.stops.waiting()
		if len(waiting) == 0 {
			w.look()
			return
		}
		w.release(oldest(waiting))
		w.look()
	}
}

// settled reports whether nothing is owed any more.
func (b *books) settled() bool { return b.owed() == "" }

// owed names something that is not done yet: a job that is open, a batch
// without its summary, a half import aside.
func (b *books) owed() string {
	if open := b.openJob(); open != "" {
		return open
	}
	return b.text(`SELECT coalesce((SELECT 'batch ' || id || ' is ' || state || ', summary ' || summarized || ' of ' || revision FROM batches
		WHERE state <> 'importing' AND (state <> 'finished' OR summarized < revision) LIMIT 1), '')`)
}

func (b *books) openJob() string {
	for _, j := range b.jobs {
		if slices.Contains([]jobs.State{jobs.Queued, jobs.Submitting, jobs.Pending}, j.state) && b.imported(j.batch) {
			return "job " + j.name() + " is " + string(j.state)
		}
	}
	return ""
}
