package storetest

import (
	"time"

	"shotline/jobs"
)

var ledgerTests = []test{
	{"leases come in row order with attempt 1", func(b *book) {
		b.open("b1", pages(5)...)
		until := b.now.Add(leaseTime)
		for i, l := range append(b.lease("b1", 2), b.lease("b1", 3)...) {
			wantSame(b, "leased job", l.Job.ID, row("b1", int64(i+1)))
			wantSame(b, "lease's attempt", l.Attempt, 1)
			wantSame(b, "job's attempt", l.Job.Attempt, 1)
			wantSame(b, "job's state", l.Job.State, jobs.Submitting)
			wantSame(b, "URL", l.Job.URL, pages(5)[i].URL)
			wantSame(b, "owner", l.Owner, "w1")
			b.wantTime("until", l.Expiry, until)
		}
		wantSame(b, "attempt kept", b.wantState(row("b1", 3), jobs.Submitting).Attempt, 1)
		b.noLease("b1", b.now)
		wantSame(b, "calls of leases", b.batch("b1").Counts.APICalls, 0)
	}},
	{"only open batches lease", func(b *book) {
		b.importing("importing", pages(1)...)
		b.noLease("importing", b.now)
		b.open("paused", pages(1)...)
		b.must(b.Pause(b.ctx(), "paused", "", b.now), "pause")
		b.noLease("paused", b.now)
		b.must(b.Resume(b.ctx(), "paused", b.now), "resume")
		b.lease("paused", 1)
	}},
	{"an intent counts a call and extends the lease", func(b *book) {
		b.open("b1", pages(2)...)
		l := b.lease("b1", 1)[0]
		b.later(10 * time.Second)
		until := b.now.Add(leaseTime)
		extended, err := b.OpenIntent(b.ctx(), l, b.now, until)
		b.must(err, "open intent")
		b.check()
		wantSame(b, "owner", extended.Owner, l.Owner)
		wantSame(b, "attempt", extended.Attempt, 1)
		wantSame(b, "job", extended.Job.ID, l.Job.ID)
		b.wantTime("until", extended.Expiry, until)
		wantSame(b, "sends", extended.Sends, 1)
		wantSame(b, "calls", b.batch("b1").Counts.APICalls, 1)
		b.wantState(l.Job.ID, jobs.Submitting)

		b.later(leaseTime - time.Second)
		b.expire(100, 0, 0)
		b.later(time.Second)
		b.expire(100, 0, 1)
	}},
	{"an intent needs a lease that holds", func(b *book) {
		b.open("b1", pages(8)...)
		leases := b.lease("b1", 8)
		refused := func(l jobs.Lease, at time.Time, why string) {
			b.t.Helper()
			calls := b.batch("b1").Counts.APICalls
			_, err := b.OpenIntent(b.ctx(), l, at, at.Add(leaseTime))
			b.wantErr(err, jobs.ErrLeaseLost, why)
			wantSame(b, "calls after a refused intent ("+why+")", b.batch("b1").Counts.APICalls, calls)
		}
		other := leases[0]
		other.Owner = "w2"
		refused(other, b.now, "another owner")
		attempt := leases[0]
		attempt.Attempt = 2
		refused(attempt, b.now, "another attempt")
		refused(leases[0], leases[0].Expiry, "no time left")
		b.must(b.Pause(b.ctx(), "b1", "", b.now), "pause")
		refused(leases[0], b.now, "a paused batch")
		b.must(b.Resume(b.ctx(), "b1", b.now), "resume")
		second := b.intend(leases[0])
		refused(second, b.now, "an open intent")

		b.requeue(leases[1])
		refused(leases[1], b.now, "handed back")
		b.shut(cancel(leases[2].Job.ID))
		refused(leases[2], b.now, "canceled")
		b.shut(refuse(leases[3].Job.ID))
		refused(leases[3], b.now, "closed")
		b.intend(leases[4])
		b.observe(jobs.ByCreate, seen(leases[4].Job.ID, jobs.OutcomeProcessing))
		refused(leases[4], b.now, "answered")
		b.intend(leases[5])
		b.must(b.Doubt(b.ctx(), leases[5:6], b.now), "doubt")
		refused(leases[5], b.now, "in doubt")
		b.later(leaseTime)
		b.expire(100, 2, 1)
		refused(leases[6], b.now.Add(-time.Second), "taken back")
	}},
	{"handing back keeps the attempt and withdraws the intent", func(b *book) {
		b.open("b1", pages(3)...)
		leases := b.lease("b1", 3)
		leases[1], leases[2] = b.intend(leases[1]), b.intend(leases[2])
		leases[1].Sent = true // and refused for now
		b.requeue(leases...)
		wantSame(b, "calls that were sent", b.batch("b1").Counts.APICalls, 1)
		for _, l := range leases {
			wantSame(b, "attempt", b.wantState(l.Job.ID, jobs.Queued).Attempt, 1)
		}
		b.later(time.Hour)
		b.expire(100, 0, 0)
		again := b.lease("b1", 3)
		for i, l := range again {
			wantSame(b, "row leased again", l.Job.ID.Row, int64(i+1))
			wantSame(b, "attempt of the second lease", l.Attempt, 1)
		}
		b.intend(again[1])
		wantSame(b, "calls", b.batch("b1").Counts.APICalls, 2)
		b.must(b.Doubt(b.ctx(), again[1:2], b.now), "doubt")
		b.later(time.Second)
		wantSame(b, "sends that count", b.claimDoubts(b.now, 10)[0].Sends, 1)
	}},
	{"a lease that is not held is passed over", func(b *book) {
		b.open("b1", pages(2)...)
		old := b.sent("b1", 1)
		old = append(old, b.lease("b1", 1)...)
		b.later(leaseTime)
		b.expire(100, 1, 1)
		taken, err := b.Lease(b.ctx(), "b1", "w2", 1, b.now, b.now.Add(leaseTime))
		b.must(err, "lease")
		wantSame(b, "job leased by w2", taken[0].Job.ID, old[1].Job.ID)

		b.requeue(old...)
		b.must(b.Doubt(b.ctx(), old[1:], b.now), "doubt lost leases")
		b.check()
		b.wantState(old[0].Job.ID, jobs.Submitting)
		b.wantState(old[1].Job.ID, jobs.Submitting)
		b.intend(taken[0])
		wantSame(b, "submissions in doubt", len(b.claimDoubts(b.now, 10)), 1)
	}},
	{"an older lease of the same owner is passed over", func(b *book) {
		b.open("b1", pages(1)...)
		old := b.sent("b1", 1)
		b.later(leaseTime)
		b.expire(100, 0, 1)
		b.later(time.Minute)
		b.resend(b.claimDoubts(b.now, 10), b.now, 1)
		b.sent("b1", 1)
		b.requeue(old...)
		b.must(b.Doubt(b.ctx(), old, b.now), "doubt the older lease")
		b.check()
		b.wantState(old[0].Job.ID, jobs.Submitting)
		wantSame(b, "submissions in doubt", len(b.claimDoubts(b.now, 10)), 0)
	}},
	{"handing back does not reopen what has ended", func(b *book) {
		b.open("b1", pages(3)...)
		leases := b.sent("b1", 2)
		b.shut(cancel(leases[0].Job.ID))
		b.observe(jobs.ByCreate, seen(leases[1].Job.ID, jobs.OutcomeProcessing))
		b.requeue(leases...)
		b.must(b.Doubt(b.ctx(), leases, b.now), "doubt")
		b.check()
		b.wantState(leases[0].Job.ID, jobs.Canceled)
		b.wantState(leases[1].Job.ID, jobs.Pending)
	}},
	{"expired leases are taken back in steps", func(b *book) {
		b.open("b1", pages(5)...)
		b.sent("b1", 2)
		b.lease("b1", 3)
		b.later(leaseTime - time.Second)
		b.expire(100, 0, 0)
		b.later(time.Second)
		var requeued, doubted int
		for range 3 {
			r, d, err := b.ExpireLeases(b.ctx(), b.now, 2)
			b.must(err, "expire leases")
			b.check()
			if r+d > 2 {
				b.t.Fatalf("one step took back %d jobs, want at most 2", r+d)
			}
			requeued, doubted = requeued+r, doubted+d
		}
		wantSame(b, "requeued", requeued, 3)
		wantSame(b, "doubted", doubted, 2)
		b.expire(100, 0, 0)
		b.wantState(row("b1", 1), jobs.Submitting)
		wantSame(b, "attempt", b.wantState(row("b1", 5), jobs.Queued).Attempt, 1)
		for _, s := range b.claimDoubts(b.now, 10) {
			b.wantTime("doubt since", s.DoubtSince, b.now)
		}
	}},
	{"other calls are counted on the batch", func(b *book) {
		b.open("b1", pages(1)...)
		b.open("b2", pages(1)...)
		b.must(b.CountCalls(b.ctx(), "b1", 3), "count calls")
		b.must(b.CountCalls(b.ctx(), "b1", 2), "count calls")
		wantSame(b, "calls of b1", b.batch("b1").Counts.APICalls, 5)
		wantSame(b, "calls of b2", b.batch("b2").Counts.APICalls, 0)
	}},
}

// noLease asserts that a batch has nothing to lease.
func (b *book) noLease(batch string, at time.Time) {
	b.t.Helper()
	leases, err := b.Lease(b.ctx(), batch, "w1", 10, at, at.Add(leaseTime))
	b.must(err, "lease from %s", batch)
	wantSame(b, "leases of "+batch, len(leases), 0)
	b.check()
}

// expire takes back expired leases and asserts how many there were.
func (b *book) expire(limit, requeued, doubted int) {
	b.t.Helper()
	r, d, err := b.ExpireLeases(b.ctx(), b.now, limit)
	b.must(err, "expire leases")
	b.check()
	if r != requeued || d != doubted {
		b.t.Fatalf("expired leases: %d requeued, %d doubted; want %d and %d", r, d, requeued, doubted)
	}
}
