package simulation

import (
	"context"
	"slices"
	"time"

	"shotline/jobs"
	"shotline/orchestrator"
)

// staleAfter is the time within which an abandoned import is removed.
const staleAfter = 16 * time.Minute

// summarizedIn is the time from the end of a batch's last job to its summary. A
// listing may lag by the settle time, and a lost task is replaced after ten
// seconds.
const summarizedIn = settle + 15*time.Second

// callbacksEndIn is the time from the last event until every callback is
// delivered or dead.
const callbacksEndIn = callbackRetry + 2*time.Minute

// maxTasks is the number of tasks that may run one after the other without a
// pause.
const maxTasks = 500

// runToEnd ends the faults: whatever was unavailable comes back, and at least one
// process serves. It checks that all work ends in time.
func (w *world) runToEnd() {
	if w.failed() {
		return
	}
	w.trace.add("the storm is over")
	w.faultFree = true
	w.endStalls(true)
	w.queue.setAway(false)
	w.diskFull.Store(false)
	w.folders.setAway(false)
	w.vendor.away = false
	w.round(2 * requestTimeout) // A refusal whose response is still under way can pause a batch.
	w.budgets.remove()
	for _, order := range w.operator.batches {
		w.operator.command("resume", order.id, resume)
	}
	if w.profile.files {
		w.operator.orderFiles("")
	}
	w.round(0)
	end := time.Now().Add(endsIn)
	flushes := w.random.chance(0.3)
	for !w.failed() && !w.checker.isSettled() {
		if flushes && w.checker.isSubmitted() {
			flushes = false
			w.trace.add("the queue is flushed") // the tasks of the last deadlines are lost
			w.queue.flush()
		}
		bound := end
		if w.checker.openJob() == "" {
			bound = end.Add(summarizedIn)
		}
		if time.Now().After(bound) {
			w.fail("P8", "not settled %s after the last fault: %s", endsIn, w.checker.unfinished())
			return
		}
		w.round(w.nextWait(2*time.Second, bound.Add(time.Second)))
	}
	w.awaitCallbacks()
	// Partial imports are removed later, and some webhooks arrive after hours.
	w.runTo(time.Now().Add(staleAfter))
	for !w.failed() {
		next := w.webhooks.next()
		if next.IsZero() {
			break
		}
		if d := time.Until(next); d > 0 {
			time.Sleep(d)
		}
		w.runTo(time.Now().Add(15 * time.Second))
	}
	w.runTo(time.Now().Add(time.Minute))
	w.awaitCallbacks()
	if w.profile.hidden > 0 {
		w.reconcileAll()
	}
	w.awaitFiles()
	if !w.failed() && w.budgets.random.chance(0.2) {
		w.amendToDuplicates()
		w.awaitFiles()
	}
	if w.profile.files && w.random.chance(0.3) {
		w.amendSaved()
	}
}

// reconcileAll gives a reconcile command once the vendor's listings show
// everything.
func (w *world) reconcileAll() {
	w.runTo(w.vendor.allVisibleAt().Add(time.Second))
	w.operator.command("reconcile", "all", func(ctx context.Context, p *process, _ string) error {
		_, err := p.Reconcile(ctx, orchestrator.ReconcileOptions{})
		return err
	})
	w.runTo(time.Now().Add(time.Minute))
	w.awaitCallbacks()
}

// awaitCallbacks runs until every callback is delivered or dead.
func (w *world) awaitCallbacks() {
	end := time.Now().Add(callbacksEndIn)
	for !w.failed() && w.checker.undelivered() != "" {
		if time.Now().After(end) {
			w.fail("P5", "callbacks neither delivered nor dead %s after all work has ended: %s", callbacksEndIn, w.checker.undelivered())
		}
		w.round(10 * time.Second)
	}
}

// runTo runs rounds without faults until end.
func (w *world) runTo(end time.Time) {
	for !w.failed() && time.Now().Before(end) {
		if w.checker.isSettled() && w.webhooks.next().After(end) || w.webhooks.next().IsZero() {
			w.round(w.nextWait(20*time.Second, end))
			continue
		}
		w.round(w.nextWait(2*time.Second, end))
	}
}

// nextWait returns how long the next round may last: until the next webhook is
// due, and at most the given duration.
func (w *world) nextWait(most time.Duration, end time.Time) time.Duration {
	next := time.Now().Add(most)
	if hook := w.webhooks.next(); !hook.IsZero() && hook.Before(next) {
		next = hook
	}
	if end.Before(next) {
		next = end
	}
	return max(time.Until(next), 100*time.Millisecond)
}

// round does all work that is due, as the loops of a healthy process would, and
// then sleeps for d.
func (w *world) round(d time.Duration) {
	if len(w.serving()) == 0 {
		w.launch("serve")
	}
	w.finishSteps()
	for _, p := range w.webhooks.due() {
		w.sendWebhook(p, w.serving())
		w.finishSteps()
	}
	for _, p := range w.serving() {
		p.closeInbox()
		w.finishSteps()
		w.sweepWhenDue(p)
		w.finishSteps()
		p.watch()
		w.finishSteps()
		if w.profile.files && !w.folders.idle {
			p.watchFiles()
			w.finishSteps()
		}
		if w.checker.undelivered() != "" {
			p.watchEvents()
			w.finishSteps()
		}
		if !w.profile.unpolled && time.Since(p.lastPoll) > 15*time.Second {
			p.poll()
			w.finishSteps()
		}
	}
	for n, tasks := 0, w.queue.ready(); len(tasks) > 0 && !w.failed(); n, tasks = n+1, w.queue.ready() {
		if n == maxTasks {
			w.fail("P8", "%d tasks ran without a pause, and there are more: %s", n, tasks[0].id)
		}
		w.queue.run(tasks[0], oneOf(w.random, w.serving()))
		w.finishSteps()
	}
	time.Sleep(d)
	w.checkState()
}

// finishSteps releases goroutines until none waits at a stop point.
func (w *world) finishSteps() {
	for !w.failed() {
		waiting := w.stops.waiting()
		if len(waiting) == 0 {
			w.checkState()
			return
		}
		w.release(oldest(waiting))
		w.checkState()
	}
}

// isSubmitted reports whether all jobs that are open wait for their results.
func (c *checker) isSubmitted() bool {
	for _, j := range c.jobs {
		if j.state == jobs.Queued || j.state == jobs.Submitting {
			return false
		}
	}
	return true
}

// isSettled reports whether all work has ended.
func (c *checker) isSettled() bool { return c.unfinished() == "" }

// unfinished names work that has not ended: an open job, or a batch without its
// summary. It ignores partial imports.
func (c *checker) unfinished() string {
	if open := c.openJob(); open != "" {
		return open
	}
	return c.text(`SELECT coalesce((SELECT 'batch ' || id || ' is ' || state || ', summary ' || summarized || ' of ' || revision FROM batches
		WHERE state <> 'importing' AND (state <> 'finished' OR summarized < revision) LIMIT 1), '')`)
}

func (c *checker) openJob() string {
	for _, j := range c.jobs {
		if slices.Contains([]jobs.State{jobs.Queued, jobs.Submitting, jobs.Pending}, j.state) && c.imported(j.batch) {
			return "job " + j.name() + " is " + string(j.state)
		}
	}
	return ""
}
