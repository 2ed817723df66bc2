package storetest

import (
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
)

var batchTests = []test{
	{"a batch finishes with its last open job, once", func(f *fixture) {
		f.open("b1", append(pages(3), rejected(9, "bad"), pages(1)[0])...)
		f.open("b2", pages(1)...)
		ids := f.pending("b1", 2)
		wantSame(f, "finished by the first", len(f.webhook(ids[0], jobs.OutcomeDone).Finished), 0)
		f.closeJobs(cancel(row("b1", 3)))
		f.later(time.Minute)
		e := f.webhook(ids[1], jobs.OutcomeFailed)
		if !slices.Equal(e.Finished, []string{"b1"}) || len(e.Revised) != 0 {
			f.t.Fatalf("effects of the last close: %+v", e)
		}
		batch := f.batch("b1")
		wantSame(f, "state", batch.State, jobs.BatchFinished)
		wantSame(f, "revision", batch.Revision, 1)
		f.wantTime("finished", batch.FinishedAt, f.now)
		e = f.webhook(ids[1], jobs.OutcomeFailed)
		wantSame(f, "finished by a repeat", len(e.Finished)+len(e.Revised), 0)
		wantSame(f, "state of the other batch", f.batch("b2").State, jobs.BatchOpen)
	}},
	{"each late result revises a finished batch", func(f *fixture) {
		f.open("b1", pages(2)...)
		f.pending("b1", 2)
		finished := f.now
		f.closeJobs(timeOut(row("b1", 1)), timeOut(row("b1", 2)))
		for i, outcome := range []jobs.Outcome{jobs.OutcomeDone, jobs.OutcomeFailed} {
			f.later(time.Minute)
			e := f.webhook(row("b1", int64(i+1)), outcome)
			if !slices.Equal(e.Revised, []string{"b1"}) || len(e.Finished) != 0 {
				f.t.Fatalf("effects of a late result: %+v", e)
			}
			batch := f.batch("b1")
			wantSame(f, "revision", batch.Revision, i+2)
			wantSame(f, "state", batch.State, jobs.BatchFinished)
			f.wantTime("finished", batch.FinishedAt, finished)
		}
		e := f.webhook(row("b1", 1), jobs.OutcomeFailed)
		wantSame(f, "revised by a conflict", len(e.Revised), 0)
		wantSame(f, "revision", f.batch("b1").Revision, 3)
	}},
	{"a late result in an open batch revises nothing", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := timedOut(f, "b1")
		e := f.webhook(id, jobs.OutcomeDone)
		wantSame(f, "finished or revised", len(e.Finished)+len(e.Revised), 0)
		wantSame(f, "revision", f.batch("b1").Revision, 0)
	}},
	{"one step can finish several batches", func(f *fixture) {
		for i := range 3 {
			batch := fmt.Sprintf("b%d", i)
			f.open(batch, pages(2)...)
			for _, id := range f.pending(batch, 2) {
				f.deliver(shot(id), jobs.OutcomeDone)
			}
		}
		finished := slices.Sorted(slices.Values(f.apply().Finished))
		if !slices.Equal(finished, []string{"b0", "b1", "b2"}) {
			f.t.Fatalf("finished %v", finished)
		}
	}},
	{"a paused batch continues to close jobs and finishes", func(f *fixture) {
		f.open("b1", pages(3)...)
		ids := f.pending("b1", 2)
		f.must(f.Pause(f.ctx(), "b1", "the key was refused", f.now), "pause")
		f.check()
		batch := f.batch("b1")
		wantSame(f, "state", batch.State, jobs.BatchPaused)
		wantSame(f, "reason", batch.PauseReason, "the key was refused")
		for _, id := range ids {
			f.webhook(id, jobs.OutcomeDone)
		}
		wantSame(f, "state with a queued job", f.batch("b1").State, jobs.BatchPaused)
		e := f.closeJobs(cancel(row("b1", 3)))
		wantSame(f, "finished", len(e.Finished), 1)
		wantSame(f, "state", f.batch("b1").State, jobs.BatchFinished)
	}},
	{"a batch can be paused in some states only", func(f *fixture) {
		f.importing("importing", pages(1)...)
		f.wantErr(f.Pause(f.ctx(), "importing", "", f.now), jobs.ErrState, "pause an import")
		f.wantErr(f.Resume(f.ctx(), "importing", f.now), jobs.ErrState, "resume an import")
		f.open("finished", rejected(1, "bad"))
		f.wantErr(f.Pause(f.ctx(), "finished", "", f.now), jobs.ErrState, "pause a finished batch")
		f.wantErr(f.Resume(f.ctx(), "finished", f.now), jobs.ErrState, "resume a finished batch")
		f.wantErr(f.Pause(f.ctx(), "nothere", "", f.now), jobs.ErrNotFound, "pause an unknown batch")
		f.wantErr(f.Resume(f.ctx(), "nothere", f.now), jobs.ErrNotFound, "resume an unknown batch")

		f.open("b1", pages(1)...)
		f.must(f.Resume(f.ctx(), "b1", f.now), "resume an open batch")
		for _, reason := range []string{"", "first", "second"} {
			f.must(f.Pause(f.ctx(), "b1", reason, f.now), "pause")
			f.check()
			wantSame(f, "reason", f.batch("b1").PauseReason, reason)
		}
		f.must(f.Resume(f.ctx(), "b1", f.now), "resume")
		batch := f.batch("b1")
		wantSame(f, "state", batch.State, jobs.BatchOpen)
		wantSame(f, "reason", batch.PauseReason, "")
		f.lease("b1", 1)
	}},
	{"a pause by an error is an event, a pause by hand is not", func(f *fixture) {
		f.openWithURL("b1", "https://user.example/hook", false, 1)
		stopped := func(want int64) {
			f.t.Helper()
			totals, err := f.Totals(f.ctx())
			f.must(err, "totals")
			wantSame(f, "batches paused by errors", totals.Stopped, want)
		}
		pause := func(reason string, events int) {
			f.t.Helper()
			f.later(time.Second)
			f.must(f.Pause(f.ctx(), "b1", reason, f.now), "pause")
			f.check()
			wantSame(f, "events after the pause for "+reason, len(f.allEvents()), events)
		}
		pause("", 0)
		stopped(0)
		pause("the key was refused", 1)
		e := f.allEvents()[0]
		if e.Type != jobs.EventBatchPaused || e.Batch != "b1" || !e.Job.IsZero() || e.CallbackURL != "https://user.example/hook" {
			f.t.Fatalf("event %+v", e)
		}
		f.wantTime("event", e.At, f.now)
		stopped(1)
		pause("the key was refused", 1) // as another process would
		pause("no credits", 1)
		pause("", 1)
		stopped(0)
		pause("no credits", 2)
		f.must(f.Resume(f.ctx(), "b1", f.now), "resume")
		stopped(0)
		pause("no credits", 3)
		f.open("finished", rejected(1, "bad"))
		before := len(f.allEvents())
		f.wantErr(f.Pause(f.ctx(), "finished", "no credits", f.now), jobs.ErrState, "pause a finished batch")
		wantSame(f, "events", len(f.allEvents()), before)
	}},
	{"batches page newest first", func(f *fixture) {
		for _, id := range []string{"m", "z", "a", "k"} {
			f.importing(id)
			f.later(time.Second)
		}
		for before, want := range map[string][]string{"": {"k", "a", "z"}, "k": {"a", "z", "m"}, "z": {"m"}, "m": {}} {
			page, err := f.Batches(f.ctx(), before, 3)
			f.must(err, "batches before %q", before)
			got := []string{}
			for _, batch := range page {
				got = append(got, batch.ID)
			}
			if !slices.Equal(got, want) {
				f.t.Fatalf("batches before %q: %v, want %v", before, got, want)
			}
		}
	}},
	{"an unknown batch is not found", func(f *fixture) {
		f.open("b1", pages(1)...)
		_, err := f.Batch(f.ctx(), "nothere")
		f.wantErr(err, jobs.ErrNotFound, "batch")
		_, err = f.Job(f.ctx(), row("nothere", 1))
		f.wantErr(err, jobs.ErrNotFound, "job of an unknown batch")
		_, err = f.Job(f.ctx(), row("b1", 2))
		f.wantErr(err, jobs.ErrNotFound, "job beyond the last row")
	}},
}
