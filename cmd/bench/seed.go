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
	seeded       = "seeded" // id of the batch in a seeded database
	seedChunk    = 10_000   // rows in one transaction
	seedFailures = 50       // of this many ended rows, one failed
)

// shotOf returns the screenshot id of a row of a seeded database, counted from 1.
func shotOf(row int) string { return strconv.Itoa(10_000_000 + row) }

// skuOf returns the value of the column sku of a row.
func skuOf(row int) string { return fmt.Sprintf("SKU-%08d", row) }

// seed makes a database that has one batch with the given number of rows. The
// last rows are pending, the others have ended. It writes to the store directly,
// because that is faster than serve, and only once for each size: later calls
// copy the file.
func (b *bench) seed(ctx context.Context, name string, rows, pending int) (database string, err error) {
	original := b.database(fmt.Sprintf("seed-%d-%d", rows, pending))
	if _, err := os.Stat(original); errors.Is(err, os.ErrNotExist) {
		began := time.Now()
		if err := makeSeed(ctx, original, rows, pending); err != nil {
			return "", fmt.Errorf("seed %d rows: %w", rows, err)
		}
		b.logf("seeded %d rows, %d of them pending, in %.0f s", rows, pending, time.Since(began).Seconds())
	} else if err != nil {
		return "", err
	}
	database = b.database(name)
	return database, copyDatabase(database, original)
}

// makeSeed removes the file if it fails, so that no later call copies an
// incomplete one.
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
		return fmt.Errorf("%d rows are pending and %d ended, want %d and %d", count.Of(jobs.Pending), ended, pending, rows-pending)
	}
	return nil
}

// seedRows creates the batch and its rows.
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

// seedEnds submits the next rows. Rows up to lastToEnd end with the response of
// the create. The others are pending, with a deadline so late that no serve
// queries the vendor about them.
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

// copyDatabase copies a database that no process has open. Then the file is
// complete without a WAL.
func copyDatabase(to, from string) (err error) {
	if info, err := os.Stat(from + "-wal"); err == nil && info.Size() > 0 {
		return fmt.Errorf("copy %s: it was not closed: there is a WAL beside it", from)
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
