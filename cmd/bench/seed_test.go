package main

import (
	"io"
	"testing"
	"time"

	"shotline/jobs"
	"shotline/jobs/sqlite"
)

func TestSeedsAreCopiesOfOne(t *testing.T) {
	ctx := t.Context()
	b := &bench{folder: t.TempDir(), log: io.Discard}
	for _, name := range []string{"one", "other"} {
		database, err := b.seed(ctx, name, 120, 20)
		if err != nil {
			t.Fatal(err)
		}
		store, err := sqlite.Open(ctx, database)
		if err != nil {
			t.Fatal(err)
		}
		for row, want := range map[int64]jobs.State{1: jobs.Done, 50: jobs.Failed, 99: jobs.Done, 100: jobs.Failed, 101: jobs.Pending, 120: jobs.Pending} {
			job, err := store.Job(ctx, jobs.ID{Batch: seeded, Row: row})
			if err != nil || job.State != want || job.ScreenshotID != shotOf(int(row)) {
				t.Errorf("%s, row %d: %s, screenshot %s, %v, want %s, screenshot %s", name, row, job.State, job.ScreenshotID, err, want, shotOf(int(row)))
			}
		}
		// A change to one copy must not appear in the next.
		if _, err := store.Cancel(ctx, []jobs.ID{{Batch: seeded, Row: 120}}, time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
