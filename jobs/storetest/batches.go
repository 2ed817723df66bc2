package storetest

import (
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
)

var batchTests = []test{
	{"a batch finishes with its last open job, once", func(b *book) {
		b.open("b1", append(pages(3), rejected(9, "bad"), pages(1)[0])...)
		b.open("b2", pages(1)...)
		ids := b.pending("b1", 2)
		wantSame(b, "finished by the first", len(b.webhook(ids[0], jobs.OutcomeDone).Finished), 0)
		b.shut(cancel(row("b1", 3)))
		b.later(time.Minute)
		e := b.webhook(ids[1], jobs.OutcomeFailed)
		if !slices.Equal(e.Finished, []string{"b1"}) || len(e.Revised) != 0 {
			b.t.Fatalf("effects of the last close: %+v", e)
		}
		batch := b.batch("b1")
		wantSame(b, "state", batch.State, jobs.BatchFinished)
		wantSame(b, "revision", batch.Revision, 1)
		b.wantTime("finished", batch.FinishedAt, b.now)
		e = b.webhook(ids[1], jobs.OutcomeFailed)
		wantSame(b, "finished by a repeat", len(e.Finished)+len(e.Revised), 0)
		wantSame(b, "state of the other batch", b.batch("b2").State, jobs.BatchOpen)
	}},
	{"each late result revises a finished batch", func(b *book) {
		b.open("b1", pages(2)...)
		b.pending("b1", 2)
		finished := b.now
		b.shut(timeOut(row("b1", 1)), timeOut(row("b1", 2)))
		for i, outcome := range []jobs.Outcome{jobs.OutcomeDone, jobs.OutcomeFailed} {
			b.later(time.Minute)
			e := b.webhook(row("b1", int64(i+1)), outcome)
			if !slices.Equal(e.Revised, []string{"b1"}) || len(e.Finished) != 0 {
				b.t.Fatalf("effects of a late result: %+v", e)
			}
			batch := b.batch("b1")
			wantSame(b, "revision", batch.Revision, i+2)
			wantSame(b, "state", batch.State, jobs.BatchFinished)
			b.wantTime("finished", batch.FinishedAt, finished)
		}
		e := b.webhook(row("b1", 1), jobs.OutcomeFailed)
		wantSame(b, "revised by a conflict", len(e.Revised), 0)
		wantSame(b, "revision", b.batch("b1").Revision, 3)
	}},
	{"a late result in an open batch revises nothing", func(b *book) {
		b.open("b1", pages(2)...)
		id := timedOut(b, "b1")
		e := b.webhook(id, jobs.OutcomeDone)
		wantSame(b, "finished or revised", len(e.Finished)+len(e.Revised), 0)
		wantSame(b, "revision", b.batch("b1").Revision, 0)
	}},
	{"one step can finish several batches", func(b *book) {
		for i := range 3 {
			batch := fmt.Sprintf("b%d", i)
			b.open(batch, pages(2)...)
			for _, id := range b.pending(batch, 2) {
				b.deliver(shot(id), jobs.OutcomeDone)
			}
		}
		finished := slices.Sorted(slices.Values(b.apply().Finished))
		if !slices.Equal(finished, []string{"b0", "b1", "b2"}) {
			b.t.Fatalf("finished %v", finished)
		}
	}},
	{"a paused batch goes on closing and finishes", func(b *book) {
		b.open("b1", pages(3)...)
		ids := b.pending("b1", 2)
		b.must(b.Pause(b.ctx(), "b1", "the key was refused", b.now), "pause")
		b.check()
		batch := b.batch("b1")
		wantSame(b, "state", batch.State, jobs.BatchPaused)
		wantSame(b, "reason", batch.PauseReason, "the key was refused")
		for _, id := range ids {
			b.webhook(id, jobs.OutcomeDone)
		}
		wantSame(b, "state with a queued job", b.batch("b1").State, jobs.BatchPaused)
		e := b.shut(cancel(row("b1", 3)))
		wantSame(b, "finished", len(e.Finished), 1)
		wantSame(b, "state", b.batch("b1").State, jobs.BatchFinished)
	}},
	{"pausing has its states", func(b *book) {
		b.importing("importing", pages(1)...)
		b.wantErr(b.Pause(b.ctx(), "importing", "", b.now), jobs.ErrState, "pause an import")
		b.wantErr(b.Resume(b.ctx(), "importing", b.now), jobs.ErrState, "resume an import")
		b.open("finished", rejected(1, "bad"))
		b.wantErr(b.Pause(b.ctx(), "finished", "", b.now), jobs.ErrState, "pause a finished batch")
		b.wantErr(b.Resume(b.ctx(), "finished", b.now), jobs.ErrState, "resume a finished batch")
		b.wantErr(b.Pause(b.ctx(), "nothere", "", b.now), jobs.ErrNotFound, "pause no batch")
		b.wantErr(b.Resume(b.ctx(), "nothere", b.now), jobs.ErrNotFound, "resume no batch")

		b.open("b1", pages(1)...)
		b.must(b.Resume(b.ctx(), "b1", b.now), "resume an open batch")
		for _, reason := range []string{"", "first", "second"} {
			b.must(b.Pause(b.ctx(), "b1", reason, b.now), "pause")
			b.check()
			wantSame(b, "reason", b.batch("b1").PauseReason, reason)
		}
		b.must(b.Resume(b.ctx(), "b1", b.now), "resume")
		batch := b.batch("b1")
		wantSame(b, "state", batch.State, jobs.BatchOpen)
		wantSame(b, "reason", batch.PauseReason, "")
		b.lease("b1", 1)
	}},
	{"a pause by an error is an event, and one by hand is none", func(b *book) {
		b.called("b1", "https://user.example/hook", false, 1)
		stopped := func(want int64) {
			b.t.Helper()
			totals, err := b.Totals(b.ctx())
			b.must(err, "totals")
			wantSame(b, "batches paused by errors", totals.Stopped, want)
		}
		pause := func(reason string, events int) {
			b.t.Helper()
			b.later(time.Second)
			b.must(b.Pause(b.ctx(), "b1", reason, b.now), "pause")
			b.check()
			wantSame(b, "events after the pause for "+reason, len(b.allEvents()), events)
		}
		pause("", 0)
		stopped(0)
		pause("the key was refused", 1)
		e := b.allEvents()[0]
		if e.Type != jobs.EventBatchPaused || e.Batch != "b1" || !e.Job.IsZero() || e.CallbackURL != "https://user.example/hook" {
			b.t.Fatalf("event %+v", e)
		}
		b.wantTime("event", e.At, b.now)
		stopped(1)
		pause("the key was refused", 1) // by another process, say
		pause("no credits", 1)
		pause("", 1)
		stopped(0)
		pause("no credits", 2)
		b.must(b.Resume(b.ctx(), "b1", b.now), "resume")
		stopped(0)
		pause("no credits", 3)
		b.open("finished", rejected(1, "bad"))
		before := len(b.allEvents())
		b.wantErr(b.Pause(b.ctx(), "finished", "no credits", b.now), jobs.ErrState, "pause a finished batch")
		wantSame(b, "events", len(b.allEvents()), before)
	}},
	{"batches page newest first", func(b *book) {
		for _, id := range []string{"m", "z", "a", "k"} {
			b.importing(id)
			b.later(time.Second)
		}
		for before, want := range map[string][]string{"": {"k", "a", "z"}, "k": {"a", "z", "m"}, "z": {"m"}, "m": {}} {
			page, err := b.Batches(b.ctx(), before, 3)
			b.must(err, "batches before %q", before)
			got := []string{}
			for _, batch := range page {
				got = append(got, batch.ID)
			}
			if !slices.Equal(got, want) {
				b.t.Fatalf("batches before %q: %v, want %v", before, got, want)
			}
		}
	}},
	{"what is not there is not found", func(b *book) {
		b.open("b1", pages(1)...)
		_, err := b.Batch(b.ctx(), "nothere")
		b.wantErr(err, jobs.ErrNotFound, "batch")
		_, err = b.Job(b.ctx(), row("nothere", 1))
		b.wantErr(err, jobs.ErrNotFound, "job of no batch")
		_, err = b.Job(b.ctx(), row("b1", 2))
		b.wantErr(err, jobs.ErrNotFound, "job beyond the last row")
	}},
}
