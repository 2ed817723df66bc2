package storetest

import (
	"time"

	"shotline/jobs"
)

// secondEnds are the ways in which a second attempt ends, from queued on.
var secondEnds = map[string]struct {
	end   func(b *book, id jobs.ID)
	alone jobs.State // how it ends the job
	with  jobs.State // how, when the first attempt brings a picture before or after
}{
	"done":   {func(b *book, id jobs.ID) { b.again(id); b.result(id, 2, jobs.OutcomeDone) }, jobs.Done, jobs.Done},
	"failed": {func(b *book, id jobs.ID) { b.again(id); b.result(id, 2, jobs.OutcomeFailed) }, jobs.Failed, jobs.Done},
	"timed out": {func(b *book, id jobs.ID) {
		b.again(id)
		late := timeOut(id)
		late.Attempt = 2
		b.shut(late)
	}, jobs.TimedOut, jobs.Done},
	"late failed": {func(b *book, id jobs.ID) {
		b.again(id)
		late := timeOut(id)
		late.Attempt = 2
		b.shut(late)
		b.result(id, 2, jobs.OutcomeFailed)
	}, jobs.Failed, jobs.Done},
	"refused": {func(b *book, id jobs.ID) {
		b.sent(id.Batch, 1)
		no := refuse(id)
		no.Attempt = 2
		b.shut(no)
	}, jobs.Failed, jobs.Done},
	"refused after a doubt": {func(b *book, id jobs.ID) {
		b.doubted(id.Batch, 1)
		b.later(time.Minute)
		b.resend(b.claimDoubts(b.now, 10), b.now, 1)
		b.sent(id.Batch, 1)
		no := refuse(id)
		no.Attempt = 2
		b.shut(no)
	}, jobs.Failed, jobs.Done},
	"failed in the create": {func(b *book, id jobs.ID) {
		b.sent(id.Batch, 1)
		b.observe(jobs.ByCreate, seenIn(id, 2, jobs.OutcomeFailed))
	}, jobs.Failed, jobs.Done},
	"canceled queued":  {func(b *book, id jobs.ID) { b.cancel(id) }, jobs.Canceled, jobs.Canceled},
	"canceled pending": {func(b *book, id jobs.ID) { b.again(id); b.cancel(id) }, jobs.Canceled, jobs.Canceled},
	"canceled in doubt": {func(b *book, id jobs.ID) {
		b.doubted(id.Batch, 1)
		b.cancel(id)
		b.later(time.Minute)
		b.resend(b.claimDoubts(b.now, 10), b.now, 0)
	}, jobs.Canceled, jobs.Canceled},
}

func secondEndTests() []test {
	var tests []test
	for name, second := range secondEnds {
		prepare := func(b *book) jobs.ID {
			b.open("b1", pages(1)...)
			id := timedOut(b, "b1")
			b.retried(id)
			return id
		}
		tests = append(tests,
			test{"a second attempt " + name + ", the first failed before", func(b *book) {
				id := prepare(b)
				b.wantClosed(b.result(id, 1, jobs.OutcomeFailed))
				second.end(b, id)
				b.wantState(id, second.alone)
			}},
			test{"a second attempt " + name + ", the first failed after", func(b *book) {
				id := prepare(b)
				second.end(b, id)
				b.wantClosed(b.result(id, 1, jobs.OutcomeFailed))
				b.wantState(id, second.alone)
			}},
			test{"a second attempt " + name + ", the first was done before", func(b *book) {
				id := prepare(b)
				b.wantClosed(b.result(id, 1, jobs.OutcomeDone))
				b.wantState(id, jobs.Queued)
				second.end(b, id)
				b.wantPicture(id, second.alone, second.with)
			}},
			test{"a second attempt " + name + ", the first was done after", func(b *book) {
				id := prepare(b)
				second.end(b, id)
				revision := b.batch("b1").Revision
				e := b.result(id, 1, jobs.OutcomeDone)
				b.wantPicture(id, second.alone, second.with)
				if second.alone != second.with {
					b.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook, Late: true})
					revision++
				}
				wantSame(b, "revision", b.batch("b1").Revision, revision)
			}})
	}
	return tests
}

// wantPicture asserts how a job ended whose first attempt was done.
func (b *book) wantPicture(id jobs.ID, alone, with jobs.State) {
	b.t.Helper()
	j := b.wantState(id, with)
	wantSame(b, "attempt", j.Attempt, 2)
	wantSame(b, "late", j.Late, alone != with)
	if alone == with {
		return
	}
	wantSame(b, "screenshot", j.ScreenshotID, shot(id))
	wantSame(b, "image", j.ImageURL, imageURL)
	wantSame(b, "closed by", j.ClosedBy, jobs.ByWebhook)
	wantSame(b, "state of the batch", b.batch(id.Batch).State, jobs.BatchFinished)
}
