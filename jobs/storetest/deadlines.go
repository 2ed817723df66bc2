package storetest

import (
	"time"

	"shotline/jobs"
)

var deadlineTests = []test{
	{"without a pending job there is no deadline", func(b *book) {
		b.open("b1", pages(2)...)
		b.sent("b1", 1)
		next, err := b.NextDeadline(b.ctx())
		b.must(err, "next deadline")
		if !next.IsZero() {
			b.t.Fatalf("next deadline %v, want none", next)
		}
		b.wantOverdue(b.now.Add(24*time.Hour), 10)
	}},
	{"overdue jobs come earliest first", func(b *book) {
		b.open("b1", pages(2)...)
		b.open("b2", pages(2)...)
		start := b.now
		b.wantDeadline(b.pendingAt("b2", start), start.Add(jobTimeout))
		b.pendingAt("b1", start.Add(2*time.Second))
		b.pendingAt("b2", start.Add(4*time.Second))
		b.pendingAt("b1", start.Add(6*time.Second))
		b.wantNext(start.Add(jobTimeout))
		b.wantOverdue(start.Add(jobTimeout-time.Second), 10)
		b.wantOverdue(start.Add(jobTimeout+time.Second), 10, row("b2", 1))
		b.wantOverdue(start.Add(jobTimeout+5*time.Second), 10, row("b2", 1), row("b1", 1), row("b2", 2))
		b.wantOverdue(start.Add(24*time.Hour), 2, row("b2", 1), row("b1", 1))
		b.wantOverdueOf([]string{"b1"}, start.Add(24*time.Hour), 2, row("b1", 1), row("b1", 2))
		b.wantOverdueOf([]string{"b1"}, start.Add(jobTimeout+time.Second), 2)
		b.wantOverdueOf([]string{"b1", "b2"}, start.Add(24*time.Hour), 3, row("b2", 1), row("b1", 1), row("b2", 2))

		b.shut(timeOut(row("b2", 1)))
		b.webhook(row("b1", 1), jobs.OutcomeDone)
		b.wantNext(start.Add(jobTimeout + 4*time.Second))
		b.wantOverdue(start.Add(24*time.Hour), 10, row("b2", 2), row("b1", 2))
	}},
	{"pending jobs get more time, others are passed over", func(b *book) {
		b.open("b1", pages(4)...)
		ids := b.pending("b1", 3)
		b.shut(timeOut(ids[1]))
		closed := b.job(ids[1])
		until := b.now.Add(time.Hour)
		b.must(b.ExtendDeadlines(b.ctx(), []jobs.ID{ids[0], ids[1], row("b1", 4), row("nothere", 1)}, until), "extend deadlines")
		b.check()
		b.wantDeadline(ids[0], until)
		b.wantDeadline(ids[2], b.now.Add(jobTimeout))
		b.wantTime("deadline of the closed job", b.wantState(ids[1], jobs.TimedOut).Deadline, closed.Deadline)
		b.wantState(row("b1", 4), jobs.Queued)
		b.wantNext(b.now.Add(jobTimeout))
		b.wantOverdue(until.Add(-time.Second), 10, ids[2])
	}},
	{"pending jobs are counted and paged by age", func(b *book) {
		b.open("b1", pages(4)...)
		b.open("b2", pages(2)...)
		b.open("idle", pages(1)...)
		start := b.now
		b.pendingAt("b1", start)
		b.pendingAt("b1", start)
		b.pendingAt("b1", start.Add(10*time.Second))
		b.pendingAt("b2", start.Add(10*time.Second))
		pending, err := b.PendingBatches(b.ctx(), start.Add(5*time.Second))
		b.must(err, "pending batches")
		_, young := pending["b2"]
		_, idle := pending["idle"]
		if pending["b1"] != 2 || pending["b2"] != 0 || !young || idle {
			b.t.Fatalf("pending batches %v, want b1 with 2 and b2 with 0", pending)
		}
		page := func(before time.Time, after int64, limit int) []jobs.Job {
			list, err := b.Pending(b.ctx(), "b1", before, after, limit)
			b.must(err, "pending")
			return list
		}
		all := start.Add(time.Minute)
		b.wantRows("all", page(all, 0, 10), 1, 2, 3)
		b.wantRows("first page", page(all, 0, 2), 1, 2)
		b.wantRows("second page", page(all, 2, 2), 3)
		b.wantRows("old ones", page(start.Add(5*time.Second), 0, 10), 1, 2)
		b.webhook(row("b1", 2), jobs.OutcomeDone)
		b.wantRows("still pending", page(all, 0, 10), 1, 3)
	}},
}

// pendingAt makes the next job of a batch pending at a moment.
func (b *book) pendingAt(batch string, at time.Time) jobs.ID {
	b.t.Helper()
	b.now = at
	return b.pending(batch, 1)[0]
}

func (b *book) wantDeadline(id jobs.ID, want time.Time) {
	b.t.Helper()
	b.wantTime("deadline of "+id.String(), b.wantState(id, jobs.Pending).Deadline, want)
}

func (b *book) wantNext(want time.Time) {
	b.t.Helper()
	next, err := b.NextDeadline(b.ctx())
	b.must(err, "next deadline")
	b.wantTime("next deadline", next, want)
}

func (b *book) wantOverdue(at time.Time, limit int, want ...jobs.ID) {
	b.t.Helper()
	b.wantOverdueOf(nil, at, limit, want...)
}

func (b *book) wantOverdueOf(batches []string, at time.Time, limit int, want ...jobs.ID) {
	b.t.Helper()
	list, err := b.Overdue(b.ctx(), at, limit, batches...)
	b.must(err, "overdue")
	wantSame(b, "overdue jobs", len(list), len(want))
	for i, j := range list {
		wantSame(b, "overdue", j.ID, want[i])
	}
}
