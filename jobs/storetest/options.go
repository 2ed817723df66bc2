package storetest

import (
	"slices"
	"time"

	"shotline/jobs"
)

// optionTests are for rows that want something otherwise than their batch.
var optionTests = []test{
	{"a row's URL is called for its job's events, the batch's for its own", func(b *book) {
		requests := pages(3)
		requests[0].CallbackURL = "https://one.example/hook"
		requests[2].CallbackURL = "https://three.example/hook"
		b.openAs(jobs.BatchSpec{ID: "b1", CallbackURL: "https://batch.example/"}, requests...)
		b.openAs(jobs.BatchSpec{ID: "quiet"}, requests[:1]...)
		for _, id := range b.pending("b1", 3) {
			b.webhook(id, jobs.OutcomeFailed)
		}
		b.webhook(b.pending("quiet", 1)[0], jobs.OutcomeDone)
		b.retry(jobs.Retry{Job: row("b1", 3), Attempt: 1, From: jobs.Retriable})
		b.shut(cancel(row("b1", 3)))

		all := b.allEvents()
		want := map[jobs.ID]string{
			row("b1", 1): "https://one.example/hook", row("b1", 3): "https://three.example/hook", row("quiet", 1): "https://one.example/hook",
		}
		of := map[string]int{}
		for _, e := range all {
			url := want[e.Job]
			if e.Batch == "b1" && e.Job.IsZero() {
				url = "https://batch.example/"
			}
			wantSame(b, "URL to call for "+string(e.Type)+" of "+e.Job.String(), e.CallbackURL, url)
			of[e.CallbackURL]++
		}
		wantSame(b, "events for row 3", of["https://three.example/hook"], 3) // failed, retried, canceled
		wantSame(b, "events for the batch", of["https://batch.example/"], 2)
		b.wantEvents("calls", jobs.EventFilter{Calls: true}, all, func(e jobs.Event) bool { return e.CallbackURL != "" })
	}},
	{"a row's timeout makes its deadline", func(b *book) {
		requests := pages(3)
		requests[1].Timeout = 7 * time.Second
		b.openAs(jobs.BatchSpec{ID: "b1", JobTimeout: time.Hour}, requests...)
		wantSame(b, "timeout kept", b.job(row("b1", 2)).Timeout, 7*time.Second)
		b.pending("b1", 2)
		usual := b.job(row("b1", 1)).Deadline
		b.wantTime("own deadline", b.job(row("b1", 2)).Deadline, b.now.Add(7*time.Second))
		if !usual.After(b.now.Add(7 * time.Second)) {
			b.t.Errorf("the other row's deadline is %s", usual)
		}
		b.later(8 * time.Second)
		overdue, err := b.Overdue(b.ctx(), b.now, 10)
		b.must(err, "overdue")
		b.wantRows("overdue", overdue, 2)

		// Also when a lost create is found by asking.
		third := requests[2:]
		third[0].Timeout = time.Second
		b.openAs(jobs.BatchSpec{ID: "b2"}, third...)
		b.doubted("b2", 1)
		b.later(time.Second)
		b.observe(jobs.ByPoll, seen(row("b2", 1), jobs.OutcomeProcessing))
		b.wantTime("deadline of a found one", b.job(row("b2", 1)).Deadline, b.now.Add(time.Second))
	}},
	{"rows of higher priority are leased first", func(b *book) {
		requests := ranked(0, 5, -5, 9, 0, 5)
		requests[0].Priority, requests[4].Priority = nil, nil // the batch's, which is 2
		b.openAs(jobs.BatchSpec{ID: "b1", Priority: 2}, requests...)
		b.wantLeases("b1", 2, 4, 2)
		back := b.leased("b1", 3)
		wantSame(b, "leases", len(back), 3)
		b.wantLeases("b1", 10, 3)
		b.requeue(back...)
		b.wantLeases("b1", 2, 6, 1)
		b.wantLeases("b1", 2, 5)
	}},
	{"a retried row keeps its priority", func(b *book) {
		b.openAs(jobs.BatchSpec{ID: "b1"}, ranked(0, 3, 0)...)
		b.webhook(b.pending("b1", 1)[0], jobs.OutcomeFailed)
		wantSame(b, "state of the first", b.job(row("b1", 2)).State, jobs.Failed)
		b.retried(row("b1", 2))
		b.wantLeases("b1", 3, 2, 1, 3)
	}},
	{"equal priorities are leased in row order", func(b *book) {
		b.openAs(jobs.BatchSpec{ID: "b1", Priority: -3}, ranked(7, 7, 7, 7)...)
		b.wantLeases("b1", 3, 1, 2, 3)
		b.wantLeases("b1", 3, 4)
	}},
	{"the last of many rows is leased first", func(b *book) {
		const n = 4500
		requests := pages(n)
		requests[n-1].Priority = new(1)
		requests[n-2].Priority = new(-1)
		b.openAs(jobs.BatchSpec{ID: "b1"}, requests...)
		b.wantLeases("b1", 3, n, 1, 2)
		b.wantSearch(jobs.JobSearch{JobFilter: jobs.JobFilter{Batch: "b1", States: []jobs.State{jobs.Queued}, Limit: 2}}, row("b1", 4), 3, 4)
	}},
	{"a batch is claimed by its most urgent queued row", func(b *book) {
		b.openAs(jobs.BatchSpec{ID: "usual", Priority: 3}, pages(1)...)
		b.openAs(jobs.BatchSpec{ID: "mixed"}, ranked(-9, 8, 0)...)
		b.openAs(jobs.BatchSpec{ID: "low", Priority: 50}, ranked(-50)...)
		work := func(batches ...string) {
			b.t.Helper()
			b.later(time.Hour)
			var want []jobs.Work
			for _, batch := range batches {
				want = append(want, jobs.Work{Kind: jobs.WorkSubmit, Batch: batch})
			}
			b.wantWork(b.now, b.now.Add(time.Minute), want...)
		}
		work("mixed", "usual", "low")
		b.pending("mixed", 1) // the one of priority 8
		work("usual", "mixed", "low")
	}},
	{"equal rows that call different URLs are two", func(b *book) {
		same := page("https://example.com/")
		one, again, other := same, same, same
		one.CallbackURL, again.CallbackURL, other.CallbackURL = "https://one.example/", "https://one.example/", "https://two.example/"
		again.Timeout, again.Priority = time.Second, new(5)
		b.open("b1", same, one, again, other, same)
		var of []int64
		for _, r := range b.allRows("b1") {
			of = append(of, r.DuplicateOf)
		}
		if want := []int64{0, 0, 2, 0, 1}; !slices.Equal(of, want) {
			b.t.Fatalf("duplicates of %v, want %v", of, want)
		}
	}},
	{"a priority out of its bounds is no row's", func(b *book) {
		b.must(b.CreateBatch(b.ctx(), jobs.BatchSpec{ID: "b1"}, b.now), "create batch")
		for _, wrong := range []int{jobs.MaxPriority + 1, -jobs.MaxPriority - 1} {
			b.wantErr(b.AppendRequests(b.ctx(), "b1", ranked(0, wrong), b.now), jobs.ErrInvalid, "append")
		}
		wantSame(b, "rows", b.batch("b1").Counts.Rows, 0)
	}},
	{"the options of a job by itself are its batch's", func(b *book) {
		r := ranked(7)[0]
		r.Timeout, r.CallbackURL = time.Minute, "https://row.example/"
		b.single(jobs.BatchSpec{ID: "b1", Priority: 1, CallbackURL: "https://batch.example/"}, r)
		got := b.batch("b1")
		wantSame(b, "priority", got.Priority, 7)
		wantSame(b, "timeout", got.JobTimeout, time.Minute)
		wantSame(b, "URL", got.CallbackURL, "https://row.example/")
		b.webhook(b.pending("b1", 1)[0], jobs.OutcomeDone)
		for _, e := range b.allEvents() {
			want := ""
			if !e.Job.IsZero() {
				want = "https://row.example/"
			}
			wantSame(b, "URL to call", e.CallbackURL, want)
		}
		r.Priority = new(jobs.MaxPriority + 1)
		_, err := b.AddJob(b.ctx(), jobs.BatchSpec{ID: "b2"}, r, b.now)
		b.wantErr(err, jobs.ErrInvalid, "add job")
	}},
}

// ranked are pages with these priorities.
func ranked(priorities ...int) []jobs.Request {
	requests := pages(len(priorities))
	for i, p := range priorities {
		requests[i].Priority = new(p)
	}
	return requests
}

// openAs makes an open batch.
func (b *book) openAs(spec jobs.BatchSpec, requests ...jobs.Request) {
	b.t.Helper()
	b.must(b.CreateBatch(b.ctx(), spec, b.now), "create batch %s", spec.ID)
	b.must(b.AppendRequests(b.ctx(), spec.ID, requests, b.now), "append to %s", spec.ID)
	_, err := b.OpenBatch(b.ctx(), spec.ID, b.now)
	b.must(err, "open batch %s", spec.ID)
	b.check()
}

// leased leases up to n jobs, however many there are.
func (b *book) leased(batch string, n int) []jobs.Lease {
	b.t.Helper()
	leases, err := b.Lease(b.ctx(), batch, "w1", n, b.now, b.now.Add(leaseTime))
	b.must(err, "lease")
	b.check()
	return leases
}

// wantLeases asserts which rows are leased, in order.
func (b *book) wantLeases(batch string, n int, rows ...int64) {
	b.t.Helper()
	var got []int64
	for _, lease := range b.leased(batch, n) {
		got = append(got, lease.Job.ID.Row)
	}
	if !slices.Equal(got, rows) {
		b.t.Fatalf("leased rows %v, want %v", got, rows)
	}
}
