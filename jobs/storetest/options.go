package storetest

import (
	"slices"
	"time"

	"shotline/jobs"
)

// optionTests test rows whose options differ from those of their batch.
var optionTests = []test{
	{"a row's URL is called for its job's events, the batch's for its own", func(f *fixture) {
		requests := pages(3)
		requests[0].CallbackURL = "https://one.example/hook"
		requests[2].CallbackURL = "https://three.example/hook"
		f.openSpec(jobs.BatchSpec{ID: "b1", CallbackURL: "https://batch.example/"}, requests...)
		f.openSpec(jobs.BatchSpec{ID: "quiet"}, requests[:1]...)
		for _, id := range f.pending("b1", 3) {
			f.webhook(id, jobs.OutcomeFailed)
		}
		f.webhook(f.pending("quiet", 1)[0], jobs.OutcomeDone)
		f.retry(jobs.Retry{Job: row("b1", 3), Attempt: 1, From: jobs.Retriable})
		f.closeJobs(cancel(row("b1", 3)))

		all := f.allEvents()
		want := map[jobs.ID]string{
			row("b1", 1): "https://one.example/hook", row("b1", 3): "https://three.example/hook", row("quiet", 1): "https://one.example/hook",
		}
		of := map[string]int{}
		for _, e := range all {
			url := want[e.Job]
			if e.Batch == "b1" && e.Job.IsZero() {
				url = "https://batch.example/"
			}
			wantSame(f, "URL to call for "+string(e.Type)+" of "+e.Job.String(), e.CallbackURL, url)
			of[e.CallbackURL]++
		}
		wantSame(f, "events for row 3", of["https://three.example/hook"], 3) // failed, retried, canceled
		wantSame(f, "events for the batch", of["https://batch.example/"], 2)
		f.wantEvents("calls", jobs.EventFilter{Calls: true}, all, func(e jobs.Event) bool { return e.CallbackURL != "" })
	}},
	{"a row's timeout makes its deadline", func(f *fixture) {
		requests := pages(3)
		requests[1].Timeout = 7 * time.Second
		f.openSpec(jobs.BatchSpec{ID: "b1", JobTimeout: time.Hour}, requests...)
		wantSame(f, "timeout kept", f.job(row("b1", 2)).Timeout, 7*time.Second)
		f.pending("b1", 2)
		usual := f.job(row("b1", 1)).Deadline
		f.wantTime("own deadline", f.job(row("b1", 2)).Deadline, f.now.Add(7*time.Second))
		if !usual.After(f.now.Add(7 * time.Second)) {
			f.t.Errorf("the other row's deadline is %s", usual)
		}
		f.later(8 * time.Second)
		overdue, err := f.Overdue(f.ctx(), f.now, 10)
		f.must(err, "overdue")
		f.wantRows("overdue", overdue, 2)

		// This also applies if a look-up finds a lost create.
		third := requests[2:]
		third[0].Timeout = time.Second
		f.openSpec(jobs.BatchSpec{ID: "b2"}, third...)
		f.leaseAndDoubt("b2", 1)
		f.later(time.Second)
		f.observe(jobs.ByPoll, seen(row("b2", 1), jobs.OutcomeProcessing))
		f.wantTime("deadline of a found one", f.job(row("b2", 1)).Deadline, f.now.Add(time.Second))
	}},
	{"rows of higher priority are leased first", func(f *fixture) {
		requests := pagesWithPriorities(0, 5, -5, 9, 0, 5)
		requests[0].Priority, requests[4].Priority = nil, nil // that of the batch, which is 2
		f.openSpec(jobs.BatchSpec{ID: "b1", Priority: 2}, requests...)
		f.wantLeases("b1", 2, 4, 2)
		back := f.leaseUpTo("b1", 3)
		wantSame(f, "leases", len(back), 3)
		f.wantLeases("b1", 10, 3)
		f.requeue(back...)
		f.wantLeases("b1", 2, 6, 1)
		f.wantLeases("b1", 2, 5)
	}},
	{"a retried row keeps its priority", func(f *fixture) {
		f.openSpec(jobs.BatchSpec{ID: "b1"}, pagesWithPriorities(0, 3, 0)...)
		f.webhook(f.pending("b1", 1)[0], jobs.OutcomeFailed)
		wantSame(f, "state of the first", f.job(row("b1", 2)).State, jobs.Failed)
		f.retryJobs(row("b1", 2))
		f.wantLeases("b1", 3, 2, 1, 3)
	}},
	{"equal priorities are leased in row order", func(f *fixture) {
		f.openSpec(jobs.BatchSpec{ID: "b1", Priority: -3}, pagesWithPriorities(7, 7, 7, 7)...)
		f.wantLeases("b1", 3, 1, 2, 3)
		f.wantLeases("b1", 3, 4)
	}},
	{"the last of many rows is leased first", func(f *fixture) {
		const n = 4500
		requests := pages(n)
		requests[n-1].Priority = new(1)
		requests[n-2].Priority = new(-1)
		f.openSpec(jobs.BatchSpec{ID: "b1"}, requests...)
		f.wantLeases("b1", 3, n, 1, 2)
		f.wantSearch(jobs.JobSearch{JobFilter: jobs.JobFilter{Batch: "b1", States: []jobs.State{jobs.Queued}, Limit: 2}}, row("b1", 4), 3, 4)
	}},
	{"a batch is claimed by its most urgent queued row", func(f *fixture) {
		f.openSpec(jobs.BatchSpec{ID: "usual", Priority: 3}, pages(1)...)
		f.openSpec(jobs.BatchSpec{ID: "mixed"}, pagesWithPriorities(-9, 8, 0)...)
		f.openSpec(jobs.BatchSpec{ID: "low", Priority: 50}, pagesWithPriorities(-50)...)
		work := func(batches ...string) {
			f.t.Helper()
			f.later(time.Hour)
			var want []jobs.Work
			for _, batch := range batches {
				want = append(want, jobs.Work{Kind: jobs.WorkSubmit, Batch: batch})
			}
			f.wantWork(f.now, f.now.Add(time.Minute), want...)
		}
		work("mixed", "usual", "low")
		f.pending("mixed", 1) // the row with priority 8
		work("usual", "mixed", "low")
	}},
	{"equal rows that call different URLs are two", func(f *fixture) {
		same := page("https://example.com/")
		one, again, other := same, same, same
		one.CallbackURL, again.CallbackURL, other.CallbackURL = "https://one.example/", "https://one.example/", "https://two.example/"
		again.Timeout, again.Priority = time.Second, new(5)
		f.open("b1", same, one, again, other, same)
		var of []int64
		for _, r := range f.allRows("b1") {
			of = append(of, r.DuplicateOf)
		}
		if want := []int64{0, 0, 2, 0, 1}; !slices.Equal(of, want) {
			f.t.Fatalf("duplicates of %v, want %v", of, want)
		}
	}},
	{"a priority out of range is refused", func(f *fixture) {
		f.must(f.CreateBatch(f.ctx(), jobs.BatchSpec{ID: "b1"}, f.now), "create batch")
		for _, wrong := range []int{jobs.MaxPriority + 1, -jobs.MaxPriority - 1} {
			f.wantErr(f.AppendRequests(f.ctx(), "b1", pagesWithPriorities(0, wrong), f.now), jobs.ErrInvalid, "append")
		}
		wantSame(f, "rows", f.batch("b1").Counts.Rows, 0)
	}},
	{"the options of a single job are those of its batch", func(f *fixture) {
		r := pagesWithPriorities(7)[0]
		r.Timeout, r.CallbackURL = time.Minute, "https://row.example/"
		f.addJob(jobs.BatchSpec{ID: "b1", Priority: 1, CallbackURL: "https://batch.example/"}, r)
		got := f.batch("b1")
		wantSame(f, "priority", got.Priority, 7)
		wantSame(f, "timeout", got.JobTimeout, time.Minute)
		wantSame(f, "URL", got.CallbackURL, "https://row.example/")
		f.webhook(f.pending("b1", 1)[0], jobs.OutcomeDone)
		for _, e := range f.allEvents() {
			want := ""
			if !e.Job.IsZero() {
				want = "https://row.example/"
			}
			wantSame(f, "URL to call", e.CallbackURL, want)
		}
		r.Priority = new(jobs.MaxPriority + 1)
		_, err := f.AddJob(f.ctx(), jobs.BatchSpec{ID: "b2"}, r, f.now)
		f.wantErr(err, jobs.ErrInvalid, "add job")
	}},
}

// pagesWithPriorities returns pages with the given priorities.
func pagesWithPriorities(priorities ...int) []jobs.Request {
	requests := pages(len(priorities))
	for i, p := range priorities {
		requests[i].Priority = new(p)
	}
	return requests
}

// openSpec makes an open batch.
func (f *fixture) openSpec(spec jobs.BatchSpec, requests ...jobs.Request) {
	f.t.Helper()
	f.must(f.CreateBatch(f.ctx(), spec, f.now), "create batch %s", spec.ID)
	f.must(f.AppendRequests(f.ctx(), spec.ID, requests, f.now), "append to %s", spec.ID)
	_, err := f.OpenBatch(f.ctx(), spec.ID, f.now)
	f.must(err, "open batch %s", spec.ID)
	f.check()
}

// leaseUpTo leases n jobs, or fewer if there are fewer.
func (f *fixture) leaseUpTo(batch string, n int) []jobs.Lease {
	f.t.Helper()
	leases, err := f.Lease(f.ctx(), batch, "w1", n, f.now, f.now.Add(leaseTime))
	f.must(err, "lease")
	f.check()
	return leases
}

// wantLeases asserts which rows are leased, in order.
func (f *fixture) wantLeases(batch string, n int, rows ...int64) {
	f.t.Helper()
	var got []int64
	for _, lease := range f.leaseUpTo(batch, n) {
		got = append(got, lease.Job.ID.Row)
	}
	if !slices.Equal(got, rows) {
		f.t.Fatalf("leased rows %v, want %v", got, rows)
	}
}
