package storetest

import (
	"time"

	"shotline/jobs"
)

// secondEnds are the ways in which a second attempt can end. It begins queued.
var secondEnds = map[string]struct {
	end   func(f *fixture, id jobs.ID)
	alone jobs.State // the job's state if the first attempt has no image
	with  jobs.State // the job's state if the first attempt has an image, before or after that
}{
	"done":   {func(f *fixture, id jobs.ID) { f.pendingRetry(id); f.result(id, 2, jobs.OutcomeDone) }, jobs.Done, jobs.Done},
	"failed": {func(f *fixture, id jobs.ID) { f.pendingRetry(id); f.result(id, 2, jobs.OutcomeFailed) }, jobs.Failed, jobs.Done},
	"timed out": {func(f *fixture, id jobs.ID) {
		f.pendingRetry(id)
		late := timeOut(id)
		late.Attempt = 2
		f.closeJobs(late)
	}, jobs.TimedOut, jobs.Done},
	"late failed": {func(f *fixture, id jobs.ID) {
		f.pendingRetry(id)
		late := timeOut(id)
		late.Attempt = 2
		f.closeJobs(late)
		f.result(id, 2, jobs.OutcomeFailed)
	}, jobs.Failed, jobs.Done},
	"refused": {func(f *fixture, id jobs.ID) {
		f.leaseAndIntend(id.Batch, 1)
		no := refuse(id)
		no.Attempt = 2
		f.closeJobs(no)
	}, jobs.Failed, jobs.Done},
	"refused after a doubt": {func(f *fixture, id jobs.ID) {
		f.leaseAndDoubt(id.Batch, 1)
		f.later(time.Minute)
		f.resend(f.claimDoubts(f.now, 10), f.now, 1)
		f.leaseAndIntend(id.Batch, 1)
		no := refuse(id)
		no.Attempt = 2
		f.closeJobs(no)
	}, jobs.Failed, jobs.Done},
	"failed in the create": {func(f *fixture, id jobs.ID) {
		f.leaseAndIntend(id.Batch, 1)
		f.observe(jobs.ByCreate, seenIn(id, 2, jobs.OutcomeFailed))
	}, jobs.Failed, jobs.Done},
	"canceled queued":  {func(f *fixture, id jobs.ID) { f.cancel(id) }, jobs.Canceled, jobs.Canceled},
	"canceled pending": {func(f *fixture, id jobs.ID) { f.pendingRetry(id); f.cancel(id) }, jobs.Canceled, jobs.Canceled},
	"canceled in doubt": {func(f *fixture, id jobs.ID) {
		f.leaseAndDoubt(id.Batch, 1)
		f.cancel(id)
		f.later(time.Minute)
		f.resend(f.claimDoubts(f.now, 10), f.now, 0)
	}, jobs.Canceled, jobs.Canceled},
}

func secondEndTests() []test {
	var tests []test
	for name, second := range secondEnds {
		prepare := func(f *fixture) jobs.ID {
			f.open("b1", pages(1)...)
			id := timedOut(f, "b1")
			f.retryJobs(id)
			return id
		}
		tests = append(tests,
			test{"a second attempt " + name + ", the first failed before", func(f *fixture) {
				id := prepare(f)
				f.wantClosed(f.result(id, 1, jobs.OutcomeFailed))
				second.end(f, id)
				f.wantState(id, second.alone)
			}},
			test{"a second attempt " + name + ", the first failed after", func(f *fixture) {
				id := prepare(f)
				second.end(f, id)
				f.wantClosed(f.result(id, 1, jobs.OutcomeFailed))
				f.wantState(id, second.alone)
			}},
			test{"a second attempt " + name + ", the first was done before", func(f *fixture) {
				id := prepare(f)
				f.wantClosed(f.result(id, 1, jobs.OutcomeDone))
				f.wantState(id, jobs.Queued)
				second.end(f, id)
				f.wantOldImage(id, second.alone, second.with)
			}},
			test{"a second attempt " + name + ", the first was done after", func(f *fixture) {
				id := prepare(f)
				second.end(f, id)
				revision := f.batch("b1").Revision
				e := f.result(id, 1, jobs.OutcomeDone)
				f.wantOldImage(id, second.alone, second.with)
				if second.alone != second.with {
					f.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook, Late: true})
					revision++
				}
				wantSame(f, "revision", f.batch("b1").Revision, revision)
			}})
	}
	return tests
}

// wantOldImage asserts the end of a job whose first attempt was done.
func (f *fixture) wantOldImage(id jobs.ID, alone, with jobs.State) {
	f.t.Helper()
	j := f.wantState(id, with)
	wantSame(f, "attempt", j.Attempt, 2)
	wantSame(f, "late", j.Late, alone != with)
	if alone == with {
		return
	}
	wantSame(f, "screenshot", j.ScreenshotID, shot(id))
	wantSame(f, "image", j.ImageURL, imageURL)
	wantSame(f, "closed by", j.ClosedBy, jobs.ByWebhook)
	wantSame(f, "state of the batch", f.batch(id.Batch).State, jobs.BatchFinished)
}
