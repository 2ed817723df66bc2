package storetest

import (
	"time"

	"shotline/jobs"
)

var deadlineTests = []test{
	{"without a pending job there is no deadline", func(f *fixture) {
		f.open("b1", pages(2)...)
		f.leaseAndIntend("b1", 1)
		next, err := f.NextDeadline(f.ctx())
		f.must(err, "next deadline")
		if !next.IsZero() {
			f.t.Fatalf("next deadline %v, want none", next)
		}
		f.wantOverdue(f.now.Add(24*time.Hour), 10)
	}},
	{"overdue jobs are listed earliest first", func(f *fixture) {
		f.open("b1", pages(2)...)
		f.open("b2", pages(2)...)
		start := f.now
		f.wantDeadline(f.pendingAt("b2", start), start.Add(jobTimeout))
		f.pendingAt("b1", start.Add(2*time.Second))
		f.pendingAt("b2", start.Add(4*time.Second))
		f.pendingAt("b1", start.Add(6*time.Second))
		f.wantNext(start.Add(jobTimeout))
		f.wantOverdue(start.Add(jobTimeout-time.Second), 10)
		f.wantOverdue(start.Add(jobTimeout+time.Second), 10, row("b2", 1))
		f.wantOverdue(start.Add(jobTimeout+5*time.Second), 10, row("b2", 1), row("b1", 1), row("b2", 2))
		f.wantOverdue(start.Add(24*time.Hour), 2, row("b2", 1), row("b1", 1))
		f.wantOverdueOf([]string{"b1"}, start.Add(24*time.Hour), 2, row("b1", 1), row("b1", 2))
		f.wantOverdueOf([]string{"b1"}, start.Add(jobTimeout+time.Second), 2)
		f.wantOverdueOf([]string{"b1", "b2"}, start.Add(24*time.Hour), 3, row("b2", 1), row("b1", 1), row("b2", 2))

		f.closeJobs(timeOut(row("b2", 1)))
		f.webhook(row("b1", 1), jobs.OutcomeDone)
		f.wantNext(start.Add(jobTimeout + 4*time.Second))
		f.wantOverdue(start.Add(24*time.Hour), 10, row("b2", 2), row("b1", 2))
	}},
	{"pending jobs get more time, others are skipped", func(f *fixture) {
		f.open("b1", pages(4)...)
		ids := f.pending("b1", 3)
		f.closeJobs(timeOut(ids[1]))
		closed := f.job(ids[1])
		until := f.now.Add(time.Hour)
		f.must(f.ExtendDeadlines(f.ctx(), []jobs.ID{ids[0], ids[1], row("b1", 4), row("nothere", 1)}, until), "extend deadlines")
		f.check()
		f.wantDeadline(ids[0], until)
		f.wantDeadline(ids[2], f.now.Add(jobTimeout))
		f.wantTime("deadline of the closed job", f.wantState(ids[1], jobs.TimedOut).Deadline, closed.Deadline)
		f.wantState(row("b1", 4), jobs.Queued)
		f.wantNext(f.now.Add(jobTimeout))
		f.wantOverdue(until.Add(-time.Second), 10, ids[2])
	}},
	{"pending jobs are counted and paged by age", func(f *fixture) {
		f.open("b1", pages(4)...)
		f.open("b2", pages(2)...)
		f.open("idle", pages(1)...)
		start := f.now
		f.pendingAt("b1", start)
		f.pendingAt("b1", start)
		f.pendingAt("b1", start.Add(10*time.Second))
		f.pendingAt("b2", start.Add(10*time.Second))
		pending, err := f.PendingBatches(f.ctx(), start.Add(5*time.Second))
		f.must(err, "pending batches")
		_, young := pending["b2"]
		_, idle := pending["idle"]
		if pending["b1"] != 2 || pending["b2"] != 0 || !young || idle {
			f.t.Fatalf("pending batches %v, want b1 with 2 and b2 with 0", pending)
		}
		page := func(before time.Time, after int64, limit int) []jobs.Job {
			list, err := f.Pending(f.ctx(), "b1", before, after, limit)
			f.must(err, "pending")
			return list
		}
		all := start.Add(time.Minute)
		f.wantRows("all", page(all, 0, 10), 1, 2, 3)
		f.wantRows("first page", page(all, 0, 2), 1, 2)
		f.wantRows("second page", page(all, 2, 2), 3)
		f.wantRows("old ones", page(start.Add(5*time.Second), 0, 10), 1, 2)
		f.webhook(row("b1", 2), jobs.OutcomeDone)
		f.wantRows("still pending", page(all, 0, 10), 1, 3)
	}},
}

// pendingAt makes the next job of a batch pending at the given time.
func (f *fixture) pendingAt(batch string, at time.Time) jobs.ID {
	f.t.Helper()
	f.now = at
	return f.pending(batch, 1)[0]
}

func (f *fixture) wantDeadline(id jobs.ID, want time.Time) {
	f.t.Helper()
	f.wantTime("deadline of "+id.String(), f.wantState(id, jobs.Pending).Deadline, want)
}

func (f *fixture) wantNext(want time.Time) {
	f.t.Helper()
	next, err := f.NextDeadline(f.ctx())
	f.must(err, "next deadline")
	f.wantTime("next deadline", next, want)
}

func (f *fixture) wantOverdue(at time.Time, limit int, want ...jobs.ID) {
	f.t.Helper()
	f.wantOverdueOf(nil, at, limit, want...)
}

func (f *fixture) wantOverdueOf(batches []string, at time.Time, limit int, want ...jobs.ID) {
	f.t.Helper()
	list, err := f.Overdue(f.ctx(), at, limit, batches...)
	f.must(err, "overdue")
	wantSame(f, "overdue jobs", len(list), len(want))
	for i, j := range list {
		wantSame(f, "overdue", j.ID, want[i])
	}
}
