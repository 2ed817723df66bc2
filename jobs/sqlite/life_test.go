package sqlite

import (
	"testing"
	"time"

	"shotline/jobs"
)

// runJobs closes three queued jobs of a batch: by webhook, by the create's
// response and by poll. It also delivers a callback.
func runJobs(t *testing.T, s *Store, batch string) {
	t.Helper()
	ctx := t.Context()
	leases, err := s.Lease(ctx, batch, "owner", 3, noon, noon.Add(time.Minute))
	must(t, err)
	for i, lease := range leases {
		leases[i], err = s.OpenIntent(ctx, lease, noon, noon.Add(time.Minute))
		must(t, err)
	}
	cost := 1.0
	observe := func(i int, outcome jobs.Outcome, by jobs.Provenance) {
		_, err := s.Observe(ctx, []jobs.Observation{{
			Job: leases[i].Job.ID, Attempt: leases[i].Attempt, ScreenshotID: leases[i].Job.ID.String(), Outcome: outcome,
			ImageURL: "https://cdn.example.com/1.png", Cost: &cost,
		}}, by, noon, noon.Add(time.Hour))
		must(t, err)
	}
	observe(0, jobs.OutcomeProcessing, jobs.ByCreate)
	observe(1, jobs.OutcomeDone, jobs.ByCreate)
	observe(2, jobs.OutcomeProcessing, jobs.ByCreate)
	observe(2, jobs.OutcomeDone, jobs.ByPoll)
	_, err = s.AppendDelivery(ctx, delivery(leases[0].Job.ID.String(), jobs.OutcomeDone))
	must(t, err)
	applied, err := s.ApplyInbox(ctx, noon, 100)
	must(t, err)
	if len(applied.Closed) != 1 {
		t.Fatalf("closed %d jobs by webhook, want 1", len(applied.Closed))
	}
	claimed, err := s.ClaimCallbacks(ctx, noon, noon.Add(time.Hour), 4, 1)
	must(t, err)
	begun, err := s.BeginCallback(ctx, claimed[0].Seq, claimed[0].Generation, noon, noon.Add(time.Hour))
	must(t, err)
	must(t, s.SettleCallback(ctx, begun, jobs.CallbackEnd{State: jobs.CallbackDelivered}, noon, noon))
}

// runRareSteps calls the methods that most jobs do not need. At least seven jobs
// of the batch must be queued.
func runRareSteps(t *testing.T, s *Store, batch string) {
	t.Helper()
	ctx, soon := t.Context(), noon.Add(time.Minute)
	done := func(_ any, err error) { t.Helper(); must(t, err) }
	leases, err := s.Lease(ctx, batch, "owner", 6, noon, soon)
	must(t, err)
	done(s.Requeue(ctx, leases[:1], noon))
	for i := 1; i < 5; i++ {
		done(s.OpenIntent(ctx, leases[i], noon, soon))
		leases[i].Expiry = soon
	}
	must(t, s.Doubt(ctx, leases[1:3], noon))
	expired := soon.Add(time.Second)
	_, _, err = s.ExpireLeases(ctx, expired, 100)
	must(t, err)
	doubts, err := s.ClaimDoubts(ctx, expired, expired, 100)
	must(t, err)
	if len(doubts) != 4 {
		t.Fatalf("%d submissions are in doubt, want 4", len(doubts))
	}
	must(t, s.RecheckDoubts(ctx, doubts, expired))
	done(s.Resend(ctx, doubts[:1], expired.Add(time.Hour), expired))
	for i, id := range []string{"x1", "x1", "x2"} { // the second comes from the vendor's cache, the third is a double charge
		sub := doubts[min(i+1, 2)]
		done(s.Observe(ctx, []jobs.Observation{{Job: sub.Job, Attempt: sub.Attempt, ScreenshotID: id, Outcome: jobs.OutcomeProcessing}}, jobs.ByPoll, noon, soon))
	}
	done(s.AppendDelivery(ctx, delivery("foreign", jobs.OutcomeDone)))
	done(s.AppendDelivery(ctx, delivery("x1", jobs.OutcomeFailed)))
	done(s.AppendDelivery(ctx, delivery("x1", jobs.OutcomeDone)))
	done(s.ApplyInbox(ctx, expired, 100))
	conflicts, err := s.ClaimConflicts(ctx, "", expired, expired, 100)
	must(t, err)
	if len(conflicts) == 0 {
		t.Fatal("no conflicts")
	}
	must(t, s.RecheckConflicts(ctx, []jobs.ConflictRecheck{{Job: conflicts[0].Job, Attempt: conflicts[0].Attempt, Says: jobs.OutcomeUnknown}}))
	done(s.Observe(ctx, []jobs.Observation{{Job: conflicts[0].Job, Attempt: conflicts[0].Attempt, ScreenshotID: conflicts[0].ScreenshotID, Outcome: jobs.OutcomeDone}}, jobs.ByPoll, expired, expired))
	must(t, s.ExtendDeadlines(ctx, []jobs.ID{doubts[1].Job}, expired))
	done(s.Retry(ctx, []jobs.Retry{{Job: doubts[1].Job, Attempt: 1, From: jobs.Retriable}}, expired))
	done(s.CloseJobs(ctx, []jobs.Closing{{Job: doubts[3].Job, From: []jobs.State{jobs.Submitting}, To: jobs.Failed, By: jobs.BySubmit, Error: "no"}}, expired))
	done(s.Cancel(ctx, []jobs.ID{doubts[1].Job, doubts[0].Job, leases[5].Job.ID}, expired))
	must(t, s.Pause(ctx, batch, "", expired))
	must(t, s.Resume(ctx, batch, expired))
	must(t, s.CountCalls(ctx, batch, 1))
	done(s.ClaimWork(ctx, expired, expired, 10))
	done(s.WakeBatch(ctx, batch, expired))
	b, err := s.Batch(ctx, batch)
	must(t, err)
	done(s.SaveSummary(ctx, batch, 1, b.Counts, []byte("{}"), expired))
	done(s.ClaimTick(ctx, "sweep", expired, expired))
	runDownloads(t, s, batch, expired)
	done(s.Recount(ctx, batch, expired))
	must(t, s.Announce(ctx, jobs.Worker{ID: "w", SeenAt: expired}))
	must(t, s.Withdraw(ctx, "w"))
	done(s.ReplayCallbacks(ctx, jobs.CallbackFilter{}, expired))
	longAfter := expired.Add(1000 * time.Hour)
	done(s.Prune(ctx, jobs.Retention{
		Foreign: longAfter, MaxForeign: 1, Deliveries: longAfter, Events: longAfter, Keys: longAfter,
		Callbacks: longAfter, Dead: longAfter, Workers: longAfter, Ticks: longAfter,
	}))
}

// callReaders calls every method that only reads.
func callReaders(t *testing.T, s *Store, batch string) {
	t.Helper()
	ctx, id := t.Context(), jobs.ID{Batch: batch, Row: 1}
	done := func(_ any, err error) { t.Helper(); must(t, err) }
	done(s.Batch(ctx, batch))
	done(s.Batches(ctx, "", 10))
	done(s.Batches(ctx, batch, 10))
	done(s.Job(ctx, id))
	done(s.History(ctx, id))
	done(s.Rows(ctx, batch, 0, 10))
	for _, states := range [][]jobs.State{nil, {jobs.Pending}, {jobs.Failed, jobs.TimedOut}, {jobs.Done}, jobs.States} {
		f := jobs.JobFilter{Batch: batch, States: states, After: id}
		done(s.Jobs(ctx, f))
		for _, text := range []string{"", "x"} {
			_, _, err := s.Search(ctx, jobs.JobSearch{JobFilter: f, Text: text})
			must(t, err)
			_, _, err = s.Search(ctx, jobs.JobSearch{JobFilter: jobs.JobFilter{States: states}, Text: text, Newest: true})
			must(t, err)
		}
	}
	done(s.Overdue(ctx, noon, 10))
	done(s.NextDeadline(ctx))
	done(s.PendingBatches(ctx, noon))
	done(s.Pending(ctx, batch, noon, 0, 10))
	done(s.Outstanding(ctx))
	_, _, err := s.Unexplained(ctx, batch)
	must(t, err)
	_, _, err = s.Summary(ctx, batch)
	must(t, err)
	done(s.Timings(ctx, batch))
	done(s.Reasons(ctx, batch, 10))
	done(s.DownloadOrders(ctx, batch, ""))
	done(s.FilesOf(ctx, batch, 0, 10))
	done(s.CountFiles(ctx, batch))
	done(s.Tally(ctx, batch))
	for _, f := range []jobs.EventFilter{{}, {Batch: batch}, {Job: id}, {Types: []jobs.EventType{jobs.EventJobDone}}, {Calls: true}} {
		_, _, err := s.Events(ctx, f)
		must(t, err)
	}
	_, _, err = s.EventRange(ctx)
	must(t, err)
	done(s.Workers(ctx, noon))
	done(s.Totals(ctx))
	_, _, err = s.Deliveries(ctx, 0, 10)
	must(t, err)
	done(s.Delivery(ctx, 1))
	must(t, s.AddRefusals(ctx, []jobs.Refusal{{At: noon}}))
	done(s.Refusals(ctx))
	done(s.Unapplied(ctx, jobs.DeliveryFilter{}))
	done(s.OpenCursor(ctx, "target", noon))
	done(s.Cursors(ctx))
	done(s.CountOwed(ctx, "target", 10))
	for _, f := range []jobs.CallbackFilter{{}, {Batch: batch}, {Sink: "target"}, {States: []jobs.CallbackState{jobs.CallbackDead}}, {Seqs: []int64{1, 2}}} {
		done(s.Callbacks(ctx, f))
	}
	done(s.StaleImports(ctx, noon))
}

// runDownloads orders the files of a batch, which must have a done job, and
// settles one of them.
func runDownloads(t *testing.T, s *Store, batch string, at time.Time) {
	t.Helper()
	ctx := t.Context()
	for _, of := range []string{"", batch} {
		must(t, s.OrderDownload(ctx, jobs.DownloadOrder{Batch: of, Folder: t.TempDir()}, at))
	}
	for more := true; more; {
		var err error
		_, more, err = s.WantFiles(ctx, at, 100)
		must(t, err)
	}
	works, err := s.ClaimFiles(ctx, at, at, 1, batch)
	must(t, err)
	if len(works) != 1 {
		t.Fatalf("claimed %d files, want 1", len(works))
	}
	_, err = s.ClaimFiles(ctx, at, at, 1)
	must(t, err)
	f := works[0].File
	f.Name, f.State = "1.png", jobs.FileSaved
	must(t, s.NameFile(ctx, f))
	must(t, s.SettleFiles(ctx, []jobs.File{f}, at))
	must(t, s.OrderDownload(ctx, jobs.DownloadOrder{}, at))
}
