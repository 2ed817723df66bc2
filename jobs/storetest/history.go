package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
)

var historyTests = []test{
	{"a queued job has no history", func(f *fixture) {
		f.open("b1", pages(2)...)
		h := f.history(row("b1", 2))
		wantSame(f, "job", h.Job.URL, "https://example.com/2")
		wantSame(f, "batch", h.Batch.State, jobs.BatchOpen)
		if n := len(h.Submissions) + len(h.Conflicts) + len(h.Deliveries) + len(h.Events) + len(h.Callbacks) + len(h.Files); n != 0 || !h.LeaseUntil.IsZero() {
			f.t.Fatalf("the history is %+v", h)
		}
	}},
	{"there is no history of an unknown job", func(f *fixture) {
		f.open("b1", pages(1)...)
		for _, id := range []jobs.ID{row("b1", 2), row("b1", 1<<40), row("b2", 1), {}} {
			_, err := f.History(f.ctx(), id)
			f.wantErr(err, jobs.ErrNotFound, "history of "+id.String())
		}
	}},
	{"the history of a job has nothing of other jobs", func(f *fixture) {
		f.open("b1", pages(2)...)
		f.open("b2", pages(1)...)
		ids := append(f.pending("b1", 2), f.pending("b2", 1)...)
		for _, id := range ids {
			f.webhook(id, jobs.OutcomeFailed)
			f.webhook(id, jobs.OutcomeDone)
		}
		place := f.openCursor("r")
		var callbacks []jobs.Callback
		for _, e := range f.allEvents() {
			if e.Job.IsZero() {
				continue
			}
			callbacks = append(callbacks, jobs.Callback{EventID: e.ID(), Type: e.Type, Event: e.Seq, Batch: e.Batch, Job: e.Job,
				Target: jobs.Target{Sink: "a"}, Lane: "a", Body: []byte("{}")})
		}
		f.addCallbacks("r", place, place+1, callbacks...)
		for _, id := range ids {
			h := f.history(id)
			wantSame(f, "job", h.Job.ID, id)
			wantSame(f, "batch", h.Batch.ID, id.Batch)
			wantSame(f, "submissions", len(h.Submissions), 1)
			wantSame(f, "conflicts", len(h.Conflicts), 1)
			wantSame(f, "deliveries", len(h.Deliveries), 2)
			wantSame(f, "events", len(h.Events), 1)
			wantSame(f, "callbacks", len(h.Callbacks), 1)
			wantSame(f, "job of the submission", h.Submissions[0].Job, id)
			wantSame(f, "job of the conflict", h.Conflicts[0].Job, id)
			wantSame(f, "screenshot of the delivery", h.Deliveries[1].ScreenshotID, shot(id))
			wantSame(f, "job of the event", h.Events[0].Job, id)
			wantSame(f, "job of the callback", h.Callbacks[0].Job, id)
		}
	}},
	{"the history of a job has its submissions", func(f *fixture) {
		f.open("b1", pages(1)...)
		lease := f.leaseAndIntend("b1", 1)[0]
		id := lease.Job.ID
		h := f.history(id)
		f.wantTime("lease", h.LeaseUntil, lease.Expiry)
		f.wantTime("intent", h.Submissions[0].IntentAt, f.now)
		first := f.now

		f.later(time.Second)
		f.must(f.Doubt(f.ctx(), []jobs.Lease{lease}, f.now), "doubt")
		h = f.history(id)
		f.wantTime("lease in doubt", h.LeaseUntil, time.Time{})
		f.wantTime("doubt", h.Submissions[0].DoubtSince, f.now)
		f.wantTime("look-up", h.Submissions[0].CheckAt, f.now)

		f.later(time.Minute)
		_, err := f.Resend(f.ctx(), []jobs.Submission{h.Submissions[0].Submission}, f.now, f.now)
		f.must(err, "resend")
		f.later(time.Second)
		f.leaseAndIntend("b1", 1)
		answer, extra := seen(id, jobs.OutcomeFailed), seen(id, jobs.OutcomeProcessing)
		answer.Cost, extra.ScreenshotID = credits(2), "another"
		f.observe(jobs.ByCreate, answer, extra)
		f.later(time.Second)
		f.retryJobs(id)
		f.leaseAndIntend("b1", 1)
		h = f.history(id)
		var got []string
		for _, s := range h.Submissions {
			got = append(got, fmt.Sprintf("%d/%d %s sends %d %s by %s", s.Attempt, s.Extra, s.ScreenshotID, s.Sends, s.Outcome, s.By))
		}
		want := []string{"1/0 sb1-1 sends 2 failed by create", "1/1 another sends 0  by ", "2/0  sends 1  by "}
		if !slices.Equal(got, want) {
			f.t.Fatalf("submissions are\n%q, want\n%q", got, want)
		}
		f.wantTime("lost", h.Submissions[0].LostAt, first)
		f.wantCredits("cost", h.Submissions[0].Cost, 2)
		f.wantCredits("cost of the other", h.Submissions[1].Cost, unknown)
		wantSame(f, "events", len(h.Events), 2)
		wantSame(f, "last event", h.Events[1].Type, jobs.EventJobRetried)
	}},
	{"the history of a job has its deliveries and conflicts", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.leaseAndIntend("b1", 1)[0].Job.ID
		f.later(time.Second)
		held := f.deliver(shot(id), jobs.OutcomeDone)
		f.apply()
		wantSame(f, "deliveries of an unknown screenshot", len(f.history(id).Deliveries), 0)
		f.observe(jobs.ByCreate, seen(id, jobs.OutcomeProcessing))
		f.later(24 * time.Hour)
		f.webhook(id, jobs.OutcomeFailed)
		_, err := f.AppendDelivery(f.ctx(), jobs.Delivery{ReceivedAt: f.now, Event: "app.upload.finished", ScreenshotID: shot(id), Body: []byte("{}")})
		f.must(err, "append delivery")
		f.apply()
		waits := f.deliver(shot(id), jobs.OutcomeDone)
		h := f.history(id)
		wantSame(f, "deliveries", len(h.Deliveries), 4)
		wantSame(f, "first", h.Deliveries[0].Seq, held)
		wantSame(f, "its disposition", h.Deliveries[0].Disposition, jobs.DispositionApplied)
		wantSame(f, "contradiction", h.Deliveries[1].Error, vendorError)
		wantSame(f, "noted", h.Deliveries[2].Disposition, jobs.DispositionNoted)
		wantSame(f, "last", h.Deliveries[3].Seq, waits)
		if h.Cursor != h.Deliveries[2].Seq {
			f.t.Fatalf("cursor %d with %+v", h.Cursor, h.Deliveries)
		}
		for _, d := range h.Deliveries {
			wantSame(f, "bytes of the body", len(d.Body), 0)
		}
		c := h.Conflicts[0]
		wantSame(f, "recorded", c.Recorded, jobs.OutcomeDone)
		wantSame(f, "first", c.First, jobs.OutcomeDone)
		f.wantTime("since", c.Since, f.now)
		f.wantTime("check", c.CheckAt, f.now)
		f.observe(jobs.ByPoll, seen(id, jobs.OutcomeFailed))
		c = f.history(id).Conflicts[0]
		wantSame(f, "verdict", c.Says, jobs.OutcomeFailed)
		wantSame(f, "recorded after the verdict", c.Recorded, jobs.OutcomeFailed)
		wantSame(f, "first after the verdict", c.First, jobs.OutcomeDone)
		f.wantTime("check after the verdict", c.CheckAt, time.Time{})
	}},
	{"the history of a job has its files", func(f *fixture) {
		ids := f.doneJobs("b1", 2)
		f.order("b1", folderA)
		f.wantFiles(2)
		files := f.history(ids[1]).Files
		if len(files) != 1 || files[0].Job != ids[1] || files[0].State != jobs.FileWanted || files[0].Folder != folderA {
			f.t.Fatalf("the files are %+v", files)
		}
	}},
	{"a history is of one moment", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.uncheckedSteps = true
		other := f.openStore()
		ended := make(chan error, 1)
		go func() {
			_, err := other.AppendDelivery(f.ctx(), f.delivery(shot(id), jobs.OutcomeDone))
			if err == nil {
				_, err = other.ApplyInbox(f.ctx(), f.now, 10)
			}
			ended <- err
		}()
		var err error
		for running := true; running; {
			select {
			case err = <-ended:
				running = false
			default:
			}
			h := f.history(id)
			if (h.Job.State == jobs.Done) != (len(h.Events) == 1) || h.Job.State == jobs.Done && (len(h.Deliveries) != 1 || h.Cursor < h.Deliveries[0].Seq) {
				err = errors.Join(err, fmt.Errorf("the history is %+v", h))
			}
		}
		f.must(err, "close the job")
		wantSame(f, "events", len(f.history(id).Events), 1)
	}},
}

func (f *fixture) history(id jobs.ID) jobs.History {
	f.t.Helper()
	h, err := f.History(f.ctx(), id)
	f.must(err, "history of %s", id)
	f.wantTime("searched to", h.SearchedTo, time.Time{})
	return h
}
