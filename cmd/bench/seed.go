package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"shotline/jobs"
	"shotline/jobs/sqlite"
)

const (
	seeded       = "seeded" // the batch of a seeded database
	seedChunk    = 10_000   // rows of one transaction
	seedFailures = 50       // of so many rows that ended, one failed
)

// shotOf is the screenshot id of a row of a seeded database, counted from 1.
func shotOf(row int) string { return strconv.Itoa(10_000_000 + row) }

// skuOf is a column of a row.
func skuOf(row int) string { return fmt.Sprintf("SKU-%08d", row) }

// seed makes a database with one batch of so many rows, the last of which are
// pending and the others have ended. It goes past serve, straight into the store,
// once for each size; who asks again gets a copy of what was made then.
func (b *bench) seed(ctx context.Context, name string, rows, pending int) (database string, err error) {
	original := b.database(fmt.Sprintf("seed-%d-%d", rows, pending))
	if _, err := os.Stat(original); errors.Is(err, os.ErrNotExist) {
		began := time.Now()
		if err := makeSeed(ctx, original, rows, pending); err != nil {
			return "", fmt.Errorf("seed %d rows: %w", rows, err)
		}
		b.say("seeded %d rows, %d of them pending, in %.0f s", rows, pending, time.Since(began).Seconds())
	} else if err != nil {
		return "", err
	}
	database = b.database(name)
	return database, copyDatabase(database, original)
}

// makeSeed leaves no file when it fails: half of a seed is none.
func makeSeed(ctx context.Context, database string, rows, pending int) (err error) {
	store, err := sqlite.Open(ctx, database)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, store.Close()); err != nil {
			_ = os.Remove(database)
		}
	}()
	now := time.Now()
	if err := seedRows(ctx, store, rows, now.Add(-2*time.Hour)); err != nil {
		return err
	}
	for first := 1; first <= rows; first += seedChunk {
		if err := seedEnds(ctx, store, rows-pending, now); err != nil {
			return fmt.Errorf("rows from %d on: %w", first, err)
		}
	}
	batch, err := store.Batch(ctx, seeded)
	if err != nil {
		return err
	}
	count := batch.Counts
	if ended := count.Of(jobs.Done) + count.Of(jobs.Failed); int(count.Of(jobs.Pending)) != pending || int(ended) != rows-pending {
		return fmt.Errorf("%d are pending and %d ended", count.Of(jobs.Pending), ended)
	}
	return nil
}

// seedRows makes the batch.
func seedRows(ctx context.Context, store jobs.Store, rows int, at time.Time) error {
	if err := store.CreateBatch(ctx, jobs.BatchSpec{ID: seeded, Source: "seed.csv", Columns: []string{"url", "sku"}}, at); err != nil {
		return err
	}
	chunk := make([]jobs.Request, 0, seedChunk)
	for row := 1; row <= rows; row++ {
		url, sku := fmt.Sprintf("https://shop.test/products/%d?utm_source=bench", row), skuOf(row)
		chunk = append(chunk, jobs.Request{Line: row + 1, URL: url, Metadata: jobs.Metadata{"sku": sku}, Cells: []string{url, sku}})
		if len(chunk) < seedChunk && row < rows {
			continue
		}
		if err := store.AppendRequests(ctx, seeded, chunk, at); err != nil {
			return err
		}
		chunk = chunk[:0]
	}
	_, err := store.OpenBatch(ctx, seeded, at)
	return err
}

// seedEnds submits the next rows. The vendor's answer brings the end of those up
// to the last that ends; the others are pending, with time enough left that no
// serve asks for them.
func seedEnds(ctx context.Context, store jobs.Store, lastToEnd int, now time.Time) error {
	leases, err := store.Lease(ctx, seeded, "seed", seedChunk, now, now.Add(30*time.Second))
	if err != nil {
		return err
	}
	cost := 1.0
	observed := make([]jobs.Observation, len(leases))
	for i, lease := range leases {
		row := int(lease.Job.ID.Row)
		o := jobs.Observation{Job: lease.Job.ID, Attempt: lease.Attempt, ScreenshotID: shotOf(row), Outcome: jobs.OutcomeProcessing}
		switch {
		case row > lastToEnd:
		case row%seedFailures == 0:
			o.Outcome, o.Error, o.Cost = jobs.OutcomeFailed, "the page did not load in time", &cost
		default:
			o.Outcome, o.ImageURL, o.Cost = jobs.OutcomeDone, "https://cdn.test/screenshots/"+o.ScreenshotID+".png", &cost
		}
		observed[i] = o
	}
	_, err = store.Observe(ctx, observed, jobs.ByCreate, now, now.Add(24*time.Hour))
	return err
}

// copyDatabase copies one that nobody has open: its one file is all of it.
func copyDatabase(to, from string) (err error) {
	if info, err := os.Stat(from + "-wal"); err == nil && info.Size() > 0 {
		return fmt.Errorf("%s was not closed: there is a WAL beside it", from)
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}
