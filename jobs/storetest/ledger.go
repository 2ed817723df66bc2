package storetest

import (
	"time"

	"shotline/jobs"
)

var ledgerTests = []test{
	{"leases are in row order with attempt 1", func(f *fixture) {
		f.open("b1", pages(5)...)
		expiry := f.now.Add(leaseTime)
		for i, l := range append(f.lease("b1", 2), f.lease("b1", 3)...) {
			wantSame(f, "leased job", l.Job.ID, row("b1", int64(i+1)))
			wantSame(f, "lease's attempt", l.Attempt, 1)
			wantSame(f, "job's attempt", l.Job.Attempt, 1)
			wantSame(f, "job's state", l.Job.State, jobs.Submitting)
			wantSame(f, "URL", l.Job.URL, pages(5)[i].URL)
			wantSame(f, "owner", l.Owner, "w1")
			f.wantTime("until", l.Expiry, expiry)
		}
		wantSame(f, "attempt kept", f.wantState(row("b1", 3), jobs.Submitting).Attempt, 1)
		f.noLease("b1", f.now)
		wantSame(f, "calls of leases", f.batch("b1").Counts.APICalls, 0)
	}},
	{"only open batches lease", func(f *fixture) {
		f.importing("importing", pages(1)...)
		f.noLease("importing", f.now)
		f.open("paused", pages(1)...)
		f.must(f.Pause(f.ctx(), "paused", "", f.now), "pause")
		f.noLease("paused", f.now)
		f.must(f.Resume(f.ctx(), "paused", f.now), "resume")
		f.lease("paused", 1)
	}},
	{"an intent counts a call and extends the lease", func(f *fixture) {
		f.open("b1", pages(2)...)
		l := f.lease("b1", 1)[0]
		f.later(10 * time.Second)
		expiry := f.now.Add(leaseTime)
		extended, err := f.OpenIntent(f.ctx(), l, f.now, expiry)
		f.must(err, "open intent")
		f.check()
		wantSame(f, "owner", extended.Owner, l.Owner)
		wantSame(f, "attempt", extended.Attempt, 1)
		wantSame(f, "job", extended.Job.ID, l.Job.ID)
		f.wantTime("until", extended.Expiry, expiry)
		wantSame(f, "sends", extended.Sends, 1)
		wantSame(f, "calls", f.batch("b1").Counts.APICalls, 1)
		f.wantState(l.Job.ID, jobs.Submitting)

		f.later(leaseTime - time.Second)
		f.expire(100, 0, 0)
		f.later(time.Second)
		f.expire(100, 0, 1)
	}},
	{"an intent needs a valid lease", func(f *fixture) {
		f.open("b1", pages(8)...)
		leases := f.lease("b1", 8)
		refused := func(l jobs.Lease, at time.Time, why string) {
			f.t.Helper()
			calls := f.batch("b1").Counts.APICalls
			_, err := f.OpenIntent(f.ctx(), l, at, at.Add(leaseTime))
			f.wantErr(err, jobs.ErrLeaseLost, why)
			wantSame(f, "calls after a refused intent ("+why+")", f.batch("b1").Counts.APICalls, calls)
		}
		other := leases[0]
		other.Owner = "w2"
		refused(other, f.now, "another owner")
		attempt := leases[0]
		attempt.Attempt = 2
		refused(attempt, f.now, "another attempt")
		refused(leases[0], leases[0].Expiry, "no time left")
		f.must(f.Pause(f.ctx(), "b1", "", f.now), "pause")
		refused(leases[0], f.now, "a paused batch")
		f.must(f.Resume(f.ctx(), "b1", f.now), "resume")
		second := f.intend(leases[0])
		refused(second, f.now, "an open intent")

		f.requeue(leases[1])
		refused(leases[1], f.now, "handed back")
		f.closeJobs(cancel(leases[2].Job.ID))
		refused(leases[2], f.now, "canceled")
		f.closeJobs(refuse(leases[3].Job.ID))
		refused(leases[3], f.now, "closed")
		f.intend(leases[4])
		f.observe(jobs.ByCreate, seen(leases[4].Job.ID, jobs.OutcomeProcessing))
		refused(leases[4], f.now, "answered")
		f.intend(leases[5])
		f.must(f.Doubt(f.ctx(), leases[5:6], f.now), "doubt")
		refused(leases[5], f.now, "in doubt")
		f.later(leaseTime)
		f.expire(100, 2, 1)
		refused(leases[6], f.now.Add(-time.Second), "taken back")
	}},
	{"handing back keeps the attempt and withdraws the intent", func(f *fixture) {
		f.open("b1", pages(3)...)
		leases := f.lease("b1", 3)
		leases[1], leases[2] = f.intend(leases[1]), f.intend(leases[2])
		leases[1].Sent = true // and refused for now
		f.requeue(leases...)
		wantSame(f, "calls that were sent", f.batch("b1").Counts.APICalls, 1)
		for _, l := range leases {
			wantSame(f, "attempt", f.wantState(l.Job.ID, jobs.Queued).Attempt, 1)
		}
		f.later(time.Hour)
		f.expire(100, 0, 0)
		again := f.lease("b1", 3)
		for i, l := range again {
			wantSame(f, "row leased again", l.Job.ID.Row, int64(i+1))
			wantSame(f, "attempt of the second lease", l.Attempt, 1)
		}
		f.intend(again[1])
		wantSame(f, "calls", f.batch("b1").Counts.APICalls, 2)
		f.must(f.Doubt(f.ctx(), again[1:2], f.now), "doubt")
		f.later(time.Second)
		wantSame(f, "sends that count", f.claimDoubts(f.now, 10)[0].Sends, 1)
	}},
	{"a lost lease is skipped", func(f *fixture) {
		f.open("b1", pages(2)...)
		old := f.leaseAndIntend("b1", 1)
		old = append(old, f.lease("b1", 1)...)
		f.later(leaseTime)
		f.expire(100, 1, 1)
		taken, err := f.Lease(f.ctx(), "b1", "w2", 1, f.now, f.now.Add(leaseTime))
		f.must(err, "lease")
		wantSame(f, "job leased by w2", taken[0].Job.ID, old[1].Job.ID)

		f.requeue(old...)
		f.must(f.Doubt(f.ctx(), old[1:], f.now), "doubt lost leases")
		f.check()
		f.wantState(old[0].Job.ID, jobs.Submitting)
		f.wantState(old[1].Job.ID, jobs.Submitting)
		f.intend(taken[0])
		wantSame(f, "submissions in doubt", len(f.claimDoubts(f.now, 10)), 1)
	}},
	{"an older lease of the same owner is skipped", func(f *fixture) {
		f.open("b1", pages(1)...)
		old := f.leaseAndIntend("b1", 1)
		f.later(leaseTime)
		f.expire(100, 0, 1)
		f.later(time.Minute)
		f.resend(f.claimDoubts(f.now, 10), f.now, 1)
		f.leaseAndIntend("b1", 1)
		f.requeue(old...)
		f.must(f.Doubt(f.ctx(), old, f.now), "doubt the older lease")
		f.check()
		f.wantState(old[0].Job.ID, jobs.Submitting)
		wantSame(f, "submissions in doubt", len(f.claimDoubts(f.now, 10)), 0)
	}},
	{"handing back does not reopen a closed job", func(f *fixture) {
		f.open("b1", pages(3)...)
		leases := f.leaseAndIntend("b1", 2)
		f.closeJobs(cancel(leases[0].Job.ID))
		f.observe(jobs.ByCreate, seen(leases[1].Job.ID, jobs.OutcomeProcessing))
		f.requeue(leases...)
		f.must(f.Doubt(f.ctx(), leases, f.now), "doubt")
		f.check()
		f.wantState(leases[0].Job.ID, jobs.Canceled)
		f.wantState(leases[1].Job.ID, jobs.Pending)
	}},
	{"expired leases are taken back in steps", func(f *fixture) {
		f.open("b1", pages(5)...)
		f.leaseAndIntend("b1", 2)
		f.lease("b1", 3)
		f.later(leaseTime - time.Second)
		f.expire(100, 0, 0)
		f.later(time.Second)
		var requeued, doubted int
		for range 3 {
			r, d, err := f.ExpireLeases(f.ctx(), f.now, 2)
			f.must(err, "expire leases")
			f.check()
			if r+d > 2 {
				f.t.Fatalf("one step took back %d jobs, want at most 2", r+d)
			}
			requeued, doubted = requeued+r, doubted+d
		}
		wantSame(f, "requeued", requeued, 3)
		wantSame(f, "doubted", doubted, 2)
		f.expire(100, 0, 0)
		f.wantState(row("b1", 1), jobs.Submitting)
		wantSame(f, "attempt", f.wantState(row("b1", 5), jobs.Queued).Attempt, 1)
		for _, s := range f.claimDoubts(f.now, 10) {
			f.wantTime("doubt since", s.DoubtSince, f.now)
		}
	}},
	{"other calls are counted on the batch", func(f *fixture) {
		f.open("b1", pages(1)...)
		f.open("b2", pages(1)...)
		f.must(f.CountCalls(f.ctx(), "b1", 3), "count calls")
		f.must(f.CountCalls(f.ctx(), "b1", 2), "count calls")
		wantSame(f, "calls of b1", f.batch("b1").Counts.APICalls, 5)
		wantSame(f, "calls of b2", f.batch("b2").Counts.APICalls, 0)
	}},
}

// noLease asserts that a batch has no jobs to lease.
func (f *fixture) noLease(batch string, at time.Time) {
	f.t.Helper()
	leases, err := f.Lease(f.ctx(), batch, "w1", 10, at, at.Add(leaseTime))
	f.must(err, "lease from %s", batch)
	wantSame(f, "leases of "+batch, len(leases), 0)
	f.check()
}

// expire takes back expired leases and asserts their number.
func (f *fixture) expire(limit, requeued, doubted int) {
	f.t.Helper()
	r, d, err := f.ExpireLeases(f.ctx(), f.now, limit)
	f.must(err, "expire leases")
	f.check()
	if r != requeued || d != doubted {
		f.t.Fatalf("expired leases: %d requeued, %d doubted; want %d and %d", r, d, requeued, doubted)
	}
}
